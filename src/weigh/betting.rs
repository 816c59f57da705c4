//! Betting on paired differences: a test that may be looked at after every probe.
//!
//! A gambler starts with one unit and bets, before each probe, a share of it that the coming difference
//! will lie above what the null hypothesis "the mean difference is at most 0" allows. Under that
//! hypothesis wealth does not grow on average, whatever is bet, so (Ville) it reaches `1 / alpha` at any
//! time at all with probability at most `alpha`. A run may therefore stop as soon as it is decided, go
//! on, or be resumed, and the error rate holds without correction.
//!
//! ```text
//! W[t] = W[t-1] * (1 + b[t] * (d[t] - c[t]))        0 <= b[t] <= 3/4 / (1 + c[t])
//! c[t] = 0                                          probes drawn independently
//! c[t] = -(d[1] + ... + d[t-1]) / (N - t + 1)       probes drawn without replacement from N
//! b[t] = g / (V + g^2), cut to its range            g = m[t-1] - c[t]
//! ```
//!
//! `m` is the mean of the differences seen (under sampling without replacement, what it leaves for the
//! rest), `V` their variance, each with one made-up difference of mean 0 and variance 1 before the first.
//! Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", *JRSS B*
//! 86 (2024) 1-27, for the wealth with and without replacement and the bet (there "approximate GRAPA");
//! Ville, *Etude critique de la notion de collectif* (1939), for the bound. It gives the numbers of the
//! authors' package confseq.
//!
//! What may be claimed: of *these two candidates*, on average over *the battery* (without replacement)
//! or over probes of its kind (independent draws), the suspect is closer to the first. The unit is the
//! probe: it says nothing about models that are not in the panel, and being closer to one than to another
//! is not yet descent. As a battery runs out its mean becomes known, so near the end even a small mean above
//! 0 is decided: take from the differences first what controls show, and a margin.
//! It holds for a random order of probes that was fixed before the first answer, and for differences
//! whose scale to -1 to 1 was fixed as well.

use std::f64::consts::LN_10;

/// The largest share of wealth that one probe can take away, one of two values that the source suggests.
const TRUNCATION: f64 = 0.75;
/// Weight, mean and variance of the difference made up before the first.
const PRIOR: (f64, f64, f64) = (1.0, 0.0, 1.0);
/// Sums of up to millions of differences are exact to within this.
const ROUNDING: f64 = 1e-9;

/// Wealth against "the mean difference is at most 0".
#[derive(Debug, Clone, PartialEq)]
pub struct Betting {
    population: Option<usize>,
    seen: usize,
    sum: f64,
    squares: f64,
    log_wealth: f64,
    log_peak: f64,
}

impl Betting {
    /// For probes drawn independently, without end.
    pub fn independent() -> Self {
        Self::new(None)
    }

    /// For probes drawn in random order, none twice, from a battery of `population`.
    ///
    /// A number that is too large (probes that turn out to have no answer) errs on the safe side: bets are
    /// laid only while the sum is above 0, and the larger the rest, the less it is expected to make up.
    pub fn without_replacement(population: usize) -> Self {
        Self::new(Some(population))
    }

    fn new(population: Option<usize>) -> Self {
        let (weight, _, variance) = PRIOR;
        Self {
            population,
            seen: 0,
            sum: 0.0,
            squares: weight * variance,
            log_wealth: 0.0,
            log_peak: 0.0,
        }
    }

    /// Takes the next difference, cut to -1 to 1; one that is not a number (no answer) is no difference.
    ///
    /// More differences than the battery has probes change nothing.
    pub fn observe(&mut self, difference: f64) {
        let d = if difference.is_nan() {
            0.0
        } else {
            difference.clamp(-1.0, 1.0)
        };
        let Some(null) = self.null_mean() else {
            return;
        };
        if null < -1.0 - ROUNDING {
            // Were all that is left -1, the mean would still be above 0.
            self.log_wealth = f64::INFINITY;
        } else {
            self.log_wealth += (self.bet(null) * (d - null)).ln_1p();
        }
        self.log_peak = self.log_peak.max(self.log_wealth);
        self.seen += 1;
        self.sum += d;
        let off = d - self.mean();
        self.squares += off * off;
    }

    /// The largest mean of the next difference under the null hypothesis; `None` after the last.
    fn null_mean(&self) -> Option<f64> {
        let Some(population) = self.population else {
            return Some(0.0);
        };
        let left = population.checked_sub(self.seen).filter(|left| *left > 0)?;
        Some(-self.sum / left as f64)
    }

    /// What was seen, with the made-up difference.
    fn mean(&self) -> f64 {
        let (weight, mean, _) = PRIOR;
        (weight * mean + self.sum) / (weight + self.seen as f64)
    }

    /// The share of wealth put on the next difference: from the past alone.
    fn bet(&self, null: f64) -> f64 {
        let expected = match self.population {
            None => self.mean(),
            Some(n) => (n as f64 * self.mean() - self.sum) / (n - self.seen) as f64,
        };
        let variance = self.squares / (PRIOR.0 + self.seen as f64);
        let edge = expected - null;
        if edge <= 0.0 {
            return 0.0;
        }
        (edge / (variance + edge * edge)).min(TRUNCATION / (1.0 + null).max(ROUNDING))
    }

    /// Differences taken.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Natural logarithm of the wealth now: the e-value, if the run stops here. Infinite once the null
    /// hypothesis is impossible.
    pub fn log_wealth(&self) -> f64 {
        self.log_wealth
    }

    /// The same to base 10.
    pub fn log10_e(&self) -> f64 {
        self.log_wealth / LN_10
    }

    /// Natural logarithm of the largest wealth so far. It bounds p, but is no e-value.
    pub fn log_peak(&self) -> f64 {
        self.log_peak
    }

    /// `min(1, 1 / W)` at the largest wealth so far: a p-value at any time of looking.
    pub fn p(&self) -> f64 {
        p_from_e(self.log_peak)
    }

    /// Whether wealth has ever reached `1 / alpha`.
    pub fn decided(&self, alpha: f64) -> bool {
        self.log_peak >= -alpha.ln()
    }
}

/// The p-value `min(1, 1/e)` of an e-value, given as its natural logarithm.
///
/// Source: Vovk and Wang, "E-values: calibration, combination and applications", *Annals of Statistics*
/// 49 (2021), proposition 2.2 (Markov); no better one holds for all e-values.
pub fn p_from_e(log_e: f64) -> f64 {
    (-log_e).exp().min(1.0)
}

#[cfg(test)]
mod tests;
