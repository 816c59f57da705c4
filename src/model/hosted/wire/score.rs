//! The probability of a given text: its own tokens found in a prompt that the server read.
//!
//! Where a server has a tokenizer to ask, the tokens of prompt and text are sent as such and the boundary
//! between them is exact. Elsewhere prompt and text are sent as one, and the boundary is found in the
//! reply; a token that straddles it leaves the text without a number.

use std::ops::Range;

use serde_json::{Value, json};

use crate::battery::Pose;
use crate::question::Prompt;

use super::conversation::{Conversation, Halt};
use super::generate::{Generate, Input};
use super::logprobs::{self, Logprobs, Position};
use super::{Dialect, Form, Outcome, WireRequest};

/// Scores a text after a prompt.
pub(super) async fn score(
    conversation: &mut Conversation<'_>,
    form: Form,
    prompt: &Prompt,
    text: &str,
    want: Generate<'_>,
) -> Result<Outcome, Halt> {
    if text.is_empty() {
        return Ok(Outcome::Score {
            log_probability: Some(0.0),
            tokens: 0,
        });
    }
    let dialect = conversation.endpoint().dialect;
    let echoes = matches!(form, Form::Completions | Form::Sglang);
    let chat = prompt.pose == Pose::Chat && dialect == Dialect::Vllm;
    if !echoes && !chat {
        return Err(Halt::unavailable(format!(
            "{} gives no probabilities of given text here",
            dialect.name()
        )));
    }
    // Providers that are known to have no such route are not asked: a gateway may take it for a wrong key.
    let provider = conversation.endpoint().provider.as_str();
    let tokenises = match dialect {
        Dialect::Vllm => true,
        Dialect::Compatible => !matches!(provider, "together" | "fireworks"),
        _ => false,
    };
    if tokenises && let Some(tokens) = Tokens::ask(conversation, prompt, text).await? {
        return by_tokens(conversation, &tokens, text, want).await;
    }
    if chat {
        return Err(Halt::unavailable("the server does not tokenise chat turns"));
    }
    by_text(conversation, form, prompt, text, want).await
}

/// A prompt and a text after it as tokens of the server's tokenizer.
struct Tokens {
    all: Vec<u32>,
    /// Where the text begins.
    start: usize,
}

impl Tokens {
    /// `None` if the server has no tokenizer to ask.
    async fn ask(
        conversation: &mut Conversation<'_>,
        prompt: &Prompt,
        text: &str,
    ) -> Result<Option<Self>, Halt> {
        let before = match prompt.pose {
            Pose::Raw => plain(&prompt.text, true),
            Pose::Chat => turn(prompt),
        };
        let Some(before) = tokenise(conversation, before).await? else {
            return Ok(None);
        };
        if prompt.pose == Pose::Raw {
            let joint = plain(&format!("{}{text}", prompt.text), true);
            let Some(all) = tokenise(conversation, joint).await? else {
                return Ok(None);
            };
            if all.len() > before.len() && all.starts_with(&before) {
                let start = before.len();
                return Ok(Some(Self { all, start }));
            }
            conversation.note("boundary: inside a token, so the text was tokenised on its own");
        }
        let Some(own) = tokenise(conversation, plain(text, false)).await? else {
            return Ok(None);
        };
        let start = before.len();
        let all = [before, own].concat();
        Ok(Some(Self { all, start }))
    }
}

/// Both vLLM's and llama.cpp's words for the same; each passes over the other's.
fn plain(text: &str, special: bool) -> Value {
    json!({
        "prompt": text,
        "content": text,
        "add_special_tokens": special,
        "add_special": special,
    })
}

fn turn(prompt: &Prompt) -> Value {
    let user = json!({"role": "user", "content": prompt.text});
    let open = prompt.lead.is_empty();
    let messages = if open {
        json!([user])
    } else {
        json!([user, {"role": "assistant", "content": prompt.lead}])
    };
    json!({
        "messages": messages,
        "add_generation_prompt": open,
        "continue_final_message": !open,
        "add_special_tokens": false,
    })
}

async fn tokenise(
    conversation: &mut Conversation<'_>,
    mut body: Value,
) -> Result<Option<Vec<u32>>, Halt> {
    let endpoint = conversation.endpoint();
    if endpoint.learnt.no_tokenizer() {
        return Ok(None);
    }
    body["model"] = endpoint.model.as_str().into();
    let request = WireRequest::post("/tokenize".to_owned(), body);
    let tokens = match conversation.send(request).await? {
        Ok(reply) => reply["tokens"].as_array().and_then(|ids| {
            let id = |id: &Value| u32::try_from(id.as_u64()?).ok();
            ids.iter().map(id).collect::<Option<Vec<u32>>>()
        }),
        Err(decline) if decline.status == 429 || decline.status >= 500 => {
            return Err(Halt::Answer(decline.outcome()));
        }
        Err(_) => None,
    };
    if tokens.is_none() {
        endpoint.learnt.set_no_tokenizer();
    }
    Ok(tokens)
}

