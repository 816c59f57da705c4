//! What a person looks at beside the figures: affinities as a table, the effect of each family of
//! probes, who is near whom, and answers side by side. Description: no rule of the ladder reads it.

mod examples;

use std::collections::BTreeMap;

use ndarray::Array2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::battery::Battery;
use crate::case::{Case, MeasureResult};
use crate::fingerprint::Fingerprint;
use crate::measure::equality::equality;
use crate::measure::open_text::habit_distances;
use crate::measure::{Affinity, Basis, Contrast, Measure};
use crate::panel::Panel;
use crate::tree::{Dendrogram, average_linkage};
use crate::weigh::{fit_two_way, mean_interval};

pub use examples::{Answer, AnswerForm, Example, Excerpt, Share, Speaks};

/// The most models that a tree is drawn of: more cannot be read, and pairs grow with the square.
const MAX_LEAVES: usize = 60;

/// All description of a case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// The affinities of each measure that compared anything.
    pub affinities: Vec<AffinityTable>,
    /// Families of probes, in the order of the battery.
    pub families: Vec<FamilyEffect>,
    /// Who is near whom; `None` if answers are missing.
    pub tree: Option<Tree>,
    /// The probes that speak most for and most against.
    pub examples: Vec<Example>,
}

/// The affinities of one measure, averaged over its probes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AffinityTable {
    /// The measure.
    pub measure: Measure,
    /// The unit of its values.
    pub unit: &'static str,
    /// Ids of the models under test: the suspect, its base, the controls.
    pub rows: Vec<String>,
    /// Ids of the candidate parents: the protected model, the alternatives.
    pub columns: Vec<String>,
    /// The mean affinity over probes, a list a row; null where a cell does not exist.
    pub means: Vec<Vec<Option<f64>>>,
    /// What is left of it when the effects of rows and columns are taken out, in the same unit.
    pub beyond: Vec<Vec<Option<f64>>>,
}

/// How the suspect's interaction spreads over one family of probes.
///
/// A probe's value is its interaction in each measure over the standard deviation of the controls'
/// interactions on all probes of that measure, averaged over the measures that have it. Level and base
/// are not taken out, from neither suspect nor controls.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FamilyEffect {
    /// The family.
    pub family: String,
    /// Its title.
    pub title: String,
    /// Probes of it that were compared.
    pub probes: usize,
    /// The suspect's mean over them, in standard deviations of a control on one probe.
    pub mean: f64,
    /// The lower end of Student's 95 % interval over these probes; null for one probe.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The least mean of a control over the same probes.
    pub controls_low: Option<f64>,
    /// The greatest mean of a control over the same probes.
    pub controls_high: Option<f64>,
}

/// What a distance of two models is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// What follows a context: mean Jensen-Shannon divergence, in nats.
    Next,
    /// What answers begin with: one less the correlation of habits.
    Habits,
}

/// Who is near whom, clustered.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tree {
    /// The clustering (average linkage); its labels are ids of models.
    #[serde(flatten)]
    pub dendrogram: Dendrogram,
    /// What the distances are of.
    pub of: Distance,
    /// The distances, a list a label, in the order of the labels.
    pub divergence: Vec<Vec<f64>>,
    /// Models that are not drawn: those farthest from the protected one.
    pub left_off: usize,
}

/// Describes a case. `prints` has the fingerprint of every member of the panel, by model name.
pub fn describe(
    panel: &Panel,
    case: &Case,
    prints: &BTreeMap<String, Fingerprint>,
    battery: &Battery,
) -> Details {
    // With one candidate parent there is nothing that rows and columns leave over.
    let compared = case
        .measures
        .iter()
        .filter(|m| m.contrast().is_some() && m.affinity.columns.len() > 1);
    Details {
        affinities: compared.map(|m| table(&m.affinity)).collect(),
        families: families(case, battery),
        tree: tree(panel, case, prints),
        examples: examples::examples(panel, case, prints, battery),
    }
}

fn contrasts(case: &Case) -> impl Iterator<Item = &Contrast> {
    case.measures.iter().filter_map(MeasureResult::contrast)
}

fn table(affinity: &Affinity) -> AffinityTable {
    let means = affinity.means();
    let beyond = fit_two_way(&means).map_or_else(
        |_| Array2::from_elem(means.dim(), f64::NAN),
        |fit| fit.residuals,
    );
    let lists = |table: &Array2<f64>| {
        let finite = |x: &f64| x.is_finite().then_some(*x);
        let rows = table.rows().into_iter();
        rows.map(|row| row.iter().map(finite).collect()).collect()
    };
    AffinityTable {
        measure: affinity.measure,
        unit: affinity.measure.unit(),
        rows: affinity.rows.clone(),
        columns: affinity.columns.clone(),
        means: lists(&means),
        beyond: lists(&beyond),
    }
}

/// Values by probe of one model, averaged over measures.
type ByProbe<'a> = BTreeMap<&'a str, f64>;

