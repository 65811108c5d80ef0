//! What the command line makes of a library's error: its own words for settings, and the exit code.

use super::output;
use clap::Command;
use std::process::ExitCode;
use zoometry::Error;

/// Says what went wrong in a verb, and how the program ends: 2 for a wrong command line, 130 when stopped (as a shell says of
/// SIGINT), 1 for a failed job or a bad file.
pub fn report(error: Error, verb: &Command) -> ExitCode {
    let code = match &error {
        Error::Unknown { .. } | Error::Invalid { .. } => 2,
        Error::Interrupted | Error::Cancelled => 130,
        _ => 1,
    };
    let hint = match &error {
        Error::Occupied { forcible: true, .. } => "; --force replaces it",
        Error::Interrupted => "; the same command continues",
        _ => "",
    };
    output::error(format!("{}{hint}", said(error, verb)));
    ExitCode::from(code)
}

/// The option of a verb that sets what a library calls `setting`.
fn option(setting: &str, verb: &Command) -> Option<String> {
    let word = setting.replace(['_', ' '], "-");
    let found = verb.get_arguments().any(|argument| argument.get_long() == Some(&word));
    found.then(|| format!("--{word}"))
}

/// An error about a setting, by the name that the command line has for it.
fn named(mut error: Error, verb: &Command) -> Error {
    if let Error::Invalid { what, .. } | Error::Mismatch { field: what, .. } = &mut error
        && let Some(option) = option(what, verb)
    {
        *what = option;
    }
    error
}

/// An error in the command line's words; what is said of a file's contents stays as it is, which may quote them.
fn said(error: Error, verb: &Command) -> String {
    let contents = matches!(error, Error::Malformed { .. } | Error::OtherKind { .. });
    let text = named(error, verb).to_string();
    if contents { text } else { quoted(&text, verb) }
}

/// A text in which settings between backticks are the verb's options.
fn quoted(text: &str, verb: &Command) -> String {
    let replace = |(number, part): (usize, &str)| match option(part, verb) {
        Some(option) if number % 2 == 1 => option,
        _ if number % 2 == 1 => format!("`{part}`"),
        _ => part.to_owned(),
    };
    match text.matches('`').count() % 2 {
        0 => text.split('`').enumerate().map(replace).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn settings_are_options_here() {
        let verb = Command::new("x").arg(Arg::new("a").long("split-seed")).arg(Arg::new("b").long("allow-mixed"));
        let text = |error: Error| named(error, &verb).to_string();
        assert!(text(Error::invalid("split_seed", "a", "b")).contains("invalid --split-seed"));
        assert!(text(Error::invalid("batch", "a", "b")).contains("invalid batch"));
        assert_eq!(quoted("x (`allow_mixed` joins) `other`", &verb), "x (--allow-mixed joins) `other`");
        assert_eq!(quoted("a ` alone", &verb), "a ` alone");
        let field = Error::malformed("c.json", "a configuration", "unknown field `x`, expected `split_seed`");
        assert!(said(field, &verb).ends_with("expected `split_seed`"));
    }
}
