//! Reading a recording back, with its chain checked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::{
    ANSWERS_FILE, Dates, Entry, EvidenceError, FORMAT, HEADER_FILE, Header, Owned, Recording, Texts,
};
use crate::digest;

/// A header beyond this size is not one.
const MAX_HEADER: u64 = 16 << 20;
/// A line beyond this size is not an answer.
const MAX_LINE: u64 = 64 << 20;

/// Whether a directory holds a recording.
pub fn is_recording(directory: &Path) -> bool {
    directory.join(HEADER_FILE).is_file()
}

/// Reads a recording and checks its chain, and that no question has two answers. A torn last line is left out.
///
/// # Errors
///
/// When a file cannot be read, a line is damaged, the chain is broken, or a question has two answers.
pub fn read(directory: &Path) -> Result<Recording, EvidenceError> {
    let (header, mark) = read_header(directory)?;
    let mut entries = Vec::new();
    let scan = scan::<Owned>(directory, &mark, &mut |entry| entries.push(entry))?;
    once(&entries, directory)?;
    Ok(Recording {
        header,
        dates: Dates::of(&entries),
        entries,
        head: scan.head,
    })
}

/// Refuses a second answer to a question, where it is another one: findings would rest on either. The same answer again
/// says nothing new.
fn once(entries: &[Entry], directory: &Path) -> Result<(), EvidenceError> {
    let mut seen: HashMap<u128, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let first = *seen.entry(digest::key(&entry.question)).or_insert(entry);
        if !first.response.says_the_same(&entry.response) {
            return Err(EvidenceError::Twice {
                path: directory.join(ANSWERS_FILE),
                line: entry.n + 1,
                first: first.n + 1,
                probe: entry.question.probe.chars().take(200).collect(),
            });
        }
    }
    Ok(())
}

/// What a recording says of itself; no answer is looked at.
///
/// # Errors
///
/// When it cannot be read.
pub fn header(directory: &Path) -> Result<Header, EvidenceError> {
    Ok(read_header(directory)?.0)
}

/// The header, and its digest: the start of the chain.
pub(super) fn read_header(directory: &Path) -> Result<(Header, String), EvidenceError> {
    let path = directory.join(HEADER_FILE);
    let mut bytes = Vec::new();
    open(&path)
        .and_then(|f| f.take(MAX_HEADER).read_to_end(&mut bytes))
        .map_err(|source| EvidenceError::Read {
            path: path.clone(),
            source,
        })?;
    parse_header(directory, &bytes)
}

/// A header from the bytes of its file, and their digest.
pub(crate) fn parse_header(
    directory: &Path,
    bytes: &[u8],
) -> Result<(Header, String), EvidenceError> {
    let header: Header = serde_json::from_slice(bytes).map_err(|source| EvidenceError::Header {
        path: directory.join(HEADER_FILE),
        source,
    })?;
    if header.format != FORMAT {
        return Err(EvidenceError::Format {
            path: directory.to_owned(),
            found: header.format,
        });
    }
    Ok((header, digest::of_bytes(bytes)))
}

/// Where a scan of the answers ended.
pub(crate) struct Scan {
    /// Digest of the last whole line, or of the header.
    pub(crate) head: String,
    /// Whole lines.
    pub(crate) lines: u64,
    /// Length of the whole lines in bytes.
    pub(crate) bytes: u64,
}

/// Goes through the whole lines and checks the chain.
pub(super) fn scan<T: Texts>(
    directory: &Path,
    mark: &str,
    take: &mut dyn FnMut(Entry<T::Text<'_>>),
) -> Result<Scan, EvidenceError> {
    let path = directory.join(ANSWERS_FILE);
    match open(&path) {
        Ok(file) => scan_lines::<T>(&mut BufReader::new(file), &path, mark, take),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Scan {
            head: mark.to_owned(),
            lines: 0,
            bytes: 0,
        }),
        Err(source) => Err(EvidenceError::Read { path, source }),
    }
}

