//! Convolution by its definition; `x` N·H·W·I, `w` U·V·I·O, `b` O, `y` N·P·Q·O, all dense.

use crate::Cost;

/// The shape of a convolution; letters as in [`crate::conv`], channels counted singly.
#[derive(Clone, Copy, Debug)]
pub struct Dims {
    /// N, images.
    pub images: usize,
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// I, input channels.
    pub inputs: usize,
    /// O, output channels.
    pub outputs: usize,
    /// U and V, rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// S, step between positions.
    pub stride: usize,
    /// T, zeros above the input.
    pub top: usize,
    /// L, zeros to the left of the input.
    pub left: usize,
    /// P, rows of the output.
    pub p: usize,
    /// Q, columns of the output.
    pub q: usize,
}

impl Dims {
    /// Of the forward pass, of the gradient of the input and of that of the weights alike, borders not subtracted.
    pub fn cost(&self) -> Cost {
        let [x, y] =
            [self.height * self.width * self.inputs, self.p * self.q * self.outputs].map(|map| self.images * map);
        let terms = self.kernel[0] * self.kernel[1] * self.inputs;
        Cost { flops: 2 * y * terms, bytes: (x + y + terms * self.outputs) * size_of::<f32>() }
    }
}

/// Calls `visit(x index, w index, y index)` for every product of the convolution.
fn products(d: &Dims, mut visit: impl FnMut(usize, usize, usize)) {
    for n in 0..d.images {
        for p in 0..d.p {
            for q in 0..d.q {
                for u in 0..d.kernel[0] {
                    for v in 0..d.kernel[1] {
                        let (h, w) = ((d.stride * p + u).wrapping_sub(d.top), (d.stride * q + v).wrapping_sub(d.left));
                        if h >= d.height || w >= d.width {
                            continue;
                        }
                        for i in 0..d.inputs {
                            for o in 0..d.outputs {
                                visit(
                                    ((n * d.height + h) * d.width + w) * d.inputs + i,
                                    ((u * d.kernel[1] + v) * d.inputs + i) * d.outputs + o,
                                    ((n * d.p + p) * d.q + q) * d.outputs + o,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`
pub fn forward(d: &Dims, x: &[f64], w: &[f64], b: &[f64], y: &mut [f64]) {
    for (index, y) in y.iter_mut().enumerate() {
        *y = b[index % d.outputs];
    }
    products(d, |xi, wi, yi| y[yi] += x[xi] * w[wi]);
}

/// `dx[n,h,w,i] = Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w
pub fn backward_input(d: &Dims, dy: &[f64], w: &[f64], dx: &mut [f64]) {
    dx.fill(0.0);
    products(d, |xi, wi, yi| dx[xi] += dy[yi] * w[wi]);
}

/// `dw[u,v,i,o] += Σ_{n,p,q} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] += Σ_{n,p,q} dy[n,p,q,o]`
pub fn backward_weight(d: &Dims, x: &[f64], dy: &[f64], dw: &mut [f64], db: &mut [f64]) {
    products(d, |xi, wi, yi| dw[wi] += x[xi] * dy[yi]);
    for (index, dy) in dy.iter().enumerate() {
        db[index % d.outputs] += dy;
    }
}
