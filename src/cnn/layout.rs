//! The order of a network's flat vector: layer by layer, bias before kernel, kernels HWIO, dense in×out; C order inside.
//!
//! It is the order of the released Small CNN Zoo, whose `layout.csv` has the four columns of [`Tensor`].

use super::{Arch, KERNEL};
use serde::{Deserialize, Serialize};

/// One tensor's window in the flat vector; fields are named like the columns of the reference's `layout.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// TensorFlow's variable name, such as `sequential/conv2d_1/kernel:0`.
    pub varname: String,
    /// First index.
    pub start_idx: usize,
    /// One past the last index.
    pub end_idx: usize,
    /// `(out)` for a bias, `(3, 3, in, out)` for a convolution's kernel, `(in, out)` for the dense one.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// The window as a range.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start_idx..self.end_idx
    }
}

/// Every tensor of the flat vector in order: 2 a layer, the dense layer last.
pub fn tensors(arch: &Arch) -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = Vec::new();
    let mut push = |varname: String, shape: Vec<usize>| {
        let start_idx = tensors.last().map_or(0, |tensor| tensor.end_idx);
        tensors.push(Tensor { varname, start_idx, end_idx: start_idx + shape.iter().product::<usize>(), shape });
    };
    let mut inputs = 1;
    for (number, conv) in arch.convs.iter().enumerate() {
        let layer = if number == 0 { "conv2d".into() } else { format!("conv2d_{number}") };
        push(format!("sequential/{layer}/bias:0"), vec![conv.channels]);
        push(format!("sequential/{layer}/kernel:0"), vec![KERNEL, KERNEL, inputs, conv.channels]);
        inputs = conv.channels;
    }
    push("sequential/dense/bias:0".into(), vec![arch.classes]);
    push("sequential/dense/kernel:0".into(), vec![inputs, arch.classes]);
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_layout_is_the_released_one() {
        let tensors = tensors(&Arch::reference(28, 28, 10).unwrap());
        let starts: Vec<usize> = tensors.iter().map(|tensor| tensor.start_idx).collect();
        assert_eq!(starts, [0, 16, 160, 176, 2480, 2496, 4800, 4810]);
        assert_eq!(tensors[3].varname, "sequential/conv2d_1/kernel:0");
        assert_eq!(tensors[7].shape, [16, 10]);
    }
}
