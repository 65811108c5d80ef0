//! Whole numbers as people write them.

use std::str::FromStr;

/// A whole number: `10000`, `10_000` or `1e4`; nothing where the text is none, or one that the type does not hold.
///
/// ```
/// use zoometry::number::whole;
///
/// assert_eq!([whole("10000"), whole("10_000"), whole("1e4")], [Some(10_000u32); 3]);
/// assert_eq!((whole::<u8>("1e4"), whole::<u32>("1.5"), whole::<u32>("1e-1"), whole::<u32>("-1")), (None, None, None, None));
/// ```
pub fn whole<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.trim().replace('_', "");
    if !digits.contains(['e', 'E']) {
        return digits.parse().ok();
    }
    let number: f64 = digits.parse().ok()?;
    // beyond this not every whole number is a float
    let exact = number.fract() == 0.0 && number.abs() < 9e15;
    exact.then(|| (number as i64).to_string().parse().ok()).flatten()
}
