//! Likeness of two distributions over the same outcomes.

/// The Bhattacharyya coefficient, `sum sqrt(p q)`: 1 for equal distributions, 0 for disjoint ones.
///
/// Source: Bhattacharyya (1943), Bull. Calcutta Math. Soc. 35. Symmetric. `None` if the lengths differ,
/// the distributions are empty, or a value is negative or not finite. Inputs must each sum to one; that
/// is the caller's business.
pub fn bhattacharyya(p: &[f64], q: &[f64]) -> Option<f64> {
    check(p, q)?;
    Some(p.iter().zip(q).map(|(a, b)| (a * b).sqrt()).sum())
}

/// The Jensen-Shannon divergence in nats: 0 for equal distributions, `ln 2` for disjoint ones.
///
/// `JSD = (KL(p, m) + KL(q, m)) / 2` with `m = (p + q) / 2`. Source: Lin (1991), IEEE Trans. Inf. Theory
/// 37(1). Symmetric. Nothing in the cases of [`bhattacharyya`].
pub fn jensen_shannon(p: &[f64], q: &[f64]) -> Option<f64> {
    check(p, q)?;
    let term = |a: f64, m: f64| if a > 0.0 { a * (a / m).ln() } else { 0.0 };
    let total: f64 = p
        .iter()
        .zip(q)
        .map(|(&a, &b)| {
            let m = 0.5 * (a + b);
            term(a, m) + term(b, m)
        })
        .sum();
    Some((0.5 * total).max(0.0))
}

fn check(p: &[f64], q: &[f64]) -> Option<()> {
    let usable = |x: &f64| x.is_finite() && *x >= 0.0;
    (p.len() == q.len() && !p.is_empty() && p.iter().chain(q).all(usable)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: scipy.spatial.distance.jensenshannon([.1,.4,.5],[.3,.3,.4])**2
    const JSD: f64 = 0.032_529_605_522_223_07;

    #[test]
    fn known_answers() {
        let (p, q) = ([0.1, 0.4, 0.5], [0.3, 0.3, 0.4]);
        assert!((jensen_shannon(&p, &q).unwrap() - JSD).abs() < 1e-12);
        let bc = 0.03f64.sqrt() + 0.12f64.sqrt() + 0.2f64.sqrt();
        assert!((bhattacharyya(&p, &q).unwrap() - bc).abs() < 1e-15);
    }

    #[test]
    fn edges() {
        let (p, q) = ([1.0, 0.0], [0.0, 1.0]);
        assert_eq!(bhattacharyya(&p, &q), Some(0.0));
        assert!((jensen_shannon(&p, &q).unwrap() - 2f64.ln()).abs() < 1e-15);
        assert_eq!(bhattacharyya(&p, &p), Some(1.0));
        assert_eq!(jensen_shannon(&p, &p), Some(0.0));
        for (p, q) in [
            (&[][..], &[][..]),
            (&[1.0][..], &[0.5, 0.5][..]),
            (&[f64::NAN][..], &[1.0][..]),
            (&[-1.0, 2.0][..], &[0.5, 0.5][..]),
            (&[f64::INFINITY][..], &[1.0][..]),
        ] {
            assert_eq!(bhattacharyya(p, q), None);
            assert_eq!(jensen_shannon(p, q), None);
        }
    }
}