/// The same over anything that reads; `path` is for messages.
pub(crate) fn scan_lines<T: Texts>(
    reader: &mut impl BufRead,
    path: &Path,
    mark: &str,
    take: &mut dyn FnMut(Entry<T::Text<'_>>),
) -> Result<Scan, EvidenceError> {
    let mut scan = Scan {
        head: mark.to_owned(),
        lines: 0,
        bytes: 0,
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|source| EvidenceError::Read {
                path: path.to_owned(),
                source,
            })? as u64;
        let damaged = |what: String| EvidenceError::Line {
            path: path.to_owned(),
            line: scan.lines + 1,
            what,
        };
        if line.pop_if(|b| *b == b'\n').is_none() {
            if read == MAX_LINE {
                return Err(damaged("it is longer than 64 MiB".to_owned()));
            }
            return Ok(scan);
        }
        let entry: Entry<T::Text<'_>> = entry(&line).map_err(damaged)?;
        if entry.n != scan.lines {
            return Err(damaged(format!("it is numbered {}", entry.n)));
        }
        if entry.previous.as_ref() != scan.head {
            return Err(damaged("the chain is broken before it".to_owned()));
        }
        scan.head = digest::of_bytes(&line);
        scan.lines += 1;
        scan.bytes += read;
        take(entry);
    }
}

/// An answer from its line, or what is wrong with it. That it is UTF-8 is looked at once for the whole line:
/// text by text took a third of the time.
fn entry<'a, S: Deserialize<'a>>(line: &'a [u8]) -> Result<Entry<S>, String> {
    let text = std::str::from_utf8(line).map_err(|e| e.to_string())?;
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// The whole lines of a recording one by one, as they stand: the chain is not checked. `None` if
/// nothing was answered yet.
pub(crate) fn entries(
    directory: &Path,
) -> Result<impl Iterator<Item = Result<Entry, EvidenceError>> + use<>, EvidenceError> {
    let path = directory.join(ANSWERS_FILE);
    let mut reader = match open(&path) {
        Ok(file) => Some(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(EvidenceError::Read { path, source }),
    };
    let (mut buffer, mut line) = (Vec::new(), 0);
    let mut next = move || -> Option<Result<Entry, EvidenceError>> {
        buffer.clear();
        let read = reader
            .as_mut()?
            .take(MAX_LINE)
            .read_until(b'\n', &mut buffer);
        if let Err(source) = read {
            let path = path.clone();
            return Some(Err(EvidenceError::Read { path, source }));
        }
        // The last line may be in the middle of being written.
        buffer.pop_if(|b| *b == b'\n')?;
        line += 1;
        Some(entry(&buffer).map_err(|what| EvidenceError::Line {
            path: path.clone(),
            line,
            what,
        }))
    };
    // Behind an error nothing more is to be had.
    let mut ended = false;
    Ok(std::iter::from_fn(move || {
        let item = if ended { None } else { next() };
        ended = !matches!(item, Some(Ok(_)));
        item
    }))
}

/// Opens a file, and nothing that would have to be waited for or has no end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    is_file(path)?;
    File::open(path)
}

/// Refuses what is there and is no ordinary file: to open a named pipe is to wait for a writer.
pub(super) fn is_file(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::other("it is no ordinary file"))
}

/// Where a recording stands, without its content: whole lines, their bytes, and the head. Cheap beside
/// [`read`], and no check of anything.
pub(crate) fn glance(directory: &Path) -> Result<Option<Scan>, EvidenceError> {
    if !is_recording(directory) {
        return Ok(None);
    }
    let (_, mark) = read_header(directory)?;
    let path = directory.join(ANSWERS_FILE);
    let failed = |source| EvidenceError::Read {
        path: path.clone(),
        source,
    };
    let mut scan = Scan {
        head: mark,
        lines: 0,
        bytes: 0,
    };
    let file = match open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(scan)),
        Err(source) => return Err(failed(source)),
    };
    let (mut reader, mut line, mut last) = (BufReader::new(file), Vec::new(), Vec::new());
    loop {
        line.clear();
        let limited = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let read = limited.map_err(failed)? as u64;
        if line.pop_if(|b| *b == b'\n').is_none() {
            if scan.lines > 0 {
                scan.head = digest::of_bytes(&last);
            }
            return Ok(Some(scan));
        }
        scan.lines += 1;
        scan.bytes += read;
        std::mem::swap(&mut line, &mut last);
    }
}
