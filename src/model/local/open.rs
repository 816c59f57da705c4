//! From a path to a loaded model: what is checked, in which order, before weights are read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use ndarray::Array2;

use super::decoder::{Decoder, Layer};
use super::engine::Engine;
use super::error::{LocalError, Step};
use super::feed_forward::FeedForward;
use super::foreign;
use super::llamacpp::{self, Gguf, Vocabulary};
use super::load;
use super::spec::{self, Spec};
use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use super::weights::Weights;
use super::{Abilities, LocalModel, ModelError};
use crate::digest;
use crate::identity::{FileDigest, ModelIdentity, Served, Source};
use crate::model::Failure;

/// Where the arithmetic is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU; needs a build with the `cuda` feature.
    Cuda,
    /// An Apple GPU; needs a build with the `metal` feature.
    Metal,
}

/// Which engine runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineChoice {
    /// The own decoder; llama.cpp for what that does not know, where it is built in.
    #[default]
    Auto,
    /// The own decoder, or none.
    Own,
    /// llama.cpp; needs a build with the `llamacpp` feature and a GGUF file.
    LlamaCpp,
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Where the own decoder's arithmetic is done.
    pub device: DeviceChoice,
    /// Which engine does it.
    pub engine: EngineChoice,
    /// How many layers llama.cpp runs on a GPU.
    pub gpu_layers: u32,
    /// Has llama.cpp load a file in a process of its own first, because it ends the process on some. Only for programs
    /// that begin with [`super::trial_asked`]: it is they that are started.
    pub trial: bool,
    /// What is set beside what is asked.
    pub served: Served,
}

/// Small files beside the weights that decide the answers as well.
const COMPANIONS: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];

impl LocalModel {
    /// Opens a `.gguf` file or a Hugging Face directory under the name that the user gave it.
    ///
    /// # Errors
    ///
    /// When the model is damaged, not supported, or does not fit its own description; the error says
    /// which. Nothing large is read before the description and the tokenizer have been accepted.
    pub fn open(name: &str, path: &Path, options: Options) -> Result<Self, ModelError> {
        open(name, path, options).map_err(|source| source.of(name, Failure::Unusable))
    }

    /// What the model can be asked, without reading its weights.
    ///
    /// # Errors
    ///
    /// When its description or tokenizer cannot be read.
    pub fn abilities_of(
        name: &str,
        path: &Path,
        options: Options,
    ) -> Result<Abilities, ModelError> {
        let template = described(path, options)
            .and_then(|(_, tokenizer)| template(&tokenizer))
            .map_err(|source| source.of(name, Failure::Unusable))?;
        Ok(abilities(template.is_some()))
    }

    /// How many parameters the model has, counted from the shapes of its tensors as they are stored: tied
    /// weights once.
    ///
    /// # Errors
    ///
    /// When its description cannot be read.
    pub fn parameters_of(name: &str, path: &Path) -> Result<u64, ModelError> {
        let described = describe(path, EngineChoice::Auto);
        let weights = match described.map_err(|source| source.of(name, Failure::Unusable))? {
            Described::Own(weights, _) => weights,
            Described::LlamaCpp(gguf) => return Ok(gguf.parameters()),
        };
        let shapes = weights.names().filter_map(|name| weights.shape(name));
        let counts = shapes.map(|shape| {
            shape
                .into_iter()
                .fold(1, |count: u64, side| count.saturating_mul(side as u64))
        });
        Ok(counts.fold(0, u64::saturating_add))
    }
}

/// What weights can be asked: everything, but for a chat form that they do not have.
pub(super) fn abilities(chat: bool) -> Abilities {
    Abilities {
        chat,
        raw: true,
        score: true,
        score_chat: chat,
        top: usize::MAX,
    }
}

