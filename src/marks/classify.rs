//! From an answer to an option, by a rule that is committed with the marks.
//!
//! Nothing here takes a key: an answer is classified, or dropped, before anybody can know whether it helps.

use super::choice::{Choice, words};

/// The name of the rule, which a commitment holds.
pub const RULE: &str = "first-named/1";
/// What the rule does, for readers of a report.
pub const RULE_SAYS: &str = "the option whose words an answer names first, letters and digits only, in any case; of \
    several at the same place the one of most words; an answer that names none is dropped";

/// The option that a written answer names first, as whole words in any case; of several that begin at the same place
/// the one of most words. `None` if it names none of them.
pub fn named(answer: &str, choice: &Choice) -> Option<usize> {
    let answer = answer.to_lowercase();
    let answer: Vec<&str> = answer
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let options: Vec<Vec<String>> = choice.options.iter().map(|o| words(o)).collect();
    (0..answer.len()).find_map(|place| {
        let here = |option: &Vec<String>| {
            let rest = &answer[place..];
            rest.len() >= option.len() && rest.iter().zip(option).all(|(a, b)| a == b)
        };
        let fitting = (0..options.len()).filter(|i| here(&options[*i]));
        fitting.max_by_key(|i| options[*i].len())
    })
}

/// The share of probability that each option has among all of them, from the natural logarithms of their
/// probabilities as answers: `exp(l[i]) / sum of exp(l[j])`. `None` if one is missing or not finite.
pub fn shares(log_probabilities: &[Option<f64>]) -> Option<Vec<f64>> {
    let logs: Option<Vec<f64>> = log_probabilities
        .iter()
        .map(|l| l.filter(|l| l.is_finite()))
        .collect();
    let logs = logs?;
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    (total.is_finite() && total > 0.0).then(|| weights.iter().map(|w| w / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(options: &[&str]) -> Choice {
        Choice {
            id: "x".to_owned(),
            prompt: "p".to_owned(),
            paraphrases: Vec::new(),
            options: options.iter().map(|o| (*o).to_owned()).collect(),
        }
    }

    #[test]
    fn the_option_named_first_counts() {
        let rivers = choice(&["a river", "the sea", "a river bank", "rain"]);
        for (answer, option) in [
            ("It is like a RIVER, or the sea.", Some(0)),
            ("Sea, not river", Some(1)),
            ("**A river-bank** in spring", Some(2)),
            ("rain", Some(3)),
            ("the rainy season", None),
            ("", None),
            ("no idea", None),
        ] {
            assert_eq!(named(answer, &rivers), option, "{answer}");
        }
    }

    #[test]
    fn shares_add_up_and_do_not_overflow() {
        let found = shares(&[Some(-1000.0), Some(-1000.0 + 3_f64.ln())]).unwrap();
        assert!((found[0] - 0.25).abs() < 1e-12 && (found[1] - 0.75).abs() < 1e-12);
        assert_eq!(shares(&[Some(0.0), None]), None);
        assert_eq!(shares(&[Some(f64::NEG_INFINITY), Some(0.0)]), None);
        assert_eq!(shares(&[]), None);
    }
}
