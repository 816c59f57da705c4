//! The case again with each control left out: does the finding rest on one of them?
//!
//! A control is left out of the null, of the mixes that other controls and the suspect are written as, of the columns
//! that say how controls scatter, and of everything that the ladder counts over controls. Who is told apart from the
//! protected model, probe by probe, stays. Of a group the mixes stay as well.

use rayon::prelude::*;

use super::{Case, Row, Sides, Standing, pool, pooled, without_strongest};
use crate::measure::Basis;
use crate::panel::{Matching, Panel};
use crate::rules::Rules;
use crate::verdict::{Evidence, Finding, judge};
use crate::weigh::Null;

/// The pooled figures without one control.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// The control.
    pub control: String,
    /// The pooled score without it.
    pub pooled: Option<Standing>,
    /// The rest of what the ladder looks at.
    worst_without_one: Option<f64>,
    without_strongest: Option<f64>,
}

impl LeftOut {
    /// From the scores without a control, a row a measure. A second control is left out of these alone.
    pub(crate) fn new(control: &str, rows: &[Row], null: &Null) -> Self {
        let controls = rows.first().map_or(0, |r| r.scores.len().saturating_sub(1));
        let p = |place: usize| {
            let fewer: Vec<Row> = rows.iter().map(|row| row.without(place)).collect();
            Some(pooled(&fewer, null)?.t?.p)
        };
        let mut again = (0..controls).map(p);
        Self {
            control: control.to_owned(),
            pooled: pooled(rows, null),
            worst_without_one: again.try_fold(0.0, |worst: f64, p| Some(worst.max(p?))),
            without_strongest: without_strongest(rows, null),
        }
    }
}

/// The pooled figures without each of the controls that they rest on, in their order.
pub(super) fn each(sides: &Sides<'_>, case: &Case) -> Vec<LeftOut> {
    let protected = &sides.panel.protected.id;
    let without = |control: &String| {
        let measures = case.measures.par_iter();
        let usable = measures.filter_map(|m| {
            let less = sides.figures_without(&m.affinity, protected, &m.figures, control);
            less.weighed(m.measure)
        });
        let (_, rows) = pool(&usable.collect::<Vec<_>>());
        LeftOut::new(control, &rows, &sides.null())
    };
    case.pooled_controls.par_iter().map(without).collect()
}

/// The largest p of some; `None` if one has none.
pub(super) fn worst(left_out: &[LeftOut]) -> Option<f64> {
    let mut ps = left_out.iter().map(|l| Some(l.pooled.as_ref()?.t?.p));
    ps.try_fold(0.0, |worst: f64, p| Some(worst.max(p?)))
}

/// The case without one control.
#[derive(Debug, Clone, PartialEq)]
pub struct WithoutOne {
    /// The control that is left out.
    pub control: String,
    /// The finding then.
    pub finding: Finding,
    /// The pooled p then; `None` if it cannot be computed.
    pub p: Option<f64>,
}

/// The finding without each of the controls that the pooled figure rests on, in their order.
pub fn without_each(panel: &Panel, case: &Case, rules: &Rules) -> Vec<WithoutOne> {
    let evidence = |control: &str| {
        let group = case
            .family
            .as_ref()
            .filter(|_| case.basis == Basis::Battery);
        let less = if let Some(family) = group {
            family.without(&case.evidence, control, rules)?
        } else {
            let less = case.left_out.iter().find(|l| l.control == control)?;
            Evidence {
                controls: case.evidence.controls.saturating_sub(1),
                pooled: less.pooled.clone(),
                worst_without_one: less.worst_without_one,
                without_strongest: less.without_strongest,
                ..case.evidence.clone()
            }
        };
        Some(counted(panel, case, less, control))
    };
    let without = |control: &String| {
        let less = evidence(control);
        let mut finding = less
            .as_ref()
            .map_or(Finding::Inconclusive, |less| judge(less, rules).finding);
        // Which members are told apart does not hang on a control.
        if case.family.is_some() && finding == Finding::Distilled {
            finding = Finding::Family;
        }
        WithoutOne {
            control: control.clone(),
            finding,
            p: less.and_then(|less| less.pooled?.t.map(|t| t.p)),
        }
    };
    case.pooled_controls.iter().map(without).collect()
}

/// What the ladder counts over controls, without one of them.
fn counted(panel: &Panel, case: &Case, evidence: Evidence, control: &str) -> Evidence {
    let divergence = |id: &str| {
        let found = case.likeness.iter().find(|(other, _)| other == id);
        found.map(|(_, equality)| equality.divergence)
    };
    let kept = || panel.controls.iter().filter(|c| c.id != control);
    let nearest = kept()
        .filter_map(|c| divergence(&c.id))
        .min_by(f64::total_cmp);
    let matched = kept()
        .filter(|c| c.matching != Matching::None && case.pooled_controls.contains(&c.id))
        .count();
    let unmatched = kept().filter(|c| c.matching == Matching::None);
    let unlike: Vec<f64> = unmatched
        .filter_map(|c| divergence(&c.id))
        .map(|d| -d)
        .collect();
    Evidence {
        nearest_control: nearest,
        matched_controls: matched,
        likeness: divergence(&panel.suspect.id).map(|own| Standing::new(-own, unlike)),
        ..evidence
    }
}
