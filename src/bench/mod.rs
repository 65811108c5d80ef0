//! How fast a kernel is on this machine, and how near that is to what the machine can do.
//!
//! [`machine`] measures the roof: multiply-adds a second and bytes a second by the size of what is read. [`measure`] times a
//! [`Case`] on any ISA and number of threads, beside the portable ISA and the plain `f64` definition, and makes it a [`Row`].
//! This room knows no workload: what is measured stands in [`crate::catalog`].

pub mod machine;
pub mod measure;
pub mod report;

pub use machine::Machine;
pub use report::{Report, Row};

use crate::kernels::Isa;

/// What one call of a kernel must do at least.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: f64,
    /// Bytes read and written if each operand travelled once.
    pub bytes: f64,
    /// Images, rows or networks handled, whatever the kernel's users count; 0 for none.
    pub items: f64,
}

impl Cost {
    /// That of a kernel's call, for so many items.
    pub fn of(call: crate::kernels::Cost, items: usize) -> Cost {
        Cost { flops: call.flops as f64, bytes: call.bytes as f64, items: items as f64 }
    }
}

/// A kernel with its operands, ready to be called again and again.
pub trait Work: Send {
    /// One call.
    fn run(&mut self);

    /// What the first call computed, or what shows that it is right.
    fn output(&mut self) -> Vec<f64>;

    /// The same by definition.
    fn definition(&mut self) -> Vec<f64>;

    /// The share of a call's work that [`Work::definition`] does.
    fn share(&self) -> f64 {
        1.0
    }
}

/// One line of the catalog: a kernel at a shape.
pub struct Case {
    /// Operator and direction: `conv/forward`.
    pub name: &'static str,
    /// The shape, in the words of the kernel: `28x28_relu`.
    pub shape: String,
    /// What a call costs.
    pub cost: Cost,
    /// Items of [`Cost`] by name: `images`.
    pub items: &'static str,
    /// The largest difference to the definition that is right, relative to the definition's largest value.
    pub tolerance: f64,
    /// Whether one call spreads over rayon's threads itself; else each thread makes calls of its own.
    pub spreads: bool,
    /// Makes operands for an ISA; always the same.
    pub make: Box<dyn Fn(Isa) -> Box<dyn Work> + Sync>,
}

impl Case {
    /// `name/shape`, what a filter is compared with.
    pub fn path(&self) -> String {
        format!("{}/{}", self.name, self.shape)
    }

    /// The largest difference between kernel and definition, relative to the definition's largest value.
    pub fn error(&self, isa: Isa) -> f64 {
        let mut work = (self.make)(isa);
        work.run();
        let (got, expected) = (work.output(), work.definition());
        let scale = expected.iter().fold(f64::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
        if got.len() != expected.len() || expected.is_empty() {
            return f64::INFINITY;
        }
        let distance = |(got, expected): (&f64, &f64)| if got == expected { 0.0 } else { (got - expected).abs() };
        let worst = got.iter().zip(&expected).map(distance).fold(0.0, |worst: f64, error| match error.is_nan() {
            true => f64::INFINITY,
            false => worst.max(error),
        });
        worst / scale
    }
}
