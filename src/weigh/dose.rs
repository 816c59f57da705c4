//! From a gap to a dose: what share of a student's training came from the parent.
//!
//! The gap of the synthetic control grows with the dose, by how much differs from source to source (a parent
//! with its data), and innocents leave gaps too. So
//!
//! ```text
//! gap = zero + b[source] * h(dose) + e,   b over sources with mean b and variance v,  e with variance s0
//! ```
//!
//! with `h` the isotonic curve through the typical gaps at the known doses, from 0 at no dose to 1 at full dose
//! (a line where nothing in between is known), fitted on sources of known lineage.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use thiserror::Error;

/// How often the interval shall hold the dose.
const COVERAGE: f64 = 0.95;
/// Fewer sources with students at full dose say nothing of how sources differ.
const MIN_SOURCES: usize = 3;

/// A model whose dose is known.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownDose {
    /// Its source: models of one source are not independent.
    pub source: String,
    /// The share of its training that came from the parent: 0 for an innocent, 1 for full dose.
    pub dose: f64,
    /// Its gap, in the measure's unit.
    pub gap: f64,
}

/// A dose with its 95 % interval, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Dose {
    /// The dose whose typical gap the gap is.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Why known doses give no curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoDose {
    /// A gap is not finite, or a dose not between 0 and 1.
    #[error("a dose is not between 0 and 1, or a gap is not finite")]
    NotANumber,
    /// Too few sources.
    #[error("{found} sources have students at full dose; at least {MIN_SOURCES} are needed")]
    TooFewSources {
        /// Sources with students at full dose.
        found: usize,
    },
    /// The spread of innocents is not known.
    #[error("fewer than two models without any dose")]
    NoInnocents,
    /// Gaps do not grow with the dose.
    #[error("students at full dose leave no larger gap than innocents")]
    NoEffect,
}

/// Gaps by dose, fitted on sources of known lineage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoseCurve {
    /// Mean gap without any dose.
    zero: f64,
    /// How far the mean source rises above it at full dose.
    slope: f64,
    /// Variance of that rise for a new student of a new source.
    slope_variance: f64,
    /// Variance of the gap without any dose.
    zero_variance: f64,
    /// (dose, share of the rise), both growing from (0, 0) to (1, 1).
    curve: Vec<(f64, f64)>,
    /// Student's t at the interval's end, on one degree of freedom less than there are sources.
    reach: f64,
}

impl DoseCurve {
    /// Fits the curve: means over sources at each known dose, made isotonic by pooling adjacent violators
    /// (weights: numbers of sources; never below the innocents), and each source's own rise by least squares
    /// on the curve.
    ///
    /// Source: Ayer, Brunk, Ewing, Reid and Silverman, *Annals of Mathematical Statistics* 26 (1955)
    /// 641-647, for the isotonic means.
    ///
    /// # Errors
    ///
    /// When there are too few sources at full dose or too few innocents, or gaps do not grow.
    pub fn fit(known: &[KnownDose]) -> Result<Self, NoDose> {
        let sound = |k: &KnownDose| k.gap.is_finite() && (0.0..=1.0).contains(&k.dose);
        if !known.iter().all(sound) {
            return Err(NoDose::NotANumber);
        }
        let innocent = known.iter().filter(|k| k.dose <= 0.0).map(|k| k.gap);
        let innocent: Vec<f64> = innocent.collect();
        if innocent.len() < 2 {
            return Err(NoDose::NoInnocents);
        }
        let (zero, zero_variance) = (mean(&innocent), variance(&innocent));
        let rises: Vec<(&str, f64, f64)> = known
            .iter()
            .filter(|k| k.dose > 0.0)
            .map(|k| (k.source.as_str(), k.dose, k.gap - zero))
            .collect();
        let curve = isotonic(&rises)?;
        let mut by_source: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for (source, dose, rise) in rises {
            let share = at(&curve, dose);
            by_source.entry(source).or_default().push((share, rise));
        }
        // A source of doses too small to raise anything says nothing of the rise.
        by_source.retain(|_, pairs| pairs.iter().any(|(share, _)| *share > 0.0));
        let slopes: Vec<f64> = by_source
            .values()
            .map(|pairs| through_origin(pairs))
            .collect();
        let sources = slopes.len() as f64;
        let slope = mean(&slopes);
        if slope <= 0.0 {
            return Err(NoDose::NoEffect);
        }
        let within = within(&by_source, &slopes, zero_variance);
        let t = StudentsT::new(0.0, 1.0, sources - 1.0);
        let t = t.map_err(|_| NoDose::TooFewSources {
            found: slopes.len(),
        })?;
        Ok(Self {
            zero,
            slope,
            slope_variance: variance(&slopes) * (1.0 + 1.0 / sources) + within,
            zero_variance,
            curve,
            reach: t.inverse_cdf(f64::midpoint(1.0, COVERAGE)),
        })
    }

