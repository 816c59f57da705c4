//! The feed-forward block of a layer: one pair of projections, or several experts behind a router.

use candle_core::{Result, Tensor};

use super::linear::Linear;
use super::ops;
use super::spec::Activation;

/// What stands between the two norms of a layer's second half.
#[derive(Debug)]
pub(super) enum FeedForward {
    /// Every position passes the same projections.
    Dense(Block),
    /// A router chooses.
    Mixture(Routed),
}

/// Two projections with an activation between them.
#[derive(Debug)]
pub(super) struct Block {
    /// Gate and up projection in one, or the plain up projection.
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) gated: bool,
    pub(super) activation: Activation,
}

/// Experts of which every position passes some.
#[derive(Debug)]
pub(super) struct Routed {
    /// One output an expert.
    pub(super) router: Linear,
    pub(super) experts: Vec<Block>,
    /// How many a position passes.
    pub(super) used: usize,
    /// The weights of those chosen are made to add up to one.
    pub(super) normalised: bool,
    /// An expert that every position passes, and its gate with one output.
    pub(super) shared: Option<(Block, Linear)>,
}

impl FeedForward {
    /// Rows of hidden states, shape [rows, hidden], through the block.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(block) => block.forward(x),
            Self::Mixture(experts) => experts.forward(x),
        }
    }
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let activated = if self.gated {
            ops::gated(self.activation, &up)?
        } else {
            ops::activate(self.activation, up)?
        };
        self.down.forward(&activated)
    }
}

impl Routed {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let logits = self.router.forward(x)?.to_vec2::<f32>()?;
        // By expert: which rows it gets, and with which weight. Experts are passed in their order, so that
        // sums do not depend on anything but the input.
        let mut rows: Vec<(Vec<u32>, Vec<f32>)> = vec![Default::default(); self.experts.len()];
        for (row, logits) in (0u32..).zip(&logits) {
            for (expert, weight) in chosen(logits, self.used, self.normalised) {
                let (places, weights) = &mut rows[expert];
                places.push(row);
                weights.push(weight);
            }
        }
        let mut sum = x.zeros_like()?;
        for (expert, (places, weights)) in self.experts.iter().zip(rows) {
            if places.is_empty() {
                continue;
            }
            let count = places.len();
            let places = Tensor::from_vec(places, count, x.device())?;
            let weights = Tensor::from_vec(weights, (count, 1), x.device())?;
            let y = expert.forward(&x.index_select(&places, 0)?)?;
            sum = sum.index_add(&places, &y.broadcast_mul(&weights)?, 0)?;
        }
        match &self.shared {
            Some((block, gate)) => {
                let weights = candle_nn::ops::sigmoid(&gate.forward(x)?)?;
                sum + block.forward(x)?.broadcast_mul(&weights)?
            }
            None => Ok(sum),
        }
    }
}

/// The most probable experts with their weights; of two as probable as each other, the first.
fn chosen(logits: &[f32], used: usize, normalised: bool) -> Vec<(usize, f32)> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|x| (x - highest).exp()).collect();
    let total: f32 = powers.iter().sum();
    let mut all: Vec<(usize, f32)> = powers.iter().map(|p| p / total).enumerate().collect();
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    all.truncate(used);
    if normalised {
        let kept: f32 = all.iter().map(|(_, p)| p).sum();
        for (_, weight) in &mut all {
            *weight /= kept;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_experts_are_chosen_with_their_probabilities() {
        let logits = [0.0, 2f32.ln(), 0.0, 4f32.ln()];
        let kept = chosen(&logits, 2, false);
        assert_eq!(kept.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [3, 1]);
        assert!((kept[0].1 - 0.5).abs() < 1e-6 && (kept[1].1 - 0.25).abs() < 1e-6);
        let normalised = chosen(&logits, 2, true);
        assert!((normalised[0].1 - 2.0 / 3.0).abs() < 1e-6);
        // A tie goes to the first.
        assert_eq!(chosen(&logits, 3, false)[2].0, 0);
    }
}
