//! Words that a shell completes in the place of an option's value.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};
use std::ffi::OsStr;

/// Takes any text, which is judged where it is used; a shell offers these.
#[derive(Clone)]
pub struct Suggest(Vec<&'static str>);

/// Suggests some words.
pub fn suggest(words: impl IntoIterator<Item = &'static str>) -> Suggest {
    Suggest(words.into_iter().collect())
}

impl TypedValueParser for Suggest {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}
