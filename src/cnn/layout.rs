//! The order of a network's flat vector: layer by layer, bias before kernel, kernels HWIO, dense in×out; C order inside.
//!
//! It is the order of the released Small CNN Zoo, whose `layout.csv` has the four columns of [`Tensor`].

use super::plan::{Plan, Role};
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
    /// `(out)` for a bias, `(rows, columns, in, out)` for a convolution's kernel, `(in, out)` for a dense one.
    pub shape: Vec<usize>,
}

/// Every tensor of the flat vector in order, as TensorFlow names them.
pub fn tensors(plan: &Plan) -> Vec<Tensor> {
    let mut counts = [0usize; 2];
    let mut name = String::new();
    let mut row = |tensor: &super::plan::Tensor| {
        if tensor.role == Role::Bias {
            let dense = plan.weights_of(tensor.weighted).1.shape.len() == 2;
            let count = &mut counts[usize::from(dense)];
            let kind = if dense { "dense" } else { "conv2d" };
            name = if *count == 0 { kind.into() } else { format!("{kind}_{count}") };
            *count += 1;
        }
        Tensor {
            varname: format!("sequential/{name}/{}:0", tensor.role.name()),
            start_idx: tensor.range.start,
            end_idx: tensor.range.end,
            shape: tensor.shape.clone(),
        }
    };
    plan.tensors.iter().map(&mut row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::Arch;

    #[test]
    fn the_reference_layout_is_the_released_one() {
        let tensors = tensors(&Arch::reference(28, 28, 10).unwrap().plan());
        let starts: Vec<usize> = tensors.iter().map(|tensor| tensor.start_idx).collect();
        assert_eq!(starts, [0, 16, 160, 176, 2480, 2496, 4800, 4810]);
        assert_eq!(tensors[3].varname, "sequential/conv2d_1/kernel:0");
        assert_eq!((&*tensors[6].varname, &tensors[7].shape), ("sequential/dense/bias:0", &vec![16, 10]));
    }
}
