//! Templates: where the facts become a page. The facts go in as one value whose strings are all made
//! visible first, and the output is escaped for its form, so that no template can forget either.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};
use serde::Serialize;
use serde_json::Value as Json;

use super::text;
use crate::printable::visible;

/// A report could not be rendered: a fault of the tool.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the report as {form}")]
pub struct RenderError {
    /// The form.
    pub form: &'static str,
    /// The cause.
    #[source]
    pub source: RenderFault,
}

/// What went wrong in it.
#[derive(Debug, thiserror::Error)]
pub enum RenderFault {
    /// The facts have no JSON.
    #[error("the facts are not plain data")]
    Facts(#[from] serde_json::Error),
    /// A template is wrong.
    #[error("a template does not fit the facts")]
    Template(#[from] Error),
    /// The typesetter is not there, or would not have a template or a plot.
    #[error("it could not be typeset: {message}")]
    Typeset {
        /// Why.
        message: String,
    },
}

/// How values are written into a form of output.
#[derive(Clone)]
pub(super) struct Form {
    /// Its name in errors.
    pub(super) name: &'static str,
    /// Its mark for the engine: anything but none, so that what a macro has escaped is not escaped again.
    pub(super) escape: AutoEscape,
    /// Writes a value, escaped unless it is marked safe.
    pub(super) write: fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), Error>,
}

/// Renders the first of some templates; the others are its parts. The facts are `r` there, and `more` is
/// what the form adds to them.
pub(super) fn render(
    facts: &impl Serialize,
    templates: &[(&'static str, &'static str)],
    form: &Form,
    more: Value,
) -> Result<String, RenderError> {
    filled(facts, templates, form, more).map_err(|source| RenderError {
        form: form.name,
        source,
    })
}

fn filled(
    facts: &impl Serialize,
    templates: &[(&'static str, &'static str)],
    form: &Form,
    more: Value,
) -> Result<String, RenderFault> {
    let facts = shown(serde_json::to_value(facts)?);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build()?);
    let escape = form.escape.clone();
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_formatter(form.write);
    filters(&mut environment);
    for (name, source) in templates {
        environment.add_template(name, source)?;
    }
    let (first, _) = templates.first().copied().unwrap_or_default();
    let context = minijinja::context! { r => Value::from(Serde(&facts)), more };
    Ok(environment.get_template(first)?.render(context)?)
}

/// All strings of a value, the keys too, made visible.
pub(super) fn shown(value: Json) -> Json {
    match value {
        Json::String(text) => Json::String(visible(&text)),
        Json::Array(items) => items.into_iter().map(shown).collect(),
        Json::Object(map) => map
            .into_iter()
            .map(|(key, value)| (visible(&key), shown(value)))
            .collect(),
        other => other,
    }
}

fn filters(environment: &mut Environment<'_>) {
    let float = |value: &Value| f64::try_from(value.clone()).ok();
    environment.add_filter("number", move |value: Value, decimals: usize| {
        text::number(float(&value), decimals)
    });
    environment.add_filter("signed", move |value: Value, decimals: usize| {
        text::signed(float(&value), decimals)
    });
    environment.add_filter("small", move |value: Value| text::small(float(&value)));
    environment.add_filter("percent", move |value: Value| text::percent(float(&value)));
    environment.add_filter("grouped", |value: u64| text::grouped(value));
    // The word of a file as one for people.
    environment.add_filter("words", |value: String| value.replace('_', " "));
    environment.add_filter("short", |value: String| {
        value.chars().take(12).collect::<String>()
    });

    environment.add_filter("descending", descending);
}

/// The entries of a map of numbers, the largest first.
fn descending(map: &Value) -> Result<Vec<(String, f64)>, Error> {
    let mut entries = Vec::new();
    for key in map.try_iter()? {
        let number = f64::try_from(map.get_item(&key)?)?;
        entries.push((key.to_string(), number));
    }
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(entries)
}
