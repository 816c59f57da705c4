//! Answers in the shapes that OpenAI and vLLM document.
//!
//! A token that is part of a character is written `bytes:\xe2\x80` in the older shape, as OpenAI did, and
//! with U+FFFD elsewhere, beside its bytes. A control token is shown as the vocabulary writes it, has no
//! bytes, and takes no place in the text.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::ask::{Asked, Prompt, Route};
use crate::model::local::tokenizer::Tokenizer;
use crate::model::local::{Drawn, PassageRead, Seen};
use crate::response::Finish;

/// What stands for a log-probability that JSON cannot hold, as at OpenAI.
const CENSORED: f64 = -9999.0;

/// What is the same in all answers to one request.
pub(super) struct Shape<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) model: &'a str,
    pub(super) fingerprint: &'a str,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// A number that no other answer of this server has.
    pub(super) number: u64,
    /// Seconds since 1970 at which the server was started.
    pub(super) started: u64,
    pub(super) max_model_len: usize,
}

/// Tokens of a request: read, written.
pub(super) fn usage(asked: &Asked, reads: &[PassageRead]) -> (usize, usize) {
    let prompt = asked.prompts.iter().map(|p| p.tokens.len()).sum();
    let drawn = reads.iter().flat_map(|read| &read.drawn);
    (prompt, drawn.map(|d| d.tokens.len()).sum())
}

impl Shape<'_> {
    /// The whole reply.
    pub(super) fn reply(&self, asked: &Asked, reads: &[PassageRead]) -> Value {
        let (name, object) = match asked.route {
            Route::Tokenize => return self.tokenized(asked),
            Route::Completions => ("cmpl", "text_completion"),
            Route::Chat => ("chatcmpl", "chat.completion"),
        };
        let mut choices = Vec::new();
        for (prompt, read) in asked.prompts.iter().zip(reads) {
            let nothing = Drawn {
                tokens: Vec::new(),
                seen: Vec::new(),
                text: Vec::new(),
                finish: Finish::Length,
            };
            // With max_tokens 0 nothing was drawn, and n answers have nothing in them.
            let drawn = read.drawn.iter().chain(std::iter::repeat(&nothing));
            for drawn in drawn.take(asked.n) {
                let index = choices.len();
                choices.push(match asked.route {
                    Route::Chat => self.message(index, asked, drawn),
                    _ => self.completion(index, asked, (prompt, read), drawn),
                });
            }
        }
        let (read, written) = usage(asked, reads);
        let mut reply = json!({
            "id": format!("{name}-{:x}-{}", self.started, self.number),
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            },
        });
        if asked.route == Route::Chat
            && let (Some(prompt), Some(read)) = (asked.prompts.first(), reads.first())
        {
            if let Some(count) = asked.prompt_logprobs {
                reply["prompt_logprobs"] = self.prompt_logprobs(read, count);
            }
            if asked.token_ids {
                reply["prompt_token_ids"] = json!(prompt.tokens);
            }
        }
        reply
    }

    fn tokenized(&self, asked: &Asked) -> Value {
        let tokens = asked.prompts.first().map(|p| p.tokens.as_slice());
        let tokens = tokens.unwrap_or_default();
        let mut reply = json!({
            "count": tokens.len(),
            "max_model_len": self.max_model_len,
            "tokens": tokens,
        });
        if asked.echo {
            let texts: Vec<String> = tokens.iter().map(|id| self.shown(*id).0).collect();
            reply["token_strs"] = json!(texts);
        }
        reply
    }

    fn completion(
        &self,
        index: usize,
        asked: &Asked,
        (prompt, read): (&Prompt, &PassageRead),
        drawn: &Drawn,
    ) -> Value {
        let mut bytes = Vec::new();
        let spelled = self.tokenizer.decode(&prompt.tokens);
        // The text as it was given, but for models whose tokens do not spell it.
        let given = prompt.text.as_ref().map(String::as_bytes);
        let given = given.filter(|text| spelled.ends_with(text));
        if asked.echo {
            bytes.extend_from_slice(given.unwrap_or(&spelled));
        }
        bytes.extend_from_slice(&drawn.text);
        let mut choice = json!({
            "index": index,
            "text": String::from_utf8_lossy(&bytes),
            "logprobs": null,
            "finish_reason": finish(drawn),
        });
        if let Some(count) = asked.logprobs {
            let mut lists = Lists::new(self, count);
            if asked.echo {
                // A space that the model reads in front of the text is not part of it.
                lists.before = spelled.len() - given.unwrap_or(&spelled).len();
                if let Some(first) = prompt.tokens.first() {
                    lists.push(*first, None);
                }
                lists.extend(&read.seen);
            }
            lists.extend(&drawn.seen);
            choice["logprobs"] = lists.finish();
        }
        if let Some(count) = asked.prompt_logprobs {
            choice["prompt_logprobs"] = self.prompt_logprobs(read, count);
        }
        if asked.token_ids {
            choice["token_ids"] = json!(drawn.tokens);
            choice["prompt_token_ids"] = json!(prompt.tokens);
        }
        choice
    }

    fn message(&self, index: usize, asked: &Asked, drawn: &Drawn) -> Value {
        let mut choice = json!({
            "index": index,
            "message": {
                "role": "assistant",
                "content": String::from_utf8_lossy(&drawn.text),
                "refusal": null,
            },
            "logprobs": null,
            "finish_reason": finish(drawn),
        });
        if let Some(count) = asked.logprobs {
            let content: Vec<Value> = drawn
                .seen
                .iter()
                .map(|seen| {
                    let top = seen.top.iter().take(count);
                    let top: Vec<Value> = top.map(|(id, x)| self.entry(*id, *x)).collect();
                    let mut entry = self.entry(seen.id, seen.log_probability);
                    entry["top_logprobs"] = Value::Array(top);
                    entry
                })
                .collect();
            choice["logprobs"] = json!({"content": content, "refusal": null});
        }
        if asked.token_ids {
            choice["token_ids"] = json!(drawn.tokens);
        }
        choice
    }

    /// `{token, logprob, bytes}`.
    fn entry(&self, id: u32, log_probability: f64) -> Value {
        let (token, bytes) = self.shown(id);
        json!({"token": token, "logprob": nats(log_probability), "bytes": bytes})
    }

    /// vLLM's list: null for the first token, then a map from id to its numbers, the prompt's own token
    /// first.
    fn prompt_logprobs(&self, read: &PassageRead, count: usize) -> Value {
        let mut list = vec![Value::Null];
        for seen in &read.seen {
            let mut map = Map::new();
            let ranked = (1..).zip(&seen.top).take(count);
            let ranked = ranked.map(|(rank, (id, x))| (*id, *x, rank));
            let own = (seen.id, seen.log_probability, seen.rank);
            for (id, log_probability, rank) in std::iter::once(own).chain(ranked) {
                map.entry(id.to_string()).or_insert_with(|| {
                    json!({
                        "logprob": nats(log_probability),
                        "rank": rank,
                        "decoded_token": self.shown(id).0,
                    })
                });
            }
            list.push(Value::Object(map));
        }
        Value::Array(list)
    }

    /// A token as text, and its bytes if it stands for any.
    fn shown(&self, id: u32) -> (String, Option<&[u8]>) {
        let bytes = self.tokenizer.token_bytes(id);
        let written = bytes.or_else(|| self.tokenizer.written(id));
        let text = String::from_utf8_lossy(written.unwrap_or_default());
        (text.into_owned(), bytes)
    }

    /// A token as text of the older shape, where the text is all that is told of it.
    fn named(&self, id: u32) -> String {
        let (text, bytes) = self.shown(id);
        match bytes {
            Some(bytes) if std::str::from_utf8(bytes).is_err() => {
                let mut name = "bytes:".to_owned();
                for byte in bytes {
                    // Writing to a string cannot fail.
                    let _ = write!(name, "\\x{byte:02x}");
                }
                name
            }
            _ => text,
        }
    }
}

