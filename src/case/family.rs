//! The question at the level of a family: did the suspect learn from any member of the protected model's
//! group?
//!
//! For every member g of the group (the protected model and its declared siblings) every measure's
//! score x_g is computed as for the protected model alone, against all other candidate parents, the
//! other members among them: those are the data-matched columns, without which shared data looks like
//! descent. Pooled over the measures in units of the controls' standard deviation that gives z_g(m) for the
//! suspect and every control m, and the statistic is
//!
//! ```text
//! T(m) = max over g of z_g(m)
//! ```
//!
//! the same for suspect and controls, so both have had the same number of tries. Controls that descend from a
//! member are no controls here (the panel leaves them out); members stay as controls, each for the others.
//!
//! "Beyond every control" and the conformal p are about T. The p of the ladder is Bonferroni's,
//! `|G| min over g of p_g` with Crawford and Howell's p of each member, which assumes no more than the test
//! for one member does. Crawford and Howell's test of T among the controls' T is *not* used: the controls' z
//! are scaled by their own spread and a maximum is skewed, so at p = 0.001 it errs in 0.8 to 1.7 % of cases
//! with 4 members and 20 controls (100,000 simulated, independent and centred normal scores), Bonferroni's in
//! 0.09 to 0.10 %.
//!
//! A suspect that learned from all members alike is equally near all of them and is not seen by this
//! statistic: it errs on the side of no finding.
//!
//! By open text alone ([`Basis::OpenText`]) the group is asked about as a whole: nearness to all its members together,
//! which gains from several of them, decides; T says no more than which member is nearest.
//!
//! The answer is a set: the member with the largest z, and every candidate parent that the probe-by-probe
//! test does not tell from it (`apart_p` of the rules, corrected for the number of measures and for the
//! choice among the members).

use rayon::prelude::*;

use super::{Case, Figures, Sides, Weighed, pool};
use crate::measure::{Basis, Contrast, Measure};
use crate::rules::Rules;
use crate::verdict::{Apart, Evidence, Finding, judge};
use crate::weigh::{Null, Row, Standing, pooled};

/// How one member of the group stands.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberStanding {
    /// The member.
    pub id: String,
    /// The suspect's pooled score with this member in the protected model's place, in standard deviations.
    pub score: f64,
    /// The Crawford-Howell p of it, alone.
    pub p: Option<f64>,
}

/// The answer about the group.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyAnswer {
    /// The members, in the order of the panel.
    pub members: Vec<MemberStanding>,
    /// The member that the suspect is nearest to.
    pub nearest: String,
    /// Candidate parents (ids) that cannot be told from it, itself the first.
    pub not_excluded: Vec<String>,
    /// Those that can.
    pub excluded: Vec<String>,
    scores: Vec<MemberScores>,
}

/// The scores with one member in the protected model's place.
#[derive(Debug, Clone, PartialEq)]
struct MemberScores {
    member: String,
    /// The controls that every measure has.
    controls: Vec<String>,
    /// The suspect's score and the controls', by measure.
    rows: Vec<(Measure, Row)>,
}

impl MemberScores {
    fn new(member: &str, figures: &[(Measure, Figures)]) -> Option<Self> {
        let usable = figures.iter();
        let usable = usable.filter_map(|(m, f)| Some((*m, f.weighed(*m)?)));
        let (measures, scores): (Vec<Measure>, Vec<Weighed>) = usable.unzip();
        let (controls, rows) = pool(&scores);
        (!rows.is_empty()).then(|| Self {
            member: member.to_owned(),
            controls,
            rows: measures.into_iter().zip(rows).collect(),
        })
    }

