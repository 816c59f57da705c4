//! What the engine does not charge a template for: values that are walked while they become text.
//!
//! A list that is repeated, or that holds itself twice, forty times over, is small until it is printed. Whatever makes
//! text of a value here pays for each of its items first, and a text that is formatted for the room that its fields
//! ask for.

use minijinja::filters;
use minijinja::value::{Kwargs, Rest, StringInput, ValueIter, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use super::{joined, json, python};

/// The widest field and the most decimals that `format` gives.
const WIDEST: usize = 4_096;
/// Bytes of text that cost one step, as the engine counts them.
const BYTES: usize = 64;

/// Puts the bounds into an environment.
pub(super) fn bound(environment: &mut Environment<'static>) {
    environment.set_formatter(print);
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", to_json);
    environment.add_filter(joined::PAID, |state: &State<'_, '_>, value: Value| {
        pay(state, &value)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        pay(state, value)?;
        filters::string(state, value)
    });
    environment.add_filter("join", join);
    environment.add_filter("upper", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(filters::upper(text(state, value)?))
    });
    environment.add_filter("lower", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(filters::lower(text(state, value)?))
    });
    environment.add_filter("capitalize", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(filters::capitalize(text(state, value)?))
    });
    environment.add_filter("title", |state: &State<'_, '_>, value: &Value| {
        Ok::<_, Error>(filters::title(text(state, value)?.as_str().into()))
    });
    environment.add_filter("trim", trim);
    environment.add_filter("replace", replace);
    for name in ["escape", "e"] {
        environment.add_filter(name, |state: &State<'_, '_>, value: &Value| {
            pay(state, value)?;
            Ok::<_, Error>(python::escape(value))
        });
    }
}

/// A step for every item of a value, at whatever depth, and for every [`BYTES`] of its texts. A value that has more of
/// them than steps are left is not walked to its end.
fn pay(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.as_object().is_none() {
        return Ok(());
    }
    let mut open: Vec<(ValueIter, Value)> = vec![(value.try_iter()?, value.clone())];
    while let Some((items, of)) = open.last_mut() {
        let Some(item) = items.next() else {
            open.pop();
            continue;
        };
        state.consume_fuel(1 + steps(&item))?;
        // Of a map this is the name.
        let within = match of.kind() {
            ValueKind::Map => of.get_item(&item)?,
            _ => item,
        };
        state.consume_fuel(steps(&within))?;
        if within.as_object().is_some() {
            // What has no items is printed by its kind.
            if let Ok(items) = within.try_iter() {
                open.push((items, within));
            }
        }
    }
    Ok(())
}

fn steps(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| (text.len() / BYTES) as u64)
}

fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    pay(state, value)?;
    escape_formatter(out, state, value)
}

/// A value as text, paid for.
pub(super) fn text<'a>(state: &State<'_, '_>, value: &'a Value) -> Result<StringInput<'a>, Error> {
    pay(state, value)?;
    StringInput::new(state, value)
}

fn to_json(state: &State<'_, '_>, value: Value, options: Kwargs) -> Result<Value, Error> {
    pay(state, &value)?;
    json::to_json(value, options)
}

fn trim(state: &State<'_, '_>, value: &Value, chars: Option<String>) -> Result<Value, Error> {
    let chars = chars.map(Into::into);
    Ok(filters::trim(text(state, value)?, chars))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]
fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    joiner: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    pay(state, value)?;
    let attribute: Option<String> = options.get("attribute")?;
    let joiner = match joiner {
        Some(joiner) => Some(joiner),
        None => options.get("d")?,
    };
    options.assert_all_used()?;
    let joiner = joiner
        .as_ref()
        .map(|joiner| text(state, joiner))
        .transpose()?;
    let none = std::iter::empty::<(&str, Value)>().collect::<Kwargs>();
    filters::join(state, value, joiner, attribute.as_deref(), none)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]
fn replace(
    state: &mut State<'_, '_>,
    value: &Value,
    from: &Value,
    to: &Value,
    count: Rest<Value>,
) -> Result<Value, Error> {
    let (value, from, to) = (text(state, value)?, text(state, from)?, text(state, to)?);
    // The count may come by its name; a negative one is none.
    let count = match count.first() {
        None => None,
        Some(given) => match Kwargs::try_from(given.clone()) {
            Ok(options) => options.get::<Option<i64>>("count")?,
            Err(_) => i64::try_from(given.clone()).map(Some)?,
        },
    };
    let Some(count) = count.and_then(|count| usize::try_from(count).ok()) else {
        return filters::replace(state, value, from, to);
    };
    let (value, from, to) = (value.as_str(), from.as_str(), to.as_str());
    let places = value.matches(from).count().min(count);
    state.consume_fuel((places.saturating_mul(to.len()) / BYTES) as u64)?;
    Ok(Value::from(value.replacen(from, to, count)))
}

/// Python's methods, of which two make text of values.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    for argument in arguments {
        if name == "join" || name == "format" {
            pay(state, argument)?;
        }
    }
    if let ("format", Some(text)) = (name, value.as_str()) {
        format(state, text, arguments)?;
    }
    python::method(state, value, name, arguments)
}

/// Pays for what `format` may make of a text: every field may have all arguments and the room that it asks for.
fn format(state: &State<'_, '_>, text: &str, arguments: &[Value]) -> Result<(), Error> {
    let (mut fields, mut room) = (0usize, 0usize);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        if let Some(literal) = rest.strip_prefix('{') {
            rest = literal;
            continue;
        }
        let field = rest.split('}').next().unwrap_or(rest);
        for number in field.split(|c: char| !c.is_ascii_digit()) {
            // Too many digits are too wide as well.
            let number = match number {
                "" => 0,
                number => number.parse().unwrap_or(usize::MAX),
            };
            if number > WIDEST {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("format: a field asks for more than {WIDEST} characters"),
                ));
            }
            room += number;
        }
        fields += 1;
        rest = &rest[field.len()..];
    }
    let arguments: usize = arguments.iter().map(printed).sum();
    let bytes = fields.saturating_mul(arguments).saturating_add(room);
    state.consume_fuel((bytes / BYTES) as u64)
}

/// About the bytes of a value as text; it was paid for, so that it is not long.
fn printed(value: &Value) -> usize {
    match value.as_str() {
        Some(text) => text.len(),
        None => value.to_string().len(),
    }
}
