//! Answers that a person can judge: the probes that speak most for and most against.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::contrasts;
use crate::battery::{Ask, Battery, Probe};
use crate::case::Case;
use crate::fingerprint::Fingerprint;
use crate::measure::{Contrast, Measure};
use crate::panel::{Member, Panel};
use crate::response::Continuation;

/// Characters of a prompt or an answer that are shown.
const SHOWN: usize = 800;
/// Outcomes of a distribution that are shown.
const OUTCOMES: usize = 6;
/// Probes of each measure that speak for, and that speak against.
const FOR: usize = 2;
const AGAINST: usize = 1;

/// One probe with the answers of several models.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Example {
    /// The probe.
    pub probe: String,
    /// Its family.
    pub family: String,
    /// The measure that compares its answers.
    pub measure: Measure,
    /// Which way it speaks among the probes of this measure.
    pub speaks: Speaks,
    /// The suspect's interaction on this probe, in the measure's unit; level and base are not taken out.
    pub interaction: f64,
    /// Controls whose interaction on it is at least as large.
    pub controls_at_least: usize,
    /// Controls that have it.
    pub controls: usize,
    /// What was asked.
    pub prompt: Excerpt,
    /// Protected model, suspect, and the alternative (or else the control) nearest to the protected model.
    pub answers: Vec<Answer>,
}

/// Which way a probe speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Speaks {
    /// Among those where the suspect is closest to the protected model rather than to comparable models.
    For,
    /// Among those where it is farthest.
    Against,
}

/// One model's answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// The model's role: protected, suspect, alternative or control.
    pub role: &'static str,
    /// Its id.
    pub id: String,
    /// The answer.
    #[serde(flatten)]
    pub form: AnswerForm,
}

/// What an answer consists of.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AnswerForm {
    /// A distribution, most probable first.
    Shares {
        /// Its outcomes; those beyond the first few are left off.
        shares: Vec<Share>,
    },
    /// A text: the first of the samples.
    Text {
        /// The text.
        text: Excerpt,
    },
    /// No answer was had.
    None,
}

/// One outcome of a distribution.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Share {
    /// The outcome.
    pub text: Excerpt,
    /// Its share, 0 to 1.
    pub share: f64,
}

/// The beginning of a text from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Excerpt {
    /// The beginning, as it was.
    pub text: String,
    /// Characters left off behind it.
    pub left_off: usize,
}

impl Excerpt {
    /// The first characters of a text, however long it is.
    pub(super) fn new(text: &str) -> Self {
        let end = text
            .char_indices()
            .nth(SHOWN)
            .map_or(text.len(), |(i, _)| i);
        Self {
            text: text[..end].to_owned(),
            left_off: text[end..].chars().count(),
        }
    }
}

pub(super) fn examples(
    panel: &Panel,
    case: &Case,
    prints: &BTreeMap<String, Fingerprint>,
    battery: &Battery,
) -> Vec<Example> {
    let mut side = vec![("protected", &panel.protected), ("suspect", &panel.suspect)];
    side.extend(nearest(panel, case));
    contrasts(case)
        // The reverse readings show the same texts again.
        .filter(|c| {
            !matches!(
                c.measure,
                Measure::LikelihoodReverse | Measure::WordingReverse
            )
        })
        .flat_map(|contrast| {
            picked(contrast).into_iter().filter_map(|(speaks, t)| {
                let probe = battery.probes.iter().find(|p| p.id == contrast.probes[t])?;
                Some(example(contrast, t, speaks, probe, &side, prints))
            })
        })
        .collect()
}

/// The alternative nearest to the protected model, or else the nearest control.
fn nearest<'a>(panel: &'a Panel, case: &Case) -> Option<(&'static str, &'a Member)> {
    let distance = |m: &Member| {
        let found = case.likeness.iter().find(|(id, _)| *id == m.id);
        found.map_or(f64::INFINITY, |(_, e)| e.divergence)
    };
    let least = |members: &'a [Member]| {
        let mut members = members.iter();
        let first = members.next()?;
        Some(members.fold(first, |best, m| {
            if distance(m) < distance(best) {
                m
            } else {
                best
            }
        }))
    };
    let alternative = least(&panel.alternatives).map(|m| ("alternative", m));
    alternative.or_else(|| least(&panel.controls).map(|m| ("control", m)))
}

/// The probes of a measure that speak most for and most against: those on which the fewest and the most
/// controls are at least as close, among equals those with the largest and the smallest interaction.
fn picked(contrast: &Contrast) -> Vec<(Speaks, usize)> {
    let cells = &contrast.suspect.cells;
    let share = |t: usize| {
        let (at_least, all) = at_least(contrast, t);
        at_least as f64 / all.max(1) as f64
    };
    let mut order: Vec<(f64, usize)> = (0..cells.len())
        .filter(|t| cells[*t].is_finite())
        .map(|t| (share(t), t))
        .collect();
    order.sort_by(|(p, a), (q, b)| {
        let by_size = cells[*b].total_cmp(&cells[*a]);
        p.total_cmp(q).then(by_size).then(a.cmp(b))
    });
    let speak_for = order.len().saturating_sub(AGAINST).min(FOR);
    let first = order.iter().take(speak_for).map(|(_, t)| (Speaks::For, *t));
    let last = order[speak_for..].iter().rev().take(AGAINST);
    first
        .chain(last.map(|(_, t)| (Speaks::Against, *t)))
        .collect()
}

