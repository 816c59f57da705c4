//! How many prompts an uptake needs.

use super::tail::binomial_tail;

/// The most prompts that are looked for.
const MOST: u64 = 100_000;
/// How often a share that was taken up shall be found.
const POWER: f64 = 0.9;

/// The smallest number of classified answers from which on a test at `level` finds a share of hits of
/// `1 / options + raised` in nine of ten cases, whatever larger number there is. Beyond the first number at which it
/// does, the power still falls short now and then, since hits are whole numbers.
///
/// `None` if no number up to 100,000 does, the level is not above 0 and below 1, there are fewer than two options, or the
/// share is not above `1 / options` and at most 1.
pub fn prompts_needed(options: usize, raised: f64, level: f64) -> Option<u64> {
    let chance = 1.0 / options as f64;
    let share = chance + raised;
    let usable = options >= 2 && raised > 0.0 && share <= 1.0 && level > 0.0 && level < 1.0;
    if !usable {
        return None;
    }
    let finds = |n: u64| {
        let critical = critical(n, chance, level)?;
        // With a share of 1 every answer is a hit.
        let power = if share >= 1.0 {
            1.0
        } else {
            binomial_tail(critical, n, share)?
        };
        (power >= POWER).then_some(())
    };
    // One more hit is asked for about every `options` prompts, and the power falls short there first: where it holds
    // for six times as many in a row, it holds from there on.
    let run = 6 * options as u64;
    let settled = |from: u64| (from..from + run).all(|n| finds(n).is_some());
    let mut high = 1;
    while !settled(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if settled(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The fewest hits of `n` that a test at this level takes for more than chance.
fn critical(n: u64, chance: f64, level: f64) -> Option<u64> {
    let rejects = |hits: u64| binomial_tail(hits, n, chance).is_some_and(|p| p <= level);
    if !rejects(n) {
        return None;
    }
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = u64::midpoint(low, high);
        if rejects(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The last n at which the power is below 0.9, and one more, by scipy.stats.binom, SciPy 1.17.1, over all n. The
    // published table that has 640 and 286 at k = 4 and +0.1 stops within the teeth of the first.
    #[test]
    fn numbers_are_those_of_a_search_through_all() {
        for (options, raised, level, expected) in [
            (2, 0.1, 1e-5, 774),
            (2, 0.4, 1e-5, 42),
            (2, 0.2, 0.01, 85),
            (4, 0.05, 1e-5, 2456),
            (4, 0.1, 1e-5, 643),
            (4, 0.1, 0.01, 286),
            (4, 0.2, 1e-5, 174),
            (4, 0.4, 0.01, 21),
            (8, 0.1, 1e-5, 429),
            (8, 0.05, 0.01, 681),
            (8, 0.4, 1e-5, 37),
        ] {
            let found = prompts_needed(options, raised, level);
            assert_eq!(found, Some(expected), "{options} {raised} {level}");
        }
    }

    #[test]
    fn what_no_test_can_show_has_no_number() {
        assert_eq!(prompts_needed(4, 0.0, 0.01), None);
        assert_eq!(prompts_needed(4, 0.8, 0.01), None);
        assert_eq!(prompts_needed(1, 0.1, 0.01), None);
        assert_eq!(prompts_needed(4, 0.1, 0.0), None);
        assert_eq!(prompts_needed(4, 1e-4, 1e-5), None);
        // Every answer is a hit: 4^-n <= 1e-5 from nine on.
        assert_eq!(prompts_needed(4, 0.75, 1e-5), Some(9));
    }
}
