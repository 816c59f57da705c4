//! The case again with each control left out: does the finding rest on one of them?
//!
//! A control is left out of the null, and with it of everything that the ladder counts over controls. The
//! column effects, to which it contributes as one of many, stay, as they do in the ladder's own test of
//! stability.

use super::{
    Case, Row, Standing, each_left_out, pool, pooled, scores, without_control, without_strongest,
    worst,
};
use crate::panel::{Matching, Panel};
use crate::verdict::{Evidence, Finding, judge};

/// The case without one control.
#[derive(Debug, Clone, PartialEq)]
pub struct WithoutOne {
    /// The control that is left out.
    pub control: String,
    /// The finding then.
    pub finding: Finding,
    /// The pooled p then; nothing when it cannot be computed.
    pub p: Option<f64>,
}

/// The finding without each of the controls that the pooled figure rests on, in their order.
pub fn without_each(panel: &Panel, case: &Case) -> Vec<WithoutOne> {
    let (ids, rows) = pool(&scores(&case.measures));
    let evidence = |control: &str| {
        let less = if let Some(family) = &case.family {
            family.without(&case.evidence, control)?
        } else {
            let place = ids.iter().position(|id| id == control)?;
            pooled_without(&case.evidence, &rows, place)
        };
        Some(counted(panel, case, less, control))
    };
    let without = |control: &String| {
        let less = evidence(control);
        let mut finding = less
            .as_ref()
            .map_or(Finding::Inconclusive, |less| judge(less).finding);
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

/// The pooled figures without the control at one place.
fn pooled_without(evidence: &Evidence, scores: &[Row], place: usize) -> Evidence {
    let fewer = without_control(scores, place);
    let standing = pooled(&fewer).map(|z| Standing::new(z[0], z[1..].to_vec()));
    Evidence {
        controls: evidence.controls.saturating_sub(1),
        pooled: standing,
        worst_without_one: each_left_out(&fewer).as_deref().map(worst),
        without_strongest: without_strongest(&fewer),
        ..evidence.clone()
    }
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
