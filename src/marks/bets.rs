//! Betting on the planted options: a test that may be looked at after every prompt.
//!
//! Before each prompt a gambler bets a share `lambda` of what he has that the suspect leans to the planted option.
//! With `s` the weight that the suspect gives to the planted one among `k` options (1 or 0 for an answer that was
//! written, its share of probability where probabilities are to be had):
//!
//! ```text
//! W[t] = W[t-1] * (1 + lambda[t] * (k s[t] - 1))      0 <= lambda[t] <= 9/10
//! lambda[t] = (k m[t-1] - 1) / (k - 1), cut to its range
//! m[t-1] = (20 m0 + s[1] + ... + s[t-1]) / (20 + t - 1)
//! m0 = 1/k + (1 - 1/k) / 10
//! ```
//!
//! The weights over the options add up to 1 and the key is independent of a suspect that did not learn from the
//! channel, so `s` is `1/k` on average whatever the suspect answers, and `W` does not grow on average: it reaches
//! `1 / alpha` at any time with probability at most `alpha` (Ville). `lambda` is the bet of greatest expected growth
//! when a share `m` of the answers is the planted one (Kelly, *Bell System Technical Journal* 35, 1956), for the share
//! seen so far with twenty made-up prompts before the first, of which a tenth was learned: it never looks at the answer
//! that it is laid on.

use crate::weigh::p_from_e;

/// The largest share of wealth that one prompt can take away.
const MOST: f64 = 0.9;
/// Made-up prompts before the first.
const MADE_UP: f64 = 20.0;
/// The share of them that was learned.
const LEARNED: f64 = 0.1;

/// Wealth against "the suspect did not learn from this channel".
#[derive(Debug, Clone, PartialEq)]
pub struct Bets {
    options: f64,
    seen: f64,
    sum: f64,
    log_wealth: f64,
    log_peak: f64,
}

impl Bets {
    /// For prompts of `options` options each, of which there are at least two.
    pub fn new(options: usize) -> Self {
        Self {
            options: options.max(2) as f64,
            seen: 0.0,
            sum: 0.0,
            log_wealth: 0.0,
            log_peak: 0.0,
        }
    }

    /// Takes the weight that the suspect gives to the planted option of the next prompt, cut to 0 to 1; what is not a
    /// number is no answer and changes nothing.
    pub fn observe(&mut self, weight: f64) {
        if weight.is_nan() {
            return;
        }
        let weight = weight.clamp(0.0, 1.0);
        self.log_wealth += (self.bet() * (self.options * weight - 1.0)).ln_1p();
        self.log_peak = self.log_peak.max(self.log_wealth);
        self.seen += 1.0;
        self.sum += weight;
    }

    fn bet(&self) -> f64 {
        let chance = 1.0 / self.options;
        let expected = chance + (1.0 - chance) * LEARNED;
        let mean = (MADE_UP * expected + self.sum) / (MADE_UP + self.seen);
        ((self.options * mean - 1.0) / (self.options - 1.0)).clamp(0.0, MOST)
    }

    /// Natural logarithm of the wealth now: the e-value.
    pub fn log_wealth(&self) -> f64 {
        self.log_wealth
    }

    /// `min(1, 1 / W)` at the largest wealth so far: a p-value at any time of looking.
    pub fn p(&self) -> f64 {
        p_from_e(self.log_peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wealth(weights: &[f64]) -> f64 {
        let mut bets = Bets::new(4);
        for weight in weights {
            bets.observe(*weight);
        }
        bets.log_wealth().exp()
    }

    #[test]
    fn wealth_is_the_product_of_the_formula() {
        // m0 = 0.325, so the first bet is 0.1: a hit gives 1.3, a miss 0.9.
        assert!((wealth(&[1.0]) - 1.3).abs() < 1e-12);
        assert!((wealth(&[0.0]) - 0.9).abs() < 1e-12);
        // Behind a hit m = 7.5 / 21 and the bet is 1/7.
        assert!((wealth(&[1.0, 1.0]) - 1.3 * (1.0 + 3.0 / 7.0)).abs() < 1e-12);
        assert!((wealth(&[0.25]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn wealth_does_not_grow_on_average_under_any_key() {
        // Over all keys, for fixed weights that are no answer's alone: the average is 1 exactly.
        let rows = [
            [0.7, 0.1, 0.1, 0.1],
            [0.0, 1.0, 0.0, 0.0],
            [0.25, 0.25, 0.25, 0.25],
            [0.1, 0.2, 0.3, 0.4],
        ];
        let mut total = 0.0;
        for key in 0..256_usize {
            let planted = |i: usize| key >> (2 * i) & 3;
            let weights: Vec<f64> = (0..4).map(|i| rows[i][planted(i)]).collect();
            total += wealth(&weights);
        }
        assert!((total / 256.0 - 1.0).abs() < 1e-12, "{total}");
    }

    #[test]
    fn p_is_that_of_the_largest_wealth() {
        let mut bets = Bets::new(4);
        assert!((bets.p() - 1.0).abs() < 1e-12);
        bets.observe(1.0);
        bets.observe(0.0);
        assert!((bets.p() - 1.0 / 1.3).abs() < 1e-12);
        bets.observe(f64::NAN);
        assert!((bets.p() - 1.0 / 1.3).abs() < 1e-12);
    }

    #[test]
    fn a_student_that_learned_everything_is_found_within_sixteen_prompts() {
        let mut bets = Bets::new(4);
        (0..16).for_each(|_| bets.observe(1.0));
        assert!(bets.p() < 1e-3, "{}", bets.p());
    }
}
