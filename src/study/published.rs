//! What the reference published: R² on the test half of its zoos.
//!
//! Source: Unterthiner et al. (arXiv 2002.11448), the values in `best_configs.json` of the released code. 15,000 train
//! networks, trained for 86 epochs; the number of trees and epochs was chosen on the test half itself.

/// Inputs × predictors, a column for each data set.
const TABLE: &str = include_str!("published.csv");

/// The published R² of a predictor and an input's key on a data set, if there is one.
pub fn r2(dataset: &str, input: &str, predictor: &str) -> Option<f64> {
    let mut table = csv::Reader::from_reader(TABLE.as_bytes());
    let column = table.headers().ok()?.iter().position(|name| name == dataset)?;
    let rows = table.into_records().flatten();
    let mut rows = rows.filter(|row| row.get(0) == Some(input) && row.get(1) == Some(predictor));
    rows.next()?.get(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_names() {
        let stats = "wstats-layers:0,1,2,3-qts:0,25,50,75,100";
        assert_eq!(r2("mnist", stats, "gbm"), Some(0.9928));
        assert_eq!(r2("svhn", "hyper.learning_rate", "mlp"), Some(0.0342));
        assert_eq!(r2("glyphs", stats, "gbm").or(r2("mnist", "probes", "gbm")), None);
        let count = csv::Reader::from_reader(TABLE.as_bytes()).into_records().flatten().count();
        assert_eq!(count, 14 * 3);
    }
}
