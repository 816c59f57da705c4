//! The case: from fingerprints in their roles to weighed facts. A pure function of what was recorded.

mod family;
mod houses;
mod marked;
mod parts;
mod screen;
#[cfg(test)]
mod tests;
mod undeclared;
mod without;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::measure::dependence::{Unresponsive, unresponsive};
use crate::measure::equality::{Equality, equality, is_copy};
use crate::measure::open_text::nearness;
use crate::measure::text_equality::{TextEquality, text_equality};
use crate::measure::{
    Affinity, Basis, Contrast, Gap, Interaction, Measure, NoContrast, Prepared, Scores, Side,
    Synthetic, affinities, contrast, gaps_of_controls, gaps_without, scores_of, synthetic,
};
use crate::panel::{Matching, Member, Panel};
use crate::rules::{Condition, MIN_HOUSES, Rules};
use crate::sequential::{Sequential, sequential};
use crate::verdict::{Apart, Evidence, TextGate, Verdict, WeightEvidence, judge};
use crate::weigh::{Fitted, Null, Row, SingleCase, Standing, level_adjusted, pooled, standing};

pub use family::FamilyAnswer;
pub use marked::Marked;
pub use parts::Parts;
pub use screen::{NoControl, Screened};
pub use without::{LeftOut, WithoutOne, without_each};

/// Why a measure whose mix does not fit the suspect says nothing.
const MISFIT: &str = "no mix of controls answers the other candidate parents as the suspect does: it is fitted worse \
                      than every control, and more than twice as badly as their median";

/// Why a measure of open text has no mix.
const NO_MIX: &str = "nearness is read off all models at once, not off a mix of them";
/// Why a table has no nearness.
const NO_GRAM: &str = "it has no inner products of all models";
/// Why a house has no contrast.
const NOT_OF_A_HOUSE: &str = "a contrast is of one candidate parent";

/// One measure with what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureResult {
    /// The measure.
    pub measure: Measure,
    /// What it counts in the pooled figure.
    pub weight: f64,
    /// What was compared.
    pub affinity: Affinity,
    /// How close the suspect is to the protected model.
    pub figures: Figures,
}

/// What a table of affinities says of one candidate parent, or why it says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What is pooled: the gaps to the synthetic controls, and without another candidate parent, where there are none,
    /// the contrast.
    pub scores: Result<Scores, String>,
    /// The two-way contrast: alternatives are told apart by its probes, and bets are made on them.
    pub contrast: Result<Contrast, String>,
    /// Suspect and controls as mixes of innocent models, and what that leaves.
    pub synthetic: Result<Synthetic, String>,
    /// The controls' gaps at other candidate parents, a list a candidate: how controls scatter.
    pub elsewhere: Vec<(String, Vec<Gap>)>,
}

impl Figures {
    /// What of it is pooled, with the measure's weight.
    fn weighed(&self, measure: Measure) -> Option<Weighed> {
        let elsewhere = self.elsewhere.iter();
        Some(Weighed {
            weight: measure.weight(),
            scores: self.scores.clone().ok()?,
            elsewhere: elsewhere
                .map(|(_, gaps)| scores_of(gaps).collect())
                .collect(),
        })
    }
}

/// The scores of one measure as they are pooled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weighed {
    /// What the measure counts beside others.
    pub(crate) weight: f64,
    /// The scores.
    pub(crate) scores: Scores,
    /// Those of controls at other candidate parents.
    pub(crate) elsewhere: Vec<BTreeMap<String, f64>>,
}

impl MeasureResult {
    /// Where the suspect stands by this measure alone; `None` if it says nothing.
    pub fn standing(&self, null: &Null) -> Option<Standing> {
        let (_, rows) = pool(&[self.figures.weighed(self.measure)?]);
        rows.first().and_then(|row| standing(row, null))
    }

