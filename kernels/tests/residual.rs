//! Residual addition against its definition, on every ISA, with every activation, dropout and a further gradient.

mod common;
use common::layer::{ACTIVATIONS, Epilogue, Layer, zeros};
use common::{Numbers, assert_sums, isas};
use zoometry_kernels::activation::Activation;
use zoometry_kernels::reference::layout::dense;
use zoometry_kernels::{Isa, LANES, TILE, reference, residual};

const BLOCKS: usize = 2;
const LEN: usize = 5 * BLOCKS;

fn epilogues() -> impl Iterator<Item = Epilogue> {
    let each = |activation| [false, true].map(|dropout| Epilogue { activation, dropout });
    ACTIVATIONS.into_iter().flat_map(each)
}

#[test]
fn the_sum_is_the_definition() {
    for isa in isas() {
        for epilogue in epilogues() {
            let mut numbers = Numbers(21);
            let layer = Layer::new(&mut numbers, epilogue, false, LEN, BLOCKS);
            let (a, b) = (numbers.blocks(LEN), numbers.blocks(LEN));
            let (mut z, mut y) = (zeros(LEN), zeros(LEN));
            residual::forward(isa, epilogue.activation, layer.dropout(), &a, &b, &mut z, &mut y);
            let mut expected = vec![0.0; TILE * LEN * LANES];
            reference::residual::forward(&dense(&a, BLOCKS), &dense(&b, BLOCKS), &mut expected);
            layer.finish(&mut expected);
            assert_sums(&dense(&y, BLOCKS), &expected, 2, &format!("{epilogue:?} on {}", isa.kind()));
        }
    }
}

#[test]
fn the_gradient_goes_to_both_parts() {
    for isa in isas() {
        for (epilogue, further) in epilogues().flat_map(|epilogue| [(epilogue, false), (epilogue, true)]) {
            let mut numbers = Numbers(22);
            let layer = Layer::new(&mut numbers, epilogue, further, LEN, BLOCKS);
            let dy = numbers.blocks(LEN);
            let mut x = layer.output();
            residual::backward(isa, layer.below(), &dy, &mut x);
            let mut expected = vec![0.0; TILE * LEN * LANES];
            reference::residual::backward(&dense(&dy, BLOCKS), &mut expected);
            layer.backward(&mut expected);
            assert_sums(&dense(&x, BLOCKS), &expected, 2, &format!("{epilogue:?} on {}", isa.kind()));
        }
    }
}

#[test]
#[should_panic(expected = "shape of a, b or y")]
fn maps_of_two_sizes_panic() {
    residual::forward(Isa::detect(), Activation::Relu, None, &zeros(2), &zeros(1), &mut [], &mut zeros(2));
}
