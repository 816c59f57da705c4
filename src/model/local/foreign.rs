//! Files that are often taken for a model and are none: called what they are, before they are parsed.

use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::error::LocalError;

/// What a file or a directory is instead of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// The stand-in that Git LFS leaves where a file was not fetched.
    LfsPointer,
    /// A page of the web, often a login or an error saved under the file's name.
    Html,
    /// Weights as PyTorch pickles them.
    Pickle,
    /// A safetensors file without its directory.
    Safetensors,
    /// An adapter without the model that it adapts.
    Adapter {
        /// The model, where the adapter names it.
        base: Option<String>,
    },
    /// A directory of GGUF files.
    GgufDirectory {
        /// Their names.
        files: Vec<String>,
    },
    /// The list of an Ollama model's parts.
    OllamaManifest,
    /// Tensors under the names that a wrapper of training gives them.
    Renamed {
        /// What stands before the names.
        prefix: &'static str,
    },
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LfsPointer => f.write_str("is a Git LFS pointer, not the file that it points to"),
            Self::Html => f.write_str("is an HTML page, not a part of a model"),
            Self::Pickle => f.write_str("is a PyTorch pickle, which can run code when it is read"),
            Self::Safetensors => f.write_str("is a safetensors file without its directory"),
            Self::Adapter { base: Some(base) } => {
                write!(f, "is an adapter of '{base}', not a model")
            }
            Self::Adapter { base: None } => f.write_str("is an adapter, not a model"),
            Self::GgufDirectory { files } => {
                write!(f, "is a directory of GGUF files: {}", files.join(", "))
            }
            Self::OllamaManifest => {
                f.write_str("is the manifest of an Ollama model, not its weights")
            }
            Self::Renamed { prefix } => {
                write!(f, "holds tensors whose names begin with '{prefix}'")
            }
        }
    }
}

impl Foreign {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::LfsPointer => "fetch it with `git lfs pull`, or name the model as hf:org/name",
            Self::Html => "fetch the file itself; the address may want a login or another path",
            Self::Pickle => {
                "convert the weights to safetensors (transformers: `save_pretrained(DIR, safe_serialization=True)`)"
            }
            Self::Safetensors => {
                "give the directory that has config.json and tokenizer.json as well"
            }
            Self::Adapter { .. } => {
                "merge it into its model first (peft: `merge_and_unload()`, then `save_pretrained(DIR)`)"
            }
            Self::GgufDirectory { .. } => "give one of these files",
            Self::OllamaManifest => {
                "give the blob of its layer 'application/vnd.ollama.image.model' (`ollama show --modelfile NAME` tells its path)"
            }
            Self::Renamed { .. } => {
                "save the model without the wrapper (torch.compile: `model._orig_mod`; peft: `merge_and_unload()`)"
            }
        }
    }
}

/// How much of a file is looked at.
const BEGINNING: u64 = 512;

fn beginning(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read here is told by whoever reads it in earnest.
    if let Ok(file) = File::open(path) {
        let _ = file.take(BEGINNING).read_to_end(&mut bytes);
    }
    bytes
}

/// Whether a file says of itself that it is GGUF, whatever its name: the blobs of Ollama have no ending.
pub(super) fn is_gguf(path: &Path) -> bool {
    let bytes = beginning(path);
    // Magic, version and two counts are the least that a file has.
    bytes.starts_with(b"GGUF") && bytes.len() >= 24
}

fn foreign(path: &Path, what: Foreign) -> LocalError {
    LocalError::Foreign {
        path: path.to_owned(),
        what,
    }
}

/// Refuses a file that is known to be something else.
pub(super) fn check_file(path: &Path) -> Result<(), LocalError> {
    match known(&beginning(path)) {
        Some(what) => Err(foreign(path, what)),
        None => Ok(()),
    }
}

fn known(bytes: &[u8]) -> Option<Foreign> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let low = text.to_ascii_lowercase();
    if text.starts_with("version https://git-lfs.github.com/spec/") {
        Some(Foreign::LfsPointer)
    } else if low.starts_with("<!doctype html") || low.starts_with("<html") {
        Some(Foreign::Html)
    } else if text.starts_with('{') && text.contains("application/vnd.docker.distribution.manifest")
    {
        Some(Foreign::OllamaManifest)
    } else if bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]) {
        // Before pickles: the length of a header may begin as they do.
        Some(Foreign::Safetensors)
    } else if bytes.starts_with(b"PK\x03\x04") || matches!(bytes, [0x80, 2..=5, ..]) {
        Some(Foreign::Pickle)
    } else {
        None
    }
}

