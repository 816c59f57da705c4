//! The text form of a hub reference.
//!
//! Every accepted part is later used in a path or an address, so the alphabet is closed and small.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::printable::visible_line;

const SCHEME: &str = "hf:";
const MAX_TEXT: usize = 512;
const MAX_NAME: usize = 96;
const MAX_REVISION: usize = 200;

/// One model on a hub: `hf:org/name`, `hf:org/name@revision`, or either with `/file.gguf` after it.
///
/// A revision is a branch, a tag or a commit. Where a file follows, the revision is the text up to
/// the next `/` (three parts for `refs/pr/1`); a branch with a `/` in its name can be given by its
/// commit.
///
/// ```
/// use parentage::model::local::hub::HubReference;
///
/// let reference: HubReference = "hf:org/name@v1.0/name-q4.gguf".parse()?;
/// assert_eq!(reference.repository, "org/name");
/// assert_eq!(reference.revision.as_deref(), Some("v1.0"));
/// assert_eq!(reference.file.as_deref(), Some("name-q4.gguf"));
/// # Ok::<(), parentage::model::local::hub::HubReferenceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubReference {
    /// The repository, `org/name`.
    pub repository: String,
    /// The branch, tag or commit; the main branch where there is none.
    pub revision: Option<String>,
    /// The one GGUF file to take, as a path in the repository.
    pub file: Option<String>,
}

/// Why a text is not a hub reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HubReferenceError {
    /// The text does not begin with `hf:`.
    #[error("a hub reference begins with 'hf:', as in 'hf:org/name@revision'")]
    Scheme,
    /// The text is too long to be meant.
    #[error("hub reference of {length} bytes is longer than {MAX_TEXT}")]
    Length {
        /// The text's length.
        length: usize,
    },
    /// The repository is not `org/name`.
    #[error("'{text}' does not name a repository as 'org/name'")]
    Repository {
        /// The text in that place, escaped.
        text: String,
    },
    /// The revision is not a branch, tag or commit that can be used.
    #[error("'{text}' is not a usable revision")]
    Revision {
        /// The text in that place, escaped.
        text: String,
    },
    /// The file is not a `.gguf` path inside the repository.
    #[error("'{text}' is not a '.gguf' file inside the repository")]
    File {
        /// The text in that place, escaped.
        text: String,
    },
}

impl FromStr for HubReference {
    type Err = HubReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(SCHEME).ok_or(HubReferenceError::Scheme)?;
        if text.len() > MAX_TEXT {
            return Err(HubReferenceError::Length { length: text.len() });
        }
        let (repository, revision, file) = if let Some((repository, tail)) = rest.split_once('@') {
            let (revision, file) = split_file(tail);
            (repository, Some(revision), file)
        } else {
            let (repository, file) = split_after(rest, 2);
            (repository, None, file)
        };
        if !is_repository(repository) {
            return Err(HubReferenceError::Repository {
                text: escaped(repository),
            });
        }
        if let Some(revision) = revision.filter(|revision| !is_revision(revision)) {
            return Err(HubReferenceError::Revision {
                text: escaped(revision),
            });
        }
        if let Some(file) = file.filter(|file| !is_gguf(file) || !is_plain_path(file)) {
            return Err(HubReferenceError::File {
                text: escaped(file),
            });
        }
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.map(str::to_owned),
            file: file.map(str::to_owned),
        })
    }
}

impl fmt::Display for HubReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.repository)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        if let Some(file) = &self.file {
            write!(f, "/{file}")?;
        }
        Ok(())
    }
}

/// Whether a path from a server or a reference stays inside the folder it is joined to, on any
/// platform.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.len() <= MAX_TEXT
        && !path.contains(|c: char| c == '\\' || c == ':' || c.is_control())
        && path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
}

/// Whether a name is that of a GGUF file.
pub(super) fn is_gguf(name: &str) -> bool {
    name.len() > ".gguf".len() && name.to_ascii_lowercase().ends_with(".gguf")
}

/// A text fit to be shown: what cannot be seen made visible, and cut where it is long.
pub(super) fn escaped(text: &str) -> String {
    const SHOWN: usize = 120;
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("{}{more}", visible_line(&cut))
}

fn split_file(tail: &str) -> (&str, Option<&str>) {
    if !is_gguf(tail) {
        return (tail, None);
    }
    split_after(tail, if tail.starts_with("refs/") { 3 } else { 1 })
}

