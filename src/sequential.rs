//! The case as a bet that may stop at any time: is the suspect closer to the protected model than to
//! each alternative, and closer than each control is?
//!
//! One difference a probe and rival, in the random order that was fixed before the first answer:
//!
//! ```text
//! alternative k   (A[S, P] - c[P]) - (A[S, k] - c[k])     closer to the protected model than to k
//! control j       x[S] - x[j]                             closer than control j, interactions of the contrast
//! ```
//!
//! divided by five standard deviations of the controls' own interactions in that measure and cut to
//! -1 to 1: the scale comes from the controls alone, on the first probes of the order, so neither the
//! suspect's answers nor the moment of stopping choose it. A probe
//! that two measures look at counts once, with their mean. Each rival has two bets, for the suspect and
//! against it; see [`Betting`] for what each may claim. The case is decided for the suspect's being closer
//! when the first bet has won against *every* rival at [`ALPHA`] (intersection-union: the one rival that is as
//! close bounds the error, however many there are; Berger, *Technometrics* 24, 1982). It is decided against it
//! when the second has won for *any* rival; were the suspect closer than all, each of those bets could win by
//! chance, so each is held to [`ALPHA`] divided by their number (Bonferroni).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::measure::Contrast;
use crate::weigh::Betting;

/// The error rate of each decision.
pub const ALPHA: f64 = 1e-3;
/// Differences beyond so many standard deviations of the controls count as so many.
const REACH: f64 = 5.0;
/// The scale is taken from the controls' answers to so many probes, the first of the order, and does not
/// change afterwards: where one stops must not choose it.
pub const SCALED_ON: usize = 40;

/// The constants by name.
pub fn constants() -> [(&'static str, f64); 3] {
    [
        ("bets.alpha", ALPHA),
        ("bets.reach", REACH),
        ("bets.scaled_on", SCALED_ON as f64),
    ]
}

/// Who the suspect is bet against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Another candidate parent.
    Alternative,
    /// A control.
    Control,
}

/// The bets with one rival.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Rival {
    /// The model.
    pub id: String,
    /// Its role.
    pub role: Role,
    /// Decimal logarithm of the e-value for the suspect's being closer, after the last probe.
    pub log10_e: f64,
    /// The same for its not being closer.
    pub log10_e_against: f64,
    /// The p of the first, which holds whenever one stops: one over the largest e-value so far.
    pub p: f64,
    /// Probes after which the first was decided.
    pub decided_after: Option<usize>,
}

/// Whether the bets are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Closer to the protected model than to, or than, every rival.
    Closer,
    /// Not closer than some rival.
    NotCloser,
    /// Neither.
    Open,
}

/// The state of all bets.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sequential {
    /// The error rate of each decision.
    pub alpha: f64,
    /// Probes that were bet on.
    pub probes: usize,
    /// Probes of the fixed-size plan.
    pub planned: usize,
    /// Probes after which it was decided, if it was.
    pub decided_after: Option<usize>,
    /// The decision.
    pub decision: Decision,
    /// Every rival.
    pub rivals: Vec<Rival>,
    /// After each probe the smallest decimal logarithm of an e-value over the rivals, not the largest so
    /// far: the path of the bet.
    pub path: Vec<f64>,
    /// After each probe the largest decimal logarithm of an e-value over the rivals for the suspect's not
    /// being closer: the path of the bets against.
    pub path_against: Vec<f64>,
}

impl Sequential {
    /// Decimal logarithms of the e-values that decide: the first against every rival, the second against
    /// any one of them.
    pub fn thresholds(&self) -> (f64, f64) {
        let rivals = self.rivals.len().max(1) as f64;
        (-self.alpha.log10(), (rivals / self.alpha).log10())
    }
}

/// Bets on the probes of `order` that the contrasts have, the whole order being the plan. `None` if
/// there is no rival.
pub fn sequential(contrasts: &[&Contrast], order: &[String]) -> Option<Sequential> {
    let first: BTreeSet<&str> = order.iter().take(SCALED_ON).map(String::as_str).collect();
    let differences = differences(contrasts, &first);
    if differences.is_empty() {
        return None;
    }
    let planned = order.len();
    let mut bets: Vec<Bets> = differences
        .keys()
        .map(|(role, id)| Bets::new(id, *role, planned))
        .collect();
    let (mut path, mut path_against) = (Vec::new(), Vec::new());
    let mut decision = Decision::Open;
    let mut decided_after = None;
    for probe in order {
        let mut any = false;
        for (bet, by_probe) in bets.iter_mut().zip(differences.values()) {
            if let Some(difference) = by_probe.get(probe.as_str()) {
                bet.observe(*difference, path.len() + 1);
                any = true;
            }
        }
        if !any {
            continue;
        }
        let now = bets.iter().map(|b| b.closer.log10_e());
        path.push(now.fold(f64::INFINITY, f64::min));
        let against = bets.iter().map(|b| b.against.log10_e());
        path_against.push(against.fold(f64::NEG_INFINITY, f64::max));
        if decision == Decision::Open {
            decision = decide(&bets);
            decided_after = (decision != Decision::Open).then_some(path.len());
        }
    }
    Some(Sequential {
        alpha: ALPHA,
        probes: path.len(),
        planned,
        decided_after,
        decision,
        rivals: bets.into_iter().map(Bets::rival).collect(),
        path,
        path_against,
    })
}

