//! Weight statistics, tensor by tensor and of whole networks.

use super::{noise, wide};
use crate::Context;
use crate::bench::{Case, Cost, Work};
use crate::cnn::{Arch, layer};
use crate::eval::metrics::kendall_tau_b;
use crate::features::{Input, Networks};
use crate::kernels::activation::Activation;
use crate::kernels::{self, Isa, IsaKind, quantile, reduce, reference};
use crate::rng::Stream;

/// Sizes of the reference net's larger tensors.
const TENSORS: [usize; 2] = [144, 2304];

/// Networks of a call: 1.3 MB.
const NETWORKS: usize = 64;

/// Pairs of Kendall's τ.
const PAIRS: usize = 100_000;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in TENSORS {
        cases.push(case(
            "reduce/moments",
            n,
            reduce::cost(n),
            Box::new(move |isa| Box::new(Moments(isa, noise(n), Vec::new()))),
        ));
    }
    for n in TENSORS {
        cases.push(case(
            "quantile/quartiles",
            n,
            quantile::cost(n),
            Box::new(move |isa| Box::new(Quartiles::new(isa, n))),
        ));
    }
    cases.push(Case {
        name: "statistics",
        shape: format!("{NETWORKS}x4970"),
        cost: Cost { flops: 0.0, bytes: (NETWORKS * (4970 + 56) * 4) as f64, items: NETWORKS as f64 },
        items: "networks",
        tolerance: 1e-6,
        spreads: true,
        make: Box::new(|isa| Box::new(Statistics(Seen::new(isa, Input::default())))),
    });
    if let Ok(input) = "probes".parse::<Input>() {
        cases.push(Case {
            name: "probes",
            shape: format!("{NETWORKS}x4970"),
            cost: Cost { flops: 0.0, bytes: (NETWORKS * 4970 * 4) as f64, items: NETWORKS as f64 },
            items: "networks",
            tolerance: 1e-4,
            spreads: true,
            make: Box::new(move |isa| Box::new(Probes(Seen::new(isa, input.clone())))),
        });
    }
    cases.push(Case {
        name: "kendall_tau_b",
        shape: PAIRS.to_string(),
        cost: Cost { flops: 0.0, bytes: (8 * PAIRS) as f64, items: PAIRS as f64 },
        items: "pairs",
        tolerance: 1e-9,
        spreads: true,
        make: Box::new(|_| Box::new(Tau::new())),
    });
    cases
}

type Make = Box<dyn Fn(Isa) -> Box<dyn Work> + Sync>;

fn case(name: &'static str, n: usize, cost: kernels::Cost, make: Make) -> Case {
    Case {
        name,
        shape: n.to_string(),
        cost: Cost::of(cost, n),
        items: "weights",
        tolerance: 1e-6,
        spreads: false,
        make,
    }
}

struct Moments(Isa, Vec<f32>, Vec<f64>);

impl Work for Moments {
    fn run(&mut self) {
        let moments = reduce::moments(self.0, &self.1);
        self.2.clear();
        self.2.extend([f64::from(moments.min), f64::from(moments.max), moments.mean, moments.variance]);
    }
    fn output(&mut self) -> Vec<f64> {
        self.2.clone()
    }
    fn definition(&mut self) -> Vec<f64> {
        let moments = reference::reduce::moments(&self.1);
        vec![f64::from(moments.min), f64::from(moments.max), moments.mean, moments.variance]
    }
}

struct Quartiles {
    isa: Isa,
    x: Vec<f32>,
    scratch: Vec<f32>,
    found: [f32; 3],
}

impl Quartiles {
    fn new(isa: Isa, n: usize) -> Quartiles {
        Quartiles { isa, x: noise(n), scratch: vec![0.0; quantile::scratch_len(n)], found: [f32::NAN; 3] }
    }
}

impl Work for Quartiles {
    fn run(&mut self) {
        self.found = quantile::quartiles(self.isa, &self.x, &mut self.scratch);
    }
    fn output(&mut self) -> Vec<f64> {
        wide(&self.found)
    }
    fn definition(&mut self) -> Vec<f64> {
        reference::quantile::quartiles(&self.x).to_vec()
    }
}

