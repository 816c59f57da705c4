//! This case on the validation's curves, in words. The curves themselves are those of the ratio.

use schemars::JsonSchema;
use serde::Serialize;

use crate::measure::Basis;
use crate::report::text::{number, percent, small};
use crate::validation::{CaseRatio, Curves, HeldBy, LARGEST};
use crate::weigh::{EcePoint, Tippett};

/// A plot of the validation with this case marked on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CurveFacts {
    /// Which.
    pub name: CurveName,
    /// What it is about.
    pub title: &'static str,
    /// How it is read, and of which models it is.
    pub reading: String,
    /// Where this case stands on it.
    pub case: String,
}

/// The plots of a validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CurveName {
    /// Shares of students and innocents at or above each ratio.
    Tippett,
    /// Empirical cross-entropy over prior odds.
    Ece,
    /// From the standing among controls to the ratio.
    LrCurve,
}

impl CurveName {
    /// The name as it stands in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tippett => "tippett",
            Self::Ece => "ece",
            Self::LrCurve => "lr_curve",
        }
    }
}

/// All that the validation has.
pub(super) fn curves(ratio: &CaseRatio, basis: Basis) -> Vec<CurveFacts> {
    let tippett = ratio.curves.tippett.as_ref();
    let tippett = tippett.map(|t| self::tippett(ratio, t, basis));
    let ece = ratio.curves.ece.as_ref();
    let ece = ece.map(|points| self::ece(ratio, points, basis));
    let all = [tippett, ece, Some(lr_curve(ratio))];
    all.into_iter().flatten().collect()
}

/// Whose curves those of the test part are.
fn tried(curves: &Curves, basis: Basis) -> String {
    let sources = curves.tried_on.join(", ");
    match basis {
        Basis::Battery => format!(
            "The lines are of the validation, not of this case: models of known descent of the sources {sources}, which had no part in fitting the ratios."
        ),
        Basis::OpenText => format!(
            "The lines are of the validation, not of this case: published models and the houses {sources}, each house read by ratios that were fitted on the others."
        ),
    }
}

fn tippett(ratio: &CaseRatio, curves: &Tippett, basis: Basis) -> CurveFacts {
    let (students, others) = curves.at_least(ratio.log10_lr);
    CurveFacts {
        name: CurveName::Tippett,
        title: "How often models of known descent have such a ratio (Tippett plot)",
        reading: format!(
            "Each line gives, for every log10 likelihood ratio, the share of cases whose ratio is at least so large: of true students of any dose (thick) and of innocent models (thin). The further apart the lines, the more the ratios tell. {}",
            tried(&ratio.curves, basis)
        ),
        case: format!(
            "This case has a log10 likelihood ratio of {} (upright line). Of the students {} have that or more, of the cases of innocent models {}.",
            number(Some(ratio.log10_lr), 2),
            percent(Some(students)),
            percent(Some(others)),
        ),
    }
}

fn ece(ratio: &CaseRatio, points: &[EcePoint], basis: Basis) -> CurveFacts {
    let stated = ratio.updated.map(|u| u.prior_odds);
    CurveFacts {
        name: CurveName::Ece,
        title: "What the ratios are worth at every prior (empirical cross-entropy)",
        reading: format!(
            "Cost in bits, over the prior odds that somebody may hold: of the ratios (thick), of the same ratios once calibrated as well as their order allows (thin), and of no evidence at all (dashed). Lower is better; where the thick line lies above the dashed one, whoever holds such a prior does better without the ratios. {}",
            tried(&ratio.curves, basis)
        ),
        case: stated
            .and_then(|odds| at_prior(odds, points))
            .unwrap_or_else(|| {
                "No prior odds were stated for this report, so there are none to mark.".to_owned()
            }),
    }
}

/// What the ratios cost near some prior odds; empty without points.
fn at_prior(odds: f64, points: &[EcePoint]) -> Option<String> {
    let log10 = odds.log10();
    let away = |p: &EcePoint| (p.log10_prior_odds - log10).abs();
    let nearest = points.iter().min_by(|a, b| away(a).total_cmp(&away(b)))?;
    let any = |holds: &dyn Fn(f64) -> bool| points.iter().any(|p| holds(p.log10_prior_odds));
    let beyond = if any(&|x| x <= log10) && any(&|x| x >= log10) {
        ""
    } else {
        " They lie beyond the plot, and the mark stands at its end."
    };
    Some(format!(
        "The prior odds of {} that were stated for this report are marked (log10 {}).{beyond} At the nearest that were tried (log10 {}) the ratios cost {} bits and no evidence {}.",
        small(Some(odds)),
        number(Some(log10), 2),
        number(Some(nearest.log10_prior_odds), 1),
        number(Some(nearest.ece), 3),
        number(Some(nearest.neutral), 3),
    ))
}

fn lr_curve(ratio: &CaseRatio) -> CurveFacts {
    let curves = &ratio.curves;
    let fitted = curves.fitted;
    let two = |value: f64| number(Some(value), 2);
    let interval = ratio
        .low
        .zip(ratio.high)
        .map_or_else(String::new, |(low, high)| {
            format!(
                ", 95 % interval {} to {} from leaving out one control at a time",
                two(low),
                two(high)
            )
        });
    let stands = format!(
        "This case has a deviate of {} and a log10 likelihood ratio of {}{interval}.",
        two(ratio.deviate),
        two(ratio.log10_lr)
    );
    CurveFacts {
        name: CurveName::LrCurve,
        title: "From the standing among controls to the likelihood ratio",
        reading: format!(
            "The standing of the suspect, as the normal deviate that is as improbable as its t, leads along the thick line to the log10 likelihood ratio, here against the innocent explanation that leads: the suspect {}. The dashed lines are bounds: so few models carry no ratio beyond them. The line was fitted in the validation, on {} students and {} innocent models of the sources {}.",
            fitted.against.words(),
            fitted.students,
            fitted.others,
            curves.fitted_on.join(", ")
        ),
        case: [vec![stands], remarks(ratio)].concat().join(" "),
    }
}

/// What is unusual about the place of the case, a sentence each.
fn remarks(ratio: &CaseRatio) -> Vec<String> {
    let curves = &ratio.curves;
    let two = |value: f64| number(Some(value), 2);
    let alone = curves.fitted.intercept + curves.fitted.slope * ratio.deviate;
    let holder = match curves.held_by {
        HeldBy::Nothing => None,
        HeldBy::Bound => Some("a bound"),
        HeldBy::Cap => Some("the cap"),
    };
    let held = holder.map(|holder| {
        format!(
            "The fitted line alone would give {}; {holder} holds the ratio.",
            two(alone)
        )
    });
    let extrapolated = curves.cap.map(|cap| {
        format!(
            "The case lies outside what was validated: its ratio is extrapolated, and capped at {} either way (log10 {}).",
            number(Some(10_f64.powf(cap)), 0),
            two(cap)
        )
    });
    let furthest = ratio.deviate.abs() >= LARGEST;
    let furthest =
        furthest.then(|| format!("No deviate is taken to lie further out than {LARGEST}."));
    [held, extrapolated, furthest]
        .into_iter()
        .flatten()
        .collect()
}
