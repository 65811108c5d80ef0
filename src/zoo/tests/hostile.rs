//! Files that are cut, wrong or made to do harm.

use super::*;
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

#[test]
fn truncated_files_are_refused() {
    let bytes = sample();
    let end = header_end(&bytes);
    for length in (0..10).chain([end / 2, end - 1, end, end + 1, bytes.len() - 1]) {
        refusal(&bytes[..length]);
    }
    refusal(&[&bytes[..], &[0]].concat());
    for length in [0, 1, end as u64 - 9, end as u64 - 7, 1 << 20, 1 << 40, u64::MAX - 7, u64::MAX] {
        refusal(&[&length.to_le_bytes(), &bytes[8..]].concat());
    }
}

#[test]
fn hostile_headers_are_refused() {
    for (from, to, says) in [
        ("\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"U32\"", "tensor weights of F32 [3, 55]"),
        ("\"shape\":[3,55]", "\"shape\":[55,3]", "got F32 [55, 3]"),
        ("\"shape\":[3,55]", "\"shape\":[18446744073709551615,55]", "safetensors header"),
        ("\"weights\":", "\"weight\":", "tensor weights"),
        ("\"data_offsets\":[0,24]", "\"data_offsets\":[0,25]", "safetensors header"),
        ("\"data_offsets\":[0,24]", "\"data_offsets\":[24,0]", "safetensors header"),
        ("\"runs\":\"1\"", "\"runs\":\"2\"", "tensor config.seed of U64 [6]"),
        ("\"runs\":\"1\"", "\"runs\":\"0\"", "runs"),
        ("\"runs\":\"1\"", "\"runs\":\"9999999999999\"", "runs"),
        ("[0,1,5]", "[0,1]", "U64 [2]"),
        ("[0,1,5]", "[0,5,1]", "ascending"),
        ("[0,1,5]", "[0,1,-5]", "checkpoints"),
        ("\"seed\":\"18446744073709551615\"", "\"seed\":\"18446744073709551616\"", "\"seed\""),
        ("\"dataset\":", "\"datasets\":", "a text as metadata \"dataset\", got none"),
        ("\"format_version\":\"3\"", "\"format_version\":\"4\"", "format_version"),
        ("\"rounding\":", "\"sounding\":", "rounding"),
        ("[\\\"other\\\",\\\"fused\\\"]", "[]", "rounding"),
        ("\\\"other\\\"", "\\\"fused\\\"", "rounding"),
        ("\\\"channels\\\":4", "\\\"channels\\\":40000", "channels"),
        ("\\\"channels\\\":4", "\\\"channels\\\":5", "layout"),
        ("[\\\"relu\\\",\\\"tanh\\\"]", "[]", "config.activation"),
        ("{\"__metadata__\"", "{\"__metadata\"", "safetensors header"),
        ("{", "[", "safetensors header"),
    ] {
        let message = refusal(&changed(from, to));
        assert!(message.contains(says), "{from} → {to}: {message}");
    }
    let mut bytes = sample();
    let place = bytes.windows(6).position(|text| text == b"glyphs").unwrap();
    bytes[place] = 0xff;
    refusal(&bytes);
    // a safetensors file, but no zoo
    let text = br#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let message = refusal(&[&(text.len() as u64).to_le_bytes(), &text[..], &[0]].concat());
    assert!(message.contains("is another safetensors file, not a zoo"), "{message}");
}

#[test]
fn hostile_columns_are_refused() {
    let (_folder, path) = folder();
    drop(open(&path, 2).unwrap());
    for (column, value, says) in [
        ("status", 7, "status 0 to 2 in row 0, got 7"),
        ("config.optimizer", 2, "config.optimizer below 2 in row 0, got 2"),
        ("run", 1, "run 0 and epoch 0 in row 0, got run 1"),
        ("epoch", 9, "epoch 9"),
    ] {
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut old = [0];
        file.read_exact_at(&mut old, place(&path, column).start as u64).unwrap();
        file.write_all_at(&[value], place(&path, column).start as u64).unwrap();
        let message = Zoo::open(&path).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
        file.write_all_at(&old, place(&path, column).start as u64).unwrap();
    }
    Zoo::open(&path).unwrap();
}

proptest! {
    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = sample();
        let end = header_end(&bytes);
        for (place, value) in flips {
            bytes[place.index(end)] = value;
        }
        if let Ok(zoo) = read(&bytes) {
            for row in 0..zoo.rows() {
                prop_assert_eq!(zoo.weights(row).len(), zoo.schema().arch.parameters());
                prop_assert_eq!(zoo.class_accuracy(row).len(), zoo.schema().arch.classes);
            }
        }
    }
}

#[test]
fn a_done_row_has_an_accuracy() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    let with = |test_accuracy| Metrics { test_accuracy, ..Metrics::default() };
    for (wrong, status) in [(f32::NAN, Status::Done), (-0.1, Status::Done), (1.5, Status::Done)] {
        writer.write(1, 2, &weights(5), &with(wrong), &[0.5; 3], status).unwrap();
        let error = Zoo::open(&path).unwrap_err();
        assert!(error.to_string().contains("run 1"), "{error}");
    }
    writer.write(1, 2, &weights(5), &with(f32::NAN), &[0.5; 3], Status::Diverged).unwrap();
    Zoo::open(&path).unwrap();
}
