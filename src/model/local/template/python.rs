//! What Jinja takes from Python where the template engine answers otherwise: methods, tests and filters.
//!
//! `tests/data/template_snippets.json` has Jinja's own answers; what is added here is what differed there.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::{filters as contrib, globals, pycompat};

use super::bounds::text;

/// A text is not padded to more than this.
const MAX_WIDTH: usize = 1 << 16;

/// Adds everything to an environment.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_test("iterable", |v: &Value| v.is_undefined() || is_container(v));
    environment.add_test("sequence", |v: &Value| v.is_undefined() || is_container(v));
    environment.add_test("callable", |v: &Value| {
        v.as_object()
            .is_some_and(|o| o.downcast_ref::<super::Message>().is_none())
            && !is_container(v)
    });
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("indent", indent);
    environment.add_filter("attr", attribute);
    environment.add_filter(
        "center",
        |state: &State<'_, '_>, value: &Value, width: Option<usize>| {
            let text = text(state, value)?;
            centred(text.as_str(), width.unwrap_or(80), ' ').map(Value::from)
        },
    );
    environment.add_filter("wordcount", |state: &State<'_, '_>, value: &Value| {
        let text = text(state, value)?;
        let words = text
            .as_str()
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .count();
        Ok::<_, Error>(words)
    });
    environment.add_filter("striptags", |state: &State<'_, '_>, value: &Value| {
        let text = text(state, value)?;
        Ok::<_, Error>(contrib::striptags(text.as_str().to_owned()))
    });
    environment.add_filter("truncate", truncate);
    environment.add_function("cycler", |items: Rest<Value>| {
        globals::cycler(items.to_vec())
    });
    environment.add_function("joiner", globals::joiner);
}

/// Python's `iter(value)` would work: on text, lists and dictionaries, but not on nothing.
fn is_container(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    )
}

fn default(
    value: &Value,
    other: Option<Value>,
    lax: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let named: Option<Value> = options.get("default_value")?;
    let lax = match lax {
        Some(lax) => lax,
        None => options.get::<Option<bool>>("boolean")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let other = other.or(named).unwrap_or_else(|| Value::from(""));
    let replaced = value.is_undefined() || (lax && !value.is_true());
    Ok(if replaced { other } else { value.clone() })
}

/// What is no number is 0 or the default; the engine would refuse it.
fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    options: Kwargs,
) -> Result<Value, Error> {
    let otherwise = fallback(default, &options, Value::from(0))?;
    minijinja::filters::int(state, value, Some(otherwise), base, options)
}

/// See [`int`].
fn float(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let otherwise = fallback(default, &options, Value::from(0.0))?;
    minijinja::filters::float(state, value, Some(otherwise), options)
}

fn fallback(default: Option<Value>, options: &Kwargs, zero: Value) -> Result<Value, Error> {
    Ok(match default {
        Some(default) => default,
        None => options.get::<Option<Value>>("default")?.unwrap_or(zero),
    })
}

