//! The operator `~`, which makes text of both its operands and which the engine charges for only when that is done.
//!
//! A list that holds itself twice, sixty times over, would take all memory before. So every operand of a `~` goes through
//! a filter that pays for it: `a ~ b` is read as `(a)|paid ~ (b)|paid`. Nothing binds tighter to the right of `~` but what
//! belongs to its operand, so that only words and signs that bind more loosely have to be known.

use std::collections::BTreeSet;

/// The filter that the operands go through.
pub(super) const PAID: &str = "parentage_paid";

/// Words that end an operand.
const WORDS: [&str; 22] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "for",
    "recursive",
    "set",
    "print",
    "do",
    "with",
    "call",
    "filter",
    "macro",
    "include",
    "import",
    "from",
    "as",
    "return",
];

/// A part of an expression.
#[derive(Debug, Clone, Copy)]
struct Token {
    from: usize,
    to: usize,
    /// How many brackets are open around it.
    depth: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tilde,
    /// It stands between operands, or before them.
    Boundary,
    /// A plus or a minus, which may also belong to the operand behind it.
    Sign,
    /// A part of an operand.
    Part,
}

/// A template in which every operand of `~` is paid for.
pub(super) fn paid(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut operands = BTreeSet::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        at = match bytes.get(open + 1) {
            Some(b'#') => source[open..]
                .find("#}")
                .map_or(bytes.len(), |end| open + end + 2),
            Some(b'{' | b'%') => {
                let (tokens, end) = tokens(source, open + 2);
                if is_raw(source, &tokens) {
                    end_of_raw(source, end)
                } else {
                    gather(&tokens, &mut operands);
                    end
                }
            }
            _ => open + 1,
        };
    }
    wrapped(source, &operands)
}

/// Whether a tag makes text of everything up to `endraw`.
fn is_raw(source: &str, tokens: &[Token]) -> bool {
    let mut words = tokens.iter().filter(|token| token.kind != Kind::Sign);
    words
        .next()
        .is_some_and(|token| &source[token.from..token.to] == "raw")
        && words.next().is_none()
}

fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|found| at + found) {
        let name = source[open + 2..]
            .trim_start_matches(['-', '+'])
            .trim_start();
        if name.starts_with("endraw") {
            return open;
        }
        at = open + 2;
    }
    source.len()
}

/// The tokens of a tag that begins before a place, and where the tag ends.
fn tokens(source: &str, from: usize) -> (Vec<Token>, usize) {
    let bytes = source.as_bytes();
    let (mut tokens, mut depth, mut at) = (Vec::<Token>::new(), 0_usize, from);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, kind) = match rest {
            [b'%', b'}', ..] => return (tokens, at + 2),
            [b'}', b'}', ..] if depth == 0 => return (tokens, at + 2),
            [quote @ (b'\'' | b'"'), ..] => (string(rest, *quote), Kind::Part),
            [b'(' | b'[' | b'{', ..] => {
                tokens.push(Token {
                    from: at,
                    to: at + 1,
                    depth,
                    kind: Kind::Part,
                });
                depth += 1;
                at += 1;
                continue;
            }
            [b')' | b']' | b'}', ..] => {
                depth = depth.saturating_sub(1);
                (1, Kind::Part)
            }
            [b'~', ..] => (1, Kind::Tilde),
            [b'+' | b'-', ..] => (1, Kind::Sign),
            [b',' | b':' | b'=' | b'!' | b'<' | b'>' | b';', ..] => (1, Kind::Boundary),
            [byte, ..] if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => {
                let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
                let word: usize = source[at..]
                    .chars()
                    .take_while(is_word)
                    .map(char::len_utf8)
                    .sum();
                let attribute = tokens
                    .last()
                    .is_some_and(|last| &source[last.from..last.to] == ".");
                let kind = if !attribute && WORDS.contains(&&source[at..at + word]) {
                    Kind::Boundary
                } else {
                    Kind::Part
                };
                let one = source[at..].chars().next().map_or(1, char::len_utf8);
                (word.max(one), kind)
            }
        };
        tokens.push(Token {
            from: at,
            to: at + length,
            depth,
            kind,
        });
        at += length;
    }
    (tokens, bytes.len())
}