/// The four lists of the older shape.
struct Lists<'a> {
    shape: &'a Shape<'a>,
    count: usize,
    /// Bytes of tokens that stand before the text.
    before: usize,
    /// Characters so far.
    characters: usize,
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f64>>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<usize>,
}

impl<'a> Lists<'a> {
    fn new(shape: &'a Shape<'a>, count: usize) -> Self {
        Self {
            shape,
            count,
            before: 0,
            characters: 0,
            tokens: Vec::new(),
            token_logprobs: Vec::new(),
            top_logprobs: Vec::new(),
            text_offset: Vec::new(),
        }
    }

    fn extend(&mut self, all: &[Seen]) {
        for seen in all {
            self.push(seen.id, Some(seen));
        }
    }

    fn push(&mut self, id: u32, seen: Option<&Seen>) {
        let bytes = self.shape.tokenizer.token_bytes(id).unwrap_or_default();
        let skipped = self.before.min(bytes.len());
        self.before -= skipped;
        let bytes = &bytes[skipped..];
        let inside = bytes.first().is_some_and(|byte| is_inside(*byte));
        // A token that begins inside a character stands where the character does.
        let offset = self.characters.saturating_sub(usize::from(inside));
        self.characters += bytes.iter().filter(|byte| !is_inside(**byte)).count();
        self.text_offset.push(offset);
        self.tokens.push(self.shape.named(id));
        self.token_logprobs
            .push(seen.map(|seen| nats(seen.log_probability)));
        self.top_logprobs.push(match seen {
            None => Value::Null,
            Some(seen) => self.top(seen),
        });
    }

    /// The most probable tokens and the token itself, by their text; of two alike the more probable.
    fn top(&self, seen: &Seen) -> Value {
        let mut map = Map::new();
        let own = (seen.id, seen.log_probability);
        for (id, x) in seen.top.iter().take(self.count).chain([&own]) {
            map.entry(self.shape.named(*id))
                .or_insert_with(|| json!(nats(*x)));
        }
        Value::Object(map)
    }

    fn finish(self) -> Value {
        json!({
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        })
    }
}

/// Whether a byte of UTF-8 is not the first of its character.
fn is_inside(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

fn finish(drawn: &Drawn) -> &'static str {
    match drawn.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

/// A log-probability that JSON can hold.
fn nats(x: f64) -> f64 {
    if x.is_finite() {
        x.max(CENSORED)
    } else {
        CENSORED
    }
}
