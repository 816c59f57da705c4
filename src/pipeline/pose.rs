//! How all models of a comparison are asked alike: settled once, from what each can be asked.

use super::error::PipelineError;
use super::request::Asking;
use crate::model::Abilities;
use crate::question::{Access, Posing};

/// What is known of one model before it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// It will be asked.
    Abilities(Abilities),
    /// It was asked, in this way.
    Posing(Posing),
    /// Somebody else asked it, in this way, and nobody can ask it in another.
    Imported(Posing),
}

impl Known {
    pub(super) fn chat(&self) -> bool {
        match self {
            Self::Abilities(a) => a.chat,
            Self::Posing(p) | Self::Imported(p) => p.chat,
        }
    }

    fn raw(&self) -> bool {
        match self {
            Self::Abilities(a) => a.raw,
            Self::Posing(p) | Self::Imported(p) => p.raw,
        }
    }

    fn score_chat(&self) -> bool {
        match self {
            Self::Abilities(a) => a.score_chat,
            Self::Posing(p) | Self::Imported(p) => p.chat,
        }
    }

    fn access(&self) -> Access {
        match self {
            Self::Abilities(a) if a.score => Access::Scored,
            Self::Abilities(a) if a.top > 1 => Access::Top,
            Self::Abilities(_) => Access::Text,
            Self::Posing(p) | Self::Imported(p) => p.access,
        }
    }

    fn top(&self) -> usize {
        match self {
            Self::Abilities(a) => a.top,
            Self::Posing(p) | Self::Imported(p) => p.top,
        }
    }
}

/// The posing that all of these models allow.
pub(super) fn settle(asking: &Asking, models: &[(&str, Known)]) -> Result<Posing, PipelineError> {
    let forced = asking.access.unwrap_or(Access::Scored);
    let access = models
        .iter()
        .map(|(_, known)| known.access())
        .fold(forced, Access::min);
    let raw = models.iter().all(|(_, known)| known.raw());
    let mut chat = !asking.raw && models.iter().all(|(_, known)| known.chat());
    // Probabilities of given texts say more than the form of a turn.
    if access == Access::Scored && raw {
        chat &= models.iter().all(|(_, known)| known.score_chat());
    }
    if !chat && !raw {
        let without = |f: fn(&Known) -> bool| {
            let found = models.iter().find(|(_, known)| !f(known));
            found.map_or_else(String::new, |(name, _)| (*name).to_owned())
        };
        return Err(PipelineError::NoCommonForm {
            turns: without(Known::raw),
            plain: without(Known::chat),
        });
    }
    let imported = models.iter().find_map(|(_, known)| match known {
        Known::Imported(posing) => Some(*posing),
        Known::Abilities(_) | Known::Posing(_) => None,
    });
    let usual = Posing::usual(access);
    let top = models
        .iter()
        .map(|(_, known)| known.top())
        .filter(|top| *top > 0)
        .fold(usual.top, usize::min);
    if let Some(imported) = imported {
        // How often they were asked is as it is.
        return Ok(Posing {
            chat,
            raw,
            access,
            ..imported
        });
    }
    Ok(Posing {
        chat,
        raw,
        access,
        samples: usize::from(asking.samples),
        repeats: match access {
            Access::Text => usize::from(asking.repeats),
            Access::Top | Access::Scored => 0,
        },
        top,
    })
}

/// What a model can be asked when no more than `access` is to be used of it.
pub(super) fn at_most(abilities: Abilities, access: Option<Access>) -> Abilities {
    match access {
        None | Some(Access::Scored) => abilities,
        Some(Access::Top) => Abilities {
            score: false,
            score_chat: false,
            ..abilities
        },
        Some(Access::Text) => Abilities {
            score: false,
            score_chat: false,
            top: 0,
            ..abilities
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> Asking {
        Asking {
            raw: true,
            ..Asking::default()
        }
    }

    const WEIGHTS: Abilities = Abilities {
        chat: true,
        raw: true,
        score: true,
        score_chat: true,
        top: usize::MAX,
    };
    const TURNS: Abilities = Abilities {
        raw: false,
        score: false,
        score_chat: false,
        top: 20,
        ..WEIGHTS
    };

    fn settled(asking: &Asking, models: &[Abilities]) -> Result<Posing, PipelineError> {
        let models: Vec<(&str, Known)> =
            models.iter().map(|a| ("m", Known::Abilities(*a))).collect();
        settle(asking, &models)
    }

    #[test]
    fn by_default_plain_text_is_asked_as_it_was_validated() {
        for access in [Access::Text, Access::Top] {
            let asking = Asking {
                access: Some(access),
                ..raw()
            };
            let posing = settled(&asking, &[WEIGHTS]).unwrap();
            assert_eq!(posing, Posing::usual(access));
        }
        let posing = settled(&raw(), &[WEIGHTS]).unwrap();
        assert_eq!(posing, Posing::usual(Access::Scored));
        let fewer = Asking {
            samples: 1,
            ..raw()
        };
        let fewer = settled(&fewer, &[WEIGHTS]).unwrap();
        assert_ne!(fewer, Posing::usual(Access::Scored));
    }

    #[test]
    fn all_are_asked_as_the_least_open_one_allows() {
        let posing = settled(&Asking::default(), &[WEIGHTS, WEIGHTS]).unwrap();
        assert_eq!(
            (posing.chat, posing.raw, posing.access, posing.top),
            (true, true, Access::Scored, 32)
        );
        let posing = settled(&Asking::default(), &[WEIGHTS, TURNS]).unwrap();
        assert_eq!(
            (
                posing.chat,
                posing.raw,
                posing.access,
                posing.top,
                posing.repeats
            ),
            (true, false, Access::Top, 20, 0)
        );
        let text = Abilities { top: 0, ..TURNS };
        let posing = settled(
            &Asking {
                repeats: 9,
                ..Asking::default()
            },
            &[WEIGHTS, TURNS, text],
        )
        .unwrap();
        assert_eq!((posing.access, posing.repeats), (Access::Text, 9));
        let posing = settled(
            &Asking {
                access: Some(Access::Top),
                ..Asking::default()
            },
            &[WEIGHTS],
        )
        .unwrap();
        assert_eq!(posing.access, Access::Top);
    }

    #[test]
    fn scoring_endpoints_without_turns_are_posed_plain_text() {
        let echo = Abilities {
            score_chat: false,
            ..WEIGHTS
        };
        let posing = settled(&Asking::default(), &[WEIGHTS, echo]).unwrap();
        assert_eq!((posing.chat, posing.access), (false, Access::Scored));
    }

    #[test]
    fn models_without_a_common_form_are_an_error() {
        let plain = Abilities {
            chat: false,
            ..WEIGHTS
        };
        let error = settled(&Asking::default(), &[plain, TURNS]).unwrap_err();
        assert!(
            matches!(error, PipelineError::NoCommonForm { .. }),
            "{error}"
        );
    }
}
