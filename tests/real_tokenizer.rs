//! Tokenizers of real models against llama.cpp.
//!
//! Runs when `PARENTAGE_REAL_MODELS` names the directory that `scripts/fetch-real-models.sh` filled.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

use candle_core::quantized::gguf_file;
use parentage::model::local::{
    template::{ChatTemplate, Message},
    tokenizer::{Reading, Start, Tokenizer, TokenizerSource},
};

#[derive(serde::Deserialize)]
struct Expected {
    texts: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    smollm2: [Vec<u32>; 2],
    gemma3: [Vec<u32>; 2],
}

fn models() -> Option<PathBuf> {
    let directory = std::env::var_os("PARENTAGE_REAL_MODELS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("skipped: PARENTAGE_REAL_MODELS is not set");
    }
    directory
}

fn rows() -> Vec<Row> {
    let expected: Expected = serde_json::from_str(include_str!("data/llama_cpp_ids.json")).unwrap();
    expected.texts
}

fn load(path: &Path) -> Tokenizer {
    let content = gguf_file::Content::read(&mut File::open(path).unwrap()).unwrap();
    Tokenizer::from_gguf(path, &content.metadata).unwrap()
}

/// Compares all texts in both readings and returns what differs; of the `other` texts the plain
/// reading is different on purpose.
fn compare(
    tokenizer: &Tokenizer,
    expected: impl Fn(&Row) -> &[Vec<u32>; 2],
    other: &[&str],
) -> Vec<String> {
    let mut differences = Vec::new();
    for row in rows() {
        let [plain, markup] = expected(&row);
        let ours = tokenizer
            .encode(&row.text, Start::Inside, Reading::Plain)
            .unwrap();
        if ours != *plain && !other.contains(&row.text.as_str()) {
            differences.push(format!("plain {:?}: {ours:?}, not {plain:?}", row.text));
        }
        assert_eq!(
            tokenizer.decode(&ours),
            row.text.replace('\u{2581}', spelled(tokenizer)).as_bytes(),
            "{:?}",
            row.text
        );
        let ours = tokenizer
            .encode(&row.text, Start::Document, Reading::Markup)
            .unwrap();
        if ours != *markup {
            differences.push(format!("markup {:?}: {ours:?}, not {markup:?}", row.text));
        }
    }
    differences
}

/// What U+2581 in a text comes back as.
fn spelled(tokenizer: &Tokenizer) -> &'static str {
    match tokenizer.source() {
        TokenizerSource::GgufSentencePiece => " ",
        _ => "\u{2581}",
    }
}

#[test]
fn smollm2_agrees_with_llama_cpp() {
    let Some(models) = models() else { return };
    let tokenizer = load(&models.join("smollm2-135m-q4_1.gguf"));
    assert_eq!(tokenizer.source(), TokenizerSource::GgufBpe);
    assert_eq!(tokenizer.vocabulary(), 49_152);
    assert_eq!((tokenizer.bos(), tokenizer.adds_bos()), (Some(1), false));
    assert_eq!(tokenizer.end_ids(), [0, 2]);
    assert_eq!(
        compare(&tokenizer, |row| &row.smollm2, &[]),
        [""; 0],
        "differences from llama.cpp"
    );
}

#[test]
fn gemma3_agrees_with_llama_cpp() {
    let Some(models) = models() else { return };
    let tokenizer = load(&models.join("gemma-3-270m-q4_k_m.gguf"));
    assert_eq!(tokenizer.source(), TokenizerSource::GgufSentencePiece);
    assert_eq!(tokenizer.vocabulary(), 262_144);
    assert_eq!((tokenizer.bos(), tokenizer.adds_bos()), (Some(2), true));
    assert_eq!(tokenizer.end_ids(), [1, 106]);
    assert_eq!(
        compare(
            &tokenizer,
            |row| &row.gemma3,
            &[
                // User-defined tokens that are structure: llama.cpp reads them, we do not.
                "<start_of_image> [multimodal]",
                // `</s>` is HTML's in Gemma; llama.cpp takes every token of that name for an end.
                "text <bos> more <eos> <s></s> [INST] x [/INST] <|endoftext|>",
            ]
        ),
        [""; 0],
        "differences from llama.cpp"
    );
}