    /// The dose that a gap speaks for, by inverse prediction: the interval holds every dose `d` with
    ///
    /// ```text
    /// (gap - zero - b h(d))^2 <= t^2 (s0 + h(d)^2 v)
    /// ```
    ///
    /// (Fieller, *Journal of the Royal Statistical Society* B 16, 1954, 175-185); all doses, when the sources differ
    /// so much that the rise itself is not established. It holds for a new student of a new source like those of
    /// the fit, and 0 inside it means that the gap may be an innocent's.
    ///
    /// `None` for a gap that is not finite.
    pub fn estimate(&self, gap: f64) -> Option<Dose> {
        if !gap.is_finite() {
            return None;
        }
        let rise = gap - self.zero;
        let square = self.reach * self.reach;
        let leading = self.slope * self.slope - square * self.slope_variance;
        let (low, high) = if leading > 0.0 {
            let constant = rise * rise - square * self.zero_variance;
            let half = rise * self.slope;
            let root = (half * half - leading * constant).max(0.0).sqrt();
            ((half - root) / leading, (half + root) / leading)
        } else {
            (0.0, 1.0)
        };
        let share = (rise / self.slope).clamp(0.0, 1.0);
        let estimate = if rise <= 0.0 {
            0.0
        } else {
            f64::midpoint(self.first(share), self.last(share))
        };
        Some(Dose {
            estimate,
            low: self.first(low.clamp(0.0, 1.0)),
            high: self.last(high.clamp(0.0, 1.0)),
        })
    }

    /// The smallest dose whose expected gap reaches the threshold above which an innocent comes with
    /// probability `error`, among controls with the placebo gaps `placebos`: about every second student of that dose is
    /// found. The threshold is Crawford and Howell's, `mean + t(1 - error, m - 1) sd sqrt(1 + 1/m)`.
    ///
    /// `None` when not even full dose is expected to reach it, for fewer than two placebos, numbers that are not
    /// finite, or an error rate that is not between 0 and 1.
    pub fn smallest(&self, placebos: &[f64], error: f64) -> Option<f64> {
        let m = placebos.len();
        if m < 2 || placebos.iter().any(|p| !p.is_finite()) || !(error > 0.0 && error < 1.0) {
            return None;
        }
        let t = StudentsT::new(0.0, 1.0, (m - 1) as f64).ok()?;
        let spread = (variance(placebos) * (1.0 + 1.0 / m as f64)).sqrt();
        let threshold = mean(placebos) + t.inverse_cdf(1.0 - error) * spread;
        let share = (threshold - self.zero) / self.slope;
        (share <= 1.0).then(|| self.first(share.max(0.0)))
    }

