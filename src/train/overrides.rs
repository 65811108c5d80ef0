//! In what a zoo's recipe differs from the released zoo's.

use super::recipe::Recipe;
use serde_json::Value;

/// Settings that a zoo shows elsewhere.
const SHOWN: [&str; 2] = ["name", "layers"];

/// The settings of a recipe, as a zoo keeps it, that are not those of `small-cnn-zoo`, written as on the command line:
/// `batch=36`, `dropout=0`; name and layers apart. None of an imported zoo, whose distributions are not known.
pub fn overrides(recipe: &Value) -> Vec<String> {
    let usual = Recipe::default().to_json();
    // an imported zoo's recipe has none of these
    let Some(recipe) = recipe.as_object().filter(|recipe| recipe.contains_key("batch")) else { return Vec::new() };
    let differs = |(name, value): &(&String, &Value)| !SHOWN.contains(&name.as_str()) && usual.get(name) != Some(value);
    recipe.iter().filter(differs).map(|(name, value)| format!("{name}={}", distribution(value))).collect()
}

/// `0.1,0.5` of a choice, `uniform 0…0.5` of another distribution, what else it is as it stands.
fn distribution(value: &Value) -> String {
    let numbers =
        |values: &[Value], between: &str| values.iter().map(Value::to_string).collect::<Vec<_>>().join(between);
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
        assert_eq!(told(&recipe), ["batch=36", "dropout=0.5,0.0", "l2reg=log-uniform 0.001…0.5", "optimizer=adam"]);
        assert!(overrides(&serde_json::json!({ "name": "imported", "source": {} })).is_empty());
    }
}
