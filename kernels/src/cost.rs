//! `Cost`: what one call of a kernel asks of a machine, counted from its shapes; each kernel's stands beside it.

use core::ops::Mul;

/// Operations and bytes of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations, a multiply-add counted as two; comparisons and integer operations are not counted.
    pub flops: usize,
    /// Bytes read and written if each operand travelled once.
    pub bytes: usize,
}

impl Mul<usize> for Cost {
    type Output = Cost;
    /// The cost of so many calls.
    fn mul(self, calls: usize) -> Cost {
        Cost { flops: self.flops * calls, bytes: self.bytes * calls }
    }
}
