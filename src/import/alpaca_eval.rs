//! Answers as AlpacaEval has them: a list of objects with `instruction`, `output`, `generator` and `dataset`.

use serde::Deserialize;
use serde_json::Value;

use super::Settings;
use super::error::{ImportError, Place};
use super::find::Found;
use super::gather::{Asked, Gathered, Row};
use super::json::{text, unavailable};

#[derive(Deserialize)]
struct Item {
    instruction: String,
    output: Value,
    #[serde(default)]
    generator: Option<String>,
    #[serde(default)]
    dataset: Option<String>,
}

/// Takes in a file.
pub(super) fn read(
    file: &Found,
    bytes: &[u8],
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let items: Vec<Item> = super::json::parse(bytes).map_err(|source| ImportError::Form {
        place: Place::of(&file.path),
        format: settings.format.name(),
        source,
    })?;
    for (i, item) in items.into_iter().enumerate() {
        let place = Place::item(&file.path, i);
        let home = || file.home().map(str::to_owned);
        let model = item.generator.or_else(|| settings.model.clone());
        let model = model.or_else(home).ok_or_else(|| ImportError::NoModel {
            place: place.clone(),
        })?;
        let response = match item.output {
            Value::String(output) => text(output),
            Value::Null => unavailable("no answer stands there (null)"),
            _ => {
                return Err(ImportError::Field {
                    place,
                    field: "output".to_owned(),
                    fault: "is no text",
                    todo: "write a text there, or null for none",
                });
            }
        };
        let row = Row {
            model,
            asked: Asked::chat(item.instruction),
            family: item.dataset,
            sample: None,
            response,
        };
        gathered.row(&place, row)?;
    }
    Ok(())
}
