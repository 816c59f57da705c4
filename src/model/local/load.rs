//! From weight files to a [`Decoder`]: which tensor plays which part in which layout.
//!
//! Every tensor of the file must be used or be known to be idle. A tensor that the engine does not
//! understand would change the model's answers, so it is refused by name instead of being skipped.

use std::cell::RefCell;
use std::collections::BTreeSet;

use candle_core::quantized::QMatMul;
use candle_core::{DType, Device, Tensor};

use super::decoder::{Decoder, Head, Layer, Linear};
use super::error::{LocalError, Step};
use super::feed_forward::{Block, FeedForward, Routed};
use super::ops::{self, Norm, RopeTable, Values};
use super::spec::{Architecture, Mixture, NormKind, NormPlaces, QkNorm, Spec};
use super::weights::Weights;

/// Whether quantised weights are multiplied as they are or as f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// Everything in f32; quantised weights are dequantised when loaded.
    #[default]
    F32,
    /// Formats with fast kernels stay quantised, which also quantises activations.
    Quantised,
}

/// Tensor names of one layout; `{}` stands for the layer. Fused parts are one name.
struct Layout {
    embeddings: &'static str,
    positions: Option<&'static str>,
    layer: &'static str,
    attention_norm: &'static str,
    qkv: &'static [&'static str],
    q_norm: &'static str,
    k_norm: &'static str,
    output: &'static str,
    post_attention_norm: &'static str,
    ffn_norm: &'static str,
    up: &'static [&'static str],
    down: &'static str,
    experts: ExpertNames,
    post_ffn_norm: &'static str,
    final_norm: &'static str,
    head: &'static str,
    /// Weights are stored [inputs, outputs].
    transposed: bool,
    /// Queries, keys and values of one head lie together.
    interleaved: bool,
}

