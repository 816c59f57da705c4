//! Logs of Inspect: an archive of samples (`.eval`), or one JSON file of the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

use serde::Deserialize;
use serde_json::Value;
use zip::ZipArchive;

use super::Settings;
use super::error::{ImportError, Place};
use super::find::Found;
use super::gather::{Asked, Gathered, LeftOut, Row};
use super::json::{Content, Message, conversation, limited, parse, text, unavailable, words};
use crate::response::{Finish, Response};

/// A member beyond this many bytes is not unpacked.
const MAX_MEMBER: u64 = 128 << 20;
/// Bytes that one archive may come to.
const MAX_UNPACKED: u64 = 32 << 30;
/// Members at most.
const MAX_MEMBERS: usize = 1_000_000;
/// The version of the form that is known.
const VERSION: u64 = 2;
/// What of `model_generate_config` is kept, where it is set.
const SETTINGS: [&str; 8] = [
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    "system_message",
    "reasoning_effort",
    "num_choices",
];

/// The log as a whole; in an archive without its samples.
#[derive(Deserialize)]
struct Log {
    version: u64,
    eval: Eval,
    #[serde(default)]
    samples: Option<Vec<Sample>>,
}

#[derive(Deserialize)]
struct Eval {
    model: String,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    model_generate_config: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
struct Sample {
    #[serde(default)]
    input: Value,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    output: Option<Output>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    limit: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    completion: Option<String>,
    fallback: Option<Fallback>,
    error: Value,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Fallback {
    #[serde(default)]
    fallback_model: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    output_tokens: usize,
}

/// Takes in a log that is one JSON file.
pub(super) fn read_json(
    file: &Found,
    bytes: &[u8],
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let place = Place::of(&file.path);
    let mut log: Log = parse(bytes).map_err(|source| form(&place, settings, source))?;
    known(&place, &log)?;
    told(&place, &log.eval, gathered)?;
    let samples = log.samples.take().unwrap_or_default();
    for (i, sample) in samples.into_iter().enumerate() {
        take(&Place::item(&file.path, i), &log.eval, sample, gathered)?;
    }
    Ok(())
}

/// Takes in an archive.
pub(super) fn read_archive(
    file: &Found,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let mut archive = Archive::open(file)?;
    // A run that did not finish has no header yet.
    let header = ["header.json", "_journal/start.json"]
        .into_iter()
        .find(|name| archive.zip.index_for_name(name).is_some())
        .ok_or_else(|| ImportError::Field {
            place: Place::of(&file.path),
            field: "header.json".to_owned(),
            fault: "is missing, and so is _journal/start.json",
            todo: "give a log that Inspect wrote",
        })?;
    let place = Place::member(&file.path, header);
    let log: Log = parse(&archive.read(header)?).map_err(|e| form(&place, settings, e))?;
    known(&place, &log)?;
    told(&place, &log.eval, gathered)?;
    for name in archive.samples()? {
        let place = Place::member(&file.path, &name);
        let sample: Sample = parse(&archive.read(&name)?).map_err(|e| form(&place, settings, e))?;
        take(&place, &log.eval, sample, gathered)?;
    }
    Ok(())
}

fn form(place: &Place, settings: &Settings, source: serde_json::Error) -> ImportError {
    ImportError::Form {
        place: place.clone(),
        format: settings.format.name(),
        source,
    }
}

/// Refuses logs of a form that came later.
fn known(place: &Place, log: &Log) -> Result<(), ImportError> {
    if log.version <= VERSION {
        return Ok(());
    }
    Err(ImportError::Field {
        place: place.clone(),
        field: "version".to_owned(),
        fault: "is above 2, the newest that is known",
        todo: "use a newer version of parentage",
    })
}

fn told(place: &Place, eval: &Eval, gathered: &mut Gathered) -> Result<(), ImportError> {
    let config = eval.model_generate_config.as_ref();
    for name in SETTINGS {
        let value = config.and_then(|c| c.get(name)).filter(|v| !v.is_null());
        if let Some(value) = value {
            gathered.setting(place, &eval.model, name, words(value))?;
        }
    }
    Ok(())
}

/// An archive and what was unpacked of it.
struct Archive<'a> {
    file: &'a Found,
    zip: ZipArchive<BufReader<File>>,
    unpacked: u64,
}

impl<'a> Archive<'a> {
    fn open(file: &'a Found) -> Result<Self, ImportError> {
        let opened = File::open(&file.path).map_err(|source| ImportError::Read {
            path: file.path.clone(),
            source,
        })?;
        // Of several members of one name the last is kept: it replaced the others.
        let zip = ZipArchive::new(BufReader::new(opened));
        let zip = zip.map_err(|source| ImportError::Archive {
            place: Place::of(&file.path),
            source,
        })?;
        if zip.len() > MAX_MEMBERS {
            return Err(ImportError::TooMuch {
                place: Place::of(&file.path),
                what: "has more members",
                limit: MAX_MEMBERS as u64,
            });
        }
        Ok(Self {
            file,
            zip,
            unpacked: 0,
        })
    }