    /// The contrast, if there is one.
    pub fn contrast(&self) -> Option<&Contrast> {
        self.figures.contrast.as_ref().ok()
    }
}

/// A case, weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What the models answered, and so what was compared.
    pub basis: Basis,
    /// Every measure.
    pub measures: Vec<MeasureResult>,
    /// The measures that are pooled, and the ids of the controls in the order of the pooled scores.
    pub pooled_controls: Vec<String>,
    /// The contrasts of all measures, pooled like what the finding rests on. No rule reads it.
    pub pooled_contrast: Option<Scores>,
    /// What the ladder looked at.
    pub evidence: Evidence,
    /// Divergence (nats) of every model from the protected one: description that proves nothing.
    pub likeness: Vec<(String, Equality)>,
    /// Alternatives that count as matched.
    pub matched_alternatives: Vec<String>,
    /// Alternatives that the user named but that are no more like the protected model than strangers.
    pub doubtful_alternatives: Vec<String>,
    /// The pooled figures with each control in turn left out, of the mixes as well; empty where nothing hangs on
    /// them.
    pub left_out: Vec<LeftOut>,
    /// Members that are no controls, found by their answers: left out of everything.
    pub screened: Vec<Screened>,
    /// Members whose answers do not depend on what they were asked, with what shows it.
    pub unresponsive: Vec<(String, Unresponsive)>,
    /// Alternatives that answer as the suspect does.
    pub suspect_is: Vec<String>,
    /// The same case as a bet that may stop at any time; `None` without a rival to bet against.
    pub sequential: Option<Sequential>,
    /// The answer about the protected model's group, when that was the question; the pooled figures and the
    /// finding are then about the group.
    pub family: Option<FamilyAnswer>,
    /// What planted marks say, where a test of some is part of the case.
    pub marks: Option<Marked>,
    /// The finding.
    pub verdict: Verdict,
}

/// What is known beside the answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// The two sides' weight files are the same bytes.
    pub identical: bool,
    /// The weight gate.
    pub weights: Option<WeightEvidence>,
}

/// Weighs a case. `prints` has the fingerprint of every member of the panel, by model name; `order` is the random
/// order of the probes that was fixed before the first answer.
pub fn weigh(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    gates: Gates,
    order: &[String],
) -> Case {
    weigh_as(panel, prints, Work::Whole, gates, order, &Rules::HERE)
}

/// The finding of a case among many of the same models, by comparisons that were worked out before: everything that
/// [`weigh`] lets decide, without the bets and what hangs on single controls where it does not matter.
pub(crate) fn weigh_among_many(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: &Prepared,
    gates: Gates,
) -> Case {
    let work = Work::Finding(prepared);
    weigh_as(panel, prints, work, gates, &[], &Rules::HERE)
}

/// The scores of a case of known descent, by comparisons that were worked out before: also without the two-sample test
/// of texts, which takes longest and says nothing of descent.
pub(crate) fn weigh_scores(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: &Prepared,
    order: &[String],
    rules: &Rules,
) -> Case {
    let work = Work::Scores(prepared);
    weigh_as(panel, prints, work, Gates::default(), order, rules)
}

/// How much of a case is worked out, and from what.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// All of it, afresh.
    Whole,
    /// What decides, from comparisons at hand.
    Finding(&'a Prepared),
    /// The scores, from comparisons at hand.
    Scores(&'a Prepared),
}

impl<'a> Work<'a> {
    fn prepared(self) -> Option<&'a Prepared> {
        match self {
            Self::Whole => None,
            Self::Finding(prepared) | Self::Scores(prepared) => Some(prepared),
        }
    }

    /// Whether a person will read all of it.
    fn is_whole(self) -> bool {
        matches!(self, Self::Whole)
    }

    /// Whether what stands beside the scores may decide.
    fn decides(self) -> bool {
        !matches!(self, Self::Scores(_))
    }
}

