//! From a request's parameters to what is asked of the model.

use serde_json::{Map, Value};

use super::Limits;
use super::fields::Fields;
use super::refusal::Refusal;
use crate::digest;
use crate::model::local::template::Message;
use crate::model::local::tokenizer::{Reading, Start};
use crate::model::local::{ChatError, Drawing, LocalModel};
use crate::question::Access;

/// The most probabilities that one request may have worked out: positions times tokens named at each.
const MAX_NUMBERS: usize = 1 << 18;
/// The most texts that may end an answer.
const MAX_STOPS: usize = 4;
/// Tokens of a completion where a request names no limit, as OpenAI has it.
const COMPLETION_TOKENS: usize = 16;

/// Routes that put something to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Completions,
    Chat,
    Tokenize,
}

/// A prompt as the model reads it.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    pub(super) tokens: Vec<u32>,
    /// The text as it was given, if it was given as text.
    pub(super) text: Option<String>,
}

/// A request made ready.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) route: Route,
    pub(super) prompts: Vec<Prompt>,
    /// Answers to each prompt.
    pub(super) n: usize,
    pub(super) max_tokens: usize,
    /// How many of the most probable tokens are named beside each token of an answer.
    pub(super) logprobs: Option<usize>,
    /// The answer begins with the prompt, its tokens treated alike.
    pub(super) echo: bool,
    /// How many are named beside each token of the prompt.
    pub(super) prompt_logprobs: Option<usize>,
    pub(super) token_ids: bool,
    pub(super) drawing: DrawingOptions,
    pub(super) record: Record,
}

/// How answers are drawn.
#[derive(Debug)]
pub(super) struct DrawingOptions {
    pub(super) seed: Option<i64>,
    pub(super) temperature: f64,
    pub(super) top_p: f64,
    pub(super) stop: Vec<String>,
}

/// What the log keeps of a request.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) prompts: Vec<String>,
    pub(super) parameters: Map<String, Value>,
}

/// Who reads requests.
pub(super) struct Reader<'a> {
    pub(super) model: &'a LocalModel,
    pub(super) name: &'a str,
    pub(super) limits: &'a Limits,
    /// Bytes of the longest token.
    pub(super) longest: usize,
    pub(super) log_prompts: bool,
}

impl Asked {
    /// How many most probable tokens are needed at the positions of prompts; `None` if no
    /// probability of a prompt is asked.
    pub(super) fn reading(&self) -> Option<usize> {
        self.prompt_logprobs
            .max(self.logprobs.filter(|_| self.echo))
    }

    /// The samples of one prompt. Every sample has a generator of its own, seeded by the request's seed,
    /// the prompt and its number, so that no two requests share samples unless they are the same.
    pub(super) fn drawings(&self, prompt: &Prompt, seed: (&str, i64)) -> Vec<Drawing> {
        let drawing = |number: usize| Drawing {
            seed: digest::seed(&(seed, &prompt.tokens, number)),
            temperature: self.drawing.temperature,
            top_p: self.drawing.top_p,
            max_tokens: self.max_tokens,
            top: self.logprobs,
            stop: self.drawing.stop.clone(),
        };
        let count = if self.max_tokens == 0 { 0 } else { self.n };
        (0..count).map(drawing).collect()
    }
}

