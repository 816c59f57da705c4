//! Weights on disk: safetensors or GGUF, in one file or several, read one tensor at a time.
//!
//! Headers are checked before anything is allocated, shapes against what the configuration asks for, and
//! every value for being finite. The SHA-256 of each file is taken from the bytes on disk. Matrices stay as
//! they are stored: files are read and not mapped, because a mapped file that somebody cuts short ends the
//! process, and one that somebody changes is no longer the one whose digest was taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::error::{LocalError, Step, without_backtrace};
use super::foreign;
use super::matrix::{Matrix, bytes_of};
use super::widen;

/// The largest safetensors header that is read, as in the reference implementation.
const MAX_HEADER: u64 = 100_000_000;
/// An index of shards beyond this size is not one.
const MAX_INDEX: u64 = 64 << 20;

/// The weight files of one model.
pub(crate) enum Weights {
    /// Safetensors, one or several files.
    Safetensors(Shards),
    /// GGUF, one file or several.
    Gguf(Gguf),
}

/// Where each tensor of a safetensors checkpoint lies.
pub(crate) struct Shards {
    tensors: BTreeMap<String, Located>,
    files: Vec<PathBuf>,
}

struct Located {
    file: usize,
    info: TensorInfo,
    /// Where the tensor data of the file begin.
    data: u64,
}

/// GGUF files with their headers read.
pub(crate) struct Gguf {
    parts: Vec<Part>,
    /// Which part holds a tensor.
    places: BTreeMap<String, usize>,
}

struct Part {
    content: gguf_file::Content,
    path: PathBuf,
    /// The length of the file.
    bytes: u64,
}

/// Where a tensor lies, and in which format.
struct Place<'a> {
    path: &'a Path,
    start: u64,
    format: Format,
    /// The length of the file.
    end: u64,
}

/// How numbers are stored.
#[derive(Clone, Copy)]
enum Format {
    Kept(GgmlDType),
    /// Doubles are rounded to f32 when they are read.
    F64,
}

fn read_error(path: &Path) -> impl FnOnce(std::io::Error) -> LocalError + '_ {
    move |source| LocalError::Read {
        path: path.to_owned(),
        source,
    }
}

fn damaged(path: &Path, what: impl Into<String>) -> LocalError {
    LocalError::Header {
        path: path.to_owned(),
        what: what.into(),
    }
}

impl Weights {
    /// Opens a GGUF file, with the other parts of a model that was cut into several.
    pub(crate) fn open_gguf(path: &Path) -> Result<Self, LocalError> {
        let parts = foreign::gguf_parts(path)?
            .into_iter()
            .map(Part::open)
            .collect::<Result<Vec<_>, _>>()?;
        let mut places = BTreeMap::new();
        for (number, part) in parts.iter().enumerate() {
            for name in part.content.tensor_infos.keys() {
                if places.insert(name.clone(), number).is_some() {
                    let what = format!("tensor '{name}' lies in another part as well");
                    return Err(damaged(&part.path, what));
                }
            }
        }
        let gguf = Gguf { parts, places };
        gguf.check_count(path)?;
        Ok(Self::Gguf(gguf))
    }

    /// Opens the safetensors files of a Hugging Face directory.
    pub(crate) fn open_directory(directory: &Path) -> Result<Self, LocalError> {
        let single = directory.join("model.safetensors");
        let index = directory.join("model.safetensors.index.json");
        // A single file wins, as in transformers.
        let files = if single.is_file() {
            vec![single]
        } else if index.is_file() {
            shard_names(&index)?
                .into_iter()
                .map(|name| directory.join(name))
                .collect()
        } else {
            return Err(LocalError::NotAModel {
                path: directory.to_owned(),
            });
        };
        let mut tensors = BTreeMap::new();
        for (file, path) in files.iter().enumerate() {
            for (name, info, data) in header(path)? {
                if tensors.contains_key(&name) {
                    let what = format!("tensor '{name}' lies in another shard as well");
                    return Err(damaged(path, what));
                }
                tensors.insert(name, Located { file, info, data });
            }
        }
        Ok(Self::Safetensors(Shards { tensors, files }))
    }