fn weigh_as(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    work: Work<'_>,
    gates: Gates,
    order: &[String],
    rules: &Rules,
) -> Case {
    let prepared = work.prepared();
    let (panel, tables, screened) = screen::screened(panel, prints, prepared, rules);
    let panel = &panel;
    let sides = Sides {
        prepared,
        test_texts: work.decides(),
        ..Sides::new(panel, prints, rules)
    };
    let tables = tables.into_par_iter();
    let measures: Vec<MeasureResult> = tables.map(|t| sides.measure(t)).collect();
    let by_probe = measures.iter().filter(|m| m.measure.is_by_probe());
    let by_probe: Vec<&Contrast> = by_probe.filter_map(MeasureResult::contrast).collect();
    let (likeness, sequential) = rayon::join(
        || likeness(panel, prints, prepared),
        || {
            let whole = work.is_whole();
            whole.then(|| sequential(&by_probe, order)).flatten()
        },
    );
    let (matched_alternatives, mut doubtful_alternatives) = matched(panel, &likeness);
    if sides.basis == Basis::OpenText {
        // Nothing says how like the protected model it is, and other houses stand for a match.
        doubtful_alternatives.clear();
    }
    let (pooled_controls, rows) = pool(&weighed(&measures));
    let null = sides.null();
    let mut case = Case {
        basis: sides.basis,
        pooled_contrast: pooled_beside(&measures, &null, |m| Some(m.contrast()?.scores())),
        evidence: evidence(&sides, &measures, &likeness, &matched_alternatives, gates),
        pooled_controls,
        measures,
        likeness,
        matched_alternatives,
        doubtful_alternatives,
        left_out: Vec::new(),
        screened,
        unresponsive: Vec::new(),
        suspect_is: Vec::new(),
        sequential,
        family: None,
        marks: None,
        verdict: judge(&Evidence::default(), rules),
    };
    case.evidence.pooled = pooled(&rows, &null);
    case.evidence.controls = case.pooled_controls.len();
    case.evidence.without_strongest = without_strongest(&rows, &null);
    let small = case.pooled_t().is_some_and(|t| {
        let ladder = rules.ladder(case.evidence.condition);
        t.p < ladder.close_p(t.controls)
    });
    // What hangs on a control is told in every report; when many cases are scored, where it decides.
    if work.is_whole() || small {
        case.left_out = without::each(&sides, &case);
        case.evidence.worst_without_one = without::worst(&case.left_out);
    }
    if work.decides() {
        look_at_answers(&mut case, panel, prints, rules);
    }
    case.verdict = judge(&case.evidence, rules);
    if case.evidence.unresponsive.is_none() && !panel.family.is_empty() {
        family::answer(&sides, &mut case);
    }
    case
}

/// Who answers whatever it is asked, and as whom the suspect answers.
fn look_at_answers(
    case: &mut Case,
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    rules: &Rules,
) {
    let members = panel.members();
    let found = members.par_iter().filter_map(|member| {
        let found = unresponsive(prints.get(&member.model)?)?;
        Some((member.id.clone(), found))
    });
    case.unresponsive = found.collect();
    let of = |id: &String| case.unresponsive.iter().find(|(other, _)| other == id);
    let sides = [
        ("suspect", &panel.suspect),
        ("protected model", &panel.protected),
    ];
    let why = sides.into_iter().find_map(|(role, member)| {
        let (_, found) = of(&member.id)?;
        let words = found.words();
        Some(format!(
            "the answers of the {role} hardly depend on what it is asked: {words}"
        ))
    });
    case.evidence.unresponsive = why;
    let suspect = prints.get(&panel.suspect.model);
    let is = |member: &&Member| {
        let print = prints
            .get(&member.model)
            .filter(|_| member.model != panel.suspect.model);
        let pair = suspect.zip(print);
        pair.is_some_and(|(a, b)| is_copy(a, b, &rules.screen))
    };
    let like = panel.alternatives.iter().filter(is);
    case.suspect_is = like.map(|member| member.id.clone()).collect();
}