    /// The pooled scores, the suspect's first, with some controls and one measure left out.
    fn pooled(
        &self,
        out: &[&str],
        measure: Option<Measure>,
        null: &Null,
    ) -> Option<(Vec<&str>, Standing)> {
        let stays = |id: &str| !out.contains(&id);
        let gone = (0..self.controls.len()).filter(|i| !stays(&self.controls[*i]));
        let gone: Vec<usize> = gone.collect();
        // From the last on, so that places stay what they are.
        let part = |row: &Row| {
            let places = gone.iter().rev();
            places.fold(row.clone(), |row, place| row.without(*place))
        };
        let rows: Vec<Row> = self
            .rows
            .iter()
            .filter(|(m, _)| Some(*m) != measure)
            .map(|(_, row)| part(row))
            .collect();
        let ids = self.controls.iter().map(String::as_str);
        Some((ids.filter(|id| stays(id)).collect(), pooled(&rows, null)?))
    }
}

/// The group's standing among the controls, some of them and one measure left out.
struct GroupStanding {
    standing: Standing,
    controls: Vec<String>,
    members: Vec<MemberStanding>,
}

fn stand(
    scores: &[MemberScores],
    out: &[&str],
    measure: Option<Measure>,
    null: &Null,
) -> Option<GroupStanding> {
    let mut controls: Vec<(String, f64)> = Vec::new();
    let mut members = Vec::new();
    for member in scores {
        let Some((ids, z)) = member.pooled(out, measure, null) else {
            continue;
        };
        for (id, z) in ids.iter().zip(&z.controls) {
            match controls.iter_mut().find(|(known, _)| known == id) {
                Some((_, largest)) => *largest = largest.max(*z),
                None => controls.push(((*id).to_owned(), *z)),
            }
        }
        members.push(MemberStanding {
            id: member.member.clone(),
            score: z.score,
            p: z.t.map(|t| t.p),
        });
    }
    let largest = members.iter().map(|m| m.score).reduce(f64::max)?;
    let (controls, values): (Vec<String>, Vec<f64>) = controls.into_iter().unzip();
    let mut standing = Standing::new(largest, values);
    // A member without a p of its own (its controls do not vary) leaves nothing to correct by.
    let smallest = members
        .iter()
        .map(|m| m.p)
        .try_fold(1.0, |least: f64, p| Some(least.min(p?)))?;
    if let Some(t) = &mut standing.t {
        t.p = (members.len() as f64 * smallest).min(1.0);
    }
    Some(GroupStanding {
        standing,
        controls,
        members,
    })
}

/// Puts the question about the group in the place of that about the protected model alone.
pub(super) fn answer(sides: &Sides<'_>, case: &mut Case) {
    let panel = sides.panel;
    let group = panel.asked();
    let figures = |member: &str| -> Vec<(Measure, Figures)> {
        let measures = case.measures.iter();
        measures
            .map(|m| (m.measure, sides.figures(&m.affinity, member)))
            .collect()
    };
    let all: Vec<(&str, Vec<(Measure, Figures)>)> =
        group.iter().map(|g| (*g, figures(g))).collect();
    let scores: Vec<MemberScores> = all
        .iter()
        .filter_map(|(member, figures)| MemberScores::new(member, figures))
        .collect();
    // The bets are about the protected model alone.
    case.sequential = None;
    let rules = sides.rules;
    if sides.basis == Basis::Battery {
        case.left_out = Vec::new();
    }
    let null = sides.null();
    let Some(now) = stand(&scores, &[], None, &null) else {
        case.evidence.pooled = None;
        case.verdict = judge(&case.evidence, rules);
        return;
    };
    let nearest = now
        .members
        .iter()
        .max_by(|a, b| a.score.total_cmp(&b.score))
        .map_or_else(String::new, |m| m.id.clone());
    let contrasts = case.measures.par_iter();
    let contrasts: Vec<Contrast> = contrasts
        .filter_map(|m| sides.contrast(&m.affinity, &nearest).ok())
        .collect();
    let evidence = &mut case.evidence;
    evidence.apart = apart(&contrasts.iter().collect::<Vec<_>>(), group.len());
    // Members are alike in data and kind by declaration.
    evidence.matched_alternatives = evidence.matched_alternatives.max(group.len() - 1);
    // By open text the pooled figures are about the whole house already.
    if sides.basis == Basis::Battery {
        set(evidence, &now, &scores, &[], &null);
        case.pooled_controls = now.controls;
    }
    let (not_excluded, excluded): (Vec<&Apart>, Vec<&Apart>) = evidence
        .apart
        .iter()
        .partition(|a| a.p >= rules.ladder(evidence.condition).apart_p);
    let ids = |apart: Vec<&Apart>| -> Vec<String> {
        apart.into_iter().map(|a| a.alternative.clone()).collect()
    };
    case.family = Some(FamilyAnswer {
        members: now.members,
        not_excluded: std::iter::once(nearest.clone())
            .chain(ids(not_excluded))
            .collect(),
        excluded: ids(excluded),
        nearest,
        scores,
    });
    conclude(case, rules);
}

