//! What a row says of itself, and a file of its networks: checksums, roundings, shards.

use super::*;

#[test]
fn a_shard_says_which_networks_it_holds() {
    let (_folder, path) = folder();
    let shard = Some(Shard { index: 1, count: 3, networks: 6 });
    let writer = begin(&path, &Schema { shard, ..schema(2) }, &configs(2)).unwrap();
    (0..6).for_each(|row| write(&writer, row / 3, row % 3, Status::Done).unwrap());
    let zoo = Zoo::open(&path).unwrap();
    assert_eq!((zoo.run(), zoo.networks(), zoo.schema().shard), (&[1, 1, 1, 4, 4, 4][..], 6, shard));
    assert_eq!((zoo.find(4), zoo.find(1), zoo.find(0), zoo.find(7)), (Some(1), Some(0), None, None));
    assert!((0..6).all(|row| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row))));
    let bytes = fs::read(&path).unwrap();
    let text = r#"\"index\":1,\"count\":3,\"networks\":6"#;
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    // the same length, so that everything stays where it is
    for (hostile, says) in [
        (r#"\"index\":1,\"count\":3,\"networks\":9"#, "shard of 2 networks"),
        (r#"\"index\":1,\"count\":0,\"networks\":6"#, "shard"),
        (r#"\"index\":1,\"count\":1,\"networks\":6"#, "shard"),
        (r#"\"index\":5,\"count\":3,\"networks\":6"#, "shard"),
        (r#"\"index\":0,\"count\":3,\"networks\":6"#, "run 0 and epoch 0 in row 0, got run 1"),
        (r#"\"index\":1,\"count\":3,\"networks\":-"#, "shard"),
    ] {
        let mut bytes = bytes.clone();
        bytes[place..place + text.len()].copy_from_slice(hostile.as_bytes());
        let message = refusal(&bytes);
        assert!(message.contains(says), "{hostile}: {message}");
    }
}

#[test]
fn every_row_has_a_checksum_that_any_changed_bit_breaks() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    (0..5).for_each(|row| write(&writer, row / 3, row % 3, Status::Done).unwrap());
    let zoo = Zoo::open(&path).unwrap();
    let right = |zoo: &Zoo, row: usize| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row));
    assert!((0..5).all(|row| right(&zoo, row)) && !right(&zoo, 5));
    assert_eq!(
        (zoo.rounding_of(0), zoo.rounding_of(5), zoo.families()),
        (Some("fused"), Some("other"), vec!["fused".into()])
    );
    let whole = fs::read(&path).unwrap();
    for column in zoo.schema().columns() {
        let place = place(&path, &column.name);
        let (width, row) = (place.len() / 6, 4);
        let mut damaged = whole.clone();
        damaged[place.start + row * width] ^= 1;
        fs::write(&path, &damaged).unwrap();
        // what the reader refuses is noticed too
        let wrong: Vec<usize> = match Zoo::open(&path) {
            Ok(zoo) => (0..5).filter(|&row| !right(&zoo, row)).collect(),
            Err(_) => vec![row],
        };
        assert_eq!(wrong, [row], "{}", column.name);
    }
}

#[test]
fn a_mixture_of_roundings_is_told_and_every_row_says_its_own() {
    let (_folder, path) = folder();
    let by = |families: &[&str]| {
        let rounding = families.iter().map(|name| name.to_string()).collect();
        begin(&path, &Schema { rounding, ..schema(2) }, &configs(2)).unwrap()
    };
    let (fused, portable) = (["other", "fused"], ["other", "portable"]);
    assert_eq!(by(&fused).mixture(), None);
    let mixture = |found: &[&str], wanted: &str| {
        Some(Mixture { found: found.iter().map(|name| name.to_string()).collect(), wanted: wanted.into() })
    };
    // before there is any row, what it was begun with counts
    assert_eq!(by(&portable).mixture().cloned(), mixture(&["fused"], "portable"));
    write(&by(&fused), 0, 0, Status::Done).unwrap();
    assert_eq!(by(&fused).mixture(), None);
    write(&by(&portable), 0, 1, Status::Done).unwrap();
    assert_eq!(by(&fused).mixture().cloned(), mixture(&["other", "fused"], "fused"));
    let zoo = Zoo::open(&path).unwrap();
    assert_eq!((zoo.rounding_of(0), zoo.rounding_of(1)), (Some("fused"), Some("other")));
    assert!((0..2).all(|row| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row))));
    let bytes = fs::read(&path).unwrap();
    let place = place(&path, "rounding");
    let mut hostile = bytes.clone();
    hostile[place.start + 3] = 2;
    assert!(refusal(&hostile).contains("rounding below 2 in row 3"));
}
