//! Collecting: questions times a model gives a recording.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::battery::Battery;
use crate::digest;
use crate::evidence::{BatteryMark, EvidenceError, FORMAT, Header, Store};
use crate::model::{Model, ModelError, Seed};
use crate::question::{Posing, Question};
use crate::response::Response;

/// Collecting did not finish; what was answered is kept.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The model failed.
    #[error("cannot collect answers")]
    Model(#[from] ModelError),
    /// The recording could not be kept.
    #[error("cannot keep the recording")]
    Evidence(#[from] EvidenceError),
    /// The user broke off.
    #[error("interrupted; run the same command again to go on")]
    Interrupted,
}

/// What became of some questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answered before, in an earlier run.
    pub kept: usize,
    /// Answered now.
    pub answered: usize,
    /// Of those, refused or unavailable.
    pub without: usize,
}

/// The header of the recording that a model is about to make.
pub fn header(model: &dyn Model, battery: &Battery, posing: Posing, seed: Seed) -> Header {
    Header {
        format: FORMAT,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        identity: model.identity().clone(),
        battery: BatteryMark::of(battery),
        posing,
        seed,
    }
}

/// The seed that a model samples with.
///
/// Each model has one of its own: drawn with one seed, the texts of two models that are alike come out alike
/// token by token, and samples that are compared with one another would not be independent.
pub fn sampling_seed(header: &Header) -> Seed {
    let own = digest::seed(&(header.seed, header.identity.source.item()));
    let first = own.first_chunk().copied().unwrap_or_default();
    Seed(u64::from_le_bytes(first))
}

/// Asks what has not been answered yet. `answered` is called after each answer, and breaks off if the work is to end.
///
/// # Errors
///
/// When the model fails, the recording cannot be written, or `answered` broke off. Every answer so far is
/// kept, and the next call goes on behind it.
pub fn collect(
    model: &dyn Model,
    questions: &[Question],
    seed: Seed,
    store: &mut Store,
    answered: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<Tally, CollectError> {
    let mut seen = HashSet::new();
    let once: Vec<&Question> = questions.iter().filter(|q| seen.insert(*q)).collect();
    let missing = once.iter().filter(|q| !store.has(q));
    let missing: Vec<Question> = missing.map(|q| (*q).clone()).collect();
    let mut tally = Tally {
        kept: once.len() - missing.len(),
        ..Tally::default()
    };
    let mut failure = None;
    let asked = model.answer(&missing, seed, &mut |index, answer| {
        tally.answered += 1;
        if matches!(
            answer.response,
            Response::Refused { .. } | Response::Unavailable { .. }
        ) {
            tally.without += 1;
        }
        let kept = store.append(&missing[index], answer);
        let stopped = answered().is_break();
        if let Err(error) = kept {
            failure = Some(CollectError::from(error));
        } else if stopped {
            failure = Some(CollectError::Interrupted);
        }
        match failure {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    // What was answered before a failure of the model is kept as well.
    let synced = store.sync();
    if let Some(failure) = failure {
        return Err(failure);
    }
    asked?;
    synced?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ModelIdentity, Source};
    use crate::question::Access;

    #[test]
    fn models_whose_texts_are_compared_do_not_share_a_seed() {
        let seed = |script: &str| {
            let posing = Posing {
                chat: false,
                raw: true,
                access: Access::Scored,
                samples: 1,
                repeats: 2,
                top: 1,
            };
            let identity = ModelIdentity {
                name: "m".to_owned(),
                source: Source::Scripted {
                    script: script.to_owned(),
                },
            };
            sampling_seed(&Header {
                format: FORMAT,
                tool: String::new(),
                identity,
                battery: BatteryMark {
                    name: String::new(),
                    version: 1,
                    probes: 0,
                    digest: String::new(),
                },
                posing,
                seed: Seed(7),
            })
        };
        assert_eq!(seed("a"), seed("a"));
        assert_ne!(seed("a"), seed("b"));
        assert_ne!(seed("a"), Seed(7));
    }
}
