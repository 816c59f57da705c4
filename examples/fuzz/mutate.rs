//! Changes to files: of bytes, of words, and of values where the file is JSON.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

/// The longest file that changes make, in bytes.
const LONGEST: usize = 1 << 20;
/// Numbers at the edges of what counters and lengths hold.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_fff0,
    u64::MAX,
];
/// Words that mean something in most text.
const COMMON: [&str; 16] = [
    "\0",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{feff}",
    "../",
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\"",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":",
    "\r\n",
];

/// Changes a file in a way that its name allows.
pub(crate) fn file(name: &str, bytes: &mut Vec<u8>, words: &[&str], rng: &mut ChaCha8Rng) {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let by_value = rng.random_bool(0.8);
    match extension {
        "json" | "dsse" if by_value => whole(bytes, words, rng),
        "jsonl" if by_value => lines(bytes, words, rng),
        "safetensors" if by_value => header(bytes, words, rng),
        "gguf" | "safetensors" | "eval" => raw(bytes, rng),
        _ => text(bytes, words, rng),
    }
    bytes.truncate(LONGEST);
}

/// A document of JSON.
fn whole(bytes: &mut Vec<u8>, words: &[&str], rng: &mut ChaCha8Rng) {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut document) => {
            value(&mut document, words, rng);
            *bytes = serde_json::to_vec(&document).unwrap_or_default();
        }
        Err(_) => text(bytes, words, rng),
    }
}

/// One line of JSON Lines, or the order of lines.
fn lines(bytes: &mut Vec<u8>, words: &[&str], rng: &mut ChaCha8Rng) {
    let mut all: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let at = rng.random_range(0..all.len());
    match rng.random_range(0..8) {
        0 => drop(all.remove(at)),
        1 => all.insert(at, all[at].clone()),
        2 => {
            let other = rng.random_range(0..all.len());
            all.swap(at, other);
        }
        _ => whole(&mut all[at], words, rng),
    }
    *bytes = all.join(&b'\n');
}

/// The header of a safetensors file, whose length is mended.
fn header(bytes: &mut Vec<u8>, words: &[&str], rng: &mut ChaCha8Rng) {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let end = length.and_then(|l| usize::try_from(l).ok()?.checked_add(8));
    let Some(end) = end.filter(|end| *end <= bytes.len()) else {
        return raw(bytes, rng);
    };
    let mut text = bytes[8..end].to_vec();
    whole(&mut text, words, rng);
    let rest = bytes.split_off(end);
    *bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.extend(rest);
}

/// Bytes that follow no grammar, oftener near the beginning, where lengths stand.
fn raw(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.push(rng.random());
        return;
    }
    let reach = if rng.random_bool(0.7) {
        bytes.len().min(2048)
    } else {
        bytes.len()
    };
    let at = rng.random_range(0..reach);
    let (start, end) = (at, (at + rng.random_range(1..64)).min(bytes.len()));
    match rng.random_range(0..7) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 | 3 => {
            let width = *[1, 2, 4, 8].choose(rng).unwrap_or(&8);
            let edge = EDGES.choose(rng).copied().unwrap_or_default().to_le_bytes();
            for (place, byte) in bytes.iter_mut().skip(at).zip(&edge[..width]) {
                *place = *byte;
            }
        }
        4 => drop(bytes.drain(start..end)),
        5 => {
            let part = bytes[start..end].to_vec();
            bytes.splice(at..at, part);
        }
        _ => bytes.truncate(at),
    }
}

/// Words and characters.
fn text(bytes: &mut Vec<u8>, words: &[&str], rng: &mut ChaCha8Rng) {
    if rng.random_bool(0.1) {
        return raw(bytes, rng);
    }
    let mut changed = String::from_utf8_lossy(bytes).into_owned();
    string(&mut changed, words, rng);
    *bytes = changed.into_bytes();
}

fn string(text: &mut String, words: &[&str], rng: &mut ChaCha8Rng) {
    let boundary = |at: usize, text: &str| text.floor_char_boundary(at);
    let at = boundary(rng.random_range(0..=text.len()), text);
    let end = boundary((at + rng.random_range(1..40)).min(text.len()), text).max(at);
    let word = if words.is_empty() || rng.random_bool(0.3) {
        COMMON.choose(rng)
    } else {
        words.choose(rng)
    };
    let word = word.copied().unwrap_or_default();
    match rng.random_range(0..7) {
        0 | 1 => text.insert_str(at, word),
        2 => text.replace_range(at..end, word),
        3 => text.replace_range(at..end, ""),
        4 => {
            let part = text[at..end].to_owned();
            let times = 1 << rng.random_range(0..14);
            text.insert_str(at, &part.repeat(times));
        }
        5 => {
            let point = rng.random_range(0..0x11_0000);
            text.insert(at, char::from_u32(point).unwrap_or('\u{fffd}'));
        }
        _ => {
            let times = 1 << rng.random_range(0..12);
            text.insert_str(at, &word.repeat(times));
        }
    }
}