impl Case {
    /// The test of the pooled score.
    fn pooled_t(&self) -> Option<SingleCase> {
        self.evidence.pooled.as_ref()?.t
    }
}

/// The share of the measures' weight whose mixes fit the suspect too badly; 0 where nothing is fitted.
fn unlike(measures: &[MeasureResult]) -> f64 {
    let fitted = measures.iter().filter_map(|m| {
        let synthetic = m.figures.synthetic.as_ref().ok()?;
        Some((m.weight, synthetic.fitted == Fitted::TooBadly))
    });
    let (badly, all) = fitted.fold((0.0, 0.0), |(badly, all), (weight, misfit)| {
        (if misfit { badly + weight } else { badly }, all + weight)
    });
    if all > 0.0 { badly / all } else { 0.0 }
}

/// What the ladder looks at beside the pooled figures.
fn evidence(
    sides: &Sides<'_>,
    measures: &[MeasureResult],
    likeness: &[(String, Equality)],
    matched_alternatives: &[String],
    gates: Gates,
) -> Evidence {
    let (panel, prints) = (sides.panel, sides.prints);
    let divergence_of = |id: &str| {
        let found = likeness.iter().find(|(other, _)| other == id);
        found.map(|(_, equality)| equality.divergence)
    };
    let protected = prints.get(&panel.protected.model);
    let (ids, _) = pool(&weighed(measures));
    let counts = |m: &&Member| m.matching != Matching::None && ids.contains(&m.id);
    let own = likeness.iter().find(|(id, _)| *id == panel.suspect.id);
    Evidence {
        condition: sides.condition(),
        columns: sides.columns.len().saturating_sub(1),
        unlike: unlike(measures),
        identical: gates.identical,
        equality: own.map(|(_, equality)| *equality),
        nearest_control: panel
            .controls
            .iter()
            .filter_map(|c| divergence_of(&c.id))
            .min_by(f64::total_cmp),
        texts: (sides.test_texts && only_text(protected))
            .then(|| text_gate(panel, prints, sides.prepared))
            .flatten(),
        weights: gates.weights,
        apart: apart(panel, measures),
        matched_alternatives: matched_alternatives.len() + sides.comparable_houses(),
        matched_controls: panel.controls.iter().filter(counts).count(),
        likeness: divergence_of(&panel.suspect.id).map(|suspect| {
            let unmatched = panel
                .controls
                .iter()
                .filter(|c| c.matching == Matching::None);
            let scores = unmatched.filter_map(|c| divergence_of(&c.id)).map(|d| -d);
            Standing::new(-suspect, scores.collect())
        }),
        ..Evidence::default()
    }
}

/// How far every other member is from the protected model, where that can be said.
fn likeness(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
) -> Vec<(String, Equality)> {
    let protected = prints.get(&panel.protected.model);
    let others: Vec<&Member> = std::iter::once(&panel.suspect)
        .chain(&panel.base)
        .chain(&panel.alternatives)
        .chain(&panel.controls)
        .collect();
    let like = |member: &Member| {
        let equality = match prepared {
            Some(prepared) => prepared.likeness(&panel.protected.model, &member.model),
            None => equality(protected?, prints.get(&member.model)?),
        };
        Some((member.id.clone(), equality?))
    };
    others.into_par_iter().filter_map(like).collect()
}

/// Whether nothing but text was had of a model.
fn only_text(print: Option<&Fingerprint>) -> bool {
    print.is_some_and(|p| p.pool.is_empty() && p.next.is_empty() && !p.shorts.is_empty())
}

