//! One tile through each layer of the reference net, forward and backward, and through a layer of 64 channels.

use crate::bench::{Case, Cost, Work};
use crate::kernels::activation::{Activation, Below};
use crate::kernels::conv::{self, Dims, Inputs};
use crate::kernels::random::{self, DropoutKey, Grid};
use crate::kernels::reference::{self, layout};
use crate::kernels::{Block, Isa, LANES, Lanes, TILE, loss, pool, tile};
use crate::rng::Stream;

const CLASSES: usize = 10;

/// The three inputs of the reference net's convolutions and what they become, for images of 28×28 and 32×32.
const MAPS: [[usize; 4]; 2] = [[28, 13, 6, 2], [32, 15, 7, 3]];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [image, first, second, third] in MAPS {
        let image = dims(image, 0, 1, first);
        cases.push(case("conv/forward_image", image, Forward::new));
        cases.push(case("conv/backward_weight_image", image, BackwardWeight::new));
        cases.push(case("conv/backward_input_image", image, BackwardImage::new));
        for d in [dims(first, 1, 1, second), dims(second, 1, 1, third)] {
            cases.extend(three(d));
        }
    }
    cases.extend(three(dims(13, 4, 4, 6)));
    cases.push(case("conv/forward", Dims::dense(1, 1), Forward::new));
    cases.push(Case {
        name: "pool/forward",
        shape: "2x2x16".into(),
        cost: Cost::of(pool::Dims::global(2, 2, 1).cost(), TILE),
        ..case("", Dims::dense(1, 1), Pool::new)
    });
    for side in MAPS.map(|map| map[0]) {
        cases.push(Case {
            name: "tile/interleave",
            shape: format!("{side}x{side}"),
            cost: Cost::of(tile::cost(side * side), TILE),
            tolerance: 0.0,
            ..case("", dims(side, 0, 1, 1), Interleave::new)
        });
    }
    cases.push(Case {
        name: "loss/softmax",
        shape: "12x10".into(),
        cost: Cost::of(loss::cost(CLASSES), TILE),
        ..case("", Dims::dense(1, 1), Softmax::new)
    });
    cases.push(Case {
        name: "random/dropout",
        shape: "13x13x16".into(),
        cost: Cost::of(random::cost(169), TILE),
        ..case("", dims(28, 0, 1, 13), Decisions::new)
    });
    cases
}

/// Forward and both gradients.
fn three(d: Dims) -> [Case; 3] {
    [
        case("conv/forward", d, Forward::new),
        case("conv/backward_weight", d, BackwardWeight::new),
        case("conv/backward_input", d, BackwardInput::new),
    ]
}

fn dims(side: usize, inputs: usize, outputs: usize, p: usize) -> Dims {
    let inputs = if inputs == 0 { Inputs::Image(1) } else { Inputs::Map(inputs) };
    Dims {
        images: TILE,
        height: side,
        width: side,
        inputs,
        outputs,
        kernel: [3; 2],
        stride: 2,
        top: 0,
        left: 0,
        p,
        q: p,
    }
}

fn case<W: Work + 'static>(name: &'static str, d: Dims, make: fn(Isa, Dims) -> W) -> Case {
    Case {
        name,
        shape: format!("{}x{}x{}_{}", d.height, d.width, d.channels(), d.outputs * LANES),
        cost: Cost::of(d.cost(), d.images),
        items: "images",
        tolerance: 1e-5,
        spreads: false,
        make: Box::new(move |isa| Box::new(make(isa, d))),
    }
}

fn blocks(stream: &mut Stream, n: usize) -> Vec<Block> {
    (0..n).map(|_| std::array::from_fn(|_| lane(stream))).collect()
}

fn lanes(stream: &mut Stream, n: usize) -> Vec<Lanes> {
    (0..n).map(|_| lane(stream)).collect()
}

fn lane(stream: &mut Stream) -> Lanes {
    Lanes(std::array::from_fn(|_| stream.range(-1.0, 1.0) as f32))
}

fn pixels(stream: &mut Stream, d: &Dims) -> Vec<[f32; TILE]> {
    (0..d.height * d.width).map(|_| std::array::from_fn(|_| stream.range(-1.0, 1.0) as f32)).collect()
}

/// Operands of a convolution; of `image` and `x` one is empty.
struct Conv {
    isa: Isa,
    d: Dims,
    image: Vec<[f32; TILE]>,
    x: Vec<Block>,
    w: Vec<Lanes>,
    b: Vec<Lanes>,
    y: Vec<Block>,
}

impl Conv {
    fn new(isa: Isa, d: Dims) -> Conv {
        let stream = &mut Stream::new(1, 0, 0);
        let (image, x) = match d.inputs {
            Inputs::Image(_) => (pixels(stream, &d), Vec::new()),
            Inputs::Map(_) => (Vec::new(), blocks(stream, d.x_len())),
        };
        let y = blocks(stream, d.y_len());
        Conv { isa, d, image, x, w: lanes(stream, d.w_len()), b: lanes(stream, d.outputs), y }
    }

