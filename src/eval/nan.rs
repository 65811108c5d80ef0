//! Numbers that JSON has no word for: NaN and infinities are written as `null`, and read back as NaN.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// What holds numbers, and what JSON has in its place.
pub trait OrNan: Sized {
    /// The same with gaps.
    type Written: DeserializeOwned;

    /// NaN in the gaps.
    fn filled(written: Self::Written) -> Self;
}

impl OrNan for f64 {
    type Written = Option<f64>;
    fn filled(written: Option<f64>) -> f64 {
        written.unwrap_or(f64::NAN)
    }
}

impl OrNan for f32 {
    type Written = Option<f32>;
    fn filled(written: Option<f32>) -> f32 {
        written.unwrap_or(f32::NAN)
    }
}

impl<T: OrNan> OrNan for [T; 2] {
    type Written = [T::Written; 2];
    fn filled(written: Self::Written) -> [T; 2] {
        written.map(T::filled)
    }
}

impl<T: OrNan> OrNan for Vec<T> {
    type Written = Vec<T::Written>;
    fn filled(written: Self::Written) -> Vec<T> {
        written.into_iter().map(T::filled).collect()
    }
}

/// For `#[serde(deserialize_with)]`.
///
/// # Errors
/// The deserializer's.
pub fn or_nan<'de, D: Deserializer<'de>, T: OrNan>(deserializer: D) -> Result<T, D::Error> {
    T::Written::deserialize(deserializer).map(T::filled)
}
