//! The header of a GGUF file, checked before llama.cpp reads the file.
//!
//! A header is anybody's work. Every length is held against what is left of the file before anything is allocated, names
//! are unique and short, shapes times format give a size that lies within the file, and nothing else is passed on. What
//! llama.cpp makes of values that are well formed and wrong (a head of zero values, say) is for [`super::trial`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Value;

use super::formats::Format;
use crate::model::local::error::LocalError;
use crate::model::local::foreign;

/// More entries than any file has: the largest published ones have some two thousand tensors.
const MAX_ENTRIES: u64 = 1 << 17;
/// Bytes of strings and arrays of a header: vocabularies of a million tokens take a tenth.
const MAX_METADATA: u64 = 512 << 20;
/// Names as long as this do not fit ggml's own field.
const MAX_NAME: usize = 63;

/// A tensor, as far as the header says.
struct Tensor {
    name: String,
    /// The row's length first, as in the file.
    shape: Vec<u64>,
    format: Format,
}

/// The headers of the files of one model.
#[derive(Debug)]
pub(in crate::model::local) struct Gguf {
    files: Vec<PathBuf>,
    metadata: HashMap<String, Value>,
    formats: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Vec<u64>>,
    bytes: u64,
}

impl Gguf {
    /// Reads the headers of a file and of the other parts of its model.
    pub(in crate::model::local) fn open(path: &Path) -> Result<Self, LocalError> {
        let files = foreign::gguf_parts(path)?;
        let mut gguf = Self {
            files: files.clone(),
            metadata: HashMap::new(),
            formats: BTreeMap::new(),
            shapes: BTreeMap::new(),
            bytes: 0,
        };
        for (number, file) in files.iter().enumerate() {
            let (metadata, tensors, bytes) = read(file)?;
            if number == 0 {
                gguf.metadata = metadata;
            }
            gguf.bytes = gguf.bytes.saturating_add(bytes);
            for tensor in tensors {
                let format = tensor.format.name.to_owned();
                *gguf.formats.entry(format).or_insert(0) += 1;
                let name = tensor.name.clone();
                if gguf.shapes.insert(tensor.name, tensor.shape).is_some() {
                    let what = format!("tensor '{name}' lies in another part as well");
                    return Err(damaged(file, what));
                }
            }
        }
        if let Some(count) = gguf.count("split.count")
            && count > 1
            && count != files.len()
        {
            let what = format!("it says that it is one of {count} files, and its name does not");
            return Err(damaged(path, what));
        }
        Ok(gguf)
    }

    /// The files, in order.
    pub(in crate::model::local) fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    /// What the model says of itself.
    pub(in crate::model::local) fn metadata(&self) -> &HashMap<String, Value> {
        &self.metadata
    }

    /// How many stored tensors there are of each number format.
    pub(in crate::model::local) fn formats(&self) -> BTreeMap<String, usize> {
        self.formats.clone()
    }

    /// The bytes of the files.
    pub(in crate::model::local) fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// How many parameters the model has.
    pub(in crate::model::local) fn parameters(&self) -> u64 {
        let count = |shape: &Vec<u64>| {
            shape
                .iter()
                .fold(1, |all: u64, side| all.saturating_mul(*side))
        };
        self.shapes.values().map(count).fold(0, u64::saturating_add)
    }

    /// The name of the architecture.
    pub(in crate::model::local) fn architecture(&self) -> Result<&str, LocalError> {
        match self.metadata.get("general.architecture") {
            Some(Value::String(name)) => Ok(name),
            _ => Err(LocalError::Config {
                what: "'general.architecture' is missing from the metadata".to_owned(),
            }),
        }
    }

    /// Rows of the embedding matrix.
    pub(in crate::model::local) fn rows(&self) -> Result<usize, LocalError> {
        let name = "token_embd.weight";
        let rows = self.shapes.get(name).and_then(|shape| shape.get(1));
        rows.and_then(|rows| usize::try_from(*rows).ok())
            .ok_or_else(|| LocalError::MissingTensor {
                name: name.to_owned(),
            })
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.shapes.keys().any(|name| name.contains(part))
    }

    /// A count of the architecture's own settings; the largest where there is one for every layer.
    pub(super) fn setting(&self, key: &str) -> Option<usize> {
        self.count(&format!("{}.{key}", self.architecture().ok()?))
    }

    fn count(&self, key: &str) -> Option<usize> {
        match self.metadata.get(key)? {
            Value::Array(values) => values.iter().filter_map(count_of).max(),
            value => count_of(value),
        }
    }
}

fn count_of(value: &Value) -> Option<usize> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::U16(n) => Some(n.into()),
        Value::U32(n) => usize::try_from(n).ok(),
        Value::U64(n) => usize::try_from(n).ok(),
        Value::I32(n) => usize::try_from(n).ok(),
        Value::I64(n) => usize::try_from(n).ok(),
        _ => None,
    }
}

