//! In what a zoo's recipe differs from the one that it is named after.

use super::recipe::Recipe;
use serde_json::Value;

/// Settings that a zoo shows elsewhere.
const SHOWN: [&str; 2] = ["name", "layers"];

/// The settings of a recipe, as a zoo keeps it, in which it differs from the built-in one of its name, or from `small-cnn-zoo`
/// if there is none; written as on the command line, `batch=36`, `dropout=0`; name and layers apart. None of an imported zoo,
/// whose distributions are not known.
pub fn overrides(recipe: &Value) -> Vec<String> {
    // an imported zoo's recipe has none of these
    let fields = recipe.as_object().filter(|fields| fields.contains_key("batch"));
    let Some(recipe) = fields.and_then(|_| Recipe::from_json(recipe).ok()) else { return Vec::new() };
    let usual = Recipe::built_in(&recipe.name).and_then(Result::ok).unwrap_or_default();
    let pairs = recipe.entries().into_iter().zip(usual.entries());
    let set = pairs.filter(|(entry, usual)| !SHOWN.contains(&entry.name) && entry.value != usual.value);
    let mut texts: Vec<String> =
        set.map(|(entry, _)| format!("{}={}", entry.name, distribution(&entry.value))).collect();
    texts.sort_unstable();
    texts
}

/// `0.1,0.5` of a choice, `uniform 0…0.5` of another distribution, what else it is as it stands.
fn distribution(value: &Value) -> String {
    let number = |value: &Value| value.to_string().trim_end_matches(".0").to_owned();
    let numbers = |values: &[Value], between: &str| values.iter().map(number).collect::<Vec<_>>().join(between);
    let named = |map: &serde_json::Map<String, Value>| match map.iter().next() {
        Some((name, Value::Array(values))) if name == "choice" => Some(numbers(values, ",")),
        Some((name, Value::Array(values))) => Some(format!("{} {}", name.replace('_', "-"), numbers(values, "…"))),
        _ => None,
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => named(map).unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::distribution::Distribution;

    #[test]
    fn what_was_set_is_told() {
        let mut recipe = Recipe::default();
        let told = |recipe: &Recipe| overrides(&recipe.to_json());
        assert!(told(&recipe).is_empty());
        for assignment in ["batch=36", "dropout=0.5,0", "optimizer=adam", "layers=8s2"] {
            recipe.set(assignment).unwrap();
        }
        recipe.distributions[1] = Distribution::LogUniform(0.001, 0.5);
        assert_eq!(told(&recipe), ["batch=36", "dropout=0.5,0", "l2reg=log-uniform 0.001…0.5", "optimizer=adam"]);
        let mut recipe = Recipe::load("model-zoos-small").unwrap();
        assert!(told(&recipe).is_empty());
        for assignment in ["preparation=symmetric", "weight_decay=0", "activation=relu"] {
            recipe.set(assignment).unwrap();
        }
        assert_eq!(told(&recipe), ["activation=relu", "preparation=symmetric", "weight_decay=0"]);
        assert!(overrides(&serde_json::json!({ "name": "imported", "source": {} })).is_empty());
    }
}
