//! All forms in which servers write log-probabilities, read into one.
//!
//! What is absent, null or censored is data, never a number; bytes and ids count before text; and nothing
//! is found by counting to k, since servers give more and fewer than they were asked for.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::response::Continuation;

/// Servers write -9999 for "not among those named"; no token has a probability near it.
const CENSORED: f64 = -9_998.0;
/// How far above 0 rounding may put the logarithm of a probability.
const ROUNDING: f64 = 1e-2;

/// How a reply writes log-probabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not at all: absent, null, `{}` or without content.
    #[default]
    Absent,
    /// A list of tokens, each with its alternatives (OpenAI's chat, Ollama, llama.cpp).
    Content,
    /// Parallel lists, alternatives in maps by text (OpenAI's completions).
    Legacy,
    /// Maps by token id (vLLM's prompt log-probabilities).
    ById,
    /// Triples of number, id and text (SGLang).
    Tuples,
    /// Chosen and top candidates (Gemini).
    Candidates,
}

impl Shape {
    /// As a note in a recording.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Absent => "shape: absent",
            Self::Content => "shape: content",
            Self::Legacy => "shape: legacy",
            Self::ById => "shape: by id",
            Self::Tuples => "shape: tuples",
            Self::Candidates => "shape: candidates",
        }
    }
}

/// A token as a server names it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Token {
    /// Its bytes; `None` if the reply lost them.
    pub(super) bytes: Option<Vec<u8>>,
    /// Nats; `None` if absent or censored.
    pub(super) log_probability: Option<f64>,
}

/// A token of a text with the alternatives at its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Position {
    /// The token that stands there.
    pub(super) chosen: Token,
    /// The most probable ones, in the server's order; the chosen one may be missing.
    pub(super) top: Vec<Token>,
}

/// The log-probabilities of a stretch of tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Logprobs {
    /// How they were written.
    pub(super) shape: Shape,
    /// One entry a token.
    pub(super) positions: Vec<Position>,
    /// Where each token begins, in characters, where the server says so.
    pub(super) offsets: Vec<usize>,
}

impl Position {
    /// The `most` most probable tokens that are texts with a number, and how many entries are not.
    pub(super) fn continuations(&self, most: usize) -> (Vec<Continuation>, usize) {
        let mut kept: Vec<Continuation> = self.top.iter().filter_map(Token::continuation).collect();
        let left_out = self.top.len() - kept.len();
        kept.sort_by(|a, b| {
            let order = b.log_probability.partial_cmp(&a.log_probability);
            order.unwrap_or(Ordering::Equal)
        });
        kept.truncate(most);
        (kept, left_out)
    }
}

impl Token {
    fn continuation(&self) -> Option<Continuation> {
        let text = std::str::from_utf8(self.bytes.as_deref()?).ok()?;
        (!text.is_empty() && !is_control(text)).then_some(Continuation {
            text: text.to_owned(),
            log_probability: self.log_probability?,
        })
    }
}

/// Whether a token is written like one that is no text.
pub(super) fn is_control(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "<s>",
        "</s>",
        "<bos>",
        "<eos>",
        "<pad>",
        "<unk>",
        "<start_of_turn>",
        "<end_of_turn>",
        "[INST]",
        "[/INST]",
    ];
    (text.starts_with("<|") && text.ends_with("|>")) || NAMES.contains(&text)
}

/// Reads whatever stands where log-probabilities should.
pub(super) fn read(value: Option<&Value>) -> Logprobs {
    match value {
        Some(Value::Array(items)) => content(items),
        Some(Value::Object(map)) => object(map),
        _ => Logprobs::default(),
    }
}

fn object(map: &Map<String, Value>) -> Logprobs {
    if let Some(items) = map.get("content").and_then(Value::as_array) {
        return content(items);
    }
    if map.contains_key("chosenCandidates") || map.contains_key("topCandidates") {
        return candidates(map);
    }
    legacy(map).unwrap_or_default()
}

fn content(items: &[Value]) -> Logprobs {
    let position = |item: &Value| Position {
        chosen: token(item),
        top: ["top_logprobs", "top_probs"]
            .iter()
            .find_map(|key| item.get(key)?.as_array())
            .map_or_else(Vec::new, |top| top.iter().map(token).collect()),
    };
    let positions: Vec<Position> = items
        .iter()
        .filter(|i| i.is_object())
        .map(position)
        .collect();
    if positions.is_empty() {
        return Logprobs::default();
    }
    Logprobs {
        shape: Shape::Content,
        positions,
        offsets: Vec::new(),
    }
}

/// `{token, bytes, id, logprob}`, with `prob` for the number where a server was told to, and Gemini's words.
fn token(item: &Value) -> Token {
    let named = ["token", "decoded_token", "text"];
    let text = named.iter().find_map(|key| item.get(key)?.as_str());
    let bytes = item.get("bytes").and_then(Value::as_array);
    let bytes = bytes.and_then(|bytes| bytes.iter().map(byte).collect::<Option<Vec<u8>>>());
    let number = item.get("logprob").or_else(|| item.get("logProbability"));
    let number = match number {
        Some(number) => number_of(number),
        None => item.get("prob").and_then(Value::as_f64).and_then(logarithm),
    };
    Token {
        // An empty list beside a text is a server that has no bytes, not a token that has none.
        bytes: bytes
            .filter(|bytes| !bytes.is_empty())
            .or_else(|| text.and_then(bytes_of)),
        log_probability: number,
    }
}

