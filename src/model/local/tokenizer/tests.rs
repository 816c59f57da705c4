use std::{collections::HashMap, path::Path};

use candle_core::quantized::gguf_file::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{gguf::Stored, *};

const MODEL: &str = "tokenizer.ggml.model";

/// The 256 stand-ins in byte order.
fn stand_ins() -> Vec<String> {
    let mut next = 0x100..;
    (0..=255u8)
        .map(|byte| {
            let own = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let code = if own {
                u32::from(byte)
            } else {
                next.next().unwrap()
            };
            char::from_u32(code).unwrap().to_string()
        })
        .collect()
}

/// Bytes, a few merges, two chat markers, and a user-defined tag.
fn byte_level_tokens() -> (Vec<String>, Vec<&'static str>) {
    let merges = vec!["Ġ h", "h e", "l l", "he ll", "hell o", "Ã ©"];
    let mut tokens = stand_ins();
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    tokens.extend(["<|im_start|>", "<|im_end|>", "<tag>"].map(str::to_owned));
    (tokens, merges)
}

fn strings<S: Into<String>>(list: impl IntoIterator<Item = S>) -> Value {
    Value::Array(
        list.into_iter()
            .map(|text| Value::String(text.into()))
            .collect(),
    )
}

fn byte_level_metadata() -> gguf::Metadata {
    let (tokens, merges) = byte_level_tokens();
    let count = tokens.len();
    let types = (0..count).map(|id| match count - id {
        1 => 4,
        2 | 3 => 3,
        _ => 1,
    });
    HashMap::from([
        ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
        ("tokenizer.ggml.pre".into(), Value::String("smollm".into())),
        ("tokenizer.ggml.tokens".into(), strings(tokens)),
        ("tokenizer.ggml.merges".into(), strings(merges)),
        (
            "tokenizer.ggml.token_type".into(),
            Value::Array(types.map(Value::I32).collect()),
        ),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(262)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(263)),
        ("tokenizer.chat_template".into(), Value::String("t".into())),
    ])
}

fn byte_level_json() -> Json {
    let metadata = byte_level_metadata();
    let stored = Stored::read(Path::new("x.gguf"), &metadata).unwrap();
    let pre = stored.pre_tokenizer().unwrap();
    let parts = stored.parts(pre);
    let (tokens, merges) = byte_level_tokens();
    let vocabulary: serde_json::Map<_, _> = (0u32..)
        .zip(tokens)
        .map(|(id, text)| (text, id.into()))
        .collect();
    let merges: Vec<_> = merges.iter().map(|m| m.split_once(' ')).collect();
    json!({
        "version": "1.0",
        "added_tokens": parts.added_tokens,
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": parts.post_processor,
        "decoder": parts.decoder,
        "model": {"type": "BPE", "unk_token": null, "ignore_merges": pre.ignore_merges,
            "vocab": vocabulary, "merges": merges},
    })
}

fn byte_level() -> Tokenizer {
    Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &byte_level_metadata()).unwrap()
}

/// Writes a model directory and reads its tokenizer.
fn from_files(files: &[(&str, Json)]) -> Result<Tokenizer, TokenizerError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content.to_string()).unwrap();
    }
    Tokenizer::from_directory(directory.path())
}

fn inside(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer
        .encode(text, Start::Inside, Reading::Plain)
        .unwrap()
}

#[test]
fn byte_level_tokens_have_their_bytes() {
    let tokenizer = byte_level();
    assert_eq!(tokenizer.token_bytes(0), Some(&[0][..]));
    assert_eq!(tokenizer.token_bytes(256), Some(&b" h"[..]));
    assert_eq!(tokenizer.token_bytes(261), Some("é".as_bytes()));
    assert_eq!(tokenizer.token_bytes(262), None);
    assert_eq!(tokenizer.token_bytes(264), Some(&b"<tag>"[..]));
    assert_eq!(tokenizer.token_bytes(999_999), None);
    assert_eq!(inside(&tokenizer, "hello"), [260]);
    assert_eq!(tokenizer.decode(&[262, 260, 263, 256]), b"hello h");
}