/// A value of a document, taken at random.
fn value(document: &mut Value, words: &[&str], rng: &mut ChaCha8Rng) {
    let count = nodes(document);
    let donor = rng.random_range(0..count);
    let donated = node(document, donor).map_or(Value::Null, |found| found.clone());
    let place = rng.random_range(0..count);
    if let Some(found) = node(document, place) {
        change(found, donated, words, rng);
    }
}

/// How many values a document has, itself included.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// A value by its number, counted from the outside in.
fn node(value: &mut Value, number: usize) -> Option<&mut Value> {
    if number == 0 {
        return Some(value);
    }
    let mut left = number - 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => return None,
    };
    for one in inner {
        let size = nodes(one);
        if left < size {
            return node(one, left);
        }
        left -= size;
    }
    None
}

fn change(found: &mut Value, donated: Value, words: &[&str], rng: &mut ChaCha8Rng) {
    match (rng.random_range(0..10), &mut *found) {
        (0, _) => *found = donated,
        (1, _) => *found = hostile(rng),
        (2..=4, Value::Array(items)) => list(items, donated, rng),
        (2..=4, Value::Object(fields)) => object(fields, donated, words, rng),
        (_, Value::String(text)) => string(text, words, rng),
        (_, Value::Number(number)) => *found = near(number, rng),
        (_, Value::Bool(flag)) => *flag = !*flag,
        _ => *found = hostile(rng),
    }
}

fn list(items: &mut Vec<Value>, donated: Value, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=items.len());
    match rng.random_range(0..4) {
        0 if at < items.len() => drop(items.remove(at)),
        1 => items.insert(at, donated),
        2 => items.truncate(at),
        _ => {
            let times = 1 << rng.random_range(0..12);
            let one = items.get(at).cloned().unwrap_or(donated);
            items.splice(at..at, std::iter::repeat_n(one, times));
        }
    }
}

fn object(fields: &mut Map<String, Value>, donated: Value, words: &[&str], rng: &mut ChaCha8Rng) {
    let keys: Vec<String> = fields.keys().cloned().collect();
    let Some(key) = keys.choose(rng) else {
        fields.insert("a".to_owned(), donated);
        return;
    };
    let other = keys.choose(rng).cloned().unwrap_or_default();
    match rng.random_range(0..4) {
        0 => drop(fields.shift_remove(key)),
        1 => drop(fields.insert(other, donated)),
        2 => {
            let mut name = key.clone();
            string(&mut name, words, rng);
            let value = fields.shift_remove(key).unwrap_or_default();
            fields.insert(name, value);
        }
        _ => {
            let value = fields.get(key).cloned().unwrap_or_default();
            for n in 0..1 << rng.random_range(0..10) {
                fields.insert(format!("{key}{n}"), value.clone());
            }
        }
    }
}

/// A number like another one, or one at an edge.
fn near(number: &serde_json::Number, rng: &mut ChaCha8Rng) -> Value {
    let edge = || EDGES;
    match (number.as_u64(), rng.random_range(0..6)) {
        (Some(n), 0) => json!(n.wrapping_add(1)),
        (Some(n), 1) => json!(n.wrapping_sub(1)),
        (Some(n), 2) => json!(n.wrapping_mul(rng.random_range(2..1000))),
        (_, 3) => json!(-number.as_f64().unwrap_or(1.0)),
        (_, 4) => json!(number.as_f64().unwrap_or(1.0) * 1e300),
        _ => json!(edge().choose(rng)),
    }
}

/// A value that hardly anybody expects.
fn hostile(rng: &mut ChaCha8Rng) -> Value {
    let deep = |depth| (0..depth).fold(Value::Null, |inner, _| json!([inner]));
    match rng.random_range(0..12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(EDGES.choose(rng)),
        3 => json!(-1),
        4 => json!(1e308),
        5 => json!(5e-324),
        6 => json!(""),
        7 => json!("a".repeat(1 << rng.random_range(0..18))),
        8 => json!([]),
        9 => json!({}),
        10 => deep(rng.random_range(1..120)),
        _ => json!(COMMON.choose(rng)),
    }
}
