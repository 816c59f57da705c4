//! Chat templates: Jinja code that comes with a model and turns messages into its prompt.
//!
//! A template is a program written by whoever made the model. It gets an environment of its own with
//! no loader, a budget of steps and memory, a recursion limit and an output limit. It cannot read a
//! clock: `strftime_now` always tells the same day, so that the same messages give the
//! same prompt next year.
//!
//! What transformers gives a template is there: `messages`, `add_generation_prompt`, `bos_token`,
//! `eos_token`, `tools` and `documents` (none), `raise_exception`, `strftime_now`, `tojson`, Python's
//! string and list methods, `break` and `continue`, `trim_blocks` and `lstrip_blocks`, and
//! `{% generation %}` (which marks a part and prints it). `enable_thinking` is false: models that can
//! think or not are asked not to, so that what follows the prompt is their answer.
//!
//! As in Jinja, every line of a template ends with one line feed, however its file wrote it.
//!
//! `tests/data/template_snippets.json` holds small templates with what Jinja gives for them. Of what its
//! test lists as different, the engine refuses most with an error; numbers of 1e16 and more are spelled
//! otherwise, `range(3)` prints as a list, and `\U` with eight digits is no escape.

mod bounds;
mod fixed_date;
mod joined;
mod json;
mod python;

use std::{fmt, io, sync::Arc};

use minijinja::{
    Environment, Error, ErrorKind, Value, context,
    syntax::SyntaxConfig,
    value::{Enumerator, Object},
};

/// Longer than any published template, of which the longest have some 40 KB.
const MAX_SOURCE: usize = 128 << 10;

/// The longest prompt a template may render.
const MAX_OUTPUT: usize = 16 << 20;

/// Steps a template may take; about 64 bytes of text cost one as well.
const FUEL: u64 = 500_000;

/// The stack templates are parsed and rendered on.
///
/// The engine recurses once per level of an expression (`1+1+1...`) and of a value (a list in a list
/// in a list...), and its recursion limit does not cover either. The limits on source and fuel allow
/// about 100,000 levels, which a thread's usual stack does not hold. Untouched pages cost nothing.
const STACK: usize = 512 << 20;

/// Nested calls, loops and blocks.
const RECURSION: usize = 200;

/// The name under which a template is known inside its environment.
const NAME: &str = "chat";

/// A template could not be parsed or did not render.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The source is longer than any honest one.
    #[error("a chat template of {found} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The source is not a template.
    #[error("cannot parse the chat template")]
    Parse {
        /// Where and why.
        #[source]
        source: Box<Error>,
    },
    /// The template itself refused the messages, for example a system role it does not know.
    #[error("the chat template refuses the messages: {message}")]
    Refused {
        /// What it said.
        message: String,
    },
    /// The template took more steps or memory than allowed.
    #[error("the chat template did not come to an end within its limits")]
    OutOfFuel,
    /// The template rendered more text than allowed.
    #[error("the chat template renders more than {limit} bytes")]
    OutputTooLong {
        /// The limit.
        limit: usize,
    },
    /// No thread could be started for the template.
    #[error("cannot start a thread for the chat template")]
    Thread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The template engine panicked.
    #[error("the template engine panicked on the chat template")]
    Panicked,
    /// The template failed.
    #[error("cannot render the chat template")]
    Render {
        /// Where and why.
        #[source]
        source: Box<Error>,
    },
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl Message {
    /// A message of the given role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Templates see the keys in this order, which shows when one prints a whole message.
impl Object for Message {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "role" => Some(Value::from(self.role.as_str())),
            "content" => Some(Value::from(self.content.as_str())),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["role", "content"])
    }
}

/// The begin and end tokens as text; empty when a model has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specials {
    /// `bos_token`.
    pub bos: String,
    /// `eos_token`.
    pub eos: String,
}

