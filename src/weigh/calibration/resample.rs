//! What an estimate leaves open.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

use super::Scored;

/// How much of repeated exact intervals shall at least hold the rate.
const COVERAGE: f64 = 0.95;
/// Halvings that find the end of an exact interval to the last digit.
const HALVINGS: usize = 100;

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A share with its exact 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// `count / of`.
    pub share: f64,
    /// Clopper-Pearson, items taken as independent.
    pub interval: Interval,
}

/// A share with its exact interval; nothing of nothing, or of more than all.
///
/// The ends are the rates at which `count` or more, and `count` or fewer, still come up in 2.5 % of samples.
/// Never too narrow for independent items, with 0 and all of them too; items of few sources are not
/// independent, for which see [`Bootstrap`]. Source: Clopper and Pearson, *Biometrika* 26 (1934) 404-413. The
/// numbers of SciPy's `binomtest(...).proportion_ci(method="exact")`.
pub fn rate(count: usize, of: usize) -> Option<Rate> {
    if of == 0 || count > of {
        return None;
    }
    let (k, n) = (count as f64, of as f64);
    let tail = (1.0 - COVERAGE) / 2.0;
    let interval = Interval {
        low: if count == 0 {
            0.0
        } else {
            beta_quantile(k, n - k + 1.0, tail)
        },
        high: if count == of {
            1.0
        } else {
            beta_quantile(k + 1.0, n - k, 1.0 - tail)
        },
    };
    Some(Rate {
        count,
        of,
        share: k / n,
        interval,
    })
}

/// Where the regularised incomplete beta function reaches `p`.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if beta_reg(a, b, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// A cluster bootstrap over sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How often sources are drawn.
    pub draws: usize,
    /// How much the interval shall hold, 0 to 1.
    pub coverage: f64,
    /// Same seed, same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 2000 draws, 95 %.
    fn default() -> Self {
        Self {
            draws: 2000,
            coverage: 0.95,
            seed: 0,
        }
    }
}

/// A statistic of all items with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimated {
    /// Over all items.
    pub value: f64,
    /// Over drawn sources; null if there are fewer than two, or more than half of the draws had no value.
    pub interval: Option<Interval>,
    /// Number of sources.
    pub sources: usize,
}

impl Bootstrap {
    /// A statistic with its percentile interval; `None` if it has no value for the items, or not a number.
    ///
    /// As many sources as there are are drawn with replacement, each with all its items, and the statistic is
    /// taken anew; the interval lies between order statistics of those values, so that infinite ones stay
    /// what they are. Draws without a value (a class is missing) are left out. Source: Davison and Hinkley,
    /// *Bootstrap Methods and their Application* (1997), sections 3.8 and 5.3. Few sources make it too narrow,
    /// and a rate of 0 or 1 in all of them leaves it without width: look at [`rate`] there.
    pub fn of(
        &self,
        items: &[Scored],
        statistic: impl Fn(&[Scored]) -> Option<f64>,
    ) -> Option<Estimated> {
        let value = statistic(items).filter(|v| !v.is_nan())?;
        let mut by_source: BTreeMap<usize, Vec<Scored>> = BTreeMap::new();
        for item in items {
            by_source.entry(item.source).or_default().push(*item);
        }
        let sources: Vec<Vec<Scored>> = by_source.into_values().collect();
        Some(Estimated {
            value,
            interval: self.interval(&sources, statistic),
            sources: sources.len(),
        })
    }

    fn interval(
        &self,
        sources: &[Vec<Scored>],
        statistic: impl Fn(&[Scored]) -> Option<f64>,
    ) -> Option<Interval> {
        if sources.len() < 2 || !(0.0..=1.0).contains(&self.coverage) {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut values = Vec::new();
        let mut drawn = Vec::new();
        for _ in 0..self.draws {
            drawn.clear();
            for _ in sources {
                let at = rng.next_u64() % sources.len() as u64;
                drawn.extend_from_slice(&sources[usize::try_from(at).ok()?]);
            }
            values.extend(statistic(&drawn).filter(|v| !v.is_nan()));
        }
        if values.is_empty() || values.len() < self.draws.div_ceil(2) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let outside = values.len() as f64 * (1.0 - self.coverage) / 2.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and half their number"
        )]
        let outside = (outside as usize).min((values.len() - 1) / 2);
        Some(Interval {
            low: values[outside],
            high: values[values.len() - 1 - outside],
        })
    }
}