/// The width may be a text, which is then put in front of the lines.
fn indent(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let width = match width {
        Some(width) => Some(width),
        None => options.get("width")?,
    };
    let flag = |given: Option<bool>, name| match given {
        Some(flag) => Ok(flag),
        None => options
            .get::<Option<bool>>(name)
            .map(|f| f.unwrap_or(false)),
    };
    let (first, blank) = (flag(first, "first")?, flag(blank, "blank")?);
    options.assert_all_used()?;
    let lead = match width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(bounded(usize::try_from(width)?)?),
        },
    };
    let lines = text.split('\n').enumerate().map(|(number, line)| {
        let wanted = if number == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if wanted {
            format!("{lead}{line}")
        } else {
            line.to_owned()
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Attributes are not entries: a dictionary has none that a template may ask for.
fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => Ok(Value::UNDEFINED),
        _ => value.get_attr(name),
    }
}

/// With the character references that MarkupSafe writes.
pub(super) fn escape(value: &Value) -> Value {
    if value.is_safe() {
        return value.clone();
    }
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Value::from_safe_string(out)
}

/// Jinja's `truncate`, in characters; the leeway by its name only.
fn truncate(
    text: &str,
    length: Option<usize>,
    kill: Option<bool>,
    end: Option<String>,
    options: Kwargs,
) -> Result<String, Error> {
    let length = length.or(options.get("length")?).unwrap_or(255);
    let kill = kill.or(options.get("killwords")?).unwrap_or(false);
    let end = end.or(options.get("end")?).unwrap_or_else(|| "...".into());
    let leeway = options.get::<Option<usize>>("leeway")?.unwrap_or(5);
    options.assert_all_used()?;
    let kept = length.checked_sub(end.chars().count()).ok_or_else(|| {
        refused(format!(
            "truncate: {length} characters do not hold the end '{end}'"
        ))
    })?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let mut short: String = text.chars().take(kept).collect();
    if !kill && let Some(space) = short.rfind(' ') {
        short.truncate(space);
    }
    Ok(short + &end)
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn bounded(width: usize) -> Result<usize, Error> {
    if width <= MAX_WIDTH {
        return Ok(width);
    }
    Err(refused(format!(
        "a width of {width} is over the limit of {MAX_WIDTH}"
    )))
}

/// Python's `str.center`: an odd space goes to the left where the width is odd.
fn centred(text: &str, width: usize, fill: char) -> Result<String, Error> {
    let spare = bounded(width)?.saturating_sub(text.chars().count());
    let left = spare / 2 + (spare & width & 1);
    let pad = |count| fill.to_string().repeat(count);
    Ok(format!("{}{text}{}", pad(left), pad(spare - left)))
}

/// The methods of values.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => value
            .as_str()
            .map_or(Ok(None), |text| text_method(text, name, args)),
        ValueKind::Seq if name == "index" => index_of(value, args).map(Some),
        _ => Ok(None),
    }?;
    match own {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn index_of(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(args)?;
    let place = value.try_iter()?.position(|v| v == *wanted);
    place
        .map(Value::from)
        .ok_or_else(|| refused(format!("{wanted} is not in the list")))
}

/// The methods of a text that the engine lacks or that it answers otherwise than Python.
fn text_method(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let result = match name {
        "split" | "rsplit" => split(text, name == "rsplit", args)?,
        "partition" | "rpartition" => {
            let (at,): (&str,) = from_args(args)?;
            if at.is_empty() {
                return Err(refused("the separator is empty".to_owned()));
            }
            let (found, missing) = if name == "partition" {
                (text.split_once(at), [text, "", ""])
            } else {
                (text.rsplit_once(at), ["", "", text])
            };
            let parts = found.map_or(missing, |(before, after)| [before, at, after]);
            Value::from(Tuple::new(parts.map(Value::from).into()))
        }
        "startswith" | "endswith" if args.len() > 1 => {
            let (affix, start, end): (Value, Option<i64>, Option<i64>) = from_args(args)?;
            let part = sliced(text, start, end);
            let fits = |affix: &Value| {
                affix.as_str().is_some_and(|affix| match name {
                    "startswith" => part.starts_with(affix),
                    _ => part.ends_with(affix),
                })
            };
            Value::from(match affix.as_str() {
                Some(_) => fits(&affix),
                None => affix.try_iter()?.any(|a| fits(&a)),
            })
        }
        "index" | "rindex" => {
            let (wanted,): (&str,) = from_args(args)?;
            let at = if name == "index" {
                text.find(wanted)
            } else {
                text.rfind(wanted)
            };
            let at = at.ok_or_else(|| refused(format!("the text has no '{wanted}'")))?;
            Value::from(text[..at].chars().count())
        }
        "title" => {
            let _: () = from_args(args)?;
            Value::from(titled(text))
        }
        "swapcase" => {
            let _: () = from_args(args)?;
            let swapped = text.chars().flat_map(|c| -> Vec<char> {
                if c.is_uppercase() {
                    c.to_lowercase().collect()
                } else {
                    c.to_uppercase().collect()
                }
            });
            Value::from(swapped.collect::<String>())
        }
        "casefold" => {
            let _: () = from_args(args)?;
            Value::from(text.to_lowercase())
        }
        "isdecimal" => {
            let _: () = from_args(args)?;
            Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
        }
        "removeprefix" | "removesuffix" => {
            let (affix,): (&str,) = from_args(args)?;
            let bare = match name {
                "removeprefix" => text.strip_prefix(affix),
                _ => text.strip_suffix(affix),
            };
            Value::from(bare.unwrap_or(text))
        }
        _ => return padded(text, name, args),
    };
    Ok(Some(result))
}

/// The methods that make a text longer.
fn padded(text: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let result = match name {
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = match text.strip_prefix(['+', '-']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            let missing = bounded(width)?.saturating_sub(text.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            let fill = fill.unwrap_or(' ');
            let missing = bounded(width)?.saturating_sub(text.chars().count());
            let pad = fill.to_string().repeat(missing);
            Value::from(match name {
                "ljust" => format!("{text}{pad}"),
                "rjust" => format!("{pad}{text}"),
                _ => centred(text, width, fill)?,
            })
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// `split` and `rsplit`; without a separator at runs of white space, which the ends do not count as.
fn split(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (at, limit, options): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let at = match at {
        Some(at) => Some(at),
        None => options.get("sep")?,
    };
    let limit = match limit {
        Some(limit) => Some(limit),
        None => options.get("maxsplit")?,
    };
    options.assert_all_used()?;
    // A negative limit is none.
    let most = limit
        .and_then(|l| usize::try_from(l).ok())
        .map_or(usize::MAX, |l| l.saturating_add(1));
    let mut parts: Vec<Value> = match at.filter(|at| !at.is_none()) {
        None => white(text, from_right, most)
            .into_iter()
            .map(Value::from)
            .collect(),
        Some(at) => {
            let at = at
                .as_str()
                .filter(|at| !at.is_empty())
                .ok_or_else(|| refused("a text is split at a text that is not empty".to_owned()))?;
            if from_right {
                text.rsplitn(most, at).map(Value::from).collect()
            } else {
                text.splitn(most, at).map(Value::from).collect()
            }
        }
    };
    if from_right {
        parts.reverse();
    }
    Ok(Value::from(parts))
}

/// At most so many parts between runs of white space; from the right, the last part comes first.
fn white(text: &str, from_right: bool, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if parts.len() + 1 >= most {
            parts.push(rest);
            break;
        }
        let cut = if from_right {
            rest.rfind(char::is_whitespace).map(|at| {
                let after = rest[at..].trim_start();
                (after, rest[..at].trim_end())
            })
        } else {
            rest.split_once(char::is_whitespace)
                .map(|(before, after)| (before, after.trim_start()))
        };
        let (part, left) = cut.unwrap_or((rest, ""));
        parts.push(part);
        rest = left;
    }
    // Where no split is left, Python keeps the white space at the far end.
    if let Some(last) = parts.last_mut().filter(|_| most < usize::MAX) {
        let start = last.as_ptr().addr() - text.as_ptr().addr();
        if from_right && text[..start].trim().is_empty() {
            *last = &text[..start + last.len()];
        } else if !from_right && text[start + last.len()..].trim().is_empty() {
            *last = &text[start..];
        }
    }
    parts
}

/// Every letter behind something that is no letter is a capital one: `They'Re`.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

/// `text[start:end]` in characters.
fn sliced(text: &str, start: Option<i64>, end: Option<i64>) -> &str {
    let count = text.chars().count();
    let place = |at: i64| {
        let at = if at < 0 {
            at.saturating_add_unsigned(count as u64)
        } else {
            at
        };
        usize::try_from(at).unwrap_or(0).min(count)
    };
    let (start, end) = (place(start.unwrap_or(0)), end.map_or(count, place));
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(b, _)| b);
    text.get(byte(start)..byte(end)).unwrap_or("")
}

/// `tojson` and the like take what is there; Jinja's undefined values are no JSON.
pub(super) fn defined(value: &Value, filter: &str) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(refused(format!("{filter}: the value is undefined")));
    }
    Ok(())
}
