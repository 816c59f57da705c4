//! The ways in which a server may write a key back: any of its characters as it is or escaped, as JSON (`\u0041`, `\/`),
//! HTML (`&#65;`, `&#x41;`, `&amp;`) or a URL (`%41`) escape them, also escaped more than once; or the whole in Base64,
//! standard or for URLs, alone or behind other bytes such as `Bearer `, with line breaks in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What stands where a server echoed the key.
const MASK: &[u8] = b"[key]";
/// Escapes of escapes that are looked through, and line breaks between two characters of Base64.
const LAYERS: usize = 16;

/// What HTML calls characters that keys have.
const NAMED: [(&[u8], u8); 18] = [
    (b"lt;", b'<'),
    (b"gt;", b'>'),
    (b"quot;", b'"'),
    (b"apos;", b'\''),
    (b"plus;", b'+'),
    (b"sol;", b'/'),
    (b"bsol;", b'\\'),
    (b"equals;", b'='),
    (b"lowbar;", b'_'),
    (b"period;", b'.'),
    (b"comma;", b','),
    (b"colon;", b':'),
    (b"semi;", b';'),
    (b"num;", b'#'),
    (b"dollar;", b'$'),
    (b"percnt;", b'%'),
    (b"ast;", b'*'),
    (b"excl;", b'!'),
];

/// A key in all its forms.
pub(super) struct Echoes {
    key: Vec<u8>,
    /// What Base64 makes of the key behind no, one and two bytes of a group of three; only the characters that depend on
    /// nothing else.
    encoded: [Vec<u8>; 3],
    /// Whether a form may begin with a byte: nearly all text is passed over by this alone.
    begins: [bool; 256],
}

impl Echoes {
    pub(super) fn of(key: &[u8]) -> Self {
        let encoded = [0, 1, 2].map(|before| {
            let behind = [&[0; 2][..before], key].concat();
            let mut text = STANDARD_NO_PAD.encode(&behind).into_bytes();
            text.truncate(behind.len() * 8 / 6);
            text.split_off((before * 8).div_ceil(6))
        });
        let mut begins = [false; 256];
        let first = encoded.iter().map(|form| form[0]).chain([key[0]]);
        for byte in first.chain(*b"\\&%") {
            begins[usize::from(byte)] = true;
            begins[usize::from(for_urls(byte))] = true;
        }
        Self {
            key: key.to_vec(),
            encoded,
            begins,
        }
    }

    /// A text with the key masked; `None` if it is not in it.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        let masked = self.mask(text.as_bytes())?;
        // Only whole ASCII characters were taken out.
        Some(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Bytes with the key masked; `None` if it is not in them.
    pub(super) fn mask(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut done, mut at) = (Vec::new(), 0, 0);
        while at < bytes.len() {
            let found = if self.begins[usize::from(bytes[at])] {
                self.at(bytes, done, at)
            } else {
                None
            };
            let Some((from, to)) = found else {
                at += 1;
                continue;
            };
            out.extend_from_slice(&bytes[done..from]);
            out.extend_from_slice(MASK);
            (done, at) = (to, to);
        }
        (done > 0).then(|| {
            out.extend_from_slice(&bytes[done..]);
            out
        })
    }

    /// Where the echo that begins at a place begins and ends. What was masked before reaches to `done`.
    fn at(&self, bytes: &[u8], done: usize, at: usize) -> Option<(usize, usize)> {
        let plain = || Some((at, end(&self.key, literally, bytes, at)?));
        let encoded = |form: &Vec<u8>| {
            let end = end(form, in_base64, bytes, at)?;
            // What stands around it has bits of the key's ends.
            let before = bytes[done..at].iter().rev();
            let from = at - before.take_while(|byte| is_base64(**byte)).count();
            let behind = bytes[end..].iter();
            Some((
                from,
                end + behind.take_while(|byte| is_base64(**byte)).count(),
            ))
        };
        let (from, to) = plain().or_else(|| self.encoded.iter().find_map(encoded))?;
        // The rest of an escape would make another one of the mask, and of JSON none at all.
        let slashes = bytes[done..from].iter().rev();
        let slashes = slashes.take_while(|byte| **byte == b'\\').count();
        Some((from - slashes % 2, to))
    }
}

/// How many bytes stand for a character at the beginning of some bytes, in up to two ways.
type Ways = fn(&[u8], u8) -> [Option<usize>; 2];