/// The two-sample test of texts for the suspect, and for the controls that show what it can tell apart.
fn text_gate(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
) -> Option<TextGate> {
    let protected = prints.get(&panel.protected.model)?;
    let test = |member: &Member| {
        let own = prints.get(&member.model)?;
        let afresh = || text_equality(own, protected);
        match prepared {
            // Every suspect of a protected model has the same controls, more or less.
            Some(prepared) => prepared.texts(&member.model, &panel.protected.model, afresh),
            None => afresh(),
        }
    };
    let controls: Vec<TextEquality> = panel.controls.par_iter().filter_map(test).collect();
    Some(TextGate {
        suspect: test(&panel.suspect)?,
        nearest_control: controls.iter().map(|c| c.statistic).reduce(f64::min)?,
        largest_control_p: controls.iter().map(|c| c.p).reduce(f64::max)?,
    })
}

/// The rows and columns of the affinity tables.
struct Sides<'a> {
    panel: &'a Panel,
    prints: &'a BTreeMap<String, Fingerprint>,
    rules: &'a Rules,
    prepared: Option<&'a Prepared>,
    /// Whether the texts of models that give nothing else are tested for being one model's.
    test_texts: bool,
    basis: Basis,
    rows: Vec<Side<'a>>,
    columns: Vec<Side<'a>>,
    /// The suspect's base, if it has answers.
    base: Option<&'a str>,
}

