//! Lineage gate: do two sets of weights descend from one initialisation?
//!
//! In a gated feed-forward layer a hidden unit is a row of the gate projection and the same row of
//! the up projection. If B descends from A, the gate rows of A and B pair up in the same way as the
//! up rows do, in whatever order the units were put. If they were trained independently, one pairing
//! says nothing about the other.
//!
//! After phi_MATCH of Zhu, Ahmed, Kuditipudi and Liang, "Independence Tests for Language Models"
//! (ICML 2025, arXiv 2502.12292). They pair *activations*, which survives a rotation of the residual
//! stream; here the *weights* are paired, as in the simpler statistics of the same paper, which needs
//! no forward pass. So a permutation of hidden units and any positive scaling of them is seen
//! through, a rotation or permutation of the residual stream is not: it looks like independence.
//!
//! What it cannot tell:
//! - direction: the statistic is symmetric in what it concludes, A from B or B from A;
//! - a common ancestor: two fine-tunes of one base are as related as parent and child (see
//!   [`delta_cosine`] when that base is at hand);
//! - distillation: training on another model's outputs leaves no trace here.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use thiserror::Error;

use crate::weigh::{fisher, max_weight_assignment, spearman};

/// One gated feed-forward layer, both projections shaped `[hidden units, width of the model]`.
#[derive(Debug, Clone, Copy)]
pub struct GatedLayer<'a> {
    /// Gate projection.
    pub gate: ArrayView2<'a, f32>,
    /// Up projection.
    pub up: ArrayView2<'a, f32>,
}

/// How much of two models is compared.
///
/// Pairing costs up to `units^2 * all units` a layer, so large models are sampled. Both samples are
/// chosen by position alone, never by the weights, which keeps the null distribution as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageLimits {
    /// At most this many layers, spread evenly from the first to the last.
    pub layers: usize,
    /// At most this many hidden units of A a layer, spread evenly; each is still paired with one of
    /// *all* units of B. If one pairing is a uniformly random injection, independent of the other,
    /// the order of the partners of any fixed subset is a uniformly random order, so that rank
    /// correlation over the subset has the null distribution it has over the whole.
    pub units: usize,
}

impl Default for LineageLimits {
    fn default() -> Self {
        Self {
            layers: 16,
            units: 2000,
        }
    }
}

/// Result of [`phi_match`].
#[derive(Debug, Clone, PartialEq)]
pub struct LineageTest {
    /// Rank correlation between the gate pairing and the up pairing, from -1 to 1, a layer.
    pub statistic_per_layer: Vec<f64>,
    /// One-sided p-value of each, never exactly 0.
    pub p_per_layer: Vec<f64>,
    /// Share of compared units that gate and up pair with the same unit, from 0 to 1, a layer. About
    /// one unit agrees by chance. For reading beside the statistic; it does not enter the p-values.
    pub agreement_per_layer: Vec<f64>,
    /// Fisher combination of the layers' p-values; 0 where it is below the smallest f64.
    pub p: f64,
    /// Its base-10 logarithm, which still holds where `p` has become 0.
    pub log10_p: f64,
    /// Which layers were compared, counted from 0.
    pub layers: Vec<usize>,
}

/// Why two models cannot be compared layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineageError {
    /// There is no gated layer to compare.
    #[error("no gated feed-forward layer to compare")]
    NoLayers,
    /// The models differ in depth.
    #[error("one model has {a} gated layers, the other {b}")]
    LayerCount {
        /// Layers of A.
        a: usize,
        /// Layers of B.
        b: usize,
    },
    /// The four matrices of a layer do not have one shape.
    #[error(
        "layer {layer}: gate and up are {a_gate:?} and {a_up:?} in one model, {b_gate:?} and {b_up:?} in the other"
    )]
    Shape {
        /// The layer, counted from 0.
        layer: usize,
        /// Gate of A: hidden units, width.
        a_gate: (usize, usize),
        /// Up of A.
        a_up: (usize, usize),
        /// Gate of B.
        b_gate: (usize, usize),
        /// Up of B.
        b_up: (usize, usize),
    },
    /// A layer has too few hidden units, or no width.
    #[error("layer {layer}: {units} hidden units of width {width} are too few to pair")]
    TooSmall {
        /// The layer, counted from 0.
        layer: usize,
        /// Hidden units compared.
        units: usize,
        /// Width of the model.
        width: usize,
    },
    /// A weight is infinite or not a number.
    #[error("layer {layer}: a weight is not finite")]
    NotFinite {
        /// The layer, counted from 0.
        layer: usize,
    },
}

