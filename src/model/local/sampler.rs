//! From a row of logits to what is kept of it: a drawn token, its probability, the most probable others.

use super::simd;

/// Below this temperature the most probable token is taken.
const GREEDY: f64 = 1e-5;

/// A token as the model saw it coming.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its id.
    pub id: u32,
    /// Natural logarithm of its probability, in nats: the model's own, whatever it was drawn with.
    pub log_probability: f64,
    /// How many tokens were more probable, plus one.
    pub rank: usize,
    /// The most probable tokens here with their log-probabilities in nats, most probable first.
    pub top: Vec<(u32, f64)>,
}

impl Seen {
    /// What a row of logits says of one token and of the `count` most probable ones.
    pub(super) fn of(logits: &[f32], id: u32, count: usize) -> Self {
        let total = simd::log_sum_exp(logits);
        let own = logits
            .get(id as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY);
        Self {
            id,
            log_probability: f64::from(own) - total,
            rank: 1 + logits.iter().filter(|logit| **logit > own).count(),
            top: top_of(logits, count, total),
        }
    }
}

/// The `count` largest logits as log-probabilities; ties go to the smaller token id.
pub(super) fn top_of(logits: &[f32], count: usize, total: f64) -> Vec<(u32, f64)> {
    if count == 0 {
        return Vec::new();
    }
    ordered(logits, count)
        .into_iter()
        .map(|id| (id, f64::from(logits[id as usize]) - total))
        .collect()
}

/// The ids of the `count` largest values, largest first; ties go to the smaller id.
fn ordered(values: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..u32::try_from(values.len()).unwrap_or(u32::MAX)).collect();
    let count = count.min(ids.len());
    let order = |a: &u32, b: &u32| {
        let (x, y) = (values[*a as usize], values[*b as usize]);
        y.total_cmp(&x).then(a.cmp(b))
    };
    if count < ids.len() {
        ids.select_nth_unstable_by(count, order);
        ids.truncate(count);
    }
    ids.sort_unstable_by(order);
    ids
}

/// Draws a token with `point`, uniform in [0, 1).
///
/// Logits are divided by the temperature; then only the fewest most probable tokens that together have
/// the probability `top_p` are left, and the token at `point` of their cumulative distribution is taken.
pub(super) fn draw(logits: &[f32], temperature: f64, top_p: f64, point: f64) -> u32 {
    if temperature < GREEDY {
        return ordered(logits, 1).first().copied().unwrap_or(0);
    }
    let mut weights = logits.to_vec();
    let all = 0..weights.len();
    #[expect(clippy::cast_possible_truncation, reason = "at most 1e5, used in f32")]
    simd::attention_softmax(&mut weights, all, temperature.recip() as f32, None);
    if top_p < 1.0 {
        keep_most_probable(&mut weights, top_p);
    }
    at(&weights, point)
}

/// Sets to zero all but the fewest largest weights that together make up `share` of the whole.
fn keep_most_probable(weights: &mut [f32], share: f64) {
    let whole: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mut sum = 0.0;
    let mut kept = 0;
    let order = ordered(weights, weights.len());
    for id in &order {
        if kept > 0 && sum >= share * whole {
            break;
        }
        sum += f64::from(weights[*id as usize]);
        kept += 1;
    }
    for id in &order[kept..] {
        weights[*id as usize] = 0.0;
    }
}

/// The token at `point`, uniform in [0, 1), of the cumulative distribution.
fn at(weights: &[f32], point: f64) -> u32 {
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mut left = point * total;
    let mut last = 0;
    for (id, weight) in (0u32..).zip(weights) {
        let weight = f64::from(*weight);
        if weight > 0.0 {
            last = id;
            if left < weight {
                return id;
            }
        }
        left -= weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_cumulative_distribution() {
        let weights = [0.2, 0.0, 0.5, 0.3];
        assert_eq!(at(&weights, 0.0), 0);
        assert_eq!(at(&weights, 0.199), 0);
        assert_eq!(at(&weights, 0.21), 2);
        assert_eq!(at(&weights, 0.71), 3);
        assert_eq!(at(&weights, 0.999_999_999), 3);
        assert_eq!(at(&[0.0, 0.0], 0.5), 0);
    }

    #[test]
    fn temperature_sharpens_and_zero_takes_the_most_probable() {
        // Probabilities 0.25, 0.5, 0.25; at temperature 1/2 they are 1/6, 4/6, 1/6.
        let logits = [0.0, 2f32.ln(), 0.0];
        assert_eq!(draw(&logits, 1.0, 1.0, 0.2), 0);
        assert_eq!(draw(&logits, 0.5, 1.0, 0.2), 1);
        assert_eq!(draw(&logits, 0.5, 1.0, 0.16), 0);
        assert_eq!(draw(&logits, 1.0, 1.0, 0.8), 2);
        assert_eq!(draw(&logits, 0.0, 1.0, 0.999), 1);
        assert_eq!(draw(&[1.0, 1.0], 0.0, 1.0, 0.9), 0);
    }

    #[test]
    fn top_p_keeps_the_fewest_tokens_that_reach_it() {
        // Probabilities 0.1, 0.6, 0.3.
        let logits = [0.1f32.ln(), 0.6f32.ln(), 0.3f32.ln()];
        for point in [0.0, 0.5, 0.999] {
            assert_eq!(draw(&logits, 1.0, 0.5, point), 1);
        }
        // 0.6 and 0.3 are left, as 2/3 and 1/3 in order of id.
        assert_eq!(draw(&logits, 1.0, 0.7, 0.66), 1);
        assert_eq!(draw(&logits, 1.0, 0.7, 0.67), 2);
        assert_eq!(draw(&logits, 1.0, 1e-9, 0.999), 1);
    }

    #[test]
    fn the_top_is_ordered_and_breaks_ties_by_id() {
        let top = top_of(&[1.0, 3.0, 3.0, -1.0], 3, 0.0);
        assert_eq!(top, vec![(1, 3.0), (2, 3.0), (0, 1.0)]);
        assert_eq!(top_of(&[1.0], 5, 0.0).len(), 1);
        assert!(top_of(&[1.0], 0, 0.0).is_empty());
    }

    #[test]
    fn a_token_is_seen_with_its_probability_and_rank() {
        let seen = Seen::of(&[0.0, 2f32.ln(), 0.0], 2, 1);
        assert!((seen.log_probability - 0.25f64.ln()).abs() < 1e-6);
        assert_eq!(seen.rank, 2);
        assert_eq!(seen.top.len(), 1);
        assert_eq!(seen.top[0].0, 1);
    }
}