impl<'a> Sides<'a> {
    fn new(panel: &'a Panel, prints: &'a BTreeMap<String, Fingerprint>, rules: &'a Rules) -> Self {
        let side = |member: &'a Member| {
            prints.get(&member.model).map(|print| Side {
                id: &member.id,
                print,
            })
        };
        Self {
            panel,
            prints,
            rules,
            prepared: None,
            test_texts: false,
            basis: match (
                prints.get(&panel.protected.model),
                prints.get(&panel.suspect.model),
            ) {
                (Some(protected), Some(suspect)) => Basis::of(protected, suspect),
                _ => Basis::Battery,
            },
            rows: std::iter::once(&panel.suspect)
                .chain(&panel.base)
                .chain(&panel.controls)
                .filter_map(side)
                .collect(),
            columns: std::iter::once(&panel.protected)
                .chain(&panel.alternatives)
                .filter_map(side)
                .collect(),
            base: panel.base.as_ref().and_then(side).map(|s| s.id),
        }
    }

    /// What could be had of the models.
    fn condition(&self) -> Condition {
        match self.basis {
            Basis::OpenText => Condition::Open,
            Basis::Battery => {
                let protected = self.prints.get(&self.panel.protected.model);
                protected.map_or_else(Condition::default, Condition::of)
            }
        }
    }

    /// How it is estimated where controls lie and how far they vary.
    fn null(&self) -> Null {
        self.rules.null(self.condition())
    }

    /// The name of the model that a member stands for.
    fn model(&self, id: &str) -> &'a str {
        let members = self.panel.members();
        let member = members.into_iter().find(|m| m.id == id);
        member.map_or("", |m| m.model.as_str())
    }

    /// A model is not compared with itself, nor a known student with its teacher.
    fn exists(&self, row: &str, column: &str) -> bool {
        row != column
            && !self
                .panel
                .controls
                .iter()
                .any(|m| m.id == row && m.known_parents.iter().any(|p| p == column))
    }

    /// What every measure compares.
    fn tables(&self) -> Vec<Affinity> {
        let exists = |row: &str, column: &str| self.exists(row, column);
        let known = |prepared: &Prepared| -> Option<Vec<Affinity>> {
            let model = |id: &str| self.model(id);
            let table = |m| prepared.affinity(m, &self.rows, &self.columns, &model, &exists);
            self.basis.measures().iter().copied().map(table).collect()
        };
        let known = self.prepared.and_then(known);
        known.unwrap_or_else(|| affinities(self.basis, &self.rows, &self.columns, &exists))
    }

    fn measure(&self, affinity: Affinity) -> MeasureResult {
        let figures = match &affinity.gram {
            // By these measures a house is asked about as a whole.
            Some(_) => self.figures_of_text(&affinity, &self.panel.asked()),
            None => self.figures(&affinity, &self.panel.protected.id),
        };
        MeasureResult {
            measure: affinity.measure,
            weight: affinity.measure.weight(),
            figures,
            affinity,
        }
    }

    /// Other houses of candidate parents, where nearness is read beside them: comparable models of other makers, which
    /// stand for what the suspect could have from shared data. One alone may be unlike the protected model.
    fn comparable_houses(&self) -> usize {
        let houses = houses::houses(self.panel, &self.panel.asked()).others.len();
        if self.basis == Basis::OpenText && houses >= MIN_HOUSES {
            houses
        } else {
            0
        }
    }

    /// What a table says with one of the candidate parents in the protected model's place.
    fn figures(&self, table: &Affinity, parent: &str) -> Figures {
        if table.gram.is_some() {
            return self.figures_of_text(table, &[parent]);
        }
        let suspect = &self.panel.suspect.id;
        let synthetic = synthetic(table, suspect, parent, self.base);
        let others = self.other_columns(table, parent);
        let gaps = |k: &String| (k.clone(), gaps_of_controls(table, suspect, k, self.base));
        let elsewhere = if synthetic.is_ok() {
            others.into_par_iter().map(gaps).collect()
        } else {
            Vec::new()
        };
        let contrast = self.contrast(table, parent).map_err(|e| e.to_string());
        Figures {
            scores: self.scores(&contrast, synthetic.as_ref()),
            contrast,
            synthetic: synthetic.map_err(|e| e.to_string()),
            elsewhere,
        }
    }

    /// The same without one control, out of every mix and column as well; `known` has it with all.
    fn figures_without(
        &self,
        table: &Affinity,
        parent: &str,
        known: &Figures,
        out: &str,
    ) -> Figures {
        if let Some(gram) = &table.gram {
            let less = Affinity {
                gram: Some(gram.without(out)),
                ..table.part(&[], &[])
            };
            return Figures {
                scores: self.near(&less, &self.panel.asked()),
                ..known.clone()
            };
        }
        let kept: Vec<usize> = (0..table.rows.len())
            .filter(|i| table.rows[*i] != out)
            .collect();
        let columns: Vec<usize> = (0..table.columns.len()).collect();
        let suspect = &self.panel.suspect.id;
        let synthetic = match &known.synthetic {
            Ok(all) => all
                .without(table, parent, self.base, out)
                .map_err(|e| e.to_string()),
            Err(why) => Err(why.clone()),
        };
        // Alternatives are told apart with all controls; without other columns the contrast is the score.
        let contrast = if self.columns.len() < 2 {
            let less = table.part(&kept, &columns);
            self.contrast(&less, parent).map_err(|e| e.to_string())
        } else {
            known.contrast.clone()
        };
        let elsewhere = known.elsewhere.iter();
        Figures {
            scores: self.scores(&contrast, synthetic.as_ref()),
            contrast,
            elsewhere: elsewhere
                .map(|(k, gaps)| {
                    let less = gaps_without(table, suspect, k, self.base, (out, gaps));
                    (k.clone(), less)
                })
                .collect(),
            synthetic,
        }
    }

    /// What a measure of open text says of one candidate parent or several of one house.
    ///
    /// Nothing is borrowed of how controls scatter at other houses: houses differ in how much they are like others.
    fn figures_of_text(&self, table: &Affinity, asked: &[&str]) -> Figures {
        let contrast = match asked {
            // Of a house only the nearest member is told from others.
            [parent] if self.panel.family.is_empty() => {
                self.contrast(table, parent).map_err(|e| e.to_string())
            }
            _ => Err(NOT_OF_A_HOUSE.to_owned()),
        };
        Figures {
            scores: self.near(table, asked),
            contrast,
            synthetic: Err(NO_MIX.to_owned()),
            elsewhere: Vec::new(),
        }
    }

    /// The nearness of suspect and controls to some candidate parents.
    fn near(&self, table: &Affinity, asked: &[&str]) -> Result<Scores, String> {
        let gram = table.gram.as_ref().ok_or(NO_GRAM)?;
        let houses = houses::houses(self.panel, asked);
        let controls: Vec<&str> = self.panel.controls.iter().map(|c| c.id.as_str()).collect();
        let exists = |row: &str, column: &str| self.exists(row, column);
        let scores = nearness(gram, &self.panel.suspect.id, &houses, &controls, &exists);
        scores.map_err(|e| e.to_string())
    }

    /// The other candidate parents at which it is looked how controls scatter.
    fn other_columns<'t>(&self, table: &'t Affinity, parent: &str) -> Vec<&'t String> {
        let others = table.columns.iter().filter(|k| *k != parent);
        others.take(self.rules.scatter.columns).collect()
    }

    /// What is pooled.
    fn scores<E: ToString>(
        &self,
        contrast: &Result<Contrast, String>,
        synthetic: Result<&Synthetic, E>,
    ) -> Result<Scores, String> {
        if self.columns.len() < 2 {
            return contrast
                .as_ref()
                .map(Contrast::scores)
                .map_err(Clone::clone);
        }
        match synthetic {
            Ok(synthetic) if synthetic.fitted == Fitted::TooBadly => Err(MISFIT.to_owned()),
            Ok(synthetic) => Ok(synthetic.scores()),
            Err(why) => Err(why.to_string()),
        }
    }

    fn contrast(&self, table: &Affinity, parent: &str) -> Result<Contrast, NoContrast> {
        let mut result = contrast(table, &self.panel.suspect.id, parent)?;
        adjust_for_level(&mut result);
        if let Some(base) = self.base {
            subtract_base(&mut result, base);
        }
        Ok(result)
    }
}

