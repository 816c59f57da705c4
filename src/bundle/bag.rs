//! BagIt: walking the directory, and the manifests. No file of it is trusted to be what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::commit::{Secret, bytes_of};
use super::error::{DigestError, LayoutError};
use super::form::{
    BAGIT, BAGIT_FILE, COMMITMENTS_FILE, FORMAT, INFO_FILE, MANIFEST_FILE, MAX_DEPTH, MAX_FILES,
    MAX_LINE, MAX_WHOLE, NEEDED, PLAN_STAMP_FILE, RECORDINGS, REDACTION_FILE, SEALED, SECRET_FILE,
    SIGNATURE_FILE, STAMP_REPLY_FILE, TAG_MANIFEST_FILE, TAGGED, UNTAGGED, WEIGHTS, is_plain_name,
};
use super::seal::MAX_SMALL;
use super::{Rendering, form, marks, piece};
use crate::digest;
use crate::evidence::{ANSWERS_FILE, HEADER_FILE};
use crate::printable::visible_line;

/// Digests by path, relative to the bundle, with forward slashes.
pub(super) type Manifest = BTreeMap<String, String>;

/// Every file below a directory with its length, by path with forward slashes. Refuses links, special
/// files, names that are not plain, and depths and numbers that no bundle has.
pub(super) fn walk(root: &Path) -> Result<BTreeMap<String, u64>, LayoutError> {
    Ok(walk_all(root)?.0)
}

/// The same, and a directory without anything in it, if there is one.
fn walk_all(root: &Path) -> Result<(BTreeMap<String, u64>, Option<String>), LayoutError> {
    let mut files = BTreeMap::new();
    let mut empty = None;
    let mut open = vec![(String::new(), 0)];
    while let Some((directory, depth)) = open.pop() {
        let path = root.join(&directory);
        let read = |source| LayoutError::Read {
            path: path.clone(),
            source,
        };
        let mut entries = fs::read_dir(&path).map_err(read)?.peekable();
        if entries.peek().is_none() && !directory.is_empty() {
            empty.get_or_insert(directory);
            continue;
        }
        for entry in entries {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            let file = if directory.is_empty() {
                shown.clone().into_owned()
            } else {
                format!("{directory}/{shown}")
            };
            // The lossy name is plain only if nothing was lost.
            if !is_plain_name(&shown) {
                return Err(LayoutError::Name {
                    file: shown_path(&file),
                });
            }
            let kind = entry.file_type().map_err(read)?;
            if kind.is_symlink() {
                return Err(LayoutError::Link { file });
            } else if kind.is_dir() {
                if depth + 1 > MAX_DEPTH {
                    return Err(LayoutError::Depth { file });
                }
                open.push((file, depth + 1));
            } else if kind.is_file() {
                files.insert(file, entry.metadata().map_err(read)?.len());
            } else {
                return Err(LayoutError::Special { file });
            }
            if files.len() + open.len() > MAX_FILES {
                return Err(LayoutError::Files);
            }
        }
    }
    Ok((files, empty))
}

/// Reads a file whole, if it is no longer than `limit`; nothing is allocated for a longer one.
pub(super) fn whole(root: &Path, file: &str, limit: u64) -> Result<Vec<u8>, LayoutError> {
    let path = root.join(file);
    let read = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => LayoutError::Missing {
            file: file.to_owned(),
        },
        _ => LayoutError::Read {
            path: path.clone(),
            source,
        },
    };
    let opened = File::open(&path).map_err(read)?;
    let bytes = opened.metadata().map_err(read)?.len();
    let too_large = |bytes| LayoutError::TooLarge {
        file: file.to_owned(),
        bytes,
        limit,
    };
    if bytes > limit {
        return Err(too_large(bytes));
    }
    let mut content = Vec::new();
    opened
        .take(limit + 1)
        .read_to_end(&mut content)
        .map_err(read)?;
    if content.len() as u64 > limit {
        return Err(too_large(content.len() as u64));
    }
    Ok(content)
}

/// Hears of one thing after the other, by number from 0.
pub(super) type Take<'a, E> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), E>;

/// Goes through the lines of a file, without their line feeds, with their numbers from 0.
pub(super) fn each_line<E: From<LayoutError>>(
    root: &Path,
    file: &str,
    take: Take<'_, E>,
) -> Result<(), E> {
    let path = root.join(file);
    let read = |source| LayoutError::Read {
        path: path.clone(),
        source,
    };
    let mut reader = BufReader::new(File::open(&path).map_err(read)?);
    let (mut line, mut n) = (Vec::new(), 0);
    loop {
        line.clear();
        let limited = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if limited.map_err(read)? == 0 {
            return Ok(());
        }
        if line.pop_if(|b| *b == b'\n').is_none() {
            let file = file.to_owned();
            let (line, limit) = (n + 1, MAX_LINE);
            return Err(LayoutError::Line { file, line, limit }.into());
        }
        take(n, &line)?;
        n += 1;
    }
}

