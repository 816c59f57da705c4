//! `strftime_now` without a clock.

use minijinja::{Error, ErrorKind};

/// Formats Friday, 26 July 2024, midnight, whatever the day is.
///
/// It is the day that Llama 3's own templates fall back to when they are told none.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]
pub(super) fn strftime_now(format: String) -> Result<String, Error> {
    let mut out = String::with_capacity(format.len() * 2);
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let code = match chars.next() {
            // glibc's "without padding".
            Some('-') => chars.next().map(|code| (code, true)),
            code => code.map(|code| (code, false)),
        };
        let text = code.and_then(|(code, bare)| Some((field(code)?, bare)));
        let Some((text, bare)) = text else {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "strftime_now: unknown format code",
            ));
        };
        out.push_str(if bare { trimmed(text) } else { text });
    }
    Ok(out)
}

fn trimmed(text: &str) -> &str {
    match text.trim_start_matches('0') {
        "" => "0",
        text => text,
    }
}

fn field(code: char) -> Option<&'static str> {
    Some(match code {
        'd' | 'e' => "26",
        'm' => "07",
        'y' => "24",
        'Y' => "2024",
        'b' | 'h' => "Jul",
        'B' => "July",
        'a' => "Fri",
        'A' => "Friday",
        'j' => "208",
        'w' | 'u' => "5",
        'H' | 'M' | 'S' => "00",
        'I' => "12",
        'p' => "AM",
        'f' => "000000",
        'F' => "2024-07-26",
        'T' | 'X' => "00:00:00",
        'R' => "00:00",
        'D' | 'x' => "07/26/24",
        'c' => "Fri Jul 26 00:00:00 2024",
        'z' | 'Z' => "",
        '%' => "%",
        'n' => "\n",
        't' => "\t",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_python_does_on_that_day() {
        for (format, expected) in [
            ("%d %b %Y", "26 Jul 2024"),
            ("%Y-%m-%d", "2024-07-26"),
            ("%A, %-m/%-d, 100%%", "Friday, 7/26, 100%"),
            ("%-H", "0"),
            ("no codes", "no codes"),
        ] {
            assert_eq!(strftime_now(format.into()).unwrap(), expected);
        }
        assert!(strftime_now("%Q".into()).is_err());
        assert!(strftime_now("%".into()).is_err());
    }
}