fn damaged(path: &Path, what: impl Into<String>) -> LocalError {
    LocalError::Header {
        path: path.to_owned(),
        what: what.into(),
    }
}

type Contents = (HashMap<String, Value>, Vec<Tensor>, u64);

fn read(path: &Path) -> Result<Contents, LocalError> {
    let failed = |source| LocalError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut header = Header {
        path,
        reader: BufReader::new(file),
        at: 0,
        bytes,
        held: 0,
    };
    if header.take::<4>()? != *b"GGUF" {
        return Err(damaged(path, "it does not begin with 'GGUF'"));
    }
    let version = header.u32()?;
    if !(2..=3).contains(&version) {
        let what = format!("version {version} of GGUF is not read, only 2 and 3 are");
        return Err(damaged(path, what));
    }
    let (tensors, entries) = (header.u64()?, header.u64()?);
    if tensors > MAX_ENTRIES || entries > MAX_ENTRIES {
        let what = format!("it holds {tensors} tensors and {entries} settings");
        return Err(damaged(path, what));
    }
    let metadata = header.metadata(entries)?;
    let tensors = header.tensors(tensors, &metadata)?;
    Ok((metadata, tensors, bytes))
}

/// A header that is being read.
struct Header<'p> {
    path: &'p Path,
    reader: BufReader<File>,
    /// Where the next byte lies.
    at: u64,
    /// The length of the file.
    bytes: u64,
    /// Bytes of strings and arrays so far.
    held: u64,
}