/// What kind of bag a directory is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bundle with everything in it.
    Whole,
    /// A copy that withholds something.
    Redacted,
}

impl Kind {
    /// Files that the payload cannot do without.
    fn needed(self) -> Vec<String> {
        match self {
            Self::Whole => {
                let renderings = Rendering::ALL.map(Rendering::file);
                NEEDED
                    .into_iter()
                    .chain(renderings)
                    .map(str::to_owned)
                    .collect()
            }
            Self::Redacted => {
                let seal = [TAG_MANIFEST_FILE, SIGNATURE_FILE, COMMITMENTS_FILE];
                let sealed = seal.iter().map(|file| format!("{SEALED}/{file}"));
                let open = [REDACTION_FILE, piece::CASE, piece::BATTERY, piece::LOG];
                open.into_iter().map(str::to_owned).chain(sealed).collect()
            }
        }
    }

    /// Checks that a file may stand in the bag, and how much of it is read at most.
    fn place(self, file: &str) -> Option<u64> {
        let within = |directory: &str| file.strip_prefix(directory)?.strip_prefix('/');
        if self.needed().iter().any(|needed| needed == file) {
            return Some(MAX_WHOLE);
        }
        match self {
            Self::Whole => {
                if TAGGED.contains(&file) || UNTAGGED.contains(&file) || file == SECRET_FILE {
                    return Some(MAX_WHOLE);
                }
                if file == PLAN_STAMP_FILE {
                    return Some(MAX_SMALL);
                }
                if marks::is_place(file) {
                    return Some(MAX_WHOLE);
                }
                if let Some(rest) = within(RECORDINGS) {
                    let (_, name) = rest.split_once('/')?;
                    return match name {
                        HEADER_FILE => Some(MAX_WHOLE),
                        ANSWERS_FILE => Some(u64::MAX),
                        _ => None,
                    };
                }
                let rest = within(WEIGHTS)?;
                (!rest.contains('/') && rest.strip_suffix(".json").is_some()).then_some(MAX_WHOLE)
            }
            Self::Redacted => {
                let own = [BAGIT_FILE, INFO_FILE, MANIFEST_FILE, TAG_MANIFEST_FILE];
                if own.contains(&file) || within(SEALED) == Some(STAMP_REPLY_FILE) {
                    return Some(MAX_WHOLE);
                }
                let number = within(RECORDINGS)?.strip_suffix(".jsonl")?;
                number
                    .bytes()
                    .all(|b| b.is_ascii_digit())
                    .then_some(u64::MAX)
            }
        }
    }
}

fn foreign(file: &str) -> LayoutError {
    let file = file.to_owned();
    if Path::new(&file).extension().is_some_and(|e| e == "pdf") {
        LayoutError::Pdf { file }
    } else {
        LayoutError::Foreign { file }
    }
}

/// A bag of which everything was checked but the files' content.
pub(super) struct Layout {
    /// The payload as the manifest has it.
    pub(super) payload: Manifest,
    /// Length of every file.
    pub(super) files: BTreeMap<String, u64>,
    /// Bytes and files of payload as declared.
    declared: (u64, u64),
}

/// Checks names, places, lengths and lists.
pub(super) fn layout(root: &Path, kind: Kind) -> Result<Layout, LayoutError> {
    let (files, empty) = walk_all(root)?;
    if kind == Kind::Whole && files.keys().any(|file| file.starts_with(SEALED)) {
        return Err(LayoutError::Redacted { file: SEALED });
    }
    let own = [BAGIT_FILE, INFO_FILE, MANIFEST_FILE, TAG_MANIFEST_FILE].map(str::to_owned);
    for file in own.into_iter().chain(kind.needed()) {
        if !files.contains_key(&file) {
            return Err(LayoutError::Missing { file });
        }
    }
    for (file, bytes) in &files {
        let limit = kind.place(file).ok_or_else(|| foreign(file))?;
        if *bytes > limit {
            return Err(LayoutError::TooLarge {
                file: file.clone(),
                bytes: *bytes,
                limit,
            });
        }
    }
    if whole(root, BAGIT_FILE, MAX_WHOLE)? != BAGIT.as_bytes() {
        return Err(LayoutError::Declaration {
            file: BAGIT_FILE.to_owned(),
        });
    }
    let declared = information(root)?;
    // A hole in a file takes no room, and would be read to its end before its digest is known to be another one.
    let outgrown =
        |(file, bytes): &(&String, &u64)| file.starts_with("data/") && **bytes > declared.0;
    if let Some((file, bytes)) = files.iter().find(outgrown) {
        return Err(LayoutError::Outgrown {
            file: file.clone(),
            bytes: *bytes,
            declared: declared.0,
        });
    }
    let payload = manifest(root, MANIFEST_FILE)?;
    let tags = manifest(root, TAG_MANIFEST_FILE)?;
    let below_data = |file: &&String| file.starts_with("data/");
    agree(MANIFEST_FILE, &payload, files.keys().filter(below_data))?;
    let tagged = |file: &&String| TAGGED.contains(&file.as_str());
    agree(TAG_MANIFEST_FILE, &tags, files.keys().filter(tagged))?;
    if let Some(file) = empty {
        return Err(LayoutError::Empty { file });
    }
    Ok(Layout {
        payload,
        files,
        declared,
    })
}