/// Tests whether two models' gated layers descend from one initialisation, whatever the order of
/// their hidden units.
///
/// In each layer the gate rows of A are paired one-to-one with those of B so that the sum of cosine
/// similarities is largest, giving `g(i)`; the up rows likewise, giving `u(i)`. The statistic is
/// Spearman's correlation of `g` and `u` (dimensionless), its p-value one-sided as in
/// [`spearman`]; layers are combined by [`fisher`]. At most [`LineageLimits::default`] is compared.
///
/// Units of B are given random labels first, and gate and up rows are shown to the matcher in two
/// further orders, all from a fixed seed: a tie (dead units, equal rows) that the matcher settles by
/// position, or units sorted by size in both models, would otherwise make two independent models
/// agree. A row of zeros has cosine 0 with everything.
///
/// The p-value is exact where one pairing is uniformly random given the other. That two models are
/// independent implies this only if gate and up similarities across models are unrelated, which
/// training need not respect: units of one kind may resemble each other in both projections. The
/// authors found it to behave as a p-value on independent pairs, no more. Our harshest check so far:
/// 60 pairs of *different* layers of one trained 135-million-parameter model, which share a residual
/// stream, gave p-values in keeping with a uniform distribution (smallest 0.015, Kolmogorov-Smirnov
/// p = 0.05), although up to 43 of 1,536 units agreed where chance gives one. So agreement is no
/// test, and the rank correlation over random labels is. Source: see the module.
///
/// # Errors
///
/// When there are no layers, depth or a layer's shapes differ, a layer has fewer than two units, or
/// a compared weight is not finite. The first offending layer is named; shapes of all layers are
/// checked, weights of those compared.
pub fn phi_match(a: &[GatedLayer<'_>], b: &[GatedLayer<'_>]) -> Result<LineageTest, LineageError> {
    phi_match_within(a, b, LineageLimits::default())
}

