//! What a decoder looks like, independent of the file that described it.
//!
//! [`hf`] reads a Hugging Face `config.json`, [`gguf`] the metadata of a GGUF file; both end in one
//! [`Spec`], and everything that is not supported is refused here by name, before any weight is read.

pub(crate) mod gguf;
pub(crate) mod hf;

use super::error::LocalError;

/// The decoder families that the engine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// Llama 1 to 3, SmolLM and SmolLM2, TinyLlama.
    Llama,
    /// Mistral 7B and its kin (Llama with a sliding window).
    Mistral,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3, dense.
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, text.
    Gemma3,
    /// Phi-3 and Phi-3.5.
    Phi3,
    /// SmolLM3.
    SmolLm3,
    /// GPT-2.
    Gpt2,
    /// GPT-NeoX and Pythia.
    GptNeoX,
}

impl Architecture {
    /// The architecture of a `model_type` in config.json or a `general.architecture` in GGUF.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "llama" => Self::Llama,
            "mistral" => Self::Mistral,
            "qwen2" => Self::Qwen2,
            "qwen3" => Self::Qwen3,
            "gemma2" => Self::Gemma2,
            "gemma3" | "gemma3_text" => Self::Gemma3,
            "phi3" => Self::Phi3,
            "smollm3" => Self::SmolLm3,
            "gpt2" => Self::Gpt2,
            "gpt_neox" | "gptneox" => Self::GptNeoX,
            _ => return None,
        })
    }

    /// The name under which the recording stores it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
            Self::SmolLm3 => "smollm3",
            Self::Gpt2 => "gpt2",
            Self::GptNeoX => "gpt_neox",
        }
    }

    pub(crate) fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }

    pub(crate) fn is_gpt(self) -> bool {
        matches!(self, Self::Gpt2 | Self::GptNeoX)
    }
}

/// The non-linearity of the feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// GELU by the error function.
    Gelu,
}

impl Activation {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" => Self::GeluTanh,
            "gelu" => Self::Gelu,
            _ => return None,
        })
    }
}

/// How hidden states are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    Rms,
    /// RMS with the weight stored as an offset from one (Gemma in safetensors).
    RmsPlusOne,
    /// Layer norm with weight and bias.
    Layer,
}

/// Which pairs of coordinates a rotary embedding turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RopeStyle {
    /// Coordinate `i` with `i + half` (Hugging Face, "NEOX").
    Half,
    /// Coordinate `2i` with `2i + 1` (GGUF of the Llama kind, "NORM").
    Interleaved,
}

/// One table of rotary frequencies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeSpec {
    pub(crate) theta: f64,
    pub(crate) scaling: RopeScaling,
}

/// How the rotary frequencies of long-context models are changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RopeScaling {
    None,
    /// Every frequency divided by the factor.
    Linear(f64),
    /// Llama 3.1: low frequencies divided, high ones kept, a ramp between.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
    /// One divisor a frequency (`rope_freqs.weight` in GGUF), and a factor on cosine and sine.
    Divisors {
        divisors: Vec<f32>,
        magnitude: f64,
    },
}

impl RopeSpec {
    /// Inverse frequencies for `dims` rotated coordinates (`dims / 2` values) and the magnitude of
    /// cosine and sine.
    ///
    /// The Llama 3 rule is the one of Meta's reference code (`apply_scaling`, 2024).
    pub(crate) fn frequencies(&self, dims: usize) -> Result<(Vec<f64>, f64), LocalError> {
        let plain: Vec<f64> = (0..dims / 2)
            .map(|i| self.theta.powf(-((2 * i) as f64) / dims as f64))
            .collect();
        let (frequencies, magnitude) = match &self.scaling {
            RopeScaling::None => (plain, 1.0),
            RopeScaling::Linear(factor) => (plain.iter().map(|f| f / factor).collect(), 1.0),
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => {
                let scaled = plain
                    .iter()
                    .map(|&f| {
                        let wavelength = 2.0 * std::f64::consts::PI / f;
                        if wavelength < original / high {
                            f
                        } else if wavelength > original / low {
                            f / factor
                        } else {
                            let smooth = (original / wavelength - low) / (high - low);
                            (1.0 - smooth) * f / factor + smooth * f
                        }
                    })
                    .collect();
                (scaled, 1.0)
            }
            RopeScaling::Divisors {
                divisors,
                magnitude,
            } => {
                if divisors.len() != plain.len() {
                    return Err(LocalError::Config {
                        what: format!(
                            "{} rope factors for {} rotated pairs",
                            divisors.len(),
                            plain.len()
                        ),
                    });
                }
                let scaled = plain
                    .iter()
                    .zip(divisors)
                    .map(|(f, &d)| f / f64::from(d))
                    .collect();
                (scaled, *magnitude)
            }
        };
        let usable = frequencies.iter().all(|f| f.is_finite()) && magnitude.is_finite();
        if !usable {
            return Err(config(
                "its rope scaling gives frequencies that are not finite".to_owned(),
            ));
        }
        Ok((frequencies, magnitude))
    }
}