/// Names of the parts of a mixture of experts; a second `{}` stands for the expert.
struct ExpertNames {
    router: &'static str,
    /// Gate, up and down projection of all experts in one tensor each, or of every expert by itself.
    parts: [&'static str; 3],
    /// Gate and up projection of all experts in one tensor, and their down projection.
    fused: [&'static str; 2],
    shared: [&'static str; 3],
    shared_gate: &'static str,
}

const HF_EXPERTS: ExpertNames = ExpertNames {
    router: "mlp.gate",
    parts: [
        "mlp.experts.{}.gate_proj",
        "mlp.experts.{}.up_proj",
        "mlp.experts.{}.down_proj",
    ],
    fused: ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    shared: [
        "mlp.shared_expert.gate_proj",
        "mlp.shared_expert.up_proj",
        "mlp.shared_expert.down_proj",
    ],
    shared_gate: "mlp.shared_expert_gate",
};

const HF_GATED: Layout = Layout {
    embeddings: "embed_tokens",
    positions: None,
    layer: "layers",
    attention_norm: "input_layernorm",
    qkv: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    q_norm: "self_attn.q_norm",
    k_norm: "self_attn.k_norm",
    output: "self_attn.o_proj",
    post_attention_norm: "",
    ffn_norm: "post_attention_layernorm",
    up: &["mlp.gate_proj", "mlp.up_proj"],
    down: "mlp.down_proj",
    experts: HF_EXPERTS,
    post_ffn_norm: "",
    final_norm: "norm",
    head: "lm_head",
    transposed: false,
    interleaved: false,
};

const HF_SANDWICH: Layout = Layout {
    post_attention_norm: "post_attention_layernorm",
    ffn_norm: "pre_feedforward_layernorm",
    post_ffn_norm: "post_feedforward_layernorm",
    ..HF_GATED
};

const HF_MIXTRAL: Layout = Layout {
    experts: ExpertNames {
        router: "block_sparse_moe.gate",
        parts: [
            "block_sparse_moe.experts.{}.w1",
            "block_sparse_moe.experts.{}.w3",
            "block_sparse_moe.experts.{}.w2",
        ],
        ..HF_EXPERTS
    },
    ..HF_GATED
};

const HF_PHI3: Layout = Layout {
    qkv: &["self_attn.qkv_proj"],
    up: &["mlp.gate_up_proj"],
    ..HF_GATED
};

const HF_GPT2: Layout = Layout {
    embeddings: "wte",
    positions: Some("wpe"),
    layer: "h",
    attention_norm: "ln_1",
    qkv: &["attn.c_attn"],
    output: "attn.c_proj",
    ffn_norm: "ln_2",
    up: &["mlp.c_fc"],
    down: "mlp.c_proj",
    final_norm: "ln_f",
    transposed: true,
    ..HF_GATED
};

const HF_NEOX: Layout = Layout {
    embeddings: "embed_in",
    qkv: &["attention.query_key_value"],
    output: "attention.dense",
    up: &["mlp.dense_h_to_4h"],
    down: "mlp.dense_4h_to_h",
    final_norm: "final_layer_norm",
    head: "embed_out",
    interleaved: true,
    ..HF_GATED
};

const GGUF: Layout = Layout {
    embeddings: "token_embd",
    positions: Some("position_embd"),
    layer: "blk",
    attention_norm: "attn_norm",
    qkv: &["attn_q", "attn_k", "attn_v"],
    q_norm: "attn_q_norm",
    k_norm: "attn_k_norm",
    output: "attn_output",
    post_attention_norm: "post_attention_norm",
    ffn_norm: "ffn_norm",
    up: &["ffn_gate", "ffn_up"],
    down: "ffn_down",
    experts: ExpertNames {
        router: "ffn_gate_inp",
        parts: ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"],
        fused: ["", ""],
        shared: ["ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"],
        shared_gate: "ffn_gate_inp_shexp",
    },
    post_ffn_norm: "post_ffw_norm",
    final_norm: "output_norm",
    head: "output",
    transposed: false,
    interleaved: false,
};

const GGUF_FUSED: Layout = Layout {
    qkv: &["attn_qkv"],
    up: &["ffn_up"],
    ..GGUF
};

/// Prefixes under which checkpoints keep the decoder.
const PREFIXES: [&str; 7] = [
    "model.",
    "",
    "transformer.",
    "gpt_neox.",
    "language_model.model.",
    "model.language_model.",
    "model.text_model.",
];

/// Tensors that take no part in the forward pass of a text.
fn idle(name: &str) -> bool {
    name.ends_with("rotary_emb.inv_freq")
        || name.ends_with("attn.bias")
        || name.ends_with("attn.masked_bias")
        || name.ends_with("attention.bias")
        || name.ends_with("attention.masked_bias")
        || name.starts_with("rope_f")
        || name.contains("vision_tower.")
        || name.contains("multi_modal_projector.")
        || name.ends_with("image_newline")
}

impl Layout {
    fn of(architecture: Architecture, gguf: bool) -> &'static Self {
        match (architecture, gguf) {
            (Architecture::Gpt2 | Architecture::GptNeoX | Architecture::Phi3, true) => &GGUF_FUSED,
            (_, true) => &GGUF,
            (Architecture::Gpt2, false) => &HF_GPT2,
            (Architecture::GptNeoX, false) => &HF_NEOX,
            (Architecture::Phi3, false) => &HF_PHI3,
            (Architecture::Mixtral, false) => &HF_MIXTRAL,
            (Architecture::Gemma2 | Architecture::Gemma3 | Architecture::Olmo2, false) => {
                &HF_SANDWICH
            }
            (_, false) => &HF_GATED,
        }
    }
}

/// Builds the decoder on a device.
pub(crate) fn load(
    spec: Spec,
    weights: &Weights,
    arithmetic: Arithmetic,
    device: &Device,
) -> Result<Decoder, LocalError> {
    let layout = Layout::of(spec.architecture, matches!(weights, Weights::Gguf(_)));
    let holds = |name: String| weights.shape(&format!("{name}.weight")).is_some();
    // Of two tied matrices, a file may hold the head alone.
    let prefix = PREFIXES
        .into_iter()
        .find(|p| {
            holds(format!("{p}{}", layout.embeddings))
                || holds(format!("{p}{}.0.{}", layout.layer, layout.output))
        })
        .unwrap_or("");
    let loader = Loader {
        spec: &spec,
        layout,
        weights,
        arithmetic,
        device,
        prefix,
        used: RefCell::default(),
    };
    let embeddings = loader.embeddings()?;
    let positions = match layout.positions {
        Some(name) if spec.learned_positions => {
            Some(loader.matrix(&loader.outer(name), [spec.context, spec.hidden])?)
        }
        _ => None,
    };
    let ropes = spec
        .ropes
        .iter()
        .map(|rope| {
            let (frequencies, magnitude) = rope.frequencies(spec.rotary_dims)?;
            let positions = spec.context.min(MAX_ROPE_POSITIONS);
            Ok(RopeTable::new(
                &frequencies,
                magnitude,
                positions,
                spec.rope_style,
            ))
        })
        .collect::<Result<_, LocalError>>()?;
    let layers = (0..spec.layers.len())
        .map(|number| loader.layer(number))
        .collect::<Result<_, _>>()?;
    let final_norm = loader.norm(&loader.outer(layout.final_norm), spec.hidden)?;
    let head = loader.head(&embeddings)?;
    loader.all_used()?;
    Ok(Decoder {
        device: device.clone(),
        embeddings,
        positions,
        ropes,
        layers,
        final_norm,
        head,
        spec,
    })
}

/// Rotary tables are kept for this many positions; probes are far shorter.
pub(crate) const MAX_ROPE_POSITIONS: usize = 32_768;

struct Loader<'a> {
    spec: &'a Spec,
    layout: &'static Layout,
    weights: &'a Weights,
    arithmetic: Arithmetic,
    device: &'a Device,
    prefix: &'static str,
    used: RefCell<BTreeSet<String>>,
}

impl Loader<'_> {
    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn embeddings(&self) -> Result<Tensor, LocalError> {
        let shape = [self.spec.vocabulary, self.spec.hidden];
        let own = self.outer(self.layout.embeddings);
        let missing = self.weights.shape(&format!("{own}.weight")).is_none();
        match self.head_name() {
            Some(head) if missing && self.spec.tied => self.matrix(&head, shape),
            _ => self.matrix(&own, shape),
        }
    }