async fn by_tokens(
    conversation: &mut Conversation<'_>,
    tokens: &Tokens,
    text: &str,
    want: Generate<'_>,
) -> Result<Outcome, Halt> {
    let want = Generate {
        input: Input::Ids(&tokens.all),
        echo: true,
        ..want
    };
    let reading = conversation.generate(Form::Completions, want).await?;
    let length = tokens.all.len();
    let read = match logprobs::by_id(reading.prompt.as_ref(), &tokens.all) {
        Some(read) => {
            conversation.note(read.shape.note());
            read
        }
        None => reading.written,
    };
    let Some(own) = read.positions.get(tokens.start..length) else {
        return Err(Halt::unavailable(
            "the reply has no positions of the prompt: the server ignores echo",
        ));
    };
    // The ids settle which tokens these are; their texts tell a server that read something else.
    let seen: Option<Vec<&[u8]>> = own.iter().map(|p| p.chosen.bytes.as_deref()).collect();
    if seen.is_some_and(|seen| without_spaces(&seen.concat()) != without_spaces(text.as_bytes())) {
        conversation.note("boundary: the reply's tokens are not those of the text");
        return Ok(Outcome::Score {
            log_probability: None,
            tokens: own.len(),
        });
    }
    Ok(sum(conversation, own))
}

/// Spaces at the beginning of a token are lost where it is decoded alone.
fn without_spaces(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    text.into_bytes()
}

async fn by_text(
    conversation: &mut Conversation<'_>,
    form: Form,
    prompt: &Prompt,
    text: &str,
    want: Generate<'_>,
) -> Result<Outcome, Halt> {
    let joint = format!("{}{text}", prompt.text);
    let want = Generate {
        input: Input::Text(&joint),
        echo: true,
        ..want
    };
    let reading = conversation.generate(form, want).await?;
    let read = match form {
        Form::Sglang => logprobs::tuples(reading.prompt.as_ref(), None),
        _ => reading.written,
    };
    conversation.note(read.shape.note());
    match span(&read, &prompt.text, text) {
        Span::Found(range) => Ok(sum(conversation, &read.positions[range])),
        Span::Straddled(tokens) => {
            conversation.note("boundary: inside a token");
            Ok(Outcome::Score {
                log_probability: None,
                tokens,
            })
        }
        Span::Elsewhere => Err(Halt::unavailable(
            "the reply's tokens are not those of the prompt: the server ignores echo, or writes \
             tokens that cannot be told apart",
        )),
    }
}

fn sum(conversation: &mut Conversation<'_>, own: &[Position]) -> Outcome {
    let numbers: Option<Vec<f64>> = own.iter().map(|p| p.chosen.log_probability).collect();
    if numbers.is_none() {
        conversation.note("score: a token without a number");
    }
    Outcome::Score {
        log_probability: numbers.map(|numbers| numbers.iter().sum()),
        tokens: own.len(),
    }
}

/// Where a text's own tokens stand.
#[derive(Debug, PartialEq, Eq)]
enum Span {
    /// At these positions.
    Found(Range<usize>),
    /// A token begins before the text and ends in it; this many come after.
    Straddled(usize),
    /// The positions are not those of prompt and text.
    Elsewhere,
}

fn span(read: &Logprobs, before: &str, text: &str) -> Span {
    // A token that begins the sequence may stand first, and is no part of the prompt.
    for skip in 0..=1 {
        let found = span_by_bytes(read.positions.get(skip..).unwrap_or_default(), before, text);
        match found {
            Span::Found(range) => return Span::Found(range.start + skip..range.end + skip),
            Span::Straddled(_) => return found,
            Span::Elsewhere => {}
        }
    }
    span_by_offsets(read, before, text)
}

fn span_by_bytes(positions: &[Position], before: &str, text: &str) -> Span {
    let joint = [before.as_bytes(), text.as_bytes()].concat();
    let (mut at, mut start) = (0, None);
    for (index, position) in positions.iter().enumerate() {
        if at == before.len() && start.is_none() {
            start = Some(index);
        }
        let bytes = position.chosen.bytes.as_deref().unwrap_or_default();
        if bytes.is_empty() || !joint[at..].starts_with(bytes) {
            return Span::Elsewhere;
        }
        at += bytes.len();
        if at == joint.len() {
            return match start {
                Some(start) => Span::Found(start..index + 1),
                None => Span::Straddled(straddled(positions, before, index)),
            };
        }
    }
    Span::Elsewhere
}

/// Tokens from the one that straddles the boundary to the last.
fn straddled(positions: &[Position], before: &str, last: usize) -> usize {
    let mut at = 0;
    let length = |position: &Position| position.chosen.bytes.as_ref().map_or(0, Vec::len);
    let whole = positions.iter().take_while(|position| {
        at += length(position);
        at <= before.len()
    });
    last + 1 - whole.count()
}

/// By where the server says that tokens begin, in characters, held against the texts that are known.
fn span_by_offsets(read: &Logprobs, before: &str, text: &str) -> Span {
    let (boundary, length) = (before.chars().count(), text.chars().count());
    let offsets = &read.offsets;
    if offsets.first() != Some(&0) || !offsets.is_sorted() {
        return Span::Elsewhere;
    }
    let start = offsets.partition_point(|offset| *offset < boundary);
    let end = offsets.partition_point(|offset| *offset < boundary + length);
    let joint: Vec<char> = before.chars().chain(text.chars()).collect();
    let mut known = 0;
    for (offset, position) in offsets.iter().zip(&read.positions).take(end) {
        let Some(bytes) = &position.chosen.bytes else {
            continue;
        };
        let Ok(seen) = std::str::from_utf8(bytes) else {
            continue;
        };
        known += 1;
        let there = &joint[(*offset).min(joint.len())..];
        if !seen
            .chars()
            .eq(there.iter().copied().take(seen.chars().count()))
        {
            return Span::Elsewhere;
        }
    }
    if known == 0 || start == end {
        Span::Elsewhere
    } else if offsets[start] == boundary {
        Span::Found(start..end)
    } else {
        Span::Straddled(end - start + 1)
    }
}