    /// The first dose at which the curve reaches a share of the rise.
    fn first(&self, share: f64) -> f64 {
        if share <= 0.0 {
            return 0.0;
        }
        let mut steps = self.curve.windows(2);
        let step = steps.find(|s| s[1].1 >= share - ROUNDING && s[1].1 > s[0].1);
        step.map_or(0.0, |s| along(s[0], s[1], share))
    }

    /// The last dose at which it has not passed it.
    fn last(&self, share: f64) -> f64 {
        let mut steps = self.curve.windows(2).rev();
        let step = steps.find(|s| s[0].1 <= share + ROUNDING);
        step.map_or(0.0, |s| {
            if s[1].1 <= share + ROUNDING {
                s[1].0
            } else {
                along(s[0], s[1], share)
            }
        })
    }
}

/// Shares that differ by less are one.
const ROUNDING: f64 = 1e-9;

/// The dose at a share of the rise between two points of the curve.
fn along(from: (f64, f64), to: (f64, f64), share: f64) -> f64 {
    from.0 + (to.0 - from.0) * (share - from.1) / (to.1 - from.1)
}

/// The share of the rise at a dose.
fn at(curve: &[(f64, f64)], dose: f64) -> f64 {
    let step = curve.windows(2).find(|s| dose <= s[1].0);
    step.map_or(1.0, |s| {
        s[0].1 + (s[1].1 - s[0].1) * (dose - s[0].0) / (s[1].0 - s[0].0)
    })
}

/// The isotonic curve through the mean rises at each dose, divided by that at full dose.
fn isotonic(rises: &[(&str, f64, f64)]) -> Result<Vec<(f64, f64)>, NoDose> {
    let mut doses: Vec<f64> = rises.iter().map(|(_, dose, _)| *dose).collect();
    doses.sort_by(f64::total_cmp);
    doses.dedup();
    let levels: Vec<(f64, f64, usize)> = doses
        .into_iter()
        .map(|dose| {
            let mut by_source: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for (source, _, rise) in rises.iter().filter(|(_, d, _)| d.total_cmp(&dose).is_eq()) {
                by_source.entry(source).or_default().push(*rise);
            }
            let means: Vec<f64> = by_source.values().map(|r| mean(r)).collect();
            (dose, mean(&means), means.len())
        })
        .collect();
    let full = levels.last().filter(|(dose, ..)| *dose >= 1.0);
    let found = full.map_or(0, |(.., sources)| *sources);
    if found < MIN_SOURCES {
        return Err(NoDose::TooFewSources { found });
    }
    // Blocks of (doses, value, weight): a block that does not rise is pooled with the one before.
    let mut blocks: Vec<(Vec<f64>, f64, f64)> = Vec::new();
    for (dose, value, sources) in levels {
        let mut block = (vec![dose], value, sources as f64);
        while blocks
            .last()
            .is_some_and(|(_, before, _)| *before >= block.1)
        {
            let Some((mut doses, value, weight)) = blocks.pop() else {
                break;
            };
            let total = weight + block.2;
            doses.append(&mut block.0);
            block = (doses, (value * weight + block.1 * block.2) / total, total);
        }
        blocks.push(block);
    }
    let top = blocks.last().map_or(0.0, |(_, value, _)| *value);
    if top <= 0.0 {
        return Err(NoDose::NoEffect);
    }
    let points = blocks.into_iter().flat_map(|(doses, value, _)| {
        let share = value.max(0.0) / top;
        doses.into_iter().map(move |dose| (dose, share))
    });
    Ok(std::iter::once((0.0, 0.0)).chain(points).collect())
}

/// Least squares through the origin, of pairs (share, rise).
fn through_origin(pairs: &[(f64, f64)]) -> f64 {
    let cross: f64 = pairs.iter().map(|(share, rise)| share * rise).sum();
    let square: f64 = pairs.iter().map(|(share, _)| share * share).sum();
    cross / square
}