/// A parsed chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Parses a template's source.
    ///
    /// # Errors
    /// When it is too long or not a template.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE {
            return Err(TemplateError::TooLong {
                found: source.len(),
                limit: MAX_SOURCE,
            });
        }
        let environment =
            on_deep_stack(|| environment(source))?.map_err(|source| TemplateError::Parse {
                source: Box::new(source),
            })?;
        Ok(Self { environment })
    }

    /// Renders a conversation; with `add_generation_prompt` it ends where the model's answer begins.
    ///
    /// # Errors
    /// When the template refuses the messages, fails, or exceeds its limits.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        specials: &Specials,
    ) -> Result<String, TemplateError> {
        on_deep_stack(|| self.run(messages, add_generation_prompt, specials))?
    }

    fn run(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        specials: &Specials,
    ) -> Result<String, TemplateError> {
        let messages: Vec<_> = messages
            .iter()
            .map(|message| Value::from_object(message.clone()))
            .collect();
        let context = context! {
            messages,
            add_generation_prompt,
            bos_token => specials.bos.as_str(),
            eos_token => specials.eos.as_str(),
            tools => (),
            documents => (),
            enable_thinking => false,
        };
        let mut output = Bounded::default();
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(context, &mut output).map(drop));
        if output.overflowed {
            return Err(TemplateError::OutputTooLong { limit: MAX_OUTPUT });
        }
        rendered.map_err(explain)?;
        // Templates write strings only, so this never replaces anything.
        Ok(String::from_utf8_lossy(&output.bytes).into_owned())
    }

    /// Renders a conversation up to the model's answer and begins that answer with `lead`.
    ///
    /// To keep control tokens spelled in `lead` from being read, encode the two apart instead:
    /// `encode_rendered(render(..))`, then `encode(lead, Start::Inside, Reading::Plain)`.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_with_lead(
        &self,
        messages: &[Message],
        specials: &Specials,
        lead: &str,
    ) -> Result<String, TemplateError> {
        let mut prompt = self.render(messages, true, specials)?;
        prompt.push_str(lead);
        Ok(prompt)
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").finish_non_exhaustive()
    }
}

/// A fresh environment that knows one template and nothing else.
fn environment(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    python::add_to(&mut environment);
    environment.remove_global("debug");
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", fixed_date::strftime_now);
    // Behind the others: it takes the place of those that make text of values.
    bounds::bound(&mut environment);
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    environment.add_template_owned(NAME, joined::paid(&prepared(&source)))?;
    Ok(environment)
}

/// Runs untrusted code on a thread with [`STACK`] bytes; a panic becomes an error.
fn on_deep_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, TemplateError> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("chat template".into())
            .stack_size(STACK)
            .spawn_scoped(scope, run)
            .map_err(|source| TemplateError::Thread { source })?
            .join()
            .map_err(|_| TemplateError::Panicked)
    })
}

/// What a template says when it calls `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Refusal(message)))
}

/// Finds the template's own words or an exhausted budget under an engine error.
fn explain(error: Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(Refusal(message)) = current.downcast_ref() {
            return TemplateError::Refused {
                message: message.clone(),
            };
        }
        let kind = current.downcast_ref::<Error>().map(Error::kind);
        if kind == Some(ErrorKind::OutOfFuel) {
            return TemplateError::OutOfFuel;
        }
        cause = current.source();
    }
    TemplateError::Render {
        source: Box::new(error),
    }
}

/// Collects output up to the limit.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rewrites what the engine reads otherwise than Jinja: transformers' `{% generation %}` blocks, which it
/// does not know, become blocks that print their content, and the line feed behind `{% raw %}`, which it
/// drops, is written twice.
fn prepared(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let (before, tag) = rest.split_at(open);
        // Behind the opening: in `{%}` both signs share one character.
        let Some(close) = tag[2..].find("%}").map(|found| found + 2) else {
            break;
        };
        let (tag, after) = tag.split_at(close + 2);
        out.push_str(before);
        let name = tag[2..close].trim_matches(['-', '+']).trim();
        match name {
            "generation" => out.push_str(&tag.replace(name, "if true")),
            "endgeneration" => out.push_str(&tag.replace(name, "endif")),
            "raw" if after.starts_with('\n') => {
                out.push_str(tag);
                out.push('\n');
            }
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