/// Listed and found are the same files.
fn agree<'a>(
    manifest: &str,
    listed: &Manifest,
    found: impl Iterator<Item = &'a String>,
) -> Result<(), LayoutError> {
    let found: BTreeSet<&String> = found.collect();
    let manifest = || manifest.to_owned();
    if let Some(file) = found.iter().find(|file| !listed.contains_key(**file)) {
        return Err(LayoutError::Unlisted {
            manifest: manifest(),
            file: (*file).clone(),
        });
    }
    match listed.keys().find(|file| !found.contains(file)) {
        None => Ok(()),
        Some(file) => Err(LayoutError::Listed {
            manifest: manifest(),
            file: file.clone(),
        }),
    }
}

/// The text of `bag-info.txt`.
fn render_information(
    case: &str,
    tool: &str,
    (bytes, files): (u64, u64),
    blinding: Option<&str>,
) -> String {
    let blinding = blinding.map(|blinding| format!("{BLINDING}: {blinding}\n"));
    format!(
        "Bag-Software-Agent: parentage {tool}\nExternal-Identifier: {case}\nPayload-Oxum: {bytes}.{files}\nParentage-Bundle-Format: {FORMAT}\n{}",
        blinding.unwrap_or_default()
    )
}

/// What keeps the information from being guessed by its digest, which the seal has.
const BLINDING: &str = "Parentage-Blinding";

/// Bytes and files below `data/`.
fn payload_size(files: &BTreeMap<String, u64>) -> (u64, u64) {
    let payload = files.iter().filter(|(file, _)| file.starts_with("data/"));
    payload.fold((0, 0), |(bytes, count), (_, length)| {
        (bytes.saturating_add(*length), count + 1)
    })
}

/// Checks the bag's information; the bytes and files of payload that it declares.
fn information(root: &Path) -> Result<(u64, u64), LayoutError> {
    let file = || INFO_FILE.to_owned();
    let bytes = whole(root, INFO_FILE, 1 << 16)?;
    let text = String::from_utf8(bytes).map_err(|_| LayoutError::Information { file: file() })?;
    let field = |name: &str| {
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.ok_or_else(|| LayoutError::Information { file: file() })
    };
    let number = |text: &str| {
        let number = text.parse::<u64>();
        number.map_err(|_| LayoutError::Information { file: file() })
    };
    let found = number(field("Parentage-Bundle-Format")?)?;
    if found != u64::from(FORMAT) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(LayoutError::Format {
            file: file(),
            found,
        });
    }
    let oxum = field("Payload-Oxum")?.split_once('.');
    let (declared, declared_files) =
        oxum.ok_or_else(|| LayoutError::Information { file: file() })?;
    let (declared, declared_files) = (number(declared)?, number(declared_files)?);
    let agent = field("Bag-Software-Agent")?;
    let tool = agent.strip_prefix("parentage ");
    let tool = tool.ok_or_else(|| LayoutError::Information { file: file() })?;
    let case = field("External-Identifier")?;
    let blinding = field(BLINDING).ok().filter(|text| bytes_of(text).is_some());
    let declared = (declared, declared_files);
    if text != render_information(case, tool, declared, blinding) || !is_plain_name(case) {
        return Err(LayoutError::Information { file: file() });
    }
    Ok(declared)
}

/// Holds the lengths declared against the files. Comes behind the digests, which name the file that was
/// cut or grew.
pub(super) fn oxum(layout: &Layout) -> Result<(), DigestError> {
    let (declared, declared_files) = layout.declared;
    let (bytes, files) = payload_size(&layout.files);
    if (bytes, files) == layout.declared {
        return Ok(());
    }
    Err(DigestError::Oxum {
        file: INFO_FILE.to_owned(),
        declared,
        declared_files,
        bytes,
        files,
    })
}

