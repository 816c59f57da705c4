//! `tojson` as transformers has it: Python's `json.dumps`, without the engine's HTML escapes.

use std::io;

use minijinja::{Error, ErrorKind, Value, value::Kwargs};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::python;

/// More indentation than that is an attack on memory.
const MAX_INDENT: usize = 16;

#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]
pub(super) fn to_json(value: Value, options: Kwargs) -> Result<Value, Error> {
    python::defined(&value, "tojson")?;
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<(String, String)> =
        match options.get::<Option<Vec<String>>>("separators")? {
            None => None,
            Some(pair) => Some(<[String; 2]>::try_from(pair).map(Into::into).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidOperation,
                    "tojson: separators are two texts",
                )
            })?),
        };
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let (comma, colon) = separators.unwrap_or_else(|| {
        let comma = if indent.is_some() { "," } else { ", " };
        (comma.to_owned(), ": ".to_owned())
    });
    let formatter = Python {
        indent: indent.map(|spaces| spaces.min(MAX_INDENT)),
        comma,
        colon,
        ascii: ascii.unwrap_or(false),
        depth: 0,
        empty: true,
    };
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, formatter);
    let written = if sorted == Some(true) {
        serde_json::to_value(&value).and_then(|mut value| {
            value.sort_all_objects();
            value.serialize(&mut serializer)
        })
    } else {
        value.serialize(&mut serializer)
    };
    written.map_err(|error| {
        Error::new(ErrorKind::InvalidOperation, "tojson: cannot write a value").with_source(error)
    })?;
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

/// The separators and line breaks of `json.dumps`.
struct Python {
    /// Spaces a level; on one line without.
    indent: Option<usize>,
    comma: String,
    colon: String,
    /// Write what is not ASCII as `\u` and four digits.
    ascii: bool,
    depth: usize,
    /// Nothing was written into the innermost list or object yet.
    empty: bool,
}

impl Python {
    fn open(&mut self) {
        self.depth += 1;
        self.empty = true;
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if !self.empty {
            self.break_line(writer)?;
        }
        self.empty = false;
        Ok(())
    }

    fn entry<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.comma.as_bytes())?;
        }
        self.empty = false;
        self.break_line(writer)
    }

    fn break_line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        let Some(spaces) = self.indent else {
            return Ok(());
        };
        writer.write_all(b"\n")?;
        for _ in 0..self.depth * spaces {
            writer.write_all(b" ")?;
        }
        Ok(())
    }
}

impl Formatter for Python {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open();
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer)?;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.entry(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open();
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer)?;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.entry(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.colon.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if self.ascii && !(' '..='~').contains(&c) {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}
