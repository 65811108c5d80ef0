//! JSON that people write: a byte order mark is skipped, and a key that is there twice is refused, because it says two things.

use crate::{Error, Result, bytes, magic};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::path::Path;

/// Reads a file.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`], naming the file, where it is no JSON of `what` or has a key twice;
/// [`Error::OtherKind`] where it is something well known.
pub fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let text = bytes::read(path)?;
    parse(&text).map_err(|error| match magic::recognise(&text) {
        Some(found) => Error::other_kind(path, what, found),
        None if !begins(&text) => Error::other_kind(path, what, magic::describe(&text[..text.len().min(16)])),
        None => Error::malformed(path, what, error.to_string()),
    })
}

/// Whether bytes begin as an object or a list does.
fn begins(text: &[u8]) -> bool {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii_start();
    text.starts_with(b"{") || text.starts_with(b"[")
}

/// Reads bytes.
///
/// # Errors
/// The parser's, also for a key that is there twice.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    serde_json::from_slice::<Unique>(text)?;
    serde_json::from_slice(text)
}

/// Any value whose objects have each key once.
struct Unique;

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Unique, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unique;
    fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_i64<E>(self, _: i64) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_u64<E>(self, _: u64) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_f64<E>(self, _: f64) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_str<E>(self, _: &str) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_unit<E>(self) -> std::result::Result<Unique, E> {
        Ok(Unique)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Unique, A::Error> {
        let mut keys: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                let _ = entries.next_value::<IgnoredAny>();
                return Err(serde::de::Error::custom(format!("the key {key:?} is there twice")));
            }
            keys.insert(key);
            entries.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_mark_is_skipped_and_a_key_that_is_there_twice_is_named() {
        let value: Value = parse("\u{feff}{\"a\": [1, -2, 0.5, null, true, {\"a\": \"b\"}]}".as_bytes()).unwrap();
        assert_eq!(value, json!({ "a": [1, -2, 0.5, null, true, { "a": "b" }] }));
        for twice in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "c": 2, "a": {}}}]"#] {
            let error = parse::<Value>(twice.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(r#"the key "a" is there twice at line 1"#), "{error}");
        }
        assert!(parse::<Value>(b"{").is_err());
    }
}
