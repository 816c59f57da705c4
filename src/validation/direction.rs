//! Who learned from whom, told with a third model: how often that is right, wrong, or not said.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::population::{DirectionScore, Part, ThirdIs};
use crate::weigh::Answer;

/// Triples of one kind. They share models, so they are not so many independent trials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectionRow {
    /// The part that they are of.
    pub part: Part,
    /// What the third model truly is to the other two.
    pub third_is: ThirdIs,
    /// What is true of them; `cannot_say` where no answer is.
    pub truth: Answer,
    /// How many.
    pub triples: usize,
    /// Sources that they come from.
    pub sources: usize,
    /// Of these, what is true was said.
    pub right: usize,
    /// Something else was said.
    pub wrong: usize,
    /// Nothing was said.
    pub silent: usize,
    /// The wrong answers: "protected, suspect, third: answer".
    pub errors: Vec<String>,
}

/// A row for every part, third model and truth that there are triples of, in that order.
pub(super) fn rows(scores: &[DirectionScore]) -> Vec<DirectionRow> {
    let kind = |s: &DirectionScore| (s.triple.part, s.triple.third_is, s.triple.truth);
    let kinds: BTreeSet<_> = scores.iter().map(kind).collect();
    let row = |of: (Part, ThirdIs, Answer)| {
        let chosen: Vec<&DirectionScore> = scores.iter().filter(|s| kind(s) == of).collect();
        let sources: BTreeSet<&str> = chosen.iter().map(|s| s.triple.source.as_str()).collect();
        let silent = |s: &&&DirectionScore| s.said == Answer::CannotSay;
        let wrong = |s: &&&DirectionScore| !silent(s) && s.said != s.triple.truth;
        let error = |s: &&DirectionScore| {
            let (triple, said) = (&s.triple, s.said.words());
            let (protected, suspect) = (&triple.protected, &triple.suspect);
            format!("{protected}, {suspect}, {}: {said}", triple.third)
        };
        let silence = chosen.iter().filter(silent).count();
        let errors: Vec<String> = chosen.iter().filter(wrong).map(error).collect();
        DirectionRow {
            part: of.0,
            third_is: of.1,
            truth: of.2,
            triples: chosen.len(),
            sources: sources.len(),
            right: chosen.len() - silence - errors.len(),
            wrong: errors.len(),
            silent: silence,
            errors,
        }
    };
    kinds.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Triple;

    fn score(third_is: ThirdIs, truth: Answer, said: Answer, source: &str) -> DirectionScore {
        DirectionScore {
            triple: Triple {
                part: Part::Test,
                source: source.to_owned(),
                protected: "p".to_owned(),
                suspect: "s".to_owned(),
                third: "t".to_owned(),
                third_is,
                truth,
            },
            said,
            t: [None; 4],
        }
    }

    #[test]
    fn an_answer_where_none_is_true_is_wrong_and_silence_never_is() {
        use Answer::{BothFromThird, CannotSay, SuspectFromProtected};
        let scores = [
            score(ThirdIs::Root, BothFromThird, BothFromThird, "a"),
            score(ThirdIs::Root, BothFromThird, CannotSay, "b"),
            score(ThirdIs::Root, BothFromThird, SuspectFromProtected, "b"),
            score(ThirdIs::Stranger, CannotSay, CannotSay, "a"),
            score(ThirdIs::Stranger, CannotSay, BothFromThird, "a"),
        ];
        let rows = rows(&scores);
        let counts: Vec<[usize; 5]> = rows
            .iter()
            .map(|r| [r.triples, r.sources, r.right, r.wrong, r.silent])
            .collect();
        assert_eq!(counts, [[3, 2, 1, 1, 1], [2, 1, 0, 1, 1]]);
        assert_eq!(
            rows[0].errors,
            ["p, s, t: the suspect from the protected model"]
        );
        assert_eq!(rows[1].third_is, ThirdIs::Stranger);
    }
}
