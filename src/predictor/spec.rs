//! What `--predictor` takes: the name of a kind, with the predictors that it is made of in brackets, as in `bag(mean(gbm,gp))`.

use super::kind::{Estimator, Kind};
use super::{Options, kind};
use crate::{Error, Result};

/// Letters of a specification at most, so that a file cannot nest predictors without end.
const LONGEST: usize = 200;

/// The options of a fit of what `spec` says, of each kind as `of` has them.
///
/// # Errors
/// [`Error::Unknown`] for a name that is no kind's, [`Error::Invalid`] for brackets that are not closed or that belong to a kind
/// that is not made of others, and what [`Kind::compose`] refuses.
pub(super) fn parse(spec: &str, of: fn(&Kind) -> Box<dyn Estimator>) -> Result<Options> {
    let wrong = |expected: &str| Error::invalid("predictor", expected, format!("{spec:?}"));
    if spec.len() > LONGEST {
        return Err(wrong("200 letters at most"));
    }
    let Some((name, rest)) = spec.split_once('(') else {
        return kind(spec.trim()).map(|kind| Options(of(kind)));
    };
    let kind = kind(name.trim())?;
    let inside = rest.trim().strip_suffix(')').ok_or_else(|| wrong("a bracket that is closed"))?;
    let compose = kind.compose.ok_or_else(|| wrong("brackets after mean or bag only"))?;
    let members: Result<Vec<Options>> = members(inside).into_iter().map(|member| parse(member, of)).collect();
    compose(members?).map(Options)
}

/// The parts between commas that are in no brackets.
fn members(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let outside = |letter: char| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    };
    text.split(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_nest() {
        for (spec, same) in [
            ("gbm", "gbm"),
            ("mean( gbm , gp )", "mean(gbm,gp)"),
            ("bag(mean(gbm,bag(mlp)))", "bag(mean(gbm,bag(mlp)))"),
            ("mean", "mean(gbm,gp)"),
            ("bag", "bag(gbm)"),
        ] {
            assert_eq!(Options::new(spec).unwrap().spec(), same);
            assert_eq!(Options::new(same).unwrap(), Options::new(spec).unwrap());
        }
        let deep = "bag(".repeat(100) + "gbm" + &")".repeat(100);
        for wrong in ["", "gmb", "gbm(gp)", "mean(gbm", "mean()", "mean(gbm,gbm)", "mean(gbm))", "bag(gbm,gp)", &deep] {
            assert!(Options::new(wrong).is_err(), "{wrong}");
        }
    }
}