fn byte(value: &Value) -> Option<u8> {
    u8::try_from(value.as_u64()?).ok()
}

fn logarithm(probability: f64) -> Option<f64> {
    (probability > 0.0)
        .then(|| probability.ln())
        .and_then(plausible)
}

/// The bytes behind a token's text, unless the text stands for something else: a piece of a character,
/// an id, nothing.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.contains('\u{fffd}') || text.starts_with("token_id:") {
        return None;
    }
    match text.strip_prefix("bytes:") {
        Some(escaped) => unescape(escaped),
        None => Some(text.as_bytes().to_vec()),
    }
}

/// `\xe2\x82` as OpenAI's completions write pieces of characters.
fn unescape(escaped: &str) -> Option<Vec<u8>> {
    let mut pieces = escaped.split("\\x");
    let before = pieces.next()?.as_bytes().to_vec();
    pieces.try_fold(before, |mut bytes, piece| {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend(piece.get(2..)?.as_bytes());
        Some(bytes)
    })
}

fn number_of(value: &Value) -> Option<f64> {
    plausible(value.as_f64()?)
}

/// A logarithm of a probability, or nothing: censored, infinite, or a number that cannot be one.
fn plausible(number: f64) -> Option<f64> {
    (number.is_finite() && number > CENSORED && number < ROUNDING).then(|| number.min(0.0))
}

fn legacy(map: &Map<String, Value>) -> Option<Logprobs> {
    let tokens = map.get("tokens")?.as_array()?;
    let at = |key: &str, index: usize| map.get(key)?.as_array()?.get(index);
    let position = |(index, text): (usize, &Value)| Position {
        chosen: Token {
            bytes: text.as_str().and_then(bytes_of),
            log_probability: at("token_logprobs", index).and_then(number_of),
        },
        top: at("top_logprobs", index).map_or_else(Vec::new, by_text),
    };
    let positions: Vec<Position> = tokens.iter().enumerate().map(position).collect();
    let offsets: Option<Vec<usize>> = (0..tokens.len())
        .map(|index| usize::try_from(at("text_offset", index)?.as_u64()?).ok())
        .collect();
    (!positions.is_empty()).then(|| Logprobs {
        shape: Shape::Legacy,
        positions,
        offsets: offsets.unwrap_or_default(),
    })
}

/// Alternatives in a map by text; some servers give a list of tokens there.
fn by_text(value: &Value) -> Vec<Token> {
    match value {
        Value::Object(map) => {
            let token = |(text, number): (&String, &Value)| Token {
                bytes: bytes_of(text),
                log_probability: number_of(number),
            };
            map.iter().map(token).collect()
        }
        Value::Array(items) => items.iter().map(token).collect(),
        _ => Vec::new(),
    }
}

/// vLLM's `[null | {id: {logprob, rank, decoded_token}}]`, with the ids of the tokens that stand there.
/// `None` if the lengths differ: then it is not known which number belongs to which token.
pub(super) fn by_id(value: Option<&Value>, ids: &[u32]) -> Option<Logprobs> {
    let items = value?.as_array()?;
    if items.len() != ids.len() {
        return None;
    }
    let position = |(item, id): (&Value, &u32)| Position {
        chosen: item.get(id.to_string()).map(token).unwrap_or_default(),
        top: item
            .as_object()
            .map_or_else(Vec::new, |map| map.values().map(token).collect()),
    };
    Some(Logprobs {
        shape: Shape::ById,
        positions: items.iter().zip(ids).map(position).collect(),
        offsets: Vec::new(),
    })
}

/// SGLang's `[number | null, id, text | null]`, with a list of alternatives beside it.
pub(super) fn tuples(chosen: Option<&Value>, top: Option<&Value>) -> Logprobs {
    let Some(items) = chosen.and_then(Value::as_array).filter(|i| !i.is_empty()) else {
        return Logprobs::default();
    };
    let position = |(index, item): (usize, &Value)| Position {
        chosen: triple(item),
        top: top
            .and_then(|top| top.get(index)?.as_array())
            .map_or_else(Vec::new, |top| top.iter().map(triple).collect()),
    };
    Logprobs {
        shape: Shape::Tuples,
        positions: items.iter().enumerate().map(position).collect(),
        offsets: Vec::new(),
    }
}

fn triple(item: &Value) -> Token {
    Token {
        bytes: item.get(2).and_then(Value::as_str).and_then(bytes_of),
        log_probability: item.get(0).and_then(number_of),
    }
}

fn candidates(map: &Map<String, Value>) -> Logprobs {
    let list = |key: &str| map.get(key).and_then(Value::as_array);
    let (chosen, top) = (list("chosenCandidates"), list("topCandidates"));
    let length = chosen.map_or(0, Vec::len).max(top.map_or(0, Vec::len));
    let position = |index: usize| Position {
        chosen: chosen
            .and_then(|chosen| chosen.get(index))
            .map(token)
            .unwrap_or_default(),
        top: top
            .and_then(|top| top.get(index)?.get("candidates")?.as_array())
            .map_or_else(Vec::new, |top| top.iter().map(token).collect()),
    };
    match length {
        0 => Logprobs::default(),
        _ => Logprobs {
            shape: Shape::Candidates,
            positions: (0..length).map(position).collect(),
            offsets: Vec::new(),
        },
    }
}