fn families(case: &Case, battery: &Battery) -> Vec<FamilyEffect> {
    let suspect = standardised(case, &|contrast| Some(&contrast.suspect.cells));
    let controls: Vec<ByProbe<'_>> = case
        .pooled_controls
        .par_iter()
        .map(|id| {
            standardised(case, &|contrast| {
                let control = contrast.controls.iter().find(|c| c.id == *id);
                control.map(|c| &c.cells)
            })
        })
        .collect();
    let of = |family: &str, values: &ByProbe<'_>| -> Vec<f64> {
        let probes = battery.probes.iter().filter(|p| p.family == family);
        probes
            .filter_map(|p| values.get(p.id.as_str()).copied())
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    battery
        .families
        .iter()
        .filter_map(|family| {
            let values = of(&family.name, &suspect);
            let interval = mean_interval(&values);
            let others = controls.iter().map(|c| of(&family.name, c));
            let others: Vec<f64> = others.filter(|c| !c.is_empty()).map(|c| mean(&c)).collect();
            (!values.is_empty()).then(|| FamilyEffect {
                family: family.name.clone(),
                title: family.title.clone(),
                probes: values.len(),
                mean: mean(&values),
                low: interval.map(|i| i.low),
                high: interval.map(|i| i.high),
                controls_low: others.iter().copied().min_by(f64::total_cmp),
                controls_high: others.iter().copied().max_by(f64::total_cmp),
            })
        })
        .collect()
}

/// One model's interactions in units of the controls' standard deviation, averaged over measures.
fn standardised<'a>(
    case: &'a Case,
    cells: &dyn Fn(&'a Contrast) -> Option<&'a Vec<f64>>,
) -> ByProbe<'a> {
    // Sums and how many they are of.
    let mut values: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for contrast in contrasts(case) {
        let (Some(cells), Some(unit)) = (cells(contrast), spread(contrast)) else {
            continue;
        };
        for (probe, cell) in contrast.probes.iter().zip(cells) {
            if cell.is_finite() {
                let (sum, count) = values.entry(probe).or_default();
                *sum += cell / unit;
                *count += 1.0;
            }
        }
    }
    values
        .into_iter()
        .map(|(probe, (sum, count))| (probe, sum / count))
        .collect()
}

/// The standard deviation (n - 1) of the controls' interactions over all probes of a measure.
fn spread(contrast: &Contrast) -> Option<f64> {
    let cells = contrast.controls.iter().flat_map(|c| &c.cells);
    let cells: Vec<f64> = cells.copied().filter(|c| c.is_finite()).collect();
    let mean = cells.iter().sum::<f64>() / cells.len() as f64;
    let squares: f64 = cells.iter().map(|c| (c - mean).powi(2)).sum();
    let sd = (squares / (cells.len() as f64 - 1.0)).sqrt();
    (sd.is_finite() && sd > 0.0).then_some(sd)
}

fn tree(panel: &Panel, case: &Case, prints: &BTreeMap<String, Fingerprint>) -> Option<Tree> {
    let distance = |id: &str| {
        let found = case.likeness.iter().find(|(other, _)| other == id);
        found.map(|(_, e)| e.divergence)
    };
    // By open text the models nearest to the protected one by habits are drawn.
    let habits = case.measures.iter().find(|m| m.measure == Measure::Habits);
    let nearest = |id: &str| {
        let scores = habits?.figures.scores.as_ref().ok()?;
        let own = (id == panel.suspect.id).then_some(scores.suspect);
        Some(
            own.or_else(|| scores.control(id))
                .unwrap_or(f64::NEG_INFINITY),
        )
    };
    let mut leaves: Vec<(f64, &str, &Fingerprint)> = panel
        .members()
        .into_iter()
        .filter_map(|m| {
            let near = match (m.id == panel.protected.id, case.basis) {
                (true, _) => f64::NEG_INFINITY,
                (false, Basis::Battery) => distance(&m.id)?,
                (false, Basis::OpenText) => -nearest(&m.id)?,
            };
            Some((near, m.id.as_str(), prints.get(&m.model)?))
        })
        .collect();
    leaves.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    let left_off = leaves.len().saturating_sub(MAX_LEAVES);
    leaves.truncate(MAX_LEAVES);
    leaves.sort_by(|a, b| a.1.cmp(b.1));
    let prints: Vec<&Fingerprint> = leaves.iter().map(|(_, _, print)| *print).collect();
    let (of, distances) = match case.basis {
        Basis::Battery => (Distance::Next, divergences(&prints)?),
        Basis::OpenText => (Distance::Habits, habit_distances(&prints)?),
    };
    let labels: Vec<String> = leaves.iter().map(|(_, id, _)| (*id).to_owned()).collect();
    let dendrogram = average_linkage(&labels, &distances).ok()?;
    (leaves.len() > 2).then(|| Tree {
        dendrogram,
        of,
        divergence: distances.rows().into_iter().map(|r| r.to_vec()).collect(),
        left_off,
    })
}