/// Refuses a directory that holds something else than a model, or files that are something else.
pub(super) fn check_directory(directory: &Path, parts: &[&str]) -> Result<(), LocalError> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let ending = |endings: &[&str]| -> Vec<String> {
        let wanted = |name: &&String| endings.iter().any(|ending| name.ends_with(ending));
        names.iter().filter(wanted).cloned().collect()
    };
    for part in names.iter().filter(|name| parts.contains(&name.as_str())) {
        check_file(&directory.join(part))?;
    }
    let tensors = ending(&[".safetensors"]);
    for name in &tensors {
        let path = directory.join(name);
        match known(&beginning(&path)) {
            Some(Foreign::Safetensors) | None => {}
            Some(what) => return Err(foreign(&path, what)),
        }
    }
    if tensors.iter().any(|name| name.starts_with("model")) {
        return Ok(());
    }
    if names.iter().any(|name| name == "adapter_config.json") {
        let base = base_of(&directory.join("adapter_config.json"));
        return Err(foreign(directory, Foreign::Adapter { base }));
    }
    if let Some(name) = ending(&[".bin", ".pt", ".pth"]).first() {
        return Err(foreign(&directory.join(name), Foreign::Pickle));
    }
    let files = ending(&[".gguf"]);
    if files.is_empty() {
        return Ok(());
    }
    Err(foreign(directory, Foreign::GgufDirectory { files }))
}

fn base_of(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(1 << 20).read_to_string(&mut text).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config["base_model_name_or_path"]
        .as_str()
        .map(str::to_owned)
}

/// Refuses names that a wrapper of training has put something before.
pub(super) fn check_names<'a>(
    path: &Path,
    mut names: impl Iterator<Item = &'a str>,
) -> Result<(), LocalError> {
    const PREFIXES: [&str; 3] = ["_orig_mod.", "base_model.model.", "module."];
    let found = names.find_map(|name| PREFIXES.into_iter().find(|p| name.starts_with(p)));
    match found {
        Some(prefix) => Err(foreign(path, Foreign::Renamed { prefix })),
        None => Ok(()),
    }
}

/// The files of a GGUF model that was cut into several, in order, from the name of one of them; or that one.
///
/// # Errors
/// When one is not there.
pub(super) fn gguf_parts(path: &Path) -> Result<Vec<PathBuf>, LocalError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let names = part_names(name.unwrap_or_default());
    if names.len() < 2 {
        return Ok(vec![path.to_owned()]);
    }
    let count = names.len();
    let parts: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
    match parts.iter().find(|part| !part.is_file()) {
        Some(missing) => Err(LocalError::MissingPart {
            path: missing.clone(),
            count,
        }),
        None => Ok(parts),
    }
}

/// The bytes of the files of a model: of all in a directory, or of a GGUF file with its other parts. What
/// cannot be read counts nothing.
pub(crate) fn stored_bytes(path: &Path) -> u64 {
    let size = |path: &Path| path.metadata().map_or(0, |m| m.len());
    if let Ok(files) = path.read_dir() {
        return files.flatten().map(|file| size(&file.path())).sum();
    }
    let parts = gguf_parts(path).unwrap_or_default();
    parts.iter().map(|part| size(part)).sum()
}

/// The names of all parts of the model that a file is a part of, by its name; its own if it is whole.
pub(super) fn part_names(name: &str) -> Vec<String> {
    match part_name(name) {
        Some((stem, count)) => (1..=count)
            .map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf"))
            .collect(),
        None => vec![name.to_owned()],
    }
}

/// `NAME-00001-of-00003.gguf`, as llama.cpp names the parts: the name and how many there are.
fn part_name(name: &str) -> Option<(String, usize)> {
    let (front, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = front.rsplit_once('-')?;
    let digits = |text: &str| {
        let plain = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<usize>().ok()).flatten()
    };
    let (number, count) = (digits(number)?, digits(count)?);
    (number >= 1 && number <= count).then(|| (stem.to_owned(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_names() {
        let of = part_name;
        assert_eq!(
            part_names("d/m-q4-00002-of-00003.gguf"),
            [1, 2, 3].map(|n| format!("d/m-q4-0000{n}-of-00003.gguf"))
        );
        assert_eq!(part_names("d/m.gguf"), ["d/m.gguf"]);
        for other in [
            "m.gguf",
            "m-00004-of-00003.gguf",
            "m-2-of-3.gguf",
            "m-00000-of-00003.gguf",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn beginnings_tell_what_a_file_is() {
        let cases: [(&[u8], Option<Foreign>); 9] = [
            (b"version https://git-lfs.github.com/spec/v1\noid", Some(Foreign::LfsPointer)),
            (b"\n<!DOCTYPE html><html>", Some(Foreign::Html)),
            (b"PK\x03\x04archive/data.pkl", Some(Foreign::Pickle)),
            (b"\x80\x02}q\x00", Some(Foreign::Pickle)),
            (b"\x80\x02\0\0\0\0\0\0{\"a\":", Some(Foreign::Safetensors)),
            (b"\x20\0\0\0\0\0\0\0{\"a\":", Some(Foreign::Safetensors)),
            (
                br#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json"#,
                Some(Foreign::OllamaManifest),
            ),
            (b"GGUF\x03\0\0\0", None),
            (b"{\"model_type\": \"llama\"}", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(known(bytes), expected, "{bytes:?}");
        }
    }
}
