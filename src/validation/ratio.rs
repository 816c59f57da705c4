//! The likelihood ratios of one case, as far as the validation carries them.

use schemars::JsonSchema;
use serde::Serialize;

use super::calibration::{Calibrated, Proposition, Ratio, deviate, least};
use super::{Curves, Row, Validation};
use crate::case::Case;
use crate::measure::Basis;
use crate::question::Access;
use crate::rules::MIN_CONTROLS;
use crate::verdict::Finding;
use crate::weigh::{Bounds, Dose, Posterior, Verbal, jackknife, posterior, sentence};

/// What is known of a case beside its figures, to be held against what was validated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circumstances {
    /// How the models were asked.
    pub access: Access,
    /// Probes asked.
    pub probes: usize,
    /// Bytes of the larger of the two models' weight files; `None` if a side is an endpoint.
    pub bytes: Option<u64>,
    /// The battery and the way of asking are the ones that were validated.
    pub same_questions: bool,
    /// Outside what was validated, give no ratio instead of a capped one.
    pub strict: bool,
    /// Prior odds, where the user states some.
    pub prior_odds: Option<f64>,
}

/// What a case's likelihood ratios are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CaseRatio {
    /// log10 of the least favourable ratio, bounded.
    pub log10_lr: f64,
    /// 95 % interval of the same by the jackknife over controls, bounded too; null if it could not be
    /// computed.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The normal deviate of the suspect's standing.
    pub deviate: f64,
    /// The innocent explanation that leads: the least favourable one.
    pub against: Proposition,
    /// The fixed sentence.
    pub sentence: String,
    /// The verbal scale's word.
    pub support: String,
    /// Every ratio.
    pub ratios: Vec<Ratio>,
    /// The share of the suspect's training that the protected model wrote, should it have learned from it; null
    /// where none can be told, none is excluded, or the case lies outside what was validated.
    pub dose: Option<Dose>,
    /// In what the case lies outside the conditions that were validated; it is then capped at 100.
    pub outside: Vec<String>,
    /// With prior odds that the user stated.
    pub updated: Option<Posterior>,
    /// How often the tool was right where it was validated.
    pub row: Option<Row>,
    /// The condition with most innocents accused, of those in which suspects alone were served otherwise, whatever
    /// the access; null if none was tried.
    pub served_otherwise: Option<Row>,
    /// The validation's curves that the case stands on.
    pub curves: Curves,
}

/// Weighs a case by the validation of its access.
///
/// The interval is `log10 LR +- 1.96 slope s`, where `s` is the jackknife's standard error of the deviate
/// when each control in turn is left out.
///
/// # Errors
///
/// Why there is no ratio, in words.
pub fn case_ratio(
    validation: &Validation,
    case: &Case,
    circumstances: &Circumstances,
) -> Result<CaseRatio, String> {
    let evidence = &case.evidence;
    if case.family.is_some() && case.basis == Basis::Battery {
        return Err("the question is about a group, and one model was validated".to_owned());
    }
    if matches!(
        case.verdict.finding,
        Finding::SameModel | Finding::WeightDerivative
    ) {
        return Err(
            "a gate answered the question before the standing among controls was asked".to_owned(),
        );
    }
    let validated = validation
        .at(circumstances.access)
        .ok_or("no calibration exists for this access")?;
    if evidence.controls < MIN_CONTROLS {
        return Err("there are too few controls".to_owned());
    }
    if evidence.matched_alternatives + evidence.matched_controls == 0 {
        return Err(
            "no model in the panel is known to share the protected model's data, so nothing in it shows what common \
             data alone would look like"
                .to_owned(),
        );
    }
    let pooled = evidence.pooled.as_ref();
    let deviate = pooled
        .and_then(|s| s.t)
        .and_then(|t| deviate(t.t, t.degrees_of_freedom))
        .ok_or("the pooled standing could not be computed")?;
    let calibrated = &validated.calibration;
    let outside = outside(calibrated, case, circumstances);
    if circumstances.strict && !outside.is_empty() {
        return Err(format!(
            "the case lies outside what was validated: {}",
            outside.join("; ")
        ));
    }
    let extrapolated = !outside.is_empty();
    let mut ratios = calibrated.ratios(deviate);
    for ratio in &mut ratios {
        ratio.log10_lr = capped(ratio.log10_lr, extrapolated);
    }
    let leading = *least(&ratios).ok_or("nothing was calibrated")?;
    let curves = Curves::new(validation, validated, &leading, extrapolated);
    let curves = curves.ok_or("nothing was calibrated")?;
    let ends = interval(&curves, case, &leading);
    let first = "the suspect learned from the protected model's outputs";
    let second = format!("the suspect {}", leading.words);
    Ok(CaseRatio {
        log10_lr: leading.log10_lr,
        low: ends.map(|e| e.0),
        high: ends.map(|e| e.1),
        deviate,
        against: leading.against,
        sentence: sentence(leading.log10_lr, first, &second).unwrap_or_default(),
        support: Verbal::new(leading.log10_lr)
            .map_or_else(String::new, |v| v.support.name().to_owned()),
        updated: circumstances
            .prior_odds
            .and_then(|odds| posterior(odds, leading.log10_lr)),
        ratios,
        dose: pooled
            .filter(|_| !extrapolated)
            .and_then(|p| calibrated.doses.estimate(p.score))
            .filter(|dose| dose.low > 0.0 || dose.high < 1.0),
        outside,
        row: validated.rows.first().cloned(),
        served_otherwise: served_otherwise(validation),
        curves,
    })
}

