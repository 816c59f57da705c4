//! What stands between the commands and a terminal: nothing that they print can move its cursor, turn its text or hide
//! there, whoever wrote it.

use std::io::{self, Write};

use crate::printable;

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text: what cannot be seen is written as its code point.
    Text,
    /// JSON: the same with JSON's own escapes, so that it says the same.
    Json,
    /// Bytes of a file, such as a PDF, which are no text.
    Bytes,
}

/// A writer that lets only characters through which can be seen.
#[derive(Debug)]
pub(super) struct Screen<W> {
    under: W,
    kind: Kind,
    /// The beginning of a character whose rest has not been written yet.
    begun: Vec<u8>,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(under: W, kind: Kind) -> Self {
        Self {
            under,
            kind,
            begun: Vec::new(),
        }
    }

    fn shown(&self, text: &str) -> String {
        match self.kind {
            Kind::Json => printable::visible_json(text),
            Kind::Text | Kind::Bytes => printable::whole(text),
        }
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kind == Kind::Bytes {
            return self.under.write(bytes);
        }
        let joined = [std::mem::take(&mut self.begun).as_slice(), bytes].concat();
        let mut out = String::with_capacity(joined.len());
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(&self.shown(chunk.valid()));
            let invalid = chunk.invalid();
            let unfinished = std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none());
            if unfinished && chunks.peek().is_none() {
                self.begun = invalid.to_vec();
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.under.write_all(out.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.under.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, kind);
        for part in parts {
            screen.write_all(part).expect("a vector takes all");
        }
        out
    }

    #[test]
    fn nothing_that_moves_a_cursor_gets_through() {
        let hostile = "é\u{1b}[2J\r\u{9b}\u{202e}\u{200b}\u{7f}模\n".as_bytes();
        let text = "é‹U+001B›[2J‹U+000D›‹U+009B›‹U+202E›‹U+200B›‹U+007F›模\n";
        assert_eq!(written(Kind::Text, &[hostile]), text.as_bytes());
        assert_eq!(written(Kind::Bytes, &[hostile]), hostile);
        // Whatever parts it comes in.
        let bytes: Vec<&[u8]> = hostile.chunks(1).collect();
        assert_eq!(written(Kind::Text, &bytes), text.as_bytes());
        assert_eq!(
            written(Kind::Text, &[b"a\xff\x9b", b"b"]),
            "a\u{fffd}\u{fffd}b".as_bytes()
        );
        assert_eq!(
            written(Kind::Json, &["\"\u{9b}\"\n".as_bytes()]),
            b"\"\\u009b\"\n"
        );
    }
}