impl Reader<'_> {
    /// Reads the body of a request.
    pub(super) fn read(&self, route: Route, body: &[u8]) -> Result<Asked, Refusal> {
        let mut fields = Fields::parse(body)?;
        if let Some(model) = fields.text("model")?
            && model != self.name
        {
            return Err(Refusal::UnknownModel {
                model: model.chars().take(200).collect(),
                served: self.name.to_owned(),
            });
        }
        let asked = match route {
            Route::Completions => self.completions(&mut fields)?,
            Route::Chat => self.chat(&mut fields)?,
            Route::Tokenize => self.tokenize(&mut fields)?,
        };
        let parameters = fields.finish()?;
        let record = Record {
            parameters,
            ..asked.record
        };
        Ok(Asked { record, ..asked })
    }

    fn completions(&self, fields: &mut Fields) -> Result<Asked, Refusal> {
        let record = self.record(fields, "prompt");
        let specials = fields.flag("add_special_tokens")?.unwrap_or(true);
        let prompts = match fields.take_unrecorded("prompt") {
            Some(value) => self.prompts(value, specials)?,
            None => return Err(Refusal::invalid("prompt", "is missing")),
        };
        let asked = Asked {
            logprobs: fields.count("logprobs", 0..=self.limits.logprobs)?,
            echo: fields.flag("echo")?.unwrap_or(false),
            ..self.common(Route::Completions, fields, prompts, record)?
        };
        let max_tokens = fields.count("max_tokens", 0..=self.limits.max_tokens)?;
        let most = COMPLETION_TOKENS.min(self.limits.max_tokens);
        self.checked(asked, max_tokens.or(Some(most)), "prompt")
    }

    fn chat(&self, fields: &mut Fields) -> Result<Asked, Refusal> {
        let record = self.record(fields, "messages");
        let prompts = vec![self.conversation(fields)?];
        let top = fields.count("top_logprobs", 0..=self.limits.logprobs)?;
        let logprobs = fields.flag("logprobs")?.unwrap_or(false);
        if top.is_some_and(|top| top > 0) && !logprobs {
            let what = "needs 'logprobs' to be true";
            return Err(Refusal::invalid("top_logprobs", what));
        }
        if fields.flag("echo")? == Some(true) {
            let param = "echo".to_owned();
            return Err(Refusal::Unsupported { param });
        }
        let asked = Asked {
            logprobs: logprobs.then(|| top.unwrap_or(0)),
            ..self.common(Route::Chat, fields, prompts, record)?
        };
        let old = fields.count("max_tokens", 0..=self.limits.max_tokens)?;
        let new = fields.count("max_completion_tokens", 0..=self.limits.max_tokens)?;
        if old.is_some() && new.is_some() && old != new {
            let what = "contradicts 'max_completion_tokens'";
            return Err(Refusal::invalid("max_tokens", what));
        }
        self.checked(asked, new.or(old), "messages")
    }

    fn tokenize(&self, fields: &mut Fields) -> Result<Asked, Refusal> {
        let name = if fields.has("messages") {
            "messages"
        } else {
            "prompt"
        };
        let record = self.record(fields, name);
        let prompt = if name == "messages" {
            self.conversation(fields)?
        } else {
            let specials = fields.flag("add_special_tokens")?.unwrap_or(true);
            match fields.take_unrecorded("prompt") {
                Some(Value::String(text)) => self.encode(text, specials)?,
                _ => return Err(Refusal::invalid("prompt", "must be a string")),
            }
        };
        Ok(Asked {
            route: Route::Tokenize,
            prompts: vec![prompt],
            n: 0,
            max_tokens: 0,
            logprobs: None,
            echo: fields.flag("return_token_strs")?.unwrap_or(false),
            prompt_logprobs: None,
            token_ids: true,
            drawing: DrawingOptions {
                seed: None,
                temperature: 1.0,
                top_p: 1.0,
                stop: Vec::new(),
            },
            record,
        })
    }

    /// What both kinds of completion have in common.
    fn common(
        &self,
        route: Route,
        fields: &mut Fields,
        prompts: Vec<Prompt>,
        record: Record,
    ) -> Result<Asked, Refusal> {
        Ok(Asked {
            route,
            prompts,
            n: fields.count("n", 1..=self.limits.choices)?.unwrap_or(1),
            max_tokens: 0,
            logprobs: None,
            echo: false,
            prompt_logprobs: fields.count("prompt_logprobs", 0..=self.limits.logprobs)?,
            token_ids: fields.flag("return_token_ids")?.unwrap_or(false),
            drawing: DrawingOptions {
                seed: fields.integer("seed")?,
                temperature: fields
                    .number("temperature", (0.0, true), 2.0)?
                    .unwrap_or(1.0),
                top_p: fields.number("top_p", (0.0, false), 1.0)?.unwrap_or(1.0),
                stop: fields.texts("stop", MAX_STOPS)?,
            },
            record,
        })
    }

    /// What a request asks for beyond what is granted, if anything.
    fn beyond_grant(&self, asked: &Asked) -> Option<Refusal> {
        let of_given = if asked.prompt_logprobs.is_some() {
            Some("prompt_logprobs")
        } else {
            asked.reading().map(|_| "echo")
        };
        let of_answers = asked.logprobs.map(|_| "logprobs");
        let (param, granted) = match self.limits.grant {
            Access::Scored => return None,
            Access::Top => (of_given, "text and the probabilities of its own tokens"),
            Access::Text => (of_given.or(of_answers), "text"),
        };
        param.map(|param| Refusal::NotGranted { param, granted })
    }

    /// Settles the length of the answers and holds everything against the limits.
    fn checked(
        &self,
        mut asked: Asked,
        max_tokens: Option<usize>,
        param: &str,
    ) -> Result<Asked, Refusal> {
        if let Some(refusal) = self.beyond_grant(&asked) {
            return Err(refusal);
        }
        if asked.prompts.iter().any(|p| p.tokens.is_empty()) {
            return Err(Refusal::invalid(param, "has no tokens"));
        }
        let limit = self.limits.length;
        let longest = asked.prompts.iter().map(|p| p.tokens.len()).max();
        let longest = longest.unwrap_or(0);
        asked.max_tokens = max_tokens.unwrap_or_else(|| {
            let room = limit.saturating_sub(longest);
            room.clamp(1, self.limits.max_tokens.max(1))
        });
        let tokens = longest + asked.max_tokens;
        if tokens > limit {
            return Err(Refusal::TooLong {
                param: param.to_owned(),
                tokens,
                limit,
            });
        }
        if asked.prompts.len() * asked.n > self.limits.choices {
            let what = format!(
                "times the number of prompts must not be over {}",
                self.limits.choices
            );
            return Err(Refusal::invalid("n", what));
        }
        let named = asked.reading().map_or(0, |top| top + 1);
        let read: usize = asked.prompts.iter().map(|p| p.tokens.len() * named).sum();
        let drawn = asked.prompts.len() * asked.max_tokens * (asked.logprobs.unwrap_or(0) + 1);
        // Every answer repeats what was read.
        if asked.n * (read + drawn) > MAX_NUMBERS {
            let what = format!(
                "asks for more than {MAX_NUMBERS} probabilities in one request; ask for fewer, or of less text"
            );
            let param = if asked.logprobs.is_some() {
                "logprobs"
            } else {
                "prompt_logprobs"
            };
            return Err(Refusal::invalid(param, what));
        }
        Ok(asked)
    }

    /// The conversation of `messages`, rendered by the model's own template.
    fn conversation(&self, fields: &mut Fields) -> Result<Prompt, Refusal> {
        let mut messages = match fields.take_unrecorded("messages") {
            Some(value) => messages(value)?,
            None => return Err(Refusal::invalid("messages", "is missing")),
        };
        let goes_on = fields.flag("continue_final_message")?.unwrap_or(false);
        let answer = fields.flag("add_generation_prompt")?;
        // The template has put every control token where it belongs.
        if fields.flag("add_special_tokens")? == Some(true) {
            let param = "add_special_tokens".to_owned();
            return Err(Refusal::Unsupported { param });
        }
        let lead = if goes_on {
            if answer == Some(true) {
                let what = "contradicts 'add_generation_prompt'";
                return Err(Refusal::invalid("continue_final_message", what));
            }
            match messages.pop() {
                Some(last) if last.role == "assistant" => last.content,
                _ => {
                    let what = "needs the last message to be the assistant's";
                    return Err(Refusal::invalid("continue_final_message", what));
                }
            }
        } else {
            String::new()
        };
        let answer = goes_on || answer.unwrap_or(true);
        let bytes = messages.iter().map(|m| m.content.len()).sum::<usize>() + lead.len();
        self.may_fit("messages", bytes)?;
        let done = self.model.chat(&messages, answer, &lead);
        let (text, tokens) = done.map_err(|error| match error {
            ChatError::NoTemplate => Refusal::invalid(
                "messages",
                "cannot be answered: the model has no chat template; use /v1/completions",
            ),
            error => Refusal::invalid("messages", format!("cannot be used: {error}")),
        })?;
        Ok(Prompt {
            tokens,
            text: Some(text),
        })
    }

    /// Refuses a text that no tokens within the context can spell, before it is cut into tokens: that takes long.
    fn may_fit(&self, param: &str, bytes: usize) -> Result<(), Refusal> {
        let limit = self.limits.length;
        if bytes > limit.saturating_mul(self.longest) {
            return Err(Refusal::TooManyBytes {
                param: param.to_owned(),
                bytes,
                limit,
            });
        }
        Ok(())
    }

    /// A text, several, a list of token ids, or several.
    fn prompts(&self, value: Value, specials: bool) -> Result<Vec<Prompt>, Refusal> {
        let wrong = || {
            let what =
                "must be a string, a list of strings, a list of token ids, or a list of such lists";
            Refusal::invalid("prompt", what)
        };
        let items = match value {
            Value::String(text) => {
                self.may_fit("prompt", text.len())?;
                return Ok(vec![self.encode(text, specials)?]);
            }
            Value::Array(items) if !items.is_empty() => items,
            _ => return Err(wrong()),
        };
        if items[0].is_number() {
            return Ok(vec![self.ids(&items)?]);
        }
        if items.len() > self.limits.choices {
            let what = format!("must not hold more than {} prompts", self.limits.choices);
            return Err(Refusal::invalid("prompt", what));
        }
        let lists = items[0].is_array();
        for text in items.iter().filter_map(Value::as_str) {
            self.may_fit("prompt", text.len())?;
        }
        items
            .into_iter()
            .map(|item| match item {
                Value::String(text) if !lists => self.encode(text, specials),
                Value::Array(ids) if lists => self.ids(&ids),
                _ => Err(wrong()),
            })
            .collect()
    }

    fn encode(&self, text: String, specials: bool) -> Result<Prompt, Refusal> {
        let start = if specials {
            Start::Document
        } else {
            Start::Inside
        };
        let encoded = self.model.tokenizer().encode(&text, start, Reading::Plain);
        let tokens =
            encoded.map_err(|e| Refusal::invalid("prompt", format!("cannot be used: {e}")))?;
        Ok(Prompt {
            tokens,
            text: Some(text),
        })
    }

    fn ids(&self, values: &[Value]) -> Result<Prompt, Refusal> {
        let most = self.model.tokenizer().vocabulary();
        let id = |value: &Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.filter(|id| usize::try_from(*id).is_ok_and(|id| id < most))
        };
        let tokens: Option<Vec<u32>> = values.iter().map(id).collect();
        let wrong = || {
            let what = format!("must hold token ids from 0 to {}", most.saturating_sub(1));
            Refusal::invalid("prompt", what)
        };
        Ok(Prompt {
            tokens: tokens.ok_or_else(wrong)?,
            text: None,
        })
    }

    /// What the log keeps of the prompts: themselves or their digests.
    fn record(&self, fields: &Fields, name: &str) -> Record {
        let keep = |value: &Value| match (self.log_prompts, value) {
            (true, Value::String(text)) => text.clone(),
            (true, other) => other.to_string(),
            (false, Value::String(text)) => digest::of_bytes(text.as_bytes()),
            (false, other) => digest::of_value(other),
        };
        let prompts = match fields.see(name) {
            Some(Value::Array(items))
                if name == "prompt" && !items.iter().all(Value::is_number) =>
            {
                items.iter().map(keep).collect()
            }
            Some(value) => vec![keep(value)],
            None => Vec::new(),
        };
        Record {
            prompts,
            parameters: Map::new(),
        }
    }
}