/// Where a form that begins at a place ends. Its characters are read by `ways`: up to two lengths that stand for one.
fn end(form: &[u8], ways: Ways, bytes: &[u8], mut at: usize) -> Option<usize> {
    for (n, wanted) in form.iter().enumerate() {
        match ways(&bytes[at..], *wanted) {
            [None, None] => return None,
            [Some(length), None] | [None, Some(length)] => at += length,
            [Some(one), Some(other)] => {
                let rest = &form[n + 1..];
                return end(rest, ways, bytes, at + one)
                    .or_else(|| end(rest, ways, bytes, at + other));
            }
        }
    }
    Some(at)
}

/// How many bytes stand for a character: as an escape, and as it is.
fn literally(bytes: &[u8], wanted: u8) -> [Option<usize>; 2] {
    let first = bytes.first() == Some(&wanted);
    let escaped = escaped(bytes).filter(|(byte, _)| *byte == wanted);
    [escaped.map(|(_, length)| length), first.then_some(1)]
}

/// The same for Base64, in either alphabet and with line breaks before it.
fn in_base64(bytes: &[u8], wanted: u8) -> [Option<usize>; 2] {
    let mut at = 0;
    for _ in 0..LAYERS {
        match bytes[at..] {
            [b' ' | b'\n' | b'\r' | b'\t', ..] => at += 1,
            [b'\\', b'n' | b'r', ..] => at += 2,
            _ => break,
        }
    }
    let rest = &bytes[at..];
    let same = |byte: u8| byte == wanted || byte == for_urls(wanted);
    let first = rest.first().is_some_and(|byte| same(*byte));
    let escaped = escaped(rest).filter(|(byte, _)| same(*byte));
    // None of its characters begins an escape: there is one way.
    let length = if first {
        Some(1)
    } else {
        escaped.map(|(_, length)| length)
    };
    [length.map(|length| at + length), None]
}

fn for_urls(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => byte,
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)
}

/// The character that an escape stands for, and the escape's length.
fn escaped(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes.first()? {
        b'\\' => backslash(bytes),
        b'&' => entity(bytes),
        b'%' => percent(bytes),
        _ => None,
    }
}

/// `\u0041`, `\x41`, `\/` and the like, behind any number of backslashes that escape one another.
fn backslash(bytes: &[u8]) -> Option<(u8, usize)> {
    let slashes = bytes.iter().take(LAYERS).take_while(|b| **b == b'\\');
    let slashes = slashes.count();
    let rest = &bytes[slashes..];
    let digits = match rest.first() {
        Some(b'u') => 4,
        Some(b'x') => 2,
        Some(byte @ (b'/' | b'"' | b'\'')) => return Some((*byte, slashes + 1)),
        _ => return (slashes > 1).then_some((b'\\', 2)),
    };
    let byte = hexadecimal(rest.get(1..=digits)?)?;
    Some((byte, slashes + 1 + digits))
}

/// `&#65;`, `&#x41;` and `&lt;`, also behind an `&` that was escaped itself.
fn entity(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut at = 1;
    for _ in 0..LAYERS {
        if bytes[at..].starts_with(b"amp;") {
            at += 4;
        }
    }
    let rest = &bytes[at..];
    if let Some((name, byte)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
        return Some((*byte, at + name.len()));
    }
    let number = match rest {
        [b'#', b'x' | b'X', ..] => 2,
        [b'#', ..] => 1,
        _ => return (at > 1).then_some((b'&', at)),
    };
    let is_digit = |byte: &&u8| match number {
        2 => byte.is_ascii_hexdigit(),
        _ => byte.is_ascii_digit(),
    };
    let digits = rest[number..].iter().take(LAYERS).take_while(is_digit);
    let digits = digits.count();
    let text = std::str::from_utf8(&rest[number..number + digits]).ok()?;
    let byte = u8::from_str_radix(text, if number == 2 { 16 } else { 10 }).ok()?;
    let ends = usize::from(rest.get(number + digits) == Some(&b';'));
    Some((byte, at + number + digits + ends))
}

