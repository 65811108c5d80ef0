use super::*;
use crate::out::Guard;
use npyz::WriterBuilder;

fn write(path: &Path, shape: &[u64], values: &[f64]) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn arrays_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (x, y) = (dir.path().join("x.npy"), dir.path().join("y.npy"));
    write(&x, &[3, 2], &[1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0]);
    write(&y, &[3], &[0.1, 0.2, 0.3]);
    let table = load(&x, &y).unwrap();
    assert_eq!((table.rows(), table.width(), table.row(1), table.y[2]), (3, 2, &[3.0, 4.0][..], 0.3));
    assert!(table.row(2)[0].is_nan());
    let out = Guard::default().array(dir.path().join("z.npy")).unwrap();
    save(&out, &["a", "b", "c"].map(String::from), &[0.25, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let found = array(out.path(), |_| String::new()).unwrap();
    assert_eq!(found, (vec![2, 3], vec![0.25, 2.0, 3.0, 4.0, 5.0, 6.0], None));
}

/// A file as NumPy writes it, of an element type, an order and data.
fn file(dtype: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn every_type_and_order_of_numbers_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let values = |dtype: &str, fortran: &str, shape: &str, data: &[u8]| {
        std::fs::write(&path, file(dtype, fortran, shape, data)).unwrap();
        array(&path, |_| String::new()).unwrap().1
    };
    assert_eq!(values("|b1", "False", "(2,)", &[0, 1]), [0.0, 1.0]);
    assert_eq!(values("|i1", "False", "(2,)", &[0x80, 0x7f]), [-128.0, 127.0]);
    assert_eq!(values("|u1", "False", "(1,)", &[0xff]), [255.0]);
    assert_eq!(values(">i2", "False", "(1,)", &[0xff, 0xfe]), [-2.0]);
    assert_eq!(values("<i8", "False", "(1,)", &(-3i64).to_le_bytes()), [-3.0]);
    assert_eq!(values("<u4", "False", "(1L,)", &[1, 0, 0, 1]), [16_777_217u32 as f32]);
    assert_eq!(values("=f8", "False", "(1L, 1L)", &0.5f64.to_le_bytes()), [0.5]);
    assert_eq!(values("float64", "False", "(1,)", &0.25f64.to_le_bytes()), [0.25]);
    let halves: Vec<u8> =
        [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0xfc00].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    assert_eq!(values("<f2", "False", "(5,)", &halves), [1.0, -2.0, 5.960_464_5e-8, 65504.0, f32::NEG_INFINITY]);
    assert!(values("<f2", "False", "(1,)", &[1, 0x7e])[0].is_nan());
    assert_eq!(values("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn malformed_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (x, y) = (dir.path().join("x.npy"), dir.path().join("y.npy"));
    write(&y, &[2], &[0.1, 0.2]);
    write(&x, &[2, 2], &[1.0; 4]);
    let good = std::fs::read(&x).unwrap();
    for cut in 0..good.len() {
        std::fs::write(&x, &good[..cut]).unwrap();
        assert!(load(&x, &y).is_err(), "cut after {cut}");
    }
    let text = String::from_utf8_lossy(&good[10..]).into_owned();
    let shape = &text[text.find('(').unwrap()..=text.find(')').unwrap()];
    for (from, to) in
        [(shape, "(9223372036854775807, 9223372036854775807)"), (shape, "(3, 2)"), ("f8", "c8"), ("f8", "M8")]
    {
        assert!(text.contains(from), "{text}");
        let header = text.split_once('\n').unwrap().0.replace(from, to);
        let mut bytes = good[..8].to_vec();
        bytes.extend((header.len() as u16 + 1).to_le_bytes());
        bytes.extend(header.bytes().chain(*b"\n"));
        bytes.extend(&good[good.len() - 32..]);
        std::fs::write(&x, bytes).unwrap();
        assert!(load(&x, &y).is_err(), "{to}");
    }
    let mut huge = good.clone();
    (huge[6], huge[8], huge[9], huge[10], huge[11]) = (2, 0xff, 0xff, 0xff, 0xff);
    std::fs::write(&x, huge).unwrap();
    assert!(load(&x, &y).is_err());
    write(&x, &[3, 2], &[1.0; 6]);
    assert!(load(&x, &y).is_err(), "three rows and two targets");
    assert!(load(&dir.path().join("none.npy"), &y).is_err());
}
