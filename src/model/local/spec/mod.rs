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
    /// Mixtral: Mistral with a mixture of experts.
    Mixtral,
    /// Granite: Llama with multipliers.
    Granite,
    /// OLMo 2: norms behind the blocks and over whole queries and keys.
    Olmo2,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen1.5 and Qwen2 with a mixture of experts and one shared expert.
    Qwen2Moe,
    /// Qwen3, dense.
    Qwen3,
    /// Qwen3 with a mixture of experts.
    Qwen3Moe,
    /// Gemma 1.
    Gemma,
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
            "mixtral" => Self::Mixtral,
            "granite" => Self::Granite,
            "olmo2" => Self::Olmo2,
            "qwen2" => Self::Qwen2,
            "qwen2_moe" | "qwen2moe" => Self::Qwen2Moe,
            "qwen3" => Self::Qwen3,
            "qwen3_moe" | "qwen3moe" => Self::Qwen3Moe,
            "gemma" => Self::Gemma,
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
            Self::Mixtral => "mixtral",
            Self::Granite => "granite",
            Self::Olmo2 => "olmo2",
            Self::Qwen2 => "qwen2",
            Self::Qwen2Moe => "qwen2_moe",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3_moe",
            Self::Gemma => "gemma",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
            Self::SmolLm3 => "smollm3",
            Self::Gpt2 => "gpt2",
            Self::GptNeoX => "gpt_neox",
        }
    }

    /// Any Gemma: scaled embeddings, and norms stored as an offset from one.
    pub(crate) fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma | Self::Gemma2 | Self::Gemma3)
    }

    fn norm_places(self) -> NormPlaces {
        match self {
            Self::Gemma2 | Self::Gemma3 => NormPlaces::Around,
            Self::Olmo2 => NormPlaces::Behind,
            _ => NormPlaces::Before,
        }
    }

    fn qk_norm(self) -> QkNorm {
        match self {
            Self::Qwen3 | Self::Qwen3Moe | Self::Gemma3 => QkNorm::Heads,
            Self::Olmo2 => QkNorm::Whole,
            _ => QkNorm::None,
        }
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

/// Where a layer has norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormPlaces {
    /// Before attention and before the feed-forward block.
    Before,
    /// Before and behind both (Gemma 2 and 3).
    Around,
    /// Behind both only (OLMo 2).
    Behind,
}

/// What of queries and keys is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    None,
    /// Each head by itself.
    Heads,
    /// All heads of a position together.
    Whole,
}

/// A feed-forward block of several experts, of which a router chooses some for every position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mixture {
    /// How many there are.
    pub(crate) experts: usize,
    /// How many are chosen for a position: those that the router finds most probable.
    pub(crate) used: usize,
    /// The width of an expert.
    pub(crate) ffn: usize,
    /// The weights of those chosen are made to add up to one.
    pub(crate) normalised: bool,
    /// The width of an expert that every position passes, behind a gate of its own.
    pub(crate) shared: Option<usize>,
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
    /// YaRN: frequencies that turn seldom are divided, those that turn often are kept, a ramp between.
    Yarn {
        factor: f64,
        /// Turns over the original length from which on a frequency is kept.
        fast: f64,
        /// Turns up to which it is divided in full.
        slow: f64,
        original: f64,
        /// The ends of the ramp are rounded outwards to whole frequencies.
        whole: bool,
        /// A factor on cosine and sine.
        magnitude: f64,
    },
    /// One divisor a frequency (`rope_freqs.weight` in GGUF), and a factor on cosine and sine.
    Divisors {
        divisors: Vec<f32>,
        magnitude: f64,
    },
}

/// YaRN's default for the factor on cosine and sine (Peng et al. 2023, arXiv:2309.00071, equation 22).
pub(crate) fn yarn_magnitude(factor: f64, scale: f64) -> f64 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * scale * factor.ln() + 1.0
    }
}