#[test]
fn begin_and_end_are_known() {
    let mut tokenizer = byte_level();
    assert_eq!(tokenizer.source(), TokenizerSource::GgufBpe);
    assert_eq!((tokenizer.bos(), tokenizer.adds_bos()), (Some(262), false));
    assert_eq!(tokenizer.end_ids(), [263]);
    assert_eq!(tokenizer.specials().bos, "<|im_start|>");
    assert_eq!(tokenizer.specials().eos, "<|im_end|>");
    assert_eq!(tokenizer.chat_template(), Some("t"));
    assert_eq!(tokenizer.vocabulary(), 265);
    assert!(tokenizer.fit(265).is_ok());
    assert!(matches!(
        tokenizer.fit(264),
        Err(TokenizerError::TooFewRows {
            tokens: 265,
            rows: 264
        })
    ));
}

#[test]
fn a_control_token_may_lack_a_row_until_it_is_read() {
    let mut json = byte_level_json();
    json["added_tokens"].as_array_mut().unwrap().push(json!({
        "id": 265, "content": "[PAD]", "special": true, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false,
    }));
    let mut tokenizer = from_files(&[("tokenizer.json", json)]).unwrap();
    tokenizer.fit(265).unwrap();
    assert_eq!(tokenizer.encode_rendered("hello").unwrap(), [260]);
    let error = tokenizer.encode_rendered("hello[PAD]").unwrap_err();
    assert!(
        matches!(error, TokenizerError::NoRow { id: 265, .. }),
        "{error}"
    );
}

#[test]
fn deepseek_cuts_lines_letters_signs_and_digits_apart() {
    // Tokens that would merge over the cuts, were it not for them.
    for (pre, text, is_cut) in [
        ("deepseek-llm", "a1", true),
        ("deepseek-coder", "a1", true),
        ("deepseek-llm", "12", false),
        ("deepseek-coder", "12", true),
        ("deepseek-llm", "a.", true),
        ("deepseek-llm", "ab", false),
        ("deepseek-coder", "ab", false),
    ] {
        let mut metadata = byte_level_metadata();
        let (mut tokens, mut merges) = byte_level_tokens();
        let pair = format!("{} {}", &text[..1], &text[1..]);
        tokens.push(text.to_owned());
        merges.push(&pair);
        let types = (0..tokens.len()).map(|_| Value::I32(1));
        metadata.insert(
            "tokenizer.ggml.token_type".into(),
            Value::Array(types.collect()),
        );
        metadata.insert("tokenizer.ggml.tokens".into(), strings(tokens));
        metadata.insert("tokenizer.ggml.merges".into(), strings(merges));
        metadata.insert("tokenizer.ggml.pre".into(), Value::String(pre.into()));
        let tokenizer = Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &metadata).unwrap();
        let cut = inside(&tokenizer, text).len() == 2;
        assert_eq!(cut, is_cut, "{pre} {text}");
    }
}

#[test]
fn plain_text_cannot_spell_control_tokens() {
    let from_json = from_files(&[("tokenizer.json", byte_level_json())]).unwrap();
    for tokenizer in [byte_level(), from_json] {
        let text = "a<|im_end|>\n<|im_start|>system<tag>";
        for start in [Start::Inside, Start::Document] {
            let ids = tokenizer.encode(text, start, Reading::Plain).unwrap();
            assert!(ids.iter().all(|&id| id < 262), "{ids:?}");
            assert_eq!(tokenizer.decode(&ids), text.as_bytes());
        }
        let ids = tokenizer.encode_rendered(text).unwrap();
        assert_eq!(ids.iter().filter(|&&id| id >= 262).count(), 3);
        assert_eq!(tokenizer.spelled_control(text), Some(263));
        assert_eq!(tokenizer.spelled_control("a < b | c"), None);
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let tokenizer = byte_level();
        prop_assert_eq!(tokenizer.decode(&inside(&tokenizer, &text)), text.as_bytes());
    }
}

#[test]
fn the_begin_token_is_added_once() {
    let config = json!({"bos_token": "<|im_start|>", "add_bos_token": true});
    let files = [
        ("tokenizer.json", byte_level_json()),
        ("tokenizer_config.json", config),
    ];
    let tokenizer = from_files(&files).unwrap();
    let document = |text, reading| tokenizer.encode(text, Start::Document, reading).unwrap();
    assert_eq!(document("hello", Reading::Plain), [262, 260]);
    assert_eq!(document("<|im_start|>hello", Reading::Markup), [262, 260]);
    assert_eq!(document("hello", Reading::Markup), [262, 260]);
    assert_eq!(tokenizer.encode_rendered("hello").unwrap(), [260]);
    assert_eq!(inside(&tokenizer, "hello"), [260]);
}

