//! JSON as logs have it: with numbers that are none, prompts as messages, texts in parts.

use std::io::{BufRead, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{ImportError, Place};
use crate::lenient::without_non_numbers;
use crate::response::{Finish, Response};

/// A line beyond this many bytes is not read.
const MAX_LINE: u64 = 64 << 20;
/// A file that is read whole has at most this many bytes.
const MAX_WHOLE: u64 = 1 << 30;

/// A file in memory, if it is not too long.
pub(super) fn whole(path: &Path) -> Result<Vec<u8>, ImportError> {
    let failed = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    limited(file, MAX_WHOLE)
        .map_err(failed)?
        .ok_or_else(|| ImportError::TooMuch {
            place: Place::of(path),
            what: "has more bytes",
            limit: MAX_WHOLE,
        })
}

/// All that can be read; `None` if that is more than a limit.
pub(super) fn limited(reader: impl Read, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Takes a line with its number from 1.
pub(super) type TakeLine<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), ImportError>;

/// Goes through the lines of a file that are not blank, each with its number from 1.
pub(super) fn each_line(path: &Path, take: TakeLine<'_>) -> Result<(), ImportError> {
    let failed = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = std::io::BufReader::new(std::fs::File::open(path).map_err(failed)?);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let limited = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if limited.map_err(failed)? == 0 {
            return Ok(());
        }
        if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            return Err(ImportError::TooMuch {
                place: Place::line(path, number),
                what: "has more bytes",
                limit: MAX_LINE,
            });
        }
        if !line.trim_ascii().is_empty() {
            take(number, without_mark(&line))?;
        }
    }
}

/// Text without the mark that some programs write before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// JSON in which `NaN` and `Infinity` may stand for numbers; they are read as null.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let bytes = without_mark(bytes);
    serde_json::from_slice(bytes)
        .or_else(|error| serde_json::from_slice(&without_non_numbers(bytes)).map_err(|_| error))
}

/// A message of a conversation, as most programs write it.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Content,
    /// In logs of Inspect: `input` for what was there before, `generate` for what a model wrote.
    #[serde(default)]
    pub(super) source: Option<String>,
}

/// What a message says.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
    #[default]
    Nothing,
}

/// A part of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<bool>,
}

impl Content {
    /// Its text, without reasoning; `None` if something of it is no text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Nothing => Some(String::new()),
            Self::Parts(parts) => {
                let spoken = parts.iter().filter(|p| p.kind != "reasoning");
                let texts = spoken.map(|part| match part.kind.as_str() {
                    "text" | "input_text" | "output_text" => part.text.as_deref(),
                    _ => None,
                });
                texts.collect::<Option<String>>()
            }
        }
    }

    /// Whether it says of itself that it refuses.
    pub(super) fn refuses(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.iter().any(|p| p.refusal == Some(true)),
            Self::Text(_) | Self::Nothing => false,
        }
    }
}

/// A conversation as one text: a single turn of the user as it stands, others under their roles. `None` if
/// something of it is no text.
pub(super) fn conversation(messages: &[Message]) -> Option<String> {
    if let [only] = messages
        && only.role == "user"
    {
        return only.content.text();
    }
    let turns = messages.iter().map(|m| {
        let text = m.content.text()?;
        Some(format!("[{}]\n{text}", m.role))
    });
    Some(turns.collect::<Option<Vec<String>>>()?.join("\n\n"))
}

/// A prompt: a text, or a list of messages. `Err` for anything else, nothing for what is not text alone.
pub(super) fn prompt(value: Value) -> Result<Option<String>, ()> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Array(_) => {
            let messages: Vec<Message> = serde_json::from_value(value).map_err(drop)?;
            Ok(conversation(&messages))
        }
        _ => Err(()),
    }
}

/// A text that a model ended.
pub(super) fn text(text: String) -> Response {
    Response::Text {
        text,
        tokens: 0,
        finish: Finish::Stop,
    }
}

/// No answer.
pub(super) fn unavailable(reason: impl Into<String>) -> Response {
    Response::Unavailable {
        reason: reason.into(),
    }
}

/// What a value of a log says in a few words: its own text, or the one that it calls its message.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => match map.get("message").or(map.get("type")) {
            Some(Value::String(text)) => text.clone(),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_null_outside_of_texts() {
        let value: Value = parse(
            br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" Infinity \\", "d": NaN}"#,
        )
        .unwrap();
        let wanted = serde_json::json!({
            "a": null, "b": [null, null], "c": "NaN \" Infinity \\", "d": null,
        });
        assert_eq!(value, wanted);
        assert!(parse::<Value>(b"{\"a\": NaNa}").is_err());
        assert!(parse::<Value>(b"{\"a\": \"NaN}").is_err());
        assert!(parse::<Value>(b"\"\\").is_err());
    }

    #[test]
    fn deep_json_is_an_error_and_no_overflow() {
        let deep = "[".repeat(1_000_000);
        assert!(parse::<Value>(deep.as_bytes()).is_err());
        let deep = format!("{deep}NaN");
        assert!(parse::<Value>(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_single_turn_is_its_text_and_others_stand_under_their_roles() {
        let of = |text: &str| prompt(serde_json::from_str(text).unwrap());
        assert_eq!(of(r#""a""#), Ok(Some("a".to_owned())));
        let one = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#;
        assert_eq!(of(one), Ok(Some("ab".to_owned())));
        let two = r#"[{"role":"system","content":"s"},{"role":"user","content":"a"}]"#;
        assert_eq!(of(two), Ok(Some("[system]\ns\n\n[user]\na".to_owned())));
        let picture = r#"[{"role":"user","content":[{"type":"image","image":"x"}]}]"#;
        assert_eq!(of(picture), Ok(None));
        assert_eq!(of("3"), Err(()));
        assert_eq!(of("[3]"), Err(()));
    }
}
