//! Kernels that go through a vector once: elementary functions and optimizers.

use super::{noise, wide};
use crate::bench::{Case, Cost, Work};
use crate::kernels::optimizer::{self, Rule};
use crate::kernels::simd::Simd;
use crate::kernels::{self, Isa, Kernel, Lanes, math, reference};

/// Numbers of a call: 16 KB, inside a first-level cache.
const NUMBERS: usize = 4096;

/// Parameters of the reference net, padded to lanes.
const PARAMETERS: usize = 16 * 312;

pub fn cases() -> Vec<Case> {
    let functions = [
        function("math/exp", Function::Exp, math::EXP),
        function("math/ln", Function::Ln, math::LN),
        function("math/sigmoid", Function::Sigmoid, math::SIGMOID),
        function("math/tanh", Function::Tanh, math::TANH),
    ];
    let optimizers = [
        ("sgd", Rule::Sgd { rate: 1e-4 }),
        ("momentum", Rule::Momentum { rate: 1e-4, momentum: 0.9 }),
        ("rmsprop", Rule::RmsProp { rate: 1e-4 }),
        ("adam", Rule::Adam { corrected: 1e-4 }),
    ];
    functions.into_iter().chain(optimizers.map(|(shape, rule)| update(shape, rule))).collect()
}

#[derive(Clone, Copy)]
enum Function {
    Exp,
    Ln,
    Sigmoid,
    Tanh,
}

fn function(name: &'static str, function: Function, flops: usize) -> Case {
    let call = kernels::Cost { flops, bytes: 2 * size_of::<f32>() } * NUMBERS;
    Case {
        name,
        shape: NUMBERS.to_string(),
        cost: Cost::of(call, NUMBERS),
        items: "numbers",
        tolerance: 1e-6,
        spreads: false,
        make: Box::new(move |isa| {
            let x =
                noise(NUMBERS).into_iter().map(|x| if matches!(function, Function::Ln) { x + 1.5 } else { 4.0 * x });
            Box::new(Elementwise { isa, function, x: x.collect(), y: vec![0.0; NUMBERS] })
        }),
    }
}

struct Elementwise {
    isa: Isa,
    function: Function,
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Work for Elementwise {
    fn run(&mut self) {
        self.isa.run(Apply(self.function, &self.x, &mut self.y));
    }
    fn output(&mut self) -> Vec<f64> {
        wide(&self.y)
    }
    fn definition(&mut self) -> Vec<f64> {
        let exact = |x: f64| match self.function {
            Function::Exp => x.exp(),
            Function::Ln => x.ln(),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
        };
        self.x.iter().map(|&x| exact(f64::from(x))).collect()
    }
}

struct Apply<'a>(Function, &'a [f32], &'a mut [f32]);

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.0 {
            Function::Exp => each(s, self.1, self.2, math::exp),
            Function::Ln => each(s, self.1, self.2, math::ln),
            Function::Sigmoid => each(s, self.1, self.2, math::sigmoid),
            Function::Tanh => each(s, self.1, self.2, math::tanh),
        }
    }
}

#[inline(always)]
fn each<S: Simd>(s: S, x: &[f32], y: &mut [f32], f: impl Fn(S, S::F) -> S::F) {
    for (x, y) in x.as_chunks().0.iter().zip(y.as_chunks_mut().0) {
        s.store_array(f(s, s.load_array(x)), y);
    }
}

fn update(shape: &'static str, rule: Rule) -> Case {
    Case {
        name: "optimizer/step",
        shape: shape.into(),
        cost: Cost::of(rule.cost(PARAMETERS), PARAMETERS),
        items: "weights",
        tolerance: 1e-6,
        spreads: false,
        make: Box::new(move |isa| Box::new(Update::new(isa, rule))),
    }
}

struct Update {
    isa: Isa,
    rule: Rule,
    /// Gradient, weights and their state before the first step.
    before: [Vec<f32>; 4],
    dw: Vec<Lanes>,
    w: Vec<Lanes>,
    m: Vec<Lanes>,
    v: Vec<Lanes>,
}

impl Update {
    const L2: f32 = 1e-4;

    fn new(isa: Isa, rule: Rule) -> Update {
        let x = noise(3 * PARAMETERS);
        let part = |k: usize| x[k * PARAMETERS..(k + 1) * PARAMETERS].to_vec();
        let squares = part(2).iter().map(|x| x * x).collect();
        let before = [part(0), part(1), part(2), squares];
        let [dw, w, m, v] = [0, 1, 2, 3].map(|k: usize| before[k].as_chunks().0.iter().map(|&x| Lanes(x)).collect());
        Update { isa, rule, before, dw, w, m, v }
    }
}

impl Work for Update {
    fn run(&mut self) {
        optimizer::step(self.isa, self.rule, Update::L2, &self.dw, &mut self.w, &mut self.m, &mut self.v);
    }
    fn output(&mut self) -> Vec<f64> {
        wide(Lanes::flat(&self.w))
    }
    fn definition(&mut self) -> Vec<f64> {
        let [dw, w, m, v] = [0, 1, 2, 3].map(|k: usize| wide(&self.before[k]));
        let mut step = |k: usize| {
            let (mut w, mut m, mut v) = (w[k], m[k], v[k]);
            reference::optimizer::step(self.rule, f64::from(Update::L2), dw[k], &mut w, &mut m, &mut v);
            w
        };
        (0..PARAMETERS).map(&mut step).collect()
    }
}