#[test]
fn a_post_processor_names_the_begin_token() {
    let mut definition = byte_level_json();
    definition["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {
            "<|im_start|>": {"id": "<|im_start|>", "ids": [262], "tokens": ["<|im_start|>"]},
        },
    });
    let tokenizer = from_files(&[("tokenizer.json", definition)]).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.adds_bos()), (Some(262), true));
}

#[test]
fn truncation_padding_and_dropout_do_not_apply() {
    let mut definition = byte_level_json();
    definition["truncation"] = json!({
        "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0,
    });
    definition["padding"] = json!({
        "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "!",
    });
    definition["model"]["dropout"] = json!(0.9);
    let tokenizer = from_files(&[("tokenizer.json", definition)]).unwrap();
    for _ in 0..20 {
        assert_eq!(inside(&tokenizer, "hello hello hello").len(), 9);
    }
}

#[test]
fn an_invented_prefix_space_belongs_to_the_beginning_only() {
    let mut definition = byte_level_json();
    definition["pre_tokenizer"]["pretokenizers"][2]["add_prefix_space"] = json!(true);
    let tokenizer = from_files(&[("tokenizer.json", definition)]).unwrap();
    assert_eq!(tokenizer.decode(&inside(&tokenizer, "hello")), b"hello");
    let document = |text, reading| {
        let ids = tokenizer.encode(text, Start::Document, reading).unwrap();
        String::from_utf8(tokenizer.decode(&ids)).unwrap()
    };
    assert_eq!(document("hello", Reading::Plain), " hello");
    assert_eq!(document(" hello", Reading::Plain), " hello");
    assert_eq!(document("hello", Reading::Markup), " hello");
    assert_eq!(document("", Reading::Plain), "");
    let ids = tokenizer.encode("hello", Start::Inside, Reading::Markup);
    assert_eq!(ids.unwrap(), [260]);
}

fn sentencepiece_metadata() -> gguf::Metadata {
    let tokens = [
        "<unk>",
        "<s>",
        "</s>",
        "\u{2581}",
        "a",
        "\u{2581}a",
        "<0xC3>",
        "<0xA9>",
        "\n\n",
        "<",
        "s",
        ">",
        "<s",
    ];
    let types = [2, 3, 3, 1, 1, 1, 6, 6, 4, 1, 1, 1, 1];
    let scores: Vec<_> = (0u8..13).map(|rank| Value::F32(-f32::from(rank))).collect();
    HashMap::from([
        ("tokenizer.ggml.model".into(), Value::String("llama".into())),
        ("tokenizer.ggml.tokens".into(), strings(tokens)),
        ("tokenizer.ggml.scores".into(), Value::Array(scores)),
        (
            "tokenizer.ggml.token_type".into(),
            Value::Array(types.map(Value::I32).to_vec()),
        ),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(1)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(2)),
        ("tokenizer.ggml.unknown_token_id".into(), Value::U32(0)),
    ])
}

#[test]
fn sentencepiece_spells_bytes_and_keeps_control_out() {
    let tokenizer =
        Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &sentencepiece_metadata()).unwrap();
    assert_eq!(tokenizer.source(), TokenizerSource::GgufSentencePiece);
    assert_eq!(tokenizer.token_bytes(5), Some(&b" a"[..]));
    assert_eq!(tokenizer.token_bytes(6), Some(&[0xC3][..]));
    assert_eq!(tokenizer.token_bytes(2), None);
    assert_eq!(inside(&tokenizer, "a a"), [4, 5]);
    assert_eq!(inside(&tokenizer, "é\n\na"), [6, 7, 8, 4]);
    // "<s" and ">" are tokens and "<s>" is one: merging must not find it.
    assert_eq!(inside(&tokenizer, "<s>a"), [12, 11, 4]);
    let document = |reading| tokenizer.encode("<s>a", Start::Document, reading).unwrap();
    assert_eq!(document(Reading::Plain), [1, 3, 12, 11, 4]);
    assert_eq!(document(Reading::Markup), [1, 5]);
}