/// `%41`, also behind a `%` that was escaped itself.
fn percent(bytes: &[u8]) -> Option<(u8, usize)> {
    let digits = |at: usize| hexadecimal(bytes.get(at..at + 2)?);
    let mut at = 1;
    for _ in 0..LAYERS {
        if digits(at) == Some(b'%') && digits(at + 2).is_some() {
            at += 2;
        }
    }
    Some((digits(at)?, at + 2))
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    // A sign would be taken for a digit.
    let fits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::try_from(u32::from_str_radix(text, 16).ok().filter(|_| fits)?).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-pr0j/Az+9_~?>b.Q==";

    /// What is left of a text; nothing of the key may be.
    fn left(text: &str) -> String {
        let left = Echoes::of(KEY.as_bytes()).text(text);
        left.unwrap_or_else(|| panic!("not masked: {text}"))
    }

    /// Every way to write one character.
    fn ways(c: char) -> Vec<String> {
        let n = u32::from(c);
        let mut ways = vec![
            c.to_string(),
            format!("\\u{n:04x}"),
            format!("\\u{n:04X}"),
            format!("\\\\u{n:04x}"),
            format!("\\x{n:02x}"),
            format!("&#{n};"),
            format!("&#x{n:x};"),
            format!("&#X{n:04X};"),
            format!("&amp;#{n};"),
            format!("%{n:02x}"),
            format!("%{n:02X}"),
            format!("%25{n:02X}"),
        ];
        match c {
            '/' => ways.extend(["\\/".to_owned(), "&sol;".to_owned()]),
            '>' => ways.push("&gt;".to_owned()),
            '+' => ways.push("&plus;".to_owned()),
            _ => {}
        }
        ways
    }

    #[test]
    fn every_escape_of_every_character_is_seen_through() {
        for way in 0..12 {
            let all: String = KEY.chars().map(|c| ways(c)[way].clone()).collect();
            assert_eq!(left(&format!("a {all} b")), "a [key] b", "{all}");
            // Partly escaped: any one character alone.
            for place in 0..KEY.len() {
                let one = KEY.char_indices().map(|(i, c)| {
                    if i == place {
                        ways(c)[way].clone()
                    } else {
                        c.to_string()
                    }
                });
                let one: String = one.collect();
                assert_eq!(left(&format!("a {one} b")), "a [key] b", "{one}");
            }
        }
        let named = KEY.replace('>', "&gt;").replace('+', "&plus;");
        assert_eq!(left(&named.replace('/', "\\/")), "[key]");
    }

    #[test]
    fn base64_is_seen_through_in_every_alignment_and_alphabet() {
        for before in ["", "B", "Be", "Bearer ", "x: ", "user:"] {
            for behind in ["", "\n", " and more of it"] {
                let bytes = format!("{before}{KEY}{behind}");
                for text in [
                    STANDARD.encode(&bytes),
                    URL_SAFE.encode(&bytes),
                    URL_SAFE_NO_PAD.encode(&bytes),
                ] {
                    assert_eq!(left(&format!("a <{text}> b")), "a <[key]> b");
                    let json = serde_json::Value::from(text.as_str()).to_string();
                    let json = json.replace('/', "\\/").replace('+', "\\u002B");
                    assert!(serde_json::from_str::<String>(&left(&json)).is_ok());
                    let broken: Vec<&str> = text
                        .as_bytes()
                        .chunks(16)
                        .map(|part| std::str::from_utf8(part).unwrap_or_default())
                        .collect();
                    for gap in ["\r\n", "\\n"] {
                        let left = left(&broken.join(gap));
                        assert!(
                            left.len() < 32 + before.len() * 2 + behind.len() * 2,
                            "{left}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_left_of_json_is_json() {
        let echoes = Echoes::of(b"nope-1234");
        let texts = [
            "\nope-1234",
            "a\\nope-1234",
            "\\",
            "x\u{1}nope-1234y",
            "/nope-1234",
        ];
        for text in texts {
            let json = serde_json::Value::from(text).to_string();
            let masked = echoes.text(&json).unwrap_or(json);
            assert!(serde_json::from_str::<String>(&masked).is_ok(), "{masked}");
        }
        assert_eq!(echoes.text("nope-1235 %6Eope &#x6e;"), None);
    }

    #[test]
    fn what_only_begins_like_escapes_costs_no_more_than_its_length() {
        let echoes = Echoes::of(KEY.as_bytes());
        for part in ["\\", "&amp;", "%25", "&#0", "sk-pr0j\\"] {
            assert_eq!(echoes.mask(part.repeat(1 << 18).as_bytes()), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_mixed_nothing_of_the_key_is_left(
            picks in proptest::collection::vec(0usize..12, KEY.len()),
            before in "[ -~]{0,8}", behind in "[ -~]{0,8}",
        ) {
            let mixed: String = KEY.chars().zip(&picks).map(|(c, &way)| ways(c)[way].clone()).collect();
            let shown = left(&format!("{before} {mixed} {behind}"));
            prop_assert!(shown.contains("[key]"));
            prop_assert!(!shown.contains(&mixed));
        }
    }
}
