//! From weight files to a [`Decoder`]: which tensor plays which part in which layout.
//!
//! Every tensor of the file must be used or be known to be idle. A tensor that the engine does not
//! understand would change the model's answers, so it is refused by name instead of being skipped.

use std::cell::RefCell;
use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor};

use super::decoder::{Decoder, Layer};
use super::error::{LocalError, Step};
use super::feed_forward::{Block, FeedForward, Routed};
use super::linear::{Linear, Weight};
use super::matrix::Matrix;
use super::ops::{Norm, RopeTable};
use super::spec::{Architecture, Mixture, NormKind, NormPlaces, QkNorm, Spec};
use super::weights::Weights;

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
    /// Gate, up and down projection of every expert by itself.
    single: [&'static str; 3],
    stacked: Stacked,
    shared: [&'static str; 3],
    shared_gate: &'static str,
}

/// Tensors of three dimensions with the projections of all experts behind one another.
enum Stacked {
    /// Gate, up and down projections in one each, under names that end in `.weight`.
    Three([&'static str; 3]),
    /// Gate and up projections in one, down projections in the other: parameters, not layers, so their
    /// names have no ending.
    Two([&'static str; 2]),
}

const HF_EXPERTS: ExpertNames = ExpertNames {
    router: "mlp.gate",
    single: [
        "mlp.experts.{}.gate_proj",
        "mlp.experts.{}.up_proj",
        "mlp.experts.{}.down_proj",
    ],
    stacked: Stacked::Two(["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]),
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
        single: [
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
        // Old files of Mixtral.
        single: ["ffn_gate.{}", "ffn_up.{}", "ffn_down.{}"],
        stacked: Stacked::Three(["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"]),
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
pub(crate) fn load(spec: Spec, weights: &Weights, device: &Device) -> Result<Decoder, LocalError> {
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
        device,
        prefix,
        used: RefCell::default(),
    };
    let embeddings = loader.embeddings()?;
    let head = loader.head(&embeddings)?;
    let embeddings = Weight::new(vec![embeddings], device)?;
    let head = match head {
        Some(head) => Weight::new(vec![head], device)?,
        None => embeddings.clone(),
    };
    let positions = match layout.positions {
        Some(name) if spec.learned_positions => {
            let matrix = loader.matrix(&loader.outer(name), [spec.context, spec.hidden])?;
            Some(Weight::new(vec![matrix], device)?)
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
    loader.all_used()?;
    Ok(Decoder {
        device: device.clone(),
        stored: weights.bytes(),
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
    device: &'a Device,
    prefix: &'static str,
    used: RefCell<BTreeSet<String>>,
}

impl Loader<'_> {
    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn embeddings(&self) -> Result<Matrix, LocalError> {
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

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix, LocalError> {
        let name = format!("{name}.weight");
        let matrix = self.weights.matrix(&name, &shape)?;
        self.used.borrow_mut().insert(name);
        Ok(matrix)
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
        let other = projections.iter().any(|p| Some(p.bias.is_some()) != said);
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
        let first = name(&names.single[0].replace("{}", "0"));
        let by_itself = self.weights.shape(&format!("{first}.weight")).is_some();
        let experts = if by_itself {
            (0..mixture.experts)
                .map(|expert| {
                    let part = |i: usize| name(&names.single[i].replace("{}", &expert.to_string()));
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
        let hidden = self.spec.hidden;
        let Mixture { experts, ffn, .. } = mixture;
        let (up, down) = match &self.layout.experts.stacked {
            Stacked::Three([gate, up, down]) => {
                let part = |part, rows| (format!("{}.weight", name(part)), rows);
                (vec![part(gate, ffn), part(up, ffn)], part(down, hidden))
            }
            Stacked::Two([up, down]) => (vec![(name(up), 2 * ffn)], (name(down), hidden)),
        };
        let one = |(name, rows): &(String, usize), columns, expert| {
            let shape = [experts, *rows, columns];
            let matrix = self.weights.matrix_within(name, shape, expert)?;
            self.used.borrow_mut().insert(name.clone());
            Ok(matrix)
        };
        let expert = |expert| {
            let parts = up.iter().map(|part| one(part, hidden, expert));
            Ok(Block {
                up: self.dense(parts.collect::<Result<_, LocalError>>()?, None)?,
                down: self.dense(vec![one(&down, ffn, expert)?], None)?,
                gated: self.spec.gated,
                activation: self.spec.activation,
            })
        };
        (0..experts).map(expert).collect()
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
            let weight = self.weights.matrix(&full, &[hidden])?;
            self.used.borrow_mut().insert(full);
            return self.dense(vec![weight], None);
        }
        self.linear(&[name.to_owned()], &[1], hidden)
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
        let qkv = self.qkv(&names(layout.qkv), &qkv_widths)?;
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
        let matrices = self.matrices(names, widths, inputs)?;
        self.dense(matrices, self.biases(names, widths)?)
    }

    fn dense(&self, matrices: Vec<Matrix>, bias: Option<Tensor>) -> Result<Linear, LocalError> {
        let weight = Weight::new(matrices, self.device)?;
        Ok(Linear { weight, bias })
    }

    /// The parts of a projection, [outputs, inputs] each.
    fn matrices(
        &self,
        names: &[String],
        widths: &[usize],
        inputs: usize,
    ) -> Result<Vec<Matrix>, LocalError> {
        let one = |(name, width): (&String, &usize)| {
            if !self.layout.transposed {
                return self.matrix(name, [*width, inputs]);
            }
            let stored = self.matrix(name, [inputs, *width])?;
            stored.transposed().ok_or_else(|| LocalError::Unsupported {
                setting: format!("tensor '{name}.weight', quantised along its outputs,"),
            })
        };
        names.iter().zip(widths).map(one).collect()
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

    /// Queries, keys and values. Where they are stored head by head (q, k, v of head 0, of head 1, ...) they
    /// are reordered.
    fn qkv(&self, names: &[String], widths: &[usize]) -> Result<Linear, LocalError> {
        if !self.layout.interleaved {
            return self.linear(names, widths, self.spec.hidden);
        }
        let matrices = self.matrices(names, widths, self.spec.hidden)?;
        let bias = self.biases(names, widths)?;
        let (heads, dim) = (self.spec.heads, self.spec.head_dim);
        let order: Vec<usize> = (0..3 * heads * dim)
            .map(|i| {
                let (part, head, within) = (i / dim / heads, i / dim % heads, i % dim);
                (head * 3 + part) * dim + within
            })
            .collect();
        let matrices = matrices.iter().map(|m| m.of_rows(&order)).collect();
        let ordered = |bias: Tensor| {
            let all = bias.to_vec1::<f32>()?;
            let values: Vec<f32> = order.iter().map(|i| all[*i]).collect();
            Tensor::from_vec(values, order.len(), self.device)
        };
        let bias = bias.map(ordered).transpose().step("order heads")?;
        self.dense(matrices, bias)
    }

    /// The head, where it is another matrix than the embeddings.
    fn head(&self, embeddings: &Matrix) -> Result<Option<Matrix>, LocalError> {
        let shape = [self.spec.vocabulary, self.spec.hidden];
        let stored = match self.head_name() {
            Some(name) => self.matrix(&name, shape)?,
            None if self.spec.tied => return Ok(None),
            None => {
                return Err(LocalError::MissingTensor {
                    name: format!("{}.weight", self.layout.head),
                });
            }
        };
        // A tied checkpoint may store the matrix a second time. Where it stores another, that is the head, as
        // in transformers.
        let same = self.spec.tied && stored.is_equal(embeddings);
        Ok((!same).then_some(stored))
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
