//! Which files of a listing are taken. Pure, but for reading the index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::super::reference::{escaped, is_gguf, is_plain_path};
use super::super::{HubError, HubReference};
use crate::model::local::foreign::part_names;

/// Weights in one file.
pub(super) const SINGLE: &str = "model.safetensors";
/// The index that names the shards.
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// What the engine cannot do without.
pub(super) const CONFIG: &str = "config.json";
/// The tokenizer, needed beside safetensors weights by everything that reads text.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// Taken where they are there.
pub(super) const OPTIONAL: [&str; 4] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// Formats that run code when they are read, or are read by tools that do.
const PICKLES: [&str; 7] = [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".th"];
const MAX_INDEX: u64 = 64 << 20;
const MAX_SHARDS: usize = 4096;

/// One file as the hub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Declared length.
    pub(super) bytes: u64,
    /// The git object: of the file itself, or of its pointer where `large` is set.
    pub(super) object: String,
    /// Set where git holds a pointer and the bytes are in large-file storage.
    pub(super) large: Option<Large>,
}

/// What the hub lists for a file in large-file storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Large {
    /// Digest of the bytes, where the client passes it on.
    pub(super) sha256: Option<String>,
    /// Length of the pointer.
    pub(super) pointer: Option<u64>,
}

/// The checked listing of one folder of one commit.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) repository: String,
    pub(super) files: BTreeMap<String, Entry>,
}

impl Listing {
    /// The entry of a file that must be there.
    pub(super) fn entry(&self, name: &str) -> Result<&Entry, HubError> {
        self.files.get(name).ok_or_else(|| HubError::NoFile {
            repository: self.repository.clone(),
            file: name.to_owned(),
        })
    }

    fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.files
            .keys()
            .filter(|name| wanted(name))
            .cloned()
            .collect()
    }
}

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    Single,
    Sharded,
    Gguf,
}

/// What to take before shards are known.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) weights: Weights,
    pub(super) files: Vec<String>,
    /// Files that would have been taken, and that the repository does not have.
    pub(super) absent: Vec<&'static str>,
}

/// The folder whose listing is needed: the root, or that of the GGUF file named.
pub(super) fn folder(reference: &HubReference) -> Option<&str> {
    let (folder, _) = reference.file.as_deref()?.rsplit_once('/')?;
    Some(folder)
}

/// The GGUF files to take: the one named, with the other parts if it is one of several; none if no file was
/// named.
pub(super) fn parts(reference: &HubReference) -> Vec<String> {
    let file = reference.file.as_deref();
    file.map(part_names).unwrap_or_default()
}

/// Chooses the files, or says why the repository cannot be used.
pub(super) fn choose(listing: &Listing, reference: &HubReference) -> Result<Chosen, HubError> {
    let parts = parts(reference);
    if !parts.is_empty() {
        for part in &parts {
            listing.entry(part)?;
        }
        let beside = if folder(reference).is_none() {
            companions()
        } else {
            Vec::new()
        };
        return Ok(take(listing, Weights::Gguf, parts, beside));
    }
    let (weights, file) = if listing.files.contains_key(SINGLE) {
        (Weights::Single, SINGLE)
    } else if listing.files.contains_key(INDEX) {
        (Weights::Sharded, INDEX)
    } else {
        return Err(unusable(listing));
    };
    listing.entry(CONFIG)?;
    Ok(take(listing, weights, vec![file.to_owned()], companions()))
}

fn companions() -> Vec<&'static str> {
    [CONFIG, TOKENIZER].into_iter().chain(OPTIONAL).collect()
}

fn take(
    listing: &Listing,
    weights: Weights,
    of_weights: Vec<String>,
    beside: Vec<&'static str>,
) -> Chosen {
    let (present, absent): (Vec<_>, Vec<_>) = beside
        .into_iter()
        .partition(|name| listing.files.contains_key(*name));
    let present = present.into_iter().map(str::to_owned);
    let files = present.chain(of_weights).collect();
    Chosen {
        weights,
        files,
        absent,
    }
}

fn unusable(listing: &Listing) -> HubError {
    let repository = listing.repository.clone();
    let gguf = listing.names(is_gguf);
    let pickles = listing.names(|name| {
        PICKLES
            .iter()
            .any(|end| name.to_ascii_lowercase().ends_with(end))
    });
    if !gguf.is_empty() {
        HubError::OnlyGguf {
            repository,
            files: gguf,
        }
    } else if !pickles.is_empty() {
        HubError::OnlyPickles {
            repository,
            files: pickles,
        }
    } else {
        HubError::NoWeights { repository }
    }
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// Exactly the shards that an index names, each a plain safetensors name.
pub(super) fn shards(index: &Path, repository: &str) -> Result<Vec<String>, HubError> {
    let mut text = Vec::new();
    File::open(index)
        .and_then(|file| {
            BufReader::new(file)
                .take(MAX_INDEX + 1)
                .read_to_end(&mut text)
        })
        .map_err(|source| HubError::Cache {
            action: "read",
            path: index.to_owned(),
            source,
        })?;
    let listing = |problem| HubError::Listing {
        repository: repository.to_owned(),
        problem,
    };
    if text.len() as u64 > MAX_INDEX {
        return Err(listing("its shard index is absurdly long"));
    }
    let index: ShardIndex = serde_json::from_slice(&text).map_err(|source| HubError::Index {
        file: INDEX.to_owned(),
        source,
    })?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(listing("its shard index names no shard or absurdly many"));
    }
    if let Some(name) = names.iter().find(|name| !is_shard(name)) {
        return Err(HubError::HostileName {
            repository: repository.to_owned(),
            name: escaped(name),
        });
    }
    Ok(names.into_iter().collect())
}