/// Messages with a role and a text, or a list of texts.
fn messages(value: Value) -> Result<Vec<Message>, Refusal> {
    let wrong = |what: &str| Refusal::invalid("messages", what);
    let Value::Array(items) = value else {
        return Err(wrong("must be a list"));
    };
    let mut messages = Vec::new();
    for item in items {
        let Value::Object(mut fields) = item else {
            return Err(wrong("must hold objects"));
        };
        let role = match fields.remove("role") {
            Some(Value::String(role))
                if ["system", "user", "assistant"].contains(&role.as_str()) =>
            {
                role
            }
            _ => return Err(wrong("must have the roles system, user or assistant")),
        };
        let content = match fields.remove("content") {
            Some(Value::String(text)) => text,
            Some(Value::Array(parts)) => parts
                .iter()
                .map(|part| {
                    let text = part["type"] == "text";
                    part["text"].as_str().filter(|_| text)
                })
                .collect::<Option<String>>()
                .ok_or_else(|| wrong("must hold texts only"))?,
            _ => return Err(wrong("must have texts as content")),
        };
        if let Some((name, _)) = fields.iter().find(|(_, value)| !value.is_null()) {
            let param = format!("messages.{}", name.chars().take(64).collect::<String>());
            return Err(Refusal::Unsupported { param });
        }
        messages.push(Message { role, content });
    }
    if messages.is_empty() {
        return Err(wrong("must hold at least one message"));
    }
    Ok(messages)
}
