//! Who learned from whom, where a third model is at hand.

use schemars::JsonSchema;
use serde::Serialize;

use super::models::ModelFacts;
use crate::direction::{Among, MIN_ALIKE};
use crate::population::{Part, ThirdIs};
use crate::question::Access;
use crate::report::text::number;
use crate::validation::DirectionRow;
use crate::weigh::{APART, Answer, Because, CLOSE_P, Direction, Open, Standing};

/// What a third model says of who learned from whom. It moves no finding.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DirectionFacts {
    /// The third model.
    pub third: ModelFacts,
    /// The answer.
    pub answer: Answer,
    /// The same in one sentence.
    pub sentence: String,
    /// What it rests on, or why nothing is said.
    pub why: String,
    /// What is taken as given.
    pub given: &'static str,
    /// How close the three are to each other, beyond their like and the controls.
    pub closeness: Vec<ClosenessFacts>,
    /// How often such answers were right where that was tried.
    pub validated: String,
}

/// How close one of the three is to another.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ClosenessFacts {
    /// Which to which.
    pub pair: &'static str,
    /// Crawford-Howell t among the controls; null where it could not be computed.
    pub t: Option<f64>,
    /// Its one-sided p.
    pub p: Option<f64>,
}

/// What is taken as given.
const GIVEN: &str = "Taken as given: the third model learned from neither of the two. A common teacher that is none \
                     of the three is not excluded.";

pub(super) fn direction(
    third: ModelFacts,
    among: &Among,
    access: Access,
    tried: &[DirectionRow],
) -> DirectionFacts {
    let answer = among.answer.answer();
    let pairs = [
        ("suspect to protected model", &among.suspect_protected),
        ("protected model to suspect", &among.protected_suspect),
        ("suspect to third model", &among.suspect_third),
        ("protected model to third model", &among.protected_third),
    ];
    let closeness = |(pair, standing): (&'static str, &Option<Standing>)| {
        let t = standing.as_ref().and_then(|s| s.t);
        ClosenessFacts {
            pair,
            t: t.map(|t| t.t),
            p: t.map(|t| t.p),
        }
    };
    DirectionFacts {
        sentence: sentence(answer, &third.id, tried),
        why: why(&among.answer),
        given: GIVEN,
        closeness: pairs.map(closeness).into(),
        validated: validated(access, tried),
        third,
        answer,
    }
}

fn sentence(answer: Answer, third: &str, tried: &[DirectionRow]) -> String {
    let said = said(answer, third);
    let rows = tried.iter().filter(|r| r.part == Part::Test);
    let (right, wrong) = rows.fold((0, 0), |(r, w), row| (r + row.right, w + row.wrong));
    match (answer, right + wrong) {
        (Answer::CannotSay, _) => said,
        (_, 0) => format!("{said} How often such answers are right is not known."),
        (_, of) => format!("{said} Where that was tried, {wrong} of {of} answers were wrong."),
    }
}

fn said(answer: Answer, third: &str) -> String {
    match answer {
        Answer::SuspectFromProtected => format!(
            "Beside the third model ({third}), the answers support that the suspect learned from the protected model, and not the other way about."
        ),
        Answer::ProtectedFromSuspect => format!(
            "Beside the third model ({third}), the answers support that the protected model learned from the suspect, and not the other way about."
        ),
        Answer::BothFromThird => format!(
            "The answers support that suspect and protected model both learned from the third model ({third}), and neither of them from the other."
        ),
        Answer::CannotSay => {
            format!("The third model ({third}) does not tell who learned from whom.")
        }
    }
}

/// What the answer rests on, or why there is none.
fn why(direction: &Direction) -> String {
    let least = |pair: &str, because: &Because| {
        format!(
            "What passes through a model is not stronger behind it. {pair} are the least close of the three pairs (t = {}), {} below the next (t = {}); {} are asked for.",
            number(Some(because.least), 1),
            number(Some(because.next - because.least), 1),
            number(Some(because.next), 1),
            number(Some(APART), 2),
        )
    };
    match direction {
        Direction::SuspectFromProtected(because) => least("Suspect and third model", because),
        Direction::ProtectedFromSuspect(because) => {
            least("Protected model and third model", because)
        }
        Direction::BothFromThird(because) => least("Suspect and protected model", because),
        Direction::CannotSay(Open::NoStanding) => {
            "How close some pair of the three is could not be computed: controls are too few, or answers are missing.".to_owned()
        }
        Direction::CannotSay(Open::FewAlike) => format!(
            "The panel has fewer than {MIN_ALIKE} other models like the third one (alternatives, or controls of its group in a lineage file), so that closeness to it cannot be told from closeness to its like."
        ),
        Direction::CannotSay(Open::ThirdNotClose) => format!(
            "It is not close to both of the two (p < {CLOSE_P} is asked for), so that nothing need have passed from it to them."
        ),
        Direction::CannotSay(Open::NoneLeast) => format!(
            "No pair of the three is clearly the least close: it would have to lie {} below the others in units of t.",
            number(Some(APART), 2)
        ),
    }
}

/// How often such answers were right where that was tried.
fn validated(access: Access, tried: &[DirectionRow]) -> String {
    let rows: Vec<&DirectionRow> = tried.iter().filter(|r| r.part == Part::Test).collect();
    if rows.is_empty() {
        return "How often such answers are right has not been tried on models of known descent."
            .to_owned();
    }
    let sum = |of: fn(&DirectionRow) -> usize, holds: &dyn Fn(&DirectionRow) -> bool| -> usize {
        rows.iter().filter(|r| holds(r)).map(|r| of(r)).sum()
    };
    let told = |truth: Answer| {
        let rooted = move |r: &DirectionRow| r.third_is == ThirdIs::Root && r.truth == truth;
        format!(
            "{} of {}",
            sum(|r| r.right, &rooted),
            sum(|r| r.triples, &rooted)
        )
    };
    let all = |_: &DirectionRow| true;
    let access = match access {
        Access::Scored => "",
        Access::Top | Access::Text => {
            " That was with the probability of given text, which is more than was had here."
        }
    };
    format!(
        "Tried on {} triples of tiny models on sources that no rule had seen: an answer was right {} times and wrong {} times, and {} times there was none. Where both descend from the third model and from each other in no way, that was said of {}; where the suspect descends from the protected model behind it, of {}; where it is the other way about, of {}. The triples share models, so that they are far fewer independent trials.{access}",
        sum(|r| r.triples, &all),
        sum(|r| r.right, &all),
        sum(|r| r.wrong, &all),
        sum(|r| r.silent, &all),
        told(Answer::BothFromThird),
        told(Answer::SuspectFromProtected),
        told(Answer::ProtectedFromSuspect),
    )
}
