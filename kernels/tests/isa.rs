//! Names and detection of instruction sets.

mod common;
use common::isas;
use zoometry_kernels::{Isa, IsaKind, isa::UnknownIsa};

#[test]
fn names_are_read_back_and_others_refused() {
    for kind in IsaKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    let refusal: Box<dyn std::error::Error> = Box::new("avx1024".parse::<IsaKind>().unwrap_err());
    assert_eq!(
        (refusal.to_string().as_str(), "Avx2".parse::<IsaKind>()),
        ("none of portable, neon, avx2, avx512", Err(UnknownIsa))
    );
}

#[test]
fn every_machine_has_the_portable_isa_and_takes_the_fastest() {
    let isas = isas();
    assert_eq!(isas[0].kind(), IsaKind::Portable);
    assert!(isas.is_sorted_by_key(|isa| isa.kind()), "slowest first");
    assert_eq!(isas.last(), Some(&Isa::detect()));
    assert!(isas.iter().all(|isa| Isa::new(isa.kind()) == Some(*isa)));
}