fn decide(bets: &[Bets]) -> Decision {
    if bets.iter().all(|b| b.closer.decided(ALPHA)) {
        Decision::Closer
    } else if bets
        .iter()
        .any(|b| b.against.decided(ALPHA / bets.len() as f64))
    {
        Decision::NotCloser
    } else {
        Decision::Open
    }
}

struct Bets {
    id: String,
    role: Role,
    closer: Betting,
    against: Betting,
    decided_after: Option<usize>,
}

impl Bets {
    fn new(id: &str, role: Role, planned: usize) -> Self {
        Self {
            id: id.to_owned(),
            role,
            closer: Betting::without_replacement(planned),
            against: Betting::without_replacement(planned),
            decided_after: None,
        }
    }

    fn observe(&mut self, difference: f64, number: usize) {
        self.closer.observe(difference);
        self.against.observe(-difference);
        if self.decided_after.is_none() && self.closer.decided(ALPHA) {
            self.decided_after = Some(number);
        }
    }

    fn rival(self) -> Rival {
        Rival {
            log10_e: self.closer.log10_e(),
            log10_e_against: self.against.log10_e(),
            p: self.closer.p(),
            decided_after: self.decided_after,
            id: self.id,
            role: self.role,
        }
    }
}

/// By rival and probe.
type ByRival<'a, T> = BTreeMap<(Role, &'a str), BTreeMap<&'a str, T>>;
type Differences<'a> = ByRival<'a, f64>;

/// Scaled differences of every rival, by probe: the mean over the measures that have one.
fn differences<'a>(contrasts: &[&'a Contrast], first: &BTreeSet<&str>) -> Differences<'a> {
    // Sums and how many they are of.
    let mut parts: ByRival<'_, (f64, f64)> = BTreeMap::new();
    for contrast in contrasts {
        let Some(scale) = scale(contrast, first) else {
            continue;
        };
        let mut add = |rival: (Role, &'a str), values: &mut dyn Iterator<Item = f64>| {
            for (probe, value) in contrast.probes.iter().zip(values) {
                if value.is_finite() {
                    let by_probe = parts.entry(rival).or_default();
                    let cut = (value / scale).clamp(-1.0, 1.0);
                    let (sum, count) = by_probe.entry(probe).or_default();
                    *sum += cut;
                    *count += 1.0;
                }
            }
        };
        for (id, gaps) in &contrast.gaps {
            add((Role::Alternative, id), &mut gaps.iter().copied());
        }
        for control in &contrast.controls {
            let pairs = contrast.suspect.cells.iter().zip(&control.cells);
            add((Role::Control, &control.id), &mut pairs.map(|(s, c)| s - c));
        }
    }
    parts
        .into_iter()
        .map(|(rival, by_probe)| {
            let means = by_probe.into_iter();
            let means = means.map(|(probe, (sum, count))| (probe, sum / count));
            (rival, means.collect())
        })
        .collect()
}