impl RopeSpec {
    /// Inverse frequencies for `dims` rotated coordinates (`dims / 2` values) and the magnitude of
    /// cosine and sine.
    ///
    /// The Llama 3 rule is the one of Meta's reference code (`apply_scaling`, 2024), YaRN's that of its
    /// paper (arXiv:2309.00071, section 3.2), with the rounding of its reference code.
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
            RopeScaling::Yarn {
                factor,
                fast,
                slow,
                original,
                whole,
                magnitude,
            } => {
                let ramp = Ramp::new(self.theta, dims, [*fast, *slow], *original, *whole);
                let scaled = plain.iter().enumerate().map(|(i, f)| {
                    let divided = ramp.at(i);
                    divided * f / factor + (1.0 - divided) * f
                });
                (scaled.collect(), *magnitude)
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

/// Which share of YaRN's division each frequency gets.
struct Ramp {
    low: f64,
    high: f64,
}

impl Ramp {
    /// Between the places of the frequencies that turn so often, fast and slow, over the original length.
    fn new(theta: f64, dims: usize, turns: [f64; 2], original: f64, whole: bool) -> Self {
        let place = |turns: f64| {
            let pairs = dims as f64 / 2.0;
            pairs * (original / (turns * 2.0 * std::f64::consts::PI)).ln() / theta.ln()
        };
        let (low, high) = match turns.map(place) {
            [low, high] if whole => (low.floor(), high.ceil()),
            [low, high] => (low, high),
        };
        let (low, mut high) = (low.max(0.0), high.min(dims as f64 - 1.0));
        #[expect(clippy::float_cmp, reason = "equal ends are what divides by zero")]
        if low == high {
            high += 0.001;
        }
        Self { low, high }
    }

    fn at(&self, frequency: usize) -> f64 {
        ((frequency as f64 - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// What one layer does differently from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerSpec {
    /// Index of the rotary table, or none (learned positions, or none at all).
    pub(crate) rope: Option<usize>,
    /// Keys further back than this are not seen.
    pub(crate) window: Option<usize>,
    /// The feed-forward block is a mixture of experts.
    pub(crate) mixture: bool,
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
    pub(crate) qk_norm: QkNorm,
    pub(crate) norm_places: NormPlaces,
    pub(crate) mixture: Option<Mixture>,
    pub(crate) learned_positions: bool,
    pub(crate) rotary_dims: usize,
    pub(crate) rope_style: RopeStyle,
    pub(crate) ropes: Vec<RopeSpec>,
    pub(crate) layers: Vec<LayerSpec>,
    pub(crate) attention_scale: f64,
    pub(crate) attention_softcap: Option<f64>,
    pub(crate) final_softcap: Option<f64>,
    pub(crate) embedding_scale: Option<f64>,
    /// What every block adds is multiplied by this (Granite).
    pub(crate) residual_scale: Option<f64>,
    /// Logits are divided by this (Granite).
    pub(crate) logits_divisor: Option<f64>,
    /// Whether projections of attention have biases, where the configuration says it.
    pub(crate) attention_bias: Option<bool>,
    /// The same of the projections of the feed-forward block.
    pub(crate) ffn_bias: Option<bool>,
    /// The head is the embedding matrix, unless the file holds another; otherwise it must hold one.
    pub(crate) tied: bool,
}

impl Mixture {
    fn check(self) -> Result<(), LocalError> {
        let most = 4_096;
        if self.experts == 0 || self.experts > most || self.used == 0 || self.used > self.experts {
            return Err(config(format!(
                "{} of {} experts a position, expected 1 to {most}, and no more than there are",
                self.used, self.experts
            )));
        }
        let (_, widest) = LIMITS[2];
        if [Some(self.ffn), self.shared]
            .into_iter()
            .flatten()
            .any(|w| w == 0 || w > widest)
        {
            return Err(config(format!(
                "the width of an expert is {}, of the shared one {:?}, expected 1 to {widest}",
                self.ffn, self.shared
            )));
        }
        Ok(())
    }
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
            .chain(self.residual_scale)
            .chain(self.logits_divisor)
            .all(|x| x.is_finite() && x > 0.0);
        if !finite {
            return Err(config(
                "norm epsilon, attention scale, multipliers, soft caps and rope theta must be positive".to_owned(),
            ));
        }
        if let Some(mixture) = self.mixture {
            mixture.check()?;
        } else if self.layers.iter().any(|layer| layer.mixture) {
            return Err(config("a mixture of experts without experts".to_owned()));
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
    fn yarn_divides_low_frequencies_and_keeps_high_ones() {
        let rope = RopeSpec {
            theta: 10_000.0,
            scaling: RopeScaling::Yarn {
                factor: 4.0,
                fast: 32.0,
                slow: 1.0,
                original: 4096.0,
                whole: true,
                magnitude: yarn_magnitude(4.0, 1.0),
            },
        };
        let (found, magnitude) = rope.frequencies(16).unwrap();
        // transformers 5.24, ROPE_INIT_FUNCTIONS["yarn"].
        let expected = [
            1.0,
            0.316_227_8,
            0.1,
            0.025_693_51,
            0.00625,
            0.001_383_497,
            0.00025,
            7.905_695e-05,
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        }
        assert!((magnitude - 1.138_629_436).abs() < 1e-9);
    }

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
