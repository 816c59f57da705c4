//! JSON of programs that write numbers which JSON does not have.

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