/// What counts as 1: some standard deviations of the controls' interactions on the first probes; `None`
/// without spread.
fn scale(contrast: &Contrast, first: &BTreeSet<&str>) -> Option<f64> {
    let values: Vec<f64> = contrast
        .controls
        .iter()
        .flat_map(|c| contrast.probes.iter().zip(&c.cells))
        .filter(|(probe, value)| first.contains(probe.as_str()) && value.is_finite())
        .map(|(_, value)| *value)
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let deviation = (square / n).sqrt();
    (deviation > 0.0 && deviation.is_finite()).then_some(REACH * deviation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Interaction, Measure};

    const PROBES: usize = 200;

    fn noise(seed: usize, t: usize) -> f64 {
        let x = (seed * 7_919 + t * 104_729 + 12_345) * 2_654_435_761 % 10_007;
        x as f64 / 10_007.0 - 0.5
    }

    /// Six controls, two alternatives; the suspect is `bonus` closer than all.
    fn contrast(measure: Measure, bonus: f64) -> Contrast {
        let probes: Vec<String> = (0..PROBES).map(|t| format!("p{t:03}")).collect();
        let row = |seed: usize, bonus: f64| -> Vec<f64> {
            (0..PROBES).map(|t| noise(seed, t) + bonus).collect()
        };
        let interaction = |id: &str, cells: Vec<f64>| Interaction {
            id: id.to_owned(),
            mean: cells.iter().sum::<f64>() / PROBES as f64,
            level: None,
            cells,
        };
        Contrast {
            measure,
            probes,
            suspect: interaction("s", row(90, bonus)),
            controls: (0..6)
                .map(|i| interaction(&format!("c{i}"), row(i, 0.0)))
                .collect(),
            against: Vec::new(),
            gaps: [
                ("a".to_owned(), row(40, bonus)),
                ("b".to_owned(), row(41, bonus)),
            ]
            .into(),
        }
    }

    fn bet(bonus: f64) -> Sequential {
        let contrast = contrast(Measure::Next, bonus);
        let order = contrast.probes.clone();
        sequential(&[&contrast], &order).unwrap()
    }

    #[test]
    fn a_closer_suspect_is_decided_before_the_end() {
        let found = bet(0.4);
        assert_eq!(found.decision, Decision::Closer);
        let after = found.decided_after.unwrap();
        assert!(after < 100, "{after}");
        assert_eq!((found.rivals.len(), found.path.len()), (8, PROBES));
        assert!(found.rivals.iter().all(|r| r.p <= 1e-3));
        let latest = found.rivals.iter().filter_map(|r| r.decided_after).max();
        assert_eq!(latest, Some(after));
    }

    #[test]
    fn a_farther_suspect_is_decided_against_by_any_rival() {
        let found = bet(-0.4);
        assert_eq!(found.decision, Decision::NotCloser);
        assert!(found.decided_after.unwrap() < 100);
    }

    #[test]
    fn the_paths_cross_their_thresholds_where_the_bets_are_decided() {
        let against = bet(-0.4);
        let (each, any) = against.thresholds();
        assert!((each - 3.0).abs() < 1e-12 && (any - 8_000_f64.log10()).abs() < 1e-12);
        let crossed = against.path_against.iter().position(|e| *e >= any);
        assert_eq!(crossed.map(|i| i + 1), against.decided_after);
        assert!(against.path.iter().all(|e| *e < each));
        let closer = bet(0.4);
        let crossed = closer.path.iter().position(|e| *e >= each).unwrap();
        // Every rival's largest e-value so far decides, so it may come before the smallest one now.
        assert!(closer.decided_after.unwrap() <= crossed + 1);
    }

    #[test]
    fn a_win_against_one_of_many_has_to_be_larger() {
        let bets = |count: usize| -> Vec<Bets> {
            let names = (0..count).map(|i| format!("c{i}"));
            let bets = names.map(|id| Bets::new(&id, Role::Control, 1_000_000));
            bets.collect()
        };
        let mut many = bets(50);
        let mut steps = 0;
        while !many[0].against.decided(ALPHA) {
            many[0].observe(-0.5, steps);
            steps += 1;
        }
        assert_eq!(decide(&many), Decision::Open);
        assert_eq!(decide(&many[..1]), Decision::NotCloser);
        while !many[0].against.decided(ALPHA / 50.0) {
            many[0].observe(-0.5, steps);
        }
        assert_eq!(decide(&many), Decision::NotCloser);
    }

    #[test]
    fn one_control_as_close_as_the_suspect_leaves_it_open_or_decided_against() {
        let mut contrast = contrast(Measure::Next, 0.4);
        contrast.controls[3].cells = contrast.suspect.cells.clone();
        let order = contrast.probes.clone();
        let found = sequential(&[&contrast], &order).unwrap();
        assert_ne!(found.decision, Decision::Closer);
    }

    #[test]
    fn probes_not_asked_are_not_bet_on_and_two_measures_of_a_probe_count_once() {
        let (a, b) = (
            contrast(Measure::Likelihood, 0.4),
            contrast(Measure::LikelihoodReverse, 0.4),
        );
        let mut order = a.probes.clone();
        order.extend((0..50).map(|t| format!("later{t}")));
        let found = sequential(&[&a, &b], &order).unwrap();
        assert_eq!((found.probes, found.planned), (PROBES, 250));
        assert_eq!(sequential(&[], &order), None);
    }
}
