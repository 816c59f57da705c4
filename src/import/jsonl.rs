//! One JSON object a line, with named fields.

use serde_json::{Map, Value};

use super::error::{ImportError, Place};
use super::find::Found;
use super::gather::{Asked, Gathered, LeftOut, Row};
use super::json::{each_line, parse, prompt, text, unavailable};
use super::{Fields, Settings};

/// Takes in a file.
pub(super) fn read(
    file: &Found,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    each_line(&file.path, &mut |number, line| {
        let place = Place::line(&file.path, number);
        let object: Map<String, Value> = parse(line).map_err(|source| ImportError::Form {
            place: place.clone(),
            format: settings.format.name(),
            source,
        })?;
        take(&place, object, settings, gathered)
    })
}

fn take(
    place: &Place,
    mut object: Map<String, Value>,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let Fields {
        model,
        prompt: prompt_field,
        answer,
        sample,
    } = &settings.fields;
    let wrong = |field: &String, fault, todo| ImportError::Field {
        place: place.clone(),
        field: field.clone(),
        fault,
        todo,
    };
    let model = match (object.remove(model), &settings.model) {
        (Some(Value::String(name)), _) => name,
        (None | Some(Value::Null), Some(name)) => name.clone(),
        (None | Some(Value::Null), None) => {
            let todo = "name the field with --model-field, or the model with --model";
            return Err(wrong(model, "is missing", todo));
        }
        (Some(_), _) => return Err(wrong(model, "is no text", "write the model's name there")),
    };
    let todo = "name the field with --prompt-field";
    let asked = object.remove(prompt_field);
    let asked = asked.ok_or_else(|| wrong(prompt_field, "is missing", todo))?;
    let asked = prompt(asked).map_err(|()| {
        let todo = "write a text there, or a list of messages with role and content";
        wrong(prompt_field, "is no prompt", todo)
    })?;
    let Some(asked) = asked else {
        gathered.leave_out(LeftOut::NotText);
        return Ok(());
    };
    let number = match object.remove(sample) {
        None | Some(Value::Null) => None,
        Some(number) => {
            let todo = "write a whole number from 0 on there, or leave the field out";
            let number = number.as_u64();
            Some(number.ok_or_else(|| wrong(sample, "is no number of a sample", todo))?)
        }
    };
    let todo = "name the field with --answer-field";
    let given = object.remove(answer);
    let given = given.ok_or_else(|| wrong(answer, "is missing", todo))?;
    let several = matches!(given, Value::Array(_));
    let responses = match given {
        Value::Array(samples) => samples,
        one => vec![one],
    };
    for response in responses {
        let response = match response {
            Value::String(answer) => text(answer),
            Value::Null => unavailable("no answer stands there (null)"),
            _ => {
                let todo = "write a text there, a list of texts, or null for none";
                return Err(wrong(answer, "is no answer", todo));
            }
        };
        let row = Row {
            model: model.clone(),
            asked: Asked::chat(asked.clone()),
            family: None,
            // The samples of a list have no numbers of their own.
            sample: number.filter(|_| !several),
            response,
        };
        gathered.row(place, row)?;
    }
    Ok(())
}
