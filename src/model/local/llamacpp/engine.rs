//! Loading a model by llama.cpp, and what its contexts take.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use super::header::Gguf;
use super::writing::Wave;
use super::{passages, reading};
use crate::model::local::documents::Document;
use crate::model::local::error::LocalError;
use crate::model::local::read::{Reading, ReadingResult};
use crate::model::local::write::{self, Costs, Together, Writing, Written};

/// Whether this build has llama.cpp.
pub(in crate::model::local) const BUILT: bool = true;
/// The crate that llama.cpp comes in, with its version: the recording says which arithmetic was used.
const CRATE: &str = "llama-cpp-2 0.1.160";
/// Texts of a context. llama.cpp takes up to 256.
pub(super) const SEQUENCES: usize = 64;
/// Of models whose state is not a list of keys and values: each text has a whole state of its own.
const RECURRENT_SEQUENCES: usize = 8;
/// Bytes of logits that a context has room for, where weights are small.
const LOGIT_BYTES: usize = 128 << 20;
/// Beyond so many bytes of weights, reading them costs more than logits take.
const LARGE: usize = 4 << 30;
/// Models of fewer bytes are run by one thread.
const SMALL: usize = 64 << 20;
/// Rows of a batch, at most and at least.
const ROWS: [usize; 2] = [512, 64];

/// Architectures that do not say what comes next: encoders, parts of other models, models that fill gaps.
const NOT_DECODERS: [&str; 12] = [
    "bert",
    "t5",
    "clip",
    "wavtokenizer",
    "embed",
    "dream",
    "llada",
    "rnd1",
    "eagle",
    "assistant",
    "dflash",
    "tts",
];

/// llama.cpp, set up once in a process.
static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();

/// llama.cpp itself. What it would print is dropped unless it is to be `heard`.
pub(super) fn backend(heard: bool) -> Result<&'static LlamaBackend, LocalError> {
    if !processor_fits() {
        return Err(LocalError::Device {
            device: "cpu",
            hint: "llama.cpp was built for processors with AVX2, FMA, F16C and BMI2; build the tool on this one with RUSTFLAGS='-C target-cpu=native'",
        });
    }
    let begin = || {
        let mut backend = LlamaBackend::init().map_err(|error| error.to_string())?;
        if !heard {
            backend.void_logs();
        }
        Ok(backend)
    };
    let backend = BACKEND.get_or_init(begin).as_ref();
    backend.map_err(|what| LocalError::LlamaCpp {
        step: "start",
        what: what.clone(),
    })
}

/// Whether this processor has what llama.cpp is built for: on x86-64 that is more than the rest of the tool needs.
fn processor_fits() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// A model that llama.cpp has loaded.
pub(in crate::model::local) struct Engine {
    pub(super) model: LlamaModel,
    pub(super) backend: &'static LlamaBackend,
    /// Making a context may change the model, so one is made at a time.
    pub(super) making: Mutex<()>,
    /// Logits of a row.
    pub(super) vocabulary: usize,
    pub(super) gpu_layers: u32,
    context: usize,
    /// All texts of a context together are to stay within the model's own: beyond it another table of rotations
    /// would be taken, for all of them.
    narrow: bool,
    /// Bytes of keys and values for a token, about.
    token: usize,
    stored: usize,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("vocabulary", &self.vocabulary)
            .field("context", &self.context)
            .field("gpu_layers", &self.gpu_layers)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads a model whose header was accepted.
    pub(in crate::model::local) fn load(
        gguf: &Gguf,
        gpu_layers: u32,
        trial: bool,
    ) -> Result<Self, LocalError> {
        let architecture = gguf.architecture()?;
        if NOT_DECODERS.iter().any(|part| architecture.contains(part)) {
            return Err(LocalError::Config {
                what: format!("'{architecture}' is no model that says what comes next"),
            });
        }
        let vocabulary = gguf.rows()?;
        let files = gguf.files();
        let path = files.first().map_or(Path::new(""), |file| file.as_path());
        if trial {
            super::trial::load_elsewhere(path, gpu_layers)?;
        }
        let engine = Self::load_file(path, gpu_layers, false)?;
        if engine.vocabulary != vocabulary {
            return Err(LocalError::Config {
                what: format!(
                    "the embedding has {vocabulary} rows for {} tokens",
                    engine.vocabulary
                ),
            });
        }
        let context = gguf.setting("context_length").unwrap_or(usize::MAX);
        let short = gguf
            .setting("rope.scaling.original_context_length")
            .filter(|_| gguf.has("rope_factors_long"));
        Ok(Self {
            context: context.min(short.unwrap_or(usize::MAX)).max(1),
            narrow: short.is_some(),
            token: token_bytes(gguf),
            stored: gguf.bytes(),
            ..engine
        })
    }