    /// A member, unpacked within limits whatever it says of its length.
    fn read(&mut self, name: &str) -> Result<Vec<u8>, ImportError> {
        let place = Place::member(&self.file.path, name);
        let too_much = |what, limit| ImportError::TooMuch {
            place: place.clone(),
            what,
            limit,
        };
        let member = self.zip.by_name(name);
        let member = member.map_err(|source| ImportError::Archive {
            place: place.clone(),
            source,
        })?;
        let bytes = limited(member, MAX_MEMBER).map_err(|source| ImportError::Archive {
            place: place.clone(),
            source: source.into(),
        })?;
        let bytes = bytes.ok_or_else(|| too_much("has more bytes", MAX_MEMBER))?;
        self.unpacked += bytes.len() as u64;
        if self.unpacked > MAX_UNPACKED {
            return Err(too_much(
                "makes the archive unpack to more bytes",
                MAX_UNPACKED,
            ));
        }
        Ok(bytes)
    }

    /// The names of the samples, by id and then by epoch.
    fn samples(&self) -> Result<Vec<String>, ImportError> {
        let mut samples = BTreeMap::new();
        for name in self.zip.file_names() {
            let name = name.map_err(|source| ImportError::Archive {
                place: Place::of(&self.file.path),
                source,
            })?;
            let Some(rest) = name.strip_prefix("samples/") else {
                continue;
            };
            if rest.ends_with("/sample.json") {
                return Err(ImportError::Field {
                    place: Place::of(&self.file.path),
                    field: name.chars().take(200).collect(),
                    fault: "belongs to a sample in chunks, which is not read",
                    todo: "write the log anew in the usual form, with inspect log convert",
                });
            }
            let Some(stem) = rest.strip_suffix(".json") else {
                continue;
            };
            let (id, epoch) = stem.rsplit_once("_epoch_").unwrap_or((stem, ""));
            let epoch = epoch.parse::<u64>().unwrap_or(0);
            samples.insert((id.to_owned(), epoch, name.to_string()), name.to_string());
        }
        Ok(samples.into_values().collect())
    }
}

fn take(
    place: &Place,
    eval: &Eval,
    sample: Sample,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let model = &eval.model;
    if let Some(served) = sample.output.as_ref().and_then(|o| o.model.clone()) {
        gathered.served(place, model, served)?;
    }
    let messages = sample.messages.as_deref().unwrap_or_default();
    let written = |m: &Message| m.role == "assistant" && m.source.as_deref() != Some("input");
    let first = messages.iter().position(written);
    let turns = messages.iter().filter(|m| written(m)).count();
    // What the model read may be more than the sample's input: a template, a system prompt, the options.
    let asked = match first.unwrap_or(messages.len()) {
        0 => super::json::prompt(sample.input.clone()).map_err(|()| ImportError::Field {
            place: place.clone(),
            field: "input".to_owned(),
            fault: "is no prompt",
            todo: "give a log that Inspect wrote",
        })?,
        end => conversation(&messages[..end]),
    };
    let Some(asked) = asked else {
        gathered.leave_out(LeftOut::NotText);
        return Ok(());
    };
    let row = Row {
        model: model.clone(),
        asked: Asked::chat(asked),
        family: eval.task.clone(),
        sample: None,
        response: response(sample, turns),
    };
    gathered.row(place, row)
}

/// What became of a sample.
fn response(sample: Sample, turns: usize) -> Response {
    let Some(output) = sample.output else {
        return unavailable("the sample has no output");
    };
    for (what, value) in [
        ("error", &sample.error),
        ("error", &output.error),
        ("stopped at a limit", &sample.limit),
    ] {
        if !value.is_null() {
            return unavailable(format!("{what}: {}", words(value)));
        }
    }
    if let Some(fallback) = output.fallback {
        let other = fallback.fallback_model.unwrap_or_default();
        return unavailable(format!("another model answered instead: {other}"));
    }
    if turns > 1 {
        return unavailable("answered over several turns");
    }
    let tokens = output.usage.map_or(0, |u| u.output_tokens);
    let choice = output.choices.and_then(|c| c.into_iter().next());
    let (content, reason) = match choice {
        Some(choice) => (choice.message.content, choice.stop_reason),
        None => match output.completion {
            Some(completion) => (Content::Text(completion), None),
            None => return unavailable("the output has no answer"),
        },
    };
    let Some(said) = content.text() else {
        return unavailable("the answer is not text alone");
    };
    match reason.as_deref() {
        _ if content.refuses() => Response::Refused { reason: said },
        Some("content_filter") => Response::Refused {
            reason: format!("content filter: {said}"),
        },
        Some("tool_calls") => unavailable("the model called a tool"),
        Some("max_tokens" | "model_length") => ended(said, tokens, Finish::Length),
        _ => ended(said, tokens, Finish::Stop),
    }
}

fn ended(said: String, tokens: usize, finish: Finish) -> Response {
    match text(said) {
        Response::Text { text, .. } => Response::Text {
            text,
            tokens,
            finish,
        },
        other => other,
    }
}
