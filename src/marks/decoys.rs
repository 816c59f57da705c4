//! The planted options' probability, ranked among keys that nobody planted.

use sha2::{Digest as _, Sha256};

/// How many decoy keys there are.
pub const DECOYS: usize = 9_999;

/// The probability that a random key does as well as the channel's, `(1 + number of decoys with at least the planted
/// sum) / (decoys + 1)`, where a key's sum is that of the weights of its options over all prompts. It is exact for any
/// weights that the key does not depend on: channel's key and decoys are then exchangeable.
///
/// `weights` has a row of one weight per option for every prompt, `planted` the index of the planted option of each.
/// The decoys follow from `seed`, which is fixed before the suspect is asked; they need not be keys, only choices of
/// options that are independent of everything.
///
/// Source: Davison and Hinkley, *Bootstrap Methods and their Application* (1997), section 4.2, for the rank; Wei et al.,
/// "Proving membership in LLM pretraining data via data watermarks" (2024), for decoys of a mark.
///
/// `None` if there is no prompt, the lengths differ, or a planted index has no weight.
pub fn rank(weights: &[Vec<f64>], planted: &[usize], seed: &[u8]) -> Option<f64> {
    if weights.is_empty() || weights.len() != planted.len() {
        return None;
    }
    let mine: Option<Vec<f64>> = weights
        .iter()
        .zip(planted)
        .map(|(row, option)| row.get(*option).copied())
        .collect();
    let mine: f64 = mine?.iter().sum();
    // The same sum in another order of additions must count as the same.
    let reached = mine - 1e-9 * mine.abs().max(1.0);
    let above = (0..DECOYS as u64)
        .filter(|decoy| sum(weights, seed, *decoy) >= reached)
        .count();
    Some((1 + above) as f64 / (1 + DECOYS) as f64)
}

/// The sum of weights of a decoy: SHA-256 over seed, number of the decoy and a counter gives four options at a time,
/// each from eight bytes, so that all are equally likely to within one of 2^60.
fn sum(weights: &[Vec<f64>], seed: &[u8], decoy: u64) -> f64 {
    let mut total = 0.0;
    for (block, rows) in (0_u64..).zip(weights.chunks(4)) {
        let digest = Sha256::new()
            .chain_update(seed)
            .chain_update(decoy.to_be_bytes())
            .chain_update(block.to_be_bytes())
            .finalize();
        for (row, bytes) in rows.iter().zip(digest.chunks_exact(8)) {
            let number = bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
            // A remainder of a row's length fits where the length does.
            let index = usize::try_from(number % row.len().max(1) as u64).unwrap_or(0);
            total += row.get(index).copied().unwrap_or(0.0);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_of_a_key_that_everybody_beats_is_one() {
        let weights = vec![vec![0.0, 1.0, 1.0, 1.0]; 3];
        assert_eq!(rank(&weights, &[0, 0, 0], b"s"), Some(1.0));
        // All decoys tie.
        assert_eq!(rank(&vec![vec![0.5; 4]; 3], &[1, 2, 3], b"s"), Some(1.0));
    }

    #[test]
    fn a_key_that_is_always_right_is_above_all_but_its_equals() {
        let weights = vec![vec![0.0, 0.0, 0.0, 1.0]; 40];
        let least = 1.0 / (1 + DECOYS) as f64;
        assert_eq!(rank(&weights, &[3; 40], b"s"), Some(least));
        // Of three prompts one key in 64 is right throughout.
        let p = rank(&weights[..3], &[3; 3], b"s").unwrap();
        assert!((p - 1.0 / 64.0).abs() < 0.005, "{p}");
    }

    #[test]
    fn what_cannot_be_ranked_has_no_rank() {
        assert_eq!(rank(&[], &[], b"s"), None);
        assert_eq!(rank(&[vec![1.0]], &[1], b"s"), None);
        assert_eq!(rank(&[vec![1.0]], &[0, 0], b"s"), None);
    }
}