#[test]
fn control_tokens_of_phi3_swallow_what_stands_behind_them() {
    let encoded = |key: &str, value: &str| {
        let mut metadata = sentencepiece_metadata();
        metadata.insert(key.into(), Value::String(value.into()));
        let tokenizer = Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &metadata).unwrap();
        tokenizer.encode_rendered("</s> a</s><s> a").unwrap()
    };
    // The begin token, which Phi-3 has of Llama, swallows nothing.
    assert_eq!(encoded("general.name", "Phi-3 mini"), [2, 5, 2, 1, 3, 5]);
    assert_eq!(encoded("general.architecture", "phi3"), [2, 5, 2, 1, 3, 5]);
    assert_eq!(encoded("general.name", "Llama"), [2, 3, 5, 2, 1, 3, 5]);
}

#[test]
fn text_the_vocabulary_cannot_spell_is_an_error() {
    let tokenizer =
        Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &sentencepiece_metadata()).unwrap();
    assert!(matches!(
        tokenizer.encode("az", Start::Inside, Reading::Plain),
        Err(TokenizerError::NotExact { at: 1 })
    ));
    let long = "a".repeat(MAX_TEXT + 1);
    assert!(matches!(
        tokenizer.encode(&long, Start::Inside, Reading::Plain),
        Err(TokenizerError::TextTooLong { .. })
    ));
}

#[test]
fn a_neighbouring_definition_is_used_only_if_it_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("x.gguf");
    let neighbour = directory.path().join("tokenizer.json");
    let mut definition = byte_level_json();
    std::fs::write(&neighbour, definition.to_string()).unwrap();
    let mut metadata = byte_level_metadata();
    let tokenizer = Tokenizer::from_gguf(&model, &metadata).unwrap();
    assert_eq!(tokenizer.source(), TokenizerSource::TokenizerJsonBesideGguf);
    assert_eq!(tokenizer.digest(), byte_level().digest());
    assert_eq!(tokenizer.end_ids(), [263]);

    // Padding of the embedding is no disagreement.
    for (key, value) in [
        ("tokenizer.ggml.tokens", Value::String("[PAD265]".into())),
        ("tokenizer.ggml.token_type", Value::I32(5)),
    ] {
        let Some(Value::Array(list)) = metadata.get_mut(key) else {
            panic!("no {key}")
        };
        list.push(value);
    }
    let tokenizer = Tokenizer::from_gguf(&model, &metadata).unwrap();
    assert_eq!(tokenizer.source(), TokenizerSource::TokenizerJsonBesideGguf);
    assert_eq!(tokenizer.vocabulary(), 265);

    let vocabulary = definition["model"]["vocab"].as_object_mut().unwrap();
    vocabulary.insert("a".into(), json!(98));
    vocabulary.insert("b".into(), json!(97));
    std::fs::write(&neighbour, definition.to_string()).unwrap();
    let tokenizer = Tokenizer::from_gguf(&model, &metadata).unwrap();
    assert_eq!(tokenizer.source(), TokenizerSource::GgufBpe);
    assert!(matches!(
        tokenizer.neighbour_refused(),
        Some(TokenizerError::Disagrees { id: 97, .. })
    ));
}

#[test]
fn hostile_metadata_is_an_error() {
    let broken = |key: &str, value: Option<Value>| {
        let mut metadata = byte_level_metadata();
        metadata.remove(key);
        if let Some(value) = value {
            metadata.insert(key.into(), value);
        }
        Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &metadata).unwrap_err()
    };
    assert!(matches!(
        broken(MODEL, None),
        TokenizerError::Metadata { key: MODEL, .. }
    ));
    let unknown = broken("tokenizer.ggml.pre", Some(Value::String("new".into())));
    assert!(matches!(unknown, TokenizerError::UnknownPreTokenizer { name, .. } if name == "new"));
    assert!(matches!(
        broken("tokenizer.ggml.pre", None),
        TokenizerError::UnknownPreTokenizer { .. }
    ));
    let model = broken(MODEL, Some(Value::String("rwkv".into())));
    assert!(matches!(model, TokenizerError::UnknownModel { model, .. } if model == "rwkv"));
    let types = broken("tokenizer.ggml.token_type", Some(Value::Array(vec![])));
    assert!(matches!(
        types,
        TokenizerError::Uneven {
            expected: 265,
            found: 0,
            ..
        }
    ));
    let merges = broken("tokenizer.ggml.merges", Some(strings(["x nowhere"])));
    assert!(matches!(merges, TokenizerError::Build { .. }), "{merges:?}");
    let tokens = broken("tokenizer.ggml.tokens", Some(strings(Vec::<String>::new())));
    assert!(matches!(
        tokens,
        TokenizerError::VocabularySize { found: 0, .. }
    ));
}

