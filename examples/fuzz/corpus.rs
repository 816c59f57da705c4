//! Seeds: small inputs that the repository holds already, and a few in `seeds/` for what it holds none of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bench::{Copy, FIXTURE};
use crate::said;
use parentage::bundle::Choice;

/// The files of an input, by path below its directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// An input to begin with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seed {
    pub(crate) files: Files,
    /// The files that are changed.
    pub(crate) touched: BTreeSet<String>,
}

impl Seed {
    /// An input of which everything may be changed.
    fn of(files: Files) -> Self {
        let touched = files.keys().cloned().collect();
        Self { files, touched }
    }

    fn one(name: &str, bytes: Vec<u8>) -> Self {
        Self::of([(name.to_owned(), bytes)].into())
    }

    /// Some files are changed, and the others are not.
    fn touching(mut self, names: &[&str]) -> Self {
        self.touched.retain(|name| names.contains(&name.as_str()));
        self
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| said("read", path, &e))
}

fn document(path: &Path) -> Result<Value, String> {
    serde_json::from_slice(&bytes(path)?).map_err(|e| format!("'{}': {e}", path.display()))
}

/// What lies in a directory, in order.
fn inside(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|e| said("list", directory, &e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// All files below a directory, by their paths below a prefix.
fn tree(directory: &Path, prefix: &str, files: &mut Files) -> Result<(), String> {
    for path in inside(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            tree(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, bytes(&path)?);
        }
    }
    Ok(())
}

/// The tiny models of the tests, with a file of one kind.
fn models(file: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = inside(&root().join("tests/data/oracle"))?;
    found.retain(|path| path.join(file).is_file());
    Ok(found)
}

pub(crate) fn gguf() -> Result<Vec<Seed>, String> {
    let models = models("model.gguf")?.into_iter();
    let seed = |model: PathBuf| Ok(Seed::one("model.gguf", bytes(&model.join("model.gguf"))?));
    models.map(seed).collect()
}

/// Directories as transformers has them, of which one file is changed.
fn directories(touched: &str) -> Result<Vec<Seed>, String> {
    let tokenizer = bytes(&root().join("tests/data/oracle/tokenizer.json"))?;
    let models = models("model.safetensors")?.into_iter();
    let seed = |model: PathBuf| {
        let mut files = Files::from([("tokenizer.json".to_owned(), tokenizer.clone())]);
        for name in ["config.json", "model.safetensors"] {
            files.insert(name.to_owned(), bytes(&model.join(name))?);
        }
        Ok(Seed::of(files).touching(&[touched]))
    };
    models.map(seed).collect()
}

pub(crate) fn safetensors() -> Result<Vec<Seed>, String> {
    directories("model.safetensors")
}

pub(crate) fn configurations() -> Result<Vec<Seed>, String> {
    directories("config.json")
}

/// One model with tokenizers of several kinds.
pub(crate) fn tokenizers() -> Result<Vec<Seed>, String> {
    let model = root().join("tests/data/oracle/llama");
    let plain = document(&root().join("tests/data/oracle/tokenizer.json"))?;
    let settings = json!({
        "bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "add_bos_token": true,
        "chat_template": "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}",
    });
    let mut seeds = Vec::new();
    for kind in KINDS {
        let mut tokenizer = plain.clone();
        kind(&mut tokenizer);
        let mut files = Files::new();
        for name in ["config.json", "model.safetensors"] {
            files.insert(name.to_owned(), bytes(&model.join(name))?);
        }
        for (name, value) in [
            ("tokenizer.json", &tokenizer),
            ("tokenizer_config.json", &settings),
        ] {
            files.insert(name.to_owned(), value.to_string().into_bytes());
        }
        seeds.push(Seed::of(files).touching(&["tokenizer.json", "tokenizer_config.json"]));
    }
    Ok(seeds)
}

/// What tokenizers have in their parts.
const KINDS: [fn(&mut Value); 5] = [
    |_| {},
    |tokenizer| {
        tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]});
        tokenizer["normalizer"] = json!({"type": "NFC"});
    },
    |tokenizer| {
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": true, "strip_right": false},
        ]});
        tokenizer["pre_tokenizer"] = json!(null);
        tokenizer["decoder"] = json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]});
    },
    |tokenizer| {
        tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true}, {"type": "Punctuation", "behavior": "Isolated"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true},
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        ]});
    },
    |tokenizer| {
        let words = tokenizer["model"]["vocab"].as_object().cloned();
        let mut words: Vec<(String, u64)> = words
            .into_iter()
            .flatten()
            .map(|(word, id)| (word, id.as_u64().unwrap_or(0)))
            .collect();
        words.sort_by_key(|(_, id)| *id);
        let scored: Vec<Value> = words
            .iter()
            .map(|(word, id)| json!([word, -(*id as f64)]))
            .collect();
        tokenizer["model"] =
            json!({"type": "Unigram", "unk_id": 0, "vocab": scored, "byte_fallback": false});
        tokenizer["post_processor"] = json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}});
    },
];

