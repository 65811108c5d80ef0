//! Names and detection of instruction sets.

mod common;
use common::legs;
use zoometry_kernels::{Isa, Leg, isa::UnknownLeg};

#[test]
fn names_are_read_back_and_others_refused() {
    for leg in Leg::ALL {
        assert_eq!(leg.to_string().parse(), Ok(leg));
    }
    let refusal: Box<dyn std::error::Error> = Box::new("avx1024".parse::<Leg>().unwrap_err());
    assert_eq!(
        (refusal.to_string().as_str(), "Avx2".parse::<Leg>()),
        ("none of portable, avx2, avx512", Err(UnknownLeg))
    );
}

#[test]
fn every_machine_has_the_portable_leg_and_takes_the_fastest() {
    let legs = legs();
    assert_eq!(legs[0].leg(), Leg::Portable);
    assert!(legs.is_sorted_by_key(|isa| isa.leg()), "slowest first");
    assert_eq!(legs.last(), Some(&Isa::detect()));
    assert!(legs.iter().all(|isa| Isa::new(isa.leg()) == Some(*isa)));
}
