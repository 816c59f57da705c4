//! Where cases lie, and the ids by which alone they can be asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::ViewError;
use crate::bundle::Outline;
use crate::digest;

/// Directories below one another that are looked into.
const DEPTH: usize = 5;
/// Directories that are looked into at most.
const DIRECTORIES: usize = 20_000;
/// Cases that are listed at most.
const CASES: usize = 2_000;

/// The given directories and the cases that were seen in them.
pub(super) struct CaseIndex {
    roots: Vec<PathBuf>,
    known: RwLock<BTreeMap<String, PathBuf>>,
}

/// What a look gave.
pub(super) struct Listing {
    /// Id and path of every case, by path.
    pub(super) cases: Vec<(String, PathBuf)>,
    /// There may be more: a bound was reached.
    pub(super) cut: bool,
}

impl CaseIndex {
    pub(super) fn new(roots: &[PathBuf]) -> Result<Self, ViewError> {
        let root = |path: &PathBuf| {
            let found = path.canonicalize().and_then(|found| {
                // A file has no entries, and says so.
                fs::read_dir(&found)?;
                Ok(found)
            });
            found.map_err(|source: io::Error| ViewError::Directory {
                path: path.clone(),
                source,
            })
        };
        Ok(Self {
            roots: roots.iter().map(root).collect::<Result<_, _>>()?,
            known: RwLock::default(),
        })
    }

    /// Looks for cases anew: a run may have begun another.
    pub(super) fn look(&self) -> Listing {
        let (mut found, mut cut) = (Vec::new(), false);
        let mut open: Vec<(PathBuf, usize)> = self.roots.iter().map(|r| (r.clone(), 0)).collect();
        let mut looked = 0;
        while let Some((directory, depth)) = open.pop() {
            if found.len() >= CASES || looked >= DIRECTORIES {
                cut = true;
                break;
            }
            looked += 1;
            if Outline::is_case(&directory) {
                found.push(directory);
            } else if depth < DEPTH {
                let below = below(&directory, DIRECTORIES - looked);
                open.extend(below.into_iter().map(|path| (path, depth + 1)));
            } else {
                cut |= !below(&directory, 1).is_empty();
            }
        }
        found.sort();
        found.dedup();
        let cases: Vec<_> = found.into_iter().map(|path| (id(&path), path)).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // What is gone is forgotten, so that this stays bounded.
        *known = cases.iter().cloned().collect();
        Listing { cases, cut }
    }

    /// The case of an id that a look has seen.
    pub(super) fn find(&self, id: &str) -> Option<PathBuf> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }
}

/// Directories in a directory, hidden ones and links left out; none where it cannot be read.
fn below(directory: &Path, most: usize) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let directories = entries.flatten().filter(|entry| {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    directories.map(|entry| entry.path()).take(most).collect()
}

/// An id that stays while the path does.
fn id(path: &Path) -> String {
    let mut digest = digest::of_bytes(path.as_os_str().as_encoded_bytes());
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(path: &Path) {
        fs::create_dir_all(path.join("data")).unwrap();
        for file in ["plan.json", "log.jsonl"] {
            fs::write(path.join("data").join(file), "").unwrap();
        }
    }

    fn names(look: &Listing) -> Vec<String> {
        let name = |(_, path): &(String, PathBuf)| path.file_name().unwrap().to_owned();
        let names = look.cases.iter().map(name);
        names.map(|n| n.into_string().unwrap()).collect()
    }

    #[test]
    fn cases_are_found_below_and_those_in_a_case_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        case(&root.join("out/cases/b"));
        case(&root.join("out/cases/a"));
        case(&root.join("out/cases/a/data/inner"));
        case(&root.join(".hidden"));
        let cases = CaseIndex::new(&[root.to_owned(), root.join("out")]).unwrap();
        let look = cases.look();
        assert_eq!(names(&look), ["a", "b"]);
        assert!(!look.cut);
        let (id, path) = &look.cases[0];
        assert_eq!(cases.find(id).as_ref(), Some(path));
        assert_eq!(id.len(), 16);
        assert_eq!(cases.find("0"), None);
        // A case of its own, and what is gone.
        let alone = CaseIndex::new(&[root.join("out/cases/b")]).unwrap();
        assert_eq!(names(&alone.look()), ["b"]);
        fs::remove_dir_all(root.join("out/cases/a")).unwrap();
        assert_eq!(names(&cases.look()), ["b"]);
        assert_eq!(cases.find(id), None);
    }

    #[test]
    fn depth_is_bounded_and_said_to_be() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        case(&root.join("1/2/3/4/five"));
        let cases = CaseIndex::new(&[root.to_owned()]).unwrap();
        let look = cases.look();
        assert_eq!((names(&look), look.cut), (vec!["five".to_owned()], false));
        case(&root.join("1/2/3/4/other/six"));
        let look = cases.look();
        assert_eq!((names(&look), look.cut), (vec!["five".to_owned()], true));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        case(&other.path().join("elsewhere"));
        std::os::unix::fs::symlink(other.path(), directory.path().join("link")).unwrap();
        let cases = CaseIndex::new(&[directory.path().to_owned()]).unwrap();
        assert!(cases.look().cases.is_empty());
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file, directory.path().join("nowhere")] {
            assert!(matches!(
                CaseIndex::new(&[path]),
                Err(ViewError::Directory { .. })
            ));
        }
    }
}