pub(crate) fn templates() -> Result<Vec<Seed>, String> {
    let published = document(&root().join("tests/data/chat_templates.json"))?;
    let snippets = document(&root().join("tests/data/template_snippets.json"))?;
    let published = published["templates"].as_object().into_iter().flatten();
    let snippets = snippets["cases"].as_array().into_iter().flatten();
    let sources = published
        .map(|(_, source)| source)
        .chain(snippets.map(|case| &case["template"]));
    let sources = sources.filter_map(Value::as_str);
    Ok(sources
        .map(|source| Seed::one("template.jinja", source.into()))
        .collect())
}

pub(crate) fn replies() -> Result<Vec<Seed>, String> {
    let listed = document(&root().join("examples/fuzz/seeds/replies.json"))?;
    let listed = listed.as_array().cloned().unwrap_or_default();
    let mut seeds = Vec::new();
    for (n, one) in listed.iter().enumerate() {
        // A reply is met with success, and as the body of an error.
        for status in [200, 400] {
            let ask = json!({"endpoint": one["endpoint"], "status": status, "checks": n % 4 == 0});
            let files = [("ask.json", &ask), ("reply.json", &one["reply"])];
            let files =
                files.map(|(name, value)| (name.to_owned(), value.to_string().into_bytes()));
            seeds.push(Seed::of(files.into()).touching(&["reply.json"]));
        }
    }
    Ok(seeds)
}

pub(crate) fn imports() -> Result<Vec<Seed>, String> {
    let mut seeds = Vec::new();
    for directory in inside(&root().join("examples/fuzz/seeds/imports"))? {
        let format = directory.file_name().unwrap_or_default().to_string_lossy();
        let mut files = Files::new();
        tree(&directory, "in/", &mut files)?;
        let mut seed = Seed::of(files);
        seed.files
            .insert("format.txt".to_owned(), format.as_bytes().to_vec());
        if format == "inspect" {
            seeds.push(members(&seed)?);
        }
        seeds.push(seed);
    }
    Ok(seeds)
}

/// The members of an archive that has the same log.
fn members(log: &Seed) -> Result<Seed, String> {
    let log = log.files.get("in/log.json").map_or(&[][..], Vec::as_slice);
    // Its numbers are not those of JSON alone.
    let text = String::from_utf8_lossy(log).replace("NaN", "0");
    let log: Value =
        serde_json::from_str(&text.replace("Infinity", "1")).map_err(|e| e.to_string())?;
    let mut files = Files::new();
    let mut sample = log["samples"][0].clone();
    for epoch in 1..3 {
        sample["epoch"] = epoch.into();
        let name = format!("members/samples/1_epoch_{epoch}.json");
        files.insert(name, sample.to_string().into_bytes());
    }
    let header = json!({"version": log["version"], "status": log["status"], "eval": log["eval"]});
    files.insert(
        "members/header.json".to_owned(),
        header.to_string().into_bytes(),
    );
    let mut seed = Seed::of(files);
    seed.files
        .insert("format.txt".to_owned(), b"inspect".to_vec());
    Ok(seed)
}

pub(crate) fn lineages() -> Result<Vec<Seed>, String> {
    let files = [
        "models/family/lineage.toml",
        "models/public.toml",
        "models/population/lineage.toml",
    ];
    let seed = |file| Ok(Seed::one("lineage.toml", bytes(&root().join(file))?));
    files.into_iter().map(seed).collect()
}

pub(crate) fn batteries() -> Result<Vec<Seed>, String> {
    let small = bytes(&root().join("tests/data/bundle-battery.toml"))?;
    let whole = b"name = \"some\"\nversion = 1\nabout = \"some probes\"\nfamilies = [\"numbers\", \"fiction\"]\n";
    let mut files = Files::from([("battery.toml".to_owned(), whole.to_vec())]);
    for family in ["numbers.toml", "fiction.toml"] {
        let path = root().join("probes/core-v1").join(family);
        files.insert(family.to_owned(), bytes(&path)?);
    }
    Ok(vec![Seed::one("family.toml", small), Seed::of(files)])
}

pub(crate) fn recordings() -> Result<Vec<Seed>, String> {
    let seed = |directory: &PathBuf| {
        let mut files = Files::new();
        tree(directory, "", &mut files)?;
        Ok(Seed::of(files))
    };
    let below = inside(&root().join(FIXTURE).join("data/recordings"))?;
    below.iter().map(seed).collect()
}

/// The fixture, without a seal: whoever mends its manifests has no key.
pub(crate) fn bundles() -> Result<Vec<Seed>, String> {
    Ok(vec![bundle(Copy::unsealed().path())?])
}

/// A copy of it from which a probe is withheld.
pub(crate) fn redacted() -> Result<Vec<Seed>, String> {
    let choice = Choice {
        probes: ["small-3".to_owned()].into(),
        reason: "privileged".to_owned(),
        ..Choice::default()
    };
    Ok(vec![bundle(Copy::committed(1).redacted(&choice).path())?])
}

fn bundle(directory: &Path) -> Result<Seed, String> {
    let mut files = Files::new();
    tree(directory, "", &mut files)?;
    let mut seed = Seed::of(files);
    // Reports are long, and are rendered anew to be compared.
    seed.touched.retain(|name| !name.contains("/report/"));
    Ok(seed)
}
