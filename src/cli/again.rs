//! `parentage verify --ask`: some answers of a bundle, asked again of a model at hand.

use super::args::Ask;
use super::error::CliError;
use super::progress::Progress;
use crate::again::{Agreement, NEAR};
use crate::bundle::CheckedBundle;
use crate::model::Seed;
use crate::pipeline::{AgainRequest, AskedAgain, Given, ask_again};

/// Asks again, where that was demanded.
pub(super) fn ask(
    bundle: &CheckedBundle,
    args: &Ask,
    quiet: bool,
) -> Result<Option<Told>, CliError> {
    let Some(model) = &args.model else {
        return Ok(None);
    };
    let request = AgainRequest {
        model: model.clone(),
        of: args.of.clone(),
        count: args.count,
        seed: Seed(args.seed),
        given: Given::default(),
        engine: args.engine.settled(),
        endpoints: args.hosted.settled(),
    };
    Ok(Some(Told(ask_again(
        bundle,
        &request,
        &Progress::new(quiet),
    )?)))
}

/// What was asked again, in words.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(super) struct Told(AskedAgain);

impl Told {
    /// Whether the answers contradict the model at hand: the error that says so.
    pub(super) fn contradiction(&self) -> Result<(), CliError> {
        if self.0.again.agreement != Agreement::Disagrees {
            return Ok(());
        }
        Err(CliError::OtherAnswers {
            of: self.0.of.clone(),
            asked: self.0.asked.clone(),
            found: self.figures(),
        })
    }

    /// Whether anything was shown.
    pub(super) fn is_enough(&self) -> bool {
        self.0.again.agreement != Agreement::Unknown
    }

    /// A line of the check.
    pub(super) fn words(&self) -> String {
        let mark = if self.is_enough() { "ok" } else { "--" };
        let limits = if self.is_enough() {
            "so they could have come from it; that shows neither who wrote them nor what was served then"
        } else {
            "too few to show anything"
        };
        format!(
            "{mark}  asked again     {}: {limits} (drawn by seed {})\n",
            self.figures(),
            self.0.seed
        )
    }

    /// What was compared, and how often it could have come from the model at hand.
    fn figures(&self) -> String {
        let again = &self.0.again;
        let mut parts = vec![format!(
            "{} answers of '{}', asked again of '{}'",
            again.drawn, self.0.of, self.0.asked
        )];
        if let Some(found) = &again.probabilities {
            let share = found.share;
            parts.push(format!(
                "{} of {} with probabilities lie within {NEAR} (95 % interval {:.0} to {:.0} %, median distance {:.4})",
                share.could,
                share.of,
                100.0 * share.low,
                100.0 * share.high,
                found.median
            ));
        }
        if let Some(found) = &again.texts {
            let share = found.share;
            parts.push(format!(
                "{} of {} texts are no less like it than its own ({:.0} to {:.0} %, at least {:.0} % expected, p = {:.2e}; {} by their probability, the others by their words)",
                share.could,
                share.of,
                100.0 * share.low,
                100.0 * share.high,
                100.0 * found.expected,
                found.p,
                found.by_probability
            ));
        }
        if again.without > 0 {
            parts.push(format!("{} without an answer to compare", again.without));
        }
        parts.join("; ")
    }
}