impl Header<'_> {
    fn metadata(&mut self, entries: u64) -> Result<HashMap<String, Value>, LocalError> {
        let mut metadata = HashMap::new();
        for _ in 0..entries {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = self.value(kind, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(damaged(self.path, format!("'{key}' is there twice")));
            }
        }
        Ok(metadata)
    }

    fn tensors(
        &mut self,
        count: u64,
        metadata: &HashMap<String, Value>,
    ) -> Result<Vec<Tensor>, LocalError> {
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(Value::U32(n)) if n.is_power_of_two() && (8..=65_536).contains(n) => u64::from(*n),
            Some(_) => return Err(damaged(self.path, "'general.alignment' is not usable")),
        };
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..count {
            let name = self.text()?;
            if name.is_empty() || name.len() > MAX_NAME || !names.insert(name.clone()) {
                let what = format!("'{name}' is no name of one tensor");
                return Err(damaged(self.path, what));
            }
            let (tensor, offset, size) = self.tensor(name)?;
            let end = offset
                .checked_add(size)
                .filter(|_| offset.is_multiple_of(alignment));
            let Some(end) = end else {
                let what = format!("tensor '{}' lies at {offset}", tensor.name);
                return Err(damaged(self.path, what));
            };
            ends.push(end);
            tensors.push(tensor);
        }
        let data = self.at.next_multiple_of(alignment);
        let beyond = |end: &u64| data.checked_add(*end).is_none_or(|end| end > self.bytes);
        if let Some(place) = ends.iter().position(beyond) {
            let what = format!(
                "tensor '{}' does not fit the file (truncated download?)",
                tensors[place].name
            );
            return Err(damaged(self.path, what));
        }
        Ok(tensors)
    }

    /// A tensor with its offset and its size.
    fn tensor(&mut self, name: String) -> Result<(Tensor, u64, u64), LocalError> {
        let dimensions = self.u32()?;
        if !(1..=4).contains(&dimensions) {
            let what = format!("tensor '{name}' has {dimensions} dimensions");
            return Err(damaged(self.path, what));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(self.u64()?);
        }
        let number = self.u32()?;
        let offset = self.u64()?;
        let format = Format::numbered(number).ok_or_else(|| LocalError::Format {
            path: self.path.to_owned(),
            format: format!("number {number} of GGUF"),
        })?;
        let rows = shape[1..]
            .iter()
            .try_fold(1u64, |all, n| all.checked_mul(*n));
        let size = rows.and_then(|rows| format.size(shape[0], rows));
        // ggml counts in signed numbers.
        let fits = shape.iter().all(|n| (1..=1 << 40).contains(n));
        let Some(size) = size.filter(|_| fits) else {
            let what = format!("tensor '{name}' has shape {shape:?} in {}", format.name);
            return Err(damaged(self.path, what));
        };
        let tensor = Tensor {
            name,
            shape,
            format,
        };
        Ok((tensor, offset, size))
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<Value, LocalError> {
        if kind != 9 {
            return self.single(kind, key);
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            _ => return Err(damaged(self.path, format!("'{key}' has no known type"))),
        };
        self.check_left(count.saturating_mul(least))?;
        // A value here takes more memory than in the file.
        self.hold(count.saturating_mul(32))?;
        let mut values = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for _ in 0..count {
            values.push(self.single(kind, key)?);
        }
        Ok(Value::Array(values))
    }

    fn single(&mut self, kind: u32, key: &str) -> Result<Value, LocalError> {
        Ok(match kind {
            0 => Value::U8(self.take::<1>()?[0]),
            1 => Value::I8(i8::from_le_bytes(self.take()?)),
            2 => Value::U16(u16::from_le_bytes(self.take()?)),
            3 => Value::I16(i16::from_le_bytes(self.take()?)),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(i32::from_le_bytes(self.take()?)),
            6 => Value::F32(f32::from_le_bytes(self.take()?)),
            7 => match self.take::<1>()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [_] => return Err(damaged(self.path, format!("'{key}' is neither yes nor no"))),
            },
            8 => Value::String(self.text()?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.take()?)),
            12 => Value::F64(f64::from_le_bytes(self.take()?)),
            _ => return Err(damaged(self.path, format!("'{key}' has no known type"))),
        })
    }

    fn text(&mut self) -> Result<String, LocalError> {
        let length = self.u64()?;
        self.check_left(length)?;
        self.hold(length)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.fill(&mut bytes)?;
        // Tokens of some vocabularies are no UTF-8; their ids are what counts.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn u32(&mut self) -> Result<u32, LocalError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn u64(&mut self) -> Result<u64, LocalError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], LocalError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), LocalError> {
        self.check_left(bytes.len() as u64)?;
        self.reader
            .read_exact(bytes)
            .map_err(|source| LocalError::Read {
                path: self.path.to_owned(),
                source,
            })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn check_left(&self, bytes: u64) -> Result<(), LocalError> {
        if bytes <= self.bytes.saturating_sub(self.at) {
            return Ok(());
        }
        Err(damaged(self.path, "it ends within its header"))
    }

    fn hold(&mut self, bytes: u64) -> Result<(), LocalError> {
        self.held = self.held.saturating_add(bytes);
        if self.held <= MAX_METADATA {
            return Ok(());
        }
        let what = format!("its header holds more than {MAX_METADATA} bytes");
        Err(damaged(self.path, what))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LLAMA: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/llamacpp/llama.gguf"
    );

    type Change = &'static dyn Fn(&mut Vec<u8>);

    /// What a file that was changed in place is called.
    fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = fs::read(LLAMA).unwrap();
        change(&mut bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        fs::write(&path, bytes).unwrap();
        Gguf::open(&path).unwrap_err().to_string()
    }

    fn put(bytes: &mut [u8], at: usize, number: u64) {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }

    fn find(bytes: &[u8], text: &str) -> usize {
        let found = bytes.windows(text.len()).position(|w| w == text.as_bytes());
        found.unwrap() + text.len()
    }

    #[test]
    fn a_sound_file_is_described() {
        let gguf = Gguf::open(Path::new(LLAMA)).unwrap();
        assert_eq!(gguf.architecture().unwrap(), "llama");
        assert_eq!(gguf.rows().unwrap(), 265);
        assert_eq!(gguf.setting("block_count"), Some(2));
        assert_eq!(gguf.formats().keys().collect::<Vec<_>>(), ["F32"]);
    }

    #[test]
    fn every_length_is_held_against_the_file() {
        let cases: [(&str, Change); 8] = [
            ("does not begin", &|b| b[0] = b'X'),
            ("version 9", &|b| b[4] = 9),
            ("tensors and", &|b| put(b, 8, 1 << 40)),
            ("tensors and", &|b| put(b, 16, 1 << 40)),
            ("ends within", &|b| put(b, 24, 1 << 40)),
            ("ends within", &|b| b.truncate(60)),
            ("does not fit", &|b| b.truncate(b.len() - 4096)),
            ("has shape", &|b| {
                let at = find(b, "token_embd.weight");
                put(b, at + 4, u64::MAX);
            }),
        ];
        for (expected, change) in cases {
            let found = refused(change);
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn an_array_is_no_longer_than_the_file() {
        let found = refused(|bytes| {
            let at = find(bytes, "tokenizer.ggml.tokens");
            // Type, type of the elements, then how many.
            put(bytes, at + 8, 1 << 50);
        });
        assert!(found.contains("ends within"), "{found}");
    }

    #[test]
    fn names_of_tensors_are_unique() {
        let found = refused(|bytes| {
            let at = find(bytes, "blk.1.attn_norm.weight");
            bytes[at - 18] = b'0';
        });
        assert!(found.contains("no name of one tensor"), "{found}");
    }
}