/// [`phi_match`] with limits of the caller's choice.
///
/// # Errors
///
/// Those of [`phi_match`]; limits of no layers or of fewer than two units leave nothing to compare.
pub fn phi_match_within(
    a: &[GatedLayer<'_>],
    b: &[GatedLayer<'_>],
    limits: LineageLimits,
) -> Result<LineageTest, LineageError> {
    if a.len() != b.len() {
        return Err(LineageError::LayerCount {
            a: a.len(),
            b: b.len(),
        });
    }
    for (layer, (a, b)) in a.iter().zip(b).enumerate() {
        check_shapes(layer, a, b)?;
    }
    combined(a.len(), limits, |layer| {
        pair_layer(layer, &a[layer], &b[layer], limits.units)
    })
}

/// [`phi_match`] of models of so many layers each, whose layers are read one at a time: of large models no
/// more than one layer each is held. `read` gives the gate and up projection of a layer of A and of B.
///
/// # Errors
///
/// Those of [`phi_match`], but that shapes are checked of the layers compared alone, and those of `read`.
pub fn phi_match_reading<E: From<LineageError>>(
    (a, b): (usize, usize),
    mut read: impl FnMut(usize) -> Result<[[Array2<f32>; 2]; 2], E>,
) -> Result<LineageTest, E> {
    if a != b {
        return Err(LineageError::LayerCount { a, b }.into());
    }
    let limits = LineageLimits::default();
    combined(a, limits, |layer| {
        let [a, b] = read(layer)?;
        let [a, b] = [&a, &b].map(|[gate, up]| GatedLayer {
            gate: gate.view(),
            up: up.view(),
        });
        check_shapes(layer, &a, &b)?;
        Ok(pair_layer(layer, &a, &b, limits.units)?)
    })
}

/// The layers that are compared, one after the other, and what they say together.
fn combined<E: From<LineageError>>(
    count: usize,
    limits: LineageLimits,
    mut pair: impl FnMut(usize) -> Result<Paired, E>,
) -> Result<LineageTest, E> {
    let mut found = LineageTest {
        statistic_per_layer: Vec::new(),
        p_per_layer: Vec::new(),
        agreement_per_layer: Vec::new(),
        p: 1.0,
        log10_p: 0.0,
        layers: spread(count, limits.layers),
    };
    for &layer in &found.layers {
        let paired = pair(layer)?;
        found.statistic_per_layer.push(paired.rho);
        found.p_per_layer.push(paired.p);
        found.agreement_per_layer.push(paired.agreement);
    }
    let together = fisher(&found.p_per_layer).ok_or(LineageError::NoLayers)?;
    found.p = together.p;
    found.log10_p = together.log10_p;
    Ok(found)
}

fn check_shapes(layer: usize, a: &GatedLayer<'_>, b: &GatedLayer<'_>) -> Result<(), LineageError> {
    let shape = a.gate.dim();
    if [a.up.dim(), b.gate.dim(), b.up.dim()] == [shape; 3] {
        return Ok(());
    }
    Err(LineageError::Shape {
        layer,
        a_gate: a.gate.dim(),
        a_up: a.up.dim(),
        b_gate: b.gate.dim(),
        b_up: b.up.dim(),
    })
}

/// At most `limit` of `0..count`, evenly, the first and (from two on) the last among them.
fn spread(count: usize, limit: usize) -> Vec<usize> {
    if count <= limit {
        return (0..count).collect();
    }
    let gaps = limit.saturating_sub(1).max(1);
    (0..limit).map(|i| i * (count - 1) / gaps).collect()
}

struct Paired {
    rho: f64,
    p: f64,
    agreement: f64,
}

fn pair_layer(
    layer: usize,
    a: &GatedLayer<'_>,
    b: &GatedLayer<'_>,
    limit: usize,
) -> Result<Paired, LineageError> {
    let (all, width) = a.gate.dim();
    let units = spread(all, limit);
    if units.len() < 2 || width == 0 {
        let units = units.len();
        return Err(LineageError::TooSmall {
            layer,
            units,
            width,
        });
    }
    // Every layer shuffles anew, or the chance of one shuffle would be shared by all layers.
    let mut random = ChaCha8Rng::seed_from_u64(layer as u64);
    let labels = shuffled(all, &mut random);
    let mut partners = |a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>| {
        let order = shuffled(all, &mut random);
        let a = unit_rows(&a.select(Axis(0), &units)).ok_or(LineageError::NotFinite { layer })?;
        let b = unit_rows(&b.select(Axis(0), &order)).ok_or(LineageError::NotFinite { layer })?;
        let matched =
            max_weight_assignment(&a.dot(&b.t())).map_err(|_| LineageError::NotFinite { layer })?;
        let of_unit = |column: &usize| labels[order[*column]];
        Ok(matched.columns.iter().map(of_unit).collect::<Vec<usize>>())
    };
    let gate = partners(a.gate, b.gate)?;
    let up = partners(a.up, b.up)?;
    let agreeing = gate.iter().zip(&up).filter(|(g, u)| g == u).count();
    let too_small = LineageError::TooSmall {
        layer,
        units: units.len(),
        width,
    };
    let correlation = spearman(&as_numbers(&gate), &as_numbers(&up)).ok_or(too_small)?;
    Ok(Paired {
        rho: correlation.rho,
        p: correlation.p,
        agreement: agreeing as f64 / units.len() as f64,
    })
}

fn as_numbers(indices: &[usize]) -> Vec<f64> {
    indices.iter().map(|&index| index as f64).collect()
}

/// Rows scaled to length 1, rows of zeros left as they are; `None` when a weight is not finite.
fn unit_rows(rows: &Array2<f32>) -> Option<Array2<f32>> {
    let mut scaled = rows.clone();
    for mut row in scaled.rows_mut() {
        // Squares of large f32 weights overflow f32.
        let length = row
            .iter()
            .map(|w| f64::from(*w).powi(2))
            .sum::<f64>()
            .sqrt();
        if !length.is_finite() {
            return None;
        }
        if length > 0.0 {
            row.mapv_inplace(|w| as_single(f64::from(w) / length));
        }
    }
    Some(scaled)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cosine's factor, whose last digits do not matter"
)]
fn as_single(value: f64) -> f32 {
    value as f32
}

/// `0..count` in random order (Fisher and Yates). Written out because the order that `rand` gives
/// for a seed may change between its versions, and a result has to be reproducible.
fn shuffled(count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        // The high half of a 64 by 64 bit product is even to within count / 2^64.
        let wide = u128::from(random.next_u64()) * (last as u128 + 1);
        order.swap(last, usize::try_from(wide >> 64).unwrap_or(last));
    }
    order
}