    /// The files, in a fixed order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Safetensors(shards) => shards.files.clone(),
            Self::Gguf(gguf) => gguf.parts.iter().map(|part| part.path.clone()).collect(),
        }
    }

    /// The bytes of these files; what cannot be read counts nothing.
    pub(crate) fn bytes(&self) -> usize {
        let size = |file: &PathBuf| file.metadata().map_or(0, |m| m.len());
        let all = self.files().iter().map(size).fold(0, u64::saturating_add);
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Safetensors(shards) => Box::new(shards.tensors.keys().map(String::as_str)),
            Self::Gguf(gguf) => Box::new(gguf.places.keys().map(String::as_str)),
        }
    }

    /// The shape of a tensor, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        match self {
            Self::Safetensors(shards) => shards.tensors.get(name).map(|t| t.info.shape.clone()),
            Self::Gguf(gguf) => gguf.info(name).map(|t| t.shape.dims().to_vec()),
        }
    }

    /// How many stored tensors there are of each number format, by name.
    pub(crate) fn formats(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let names: Vec<String> = match self {
            Self::Safetensors(shards) => {
                let formats = shards.tensors.values();
                formats.map(|t| format!("{:?}", t.info.dtype)).collect()
            }
            Self::Gguf(gguf) => {
                let formats = gguf.places.keys().filter_map(|name| gguf.info(name));
                formats.map(|t| format!("{:?}", t.ggml_dtype)).collect()
            }
        };
        for name in names {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    }

    /// Reads a tensor of the given shape as f32 on the device: norms, biases and the like, which are small.
    pub(crate) fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        device: &Device,
    ) -> Result<Tensor, LocalError> {
        let matrix = self.matrix(name, shape)?;
        Tensor::from_vec(matrix.values(0..matrix.rows()), shape, device)
            .step("move a tensor to the device")
    }

    /// Reads a tensor of the given shape as it is stored; its last dimension are the columns.
    pub(super) fn matrix(&self, name: &str, shape: &[usize]) -> Result<Matrix, LocalError> {
        self.expect_shape(name, shape)?;
        self.read(name, shape, 0)
    }

    /// Reads one of the matrices that lie behind one another in a tensor of three dimensions.
    pub(super) fn matrix_within(
        &self,
        name: &str,
        shape: [usize; 3],
        number: usize,
    ) -> Result<Matrix, LocalError> {
        self.expect_shape(name, &shape)?;
        self.read(name, &shape[1..], number)
    }

    /// Reads one of the parts of a shape that lie behind one another in a tensor.
    fn read(&self, name: &str, shape: &[usize], number: usize) -> Result<Matrix, LocalError> {
        let place = self.place(name)?;
        let (rows, columns) = match shape {
            [] => (Some(1), 1),
            [rows @ .., columns] => {
                let product = |all: usize, n: &usize| all.checked_mul(*n);
                (rows.iter().try_fold(1, product), *columns)
            }
        };
        let fits = |rows: usize| {
            let size = place.format.bytes_of(rows, columns)?;
            let before = (size as u64).checked_mul(number as u64)?;
            let start = place.start.checked_add(before)?;
            (size as u64 <= place.end.checked_sub(start)?).then_some((start, size))
        };
        let (Some(rows), Some((start, size))) = (rows, rows.and_then(fits)) else {
            let format = place.format.name();
            let what = match place.format.bytes_of(1, columns) {
                None => format!("rows of {columns} values, which are no whole blocks of {format}"),
                Some(_) => format!(
                    "shape {shape:?} in {format}, which does not fit the file (truncated download?)"
                ),
            };
            return Err(damaged(place.path, format!("tensor '{name}' has {what}")));
        };
        let matrix = place
            .read(start, size, [rows, columns])
            .map_err(read_error(place.path))?;
        match matrix.not_finite() {
            0 => Ok(matrix),
            count => Err(LocalError::NotFinite {
                name: name.to_owned(),
                count,
            }),
        }
    }

    fn place(&self, name: &str) -> Result<Place<'_>, LocalError> {
        let place = match self {
            Self::Safetensors(shards) => shards.place(name)?,
            Self::Gguf(gguf) => gguf.place(name),
        };
        place.ok_or_else(|| LocalError::MissingTensor {
            name: name.to_owned(),
        })
    }

    fn expect_shape(&self, name: &str, expected: &[usize]) -> Result<(), LocalError> {
        let found = self.shape(name).ok_or_else(|| LocalError::MissingTensor {
            name: name.to_owned(),
        })?;
        if found == expected {
            Ok(())
        } else {
            Err(LocalError::Shape {
                name: name.to_owned(),
                expected: expected.to_vec(),
                found,
            })
        }
    }
}

