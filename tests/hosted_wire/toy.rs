//! A server over a toy language model: sixteen words, each with probabilities of what follows it. It is
//! honest unless told otherwise.

use std::fmt::Write as _;
use std::sync::Mutex;

use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

/// What the toy can write.
pub(crate) const WORDS: [&str; 16] = [
    " the",
    " heaven",
    " and",
    " earth.",
    " beginning",
    " God",
    " created",
    " a",
    " cat",
    " dog",
    " king",
    " sea",
    " day",
    " Friday,",
    " A.",
    " once",
];
/// What it has memorised.
const LINE: &str = "In the beginning God created the heaven and the earth.";

/// What becomes of a temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Heat {
    /// It acts.
    Acts,
    /// It is taken, and 1 is used.
    AlwaysOne,
    /// It is taken, and 0 is used.
    AlwaysZero,
    /// It is refused.
    Refused,
    /// Only 1 is taken.
    OnlyOne,
}

/// A server's character.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one way to lie")]
pub(crate) struct Toy {
    /// The most alternatives it accepts.
    pub(crate) most: usize,
    pub(crate) echo: bool,
    /// It echoes the numbers of other positions.
    pub(crate) shuffled_echo: bool,
    pub(crate) tokenizes: bool,
    pub(crate) heat: Heat,
    /// Log-probabilities are those after temperature.
    pub(crate) heated_logprobs: bool,
    /// The most probable token is not the one that is named first.
    pub(crate) wrong_top: bool,
    /// What probabilities add up to.
    pub(crate) sum: f64,
    pub(crate) seeded: bool,
    pub(crate) several: bool,
    /// Tokens of a template around plain text.
    pub(crate) template: usize,
    /// Tokens of hidden reasoning.
    pub(crate) thinks: u64,
    /// Reasoning is left out when asked for.
    pub(crate) switches_off: bool,
    /// It tells its limits.
    pub(crate) limits: bool,
    /// It declines every chat turn.
    pub(crate) guarded: bool,
    /// Words met so far: their places are their ids.
    pub(crate) pieces: Mutex<Vec<String>>,
    pub(crate) turns: Mutex<u64>,
}

impl Toy {
    pub(crate) fn honest() -> Self {
        Self {
            most: 12,
            echo: true,
            shuffled_echo: false,
            tokenizes: true,
            heat: Heat::Acts,
            heated_logprobs: false,
            wrong_top: false,
            sum: 1.0,
            seeded: true,
            several: true,
            template: 0,
            thinks: 0,
            switches_off: false,
            limits: true,
            guarded: false,
            pieces: Mutex::new(WORDS.map(str::to_owned).to_vec()),
            turns: Mutex::new(0),
        }
    }
}

/// A reply, or a status with an error.
type Said = Result<Value, (u16, String)>;

impl Respond for Toy {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let said = match request.url.path() {
            "/v1/models" => Ok(json!({"data": [{"id": "toy"}]})),
            "/tokenize" if self.tokenizes => Ok(self.tokenize(&body)),
            "/v1/completions" => self.completions(&body),
            "/v1/chat/completions" => self.chat(&body),
            "/v1/messages" => self.messages(&body),
            "/completion" => self.llamacpp(&body),
            _ => Err((404, "no such route".to_owned())),
        };
        let reply = match said {
            Ok(value) => ResponseTemplate::new(200).set_body_json(value),
            Err((status, message)) => ResponseTemplate::new(status)
                .set_body_json(json!({"error": {"message": message, "type": "bad_request"}})),
        };
        if self.limits {
            reply.insert_header("x-ratelimit-limit-requests", "500")
        } else {
            reply
        }
    }
}

