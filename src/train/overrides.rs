//! In what a zoo's recipe differs from the released zoo's.

use super::space::Recipe;
use serde_json::Value;

/// Settings that a zoo shows elsewhere.
const SHOWN: [&str; 2] = ["name", "layers"];

/// The settings of a recipe, as a zoo keeps it, that are not those of `small-cnn-zoo`, written as on the command line:
/// `batch=36`, `dropout=0`; name and layers apart. None of an imported zoo, whose laws are not known.
pub fn overrides(recipe: &Value) -> Vec<String> {
    let Ok(Value::Object(usual)) = serde_json::to_value(Recipe::default()) else { return Vec::new() };
    let of = |name: &str| recipe.get(name).filter(|value| usual.get(name) != Some(value));
    let names = usual.keys().filter(|name| !SHOWN.contains(&name.as_str()));
    names.filter_map(|name| Some(format!("{name}={}", law(of(name)?)))).collect()
}

/// `0.1,0.5` of a choice, `uniform 0…0.5` of another law, what else it is as it stands.
fn law(value: &Value) -> String {
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
    use crate::train::space::Law;

    #[test]
    fn what_was_set_is_told() {
        let mut recipe = Recipe::default();
        let told = |recipe: &Recipe| overrides(&serde_json::to_value(recipe).unwrap());
        assert!(told(&recipe).is_empty());
        for assignment in ["batch=36", "dropout=0.5,0", "optimizer=adam", "layers=8s2"] {
            recipe.set(assignment).unwrap();
        }
        recipe.l2reg = Law::LogUniform(0.001, 0.5);
        assert_eq!(told(&recipe), ["batch=36", "dropout=0.5,0.0", "l2reg=log-uniform 0.001…0.5", "optimizer=adam"]);
        assert!(overrides(&serde_json::json!({ "name": "imported", "source": {} })).is_empty());
    }
}
