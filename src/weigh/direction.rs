//! Who learned from whom, when a third model is at hand.
//!
//! Two models alone do not tell: likeness is the same both ways, and on the shipped family neither direction of
//! reading is regularly the stronger. A third model T that learned from neither of the two gives the family a root,
//! and what passes through a model is not stronger behind it (the data-processing inequality; Cover and Thomas,
//! *Elements of Information Theory*, 2006, theorem 2.8.1). So the pair that is least close is the one without
//! a direct tie:
//!
//! ```text
//! T -> P -> S   S and T least close       the suspect learned from the protected model
//! T -> S -> P   P and T least close       the protected model learned from the suspect
//! P <- T -> S   S and P least close       both learned from T
//! ```
//!
//! A model that learned from both of the others, or a common teacher that is not T, leaves no such order or one that is not
//! clear, and then nothing is said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Standing;

/// A pair counts as close below this one-sided p.
pub const CLOSE_P: f64 = 0.01;
/// How far the least close pair must lie below each of the others, in units of t: 2.326 standard
/// errors of a difference of two, which are one each, so that a pair that is not less close passes
/// for it with probability at most 0.01.
pub const APART: f64 = 2.326_347_874_040_841 * std::f64::consts::SQRT_2;

/// The standings of the pairs: how close the first model is to the second, beyond its like, among controls.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// The suspect to the protected model.
    pub suspect_protected: &'a Standing,
    /// The protected model to the suspect.
    pub protected_suspect: &'a Standing,
    /// The suspect to the third model.
    pub suspect_third: &'a Standing,
    /// The protected model to the third model.
    pub protected_third: &'a Standing,
}

/// Who learned from whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Direction {
    /// The suspect from the protected model.
    SuspectFromProtected(Because),
    /// The protected model from the suspect.
    ProtectedFromSuspect(Because),
    /// Both from the third model.
    BothFromThird(Because),
    /// The findings do not tell.
    CannotSay(Open),
}

/// A direction, as a word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
// Reports have answers of models besides, by this name in their schema.
#[schemars(rename = "DirectionAnswer")]
pub enum Answer {
    /// The suspect learned from the protected model.
    SuspectFromProtected,
    /// The protected model learned from the suspect.
    ProtectedFromSuspect,
    /// Both learned from the third model.
    BothFromThird,
    /// The findings do not tell.
    CannotSay,
}

impl Answer {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SuspectFromProtected => "the suspect from the protected model",
            Self::ProtectedFromSuspect => "the protected model from the suspect",
            Self::BothFromThird => "both from the third model",
            Self::CannotSay => "nothing",
        }
    }
}

impl Direction {
    /// The direction without what it rests on.
    pub fn answer(&self) -> Answer {
        match self {
            Self::SuspectFromProtected(_) => Answer::SuspectFromProtected,
            Self::ProtectedFromSuspect(_) => Answer::ProtectedFromSuspect,
            Self::BothFromThird(_) => Answer::BothFromThird,
            Self::CannotSay(_) => Answer::CannotSay,
        }
    }
}

/// What a direction rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Because {
    /// The t of the pair that is least close; of the two of suspect and protected model the larger.
    pub least: f64,
    /// The smallest t of the other pairs.
    pub next: f64,
}

/// Why the findings do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// A standing has no t: the controls are too few or do not vary.
    NoStanding,
    /// The panel has too few other models like the third one to tell closeness to it from closeness to its like.
    FewAlike,
    /// The third model is not close to both, so it roots nothing.
    ThirdNotClose,
    /// No pair is clearly the least close.
    NoneLeast,
}