/// What a predictor sees of networks of the reference's shape.
struct Seen {
    isa: Isa,
    input: Input,
    arch: Arch,
    weights: Vec<f32>,
    found: Vec<f32>,
}

impl Seen {
    fn new(isa: Isa, input: Input) -> Seen {
        let arch = Arch { height: 28, width: 28, channels: 1, layers: layer::reference(), classes: 10 };
        // normal weights, as most initialisers give; uniform ones would flatter a selection by sampling
        let mut stream = Stream::new(2, 0, 0);
        let weights = (0..NETWORKS * arch.parameters()).map(|_| 0.1 * stream.normal() as f32).collect();
        Seen { isa, input, arch, weights, found: Vec::new() }
    }

    fn table(&self, isa: Isa) -> Vec<f32> {
        let networks = Networks::Loose { arch: &self.arch, weights: &self.weights, activation: Some(Activation::Relu) };
        self.input.table(&Context::new().isa(isa), &networks).map_or(Vec::new(), |table| table.x)
    }
}

struct Statistics(Seen);

impl Work for Statistics {
    fn run(&mut self) {
        self.0.found = self.0.table(self.0.isa);
    }
    fn output(&mut self) -> Vec<f64> {
        wide(&self.0.found)
    }
    fn definition(&mut self) -> Vec<f64> {
        let (arch, mut all) = (&self.0.arch, Vec::new());
        for network in self.0.weights.chunks_exact(arch.parameters()) {
            for tensor in arch.plan().tensors {
                let weights = &network[tensor.range];
                let moments = reference::reduce::moments(weights);
                let [q25, median, q75] = reference::quantile::quartiles(weights);
                let (min, max) = (f64::from(moments.min), f64::from(moments.max));
                all.extend([min, q25, median, q75, max, moments.variance.sqrt(), moments.mean]);
            }
        }
        all
    }
}

struct Probes(Seen);

impl Work for Probes {
    fn run(&mut self) {
        self.0.found = self.0.table(self.0.isa);
    }
    fn output(&mut self) -> Vec<f64> {
        self.0.found.iter().map(|&value| if value.is_nan() { 0.0 } else { f64::from(value) }).collect()
    }
    /// The portable ISA's numbers: there are no others in this program, `tests/python/check_inputs.py` has NumPy's.
    fn definition(&mut self) -> Vec<f64> {
        self.0.found = Isa::new(IsaKind::Portable).map_or(Vec::new(), |isa| self.0.table(isa));
        self.output()
    }
}

struct Tau {
    x: Vec<f32>,
    y: Vec<f32>,
    found: f64,
}

impl Tau {
    /// Pairs that are compared with the definition, which looks at all pairs of pairs.
    const FEW: usize = 2000;

    fn new() -> Tau {
        let mut stream = Stream::new(3, 0, 0);
        let x: Vec<f32> = (0..PAIRS).map(|_| stream.uniform() as f32).collect();
        let y = x.iter().map(|x| x + 0.15 * stream.normal() as f32).collect();
        Tau { x, y, found: f64::NAN }
    }
}

impl Work for Tau {
    fn run(&mut self) {
        self.found = kendall_tau_b(&self.x, &self.y);
    }
    fn output(&mut self) -> Vec<f64> {
        vec![kendall_tau_b(&self.x[..Tau::FEW], &self.y[..Tau::FEW])]
    }
    fn definition(&mut self) -> Vec<f64> {
        let (mut concordant, mut discordant) = (0u64, 0u64);
        let (mut tied_x, mut tied_y) = (0u64, 0u64);
        for i in 0..Tau::FEW {
            for j in 0..i {
                let (dx, dy) = (self.x[i] - self.x[j], self.y[i] - self.y[j]);
                tied_x += u64::from(dx == 0.0);
                tied_y += u64::from(dy == 0.0);
                concordant += u64::from(dx * dy > 0.0);
                discordant += u64::from(dx * dy < 0.0);
            }
        }
        let pairs = (Tau::FEW * (Tau::FEW - 1) / 2) as u64;
        let norm = ((pairs - tied_x) as f64 * (pairs - tied_y) as f64).sqrt();
        vec![(concordant as f64 - discordant as f64) / norm]
    }
    fn share(&self) -> f64 {
        (Tau::FEW as f64 / PAIRS as f64).powi(2)
    }
}
