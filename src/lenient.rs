//! JSON of programs that write numbers or characters which JSON does not have.

/// The text with null where bare `NaN` and `Infinity` stand, whatever stands within quotes.
pub(crate) fn without_non_numbers(body: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 4] = [b"-Infinity", b"Infinity", b"NaN", b"-inf"];
    let mut out = Vec::with_capacity(body.len());
    let (mut at, mut quoted) = (0, false);
    while let Some(&byte) = body.get(at) {
        let word = WORDS
            .iter()
            .find(|word| !quoted && body[at..].starts_with(word));
        if let Some(word) = word {
            out.extend(b"null");
            at += word.len();
            continue;
        }
        out.push(byte);
        at += 1;
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                out.extend(body.get(at));
                at += 1;
            }
            _ => {}
        }
    }
    out
}

/// The text with U+FFFD where half of a surrogate pair is escaped without the other, as JavaScript writes a
/// text that was cut inside of a character, and where bytes are no UTF-8.
pub(crate) fn without_half_characters(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let unit = |at: usize| {
        let digits = text.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let next = text.as_bytes().get(at + 1);
        let length = match (c, unit(at)) {
            ('\\', Some(0xd800..=0xdbff)) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            ('\\', Some(0xd800..=0xdfff)) => {
                out.push_str("\\ufffd");
                at += 6;
                continue;
            }
            // An escaped backslash is none that escapes.
            ('\\', _) if next.is_some_and(u8::is_ascii) => 2,
            _ => c.len_utf8(),
        };
        out.push_str(&text[at..at + length]);
        at += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_characters_are_replaced_and_whole_ones_kept() {
        let cases: [(&[u8], &str); 6] = [
            (br#""a \ud83d""#, r#""a \ufffd""#),
            (br#""\ude00 b""#, r#""\ufffd b""#),
            (br#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (br#""\ud83d\ud83d\ude00\n""#, r#""\ufffd\ud83d\ude00\n""#),
            (br#""\\ud83d""#, r#""\\ud83d""#),
            (b"\"\xf0\x9f\"", "\"\u{fffd}\""),
        ];
        for (body, expected) in cases {
            assert_eq!(without_half_characters(body), expected);
        }
        assert_eq!(without_half_characters(b"\\"), "\\");
    }
}