/// A jackknife.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jackknife {
    /// The mean of the estimates.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
}

/// The jackknife's standard error from estimates that each leave one unit (a control, a source) out.
///
/// `sqrt((n - 1) / n * sum((x[i] - mean)^2))`, in the unit of the estimates. Source: Tukey (1958), *Annals of
/// Mathematical Statistics* 29, 614; Efron and Tibshirani, *An Introduction to the Bootstrap* (1993),
/// section 11.2. `None` for fewer than two estimates, or where one is not finite.
pub fn jackknife(left_out: &[f64]) -> Option<Jackknife> {
    let n = left_out.len() as f64;
    if left_out.len() < 2 {
        return None;
    }
    let mean = left_out.iter().sum::<f64>() / n;
    let squares: f64 = left_out.iter().map(|x| (x - mean).powi(2)).sum();
    let error = ((n - 1.0) / n * squares).sqrt();
    error.is_finite().then_some(Jackknife { mean, error })
}

/// For every item, what a fit on all *other sources* gives it.
///
/// `fit` takes the items of all sources but one and gives a function from item to log10 likelihood ratio.
///
/// # Errors
/// The first error of `fit`: such as of one that is left without a class.
pub fn leave_one_source_out<T, F, E>(
    items: &[T],
    source: impl Fn(&T) -> usize,
    fit: impl Fn(&[T]) -> Result<F, E>,
) -> Result<Vec<f64>, E>
where
    T: Clone,
    F: Fn(&T) -> f64,
{
    let sources: BTreeSet<usize> = items.iter().map(&source).collect();
    let mut found = vec![f64::NAN; items.len()];
    for out in sources {
        let others: Vec<T> = items.iter().filter(|i| source(i) != out).cloned().collect();
        let fitted = fit(&others)?;
        for (item, found) in items.iter().zip(&mut found) {
            if source(item) == out {
                *found = fitted(item);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::{CalibrationError, Logistic, auroc};

    fn item(score: f64, student: bool, source: usize) -> Scored {
        Scored {
            score,
            student,
            source,
        }
    }

    fn mean(items: &[Scored]) -> Option<f64> {
        (!items.is_empty()).then(|| items.iter().map(|i| i.score).sum::<f64>() / items.len() as f64)
    }

    #[test]
    fn nothing_has_no_rate() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(2, 1), None);
    }

    // Many items in a source are no more than the source: 20 sources of alike items vary like 20 values.
    #[test]
    fn the_interval_is_that_of_the_sources_not_of_the_items() {
        let bootstrap = Bootstrap::default();
        let wide = |repeats: usize| {
            let each = (0..20_u8).map(|s| item(f64::from(s), true, usize::from(s)));
            let items: Vec<Scored> = each.flat_map(|i| vec![i; repeats]).collect();
            bootstrap.of(&items, mean).unwrap()
        };
        let (one, many) = (wide(1), wide(50));
        assert_eq!(one.sources, 20);
        let (one, many) = (one.interval.unwrap(), many.interval.unwrap());
        assert!((one.low - many.low).abs() < 1e-9 && (one.high - many.high).abs() < 1e-9);
        // The standard error of a mean of 20 resampled values 0 to 19: sqrt(33.25 / 20) = 1.289.
        for end in [9.5 - one.low, one.high - 9.5] {
            assert!((end - 1.96 * 1.289).abs() < 0.35, "{one:?}");
        }
    }

    #[test]
    fn the_seed_settles_the_interval() {
        let items: Vec<Scored> = (0..9_u8)
            .map(|i| item(f64::from(i * i), true, i.into()))
            .collect();
        let with = |seed| {
            let bootstrap = Bootstrap {
                seed,
                draws: 101,
                ..Bootstrap::default()
            };
            bootstrap.of(&items, mean)
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn one_source_leaves_everything_open() {
        let bootstrap = Bootstrap::default();
        let items = [item(1.0, true, 3), item(0.0, false, 3)];
        let found = bootstrap.of(&items, auroc).unwrap();
        assert_eq!((found.value, found.interval, found.sources), (1.0, None, 1));
        assert_eq!(bootstrap.of(&[], mean), None);
        assert_eq!(bootstrap.of(&items, |_| Some(f64::NAN)), None);
        let nothing_drawn = Bootstrap {
            draws: 0,
            ..bootstrap
        };
        let two = [item(1.0, true, 3), item(0.0, false, 4)];
        assert_eq!(nothing_drawn.of(&two, mean).unwrap().interval, None);
    }

    // Of six sources with a class in three each, a draw rarely lacks one; of four, all four are drawn in 9 %.
    #[test]
    fn draws_without_a_value_are_left_out_unless_they_are_most() {
        let items = [0, 1, 2, 3, 4, 5].map(|i| item(i as f64, i >= 3, i));
        let found = Bootstrap::default().of(&items, auroc).unwrap();
        assert_eq!(
            found.interval,
            Some(Interval {
                low: 1.0,
                high: 1.0
            })
        );
        let all_four = |drawn: &[Scored]| {
            let sources: BTreeSet<usize> = drawn.iter().map(|i| i.source).collect();
            (sources.len() == 4).then_some(1.0)
        };
        let found = Bootstrap::default().of(&items[1..5], all_four).unwrap();
        assert_eq!((found.value, found.interval), (1.0, None));
    }

    #[test]
    fn infinite_values_stay_infinite_at_their_end() {
        let items = [
            item(0.0, true, 0),
            item(f64::INFINITY, true, 1),
            item(1.0, true, 2),
        ];
        let found = Bootstrap::default().of(&items, mean).unwrap();
        assert!(found.value.is_infinite());
        let interval = found.interval.unwrap();
        assert!(
            interval.low < 1.0 && interval.high == f64::INFINITY,
            "{interval:?}"
        );
    }

    // For leave-one-out means of x the jackknife's error is that of the mean, sd / sqrt(n).
    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        let x = [1.0, 4.0, 2.5, 7.0];
        let total: f64 = x.iter().sum();
        let left_out = x.map(|x| (total - x) / 3.0);
        let found = jackknife(&left_out).unwrap();
        let squares: f64 = x.iter().map(|x| (x - total / 4.0).powi(2)).sum();
        assert!((found.mean - total / 4.0).abs() < 1e-15);
        assert!((found.error - (squares / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        for none in [&[][..], &[1.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!(jackknife(none), None);
        }
    }

    // Each item's number is how many items the fit saw of each source but its own.
    #[test]
    fn no_item_is_judged_by_its_own_source() {
        let items = [
            item(1.0, true, 7),
            item(2.0, false, 7),
            item(4.0, true, 2),
            item(8.0, true, 5),
        ];
        let sum = |seen: &[Scored]| {
            let sum: f64 = seen.iter().map(|i| i.score).sum();
            Ok::<_, CalibrationError>(move |_: &Scored| sum)
        };
        let found = leave_one_source_out(&items, |i| i.source, sum);
        assert_eq!(found, Ok(vec![12.0, 12.0, 11.0, 7.0]));
        let logistic = |seen: &[Scored]| {
            let fitted = Logistic::fit(seen, 1.0)?;
            Ok(move |i: &Scored| fitted.log10_lr(i.score))
        };
        // Without source 7 there is nobody but students.
        let found = leave_one_source_out(&items, |i| i.source, logistic);
        assert_eq!(found, Err(CalibrationError::NoOthers));
        assert_eq!(
            leave_one_source_out(&[], |i: &Scored| i.source, logistic),
            Ok(vec![])
        );
    }
}