/// How far two models have moved from a common base in the same direction.
///
/// `cos = <A - base, B - base> / (|A - base| |B - base|)` with all tensors as one long vector, in
/// f64; dimensionless, from -1 to 1. Independent fine-tunes of one base lie near 0, a fine-tune and
/// its own continuation clearly above. It is descriptive: the same data moves two models alike, so
/// it has no null distribution without controls.
///
/// Source: task vectors, Ilharco et al., "Editing Models with Task Arithmetic" (ICLR 2023, arXiv
/// 2212.04089), section 5.
///
/// Tensors are taken in the order given; the caller leaves out those whose shapes differ. `None`
/// when the lists or the lengths within them differ, when a model equals the base (a zero vector has
/// no direction; so has no tensor at all), or when a weight is not finite.
pub fn delta_cosine(
    a: &[ArrayView1<'_, f32>],
    b: &[ArrayView1<'_, f32>],
    base: &[ArrayView1<'_, f32>],
) -> Option<f64> {
    if a.len() != base.len() || b.len() != base.len() {
        return None;
    }
    let (mut ab, mut aa, mut bb) = (0.0_f64, 0.0_f64, 0.0_f64);
    for ((a, b), base) in a.iter().zip(b).zip(base) {
        if a.len() != base.len() || b.len() != base.len() {
            return None;
        }
        for ((a, b), base) in a.iter().zip(b).zip(base) {
            let from_a = f64::from(*a) - f64::from(*base);
            let from_b = f64::from(*b) - f64::from(*base);
            ab += from_a * from_b;
            aa += from_a * from_a;
            bb += from_b * from_b;
        }
    }
    let cosine = ab / (aa.sqrt() * bb.sqrt());
    cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Owned layers: gate and up.
    type Model = Vec<(Array2<f32>, Array2<f32>)>;

    fn layers(model: &Model) -> Vec<GatedLayer<'_>> {
        model
            .iter()
            .map(|(gate, up)| GatedLayer {
                gate: gate.view(),
                up: up.view(),
            })
            .collect()
    }

    /// Sum of twelve uniform numbers less six: near enough to normal.
    fn normal(random: &mut ChaCha8Rng) -> f32 {
        (0..12)
            .map(|_| as_single(f64::from(random.next_u32()) / f64::from(u32::MAX)))
            .sum::<f32>()
            - 6.0
    }

    fn noise(units: usize, width: usize, random: &mut ChaCha8Rng) -> Array2<f32> {
        Array2::from_shape_fn((units, width), |_| normal(random))
    }

    fn trained(depth: usize, units: usize, width: usize, seed: u64) -> Model {
        let mut random = ChaCha8Rng::seed_from_u64(1_000 + seed);
        (0..depth)
            .map(|_| {
                (
                    noise(units, width, &mut random),
                    noise(units, width, &mut random),
                )
            })
            .collect()
    }

    fn derived(model: &Model, strength: f32, permuted: bool, seed: u64) -> Model {
        let mut random = ChaCha8Rng::seed_from_u64(500_000 + seed);
        let mut change = |(gate, up): &(Array2<f32>, Array2<f32>)| {
            let (units, width) = gate.dim();
            let mut order: Vec<usize> = (0..units).collect();
            if permuted {
                order = shuffled(units, &mut random);
            }
            let gate = gate.select(Axis(0), &order) + noise(units, width, &mut random) * strength;
            let up = up.select(Axis(0), &order) + noise(units, width, &mut random) * strength;
            (gate, up)
        };
        model.iter().map(&mut change).collect()
    }

    /// Largest distance between the distribution of p-values and the uniform one.
    fn kolmogorov_smirnov(mut p_values: Vec<f64>) -> f64 {
        p_values.sort_by(f64::total_cmp);
        let n = p_values.len() as f64;
        let gap = |(i, p): (usize, &f64)| (p - i as f64 / n).max((i + 1) as f64 / n - p);
        p_values.iter().enumerate().map(gap).fold(0.0, f64::max)
    }

    fn p_values(limits: LineageLimits) -> Vec<f64> {
        (0..200)
            .map(|repeat| {
                let a = trained(2, 40, 12, 2 * repeat);
                let b = trained(2, 40, 12, 2 * repeat + 1);
                phi_match_within(&layers(&a), &layers(&b), limits)
                    .unwrap()
                    .p
            })
            .collect()
    }

    // 1.63 / sqrt(200) = 0.115: the 1 % point of the Kolmogorov-Smirnov distance.
    #[test]
    fn independent_models_have_uniform_p_values() {
        let distance = kolmogorov_smirnov(p_values(LineageLimits::default()));
        assert!(distance < 0.115, "{distance}");
    }

    #[test]
    fn a_sample_of_units_keeps_the_p_values_uniform() {
        let limits = LineageLimits {
            layers: 2,
            units: 15,
        };
        let distance = kolmogorov_smirnov(p_values(limits));
        assert!(distance < 0.115, "{distance}");
    }

    // Each unit is of one of two kinds, the same kinds in the same order in both models, as when
    // units are sorted by size. Without random labels most of these pairs come out below 0.01.
    #[test]
    fn kinds_of_units_in_one_order_do_not_relate_independent_models() {
        let of_kinds = |seed: u64| {
            let mut model = trained(1, 60, 12, seed);
            for (gate, up) in &mut model {
                for unit in 0..30 {
                    gate.row_mut(unit).mapv_inplace(|w| w + 3.0);
                    up.row_mut(unit).mapv_inplace(|w| w + 3.0);
                }
            }
            model
        };
        let small = (0..40)
            .map(|i| phi_match(&layers(&of_kinds(2 * i)), &layers(&of_kinds(2 * i + 1))))
            .filter(|test| test.as_ref().unwrap().p < 0.01)
            .count();
        assert!(small <= 3, "{small} of 40");
    }

    #[test]
    fn noise_and_permutation_do_not_hide_a_derivative() {
        let parent = trained(2, 40, 32, 7);
        for permuted in [false, true] {
            let child = derived(&parent, 0.5, permuted, 7);
            let test = phi_match(&layers(&parent), &layers(&child)).unwrap();
            assert!(test.p < 1e-20, "{test:?}");
            assert!(test.statistic_per_layer.iter().all(|rho| *rho > 0.99));
            assert!(test.agreement_per_layer.iter().all(|share| *share > 0.99));
            assert_eq!(test.layers, [0, 1]);
        }
    }

    #[test]
    fn layers_read_one_at_a_time_give_the_same_test_and_are_read_only_where_compared() {
        let parent = trained(20, 12, 8, 9);
        let child = derived(&parent, 0.5, true, 9);
        let whole = phi_match(&layers(&parent), &layers(&child)).unwrap();
        let mut asked = Vec::new();
        let read = phi_match_reading((20, 20), |layer| {
            asked.push(layer);
            Ok::<_, LineageError>([&parent, &child].map(|m| m[layer].clone().into()))
        });
        assert_eq!(read.unwrap(), whole);
        assert_eq!(asked, whole.layers);
        assert_eq!(asked.len(), LineageLimits::default().layers);
        let differs = phi_match_reading((20, 19), |_| Err(LineageError::NoLayers));
        assert_eq!(differs, Err(LineageError::LayerCount { a: 20, b: 19 }));
    }

    #[test]
    fn a_sample_of_units_still_finds_its_partners_among_all() {
        let parent = trained(5, 40, 32, 8);
        let child = derived(&parent, 0.5, true, 8);
        let limits = LineageLimits {
            layers: 3,
            units: 20,
        };
        let test = phi_match_within(&layers(&parent), &layers(&child), limits).unwrap();
        assert_eq!(test.layers, [0, 2, 4]);
        assert!(test.statistic_per_layer.iter().all(|rho| *rho > 0.99));
        assert!(test.p < 1e-20);
    }

    #[test]
    fn scaling_units_does_not_hide_a_derivative() {
        let parent = trained(1, 40, 32, 9);
        let mut child = parent.clone();
        child[0].0.row_mut(3).mapv_inplace(|w| w * 1e30);
        child[0].1.mapv_inplace(|w| w * 1e-3);
        let test = phi_match(&layers(&parent), &layers(&child)).unwrap();
        assert!(
            (test.statistic_per_layer[0] - 1.0).abs() < 1e-12,
            "{test:?}"
        );
    }

    #[test]
    fn dead_and_equal_units_do_not_agree_by_position() {
        let dead = vec![(Array2::zeros((60, 8)), Array2::zeros((60, 8)))];
        let test = phi_match(&layers(&dead), &layers(&dead)).unwrap();
        assert!(test.p > 0.01, "{test:?}");
        let equal = vec![(Array2::ones((60, 8)), Array2::ones((60, 8)))];
        let test = phi_match(&layers(&equal), &layers(&equal)).unwrap();
        assert!(test.p > 0.01, "{test:?}");
    }

    #[test]
    fn layers_do_not_share_one_shuffle() {
        let (mut a, mut b) = (trained(1, 20, 8, 1), trained(1, 20, 8, 2));
        a.push(a[0].clone());
        b.push(b[0].clone());
        let rho = phi_match(&layers(&a), &layers(&b))
            .unwrap()
            .statistic_per_layer;
        assert!((rho[0] - rho[1]).abs() > 1e-3, "{rho:?}");
    }

    #[test]
    fn the_same_input_gives_the_same_result() {
        let (a, b) = (trained(3, 20, 8, 1), trained(3, 20, 8, 2));
        let once = phi_match(&layers(&a), &layers(&b)).unwrap();
        assert_eq!(once, phi_match(&layers(&a), &layers(&b)).unwrap());
    }

    #[test]
    fn a_layer_of_another_shape_is_named() {
        let (a, mut b) = (trained(3, 20, 8, 1), trained(3, 20, 8, 2));
        b[1].1 = Array2::zeros((24, 8));
        let error = phi_match(&layers(&a), &layers(&b)).unwrap_err();
        assert!(matches!(error, LineageError::Shape { layer: 1, .. }));
        let shown = "layer 1: gate and up are (20, 8) and (20, 8) in one model, \
                     (20, 8) and (24, 8) in the other";
        assert_eq!(error.to_string(), shown);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let (a, b) = (trained(3, 20, 8, 1), trained(2, 20, 8, 2));
        let error = |a: &Model, b: &Model| phi_match(&layers(a), &layers(b)).unwrap_err();
        assert_eq!(error(&a, &b), LineageError::LayerCount { a: 3, b: 2 });
        assert_eq!(error(&vec![], &vec![]), LineageError::NoLayers);
        let one = trained(1, 1, 8, 3);
        let too_small = LineageError::TooSmall {
            layer: 0,
            units: 1,
            width: 8,
        };
        assert_eq!(error(&one, &one), too_small);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = a.clone();
            broken[2].0[[5, 5]] = bad;
            assert_eq!(error(&broken, &a), LineageError::NotFinite { layer: 2 });
            assert_eq!(error(&a, &broken), LineageError::NotFinite { layer: 2 });
        }
    }

    #[test]
    fn layers_are_spread_from_first_to_last() {
        assert_eq!(spread(5, 16), [0, 1, 2, 3, 4]);
        assert_eq!(spread(32, 4), [0, 10, 20, 31]);
        assert_eq!(spread(9, 1), [0]);
        assert!(spread(9, 0).is_empty());
    }

    // By hand: A - base = (1, 0, 2), B - base = (2, 1, 0): 2 / sqrt(5 * 5).
    #[test]
    fn delta_cosine_joins_all_tensors() {
        let (base, rest) = (array![1.0, 1.0], array![3.0]);
        let (a, b) = (array![2.0, 1.0], array![3.0, 2.0]);
        let (a_rest, b_rest) = (array![5.0], array![3.0]);
        let cosine = delta_cosine(
            &[a.view(), a_rest.view()],
            &[b.view(), b_rest.view()],
            &[base.view(), rest.view()],
        );
        assert!((cosine.unwrap() - 0.4).abs() < 1e-15);
    }

    // Differences of 1e-3 on weights near 1, four million of them: an f32 sum would stop growing.
    #[test]
    fn delta_cosine_sums_in_double_precision() {
        let base = ndarray::Array1::<f32>::ones(4_000_000);
        let a = base.mapv(|w| w + 0.001);
        let mut b = a.clone();
        b.iter_mut().step_by(4).for_each(|w| *w = 0.999);
        let cosine = delta_cosine(&[a.view()], &[b.view()], &[base.view()]).unwrap();
        assert!((cosine - 0.5).abs() < 1e-4, "{cosine}");
    }

    #[test]
    fn delta_cosine_has_no_value_without_a_direction() {
        let (base, a, long) = (array![1.0], array![2.0], array![1.0, 2.0]);
        let cosine = |a: &ndarray::Array1<f32>, b: &ndarray::Array1<f32>| {
            delta_cosine(&[a.view()], &[b.view()], &[base.view()])
        };
        assert_eq!(cosine(&a, &a), Some(1.0));
        assert_eq!(cosine(&a, &array![0.0]), Some(-1.0));
        assert_eq!(cosine(&a, &base), None);
        assert_eq!(cosine(&a, &long), None);
        assert_eq!(cosine(&a, &array![f32::NAN]), None);
        assert_eq!(cosine(&a, &array![f32::INFINITY]), None);
        assert_eq!(delta_cosine(&[], &[], &[]), None);
        assert_eq!(delta_cosine(&[a.view()], &[], &[base.view()]), None);
    }
}