    /// The name of the head: that of a checkpoint stands outside the decoder's prefix.
    fn head_name(&self) -> Option<String> {
        [
            self.layout.head.to_owned(),
            self.outer(self.layout.head),
            format!("language_model.{}", self.layout.head),
        ]
        .into_iter()
        .find(|n| self.weights.shape(&format!("{n}.weight")).is_some())
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Tensor, LocalError> {
        let name = format!("{name}.weight");
        let tensor = self.weights.tensor(&name, &shape, self.device)?;
        self.used.borrow_mut().insert(name);
        Ok(tensor)
    }

    fn vector(&self, name: String, length: usize) -> Result<Option<Tensor>, LocalError> {
        if self.weights.shape(&name).is_none() {
            return Ok(None);
        }
        let tensor = self.weights.tensor(&name, &[length], self.device)?;
        self.used.borrow_mut().insert(name);
        Ok(Some(tensor))
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, LocalError> {
        let missing = |what: &str| LocalError::MissingTensor {
            name: format!("{name}.{what}"),
        };
        let weight = self
            .vector(format!("{name}.weight"), width)?
            .ok_or_else(|| missing("weight"))?;
        let (weight, bias) = match self.spec.norm {
            NormKind::Rms => (weight, None),
            NormKind::RmsPlusOne => ((weight + 1.0).step("shift a norm")?, None),
            NormKind::Layer => {
                let bias = self
                    .vector(format!("{name}.bias"), width)?
                    .ok_or_else(|| missing("bias"))?;
                (weight, Some(bias))
            }
        };
        Norm::new(weight, bias, self.spec.norm_eps).step("build a norm")
    }

    fn optional_norm(
        &self,
        wanted: bool,
        name: &str,
        width: usize,
    ) -> Result<Option<Norm>, LocalError> {
        wanted.then(|| self.norm(name, width)).transpose()
    }

    fn block(
        &self,
        up: &[String],
        widths: &[usize],
        down: String,
        ffn: usize,
    ) -> Result<Block, LocalError> {
        let block = Block {
            up: self.linear(up, widths, self.spec.hidden)?,
            down: self.linear(&[down], &[self.spec.hidden], ffn)?,
            gated: self.spec.gated,
            activation: self.spec.activation,
        };
        self.check_bias("mlp_bias", self.spec.ffn_bias, &[&block.up, &block.down])?;
        Ok(block)
    }

    /// Biases that the configuration denies would be left out by transformers, and such that it promises
    /// and the file lacks are no zeros but a damaged model.
    fn check_bias(
        &self,
        key: &str,
        said: Option<bool>,
        projections: &[&Linear],
    ) -> Result<(), LocalError> {
        let other = projections.iter().any(|p| Some(p.is_biased()) != said);
        match said {
            Some(said) if other => Err(LocalError::Config {
                what: format!(
                    "'{key}' is {said} for {}, but not for its weights",
                    self.spec.architecture.name()
                ),
            }),
            _ => Ok(()),
        }
    }

    fn mixture(&self, number: usize, mixture: Mixture) -> Result<FeedForward, LocalError> {
        let names = &self.layout.experts;
        let name = |part: &str| self.outer(&format!("{}.{number}.{part}", self.layout.layer));
        let hidden = self.spec.hidden;
        let single = name(&names.parts[0].replace("{}", "0"));
        let by_itself = names.parts[0].contains("{}")
            && self.weights.shape(&format!("{single}.weight")).is_some();
        let experts = if by_itself {
            (0..mixture.experts)
                .map(|expert| {
                    let part = |i: usize| name(&names.parts[i].replace("{}", &expert.to_string()));
                    let up = [part(0), part(1)];
                    self.block(&up, &[mixture.ffn, mixture.ffn], part(2), mixture.ffn)
                })
                .collect::<Result<_, _>>()?
        } else {
            self.stacked(&name, mixture)?
        };
        let shared = match mixture.shared {
            None => None,
            Some(width) => {
                let up = [name(names.shared[0]), name(names.shared[1])];
                let block = self.block(&up, &[width, width], name(names.shared[2]), width)?;
                Some((block, self.shared_gate(&name(names.shared_gate))?))
            }
        };
        Ok(FeedForward::Mixture(Routed {
            router: self.linear(&[name(names.router)], &[mixture.experts], hidden)?,
            experts,
            used: mixture.used,
            normalised: mixture.normalised,
            shared,
        }))
    }

    /// Experts whose matrices lie behind one another in tensors of three dimensions.
    fn stacked(
        &self,
        name: &dyn Fn(&str) -> String,
        mixture: Mixture,
    ) -> Result<Vec<Block>, LocalError> {
        let (hidden, names) = (self.spec.hidden, &self.layout.experts);
        let Mixture { experts, ffn, .. } = mixture;
        let (up, down) = if matches!(self.weights, Weights::Gguf(_)) {
            let stack = |i: usize, shape: [usize; 3]| {
                self.named(format!("{}.weight", name(names.parts[i])), &shape)
            };
            let (gate, up) = (
                stack(0, [experts, ffn, hidden])?,
                stack(1, [experts, ffn, hidden])?,
            );
            let both = Tensor::cat(&[gate, up], 1).step("fuse gate and up projections")?;
            (both, stack(2, [experts, hidden, ffn])?)
        } else {
            // These are parameters, not layers, so their names have no ending.
            let up = self.named(name(names.fused[0]), &[experts, 2 * ffn, hidden])?;
            (
                up,
                self.named(name(names.fused[1]), &[experts, hidden, ffn])?,
            )
        };
        (0..experts)
            .map(|expert| {
                let one = |stack: &Tensor| {
                    let weight = stack.get(expert).and_then(|w| ops::transposed(&w));
                    weight
                        .step("take an expert out of a stack")
                        .map(|weight| Linear::Dense { weight, bias: None })
                };
                Ok(Block {
                    up: one(&up)?,
                    down: one(&down)?,
                    gated: self.spec.gated,
                    activation: self.spec.activation,
                })
            })
            .collect()
    }

    /// One output; GGUF stores it as a vector.
    fn shared_gate(&self, name: &str) -> Result<Linear, LocalError> {
        let full = format!("{name}.weight");
        let hidden = self.spec.hidden;
        if self
            .weights
            .shape(&full)
            .is_some_and(|shape| shape.len() == 1)
        {
            let weight = self.named(full, &[hidden])?;
            let weight = weight.reshape((hidden, 1)).step("turn a gate")?;
            return Ok(Linear::Dense { weight, bias: None });
        }
        self.linear(&[name.to_owned()], &[1], hidden)
    }

    fn named(&self, name: String, shape: &[usize]) -> Result<Tensor, LocalError> {
        let tensor = self.weights.tensor(&name, shape, self.device)?;
        self.used.borrow_mut().insert(name);
        Ok(tensor)
    }

    fn layer(&self, number: usize) -> Result<Layer, LocalError> {
        let (spec, layout) = (self.spec, self.layout);
        let name = |part: &str| self.outer(&format!("{}.{number}.{part}", layout.layer));
        let (q, kv) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let qkv_widths = if layout.qkv.len() == 3 {
            vec![q, kv, kv]
        } else {
            vec![spec.qkv()]
        };
        let up_widths = match (layout.up.len(), spec.gated) {
            (2, _) => vec![spec.ffn, spec.ffn],
            (_, true) => vec![2 * spec.ffn],
            (_, false) => vec![spec.ffn],
        };
        let names = |parts: &[&str]| parts.iter().map(|p| name(p)).collect::<Vec<_>>();
        let mut qkv = self.linear(&names(layout.qkv), &qkv_widths, spec.hidden)?;
        if layout.interleaved {
            qkv = self.gather_heads(qkv)?;
        }
        let output = self.linear(&[name(layout.output)], &[spec.hidden], q)?;
        self.check_bias("attention_bias", spec.attention_bias, &[&qkv, &output])?;
        let (q_width, k_width) = match spec.qk_norm {
            QkNorm::Whole => (q, kv),
            QkNorm::None | QkNorm::Heads => (spec.head_dim, spec.head_dim),
        };
        let normed = spec.qk_norm != QkNorm::None;
        let before = spec.norm_places != NormPlaces::Behind;
        let behind = spec.norm_places != NormPlaces::Before;
        let norm = |wanted, part| self.optional_norm(wanted, &name(part), spec.hidden);
        let feed_forward = match spec.mixture {
            Some(mixture) if spec.layers[number].mixture => self.mixture(number, mixture)?,
            _ => FeedForward::Dense(self.block(
                &names(layout.up),
                &up_widths,
                name(layout.down),
                spec.ffn,
            )?),
        };
        Ok(Layer {
            attention_norm: norm(before, layout.attention_norm)?,
            qkv,
            q_norm: self.optional_norm(normed, &name(layout.q_norm), q_width)?,
            k_norm: self.optional_norm(normed, &name(layout.k_norm), k_width)?,
            output,
            post_attention_norm: norm(behind, layout.post_attention_norm)?,
            ffn_norm: norm(before, layout.ffn_norm)?,
            feed_forward,
            post_ffn_norm: norm(behind, layout.post_ffn_norm)?,
        })
    }

    /// Reads one projection, fusing its parts.
    fn linear(
        &self,
        names: &[String],
        widths: &[usize],
        inputs: usize,
    ) -> Result<Linear, LocalError> {
        let bias = self.biases(names, widths)?;
        if self.arithmetic == Arithmetic::Quantised {
            let mut parts = Vec::new();
            for (name, width) in names.iter().zip(widths) {
                let name = format!("{name}.weight");
                if let Some(q) = self
                    .weights
                    .quantised(&name, &[*width, inputs], self.device)?
                {
                    self.used.borrow_mut().insert(name);
                    parts.push(QMatMul::from_qtensor(q).step("prepare a quantised matrix")?);
                }
            }
            if parts.len() == names.len() {
                return Ok(Linear::Quantised { parts, bias });
            }
        }
        let matrices = names
            .iter()
            .zip(widths)
            .map(|(name, width)| {
                if self.layout.transposed {
                    self.matrix(name, [inputs, *width])
                } else {
                    self.matrix(name, [*width, inputs])
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let weight = if self.layout.transposed {
            Tensor::cat(&matrices, 1)
        } else {
            Tensor::cat(&matrices, 0).and_then(|w| ops::transposed(&w))
        };
        Ok(Linear::Dense {
            weight: weight.step("fuse a projection")?,
            bias,
        })
    }

    fn biases(&self, names: &[String], widths: &[usize]) -> Result<Option<Tensor>, LocalError> {
        let found = names
            .iter()
            .zip(widths)
            .map(|(name, width)| self.vector(format!("{name}.bias"), *width))
            .collect::<Result<Vec<_>, _>>()?;
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        let parts = found
            .into_iter()
            .zip(widths)
            .map(|(bias, width)| match bias {
                Some(bias) => Ok(bias),
                None => Tensor::zeros(*width, DType::F32, self.device),
            })
            .collect::<candle_core::Result<Vec<_>>>()
            .step("fuse biases")?;
        Tensor::cat(&parts, 0).step("fuse biases").map(Some)
    }

    /// Reorders a projection stored head by head (q, k, v of head 0, of head 1, ...) into q, k, v.
    fn gather_heads(&self, linear: Linear) -> Result<Linear, LocalError> {
        let Linear::Dense { weight, bias } = linear else {
            return Ok(linear);
        };
        let (heads, dim) = (self.spec.heads, self.spec.head_dim);
        let order: Vec<u32> = (0..3)
            .flat_map(|part| {
                (0..heads).flat_map(move |head| {
                    (0..dim).map(move |i| u32::try_from((head * 3 + part) * dim + i).unwrap_or(0))
                })
            })
            .collect();
        let order = Tensor::from_slice(&order, order.len(), self.device).step("order heads")?;
        Ok(Linear::Dense {
            weight: weight
                .index_select(&order, 1)
                .and_then(|w| w.contiguous())
                .step("order heads")?,
            bias: bias
                .map(|b| b.index_select(&order, 0))
                .transpose()
                .step("order heads")?,
        })
    }

    fn head(&self, embeddings: &Tensor) -> Result<Head, LocalError> {
        let shape = [self.spec.vocabulary, self.spec.hidden];
        match self.head_name() {
            Some(name) if self.spec.tied => {
                let stored = self.matrix(&name, shape)?;
                // A tied checkpoint may store the matrix a second time. Where it stores another, that is
                // the head, as in transformers.
                let same = alike(&stored, embeddings).step("compare head and embeddings")?;
                Ok(Head::Dense(if same { embeddings.clone() } else { stored }))
            }
            None if self.spec.tied => Ok(Head::Dense(embeddings.clone())),
            None => Err(LocalError::MissingTensor {
                name: format!("{}.weight", self.layout.head),
            }),
            Some(name) => {
                if self.arithmetic == Arithmetic::Quantised {
                    let full = format!("{name}.weight");
                    if let Some(q) = self.weights.quantised(&full, &shape, self.device)? {
                        self.used.borrow_mut().insert(full);
                        return QMatMul::from_qtensor(q)
                            .step("prepare a quantised matrix")
                            .map(Head::Quantised);
                    }
                }
                self.matrix(&name, shape).map(Head::Dense)
            }
        }
    }

    fn all_used(&self) -> Result<(), LocalError> {
        let used = self.used.borrow();
        let strange = self
            .weights
            .names()
            .find(|name| !used.contains(*name) && !idle(name));
        match strange {
            None => Ok(()),
            Some(name) => Err(LocalError::Unsupported {
                setting: format!(
                    "tensor '{name}', which is no part of architecture '{}' as the engine knows it,",
                    self.spec.architecture.name()
                ),
            }),
        }
    }
}

/// Whether two matrices hold the same values.
fn alike(a: &Tensor, b: &Tensor) -> candle_core::Result<bool> {
    if a.device().is_cpu() {
        let (a, b) = (Values::of(a), Values::of(b));
        return Ok(a.get()? == b.get()?);
    }
    Ok((a - b)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0)
}
