//! `name=value`: an option of a fit as the command line gives it.

use crate::number::whole;
use crate::{Error, Result};

/// Name and value.
///
/// # Errors
/// [`Error::Invalid`] for a text without `=`.
pub fn split(assignment: &str) -> Result<(&str, &str)> {
    let pair = assignment.split_once('=');
    let (name, value) = pair.ok_or_else(|| Error::invalid("parameter", "name=value", format!("{assignment:?}")))?;
    Ok((name.trim(), value.trim()))
}

/// A value as a number.
///
/// # Errors
/// [`Error::Invalid`] naming the option.
pub fn parse<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    let (found, kind) = match std::any::type_name::<T>().starts_with('f') {
        true => (value.parse().ok(), "a number"),
        false => (whole(value), "a whole number"),
    };
    found.ok_or_else(|| Error::invalid(name, kind, format!("{value:?}")))
}