    fn dense_x(&self) -> Vec<f64> {
        match self.d.inputs {
            Inputs::Image(_) => layout::pixels(&self.image),
            Inputs::Map(blocks) => layout::dense(&self.x, blocks),
        }
    }
}

/// Operands and the layer's output.
struct Forward(Conv, Vec<Block>);

impl Forward {
    fn new(isa: Isa, d: Dims) -> Forward {
        let operands = Conv::new(isa, d);
        let y = operands.y.clone();
        Forward(operands, y)
    }
}

impl Work for Forward {
    fn run(&mut self) {
        let Conv { isa, d, image, x, w, b, .. } = &self.0;
        match d.inputs {
            Inputs::Image(_) => conv::forward_image(*isa, d, Activation::Relu, None, image, w, b, &mut [], &mut self.1),
            Inputs::Map(_) => conv::forward(*isa, d, Activation::Relu, None, x, w, b, &mut [], &mut self.1),
        }
    }
    fn output(&mut self) -> Vec<f64> {
        layout::dense(&self.1, self.0.d.outputs)
    }
    fn definition(&mut self) -> Vec<f64> {
        let of = &self.0;
        let mut y = vec![0.0; of.y.len() * TILE * LANES];
        let (w, b) = (layout::hwio(&of.d, &of.w), layout::flat(&of.b));
        reference::conv::forward(&layout::dims(&of.d), &of.dense_x(), &w, &b, &mut y);
        y.into_iter().map(|z| z.max(0.0)).collect()
    }
}

/// Operands, the weights' gradient and the bias' gradient.
struct BackwardWeight(Conv, Vec<Lanes>, Vec<Lanes>);

impl BackwardWeight {
    fn new(isa: Isa, d: Dims) -> BackwardWeight {
        BackwardWeight(Conv::new(isa, d), vec![Lanes::ZERO; d.w_len()], vec![Lanes::ZERO; d.outputs])
    }
}

impl Work for BackwardWeight {
    fn run(&mut self) {
        let BackwardWeight(Conv { isa, d, image, x, y: dy, .. }, dw, db) = self;
        match d.inputs {
            Inputs::Image(_) => conv::backward_weight_image(*isa, d, image, dy, dw, db),
            Inputs::Map(_) => conv::backward_weight(*isa, d, x, dy, dw, db),
        }
    }
    fn output(&mut self) -> Vec<f64> {
        [layout::hwio(&self.0.d, &self.1), layout::flat(&self.2)].concat()
    }
    fn definition(&mut self) -> Vec<f64> {
        let of = &self.0;
        let (mut dw, mut db) = (vec![0.0; of.w.len() * LANES], vec![0.0; of.b.len() * LANES]);
        let dy = layout::dense(&of.y, of.d.outputs);
        reference::conv::backward_weight(&layout::dims(&of.d), &of.dense_x(), &dy, &mut dw, &mut db);
        [dw, db].concat()
    }
}

struct BackwardInput {
    of: Conv,
    transposed: Vec<Lanes>,
    dx: Vec<Block>,
}

impl BackwardInput {
    fn new(isa: Isa, d: Dims) -> BackwardInput {
        let of = Conv::new(isa, d);
        let mut transposed = of.w.clone();
        conv::transpose(&d, &of.w, &mut transposed);
        let dx = of.x.clone();
        BackwardInput { of, transposed, dx }
    }
}

impl Work for BackwardInput {
    fn run(&mut self) {
        let below = Below { activation: Activation::Relu, dropout: None, z: &[], residual: None };
        conv::backward_input(self.of.isa, &self.of.d, below, &self.of.y, &self.transposed, &mut self.dx);
    }
    fn output(&mut self) -> Vec<f64> {
        layout::dense(&self.dx, self.of.d.inputs.count())
    }
    fn definition(&mut self) -> Vec<f64> {
        let d = &self.of.d;
        let x = layout::dense(&self.of.x, d.inputs.count());
        let mut dx = vec![0.0; x.len()];
        let dy = layout::dense(&self.of.y, d.outputs);
        reference::conv::backward_input(&layout::dims(d), &dy, &layout::hwio(d, &self.of.w), &mut dx);
        dx.iter().zip(x).map(|(dx, x)| if x > 0.0 { *dx } else { 0.0 }).collect()
    }
}

/// The image's gradient.
struct BackwardImage {
    of: Conv,
    transposed: Vec<Lanes>,
    dx: Vec<[f32; TILE]>,
}

impl BackwardImage {
    fn new(isa: Isa, d: Dims) -> BackwardImage {
        let of = Conv::new(isa, d);
        let mut transposed = vec![Lanes::ZERO; d.wt_image_len()];
        conv::transpose_image(&d, &of.w, &mut transposed);
        let dx = vec![[0.0; TILE]; d.x_len()];
        BackwardImage { of, transposed, dx }
    }
}

