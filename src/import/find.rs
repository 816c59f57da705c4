//! Which files are read, and what they are called in recordings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::{ImportError, Place};
use crate::identity::AnswerFormat;

/// Directories below one another at most.
const MAX_DEPTH: usize = 16;
/// Files at most.
const MAX_FILES: usize = 100_000;

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Its name in recordings: its path below the directory that was given, or the last two parts of its own.
    pub(super) name: String,
    /// Where it lies.
    pub(super) path: PathBuf,
}

impl Found {
    /// The name of the directory that it lies in, if that is known.
    pub(super) fn home(&self) -> Option<&str> {
        let (directories, _) = self.name.rsplit_once('/')?;
        directories.rsplit('/').next()
    }
}

/// Whether a file that lies in a directory is one of the format, by its name.
fn is_of(format: AnswerFormat, name: &str) -> bool {
    let ends_in = |ending: &str| Path::new(name).extension().is_some_and(|e| e == ending);
    match format {
        AnswerFormat::Jsonl => ends_in("jsonl"),
        AnswerFormat::AlpacaEval => name == "model_outputs.json",
        AnswerFormat::LmEval => name.starts_with("samples_") && ends_in("jsonl"),
        // Beside logs lie manifests of sets of them.
        AnswerFormat::Inspect => {
            ends_in("eval") || (ends_in("json") && !["logs.json", "eval-set.json"].contains(&name))
        }
        AnswerFormat::Promptfoo => ends_in("json"),
    }
}

fn wanted(format: AnswerFormat) -> &'static str {
    match format {
        AnswerFormat::Jsonl => "its files end in .jsonl",
        AnswerFormat::AlpacaEval => "its files are called model_outputs.json",
        AnswerFormat::LmEval => "its files are called samples_*.jsonl",
        AnswerFormat::Inspect => "its files end in .eval or .json",
        AnswerFormat::Promptfoo => "its files end in .json",
    }
}

/// All files that are meant, each once, in the order of their names.
pub(super) fn find(given: &[PathBuf], format: AnswerFormat) -> Result<Vec<Found>, ImportError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for path in given {
        let failed = |source| ImportError::Read {
            path: path.clone(),
            source,
        };
        let mut here = Vec::new();
        if fs::metadata(path).map_err(failed)?.is_dir() {
            walk(path, path, format, 0, &mut here)?;
            if here.is_empty() {
                return Err(ImportError::NoFiles {
                    path: path.clone(),
                    format: format.name(),
                    wanted: wanted(format),
                });
            }
        } else {
            let parts = parts(path);
            here.push(Found {
                name: parts[parts.len().saturating_sub(2)..].join("/"),
                path: path.clone(),
            });
        }
        for file in here {
            if seen.insert(fs::canonicalize(&file.path).map_err(failed)?) {
                found.push(file);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn walk(
    root: &Path,
    directory: &Path,
    format: AnswerFormat,
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<(), ImportError> {
    let failed = |source| ImportError::Read {
        path: directory.to_owned(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        // A link to a directory may lead back up.
        if entry.file_type().map_err(failed)?.is_dir() {
            if depth < MAX_DEPTH {
                walk(root, &path, format, depth + 1, found)?;
            }
        } else if is_of(format, &name.to_string_lossy()) && path.is_file() {
            if found.len() == MAX_FILES {
                return Err(ImportError::TooMuch {
                    place: Place::of(root),
                    what: "has more files",
                    limit: MAX_FILES as u64,
                });
            }
            let below = path.strip_prefix(root).unwrap_or(&path);
            found.push(Found {
                name: parts(below).join("/"),
                path,
            });
        }
    }
    Ok(())
}

/// The parts of a path that are names.
fn parts(path: &Path) -> Vec<String> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_format_are_found_once_in_the_order_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in [
            "b/model_outputs.json",
            "a/x/model_outputs.json",
            "a/other.json",
        ] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "[]").unwrap();
        }
        let given = [at("b/model_outputs.json"), root.path().to_owned()];
        let found = find(&given, AnswerFormat::AlpacaEval).unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a/x/model_outputs.json", "b/model_outputs.json"]);
        let homes: Vec<Option<&str>> = found.iter().map(Found::home).collect();
        assert_eq!(homes, [Some("x"), Some("b")]);
        let none = find(&given[1..], AnswerFormat::LmEval).unwrap_err();
        assert!(none.to_string().contains("samples_*.jsonl"), "{none}");
        assert!(find(&[at("gone")], AnswerFormat::Jsonl).is_err());
    }
}
