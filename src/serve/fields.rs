//! A request's parameters, taken one by one by name, so that nothing in it goes unread.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Parameters that cannot change an answer.
const IDLE: &[&str] = &[
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "priority",
    "request_id",
];

/// Parameters that may be there with values that change nothing.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("bad_words", &["[]"]),
    ("best_of", &["1"]),
    ("chat_template_kwargs", &["{}"]),
    ("frequency_penalty", &["0"]),
    ("ignore_eos", &["false"]),
    ("include_stop_str_in_output", &["false"]),
    ("length_penalty", &["1"]),
    ("logit_bias", &["{}"]),
    ("min_p", &["0"]),
    ("min_tokens", &["0"]),
    ("modalities", &["[\"text\"]"]),
    ("presence_penalty", &["0"]),
    ("repetition_penalty", &["1"]),
    ("response_format", &["{\"type\":\"text\"}"]),
    ("return_tokens_as_token_ids", &["false"]),
    ("skip_special_tokens", &["true"]),
    ("stop_token_ids", &["[]"]),
    ("store", &["false"]),
    ("stream", &["false"]),
    ("suffix", &["\"\""]),
    ("tool_choice", &["\"none\""]),
    ("tools", &["[]"]),
    ("top_k", &["0", "-1"]),
    ("use_beam_search", &["false"]),
];

/// The parameters of a request that were not taken yet, and those that were.
#[derive(Debug)]
pub(super) struct Fields {
    rest: Map<String, Value>,
    taken: Map<String, Value>,
}

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body).map_err(|source| Refusal::NotJson { source })? {
            Value::Object(rest) => Ok(Self {
                rest,
                taken: Map::new(),
            }),
            _ => Err(Refusal::NotAnObject),
        }
    }

    /// A parameter that is not taken yet.
    pub(super) fn see(&self, name: &str) -> Option<&Value> {
        self.rest.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.see(name).is_some()
    }

    /// Takes a parameter without a record of its value; null is as good as absent.
    pub(super) fn take_unrecorded(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a parameter.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.take_unrecorded(name)?;
        self.taken.insert(name.to_owned(), value.clone());
        Some(value)
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Refusal> {
        let wrong = || Refusal::invalid(name, "must be true or false");
        let value = self.take(name);
        value.map(|v| v.as_bool().ok_or_else(wrong)).transpose()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::invalid(name, "must be a string")),
        }
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Refusal> {
        let wrong = || Refusal::invalid(name, "must be an integer");
        let value = self.take(name);
        value.map(|v| v.as_i64().ok_or_else(wrong)).transpose()
    }

    pub(super) fn count(
        &mut self,
        name: &str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        match count.filter(|count| range.contains(count)) {
            Some(count) => Ok(Some(count)),
            None => Err(Refusal::invalid(
                name,
                format!(
                    "must be an integer from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// A number above `above` (or equal to it, when `inclusive`) and not above `most`.
    pub(super) fn number(
        &mut self,
        name: &str,
        (above, inclusive): (f64, bool),
        most: f64,
    ) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let fits = |x: &f64| (*x > above || (inclusive && *x >= above)) && *x <= most;
        match value.as_f64().filter(fits) {
            Some(number) => Ok(Some(number)),
            None => {
                let from = if inclusive { "from" } else { "above" };
                let what = format!("must be a number {from} {above} up to {most}");
                Err(Refusal::invalid(name, what))
            }
        }
    }

    /// One text or several.
    pub(super) fn texts(&mut self, name: &str, most: usize) -> Result<Vec<String>, Refusal> {
        let wrong = || Refusal::invalid(name, format!("must be a string or up to {most} of them"));
        let texts = match self.take(name) {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(items)) if items.len() <= most => items
                .into_iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(wrong()),
        };
        if texts.iter().any(String::is_empty) {
            return Err(Refusal::invalid(name, "must not hold an empty string"));
        }
        Ok(texts)
    }

    /// Refuses what is left and would change the answer; gives what was taken.
    pub(super) fn finish(self) -> Result<Map<String, Value>, Refusal> {
        for (name, value) in self.rest {
            if !value.is_null() && !IDLE.contains(&name.as_str()) && !is_neutral(&name, &value) {
                let param = name.chars().take(64).collect();
                return Err(Refusal::Unsupported { param });
            }
        }
        Ok(self.taken)
    }
}

fn is_neutral(name: &str, value: &Value) -> bool {
    let values = NEUTRAL.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    values.unwrap_or_default().iter().any(|text| {
        // 0 and 0.0 are the same here.
        let neutral: Option<Value> = serde_json::from_str(text).ok();
        match (neutral.as_ref().and_then(Value::as_f64), value.as_f64()) {
            (Some(neutral), Some(value)) => (neutral - value).abs() < f64::EPSILON,
            _ => neutral.as_ref() == Some(value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_table_of_neutral_values_is_json() {
        for (name, values) in NEUTRAL {
            for text in *values {
                let value: Value = serde_json::from_str(text).unwrap();
                assert!(is_neutral(name, &value), "{name}");
            }
        }
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        for (text, param) in [
            (r#"{"frequency_penalty": 0.5}"#, "frequency_penalty"),
            (r#"{"stream": true}"#, "stream"),
            (r#"{"top_k": 40}"#, "top_k"),
            (r#"{"no_such_thing": 0}"#, "no_such_thing"),
        ] {
            let refusal = fields(text).finish().unwrap_err();
            assert_eq!(refusal.body()["error"]["param"], param);
        }
        let idle = r#"{"user": "u", "top_k": -1, "frequency_penalty": 0.0, "stop": null}"#;
        assert!(fields(idle).finish().unwrap().is_empty());
    }

    #[test]
    fn values_of_the_wrong_kind_or_range_are_refused_by_name() {
        let mut wrong =
            fields(r#"{"n": 0, "seed": 1.5, "temperature": -1, "echo": 1, "stop": [""]}"#);
        assert!(wrong.count("n", 1..=4).is_err());
        assert!(wrong.integer("seed").is_err());
        assert!(wrong.number("temperature", (0.0, true), 2.0).is_err());
        assert!(wrong.flag("echo").is_err());
        assert!(wrong.texts("stop", 4).is_err());
        let mut right = fields(r#"{"n": 4, "top_p": 1, "temperature": 0}"#);
        assert_eq!(right.count("n", 1..=4).unwrap(), Some(4));
        assert_eq!(right.number("top_p", (0.0, false), 1.0).unwrap(), Some(1.0));
        let zero = right.number("temperature", (0.0, false), 2.0);
        assert!(zero.is_err());
    }
}