impl Work for BackwardImage {
    fn run(&mut self) {
        conv::backward_input_image(self.of.isa, &self.of.d, &self.of.y, &self.transposed, &mut self.dx);
    }
    fn output(&mut self) -> Vec<f64> {
        layout::pixels(&self.dx)
    }
    fn definition(&mut self) -> Vec<f64> {
        let d = &self.of.d;
        let mut dx = vec![0.0; TILE * d.x_len()];
        let dy = layout::dense(&self.of.y, d.outputs);
        reference::conv::backward_input(&layout::dims(d), &dy, &layout::hwio(d, &self.of.w), &mut dx);
        dx
    }
}

/// Images one after another, and side by side.
struct Interleave(Isa, Vec<f32>, Vec<[f32; TILE]>);

impl Interleave {
    fn new(isa: Isa, d: Dims) -> Interleave {
        let pixels = d.height * d.width;
        Interleave(isa, super::noise(TILE * pixels), vec![[0.0; TILE]; pixels])
    }

    fn image(&self, n: usize) -> &[f32] {
        let pixels = self.2.len();
        &self.1[n * pixels..(n + 1) * pixels]
    }
}

impl Work for Interleave {
    fn run(&mut self) {
        let pixels = self.2.len();
        let images = std::array::from_fn(|n| &self.1[n * pixels..(n + 1) * pixels]);
        tile::interleave(self.0, images, &mut self.2);
    }
    fn output(&mut self) -> Vec<f64> {
        super::wide(self.2.as_flattened())
    }
    fn definition(&mut self) -> Vec<f64> {
        (0..self.2.len())
            .flat_map(|k| (0..TILE).map(move |n| (k, n)))
            .map(|(k, n)| f64::from(self.image(n)[k]))
            .collect()
    }
}

struct Pool {
    isa: Isa,
    x: Vec<Block>,
    y: Vec<Block>,
}

impl Pool {
    fn new(isa: Isa, _: Dims) -> Pool {
        let stream = &mut Stream::new(1, 0, 0);
        Pool { isa, x: blocks(stream, 4), y: blocks(stream, 1) }
    }
}

impl Work for Pool {
    fn run(&mut self) {
        let d = pool::Dims::global(2, 2, 1);
        pool::forward_average(self.isa, &d, Activation::Identity, None, &self.x, &mut [], &mut self.y);
    }
    fn output(&mut self) -> Vec<f64> {
        layout::dense(&self.y, 1)
    }
    fn definition(&mut self) -> Vec<f64> {
        let mut y = vec![0.0; TILE * LANES];
        let d = reference::pool::Dims::from(&pool::Dims::global(2, 2, 1));
        reference::pool::forward_average(&d, &layout::dense(&self.x, 1), &mut y);
        y
    }
}

/// Logits, and what they become: the gradient takes their place.
struct Softmax {
    isa: Isa,
    before: Vec<Block>,
    z: Vec<Block>,
    labels: [u8; TILE],
}

impl Softmax {
    fn new(isa: Isa, _: Dims) -> Softmax {
        let before = blocks(&mut Stream::new(1, 0, 0), 1);
        Softmax { isa, z: before.clone(), before, labels: std::array::from_fn(|n| (n % CLASSES) as u8) }
    }
}

impl Work for Softmax {
    fn run(&mut self) {
        std::hint::black_box(loss::softmax(self.isa, CLASSES, &self.labels, 1.0, &mut self.z));
    }
    fn output(&mut self) -> Vec<f64> {
        let dz = layout::dense(&self.z, 1);
        dz.chunks(LANES).flat_map(|dz| dz[..CLASSES].to_vec()).collect()
    }
    fn definition(&mut self) -> Vec<f64> {
        let z = layout::dense(&self.before, 1);
        let mut all = Vec::new();
        for (z, &label) in z.chunks(LANES).zip(&self.labels) {
            let mut dz = vec![0.0; CLASSES];
            reference::loss::softmax(&z[..CLASSES], usize::from(label), &mut dz);
            all.extend(dz);
        }
        all
    }
}

/// Dropout's decisions for the first layer.
struct Decisions {
    isa: Isa,
    kept: Vec<[u16; TILE]>,
}

impl Decisions {
    const KEY: DropoutKey = DropoutKey { key: [1, 2], counter: [3, 4], threshold: 20_000 };

    fn new(isa: Isa, d: Dims) -> Decisions {
        Decisions { isa, kept: vec![[0; TILE]; d.y_len()] }
    }
}

impl Work for Decisions {
    fn run(&mut self) {
        random::dropout(self.isa, Decisions::KEY, 0, 1, Grid::whole(13, 13), &mut self.kept);
    }
    fn output(&mut self) -> Vec<f64> {
        let bits = |word: u16| (0..LANES).map(move |c| f64::from(word >> c & 1));
        self.kept.iter().flatten().flat_map(|&word| bits(word)).collect()
    }
    fn definition(&mut self) -> Vec<f64> {
        let units = (0..self.kept.len()).flat_map(|m| (0..TILE).flat_map(move |n| (0..LANES).map(move |c| (m, n, c))));
        let kept = |(m, n, c)| reference::random::dropout(Decisions::KEY, LANES, m, c, n as u32);
        units.map(|unit| f64::from(u8::from(kept(unit)))).collect()
    }
}