fn is_shard(name: &str) -> bool {
    is_plain_path(name)
        && !name.contains('/')
        && name.to_ascii_lowercase().ends_with(".safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        let entry = Entry {
            bytes: 1,
            object: "0".repeat(40),
            large: None,
        };
        Listing {
            repository: "org/name".to_owned(),
            files: names
                .iter()
                .map(|name| ((*name).to_owned(), entry.clone()))
                .collect(),
        }
    }

    fn chosen(names: &[&str], reference: &str) -> Result<Chosen, HubError> {
        choose(&listing(names), &reference.parse().unwrap())
    }

    #[test]
    fn one_file_is_preferred_to_shards_and_pickles_are_left() {
        let names = [
            "config.json",
            "model.safetensors",
            INDEX,
            "pytorch_model.bin",
            "tokenizer.json",
            "README.md",
        ];
        let chosen = chosen(&names, "hf:org/name").unwrap();
        assert_eq!(
            chosen.files,
            ["config.json", "tokenizer.json", "model.safetensors"]
        );
        assert_eq!(chosen.weights, Weights::Single);
        assert_eq!(chosen.absent, OPTIONAL);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error =
            chosen(&["config.json", "pytorch_model.bin", "a.pt"], "hf:org/name").unwrap_err();
        assert!(
            matches!(error, HubError::OnlyPickles { files, .. } if files == ["a.pt", "pytorch_model.bin"])
        );
        let error = chosen(&["a.gguf", "pytorch_model.bin"], "hf:org/name").unwrap_err();
        assert!(error.hint().unwrap().contains("hf:org/name/a.gguf"));
        let error = chosen(&["config.json"], "hf:org/name").unwrap_err();
        assert!(matches!(error, HubError::NoWeights { .. }));
        let error = chosen(&["model.safetensors"], "hf:org/name").unwrap_err();
        assert!(matches!(error, HubError::NoFile { file, .. } if file == CONFIG));
    }

    #[test]
    fn a_named_gguf_is_taken_with_what_lies_at_the_root() {
        let got = chosen(
            &["a.gguf", "b.gguf", "tokenizer.json"],
            "hf:org/name/b.gguf",
        )
        .unwrap();
        assert_eq!(got.files, ["tokenizer.json", "b.gguf"]);
        let parts = ["q/b-00001-of-00002.gguf", "q/b-00002-of-00002.gguf"];
        for part in parts {
            let got = chosen(&parts, &format!("hf:org/name/{part}")).unwrap();
            assert_eq!(got.files, parts);
        }
        let error = chosen(&parts[..1], "hf:org/name/q/b-00001-of-00002.gguf").unwrap_err();
        assert!(matches!(error, HubError::NoFile { file, .. } if file == parts[1]));
        let got = chosen(&["q/b.gguf"], "hf:org/name/q/b.gguf").unwrap();
        assert_eq!(got.files, ["q/b.gguf"]);
        let error = chosen(&["a.gguf"], "hf:org/name/b.gguf").unwrap_err();
        assert!(matches!(error, HubError::NoFile { .. }));
    }

    #[test]
    fn a_shard_that_leaves_the_folder_or_is_a_pickle_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join(INDEX);
        let read = |text: &str| {
            std::fs::write(&index, text).unwrap();
            shards(&index, "org/name")
        };
        for name in [
            "../x.safetensors",
            "/x.safetensors",
            "a/x.safetensors",
            "a\\\\x.safetensors",
            "x\\u0000.safetensors",
            "x.bin",
        ] {
            let error = read(&format!(r#"{{"weight_map":{{"a":"{name}"}}}}"#)).unwrap_err();
            assert!(
                matches!(error, HubError::HostileName { .. }),
                "{name}: {error}"
            );
        }
        assert!(matches!(
            read(r#"{"weight_map":{}}"#),
            Err(HubError::Listing { .. })
        ));
        assert!(matches!(read("{"), Err(HubError::Index { .. })));
        let got = read(
            r#"{"metadata":{},"weight_map":{"a":"2.safetensors","b":"1.safetensors","c":"1.safetensors"}}"#,
        );
        assert_eq!(got.unwrap(), ["1.safetensors", "2.safetensors"]);
    }
}