fn split_after(text: &str, parts: usize) -> (&str, Option<&str>) {
    match text.match_indices('/').nth(parts - 1) {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The hub's own rule; `--` is refused too, because the cache writes `/` that way.
fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        part.len() <= MAX_NAME
            && !part.contains("--")
            && !part.contains("..")
            && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    text.split_once('/')
        .is_some_and(|(org, name)| is_part(org) && is_part(name))
        && !text.to_ascii_lowercase().ends_with(".git")
}

/// Narrower than git's rule, because the cache has a file of this name under `refs/`.
fn is_revision(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.to_ascii_lowercase().ends_with(".lock")
            && !part.contains("..")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+'))
    };
    text.len() <= MAX_REVISION && text.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<HubReference, HubReferenceError> {
        text.parse()
    }

    #[test]
    fn each_form_is_read_and_written_back() {
        let cases = [
            ("hf:org/name", "org/name", None, None),
            ("hf:org/name@main", "org/name", Some("main"), None),
            (
                "hf:Org.X/na_me-1.5@feature/x",
                "Org.X/na_me-1.5",
                Some("feature/x"),
                None,
            ),
            ("hf:org/name@refs/pr/7", "org/name", Some("refs/pr/7"), None),
            ("hf:org/name/a-q4.gguf", "org/name", None, Some("a-q4.gguf")),
            (
                "hf:org/name@v1/sub/a.GGUF",
                "org/name",
                Some("v1"),
                Some("sub/a.GGUF"),
            ),
            (
                "hf:org/name@refs/pr/7/a.gguf",
                "org/name",
                Some("refs/pr/7"),
                Some("a.gguf"),
            ),
        ];
        for (text, repository, revision, file) in cases {
            let read = parse(text).unwrap();
            assert_eq!(read.repository, repository, "{text}");
            assert_eq!(read.revision.as_deref(), revision, "{text}");
            assert_eq!(read.file.as_deref(), file, "{text}");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn a_repository_that_is_not_org_and_name_is_refused() {
        for text in [
            "hf:",
            "hf:name",
            "hf:/name",
            "hf:org/",
            "hf:../name",
            "hf:org/..",
            "hf:org/a--b",
            "hf:o..g/name",
            "hf:org/na me",
            "hf:org/na\\me",
            "hf:org/name\0",
            "hf:org/.hidden",
            "hf:-org/name",
            "hf:org/name.git",
            "hf:örg/name",
            "hf:org/a?b=c",
            "hf:org/a%2e",
            "hf:org/a/b@main",
        ] {
            assert!(
                matches!(parse(text), Err(HubReferenceError::Repository { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_revision_that_could_leave_its_folder_is_refused() {
        for text in [
            "hf:o/n@",
            "hf:o/n@..",
            "hf:o/n@a/../../b",
            "hf:o/n@/abs",
            "hf:o/n@a//b",
            "hf:o/n@a/",
            "hf:o/n@.hid",
            "hf:o/n@a\\b",
            "hf:o/n@a\0b",
            "hf:o/n@a b",
            "hf:o/n@a:b",
            "hf:o/n@x.lock",
            "hf:o/n@a@b",
            "hf:o/n@-x",
        ] {
            assert!(
                matches!(parse(text), Err(HubReferenceError::Revision { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_file_must_be_gguf_and_stay_inside() {
        for text in [
            "hf:o/n/model.safetensors",
            "hf:o/n/../x.gguf",
            "hf:o/n@main/../x.gguf",
            "hf:o/n@main//x.gguf",
            "hf:o/n@main/a\\x.gguf",
            "hf:o/n@main/C:x.gguf",
            "hf:o/n/",
        ] {
            assert!(
                matches!(parse(text), Err(HubReferenceError::File { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn absurd_lengths_and_other_schemes_are_refused() {
        assert!(matches!(parse("org/name"), Err(HubReferenceError::Scheme)));
        assert!(matches!(
            parse("https://hub/org/name"),
            Err(HubReferenceError::Scheme)
        ));
        let long = format!("hf:org/name@{}", "a".repeat(10_000));
        assert!(matches!(
            parse(&long),
            Err(HubReferenceError::Length { .. })
        ));
        let long = format!("hf:org/name@{}", "a".repeat(300));
        assert!(matches!(
            parse(&long),
            Err(HubReferenceError::Revision { .. })
        ));
        assert!(matches!(
            parse(&format!("hf:org/{}", "a".repeat(97))),
            Err(HubReferenceError::Repository { .. })
        ));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_below_its_folder(text in "hf:[a-z./@\\\\-]{0,40}(\\.gguf)?") {
            if let Ok(read) = parse(&text) {
                prop_assert_eq!(read.to_string(), text);
                for part in [Some(&read.repository), read.revision.as_ref(), read.file.as_ref()].into_iter().flatten() {
                    prop_assert!(is_plain_path(part), "{}", part);
                }
            }
        }
    }
}
