//! Closed answers where no option can be scored: read off the next token, or off short samples.
//!
//! Both give a distribution over the options and one more outcome, everything else. Options of a probe
//! begin differently (the battery's lint sees to it), so that their first token tells them apart.

use crate::response::Continuation;

/// The distribution from the most probable next tokens: an option gets the mass of the tokens that it
/// begins with, whatever their case; what is not named counts as something else. `None` if no token
/// is known.
pub(super) fn of_tokens<S: AsRef<str>>(
    top: &[Continuation<S>],
    options: &[String],
) -> Option<Vec<f64>> {
    if top.is_empty() {
        return None;
    }
    let mut masses = vec![0.0; options.len()];
    for token in top {
        let start = plain(token.text.as_ref());
        let mut begun = (0..options.len()).filter(|i| begins(&plain(&options[*i]), &start));
        // A token that several options begin with tells none of them.
        if let (Some(option), None) = (begun.next(), begun.next()) {
            masses[option] += token.log_probability.exp();
        }
    }
    Some(with_rest(masses))
}

/// Whether an option begins with a token, or a token goes beyond a whole option.
fn begins(option: &str, token: &str) -> bool {
    if token.is_empty() || option.is_empty() {
        return false;
    }
    let beyond = token
        .strip_prefix(option)
        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    option.starts_with(token) || beyond
}

/// The frequencies of options among short samples. An answer counts for the option that it begins with,
/// or else for the only one that it names; `None` without samples.
pub(super) fn of_samples<'a>(
    samples: impl Iterator<Item = &'a str>,
    options: &[String],
) -> Option<Vec<f64>> {
    let options: Vec<String> = options.iter().map(|o| plain(o)).collect();
    let mut counts = vec![0.0; options.len()];
    let mut total = 0.0;
    for sample in samples {
        total += 1.0;
        if let Some(option) = named(&plain(sample), &options) {
            counts[option] += 1.0;
        }
    }
    (total > 0.0).then(|| with_rest(counts.iter().map(|c| c / total).collect()))
}

fn named(answer: &str, options: &[String]) -> Option<usize> {
    let first = (0..options.len()).find(|i| places(answer, &options[*i]).any(|place| place == 0));
    first.or_else(|| {
        let mut anywhere =
            (0..options.len()).filter(|i| places(answer, &options[*i]).next().is_some());
        match (anywhere.next(), anywhere.next()) {
            (Some(option), None) => Some(option),
            _ => None,
        }
    })
}

/// Where a text has an option as whole words, in bytes.
fn places<'a>(text: &'a str, option: &'a str) -> impl Iterator<Item = usize> + 'a {
    let whole = move |place: usize| {
        let before = text[..place].chars().next_back();
        let after = text[place + option.len()..].chars().next();
        [before, after]
            .iter()
            .flatten()
            .all(|c| !c.is_alphanumeric())
    };
    let found = text.match_indices(option).map(|(place, _)| place);
    found.filter(move |place| !option.is_empty() && whole(*place))
}

/// Lower case, without what may stand before an answer: spaces, quotes, marks of emphasis.
fn plain(text: &str) -> String {
    text.trim_start_matches(|c: char| !c.is_alphanumeric())
        .trim_end()
        .to_lowercase()
}

fn with_rest(mut masses: Vec<f64>) -> Vec<f64> {
    let total: f64 = masses.iter().sum();
    // Rounding must not make more than one of it.
    let scale = total.max(1.0);
    for mass in &mut masses {
        *mass /= scale;
    }
    masses.push((1.0 - total).max(0.0));
    masses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Vec<String> {
        ["tea", "coffee", "hot milk"].map(str::to_owned).to_vec()
    }

    fn token(text: &str, p: f64) -> Continuation {
        Continuation {
            text: text.to_owned(),
            log_probability: p.ln(),
        }
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn tokens_count_for_the_option_that_begins_with_them() {
        let top = [
            token(" Tea", 0.4),
            token("co", 0.2),
            token(" hot", 0.1),
            token("I", 0.1),
            token("\n", 0.05),
        ];
        let found = of_tokens(&top, &options()).unwrap();
        assert_close(&found, &[0.4, 0.2, 0.1, 0.3]);
        assert_eq!(of_tokens::<String>(&[], &options()), None);
    }

    #[test]
    fn a_token_that_two_options_begin_with_counts_for_neither() {
        let options = ["tea", "tent"].map(str::to_owned);
        let found = of_tokens(&[token("te", 0.5), token("tea.", 0.2)], &options).unwrap();
        assert_close(&found, &[0.2, 0.0, 0.8]);
    }

    #[test]
    fn samples_count_for_the_option_that_they_name() {
        let samples = [
            "Tea.",
            "**Coffee** rather than tea",
            "I prefer hot milk",
            "tea or coffee? Neither",
            "I like tea and coffee",
            "steam",
            "",
        ];
        let found = of_samples(samples.into_iter(), &options()).unwrap();
        let seventh = 1.0 / 7.0;
        assert_close(&found, &[2.0 * seventh, seventh, seventh, 3.0 * seventh]);
        assert_eq!(of_samples(std::iter::empty(), &options()), None);
    }

    #[test]
    fn hostile_answers_only_count_as_something_else() {
        let long = "\u{202e}x".repeat(10_000);
        let found = of_samples([long.as_str(), "é", "…"].into_iter(), &options()).unwrap();
        assert_close(&found, &[0.0, 0.0, 0.0, 1.0]);
    }
}
