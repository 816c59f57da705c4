//! Who is named as the parent of a true student, among candidates that include its siblings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::is_full_dose;
use crate::population::{Relation, Score};
use crate::verdict::Finding;
use crate::weigh::{Rate, rate};

/// How often the right parent is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribution {
    /// Which candidates there were.
    pub candidates: String,
    /// Which students.
    pub students: String,
    /// The candidate with the largest t is a true parent.
    pub first: Option<Rate>,
    /// The set of the finding holds a true parent: found `distilled` or `family` for it.
    pub covered: Option<Rate>,
    /// The same, and the set has at most two members.
    pub covered_by_two: Option<Rate>,
    /// Nothing was named.
    pub none: Option<Rate>,
}

/// With all candidates of the part, and without the true parent's siblings; for all students, and for those at full
/// dose.
pub(super) fn all(scores: &[&Score]) -> Vec<Attribution> {
    let mut by_suspect: BTreeMap<&str, Vec<&Score>> = BTreeMap::new();
    for score in scores {
        by_suspect.entry(&score.suspect).or_default().push(score);
    }
    // Nobody can be named rightly for a model without a listed parent.
    by_suspect.retain(|_, asked| asked.iter().any(|s| s.relation == Relation::Student));
    let mut full = by_suspect.clone();
    full.retain(|_, asked| asked.iter().all(|s| is_full_dose(s)));
    let siblings = |s: &Score| s.relation != Relation::SiblingStudent;
    let (among, less) = (
        "every teacher, siblings of the true one included",
        "every teacher but siblings of the true one",
    );
    vec![
        attribution(among, "of every kind and dose", &by_suspect, |_| true),
        attribution(less, "of every kind and dose", &by_suspect, siblings),
        attribution(among, "at full dose", &full, |_| true),
        attribution(less, "at full dose", &full, siblings),
    ]
}

fn attribution(
    candidates: &str,
    students: &str,
    by_suspect: &BTreeMap<&str, Vec<&Score>>,
    takes_part: impl Fn(&Score) -> bool,
) -> Attribution {
    let (mut first, mut covered, mut by_two, mut none) = (0, 0, 0, 0);
    for asked in by_suspect.values() {
        let asked: Vec<&&Score> = asked.iter().filter(|s| takes_part(s)).collect();
        let best = asked
            .iter()
            .max_by(|a, b| a.t.unwrap_or(f64::MIN).total_cmp(&b.t.unwrap_or(f64::MIN)));
        first += usize::from(best.is_some_and(|s| s.relation == Relation::Student));
        let named = |s: &&&&Score| matches!(s.finding, Finding::Distilled | Finding::Family);
        let mut set: Vec<&str> = Vec::new();
        for score in asked.iter().filter(named) {
            let members = std::iter::once(&score.protected).chain(&score.not_excluded);
            for member in members {
                if !set.contains(&member.as_str()) {
                    set.push(member);
                }
            }
        }
        let right =
            |s: &&Score| s.relation == Relation::Student && set.contains(&s.protected.as_str());
        let is_covered = asked.iter().any(|s| right(s));
        covered += usize::from(is_covered);
        by_two += usize::from(is_covered && set.len() <= 2);
        none += usize::from(set.is_empty());
    }
    let of = by_suspect.len();
    let share = |count| rate(count, of);
    Attribution {
        candidates: candidates.to_owned(),
        students: students.to_owned(),
        first: share(first),
        covered: share(covered),
        covered_by_two: share(by_two),
        none: share(none),
    }
}