/// Replaces every interaction by what the level on the other columns does not predict.
pub(crate) fn adjust_for_level(contrast: &mut Contrast) {
    let pair = |i: &Interaction| i.level.map(|level| (i.mean, level));
    let controls: Option<Vec<(f64, f64)>> = contrast.controls.iter().map(pair).collect();
    let (Some(case), Some(controls)) = (pair(&contrast.suspect), controls) else {
        return;
    };
    let (own, rest) = level_adjusted(case, &controls);
    contrast.suspect.mean = own;
    for (control, value) in contrast.controls.iter_mut().zip(rest) {
        control.mean = value;
    }
}

/// Takes the base's interaction from the suspect's.
///
/// The difference of two rows has up to twice the variance of one, so it is divided by the square root
/// of two to stand on the controls' scale: the test is then exact for rows that vary independently, and
/// conservative when a model and its base vary together. The base itself is no control.
fn subtract_base(contrast: &mut Contrast, base: &str) {
    let Some(place) = contrast.controls.iter().position(|c| c.id == base) else {
        return;
    };
    let row = contrast.controls.remove(place);
    contrast.suspect.mean = (contrast.suspect.mean - row.mean) / std::f64::consts::SQRT_2;
}

/// The scores of the measures that have some, as they are pooled.
fn weighed(measures: &[MeasureResult]) -> Vec<Weighed> {
    let usable = measures.iter();
    usable
        .filter_map(|m| m.figures.weighed(m.measure))
        .collect()
}