/// How many controls are at least as close on a probe, and how many have it.
fn at_least(contrast: &Contrast, t: usize) -> (usize, usize) {
    let own = contrast.suspect.cells[t];
    let controls = contrast.controls.iter().map(|c| c.cells[t]);
    let controls: Vec<f64> = controls.filter(|c| c.is_finite()).collect();
    let at_least = controls.iter().filter(|c| **c >= own).count();
    (at_least, controls.len())
}

fn example(
    contrast: &Contrast,
    t: usize,
    speaks: Speaks,
    probe: &Probe,
    sides: &[(&'static str, &Member)],
    prints: &BTreeMap<String, Fingerprint>,
) -> Example {
    let (controls_at_least, controls) = at_least(contrast, t);
    Example {
        probe: probe.id.clone(),
        family: probe.family.clone(),
        measure: contrast.measure,
        speaks,
        interaction: contrast.suspect.cells[t],
        controls_at_least,
        controls,
        prompt: prompt(probe),
        answers: sides
            .iter()
            .map(|(role, member)| Answer {
                role,
                id: member.id.clone(),
                form: prints
                    .get(&member.model)
                    .and_then(|print| answer(probe, print))
                    .unwrap_or(AnswerForm::None),
            })
            .collect(),
    }
}

fn prompt(probe: &Probe) -> Excerpt {
    let text = match &probe.ask {
        Ask::Choose { options } => probe.prompt.replace("{options}", &options.join(", ")),
        Ask::Next | Ask::Write { .. } => probe.prompt.clone(),
    };
    let gap = if probe.lead.is_empty() { "" } else { "\n" };
    Excerpt::new(&format!("{text}{gap}{}", probe.lead))
}

fn answer(probe: &Probe, print: &Fingerprint) -> Option<AnswerForm> {
    match &probe.ask {
        Ask::Choose { options } => {
            let choices = print.choices.get(&probe.id)?;
            // Where answers were read off samples, one more outcome stands for all that is no option.
            let names = options.iter().map(String::as_str).chain(["(no option)"]);
            Some(shares(names.zip(choices.iter().copied())))
        }
        Ask::Next => {
            let pairs = |next: &Vec<Continuation>| {
                let next = next.iter();
                shares(next.map(|c| (c.text.as_str(), c.log_probability.exp())))
            };
            let seen = print.next.get(&probe.id).map(pairs);
            seen.or_else(|| first(&print.shorts, probe))
        }
        Ask::Write { .. } => first(&print.texts, probe),
    }
}

/// The first of a probe's samples.
fn first(samples: &BTreeMap<String, Vec<String>>, probe: &Probe) -> Option<AnswerForm> {
    let text = Excerpt::new(samples.get(&probe.id)?.first()?);
    Some(AnswerForm::Text { text })
}

fn shares<'a>(pairs: impl Iterator<Item = (&'a str, f64)>) -> AnswerForm {
    let mut pairs: Vec<(&str, f64)> = pairs.collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    pairs.truncate(OUTCOMES);
    let share = |(text, share): (&str, f64)| Share {
        text: Excerpt::new(text),
        share,
    };
    AnswerForm::Shares {
        shares: pairs.into_iter().map(share).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Interaction;

    fn contrast(cells: &[f64]) -> Contrast {
        let interaction = |cells: &[f64]| Interaction {
            id: "s".to_owned(),
            mean: 0.0,
            level: None,
            cells: cells.to_vec(),
        };
        Contrast {
            measure: Measure::Next,
            probes: (0..cells.len()).map(|t| format!("p-{t}")).collect(),
            suspect: interaction(cells),
            controls: Vec::new(),
            against: Vec::new(),
            gaps: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn no_probe_speaks_both_ways() {
        let picked = |cells: &[f64]| picked(&contrast(cells));
        let (yes, no) = (Speaks::For, Speaks::Against);
        assert_eq!(
            picked(&[0.1, 0.9, -0.5, 0.4]),
            [(yes, 1), (yes, 3), (no, 2)]
        );
        assert_eq!(picked(&[0.1, 0.9]), [(yes, 1), (no, 0)]);
        assert_eq!(picked(&[0.1, f64::NAN]), [(no, 0)]);
        assert_eq!(picked(&[]), []);
    }

    #[test]
    fn what_controls_do_not_do_speaks_loudest() {
        let mut contrast = contrast(&[0.9, 0.5, 0.1]);
        contrast.controls = [[1.0, 0.1, 0.2], [0.95, 0.2, 0.0]]
            .map(|cells| Interaction {
                cells: cells.to_vec(),
                ..contrast.suspect.clone()
            })
            .to_vec();
        let (yes, no) = (Speaks::For, Speaks::Against);
        assert_eq!(picked(&contrast), [(yes, 1), (yes, 2), (no, 0)]);
    }

    #[test]
    fn long_texts_are_cut_and_the_cut_is_counted() {
        let long = "é".repeat(1_000_000);
        let excerpt = Excerpt::new(&long);
        assert_eq!(excerpt.text.chars().count(), SHOWN);
        assert_eq!(excerpt.left_off, 1_000_000 - SHOWN);
        assert_eq!(Excerpt::new("short").left_off, 0);
    }

    #[test]
    fn outcomes_stand_most_probable_first_and_few() {
        let AnswerForm::Shares { shares } = shares((0..9).map(|i| ("x", f64::from(i) / 36.0)))
        else {
            panic!("shares");
        };
        assert_eq!(shares.len(), OUTCOMES);
        assert!(shares.windows(2).all(|w| w[0].share >= w[1].share));
    }
}