/// Words, each with the space before it.
fn split(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in text.chars() {
        match pieces.last_mut() {
            Some(piece) if c != ' ' => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

fn hash(text: &str, more: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ more.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11
}

fn normalised(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit - sum.ln()).collect()
}

/// Log-probabilities of all words after a word.
fn after(previous: &str) -> Vec<f64> {
    let line = split(LINE);
    let logit = |word: &&str| {
        let known = line
            .windows(2)
            .any(|pair| pair[0] == previous && pair[1] == *word);
        let chance = (hash(&format!("{previous}{word}"), 1) % 200) as f64 / 100.0;
        chance + if known { 4.0 } else { 0.0 }
    };
    normalised(&WORDS.iter().map(logit).collect::<Vec<_>>())
}

fn score(previous: Option<&String>, word: &str) -> Value {
    let Some(previous) = previous else {
        return Value::Null;
    };
    match WORDS.iter().position(|known| *known == word) {
        Some(place) => json!(after(previous)[place]),
        None => json!(-12.0),
    }
}

impl Toy {
    fn id(&self, piece: &str) -> usize {
        let mut pieces = self.pieces.lock().unwrap();
        let place = pieces.iter().position(|known| known == piece);
        place.unwrap_or_else(|| {
            pieces.push(piece.to_owned());
            pieces.len() - 1
        })
    }

    fn tokenize(&self, body: &Value) -> Value {
        let text = match body.get("messages") {
            Some(messages) => turn(messages),
            None => body["prompt"].as_str().unwrap().to_owned(),
        };
        let ids: Vec<usize> = split(&text).iter().map(|piece| self.id(piece)).collect();
        json!({"tokens": ids, "count": ids.len()})
    }

    /// The pieces of a prompt, a text or ids.
    fn read(&self, prompt: &Value) -> Vec<String> {
        match prompt.as_array() {
            Some(ids) => {
                let pieces = self.pieces.lock().unwrap();
                let piece =
                    |id: &Value| pieces[usize::try_from(id.as_u64().unwrap()).unwrap()].clone();
                ids.iter().map(piece).collect()
            }
            None => split(prompt.as_str().unwrap()),
        }
    }

    fn temperature(&self, body: &Value) -> Result<f64, (u16, String)> {
        let Some(asked) = body.get("temperature").and_then(Value::as_f64) else {
            return Ok(1.0);
        };
        match self.heat {
            Heat::Acts => Ok(asked),
            Heat::AlwaysOne => Ok(1.0),
            Heat::AlwaysZero => Ok(0.0),
            Heat::OnlyOne if (asked - 1.0).abs() < 1e-9 => Ok(1.0),
            Heat::OnlyOne | Heat::Refused => Err((
                400,
                "temperature is not supported with this model".to_owned(),
            )),
        }
    }

    /// Texts, as pieces.
    fn write(
        &self,
        prompt: &[String],
        body: &Value,
        most: usize,
    ) -> Result<Vec<Vec<String>>, (u16, String)> {
        let temperature = self.temperature(body)?;
        let several = if self.several {
            body["n"].as_u64().unwrap_or(1)
        } else {
            1
        };
        let mut turns = self.turns.lock().unwrap();
        *turns += 1;
        let seed = match body.get("seed").and_then(Value::as_u64) {
            Some(seed) if self.seeded => seed,
            _ => 1_000_000 + *turns * 100,
        };
        let text = |which: u64| {
            let mut pieces = prompt.to_vec();
            for step in 0..most {
                let chances = after(pieces.last().unwrap());
                let draw = hash("draw", (seed + which) * 1000 + step as u64) % 1_000_000;
                pieces.push(WORDS[drawn(&chances, temperature, draw as f64 / 1e6)].to_owned());
            }
            pieces.split_off(prompt.len())
        };
        Ok((0..several).map(text).collect())
    }

    /// The most probable words after a prompt, as `(word, log-probability)`.
    fn top(
        &self,
        prompt: &[String],
        body: &Value,
        top: usize,
    ) -> Result<Vec<(&'static str, f64)>, (u16, String)> {
        if self.most == 0 {
            return Err((400, "logprobs is not supported by this model".to_owned()));
        }
        if top > self.most {
            return Err((
                400,
                format!("top_logprobs and logprobs are at most {}", self.most),
            ));
        }
        let mut chances = after(prompt.last().unwrap());
        let temperature = body["temperature"].as_f64().unwrap_or(1.0);
        if self.heated_logprobs && temperature > 0.0 {
            let heated: Vec<f64> = chances.iter().map(|chance| chance / temperature).collect();
            chances = normalised(&heated);
        }
        let scale = self.sum.ln();
        let mut all: Vec<(&str, f64)> = WORDS
            .into_iter()
            .zip(chances.iter().map(|c| c + scale))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        if self.wrong_top {
            all.remove(0);
        }
        all.truncate(top);
        Ok(all)
    }

    fn completions(&self, body: &Value) -> Said {
        let prompt = self.read(&body["prompt"]);
        let most = usize::try_from(body["max_tokens"].as_u64().unwrap()).unwrap();
        let texts = self.write(&prompt, body, most)?;
        let echo = self.echo && body["echo"] == json!(true);
        let mut choices = Vec::new();
        for text in &texts {
            let mut choice = json!({"text": text.concat(), "finish_reason": "length"});
            if let Some(top) = body["logprobs"].as_u64() {
                let top = self.top(&prompt, body, usize::try_from(top).unwrap())?;
                choice["logprobs"] = self.legacy(&prompt, text, &top, echo);
            }
            if echo && self.tokenizes && body.get("prompt_logprobs").is_some() {
                choice["prompt_logprobs"] = self.by_id(&prompt);
            }
            choices.push(choice);
        }
        Ok(reply(
            &json!(choices),
            prompt.len() + self.template,
            most,
            0,
        ))
    }

    fn numbers(&self, prompt: &[String]) -> Vec<Value> {
        let at = |place: usize| {
            let previous = place.checked_sub(1).map(|before| &prompt[before]);
            score(previous, &prompt[place])
        };
        let mut numbers: Vec<Value> = (0..prompt.len()).map(at).collect();
        if self.shuffled_echo {
            numbers[1..].reverse();
            // A shuffled line looks better than it is.
            for number in &mut numbers[1..] {
                *number = json!(-20.0 - number.as_f64().unwrap());
            }
        }
        numbers
    }

    fn legacy(&self, prompt: &[String], text: &[String], top: &[(&str, f64)], echo: bool) -> Value {
        let mut tokens = if echo { prompt.to_vec() } else { Vec::new() };
        let mut numbers = if echo {
            self.numbers(prompt)
        } else {
            Vec::new()
        };
        let mut tops = vec![Value::Null; tokens.len()];
        if let Some(first) = text.first() {
            tokens.push(first.clone());
            numbers.push(score(prompt.last(), first));
            let map = top
                .iter()
                .map(|(word, number)| ((*word).to_owned(), json!(number)));
            tops.push(Value::Object(map.collect()));
        }
        json!({"tokens": tokens, "token_logprobs": numbers, "top_logprobs": tops})
    }

    fn by_id(&self, prompt: &[String]) -> Value {
        let numbers = self.numbers(prompt);
        let at = |(piece, number): (&String, &Value)| match number {
            Value::Null => Value::Null,
            number => {
                json!({self.id(piece).to_string(): {"logprob": number, "rank": 1, "decoded_token": piece}})
            }
        };
        prompt.iter().zip(&numbers).map(at).collect()
    }

    fn chat(&self, body: &Value) -> Said {
        if self.guarded {
            let refusal = json!([{"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}]);
            return Ok(reply(&refusal, 5, 3, 0));
        }
        let prompt = split(&turn(&body["messages"]));
        let limit = body
            .get("max_completion_tokens")
            .or_else(|| body.get("max_tokens"));
        let limit = usize::try_from(limit.unwrap().as_u64().unwrap()).unwrap();
        let off =
            body.get("reasoning_effort").is_some() || body.get("chat_template_kwargs").is_some();
        let thinks = if self.switches_off && off {
            0
        } else {
            self.thinks
        };
        let visible = limit
            .saturating_sub(usize::try_from(thinks).unwrap())
            .min(16);
        let texts = self.write(&prompt, body, visible)?;
        let mut choices = Vec::new();
        for text in &texts {
            let mut choice =
                json!({"message": {"content": text.concat()}, "finish_reason": "length"});
            if body["logprobs"] == json!(true) {
                let top = usize::try_from(body["top_logprobs"].as_u64().unwrap()).unwrap();
                choice["logprobs"] = json!({"content": content(&self.top(&prompt, body, top)?)});
            }
            choices.push(choice);
        }
        Ok(reply(&json!(choices), prompt.len(), visible, thinks))
    }

    fn messages(&self, body: &Value) -> Said {
        let prompt = split(&turn(&body["messages"]));
        let most = usize::try_from(body["max_tokens"].as_u64().unwrap()).unwrap();
        let text = self.write(&prompt, body, most)?.remove(0);
        Ok(json!({
            "model": "toy-2026", "content": [{"type": "text", "text": text.concat()}], "stop_reason": "max_tokens",
            "usage": {"input_tokens": prompt.len(), "output_tokens": most},
        }))
    }

    fn llamacpp(&self, body: &Value) -> Said {
        let prompt = self.read(&body["prompt"]);
        let most = usize::try_from(body["n_predict"].as_u64().unwrap()).unwrap();
        let text = self.write(&prompt, body, most)?.remove(0);
        let mut reply = json!({
            "content": text.concat(), "stop_type": "limit", "tokens_evaluated": prompt.len(), "tokens_predicted": most,
        });
        if let Some(top) = body["n_probs"].as_u64() {
            let top = self.top(&prompt, body, usize::try_from(top).unwrap())?;
            reply["completion_probabilities"] = content(&top);
        }
        Ok(reply)
    }
}

/// A word drawn, `at` uniform in [0, 1).
fn drawn(chances: &[f64], temperature: f64, at: f64) -> usize {
    if temperature == 0.0 {
        let best = (0..chances.len()).max_by(|a, b| chances[*a].total_cmp(&chances[*b]));
        return best.unwrap();
    }
    let heated: Vec<f64> = chances.iter().map(|chance| chance / temperature).collect();
    let mut left = at;
    let chances = normalised(&heated);
    let found = chances.iter().position(|chance| {
        left -= chance.exp();
        left < 0.0
    });
    found.unwrap_or(chances.len() - 1)
}

/// Turns as plain text. The answer begins after the last.
fn turn(messages: &Value) -> String {
    let mut text = String::new();
    for message in messages.as_array().unwrap() {
        let (role, content) = (
            message["role"].as_str().unwrap(),
            message["content"].as_str().unwrap(),
        );
        let _ = write!(text, " <{role}> {content}");
    }
    text + " <answer>"
}

/// Alternatives in the shape of chat.
fn content(top: &[(&str, f64)]) -> Value {
    let one = |(word, number): &(&str, f64)| json!({"token": word, "bytes": word.as_bytes(), "logprob": number});
    let mut first = top.first().map(one).unwrap_or_default();
    first["top_logprobs"] = top.iter().map(one).collect();
    json!([first])
}

/// A whole reply of OpenAI's form.
fn reply(choices: &Value, read: usize, written: usize, thought: u64) -> Value {
    json!({
        "model": "toy-2026", "system_fingerprint": "toy", "choices": choices,
        "usage": {
            "prompt_tokens": read + 1, "completion_tokens": written as u64 + thought,
            "completion_tokens_details": {"reasoning_tokens": thought},
        },
    })
}