/// Reads a manifest: lines of a digest, two spaces and a path, in the order of paths.
pub(super) fn manifest(root: &Path, file: &str) -> Result<Manifest, LayoutError> {
    let bytes = whole(root, file, MAX_WHOLE)?;
    let line_error = |line| LayoutError::ManifestLine {
        file: file.to_owned(),
        line,
    };
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        line_error(before.split(|b| *b == b'\n').count())
    })?;
    let mut manifest = Manifest::new();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let number = i + 1;
        let parts = line.strip_suffix('\n').and_then(|l| l.split_once("  "));
        let (digest, path) = parts.ok_or_else(|| line_error(number))?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if digest.len() != 64 || !digest.bytes().all(is_hex) {
            return Err(line_error(number));
        }
        let inside = path.split('/').all(is_plain_name);
        if !inside {
            return Err(LayoutError::ManifestPath {
                file: file.to_owned(),
                line: number,
                path: shown_path(path),
            });
        }
        if manifest
            .last_key_value()
            .is_some_and(|(last, _)| last.as_str() >= path)
        {
            return Err(LayoutError::ManifestOrder {
                file: file.to_owned(),
                line: number,
            });
        }
        if manifest.len() >= MAX_FILES {
            return Err(LayoutError::Files);
        }
        manifest.insert(path.to_owned(), digest.to_owned());
    }
    Ok(manifest)
}

/// A path from outside, fit to be printed.
fn shown_path(path: &str) -> String {
    let cut: String = path.chars().take(200).collect();
    visible_line(&cut)
}

fn render(manifest: &Manifest) -> String {
    let lines = manifest
        .iter()
        .map(|(path, digest)| [digest, "  ", path, "\n"].concat());
    lines.collect()
}

/// Writes the bag's own files for the payload as it lies there, and gives the payload's manifest. A seal
/// that is there stays, and no longer fits if anything changed.
///
/// # Errors
///
/// When the directory holds what no bundle may hold, or cannot be read or written.
pub fn write_manifests(root: &Path, case: &str) -> Result<(), LayoutError> {
    let files = walk(root)?;
    let mut payload = Manifest::new();
    for file in files.keys().filter(|f| f.starts_with("data/")) {
        let digest = digest::of_file(&root.join(file)).map_err(|source| LayoutError::Read {
            path: root.join(file),
            source,
        })?;
        payload.insert(file.clone(), digest.0);
    }
    write_bag(root, case, &payload, &files)
}

/// The same with digests that are known already.
pub(super) fn write_bag(
    root: &Path,
    case: &str,
    payload: &Manifest,
    files: &BTreeMap<String, u64>,
) -> Result<(), LayoutError> {
    let blinding = Secret::read(root)?.map(|secret| secret.blinding());
    let size = payload_size(files);
    let info = render_information(case, env!("CARGO_PKG_VERSION"), size, blinding.as_deref());
    put(root, BAGIT_FILE, BAGIT.as_bytes())?;
    put(root, INFO_FILE, info.as_bytes())?;
    put(root, MANIFEST_FILE, render(payload).as_bytes())?;
    write_tag_manifest(root)
}

/// Lists the tag files that are there.
pub(super) fn write_tag_manifest(root: &Path) -> Result<(), LayoutError> {
    let mut tags = Manifest::new();
    for file in TAGGED {
        if root.join(file).exists() {
            let bytes = whole(root, file, form::MAX_WHOLE)?;
            tags.insert(file.to_owned(), digest::of_bytes(&bytes));
        }
    }
    put(root, TAG_MANIFEST_FILE, render(&tags).as_bytes())
}

/// Removes the parts of files that a run which was killed had begun to write: no bundle may hold them.
pub(super) fn sweep(root: &Path) -> Result<(), LayoutError> {
    let files = walk(root)?;
    for file in files.keys().filter(|file| file.ends_with(".partial")) {
        let path = root.join(file);
        fs::remove_file(&path).map_err(|source| LayoutError::Write { path, source })?;
    }
    Ok(())
}

/// Writes a file of the bundle whole or not at all; one that has these bytes already is left alone.
pub(super) fn put(root: &Path, file: &str, bytes: &[u8]) -> Result<(), LayoutError> {
    let path = root.join(file);
    if fs::read(&path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    // Beside the bundle's own files for a moment only; the walk would refuse what stays.
    let partial = path.with_extension("partial");
    let written = fs::create_dir_all(path.parent().unwrap_or(root))
        .and_then(|()| fs::write(&partial, bytes))
        .and_then(|()| File::open(&partial)?.sync_data())
        .and_then(|()| fs::rename(&partial, &path));
    if written.is_err() {
        // What a full disk cut off; what cannot be removed is swept away by the next run.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(|source| LayoutError::Write { path, source })
}
