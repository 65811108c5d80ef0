//! Numbers as the report writes them.

/// Fixed decimals with a real minus sign; a dash where there is no number.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        // what rounds to zero has no sign
        Some(rest) if rest.chars().any(|c| c.is_ascii_digit() && c != '0') => format!("−{rest}"),
        Some(rest) => rest.into(),
        None => text,
    }
}

/// R² or τ in a table: far below zero its size is enough.
pub fn score(value: f64) -> String {
    match value.abs() {
        v if v < 10.0 => fixed(value, 3),
        v if v < 1000.0 => fixed(value, 0),
        _ if value < 0.0 => "≤ −1000".into(),
        _ => fixed(value, 0),
    }
}

/// R² or τ in a narrow cell.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v < 10.0 => fixed(value, 2),
        v if v < 100.0 => fixed(value, 0),
        _ if value < 0.0 => "≤ −100".into(),
        _ => fixed(value, 0),
    }
}

/// An interval of scores.
pub fn interval([low, high]: [f64; 2]) -> String {
    match low.is_finite() && high.is_finite() {
        true => format!("{} … {}", score(low), score(high)),
        false => "–".into(),
    }
}

/// A small positive number: `0.0082`, `8.2·10⁻⁵`.
pub fn small(value: f64) -> String {
    if !value.is_finite() || value == 0.0 || value.abs() >= 0.001 {
        return fixed(value, 4);
    }
    let text = format!("{value:.1e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let raised = exponent
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize).unwrap_or(c)));
    format!("{}·10{}", digits.replace('-', "−"), raised.collect::<String>())
}

/// A share as per cent.
pub fn percent(share: f64, decimals: usize) -> String {
    match share.is_finite() {
        true => format!("{} %", fixed(100.0 * share, decimals)),
        false => "–".into(),
    }
}

/// A count in groups of three digits: `12,345`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A tick of an axis: no more decimals than it needs.
pub fn tick(value: f64, step: f64) -> String {
    let decimals = (0..6).find(|&n| ((step * 10f64.powi(n)).round() - step * 10f64.powi(n)).abs() < 1e-6).unwrap_or(6);
    fixed(value, decimals as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!((fixed(-0.4, 0), fixed(-1.25, 1), fixed(f64::NAN, 2)), ("0".into(), "−1.2".into(), "–".into()));
        assert_eq!((score(0.9571), score(-12.3), score(-1e9)), ("0.957".into(), "−12".into(), "≤ −1000".into()));
        assert_eq!(
            (small(0.0082), small(8.2e-5), small(f64::INFINITY)),
            ("0.0082".into(), "8.2·10⁻⁵".into(), "–".into())
        );
        assert_eq!((count(0), count(1_234_567)), ("0".into(), "1,234,567".into()));
        assert_eq!(
            (percent(0.123, 1), tick(0.25, 0.25), tick(200.0, 50.0)),
            ("12.3 %".into(), "0.25".into(), "200".into())
        );
        assert_eq!((interval([0.1, 0.2]), interval([f64::NAN, 1.0])), ("0.100 … 0.200".into(), "–".into()));
    }
}
