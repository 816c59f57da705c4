//! Text from outside, fit to be shown: the one place that says what of it is not shown as it is.

use std::fmt::Write as _;

/// The longest text shown in one place, in characters.
const LONGEST: usize = 4_000;

/// Text from outside, with what cannot be seen made visible and what is too long cut.
///
/// Control characters, and invisible ones that turn the direction of text, join or hide, are written as
/// `<U+202E>` in angle quotes (Unicode Technical Report 36, "bidirectional text spoofing"); line feeds and
/// tabs stay. Beyond 4,000 characters the number of those left off is said.
pub(crate) fn visible(text: &str) -> String {
    let (shown, left_off) = match text.char_indices().nth(LONGEST) {
        Some((at, _)) => (&text[..at], text[at..].chars().count()),
        None => (text, 0),
    };
    let mut out = whole(shown);
    if left_off > 0 {
        // Writing to a string cannot fail.
        let _ = write!(out, " [{left_off} more characters not shown]");
    }
    out
}

/// The same on one line: line feeds and tabs are made visible as well, so that nothing passes for a line of the
/// program's own.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text)
        .chars()
        .map(|c| match c {
            '\n' | '\t' => code_point(c),
            c => c.to_string(),
        })
        .collect()
}

/// [`visible`] without a cut, for what was made of such texts already.
pub(crate) fn whole(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            out.push_str(&code_point(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON that says the same, with its own escapes for what cannot be seen. Valid JSON has such characters within strings
/// only.
pub(crate) fn visible_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A character as its code point, in angle quotes.
pub(crate) fn code_point(c: char) -> String {
    format!("\u{2039}U+{:04X}\u{203a}", u32::from(c))
}

/// Whether a character would not be seen, or would change the text around it.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(visible("a\u{1b}[31m"), "a\u{2039}U+001B\u{203a}[31m");
        assert_eq!(
            visible("x\u{202e}y\u{200b}\u{9b}\u{7f}"),
            "x\u{2039}U+202E\u{203a}y\u{2039}U+200B\u{203a}\u{2039}U+009B\u{203a}\u{2039}U+007F\u{203a}"
        );
        assert_eq!(visible("\u{e0041}"), "\u{2039}U+E0041\u{203a}");
        assert_eq!(
            visible("two\nlines\tof 模型 é 👩"),
            "two\nlines\tof 模型 é 👩"
        );
        assert_eq!(visible_line("two\nlines"), "two\u{2039}U+000A\u{203a}lines");
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_cut_is_said() {
        let shown = visible(&"a".repeat(1_000_000));
        assert!(shown.ends_with("a [996000 more characters not shown]"));
        assert!(shown.len() < 4_100);
        assert_eq!(visible(&"a".repeat(4_000)).len(), 4_000);
    }

    #[test]
    fn json_says_the_same_with_escapes() {
        let value = serde_json::json!({ "a\u{202e}": "b\u{9b}\u{e0041}\u{7f}\u{1b}\n模" });
        let text = visible_json(&value.to_string());
        assert_eq!(text, r#"{"a\u202e":"b\u009b\udb40\udc41\u007f\u001b\n模"}"#);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).ok(),
            Some(value)
        );
    }
}
