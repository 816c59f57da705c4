//! Exact tails of the binomial and the gamma distribution, down to the smallest numbers that a float holds.
//!
//! The usual way to the binomial tail is the incomplete beta function, whose logarithms of gamma functions lose
//! four digits and more at a hundred thousand draws. Here the largest term is computed by Loader's saddle point form,
//! in which nothing large is subtracted, and the others follow from it by their ratios: all terms are positive, so
//! rounding does not add up to more than about 1e-13 of the result.
//!
//! Source: Loader, "Fast and accurate computation of binomial probabilities" (2000), the form that R uses as well.

use std::f64::consts::TAU;

/// How much of repeated intervals shall hold the probability.
const COVERAGE: f64 = 0.95;
/// Halvings of the range from 0 to 1 until its ends are neighbouring floats.
const HALVINGS: usize = 200;

/// The probability that at least `hits` of `n` independent draws succeed, each with probability `p`:
/// `sum over j >= hits of C(n, j) p^j (1 - p)^(n - j)`. It is the regularised incomplete beta function
/// `I_p(hits, n - hits + 1)`. Dimensionless.
///
/// `None` if there are more hits than draws, or `p` is not above 0 and below 1.
pub fn binomial_tail(hits: u64, n: u64, p: f64) -> Option<f64> {
    if hits > n || !(p > 0.0 && p < 1.0) {
        return None;
    }
    if hits == 0 {
        return Some(1.0);
    }
    let odds = p / (1.0 - p);
    let total = n as f64;
    if hits as f64 > total * p {
        let first = binomial_term(hits, n, p);
        let ratio = |j: f64| (total - j) / (j + 1.0) * odds;
        return Some(sum(first, hits as f64, total, 1.0, ratio).min(1.0));
    }
    let first = binomial_term(hits - 1, n, p);
    let ratio = |j: f64| j / (total - j + 1.0) / odds;
    Some((1.0 - sum(first, (hits - 1) as f64, 0.0, -1.0, ratio)).max(0.0))
}

/// The probability that a sum of `n` independent exponential variables of mean 1 is above `total`:
/// `Q(n, total) = sum over j < n of exp(-total) total^j / j!`. Under a key that the text knows nothing of, the score
/// of a Gumbel watermark over `n` distinct windows is such a sum. Dimensionless.
///
/// `None` if `n` is 0, or `total` is not a finite number of at least 0.
pub fn gamma_tail(n: u64, total: f64) -> Option<f64> {
    if n == 0 || !total.is_finite() || total < 0.0 {
        return None;
    }
    if total == 0.0 {
        return Some(1.0);
    }
    let last = n as f64 - 1.0;
    if last < total {
        let ratio = |j: f64| j / total;
        return Some(sum(poisson_term(n - 1, total), last, 0.0, -1.0, ratio).min(1.0));
    }
    let ratio = |j: f64| total / (j + 1.0);
    let beyond = sum(
        poisson_term(n, total),
        last + 1.0,
        f64::INFINITY,
        1.0,
        ratio,
    );
    Some((1.0 - beyond).max(0.0))
}

/// The 95 % interval of a probability of which `hits` of `n` draws were seen: the two probabilities at which so many
/// or more, and so few or fewer, have a chance of 2.5 %.
///
/// Source: Clopper and Pearson, *Biometrika* 26 (1934) 404-413. It holds the truth at least as often as it says.
///
/// `None` if there are no draws, or more hits than draws.
pub fn share_interval(hits: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || hits > n {
        return None;
    }
    let outside = (1.0 - COVERAGE) / 2.0;
    let low = if hits == 0 {
        0.0
    } else {
        crossing(|p| binomial_tail(hits, n, p) >= Some(outside))
    };
    let high = if hits == n {
        1.0
    } else {
        crossing(|p| binomial_tail(hits + 1, n, p) >= Some(1.0 - outside))
    };
    Some((low, high))
}

/// Where a claim that is false at 0 and true at 1, and changes once between, changes.
fn crossing(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The sum of terms from the one at `from` to the one at `to`, in steps of 1 up or down. It ends where terms no
/// longer count, which they never do again: it is started on the falling side of the distribution.
fn sum(first: f64, from: f64, to: f64, step: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut term, mut total, mut at) = (first, first, from);
    while (to - at) * step >= 1.0 && term > total * 1e-18 {
        term *= ratio(at);
        total += term;
        at += step;
    }
    total
}

/// `C(n, x) p^x (1 - p)^(n - x)`.
fn binomial_term(x: u64, n: u64, p: f64) -> f64 {
    let (hit, all) = (x as f64, n as f64);
    let missed = all - hit;
    if x == 0 {
        return (all * (-p).ln_1p()).exp();
    }
    if x == n {
        return (all * p.ln()).exp();
    }
    let errors = stirling_error(all) - stirling_error(hit) - stirling_error(missed);
    let exponent = errors - deviance(hit, all * p) - deviance(missed, all * (1.0 - p));
    (all / (TAU * hit * missed)).sqrt() * exponent.exp()
}

