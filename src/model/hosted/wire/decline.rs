//! A server's no, in all the forms in which servers say it.

use serde_json::Value;

use super::Outcome;
use super::json::at;

/// How much of a server's words is kept.
const MAX_MESSAGE: usize = 400;

/// A reply that is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model::hosted) struct Decline {
    /// HTTP status; 0 when no whole reply came.
    pub(in crate::model::hosted) status: u16,
    /// The server's code or type, as text.
    pub(in crate::model::hosted) code: Option<String>,
    /// The parameter that it names.
    pub(in crate::model::hosted) param: Option<String>,
    /// Its words.
    pub(in crate::model::hosted) message: String,
}

impl Decline {
    /// Reads an error reply of any form, with its body parsed where that is JSON.
    pub(super) fn read(status: u16, body: &[u8], json: Option<&Value>) -> Self {
        match json {
            Some(value) => Self::from_json(status, value),
            None => Self {
                status,
                code: None,
                param: None,
                message: shorten(&without_tags(&String::from_utf8_lossy(body))),
            },
        }
    }

    /// Reads an error that came with a status of success.
    pub(super) fn within(status: u16, value: &Value) -> Option<Self> {
        // A router's upstream failed.
        let choice = at(value, "/choices/0").unwrap_or(&Value::Null);
        if choice.get("error").is_some_and(|error| !error.is_null()) {
            return Some(Self::from_json(status, choice));
        }
        // A list of answers without one is no empty answer.
        let empty = value.get("choices").and_then(Value::as_array);
        if empty.is_some_and(Vec::is_empty) && value.get("error").is_none_or(Value::is_null) {
            return Some(Self {
                status,
                code: None,
                param: None,
                message: "the reply holds no choice".to_owned(),
            });
        }
        let error = value.get("error").filter(|error| !error.is_null())?;
        let answered = ["choices", "message", "response", "content", "output"];
        let answered = answered.iter().any(|key| !value[*key].is_null());
        let empty = error.as_str().is_some_and(str::is_empty);
        (!answered && !empty).then(|| Self::from_json(status, value))
    }

    fn from_json(status: u16, value: &Value) -> Self {
        // Gemini wraps the object into a list on some routes.
        let value = value.get(0).unwrap_or(value);
        let error = match value.get("error") {
            Some(error) if !error.is_null() => error,
            _ => value,
        };
        let named = |key: &str| error.get(key).and_then(word);
        let mut message = words(error);
        // A router hands on what its upstream said.
        if let Some(raw) = error.pointer("/metadata/raw").and_then(Value::as_str) {
            message = format!("{message}: {raw}");
        }
        Self {
            status,
            code: named("code")
                .filter(|code| code.parse::<u16>().is_err())
                .or_else(|| named("type"))
                .or_else(|| named("status")),
            param: named("param").or_else(|| place(error)),
            message: shorten(&message),
        }
    }

    /// What became of the call.
    pub(super) fn outcome(&self) -> Outcome {
        if self.is_policy() {
            return Outcome::Refused(self.to_string());
        }
        if self.is_too_long() {
            return Outcome::Unavailable(format!("context too long: {self}"));
        }
        Outcome::Unavailable(self.to_string())
    }

    /// A filter before the model declined.
    fn is_policy(&self) -> bool {
        let client = (400..500).contains(&self.status) || self.status == 200;
        client
            && self.says(&[
                "content_filter",
                "content_policy",
                "content policy",
                "content management policy",
                "responsibleai",
                "usage policy",
                "moderation",
                "flagged",
                "safety system",
                "prohibited_content",
            ])
    }

    /// The prompt does not fit.
    pub(super) fn is_too_long(&self) -> bool {
        self.status == 413
            || self.status != 429
                && self.says(&[
                    "context_length_exceeded",
                    "exceed_context_size",
                    "context length",
                    "context window",
                    "context size",
                    "prompt is too long",
                    "too many tokens",
                    "input token count",
                    "maximum sequence length",
                ])
    }

    /// Whether it is about a parameter, under any of these names.
    pub(super) fn names(&self, names: &[&str]) -> bool {
        let about_parameters = matches!(self.status, 400 | 422 | 501);
        let is = |word: &str| names.iter().any(|name| plain(name) == plain(word));
        about_parameters
            && match &self.param {
                // `generation_config.top_k`, `body.top_k`
                Some(param) => param.split('.').next_back().is_some_and(is),
                None => self
                    .message
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .any(is),
            }
    }

    /// Whether it says that something is not to be had at all, rather than not in this measure.
    pub(super) fn says_never(&self) -> bool {
        self.says(&[
            "not supported",
            "unsupported_parameter",
            "does not support",
            "not allowed",
            "not enabled",
            "not available",
            "unrecognized",
            "unknown",
            "extra inputs",
            "extra fields",
        ])
    }

    fn says(&self, words: &[&str]) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let all = format!("{code} {}", self.message).to_lowercase();
        words.iter().any(|word| all.contains(word))
    }
}

impl std::fmt::Display for Decline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            0 => write!(f, "no whole reply")?,
            status => write!(f, "HTTP {status}")?,
        }
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A name without what dialects write differently: case and underscores.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// A code: a text or a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A server's words, wherever they stand: a text, `message`, `detail`, `msg`, or a list of such.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let all: Vec<String> = items.iter().take(8).map(words).collect();
            all.join("; ")
        }
        Value::Object(map) => {
            let said = ["message", "detail", "msg", "error", "title"]
                .iter()
                .find_map(|key| map.get(*key).filter(|value| !value.is_null()));
            match (said, place(value)) {
                (Some(said), Some(place)) if map.contains_key("loc") => {
                    format!("{place}: {}", words(said))
                }
                (Some(said), _) => words(said),
                (None, _) => value.to_string(),
            }
        }
        _ => value.to_string(),
    }
}

/// Where FastAPI saw it: the last name of `loc`, also of the first entry of `detail`.
fn place(value: &Value) -> Option<String> {
    let entry = [
        value.pointer("/loc"),
        value.pointer("/detail/0/loc"),
        value.pointer("/message/detail/0/loc"),
    ];
    let loc = entry.into_iter().flatten().next()?.as_array()?;
    loc.iter().rev().find_map(Value::as_str).map(str::to_owned)
}

/// A gateway's page as text.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in page.chars().take(16 * MAX_MESSAGE) {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

fn shorten(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_whitespace() {
        if !short.is_empty() {
            short.push(' ');
        }
        short.extend(word.chars().take(MAX_MESSAGE));
        if short.len() > MAX_MESSAGE {
            short = short.chars().take(MAX_MESSAGE).collect();
            return short + "...";
        }
    }
    if short.is_empty() {
        "no words".to_owned()
    } else {
        short
    }
}