/// The chat template. One that does not parse is an error: posed without it, the model would answer another
/// question than the others.
fn template(tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>, LocalError> {
    let source = tokenizer.chat_template();
    let parsed = source.map(ChatTemplate::parse).transpose();
    parsed.map_err(LocalError::Template)
}

/// What a path holds, as far as headers say.
enum Described {
    /// Something for the own decoder.
    Own(Weights, Box<Spec>),
    /// Something for llama.cpp.
    LlamaCpp(Box<Gguf>),
}

impl Described {
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Own(weights, _) => weights.files(),
            Self::LlamaCpp(gguf) => gguf.files(),
        }
    }

    fn formats(&self) -> BTreeMap<String, usize> {
        match self {
            Self::Own(weights, _) => weights.formats(),
            Self::LlamaCpp(gguf) => gguf.formats(),
        }
    }

    fn architecture(&self) -> Result<String, LocalError> {
        Ok(match self {
            Self::Own(_, spec) => spec.architecture.name().to_owned(),
            Self::LlamaCpp(gguf) => gguf.architecture()?.to_owned(),
        })
    }

    fn rows(&self) -> Result<usize, LocalError> {
        match self {
            Self::Own(_, spec) => Ok(spec.vocabulary),
            Self::LlamaCpp(gguf) => gguf.rows(),
        }
    }

    /// The tokenizer that belongs to it. It takes most of the time before weights are read.
    fn tokenizer(&self, path: &Path, options: Options) -> Result<Tokenizer, LocalError> {
        match self {
            Self::Own(Weights::Safetensors(_), _) => Ok(Tokenizer::from_directory(path)?),
            Self::Own(Weights::Gguf(gguf), _) => Ok(Tokenizer::from_gguf(path, gguf.metadata())?),
            Self::LlamaCpp(gguf) => match Tokenizer::from_gguf(path, gguf.metadata()) {
                Ok(tokenizer) => Ok(tokenizer),
                Err(error) => {
                    let error = LocalError::from(error);
                    if !error.is_unknown() {
                        return Err(error);
                    }
                    let files = gguf.files();
                    let first = files.first().map_or(path, PathBuf::as_path);
                    let vocabulary = Vocabulary::open(first, options.trial)?;
                    Ok(Tokenizer::from_llamacpp(
                        first,
                        gguf.metadata(),
                        vocabulary,
                    )?)
                }
            },
        }
    }
}

fn open(name: &str, path: &Path, options: Options) -> Result<LocalModel, LocalError> {
    let device = device(options.device)?;
    let (described, mut tokenizer) = described(path, options)?;
    tokenizer.fit(described.rows()?)?;
    let template = template(&tokenizer)?;
    let files = digests(path, described.files())?;
    let (architecture, formats) = (described.architecture()?, described.formats());
    let (engine, arithmetic) = match described {
        Described::Own(weights, spec) => {
            let arithmetic = arithmetic(options, &weights);
            let decoder = load::load(*spec, &weights, &device)?;
            (Engine::Own(Box::new(decoder)), arithmetic)
        }
        Described::LlamaCpp(gguf) => {
            let engine = llamacpp::Engine::load(&gguf, options.gpu_layers, options.trial)?;
            let arithmetic = engine.arithmetic();
            (Engine::LlamaCpp(Box::new(engine)), arithmetic)
        }
    };
    let source = Source::Weights {
        digest: digest::of_value(&files),
        files,
        architecture,
        formats,
        arithmetic,
        tokenizer: serde_json::to_value(tokenizer.source())
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default(),
        tokenizer_digest: tokenizer.digest(),
        template_digest: tokenizer
            .chat_template()
            .filter(|_| template.is_some())
            .map(|t| digest::of_bytes(t.as_bytes())),
        served: options.served,
    };
    Ok(LocalModel {
        identity: ModelIdentity {
            name: name.to_owned(),
            source,
        },
        engine,
        tokenizer,
        template,
        served: options.served,
    })
}

/// What a path holds, with its tokenizer. What the own decoder or the own tokenizers do not know is llama.cpp's.
fn described(path: &Path, options: Options) -> Result<(Described, Tokenizer), LocalError> {
    let described = describe(path, options.engine)?;
    match described.tokenizer(path, options) {
        Ok(tokenizer) => Ok((described, tokenizer)),
        Err(error) if is_for_llamacpp(&error, path, options.engine) => {
            let described = Described::LlamaCpp(Box::new(Gguf::open(path)?));
            let tokenizer = described.tokenizer(path, options)?;
            Ok((described, tokenizer))
        }
        Err(error) => Err(error),
    }
}

/// Whether a model's weights would be mapped instead of read: llama.cpp does so.
pub(super) fn is_mapped(path: &Path, options: Options) -> bool {
    matches!(describe(path, options.engine), Ok(Described::LlamaCpp(_)))
}

fn is_for_llamacpp(error: &LocalError, path: &Path, choice: EngineChoice) -> bool {
    let asked = llamacpp::BUILT && choice == EngineChoice::Auto;
    asked && error.is_unknown() && path.is_file()
}

fn describe(path: &Path, choice: EngineChoice) -> Result<Described, LocalError> {
    if choice == EngineChoice::LlamaCpp {
        if path.is_file() {
            foreign::check_file(path)?;
        }
        if !llamacpp::BUILT {
            return Err(LocalError::NotBuilt);
        }
        if !path.is_file() || !foreign::is_gguf(path) {
            return Err(LocalError::NotGguf {
                path: path.to_owned(),
            });
        }
        return Ok(Described::LlamaCpp(Box::new(Gguf::open(path)?)));
    }
    match describe_own(path) {
        Ok((weights, spec)) => Ok(Described::Own(weights, Box::new(spec))),
        Err(error) if is_for_llamacpp(&error, path, choice) => {
            Ok(Described::LlamaCpp(Box::new(Gguf::open(path)?)))
        }
        Err(error) => Err(error),
    }
}