/// The figures of the ladder that rest on the group's standing.
fn set(
    evidence: &mut Evidence,
    now: &GroupStanding,
    scores: &[MemberScores],
    out: &[&str],
    null: &Null,
) {
    let p = |out: &[&str], measure| Some(stand(scores, out, measure, null)?.standing.t?.p);
    evidence.controls = now.controls.len();
    evidence.worst_without_one = worst(now.controls.iter().map(|one| {
        let out: Vec<&str> = out.iter().copied().chain([one.as_str()]).collect();
        p(&out, None)
    }));
    let measures: Vec<Measure> = scores
        .first()
        .map(|s| s.rows.iter().map(|(measure, _)| *measure).collect())
        .unwrap_or_default();
    evidence.without_strongest = (measures.len() > 1)
        .then(|| worst(measures.iter().map(|m| p(out, Some(*m)))))
        .flatten();
    evidence.pooled = Some(now.standing.clone());
}

/// The largest p; `None` if one is missing.
fn worst(mut ps: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    ps.try_fold(0.0, |worst: f64, p| Some(worst.max(p?)))
}

/// The ladder's verdict, worded for the group: nothing above *family* is claimed by this question.
fn conclude(case: &mut Case, rules: &Rules) {
    let Some(family) = &case.family else { return };
    // Which candidates are told apart is said below, for the nearest member.
    let mut verdict = judge(
        &Evidence {
            apart: Vec::new(),
            ..case.evidence.clone()
        },
        rules,
    );
    let members: Vec<&str> = family.members.iter().map(|m| m.id.as_str()).collect();
    let of = match case.basis {
        Basis::Battery => "the largest over its members, for the suspect as for every control",
        Basis::OpenText => "about all its members together",
    };
    let members = members.join(", ");
    verdict.reasons.insert(
        0,
        format!(
            "the question is about the protected model's group ({members}): every figure is {of}"
        ),
    );
    if matches!(verdict.finding, Finding::Distilled | Finding::Family) {
        verdict.finding = Finding::Family;
        verdict.not_excluded.clone_from(&family.not_excluded);
        verdict.reasons.push(if family.excluded.is_empty() {
            format!("cannot exclude {}", family.not_excluded.join(", "))
        } else {
            format!(
                "cannot exclude {}; excludes {}",
                family.not_excluded.join(", "),
                family.excluded.join(", ")
            )
        });
        verdict.settles = (family.not_excluded.len() > 1).then(|| {
            "ask more probes (--tier full) or more samples (--samples) to tell the members apart".to_owned()
        });
    }
    case.verdict = verdict;
}