/// The worst of the conditions in which suspects alone were served otherwise.
fn served_otherwise(validation: &Validation) -> Option<Row> {
    let rows = validation.by_access.iter().flat_map(|v| &v.rows);
    let served = rows.filter(|row| row.is_served_otherwise());
    let share = |row: &&Row| row.accused.map_or(0.0, |rate| rate.share);
    served.max_by(|a, b| share(a).total_cmp(&share(b))).cloned()
}

/// A log10 ratio within the cap where it is extrapolated.
fn capped(log10_lr: f64, extrapolated: bool) -> f64 {
    if !extrapolated {
        return log10_lr;
    }
    let cap = Bounds::extrapolated();
    log10_lr.clamp(cap.lower, cap.upper)
}

/// The jackknife's interval of a ratio, cut like the ratio itself.
fn interval(curves: &Curves, case: &Case, leading: &Ratio) -> Option<(f64, f64)> {
    let left_out = case.left_out.iter().map(|less| {
        let t = less.pooled.as_ref()?.t?;
        deviate(t.t, t.degrees_of_freedom)
    });
    let deviates: Vec<f64> = left_out.collect::<Option<_>>()?;
    let reach = 1.96 * jackknife(&deviates)?.error * curves.fitted.slope;
    let (lower, upper) = curves.limits();
    let cut = |value: f64| value.clamp(lower, upper);
    Some((
        cut(leading.unbounded - reach),
        cut(leading.unbounded + reach),
    ))
}

/// In what a case differs from those that were validated.
fn outside(calibrated: &Calibrated, case: &Case, circumstances: &Circumstances) -> Vec<String> {
    let mut outside = match case.basis {
        Basis::Battery => outside_of_batteries(calibrated, case, circumstances),
        Basis::OpenText => Vec::new(),
    };
    let controls = case.evidence.controls;
    if !calibrated.controls.holds(controls) {
        outside.push(format!(
            "{controls} controls, where {} to {} were validated",
            calibrated.controls.least, calibrated.controls.most
        ));
    }
    if !calibrated.probes.holds(circumstances.probes) {
        outside.push(format!(
            "{} probes, where {} to {} were validated",
            circumstances.probes, calibrated.probes.least, calibrated.probes.most
        ));
    }
    outside
}

/// The same of what was validated on batteries. Open text was validated on published models of any size, each house
/// beside all others, and on answers to everyday prompts that anybody may have asked.
fn outside_of_batteries(
    calibrated: &Calibrated,
    case: &Case,
    circumstances: &Circumstances,
) -> Vec<String> {
    let mut outside = Vec::new();
    let bytes = circumstances.bytes.and_then(|b| usize::try_from(b).ok());
    match (bytes, calibrated.bytes) {
        (Some(bytes), Some(range)) if range.holds(bytes) => {}
        (Some(bytes), Some(range)) => outside.push(format!(
            "weight files of {bytes} bytes, where models of {} to {} were validated",
            range.least, range.most
        )),
        _ => outside.push("models of unknown size".to_owned()),
    }
    if case.matched_alternatives.is_empty() {
        outside.push(
            "no matched alternative in the panel, where siblings were always at hand".to_owned(),
        );
    }
    if !circumstances.same_questions {
        outside.push("another battery or another way of asking than was validated".to_owned());
    }
    outside
}
