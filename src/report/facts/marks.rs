//! Planted marks beside the natural evidence.

use schemars::JsonSchema;
use serde::Serialize;

use crate::case::Marked;
use crate::marks::commit::Role;
use crate::marks::trial::{Counted, Trial};
use crate::report::text::{number, small};
use crate::verdict::Finding;

/// What a reader has to take on trust.
const GIVEN: &str = "That these channels served the protected model, and that nobody but their users saw what was \
                     served, is the word of whoever planted the marks. The test itself takes no control, no base and \
                     no other teacher for granted.";

/// A test of planted marks in a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MarksFacts {
    /// What it says, in a sentence, with what that does not show.
    pub sentence: String,
    /// What it does to the finding.
    pub effect: String,
    /// The finding without it.
    pub without: Finding,
    /// Who signed and dated the commitment.
    pub commitment: String,
    /// What was taken as given.
    pub given: &'static str,
    /// The opened channels, in words for a table.
    pub rows: Vec<MarksRow>,
    /// The figures.
    pub trial: Trial,
}

/// An opened channel, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MarksRow {
    /// Its name, and whether it was ever served.
    pub channel: String,
    /// Hits among counted answers.
    pub hits: String,
    /// The share of marks taken up, with its 95 % interval.
    pub uptake: String,
    /// The planted options' mean share of probability.
    pub share: String,
    /// The p-value, corrected for all channels where the channel was served.
    pub p: String,
}

pub(super) fn facts(marked: &Marked) -> MarksFacts {
    let trial = &marked.trial;
    let without = marked.without.name();
    MarksFacts {
        sentence: trial.sentence.clone(),
        effect: if marked.decides() {
            format!("The finding rests on the marks; without them it is {without}.")
        } else if trial.hits().is_empty() || marked.dated {
            "This moves no finding.".to_owned()
        } else {
            "This moves no finding, because nobody has dated the commitment: its keys may have been drawn after the \
             suspect's answers were seen."
                .to_owned()
        },
        without: marked.without,
        commitment: format!(
            "The commitment to prompts, options and keys is {}.",
            marked.seal
        ),
        given: GIVEN,
        rows: trial.channels.iter().map(row).collect(),
        trial: trial.clone(),
    }
}

fn row(channel: &Counted) -> MarksRow {
    let role = match channel.role {
        Role::Served => "served",
        Role::Control => "control",
    };
    let none = || "-".to_owned();
    let written = channel.written.as_ref();
    let percent = |share: f64| number(Some(100.0 * share), 0);
    MarksRow {
        channel: format!("{} ({role})", channel.name),
        hits: written.map_or_else(none, |w| format!("{} of {}", w.hits, w.counted)),
        uptake: written.map_or_else(none, |w| {
            let [uptake, low, high] = w.uptake.map(percent);
            format!("{uptake} % ({low} to {high})")
        }),
        share: number(channel.probable.as_ref().map(|p| p.mean_share), 3),
        p: small(channel.p_corrected.or(Some(channel.p))),
    }
}