/// `exp(-mean) mean^x / x!`.
fn poisson_term(x: u64, mean: f64) -> f64 {
    if x == 0 {
        return (-mean).exp();
    }
    let x = x as f64;
    (-stirling_error(x) - deviance(x, mean)).exp() / (TAU * x).sqrt()
}

/// `ln n! - ln(sqrt(2 pi n) (n / e)^n)`: what Stirling's formula leaves out, for a whole number of at least 1.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let mut factorial = 1.0;
        let mut factor = 2.0;
        while factor <= n {
            factorial *= factor;
            factor += 1.0;
        }
        let factorial: f64 = factorial;
        return factorial.ln() - (n + 0.5) * n.ln() + n - TAU.ln() / 2.0;
    }
    let square = n * n;
    let series = 1.0 / 1188.0 - 691.0 / 360_360.0 / square;
    let series = 1.0 / 1680.0 - series / square;
    let series = 1.0 / 1260.0 - series / square;
    let series = 1.0 / 360.0 - series / square;
    (1.0 / 12.0 - series / square) / n
}

/// `x ln(x / mean) + mean - x`, without loss where both are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let v = difference / (x + mean);
    let (mut total, mut term, mut divisor) = (difference * v, 2.0 * x * v, 1.0);
    loop {
        term *= v * v;
        divisor += 2.0;
        let next = total + term / divisor;
        // A term that is too small to count ends the series.
        if (next - total).abs() <= 0.0 {
            return total;
        }
        total = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!(
            (found / expected - 1.0).abs() < 1e-12,
            "{found:e} {expected:e}"
        );
    }

    // Terms summed with 40 digits by mpmath 1.3.0. The first two are the numbers of a published log of a green-list
    // watermark (share 0.2588 of 248,200 windows, p 2.6e-24; share 0.2475 of 105,400, p 0.972), whose counts are
    // printed rounded.
    #[test]
    fn binomial_tails_agree_with_sums_of_many_digits() {
        close(
            binomial_tail(64_237, 248_200, 0.25),
            2.848_268_231_438_817_8e-24,
        );
        close(
            binomial_tail(26_084, 105_400, 0.25),
            0.971_104_232_743_748_4,
        );
        close(binomial_tail(160, 640, 0.25), 0.515_170_635_939_390_2);
        close(binomial_tail(203, 640, 0.25), 7.645_513_313_823_289e-5);
        close(binomial_tail(200, 400, 0.25), 6.121_575_056_179_021e-27);
        close(binomial_tail(10, 20, 0.5), 0.588_098_526_000_976_6);
    }

    #[test]
    fn binomial_tails_hold_at_their_edges() {
        assert_eq!(binomial_tail(0, 0, 0.25), Some(1.0));
        assert_eq!(binomial_tail(0, 7, 0.25), Some(1.0));
        close(binomial_tail(3, 3, 0.25), 0.015_625);
        close(binomial_tail(1, 1, 0.25), 0.25);
        close(binomial_tail(1, 3, 0.5), 0.875);
        assert_eq!(binomial_tail(4, 3, 0.25), None);
        for p in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(binomial_tail(1, 3, p), None);
        }
        assert!(binomial_tail(100_000, 100_000, 0.25).unwrap() < 1e-300);
    }

    #[test]
    fn gamma_tails_agree_with_sums_of_many_digits() {
        close(gamma_tail(1, 2.5), 0.082_084_998_623_898_8);
        close(gamma_tail(10, 10.0), 0.457_929_714_471_852_2);
        close(gamma_tail(1000, 1100.0), 0.001_059_323_253_929_977_3);
        close(gamma_tail(100_000, 101_500.0), 1.173_684_513_722_169e-6);
        assert_eq!(gamma_tail(3, 0.0), Some(1.0));
        assert_eq!(gamma_tail(0, 1.0), None);
        assert_eq!(gamma_tail(1, f64::INFINITY), None);
        assert_eq!(gamma_tail(1, -1.0), None);
    }

    // scipy.stats.beta.ppf(0.025, h, n - h + 1) and (0.975, h + 1, n - h), SciPy 1.17.1
    #[test]
    fn intervals_are_those_of_clopper_and_pearson() {
        let (low, high) = share_interval(150, 400).unwrap();
        assert!((low - 0.327_386_238_729_52).abs() < 1e-12, "{low}");
        assert!((high - 0.424_478_211_338_575_05).abs() < 1e-12, "{high}");
        assert_eq!(share_interval(0, 0), None);
        assert_eq!(share_interval(2, 1), None);
        let (low, high) = share_interval(0, 10).unwrap();
        assert!(low == 0.0 && (high - (1.0 - 0.025_f64.powf(0.1))).abs() < 1e-12);
        let (_, high) = share_interval(10, 10).unwrap();
        assert!((high - 1.0).abs() < 1e-12, "{high}");
    }
}