#[test]
fn a_rendered_conversation_has_control_tokens_and_its_text_does_not() {
    let Some(models) = models() else { return };
    let tokenizer = load(&models.join("smollm2-135m-q4_1.gguf"));
    let template = ChatTemplate::parse(tokenizer.chat_template().unwrap()).unwrap();
    let prompt = template
        .render(&[Message::new("user", "Hello")], true, tokenizer.specials())
        .unwrap();
    let ids = tokenizer.encode_rendered(&prompt).unwrap();
    let starts = ids.iter().filter(|&&id| id == 1).count();
    let ends = ids.iter().filter(|&&id| id == 2).count();
    assert_eq!((starts, ends), (3, 2));
    let plain = tokenizer
        .encode(&prompt, Start::Document, Reading::Plain)
        .unwrap();
    assert!(!plain.contains(&1) && !plain.contains(&2));
    assert_eq!(tokenizer.decode(&plain), prompt.as_bytes());
}

/// Directories with a `tokenizer.json` may lie beside the two models.
#[test]
fn every_other_tokenizer_spells_what_it_reads() {
    let Some(models) = models() else { return };
    for entry in std::fs::read_dir(models).unwrap() {
        let directory = entry.unwrap().path();
        if !directory.join("tokenizer.json").is_file() {
            continue;
        }
        let tokenizer = Tokenizer::from_directory(&directory).unwrap();
        eprintln!("{}: {tokenizer:?}", directory.display());
        for row in rows() {
            // A combining accent is composed by a normalizer, U+2581 is SentencePiece's space.
            if row.text.contains(['\u{301}', '\u{2581}']) {
                continue;
            }
            let ids = tokenizer.encode(&row.text, Start::Inside, Reading::Plain);
            let spelled = tokenizer.decode(&ids.unwrap());
            assert_eq!(String::from_utf8_lossy(&spelled), row.text);
        }
        if let Some(template) = tokenizer.chat_template() {
            ChatTemplate::parse(template).unwrap();
        }
    }
}

/// Writes a byte-level `tokenizer.json` as GGUF metadata, as converters do.
fn as_gguf(directory: &Path, pre: &str) -> HashMap<String, gguf_file::Value> {
    use gguf_file::Value;
    let file = File::open(directory.join("tokenizer.json")).unwrap();
    let json: serde_json::Value = serde_json::from_reader(std::io::BufReader::new(file)).unwrap();
    let mut tokens: Vec<(u64, &str, i32)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (id.as_u64().unwrap(), text.as_str(), 1))
        .collect();
    for token in json["added_tokens"].as_array().unwrap() {
        let kind = if token["special"] == true { 3 } else { 4 };
        let text = token["content"].as_str().unwrap();
        tokens.push((token["id"].as_u64().unwrap(), text, kind));
    }
    tokens.sort_unstable();
    let merges = json["model"]["merges"].as_array().unwrap().iter();
    let merges = merges.map(|merge| match merge.as_array() {
        Some(pair) => format!(
            "{} {}",
            pair[0].as_str().unwrap(),
            pair[1].as_str().unwrap()
        ),
        None => merge.as_str().unwrap().to_owned(),
    });
    let texts = tokens.iter().map(|token| Value::String(token.1.to_owned()));
    let types = tokens.iter().map(|token| Value::I32(token.2));
    [
        ("model", Value::String("gpt2".into())),
        ("pre", Value::String(pre.into())),
        ("tokens", Value::Array(texts.collect())),
        ("token_type", Value::Array(types.collect())),
        ("merges", Value::Array(merges.map(Value::String).collect())),
    ]
    .map(|(key, value)| (format!("tokenizer.ggml.{key}"), value))
    .into()
}

#[test]
fn gguf_and_definition_read_alike() {
    let Some(models) = models() else { return };
    for (name, pre) in [
        ("tokenizer-llama3", "llama-bpe"),
        ("tokenizer-qwen3", "qwen2"),
    ] {
        let directory = models.join(name);
        if !directory.is_dir() {
            eprintln!("skipped: no {name}");
            continue;
        }
        let json = Tokenizer::from_directory(&directory).unwrap();
        let metadata = as_gguf(&directory, pre);
        let gguf = Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &metadata).unwrap();
        assert_eq!(gguf.source(), TokenizerSource::GgufBpe);
        assert_eq!(gguf.digest(), json.digest());
        for row in rows() {
            if row.text.contains('\u{301}') {
                continue;
            }
            for reading in [Reading::Plain, Reading::Markup] {
                let ids = |tokenizer: &Tokenizer| {
                    tokenizer.encode(&row.text, Start::Inside, reading).unwrap()
                };
                assert_eq!(ids(&gguf), ids(&json), "{:?}", row.text);
            }
        }
    }
}
