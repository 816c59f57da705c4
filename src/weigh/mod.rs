//! Statistics that weigh a comparison: pure functions of numbers, without models, clock or
//! unseeded randomness.
//!
//! A statistic that has no value for its input (nothing to compare, no spread, a number that is
//! not finite) is `None`. Where the input is a table whose defect can be pointed at, it is an error
//! that names the place.

mod assignment;
mod betting;
mod calibration;
mod combine;
mod conformal;
mod crawford_howell;
mod dose;
mod interval;
mod moderated;
mod null;
mod outliers;
mod power;
mod ranks;
mod residual;
mod shortest_half;
mod signed_rank;
mod simplex;
mod spearman;
mod standing;
mod synthetic;
mod two_way;
mod yekutieli;

pub use assignment::{Assignment, AssignmentError, max_weight_assignment};
pub use betting::{Betting, p_from_e};
pub use calibration::{
    Bootstrap, Bounded, Bounds, CalibrationError, Discrimination, EcePoint, Estimated,
    FusedMeasure, Fusion, Interval, Isotonic, Jackknife, Limit, Logistic, Measured, Misleading,
    PENALTY, Posterior, Rate, Scored, Support, Tippett, Towards, Verbal, auroc, bound_by_sources,
    bounded, cllr, cllr_cal, cllr_min, ece_curve, elub, jackknife, leave_one_source_out,
    misleading, posterior, rate, sentence, tippett, tpr_at_fpr,
};
pub use combine::{Combined, fisher, holm};
pub use conformal::conformal_p;
pub use crawford_howell::{SingleCase, crawford_howell};
pub use dose::{Dose, DoseCurve, KnownDose, NoDose};
pub use interval::{MeanInterval, mean_interval};
pub use moderated::{Prior, Scatter, moderated, moderated_variance};
pub use null::Null;
pub use outliers::outliers;
pub use power::{
    DoseEffect, Sample, critical_t, detectable_dose, detectable_effect, noncentral_t_sf, power,
};
pub use residual::Given;
pub use shortest_half::{among_most, shortest_half};
pub use signed_rank::{PairedTest, signed_rank};
pub use simplex::{Mix, nearest_scaled_mix};
pub use spearman::{RankCorrelation, spearman};
pub use standing::{Row, Standing, level_adjusted, pooled, standing};
pub use synthetic::{Fitted, NoSynthetic, SyntheticFit, fitted, synthetic_fit};
pub use two_way::{TwoWay, TwoWayError, fit_two_way};
pub use yekutieli::yekutieli;

/// The constants of this module that can move a finding, by name, for the rules that a plan commits to.
pub fn constants() -> impl Iterator<Item = (&'static str, f64)> {
    let slope = [("level.min_controls", standing::MIN_FOR_SLOPE as f64)];
    synthetic::CONSTANTS
        .into_iter()
        .chain(shortest_half::CONSTANTS)
        .chain(slope)
        .chain([("signed_rank.exact_up_to", signed_rank::EXACT_UP_TO as f64)])
}
