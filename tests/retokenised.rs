//! Renumbering the tokens of a model changes nothing that is measured: comparisons are over strings.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

const TOKENS: u64 = 1024;

/// A permutation without a fixed point, so the special tokens move as well.
fn renumbered(id: u64) -> u64 {
    (id * 389 + 517) % TOKENS
}

/// Copies a model with every token under another number.
fn retokenise(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(from.join(name)).unwrap()).unwrap()
    };
    let write = |name: &str, value: &Value| {
        fs::write(to.join(name), serde_json::to_vec(value).unwrap()).unwrap();
    };
    let moved = |id: &mut Value| *id = renumbered(id.as_u64().unwrap()).into();
    let mut config = json("config.json");
    moved(&mut config["bos_token_id"]);
    moved(&mut config["eos_token_id"]);
    write("config.json", &config);
    write("tokenizer_config.json", &json("tokenizer_config.json"));
    let mut tokenizer = json("tokenizer.json");
    for token in tokenizer["added_tokens"].as_array_mut().unwrap() {
        moved(&mut token["id"]);
    }
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    assert!(vocabulary.len() as u64 <= TOKENS);
    vocabulary.values_mut().for_each(moved);
    let special = tokenizer["post_processor"]["special_tokens"]
        .as_object_mut()
        .unwrap();
    for token in special.values_mut() {
        token["ids"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(moved);
    }
    write("tokenizer.json", &tokenizer);
    let weights = fs::read(from.join("model.safetensors")).unwrap();
    fs::write(to.join("model.safetensors"), permuted(weights)).unwrap();
}

/// A safetensors file with the rows of its (tied) embedding in their new places.
fn permuted(mut file: Vec<u8>) -> Vec<u8> {
    let header = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let tensors: Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
    let embedding = &tensors["model.embed_tokens.weight"];
    assert_eq!(embedding["shape"][0], TOKENS);
    let at = |i: usize| {
        8 + header + usize::try_from(embedding["data_offsets"][i].as_u64().unwrap()).unwrap()
    };
    let old = file[at(0)..at(1)].to_vec();
    let row = old.len() / usize::try_from(TOKENS).unwrap();
    for (id, bytes) in (0..).zip(old.chunks(row)) {
        let place = at(0) + usize::try_from(renumbered(id)).unwrap() * row;
        file[place..place + row].copy_from_slice(bytes);
    }
    file
}

fn compare(suspect: &Path, out: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_parentage"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "compare",
            "--quiet",
            "--json",
            "--tier",
            "quick",
            "--samples",
            "16",
        ])
        .args([
            "--protected",
            "models/family/teacher",
            "--controls",
            "models/family/lineage.toml",
        ])
        .arg("--suspect")
        .arg(suspect)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn token_ids_carry_no_evidence() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let copy = directory.path().join("student-text");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/family/student-text");
    retokenise(&original, &copy);
    let (a, b) = (compare(&original, &out), compare(&copy, &out));
    assert_eq!(a["finding"], "distilled");
    assert_eq!(a["finding"], b["finding"]);
    let identity = |report: &Value| report["suspect"]["source"]["tokenizer_digest"].clone();
    assert_ne!(identity(&a), identity(&b));
    // What the student wrote is drawn by token, so the texts differ, and with them likelihood_reverse.
    for (i, name) in ["preference", "next", "likelihood"].into_iter().enumerate() {
        let of = |report: &Value| {
            assert_eq!(report["measures"][i]["name"], name);
            report["measures"][i]["score"].as_f64().unwrap()
        };
        let difference = (of(&a) - of(&b)).abs();
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}
