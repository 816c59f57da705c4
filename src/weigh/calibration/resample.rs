//! What an estimate leaves open.

use super::Scored;

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A share with its exact 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// A share with its exact interval; nothing of nothing, or more than all.
pub fn rate(count: usize, of: usize) -> Option<Rate> {
    unimplemented!("{count} {of}")
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
    fn default() -> Self {
        Self {
            draws: 2000,
            coverage: 0.95,
            seed: 0,
        }
    }
}

/// A statistic of all items with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    /// Over all items.
    pub value: f64,
    /// Over drawn sources; nothing when there are fewer than two, or too few draws had a value.
    pub interval: Option<Interval>,
    /// Number of sources.
    pub sources: usize,
}

impl Bootstrap {
    /// A statistic with its interval; nothing when it has no value for the items.
    pub fn of(
        &self,
        items: &[Scored],
        statistic: impl Fn(&[Scored]) -> Option<f64>,
    ) -> Option<Estimated> {
        statistic(items).map(|_| unimplemented!())
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
pub fn jackknife(left_out: &[f64]) -> Option<Jackknife> {
    unimplemented!("{}", left_out.len())
}

/// For every item, what a fit on all *other sources* gives it.
///
/// `fit` takes the items of all sources but one and gives a function from item to log10 likelihood ratio.
///
/// # Errors
/// The first error of `fit`.
pub fn leave_one_source_out<T, F, E>(
    items: &[T],
    source: impl Fn(&T) -> usize,
    fit: impl Fn(&[T]) -> Result<F, E>,
) -> Result<Vec<f64>, E>
where
    T: Clone,
    F: Fn(&T) -> f64,
{
    let _ = (items.iter().map(source).count(), fit(items)?);
    unimplemented!()
}