/// Decides from the closeness of the pairs.
///
/// It is taken as given that the third model learned from neither of the two, being older than both, say. It must be
/// close to both (p below 0.01): were it close to one alone, that one may have learned from the third and from the
/// other, and the arrow between the two could point either way. Then the least close pair must lie below each other pair
/// by 3.29 in units of t. Suspect and protected model have two standings, one for each as the row: where the pair
/// is to be the least close both must be, and where another is, neither may be.
///
/// Errors: an answer is given only when the pair without a direct tie under it is less close than *every* other, so it
/// comes with probability at most 0.01 when that pair is not the least close, however many the comparisons
/// (intersection-union; Berger, *Technometrics* 24, 1982, 295-300). This takes the ts to be of one scale and to vary
/// normally, by one. It does not cover what the three models do not show: a common teacher that is none of them
/// looks like a tie.
///
/// They do not, quite: on the test part of `models/population` 11 of 40 answers were wrong and on `models/confirmation` 3
/// of 14 (`models/README.md`), all of them "both from the third", so no rule of the ladder reads it.
///
/// The margin was kept when the rule was looked at on the fitting part of `models/population`. Testing each
/// difference against that of the controls (Crawford and Garthwaite, *Neuropsychology* 19, 2005, 318-331), whose
/// scale is mostly smaller, and distances as logarithms both say more, but mostly what is wrong: two students of one
/// teacher, one trained on its distributions, are nearer to each other than the other is to the teacher, as if it had
/// learned from the first. What a teacher has and does not pass on makes all its students look so.
pub fn direction(pairs: Pairs<'_>) -> Direction {
    let standings = [
        pairs.suspect_protected,
        pairs.protected_suspect,
        pairs.suspect_third,
        pairs.protected_third,
    ];
    let [Some(to), Some(from), Some(suspect), Some(protected)] = standings.map(|s| s.t) else {
        return Direction::CannotSay(Open::NoStanding);
    };
    if suspect.p.max(protected.p) >= CLOSE_P {
        return Direction::CannotSay(Open::ThirdNotClose);
    }
    let (low, high) = (to.t.min(from.t), to.t.max(from.t));
    let (suspect, protected) = (suspect.t, protected.t);
    let answers = [
        (high, suspect.min(protected)),
        (suspect, low.min(protected)),
        (protected, low.min(suspect)),
    ]
    .map(|(least, next)| (next - least > APART).then_some(Because { least, next }));
    match answers {
        [Some(because), ..] => Direction::BothFromThird(because),
        [_, Some(because), _] => Direction::SuspectFromProtected(because),
        [.., Some(because)] => Direction::ProtectedFromSuspect(because),
        [None, None, None] => Direction::CannotSay(Open::NoneLeast),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A standing of a given t among nine controls.
    fn at(t: f64) -> Standing {
        let controls: Vec<f64> = (-4..=4).map(f64::from).collect();
        let sd = 7.5_f64.sqrt();
        let standing = Standing::new(t * sd * (1.0_f64 + 1.0 / 9.0).sqrt(), controls);
        assert!((standing.t.unwrap().t - t).abs() < 1e-12);
        standing
    }

    fn of(
        suspect_protected: f64,
        protected_suspect: f64,
        suspect: f64,
        protected: f64,
    ) -> Direction {
        direction(Pairs {
            suspect_protected: &at(suspect_protected),
            protected_suspect: &at(protected_suspect),
            suspect_third: &at(suspect),
            protected_third: &at(protected),
        })
    }

    #[test]
    fn the_least_close_pair_has_no_direct_tie() {
        let because = |d: Direction| match d {
            Direction::BothFromThird(b) => ("third", b),
            Direction::SuspectFromProtected(b) => ("protected", b),
            Direction::ProtectedFromSuspect(b) => ("suspect", b),
            Direction::CannotSay(_) => (
                "open",
                Because {
                    least: 0.0,
                    next: 0.0,
                },
            ),
        };
        for (found, answer, least, next) in [
            (of(4.0, 3.0, 9.0, 8.0), "third", 4.0, 8.0),
            (of(9.0, 8.0, 4.0, 12.0), "protected", 4.0, 8.0),
            (of(9.0, 12.0, 8.5, 4.0), "suspect", 4.0, 8.5),
        ] {
            let (found, because) = because(found);
            assert_eq!(found, answer);
            assert!((because.least - least).abs() < 1e-9 && (because.next - next).abs() < 1e-9);
        }
    }

    #[test]
    fn both_standings_of_the_two_must_agree() {
        // One of them alone would make it the least close, or leave another so.
        assert_eq!(
            of(3.0, 9.0, 9.0, 9.0),
            Direction::CannotSay(Open::NoneLeast)
        );
        assert_eq!(
            of(5.0, 12.0, 12.0, 4.0),
            Direction::CannotSay(Open::NoneLeast)
        );
    }

    #[test]
    fn without_a_clear_order_nothing_is_said() {
        assert_eq!(
            of(9.0, 9.0, 9.0, 9.0),
            Direction::CannotSay(Open::NoneLeast)
        );
        // 3.29 apart and just less.
        assert!(matches!(
            of(4.0, 4.0, 7.3, 7.3),
            Direction::BothFromThird(_)
        ));
        assert_eq!(
            of(4.0, 4.0, 7.28, 7.3),
            Direction::CannotSay(Open::NoneLeast)
        );
    }

    #[test]
    fn a_third_model_that_is_close_to_one_alone_roots_nothing() {
        for (suspect, protected) in [(0.0, 12.0), (12.0, 0.0), (1.0, 1.0), (2.8, 12.0)] {
            let found = of(12.0, 12.0, suspect, protected);
            assert_eq!(found, Direction::CannotSay(Open::ThirdNotClose));
        }
        let few = Standing::new(1.0, vec![0.0]);
        let close = at(9.0);
        let pairs = Pairs {
            suspect_protected: &few,
            protected_suspect: &close,
            suspect_third: &close,
            protected_third: &close,
        };
        assert_eq!(direction(pairs), Direction::CannotSay(Open::NoStanding));
    }
}