    /// Loads a file as it is.
    pub(super) fn load_file(path: &Path, gpu_layers: u32, heard: bool) -> Result<Self, LocalError> {
        let backend = backend(heard)?;
        if gpu_layers > 0 && !backend.supports_gpu_offload() {
            return Err(LocalError::Device {
                device: "gpu",
                hint: "leave out --gpu-layers, or build with llamacpp-cuda, llamacpp-metal or llamacpp-vulkan on a machine with such a GPU",
            });
        }
        let params = LlamaModelParams::default()
            .with_n_gpu_layers(gpu_layers)
            .with_use_mmap(true);
        let model = LlamaModel::load_from_file(backend, path, &params).map_err(|error| {
            LocalError::LlamaCpp {
                step: "load the file",
                what: error.to_string(),
            }
        })?;
        let vocabulary = usize::try_from(model.n_vocab()).unwrap_or(0);
        if vocabulary == 0 {
            return Err(LocalError::Config {
                what: "it has no vocabulary".to_owned(),
            });
        }
        Ok(Self {
            model,
            backend,
            making: Mutex::new(()),
            vocabulary,
            gpu_layers,
            context: 512,
            narrow: false,
            token: 0,
            stored: 0,
        })
    }

    /// The most tokens of prompt and answer together.
    pub(in crate::model::local) fn context(&self) -> usize {
        self.context
    }

    /// The arithmetic, in words.
    pub(in crate::model::local) fn arithmetic(&self) -> String {
        let place = match self.gpu_layers {
            0 => "on cpu".to_owned(),
            count => format!("{count} layers on a gpu"),
        };
        format!(
            "llama.cpp ({CRATE}): f32, inputs of products rounded to the format that the weights' own calls for, {place}"
        )
    }

    /// Texts that a context holds at once.
    pub(super) fn sequences(&self) -> usize {
        if self.model.is_recurrent() || self.model.is_hybrid() {
            RECURRENT_SEQUENCES
        } else {
            SEQUENCES
        }
    }

    /// Threads of a context. Those of llama.cpp wait for one another by turning in circles, which costs small models more
    /// than a second thread gives.
    pub(super) fn threads(&self) -> usize {
        if self.stored < SMALL {
            1
        } else {
            rayon::current_num_threads()
        }
    }

    /// Rows of a batch. It follows from the file alone.
    pub(super) fn rows(&self) -> usize {
        let [most, least] = ROWS;
        if self.stored > LARGE {
            return most;
        }
        let fit = LOGIT_BYTES / (4 * self.vocabulary);
        let power = fit.max(1).ilog2();
        (1usize << power).clamp(least, most)
    }

    pub(super) fn costs(&self) -> Costs {
        let mut costs = Costs::new(self.token, self.stored);
        costs.live = self.sequences();
        if self.narrow {
            costs.most = costs.most.min(self.context.saturating_mul(self.token));
        }
        costs
    }

    /// Answers readings.
    pub(in crate::model::local) fn read(
        &self,
        readings: &[Reading],
        done: &mut dyn FnMut(usize, ReadingResult) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        reading::read(self, readings, done)
    }

    /// Writes samples.
    pub(in crate::model::local) fn write(
        &self,
        writings: &[Writing],
        ends: &dyn Fn(u32) -> bool,
        done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        let begin = |tokens, samples| -> Box<dyn Together + '_> {
            Box::new(Wave::sized(self, tokens, samples))
        };
        write::write_by(self.costs(), &begin, writings, ends, done)
    }

    /// Hands over the logits of positions.
    pub(in crate::model::local) fn each_position(
        &self,
        documents: &[Document<'_>],
        take: &mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<(), LocalError> {
        passages::each_position(self, documents, take)
    }

    /// A wave that samples join and leave.
    pub(in crate::model::local) fn wave(&self) -> Box<dyn Together + '_> {
        Box::new(Wave::open(self))
    }
}

/// Bytes of keys and values for a token. Of latent attention, as its settings tell lengths, one head's.
fn token_bytes(gguf: &Gguf) -> usize {
    let layers = gguf.setting("block_count").unwrap_or(1);
    let heads = gguf.setting("attention.head_count").unwrap_or(1).max(1);
    let head = gguf.setting("embedding_length").unwrap_or(1) / heads;
    let keys = gguf.setting("attention.key_length").unwrap_or(head);
    let values = gguf.setting("attention.value_length").unwrap_or(head);
    let shared = gguf.setting("attention.head_count_kv").unwrap_or(heads);
    layers
        .saturating_mul(shared)
        .saturating_mul(keys.saturating_add(values))
        .saturating_mul(4)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_is_the_one_that_is_locked() {
        let lock = include_str!("../../../../Cargo.lock");
        let version = CRATE.strip_prefix("llama-cpp-2 ").unwrap();
        let entry = format!("name = \"llama-cpp-2\"\nversion = \"{version}\"");
        assert!(lock.contains(&entry));
    }
}
