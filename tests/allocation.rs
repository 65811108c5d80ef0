//! A training step allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use zoometry::cnn::{Arch, init::Init, plan::Plan};
use zoometry::dataset::Split;
use zoometry::kernels::Isa;
use zoometry::train::cpu::Network;
use zoometry::train::run::{Activation, Choice, Optimizer, Run};

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
    let split = Split { images: vec![0.5; 100 * 784], labels: vec![3; 100], height: 28, width: 28 };
    let batch: Vec<u32> = (0..100).collect();
    let plan = Plan::new(&Arch::reference(28, 28, 10).unwrap());
    for isa in Isa::available() {
        eprintln!("leg {} tested", isa.leg());
        for &optimizer in Optimizer::ALL {
            for &activation in Activation::ALL {
                let run = Run {
                    optimizer,
                    activation,
                    w_init: Init::HeNormal,
                    learning_rate: 1e-3,
                    l2reg: 1e-4,
                    dropout: 0.3,
                    init_std: 0.1,
                    train_fraction: 1.0,
                    seed: 1,
                };
                let mut network = Network::new(isa, &plan, run);
                let before = COUNT.get();
                network.step(&split, &batch);
                network.step(&split, &batch);
                assert_eq!(COUNT.get() - before, 0, "{optimizer:?} {activation:?} on {}", isa.leg());
            }
        }
    }
    let before = COUNT.get();
    drop(std::hint::black_box(vec![1u8; 100]));
    assert_eq!(COUNT.get() - before, 1, "the counter counts");
}