fn describe_own(path: &Path) -> Result<(Weights, Spec), LocalError> {
    if path.is_dir() {
        foreign::check_directory(path, &COMPANIONS)?;
    }
    if path.is_dir() && path.join("config.json").is_file() {
        let spec = spec::hf::read(path)?;
        let weights = Weights::open_directory(path)?;
        foreign::check_names(path, weights.names())?;
        return Ok((weights, spec));
    }
    let gguf = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    if path.is_file() {
        foreign::check_file(path)?;
    }
    if !path.is_file() || !(gguf || foreign::is_gguf(path)) {
        return Err(LocalError::NotAModel {
            path: path.to_owned(),
        });
    }
    let weights = Weights::open_gguf(path)?;
    let Weights::Gguf(gguf) = &weights else {
        return Err(LocalError::NotAModel {
            path: path.to_owned(),
        });
    };
    let metadata = gguf.metadata();
    spec::gguf::architecture(metadata)?;
    let facts = spec::gguf::TensorFacts {
        vocabulary: weights
            .shape("token_embd.weight")
            .and_then(|s| s.first().copied())
            .ok_or_else(|| LocalError::MissingTensor {
                name: "token_embd.weight".to_owned(),
            })?,
        has_output: weights.shape("output.weight").is_some(),
        rope_divisors: rope_divisors(&weights)?,
    };
    let spec = spec::gguf::parse(metadata, facts)?;
    Ok((weights, spec))
}

fn rope_divisors(weights: &Weights) -> Result<Option<Vec<f32>>, LocalError> {
    let name = ["rope_freqs.weight", "rope_factors_short.weight"]
        .into_iter()
        .find(|n| weights.shape(n).is_some());
    let Some(name) = name else {
        return Ok(None);
    };
    let shape = weights.shape(name).unwrap_or_default();
    let count = shape
        .iter()
        .try_fold(1usize, |product, n| product.checked_mul(*n));
    if count.is_none_or(|n| n > 65_536) {
        return Err(LocalError::Config {
            what: format!("tensor '{name}' has shape {shape:?}"),
        });
    }
    weights
        .tensor(name, &shape, &Device::Cpu)?
        .flatten_all()
        .and_then(|t| t.to_vec1())
        .step("read rope factors")
        .map(Some)
}

fn digests(path: &Path, mut files: Vec<PathBuf>) -> Result<Vec<FileDigest>, LocalError> {
    if path.is_dir() {
        files.extend(COMPANIONS.iter().map(|name| path.join(name)));
    }
    let mut digests = Vec::new();
    for file in files.into_iter().filter(|f| f.is_file()) {
        let (sha256, bytes) = digest::of_file(&file).map_err(|source| LocalError::Read {
            path: file.clone(),
            source,
        })?;
        let name = file.file_name().map(PathBuf::from).unwrap_or_default();
        digests.push(FileDigest {
            name: name.to_string_lossy().into_owned(),
            bytes,
            sha256,
        });
    }
    digests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(digests)
}

fn arithmetic(options: Options, weights: &Weights) -> String {
    let device = match options.device {
        DeviceChoice::Cpu => "cpu",
        DeviceChoice::Cuda => "cuda",
        DeviceChoice::Metal => "metal",
    };
    let kind = match weights {
        Weights::Safetensors(_) => "f32",
        Weights::Gguf(_) => "f32, quantised weights dequantised",
    };
    format!("{kind}, on {device}")
}

fn device(choice: DeviceChoice) -> Result<Device, LocalError> {
    let unavailable = |device, hint| LocalError::Device { device, hint };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => Device::new_cuda(0)
            .map_err(|_| unavailable("cuda", "build with --features cuda on a machine with one")),
        DeviceChoice::Metal => Device::new_metal(0)
            .map_err(|_| unavailable("metal", "build with --features metal on a Mac")),
    }
}

/// How many layers have a gate and an up projection. None if there are layers without, or with several
/// experts.
pub(super) fn gated_layers(decoder: &Decoder) -> Option<usize> {
    let dense = |layer: &Layer| matches!(layer.feed_forward, FeedForward::Dense(_));
    let all = decoder.spec.gated && decoder.layers.iter().all(dense);
    all.then_some(decoder.layers.len())
}

/// The gate and up projection of a layer, [ffn, hidden] each. None if the layer has none.
pub(super) fn gated_layer(
    decoder: &Decoder,
    number: usize,
) -> Result<Option<[Array2<f32>; 2]>, LocalError> {
    let Some(FeedForward::Dense(block)) = decoder.layers.get(number).map(|l| &l.feed_forward)
    else {
        return Ok(None);
    };
    if !block.gated {
        return Ok(None);
    }
    let (ffn, hidden) = (decoder.spec.ffn, decoder.spec.hidden);
    let half = |start| {
        let values = block.up.weight.values(start..start + ffn);
        let values = values.step("read weights back")?;
        Array2::from_shape_vec((ffn, hidden), values).map_err(|error| LocalError::Config {
            what: error.to_string(),
        })
    };
    Ok(Some([half(0)?, half(ffn)?]))
}