impl Shards {
    fn place(&self, name: &str) -> Result<Option<Place<'_>>, LocalError> {
        let Some(located) = self.tensors.get(name) else {
            return Ok(None);
        };
        let (from, to) = located.info.data_offsets;
        let format = match located.info.dtype {
            Dtype::F32 => Format::Kept(GgmlDType::F32),
            Dtype::F16 => Format::Kept(GgmlDType::F16),
            Dtype::BF16 => Format::Kept(GgmlDType::BF16),
            Dtype::F64 => Format::F64,
            other => {
                return Err(LocalError::Unsupported {
                    setting: format!("number format {other:?} of tensor '{name}'"),
                });
            }
        };
        Ok(Some(Place {
            path: &self.files[located.file],
            start: located.data + from as u64,
            format,
            end: located.data + to as u64,
        }))
    }
}

impl Format {
    /// The bytes of so many rows. None if a row is no whole number of blocks.
    fn bytes_of(self, rows: usize, columns: usize) -> Option<usize> {
        match self {
            Self::Kept(format) => bytes_of(format, rows, columns),
            Self::F64 => bytes_of(GgmlDType::F32, rows, columns)?.checked_mul(2),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Kept(format) => format!("{format:?}"),
            Self::F64 => "F64".to_owned(),
        }
    }
}

