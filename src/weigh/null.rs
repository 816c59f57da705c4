//! How it is estimated where controls lie and how far they vary.

use super::shortest_half::{self, among_most, shortest_half};
use super::{Prior, Sample, Scatter, Standing, moderated, moderated_variance};

/// The estimate of the distribution of controls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Null {
    /// Mean and standard deviation, moderated by how the same controls scatter at other candidate parents
    /// ([`super::moderated()`]).
    Moderated(Scatter),
    /// Centre and spread of the shortest half, where many controls may not belong ([`super::among_most`]).
    ShortestHalf,
}

/// Whose scores they are, which says how much counts that is known from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One measure's.
    Measure,
    /// The pooled ones.
    Pooled,
}

impl Null {
    /// The word in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Moderated(_) => "moderated",
            Self::ShortestHalf => "shortest_half",
        }
    }

    /// What may be expected of so many controls with so many other candidate parents, before any is asked.
    pub fn sample(&self, controls: usize, columns: usize) -> Sample {
        let own = controls.saturating_sub(1) as f64;
        match self {
            Self::Moderated(scatter) => {
                let elsewhere = own * columns.min(scatter.columns) as f64;
                let borrowed = if elsewhere > 0.0 {
                    1.0 / (1.0 / scatter.pooled + 1.0 / elsewhere)
                } else {
                    0.0
                };
                Sample {
                    controls,
                    degrees_of_freedom: own + borrowed,
                    widening: (1.0 + 1.0 / controls as f64).sqrt(),
                }
            }
            Self::ShortestHalf => shortest_half::sample(controls),
        }
    }

    /// Centre and standard deviation of controls; `elsewhere` has their scores at other candidate parents, a list a
    /// candidate. `None` if they do not vary.
    pub(super) fn centre_and_sd(
        &self,
        controls: &[f64],
        elsewhere: &[Vec<f64>],
        of: Of,
    ) -> Option<(f64, f64)> {
        match self {
            Self::Moderated(_) => {
                let (variance, _) = moderated_variance(controls, self.prior(elsewhere, of))?;
                let mean = controls.iter().sum::<f64>() / controls.len() as f64;
                Some((mean, variance.sqrt()))
            }
            Self::ShortestHalf => shortest_half(controls),
        }
    }

    /// Where a score stands among controls.
    pub(super) fn standing(
        &self,
        score: f64,
        controls: Vec<f64>,
        elsewhere: &[Vec<f64>],
        of: Of,
    ) -> Standing {
        let t = match self {
            Self::Moderated(_) => moderated(score, &controls, self.prior(elsewhere, of)),
            Self::ShortestHalf => among_most(score, &controls),
        };
        Standing::with(score, controls, t)
    }

    fn prior(&self, elsewhere: &[Vec<f64>], of: Of) -> Option<Prior> {
        let Self::Moderated(scatter) = self else {
            return None;
        };
        let carries = match of {
            Of::Measure => scatter.measure,
            Of::Pooled => scatter.pooled,
        };
        Prior::from_columns(elsewhere, carries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn more_columns_borrow_more_up_to_a_bound() {
        let null = Null::Moderated(Scatter {
            measure: 5.0,
            pooled: 8.0,
            columns: 3,
        });
        let freedom = |columns| null.sample(7, columns).degrees_of_freedom;
        near(freedom(0), 6.0);
        near(freedom(1), 6.0 + 1.0 / (1.0 / 8.0 + 1.0 / 6.0));
        near(freedom(9), 6.0 + 1.0 / (1.0 / 8.0 + 1.0 / 18.0));
        near(null.sample(7, 9).widening, (8.0_f64 / 7.0).sqrt());
    }

    #[test]
    fn the_shortest_half_borrows_nothing() {
        let sample = Null::ShortestHalf.sample(61, 9);
        near(sample.degrees_of_freedom, 0.37 * 60.0);
        // 1.5 * 61^(-2/3) = 0.096796 by hand.
        assert!((sample.widening - 1.047_28).abs() < 1e-4, "{sample:?}");
        let controls = vec![0.0, 1.0, 2.0, 9.0, 3.0];
        let far = vec![vec![100.0, 0.0, 50.0]];
        let of = |elsewhere: &[Vec<f64>]| {
            Null::ShortestHalf.standing(4.0, controls.clone(), elsewhere, Of::Pooled)
        };
        assert_eq!(of(&far), of(&[]));
        assert_eq!(of(&[]).t, among_most(4.0, &controls));
    }
}
