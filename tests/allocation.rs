//! A training step allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use zoometry::cnn::choice::Choice;
use zoometry::cnn::packing::Packing;
use zoometry::cnn::{Arch, layer};
use zoometry::dataset::Examples;
use zoometry::kernels::Isa;
use zoometry::kernels::activation::Activation;
use zoometry::train::network::Network;
use zoometry::train::run::{Optimizer, Run};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a thread-local integer alone.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_training_step_allocates_nothing() {
    let batch: Vec<u32> = (0..100).collect();
    for layers in ["16s2,16s2,16s2", "8k5,max2,act,drop,[8k3same,act],avg2,4k2,act,flatten,20,act,drop"] {
        for channels in [1, 3] {
            let split = Examples {
                images: vec![0.5; 100 * 784 * channels],
                labels: vec![3; 100],
                height: 28,
                width: 28,
                channels,
            };
            let arch = Arch::new(28, 28, channels, layer::parse(layers).unwrap(), 10).unwrap();
            let packing = Packing::new(&arch);
            for isa in Isa::available() {
                eprintln!("ISA {} tested", isa.kind());
                for &optimizer in Optimizer::ALL {
                    for &activation in Activation::ALL {
                        let mut run = Run::default();
                        (run.optimizer, run.activation, run.dropout) = (optimizer, activation, 0.3);
                        (run.l2reg, run.weight_decay) = (1e-4, 1e-4);
                        let mut network = Network::new(isa, &packing, run);
                        let before = COUNT.get();
                        network.step(&split, &batch);
                        network.step(&split, &batch);
                        assert_eq!(COUNT.get() - before, 0, "{arch} {optimizer:?} {activation:?} on {}", isa.kind());
                    }
                }
            }
        }
    }
    let before = COUNT.get();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(COUNT.get() - before, 1, "the counter counts");
}
