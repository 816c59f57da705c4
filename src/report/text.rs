//! Text from outside as it can be shown, and numbers as they are printed.

use std::fmt::Write as _;

/// The longest text shown in one place, in characters.
const LONGEST: usize = 4_000;

/// Text from outside, with what cannot be seen made visible and what is too long cut.
///
/// Control characters, and invisible ones that turn the direction of text, join or hide, are written as
/// `<U+202E>` in angle quotes (Unicode Technical Report 36, "bidirectional text spoofing"); line feeds and
/// tabs stay. Beyond 4,000 characters the number of those left off is said.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * LONGEST));
    for c in text.chars().take(LONGEST) {
        if is_hidden(c) {
            out.push_str(&code_point(c));
        } else {
            out.push(c);
        }
    }
    let left_off = text.chars().skip(LONGEST).count();
    if left_off > 0 {
        let _ = write!(out, " [{left_off} more characters not shown]");
    }
    out
}

/// A character as its code point, in angle quotes.
pub(super) fn code_point(c: char) -> String {
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

/// A number with some decimals; a dash where there is none.
pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |x| format!("{x:.decimals$}"))
}

/// The same with its sign.
pub(super) fn signed(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |x| format!("{x:+.decimals$}"))
}

/// A p-value: three decimals, or a power of ten below a thousandth.
pub(super) fn small(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(p) if p.abs() < f64::MIN_POSITIVE => "0".to_owned(),
        Some(p) if p < 1e-3 => format!("{p:.1e}"),
        Some(p) => format!("{p:.3}"),
    }
}

/// A share of one as a percentage.
pub(super) fn percent(value: Option<f64>) -> String {
    format!("{} %", number(value.map(|v| 100.0 * v), 1))
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(visible("a\u{1b}[31m"), "a\u{2039}U+001B\u{203a}[31m");
        assert_eq!(
            visible("x\u{202e}y\u{200b}"),
            "x\u{2039}U+202E\u{203a}y\u{2039}U+200B\u{203a}"
        );
        assert_eq!(visible("\u{e0041}"), "\u{2039}U+E0041\u{203a}");
        assert_eq!(
            visible("two\nlines\tof 模型 é 👩"),
            "two\nlines\tof 模型 é 👩"
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_cut_is_said() {
        let shown = visible(&"a".repeat(1_000_000));
        assert!(shown.ends_with("a [996000 more characters not shown]"));
        assert!(shown.len() < 4_100);
        assert_eq!(visible(&"a".repeat(4_000)).len(), 4_000);
    }

    #[test]
    fn numbers_are_printed_one_way() {
        assert_eq!(
            (number(Some(1.005), 1), number(None, 3)),
            ("1.0".into(), "-".into())
        );
        assert_eq!(signed(Some(0.25), 2), "+0.25");
        assert_eq!(
            (small(Some(0.0416)), small(Some(2.5e-9))),
            ("0.042".into(), "2.5e-9".into())
        );
        assert_eq!(small(None), "-");
        assert_eq!(
            (small(Some(0.0)), small(Some(-3.1e-4))),
            ("0".into(), "-3.1e-4".into())
        );
        assert_eq!(
            (grouped(999), grouped(1_234_567)),
            ("999".into(), "1,234,567".into())
        );
    }
}