/// For every other candidate parent the smallest paired p over the measures, corrected for their number and
/// for the choice of the nearest among the members.
fn apart(contrasts: &[&Contrast], members: usize) -> Vec<Apart> {
    let Some(first) = contrasts.first() else {
        return Vec::new();
    };
    let p = |contrast: &Contrast, id: &str| {
        let test = contrast.against.iter().find(|(other, _)| other == id)?;
        test.1.as_ref().map(|t| t.p)
    };
    let corrected = |id: &str| {
        let ps = contrasts.iter().filter_map(|c| p(c, id));
        let tries = contrasts.len() * members;
        (ps.fold(1.0, f64::min) * tries as f64).min(1.0)
    };
    let ids = first.against.iter().map(|(id, _)| id);
    ids.map(|id| Apart {
        alternative: id.clone(),
        p: corrected(id),
    })
    .collect()
}

impl FamilyAnswer {
    /// The evidence with one control left out; `None` if nothing can be computed then.
    pub(super) fn without(
        &self,
        evidence: &Evidence,
        control: &str,
        rules: &Rules,
    ) -> Option<Evidence> {
        let mut less = evidence.clone();
        let null = rules.null(evidence.condition);
        let now = stand(&self.scores, &[control], None, &null)?;
        set(&mut less, &now, &self.scores, &[control], &null);
        Some(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NULL: Null = Null::Moderated(Rules::HERE.scatter);

    fn member(id: &str, controls: &[&str], suspect: f64, scores: &[f64]) -> MemberScores {
        let row = |scale: f64| {
            let all = std::iter::once(suspect).chain(scores.iter().copied());
            Row::plain(1.0, all.map(|s| s * scale).collect())
        };
        MemberScores {
            member: id.to_owned(),
            controls: controls.iter().map(|c| (*c).to_owned()).collect(),
            rows: vec![(Measure::Next, row(1.0)), (Measure::Preference, row(3.0))],
        }
    }

    #[test]
    fn suspect_and_controls_have_the_same_number_of_tries() {
        // Controls of mean 0 and standard deviation 1, so the scores are their own z.
        let a = member("a", &["x", "y", "z"], 2.0, &[-1.0, 0.0, 1.0]);
        let b = member("b", &["x", "y", "z"], 3.0, &[1.0, -1.0, 0.0]);
        let group = stand(&[a.clone(), b.clone()], &[], None, &NULL).unwrap();
        assert_eq!(group.controls, ["x", "y", "z"]);
        assert!((group.standing.score - 3.0).abs() < 1e-12);
        for (found, expected) in group.standing.controls.iter().zip([1.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{:?}", group.standing);
        }
        // Bonferroni's p: twice that of b alone, not that of the maximum.
        let alone = Standing::new(3.0, vec![1.0, -1.0, 0.0]).t.unwrap().p;
        assert!((group.standing.t.unwrap().p - 2.0 * alone).abs() < 1e-12);
        // One member is the plain test.
        let plain = stand(&[b], &[], None, &NULL).unwrap();
        assert!((plain.standing.t.unwrap().p - alone).abs() < 1e-12);
    }

    #[test]
    fn a_member_is_a_control_of_the_others_alone() {
        let a = member("a", &["b", "y", "z"], 2.0, &[-1.0, 0.0, 1.0]);
        let b = member("b", &["y", "z", "x"], 1.0, &[-1.0, 0.0, 1.0]);
        let group = stand(&[a.clone(), b], &[], None, &NULL).unwrap();
        assert_eq!(group.controls, ["b", "y", "z", "x"]);
        let expected = [-1.0, 0.0, 1.0, 1.0];
        for (found, expected) in group.standing.controls.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{:?}", group.standing);
        }
        let less = stand(&[a], &["z"], Some(Measure::Next), &NULL).unwrap();
        assert_eq!(less.controls, ["b", "y"]);
    }

    #[test]
    fn controls_that_do_not_vary_carry_nothing() {
        let flat = member("a", &["x", "y"], 2.0, &[1.0, 1.0]);
        assert!(stand(&[flat], &[], None, &NULL).is_none());
        assert!(stand(&[], &[], None, &NULL).is_none());
    }
}