impl Place<'_> {
    /// Reads a matrix of `size` bytes. Numbers are stored with their lowest byte first.
    fn read(&self, start: u64, size: usize, shape: [usize; 2]) -> std::io::Result<Matrix> {
        let mut file = File::open(self.path)?;
        file.seek(SeekFrom::Start(start))?;
        let matrix = match self.format {
            Format::Kept(GgmlDType::F32) => {
                let mut values = vec![0f32; size / 4];
                file.read_exact(pulp::bytemuck::cast_slice_mut(&mut values))?;
                for value in &mut values {
                    *value = f32::from_bits(u32::from_le(value.to_bits()));
                }
                Matrix::of_values(values, shape)
            }
            Format::Kept(format) => {
                let mut bytes = vec![0; size];
                file.read_exact(&mut bytes)?;
                Matrix::new(format, bytes, shape)
            }
            Format::F64 => {
                let mut bytes = vec![0; size];
                file.read_exact(&mut bytes)?;
                let mut values = vec![0f32; size / 8];
                widen::f64(&bytes, &mut values);
                Matrix::of_values(values, shape)
            }
        };
        matrix.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

impl Part {
    fn open(path: PathBuf) -> Result<Self, LocalError> {
        let file = File::open(&path).map_err(read_error(&path))?;
        let bytes = file.metadata().map_err(read_error(&path))?.len();
        let mut reader = BufReader::new(file);
        let content = gguf_file::Content::read(&mut reader).map_err(|error| {
            let text = error.to_string();
            // The library stops at the first format that it does not know and says its number alone.
            match text.split_once("unknown dtype for tensor ") {
                Some((_, number)) => LocalError::Format {
                    path: path.clone(),
                    format: format_name(number),
                },
                None => damaged(&path, without_backtrace(&text)),
            }
        })?;
        Ok(Self {
            content,
            path,
            bytes,
        })
    }
}

/// The name of a number format of GGUF (ggml.h, `enum ggml_type`) that is not read here.
fn format_name(number: &str) -> String {
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    let name = match digits.as_str() {
        "16" => "IQ2_XXS",
        "17" => "IQ2_XS",
        "18" => "IQ3_XXS",
        "19" => "IQ1_S",
        "20" => "IQ4_NL",
        "21" => "IQ3_S",
        "22" => "IQ2_S",
        "23" => "IQ4_XS",
        "24" => "I8",
        "25" => "I16",
        "26" => "I32",
        "27" => "I64",
        "28" => "F64",
        "29" => "IQ1_M",
        "34" => "TQ1_0",
        "35" => "TQ2_0",
        "39" => "MXFP4",
        "40" => "NVFP4",
        _ => return format!("number {digits} of GGUF"),
    };
    name.to_owned()
}

impl Gguf {
    /// What the model says of itself; parts beside the first hold tensors alone.
    pub(crate) fn metadata(&self) -> &std::collections::HashMap<String, gguf_file::Value> {
        &self.parts[0].content.metadata
    }

    fn info(&self, name: &str) -> Option<&gguf_file::TensorInfo> {
        let part = self.places.get(name)?;
        self.parts[*part].content.tensor_infos.get(name)
    }

    /// A part that was renamed does not say which the others are.
    fn check_count(&self, path: &Path) -> Result<(), LocalError> {
        let stated = self.metadata().get("split.count").map(|value| match value {
            gguf_file::Value::U16(n) => usize::from(*n),
            value => value.to_u32().map_or(0, |n| n as usize),
        });
        match stated {
            Some(count) if count > self.parts.len() => Err(damaged(
                path,
                format!(
                    "it is one of {count} parts of a model; name them NAME-00001-of-{count:05}.gguf and so on"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn place(&self, name: &str) -> Option<Place<'_>> {
        let part = &self.parts[*self.places.get(name)?];
        let info = part.content.tensor_infos.get(name)?;
        let data = part.content.tensor_data_offset;
        Some(Place {
            path: &part.path,
            start: data.saturating_add(info.offset),
            format: Format::Kept(info.ggml_dtype),
            end: part.bytes,
        })
    }
}

/// The shards that an index names, each once, in order, refusing names that leave the directory.
fn shard_names(index: &Path) -> Result<Vec<String>, LocalError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let mut text = String::new();
    let bytes = File::open(index)
        .and_then(|f| f.take(MAX_INDEX + 1).read_to_string(&mut text))
        .map_err(read_error(index))?;
    if bytes as u64 > MAX_INDEX {
        return Err(damaged(index, format!("more than {MAX_INDEX} bytes")));
    }
    let parsed: Index = serde_json::from_str(&text).map_err(|source| LocalError::Parse {
        path: index.to_owned(),
        source,
    })?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    for name in &names {
        let plain = Path::new(name)
            .file_name()
            .is_some_and(|f| f == name.as_str());
        if !plain {
            return Err(damaged(
                index,
                format!("shard name '{name}' leaves the directory"),
            ));
        }
    }
    Ok(names)
}

/// Reads and checks one header: the tensors and where their data begin.
fn header(path: &Path) -> Result<Vec<(String, TensorInfo, u64)>, LocalError> {
    let mut file = File::open(path).map_err(read_error(path))?;
    let length = file.metadata().map_err(read_error(path))?.len();
    let mut prefix = [0u8; 8];
    file.read_exact(&mut prefix)
        .map_err(|_| damaged(path, format!("the file has only {length} bytes")))?;
    let size = u64::from_le_bytes(prefix);
    if size > MAX_HEADER || size.saturating_add(8) > length {
        return Err(damaged(
            path,
            format!("it claims {size} bytes of header in a file of {length} bytes"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(size)
        .read_to_end(&mut bytes)
        .map_err(read_error(path))?;
    let metadata: Metadata =
        serde_json::from_slice(&bytes).map_err(|source| LocalError::Parse {
            path: path.to_owned(),
            source,
        })?;
    let data = 8 + size;
    let mut tensors = Vec::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let elements = info
            .shape
            .iter()
            .try_fold(1usize, |product, d| product.checked_mul(*d));
        let bytes = elements.and_then(|n| n.checked_mul(info.dtype.bitsize()));
        let fits = to >= from && data.saturating_add(to as u64) <= length;
        if !fits || bytes != (to - from).checked_mul(8) {
            return Err(damaged(
                path,
                format!("tensor '{name}' does not fit the file (truncated download?)"),
            ));
        }
        tensors.push((name, info.clone(), data));
    }
    Ok(tensors)
}
