//! What the lm-evaluation-harness writes with `--log_samples`: a row a document and filter, everything in `resps` as
//! text. Rows of likelihoods over one context are a closed question; rows of texts an open one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Settings;
use super::error::{ImportError, Place};
use super::find::Found;
use super::gather::{Asked, Gathered, LeftOut, Row};
use super::json::{each_line, limited, parse, prompt, text, words};
use crate::battery::Pose;
use crate::response::{Response, Scored};

/// A file of results beyond this many bytes is not looked at.
const MAX_RESULTS: u64 = 256 << 20;

#[derive(Deserialize)]
struct Line {
    doc_id: u64,
    arguments: Value,
    /// A list of repeats for every request.
    resps: Vec<Vec<Value>>,
}

/// What stands in `results_*.json`, as far as it tells who was asked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Results {
    model_name: Option<String>,
    model_source: Option<String>,
    system_instruction: Option<String>,
    lm_eval_version: Option<String>,
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    model: Option<String>,
    model_args: Value,
    gen_kwargs: Value,
}

/// One request: what was read, and what was asked to follow it.
struct Request {
    context: String,
    then: Value,
}

/// Takes in a file.
pub(super) fn read(
    file: &Found,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let place = Place::of(&file.path);
    let results = results(&file.path);
    let named = results.model_name.clone().filter(|n| !n.is_empty());
    let model = named
        .or_else(|| settings.model.clone())
        .or_else(|| file.home().map(str::to_owned))
        .ok_or_else(|| ImportError::NoModel {
            place: place.clone(),
        })?;
    let told = [
        ("harness", results.lm_eval_version.map(Value::from)),
        ("model_source", results.model_source.map(Value::from)),
        ("system_prompt", results.system_instruction.map(Value::from)),
        ("model_type", results.config.model.map(Value::from)),
        ("model_args", Some(results.config.model_args)),
        ("gen_kwargs", Some(results.config.gen_kwargs)),
    ];
    for (name, value) in told {
        if let Some(value) = value.filter(|v| !v.is_null()) {
            gathered.setting(&place, &model, name, words(&value))?;
        }
    }
    let task = task(&file.path);
    let mut seen = BTreeSet::new();
    each_line(&file.path, &mut |number, line| {
        let place = Place::line(&file.path, number);
        let line: Line = parse(line).map_err(|source| ImportError::Form {
            place: place.clone(),
            format: settings.format.name(),
            source,
        })?;
        if !seen.insert(line.doc_id) {
            gathered.leave_out(LeftOut::OtherFilter);
            return Ok(());
        }
        for (asked, response) in answers(&place, line, gathered)? {
            let row = Row {
                model: model.clone(),
                asked,
                family: task.clone(),
                sample: None,
                response,
            };
            gathered.row(&place, row)?;
        }
        Ok(())
    })
}

/// The answers of a row.
fn answers(
    place: &Place,
    line: Line,
    gathered: &mut Gathered,
) -> Result<Vec<(Asked, Response)>, ImportError> {
    let wrong = |field: &str, fault, todo| ImportError::Field {
        place: place.clone(),
        field: field.to_owned(),
        fault,
        todo,
    };
    let todo = "give a file that --log_samples wrote";
    let requests = requests(line.arguments);
    let requests = requests.ok_or_else(|| wrong("arguments", "holds no requests", todo))?;
    let repeats = line.resps;
    if repeats.len() != requests.len() || repeats.iter().any(Vec::is_empty) {
        return Err(wrong("resps", "has not an answer for every request", todo));
    }
    if let [request] = requests.as_slice()
        && !request.then.is_null()
        && repeats[0].iter().all(Value::is_string)
    {
        let asked = Asked {
            pose: Pose::Raw,
            text: request.context.clone(),
            options: Vec::new(),
        };
        let texts = repeats.into_iter().flatten().filter_map(|r| match r {
            Value::String(answer) => Some((asked.clone(), text(answer))),
            _ => None,
        });
        return Ok(texts.collect());
    }
    let closed = closed(&requests, &repeats);
    if closed.is_none() {
        gathered.leave_out(LeftOut::NoDistribution);
    }
    Ok(closed.into_iter().collect())
}