/// The length of a string literal, or of what is left of the template.
fn string(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The operands of every `~` among some tokens.
fn gather(tokens: &[Token], operands: &mut BTreeSet<(usize, usize)>) {
    for (i, tilde) in tokens
        .iter()
        .enumerate()
        .filter(|(_, t)| t.kind == Kind::Tilde)
    {
        let within = |token: &&Token| {
            token.depth > tilde.depth || token.depth == tilde.depth && token.kind == Kind::Part
        };
        let before = tokens[..i].iter().rev().take_while(within);
        if let Some(first) = before.last() {
            operands.insert((first.from, tokens[i - 1].to));
        }
        let behind = tokens[i + 1..]
            .iter()
            .skip_while(|token| token.kind == Kind::Sign);
        let mut behind = behind.take_while(within);
        if let Some(first) = behind.next() {
            let last = behind.last().unwrap_or(first);
            operands.insert((first.from, last.to));
        }
    }
}

/// The source with its operands wrapped. They lie within one another or apart.
fn wrapped(source: &str, operands: &BTreeSet<(usize, usize)>) -> String {
    let mut opens: Vec<usize> = operands.iter().map(|(from, _)| *from).collect();
    let mut closes: Vec<usize> = operands.iter().map(|(_, to)| *to).collect();
    opens.sort_unstable();
    closes.sort_unstable();
    let (mut opens, mut closes) = (opens.into_iter().peekable(), closes.into_iter().peekable());
    let mut out = String::with_capacity(source.len() + operands.len() * (PAID.len() + 3));
    let mut done = 0;
    loop {
        let (open, close) = (opens.peek().copied(), closes.peek().copied());
        let (at, text) = match (open, close) {
            (_, Some(close)) if open.is_none_or(|open| close <= open) => {
                closes.next();
                (close, format!(")|{PAID}"))
            }
            (Some(open), _) => {
                opens.next();
                (open, "(".to_owned())
            }
            (None, _) => break,
        };
        out.push_str(&source[done..at]);
        out.push_str(&text);
        done = at;
    }
    out.push_str(&source[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_operands_of_a_joining_are_paid_for() {
        for (source, wanted) in [
            ("{{ a ~ b }}", "{{ (a)! ~ (b)! }}"),
            ("{{- a~b -}}", "{{- (a)!~(b)! -}}"),
            ("{{ a ~ b ~ c }}", "{{ (a)! ~ (b)! ~ (c)! }}"),
            (
                "{{ x + a.b[0]|trim ~ '~' ~ f(y ~ z) }}",
                "{{ x + (a.b[0]|trim)! ~ ('~')! ~ (f((y)! ~ (z)!))! }}",
            ),
            ("{% set n.x = n.x ~ -1 %}", "{% set n.x = (n.x)! ~ -(1)! %}"),
            (
                "{{ a ~ b if c ~ d == 'e' else f }}",
                "{{ (a)! ~ (b)! if (c)! ~ (d)! == 'e' else f }}",
            ),
            (
                "{{ x.if ~ {'a': b ~ c}['a'] }}",
                "{{ (x.if)! ~ ({'a': (b)! ~ (c)!}['a'])! }}",
            ),
            (
                "a ~ b {# c ~ d #}{% raw %}{{ e ~ f }}{% endraw %}{{ g }}",
                "a ~ b {# c ~ d #}{% raw %}{{ e ~ f }}{% endraw %}{{ g }}",
            ),
            (
                "{{ 'a }} ~' ~ \"\\\"~\" }}",
                "{{ ('a }} ~')! ~ (\"\\\"~\")! }}",
            ),
            (
                "{{ ~ }}{{ a ~ }}{{ 'open ~ b",
                "{{ ~ }}{{ (a)! ~ }}{{ 'open ~ b",
            ),
            ("{{ é ~ 'ü' }}", "{{ (é)! ~ ('ü')! }}"),
        ] {
            assert_eq!(
                paid(source).replace(&format!("|{PAID}"), "!"),
                wanted,
                "{source}"
            );
        }
    }
}
