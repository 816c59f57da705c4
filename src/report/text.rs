//! Numbers as they are printed.

/// A number with some decimals; a dash where there is none.
pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |x| format!("{x:.decimals$}"))
}

/// The same with its sign.
pub(super) fn signed(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |x| format!("{x:+.decimals$}"))
}

/// A p-value: three decimals, or a power of ten below a thousandth.
pub(super) fn small(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(p) if p.abs() < f64::MIN_POSITIVE => "0".to_owned(),
        Some(p) if p < 1e-3 => format!("{p:.1e}"),
        Some(p) => format!("{p:.3}"),
    }
}

/// A share of one as a percentage.
pub(super) fn percent(value: Option<f64>) -> String {
    format!("{} %", number(value.map(|v| 100.0 * v), 1))
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_one_way() {
        assert_eq!(
            (number(Some(1.005), 1), number(None, 3)),
            ("1.0".into(), "-".into())
        );
        assert_eq!(signed(Some(0.25), 2), "+0.25");
        assert_eq!(
            (small(Some(0.0416)), small(Some(2.5e-9))),
            ("0.042".into(), "2.5e-9".into())
        );
        assert_eq!(small(None), "-");
        assert_eq!(
            (small(Some(0.0)), small(Some(-3.1e-4))),
            ("0".into(), "-3.1e-4".into())
        );
        assert_eq!(
            (grouped(999), grouped(1_234_567)),
            ("999".into(), "1,234,567".into())
        );
    }
}