/// The divergence of every pair of models; `None` if a pair has none.
fn divergences(prints: &[&Fingerprint]) -> Option<Array2<f64>> {
    let size = prints.len();
    let mut distances = Array2::zeros((size, size));
    let pairs: Vec<(usize, usize)> = (0..size)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .collect();
    let apart = pairs
        .par_iter()
        .map(|(i, j)| Some(equality(prints[*i], prints[*j])?.divergence));
    let apart: Vec<f64> = apart.collect::<Option<_>>()?;
    for ((i, j), d) in pairs.into_iter().zip(apart) {
        distances[[i, j]] = d;
        distances[[j, i]] = d;
    }
    Some(distances)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::battery::{Ask, Family, Pose, Probe};
    use crate::case::Figures;
    use crate::measure::contrast;
    use crate::rules::Rules;
    use crate::verdict::{Evidence, judge};

    fn affinity(measure: Measure) -> Affinity {
        // Row s is closer to p than rows and columns explain, on the probes of family a only.
        let cells = Array3::from_shape_fn((7, 3, 6), |(i, k, t)| {
            let noise = ((i * 7 + k * 13 + t * 29) % 11) as f64 / 110.0;
            i as f64 + 2.0 * k as f64 + noise + f64::from(u8::from((i, k) == (0, 0) && t < 3))
        });
        Affinity {
            gram: None,
            measure,
            rows: ["s", "c1", "c2", "c3", "c4", "c5", "c6"]
                .map(str::to_owned)
                .to_vec(),
            columns: ["p", "a1", "a2"].map(str::to_owned).to_vec(),
            probes: ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]
                .map(str::to_owned)
                .to_vec(),
            cells,
        }
    }

    fn case() -> Case {
        let evidence = Evidence::default();
        let measures = [Measure::Next, Measure::Likelihood].map(|measure| {
            let affinity = affinity(measure);
            let contrast = contrast(&affinity, "s", "p").unwrap();
            MeasureResult {
                measure,
                weight: 1.0,
                affinity,
                figures: Figures {
                    scores: Ok(contrast.scores()),
                    contrast: Ok(contrast),
                    synthetic: Err("not looked at".to_owned()),
                    elsewhere: Vec::new(),
                },
            }
        });
        Case {
            basis: Basis::Battery,
            measures: measures.to_vec(),
            pooled_controls: ["c1", "c2", "c3"].map(str::to_owned).to_vec(),
            pooled_contrast: None,
            verdict: judge(&evidence, &Rules::HERE),
            evidence,
            likeness: Vec::new(),
            matched_alternatives: Vec::new(),
            doubtful_alternatives: Vec::new(),
            left_out: Vec::new(),
            screened: Vec::new(),
            unresponsive: Vec::new(),
            suspect_is: Vec::new(),
            sequential: None,
            family: None,
            marks: None,
        }
    }

    fn battery() -> Battery {
        let family = |name: &str| Family {
            name: name.to_owned(),
            title: format!("Family {name}"),
            why: String::new(),
            source: String::new(),
        };
        let probe = |id: &str| Probe {
            id: id.to_owned(),
            family: id[..1].to_owned(),
            ask: Ask::Next,
            pose: Pose::Raw,
            prompt: String::new(),
            lead: String::new(),
        };
        Battery {
            name: "x".to_owned(),
            version: 1,
            families: ["a", "b", "unasked"].map(family).to_vec(),
            probes: ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]
                .map(probe)
                .to_vec(),
        }
    }

    #[test]
    fn what_rows_and_columns_explain_is_taken_out_of_the_table() {
        let mut gap = affinity(Measure::Next);
        for t in 0..6 {
            gap.cells[[3, 1, t]] = f64::NAN;
        }
        let table = table(&gap);
        assert_eq!(table.means[3][1], None);
        let (own, other) = (table.beyond[0][0].unwrap(), table.beyond[1][0].unwrap());
        assert!(own > 0.2 && other < 0.0, "{own} {other}");
        assert!((table.means[1][2].unwrap() - 5.0).abs() < 0.1);
    }

    #[test]
    fn the_family_that_carries_the_closeness_stands_out() {
        let families = families(&case(), &battery());
        assert_eq!(families.len(), 2);
        let (a, b) = (&families[0], &families[1]);
        assert_eq!((a.family.as_str(), a.probes), ("a", 3));
        assert!(a.low.unwrap() > a.controls_high.unwrap(), "{a:?}");
        assert!(b.low.unwrap() < b.controls_high.unwrap(), "{b:?}");
        assert!(a.low.unwrap() < a.mean && a.mean < a.high.unwrap());
    }

    #[test]
    fn measures_without_spread_carry_no_family() {
        let mut case = case();
        for measure in &mut case.measures {
            let contrast = measure.figures.contrast.as_mut().unwrap();
            for control in &mut contrast.controls {
                control.cells.fill(0.5);
            }
        }
        assert_eq!(families(&case, &battery()), Vec::new());
    }
}