/// How students of one source differ in their rise, beyond what innocents differ.
fn within(by_source: &BTreeMap<&str, Vec<(f64, f64)>>, slopes: &[f64], zero_variance: f64) -> f64 {
    let (mut left, mut square, mut students) = (0.0, 0.0, 0.0);
    for (pairs, slope) in by_source.values().zip(slopes) {
        for (share, rise) in pairs {
            left += (rise - slope * share).powi(2);
            square += share * share;
            students += 1.0;
        }
    }
    let freedom = students - slopes.len() as f64;
    if freedom > 0.0 {
        (students * (left / freedom - zero_variance) / square).max(0.0)
    } else {
        0.0
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(source: &str, dose: f64, gap: f64) -> KnownDose {
        KnownDose {
            source: source.to_owned(),
            dose,
            gap,
        }
    }

    /// Innocents around 0.01 and four sources at full dose.
    fn line() -> Vec<KnownDose> {
        let innocent = [0.0, 0.01, 0.02].map(|gap| known("x", 0.0, gap));
        let full = [("a", 0.21), ("b", 0.23), ("c", 0.19), ("d", 0.21)];
        let full = full.map(|(source, gap)| known(source, 1.0, gap));
        innocent.into_iter().chain(full).collect()
    }

    #[test]
    fn with_full_doses_alone_it_is_a_line_through_the_innocents() {
        let curve = DoseCurve::fit(&line()).unwrap();
        for (gap, dose) in [
            (0.01, 0.0),
            (0.06, 0.25),
            (0.11, 0.5),
            (0.21, 1.0),
            (0.5, 1.0),
        ] {
            let found = curve.estimate(gap).unwrap();
            assert!((found.estimate - dose).abs() < 1e-12, "{gap} {found:?}");
        }
        let less = curve.estimate(-0.3).unwrap();
        assert_eq!((less.estimate, less.low), (0.0, 0.0));
    }

    // The ends solve (gap - zero - b d)^2 = t^2 (s0 + d^2 v) with b = 0.2, s0 = 1e-4,
    // v = 0.0008 / 3 * 1.25 and t = 3.182446305284263 (scipy.stats.t.ppf(0.975, 3), SciPy 1.17.1), by
    // numpy.roots, NumPy 2.4.6.
    #[test]
    fn the_interval_is_fiellers() {
        let found = DoseCurve::fit(&line()).unwrap().estimate(0.11).unwrap();
        assert!((found.low - 0.316_257_11).abs() < 1e-8, "{found:?}");
        assert!((found.high - 0.775_922_52).abs() < 1e-8, "{found:?}");
    }

    #[test]
    fn doses_in_between_bend_the_curve() {
        let mut bent = line();
        for source in ["a", "b", "c"] {
            bent.push(known(source, 0.5, 0.01 + 0.16));
            bent.push(known(source, 0.25, 0.01 + 0.08));
            // Out of order: pooled with the one above to 0.1.
            bent.push(known(source, 0.1, 0.01 + 0.12));
        }
        let curve = DoseCurve::fit(&bent).unwrap();
        let points: Vec<f64> = curve.curve.iter().map(|(_, share)| *share).collect();
        for (found, expected) in points.iter().zip([0.0, 0.5, 0.5, 0.8, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{points:?}");
        }
        // On the flat part the dose is not settled: its middle, and the interval holds all of it.
        let flat = curve.curve[1].1;
        assert!((curve.first(flat) - 0.1).abs() < 1e-12, "{points:?}");
        assert!((curve.last(flat) - 0.25).abs() < 1e-12, "{points:?}");
        assert!((curve.first(0.65) - 0.375).abs() < 1e-12, "{points:?}");
        assert!((curve.last(0.65) - 0.375).abs() < 1e-12, "{points:?}");
        assert!((curve.last(1.0) - 1.0).abs() < 1e-12 && curve.first(0.0).abs() < 1e-12);
    }

    #[test]
    fn small_doses_below_the_innocents_count_as_none() {
        let mut low = line();
        low.push(known("a", 0.1, -0.05));
        let curve = DoseCurve::fit(&low).unwrap();
        assert!((curve.last(0.0) - 0.1).abs() < 1e-12);
        assert!(curve.estimate(0.0).unwrap().low == 0.0);
    }

    #[test]
    fn the_smallest_dose_is_where_the_curve_crosses_the_threshold() {
        let curve = DoseCurve::fit(&line()).unwrap();
        // Mean 0.01, sd 0.01; scipy.stats.t.ppf(0.99, 4) = 3.7469473879791964.
        let placebos = [0.0, 0.0, 0.01, 0.02, 0.02];
        let expected = 3.746_947_387_979_196_4 * 0.01 * 1.2_f64.sqrt() / 0.2;
        let found = curve.smallest(&placebos, 0.01).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        assert_eq!(curve.smallest(&[0.0, 0.3, 0.6], 0.01), None);
        assert_eq!(curve.smallest(&[0.0], 0.01), None);
        assert_eq!(curve.smallest(&placebos, 0.0), None);
        assert_eq!(curve.smallest(&[0.0, f64::NAN], 0.01), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let without = |drop: &dyn Fn(&KnownDose) -> bool| {
            let kept: Vec<KnownDose> = line().into_iter().filter(|k| !drop(k)).collect();
            DoseCurve::fit(&kept).unwrap_err()
        };
        assert_eq!(without(&|k| k.dose == 0.0), NoDose::NoInnocents);
        let two = without(&|k| k.source == "a" || k.source == "b");
        assert_eq!(two, NoDose::TooFewSources { found: 2 });
        let wrong = |dose, gap| DoseCurve::fit(&[line(), vec![known("a", dose, gap)]].concat());
        assert_eq!(wrong(1.5, 0.1), Err(NoDose::NotANumber));
        assert_eq!(wrong(0.5, f64::NAN), Err(NoDose::NotANumber));
        let turned: Vec<KnownDose> = line()
            .into_iter()
            .map(|k| KnownDose { gap: -k.gap, ..k })
            .collect();
        assert_eq!(DoseCurve::fit(&turned), Err(NoDose::NoEffect));
        assert_eq!(DoseCurve::fit(&line()).unwrap().estimate(f64::NAN), None);
    }

    /// Numbers that look standard normal: sums of twelve uniform ones, always the same.
    struct Normal(u64);

    impl Normal {
        fn next(&mut self) -> f64 {
            let mut sum = -6.0;
            for _ in 0..12 {
                self.0 = self
                    .0
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                sum += (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
            }
            sum
        }
    }

    #[test]
    fn intervals_hold_the_doses_of_new_sources() {
        let mut normal = Normal(7);
        let (mut held, mut all) = (0, 0);
        for round in 0..100 {
            let mut draw = |dose: f64, rise: f64| {
                (1.4 * rise * dose / (1.0 + 0.4 * dose)) + 0.01 * normal.next()
            };
            let mut fitting: Vec<KnownDose> = (0..20)
                .map(|_| known("none", 0.0, draw(0.0, 0.0)))
                .collect();
            let rise = |i: i32| 0.2 + 0.05 * (f64::from(i * 7919 % 1000) / 1000.0 - 0.5);
            for i in 0..8 {
                for dose in [0.1, 0.25, 0.5, 1.0] {
                    let gap = draw(dose, rise(round * 8 + i));
                    fitting.push(known(&format!("s{i}"), dose, gap));
                }
            }
            let curve = DoseCurve::fit(&fitting).unwrap();
            for dose in [0.1, 0.35, 0.7] {
                let found = curve.estimate(draw(dose, rise(round + 977))).unwrap();
                all += 1;
                held += i32::from(found.low <= dose && dose <= found.high);
            }
        }
        let share = f64::from(held) / f64::from(all);
        assert!((0.92..=0.995).contains(&share), "{share}");
    }
}