/// A row of likelihoods as a closed question: all options behind one context.
fn closed(requests: &[Request], repeats: &[Vec<Value>]) -> Option<(Asked, Response)> {
    let context = &requests.first()?.context;
    // Some metrics ask for the options without any context as well.
    let (here, elsewhere): (Vec<_>, Vec<_>) = requests
        .iter()
        .zip(repeats)
        .partition(|(request, _)| request.context == *context);
    if elsewhere
        .iter()
        .any(|(request, _)| !request.context.is_empty())
    {
        return None;
    }
    let (mut options, mut scores) = (Vec::new(), Vec::new());
    for (request, repeats) in here {
        let option = request.then.as_str()?.trim().to_owned();
        if option.is_empty() || options.contains(&option) {
            return None;
        }
        options.push(option);
        scores.push(scored(repeats.first()?)?);
    }
    let asked = Asked {
        pose: Pose::Raw,
        text: context.clone(),
        options,
    };
    (scores.len() > 1).then_some((asked, Response::Scored { scores }))
}

/// The score in `[log-likelihood, is greedy]`, as numbers or as texts of them; without a value for what is no
/// probability, nothing for something else.
fn scored(pair: &Value) -> Option<Scored> {
    let first = pair.as_array()?.first()?;
    let value: f64 = match first {
        Value::String(text) => text.parse().ok()?,
        Value::Null => f64::NAN,
        other => other.as_f64()?,
    };
    // Sums of rounded logarithms may lie a little above that of one.
    let known = value.is_finite() && value <= 1e-3;
    Some(Scored {
        log_probability: known.then_some(value.min(0.0)),
        tokens: 0,
    })
}

/// The requests of a row, in their order: an object of `gen_args_0`, `gen_args_1`, ..., or in older files a list of
/// lists.
fn requests(arguments: Value) -> Option<Vec<Request>> {
    let request = |context: Value, then: Option<Value>| {
        Some(Request {
            context: prompt(context).ok()??,
            then: then.unwrap_or_default(),
        })
    };
    match arguments {
        Value::Object(map) => {
            let numbered = map.into_iter().map(|(name, args)| {
                let number: usize = name.strip_prefix("gen_args_")?.parse().ok()?;
                Some((number, args))
            });
            let mut numbered: Vec<(usize, Value)> = numbered.collect::<Option<_>>()?;
            numbered.sort_by_key(|(number, _)| *number);
            let requests = numbered.into_iter().map(|(_, args)| match args {
                Value::Object(mut args) => request(args.remove("arg_0")?, args.remove("arg_1")),
                _ => None,
            });
            requests.collect()
        }
        Value::Array(list) => {
            let requests = list.into_iter().map(|args| match args {
                Value::Array(args) => {
                    let mut args = args.into_iter();
                    request(args.next()?, args.next())
                }
                _ => None,
            });
            requests.collect()
        }
        _ => None,
    }
}

/// The task of `samples_{task}_{date}.jsonl`.
fn task(path: &Path) -> Option<String> {
    let (task, _) = parts(path)?;
    Some(task.to_owned())
}

fn parts(path: &Path) -> Option<(&str, &str)> {
    let stem = path.file_stem()?.to_str()?;
    stem.strip_prefix("samples_")?.rsplit_once('_')
}

/// The results that lie beside the samples of the same date; nothing is known where there are none.
fn results(path: &Path) -> Results {
    let beside = || {
        let (_, date) = parts(path)?;
        let file = File::open(path.with_file_name(format!("results_{date}.json"))).ok()?;
        let bytes = limited(BufReader::new(file), MAX_RESULTS).ok()??;
        parse(&bytes).ok()
    };
    beside().unwrap_or_default()
}