/// The controls that every measure has, and the scores of suspect and controls, a row a measure.
pub(crate) fn pool(usable: &[Weighed]) -> (Vec<String>, Vec<Row>) {
    let Some(first) = usable.first() else {
        return (Vec::new(), Vec::new());
    };
    let ids = first.scores.controls.iter().map(|(id, _)| id.clone());
    let ids: Vec<String> = ids
        .filter(|id| usable.iter().all(|w| w.scores.control(id).is_some()))
        .collect();
    let there = |gaps: &BTreeMap<String, f64>| {
        let gap = |id: &String| gaps.get(id).copied().unwrap_or(f64::NAN);
        ids.iter().map(gap).collect()
    };
    let row = |of: &Weighed| Row {
        weight: of.weight,
        scores: std::iter::once(of.scores.suspect)
            .chain(ids.iter().filter_map(|id| of.scores.control(id)))
            .collect(),
        elsewhere: of.elsewhere.iter().map(there).collect(),
    };
    let rows = usable.iter().map(row).collect();
    (ids, rows)
}

/// Another figure of the measures that have it, pooled as the scores are.
fn pooled_beside(
    measures: &[MeasureResult],
    null: &Null,
    of: impl Fn(&MeasureResult) -> Option<Scores>,
) -> Option<Scores> {
    let usable = measures.iter().filter_map(|m| {
        Some(Weighed {
            weight: m.weight,
            scores: of(m)?,
            elsewhere: Vec::new(),
        })
    });
    let (ids, rows) = pool(&usable.collect::<Vec<_>>());
    let standing = pooled(&rows, null)?;
    Some(Scores {
        suspect: standing.score,
        controls: ids.into_iter().zip(standing.controls).collect(),
    })
}

/// The largest p when each measure in turn is left out: that without the strongest one.
fn without_strongest(rows: &[Row], null: &Null) -> Option<f64> {
    if rows.len() < 2 {
        return None;
    }
    let p = |out: usize| {
        let mut fewer = rows.to_vec();
        fewer.remove(out);
        Some(pooled(&fewer, null)?.t?.p)
    };
    let mut ps = (0..rows.len()).map(p);
    ps.try_fold(0.0, |worst: f64, p| Some(worst.max(p?)))
}

/// For every alternative the smallest paired p over the measures, Bonferroni-corrected.
fn apart(panel: &Panel, measures: &[MeasureResult]) -> Vec<Apart> {
    let usable: Vec<&Contrast> = measures
        .iter()
        .filter_map(MeasureResult::contrast)
        .collect();
    panel
        .alternatives
        .iter()
        .map(|alternative| {
            let smallest = usable
                .iter()
                .filter_map(|c| c.against.iter().find(|(id, _)| *id == alternative.id))
                .filter_map(|(_, test)| test.as_ref().map(|t| t.p))
                .fold(1.0, f64::min);
            Apart {
                alternative: alternative.id.clone(),
                p: (smallest * usable.len() as f64).min(1.0),
            }
        })
        .collect()
}

/// Which alternatives count as matched, and which were only called so.
///
/// Declared ones count. One that the user merely named counts when it is more like the protected model
/// than three quarters of the unmatched controls are: a stranger named as an alternative would make
/// shared data look like distillation.
fn matched(panel: &Panel, likeness: &[(String, Equality)]) -> (Vec<String>, Vec<String>) {
    let divergence = |id: &str| {
        likeness
            .iter()
            .find(|(o, _)| o == id)
            .map(|(_, e)| e.divergence)
    };
    let unmatched: Vec<f64> = panel
        .controls
        .iter()
        .filter(|c| c.matching == Matching::None)
        .filter_map(|c| divergence(&c.id))
        .collect();
    panel
        .alternatives
        .iter()
        .filter(|a| a.matching != Matching::None)
        .map(|a| {
            let nearer = divergence(&a.id).is_some_and(|d| {
                let beaten = unmatched.iter().filter(|c| **c > d).count();
                !unmatched.is_empty() && 4 * beaten >= 3 * unmatched.len()
            });
            (a.id.clone(), a.matching == Matching::Declared || nearer)
        })
        .fold(
            (Vec::new(), Vec::new()),
            |(mut yes, mut no), (id, counts)| {
                if counts {
                    yes.push(id);
                } else {
                    no.push(id);
                }
                (yes, no)
            },
        )
}