/// What one layer does differently from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerSpec {
    /// Index of the rotary table, or none (learned positions, or none at all).
    pub(crate) rope: Option<usize>,
    /// Keys further back than this are not seen.
    pub(crate) window: Option<usize>,
}

/// A decoder, described completely.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that vary independently of each other"
)]
pub(crate) struct Spec {
    pub(crate) architecture: Architecture,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) ffn: usize,
    /// The longest sequence, in tokens.
    pub(crate) context: usize,
    pub(crate) norm: NormKind,
    pub(crate) norm_eps: f64,
    pub(crate) activation: Activation,
    pub(crate) gated: bool,
    pub(crate) parallel_residual: bool,
    pub(crate) qk_norm: bool,
    /// Norms after attention and feed-forward as well as before (Gemma 2 and 3).
    pub(crate) sandwich: bool,
    pub(crate) learned_positions: bool,
    pub(crate) rotary_dims: usize,
    pub(crate) rope_style: RopeStyle,
    pub(crate) ropes: Vec<RopeSpec>,
    pub(crate) layers: Vec<LayerSpec>,
    pub(crate) attention_scale: f64,
    pub(crate) attention_softcap: Option<f64>,
    pub(crate) final_softcap: Option<f64>,
    pub(crate) embedding_scale: Option<f64>,
    /// The head is the embedding matrix; otherwise it is a tensor of its own.
    pub(crate) tied: bool,
}

/// Sizes beyond these are no decoder that this engine could run, but a damaged or hostile file.
const LIMITS: [(&str, usize); 6] = [
    ("vocabulary", 4_000_000),
    ("hidden size", 65_536),
    ("feed-forward size", 1_048_576),
    ("heads", 1_024),
    ("layers", 1_024),
    ("context", 16_777_216),
];

impl Spec {
    /// Checks what every file must satisfy, so that later arithmetic cannot overflow or divide by zero.
    pub(crate) fn check(self) -> Result<Self, LocalError> {
        let sizes = [
            self.vocabulary,
            self.hidden,
            self.ffn,
            self.heads,
            self.layers.len(),
            self.context,
        ];
        for ((name, limit), size) in LIMITS.into_iter().zip(sizes) {
            if size == 0 || size > limit {
                return Err(config(format!("{name} is {size}, expected 1 to {limit}")));
            }
        }
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(config(format!(
                "{} heads cannot share {} key-value heads",
                self.heads, self.kv_heads
            )));
        }
        if self.head_dim == 0 || self.head_dim > 4_096 {
            return Err(config(format!("head size is {}", self.head_dim)));
        }
        if self.rotary_dims > self.head_dim || !self.rotary_dims.is_multiple_of(2) {
            return Err(config(format!(
                "{} rotated coordinates in heads of {}",
                self.rotary_dims, self.head_dim
            )));
        }
        let finite = [self.norm_eps, self.attention_scale]
            .into_iter()
            .chain(self.ropes.iter().map(|r| r.theta))
            .chain(self.attention_softcap)
            .chain(self.final_softcap)
            .chain(self.embedding_scale)
            .all(|x| x.is_finite() && x > 0.0);
        if !finite {
            return Err(config(
                "norm epsilon, attention scale, soft caps and rope theta must be positive"
                    .to_owned(),
            ));
        }
        Ok(self)
    }

    /// The width of queries, keys and values together.
    pub(crate) fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }
}

pub(super) fn config(what: String) -> LocalError {
    LocalError::Config { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_scaling_keeps_high_and_divides_low_frequencies() {
        let rope = RopeSpec {
            theta: 500_000.0,
            scaling: RopeScaling::Llama3 {
                factor: 8.0,
                low: 1.0,
                high: 4.0,
                original: 8192.0,
            },
        };
        let plain = RopeSpec {
            theta: 500_000.0,
            scaling: RopeScaling::None,
        };
        let (scaled, _) = rope.frequencies(128).unwrap();
        let (plain, _) = plain.frequencies(128).unwrap();
        assert!((scaled[0] - plain[0]).abs() < 1e-15);
        assert!((scaled[63] * 8.0 - plain[63]).abs() < 1e-15);
        // transformers 4.57, ROPE_INIT_FUNCTIONS["llama3"], entry 32 of 64.
        assert!(scaled[32] < plain[32] && scaled[32] > plain[32] / 8.0);
    }
}