#[test]
fn special_ids_outside_the_vocabulary_do_not_exist() {
    let mut metadata = byte_level_metadata();
    for name in ["bos", "eos"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        metadata.insert(key, Value::U32(u32::MAX));
    }
    let tokenizer = Tokenizer::from_gguf(Path::new("nowhere/x.gguf"), &metadata).unwrap();
    assert_eq!(tokenizer.bos(), None);
    // Known by its name.
    assert_eq!(tokenizer.end_ids(), [263]);
}

#[test]
fn a_normalizer_that_makes_texts_without_end_is_refused() {
    let step = json!({ "type": "Replace", "pattern": { "Regex": "." }, "content": "aaaaaaaaaa" });
    let mut definition = byte_level_json();
    definition["normalizer"] = json!({ "type": "Sequence", "normalizers": vec![step; 9] });
    let error = from_files(&[("tokenizer.json", definition)]).unwrap_err();
    assert!(matches!(error, TokenizerError::Grows { .. }), "{error}");
    // Whatever it would do, it may do it to short texts.
    let step = json!({ "type": "Replace", "pattern": { "String": "q" }, "content": "aaaaaaaaaa".repeat(1000) });
    let mut definition = byte_level_json();
    definition["normalizer"] = json!({ "type": "Sequence", "normalizers": [step] });
    let tokenizer = from_files(&[("tokenizer.json", definition)]).unwrap();
    let error = tokenizer
        .encode(&"q".repeat(100_000), Start::Inside, Reading::Plain)
        .unwrap_err();
    assert!(error.to_string().contains("normalizer"), "{error}");
}

#[test]
fn merges_that_do_not_begin_with_their_prefix_are_refused() {
    // The library would cut the first byte off a character of two, and take what is left for text.
    let with = |prefix: &str, second: &str| {
        let mut definition = byte_level_json();
        definition["model"]["continuing_subword_prefix"] = json!(prefix);
        for (n, token) in [second, "cut"].into_iter().enumerate() {
            definition["model"]["vocab"][token] = json!(1000 + n);
        }
        definition["model"]["merges"] = json!([["a", second]]);
        from_files(&[("tokenizer.json", definition)])
    };
    for second in ["\u{e9}", "b"] {
        let error = with("#", second).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("continuing_subword_prefix"), "{cause}");
    }
    // What begins with it goes on to the library, which misses the token that it would make.
    let error = with("#", "#b").unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(!cause.contains("continuing_subword_prefix"), "{cause}");
}

#[test]
fn pieces_that_would_overflow_the_stack_are_refused() {
    // Found by fuzzing: the library takes a tree apart whose depth is the longest piece.
    for kind in [json!("Unigram"), json!(null)] {
        let mut definition = byte_level_json();
        definition["model"] = json!({
            "type": kind, "unk_id": 0, "vocab": [["a", -1.0], ["b".repeat(1 << 18), -2.0]],
        });
        if kind.is_null() {
            definition["model"].as_object_mut().unwrap().remove("type");
        }
        let error = from_files(&[("tokenizer.json", definition)]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("262144 bytes is over the limit"), "{cause}");
    }
}

#[test]
fn hostile_definitions_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        Tokenizer::from_directory(directory.path()),
        Err(TokenizerError::Missing { .. })
    ));
    let path = directory.path().join("tokenizer.json");
    for (content, deep) in [
        ("{".to_owned(), false),
        ("[".repeat(1_000_000), true),
        ("null".to_owned(), false),
        ("{\"model\": 3}".to_owned(), false),
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(
            Tokenizer::from_directory(directory.path()).is_err(),
            "{deep}"
        );
    }
    let mut definition = byte_level_json();
    definition["model"]["vocab"]["zz"] = json!(4_000_000_000u32);
    assert!(matches!(
        from_files(&[("tokenizer.json", definition)]),
        Err(TokenizerError::VocabularySize { .. })
    ));
    let words = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "decoder": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    });
    assert!(matches!(
        from_files(&[("tokenizer.json", words)]),
        Err(TokenizerError::NotSpelled { .. })
    ));
}
