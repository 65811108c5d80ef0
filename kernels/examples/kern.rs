use std::hint::black_box;
use std::time::Instant;
use zoometry_kernels::activation::*;
use zoometry_kernels::conv::{self, Dims};
use zoometry_kernels::random::DropoutKey;
use zoometry_kernels::simd::Simd;
use zoometry_kernels::*;
struct Peak;
impl Kernel for Peak {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        match S::ROWS {
            12 => peak::<S, 12>(s),
            6 => peak::<S, 6>(s),
            _ => peak::<S, 3>(s),
        }
    }
}
#[inline(always)]
fn peak<S: Simd, const R: usize>(s: S) -> f32 {
    let mut a = [s.splat(1.0); R];
    let x = s.splat(black_box(0.5));
    let y = s.splat(black_box(0.25));
    for _ in 0..10000 {
        for r in 0..R {
            a[r] = s.fma(a[r], x, y);
        }
    }
    let mut t = 0.0;
    for r in 0..R {
        t += s.sum(a[r]);
    }
    t
}
fn best(mut f: impl FnMut()) -> f64 {
    let mut b = f64::MAX;
    for _ in 0..400 {
        let t = Instant::now();
        f();
        b = b.min(t.elapsed().as_secs_f64());
    }
    b
}
fn main() {
    for leg in [Leg::Avx2] {
        let Some(isa) = Isa::new(leg) else { continue };
        let rows = match leg {
            Leg::Avx512 => 12,
            Leg::Avx2 => 6,
            _ => 3,
        };
        let t = best(|| {
            black_box(isa.run(Peak));
        });
        let pk = 10000.0 * rows as f64 * 32.0 / t / 1e9;
        println!("peak {pk:.1}");
        let maps: [[usize; 4]; 2] = [[28, 13, 6, 2], [32, 15, 7, 3]];
        for m in maps {
            println!("size {}", m[0]);
            let blk = |n: usize| vec![[Lanes([0.01; 16]); TILE]; n];
            let ln = |n: usize| vec![Lanes([0.01; 16]); n];
            let rep = |n: &str, macs: usize, t: f64| {
                println!(
                    "  {n:18} {:8.2} us  {:6.1} GFLOP/s {:4.0}%",
                    t * 1e6,
                    2.0 * macs as f64 * 12.0 / t / 1e9,
                    200.0 * macs as f64 * 12.0 / t / 1e9 / pk
                )
            };
            let d1 = Dims {
                height: m[0],
                width: m[0],
                inputs: 0,
                outputs: 1,
                kernel: 3,
                stride: 2,
                top: 0,
                left: 0,
                p: m[1],
                q: m[1],
            };
            let img = vec![[0.5f32; TILE]; m[0] * m[0]];
            let (w, b) = (ln(9), ln(1));
            let mut y = blk(d1.y_len());
            let mac1 = m[1] * m[1] * 9 * 16;
            rep(
                "fwd1 relu",
                mac1,
                best(|| conv::forward_image(isa, &d1, Activation::Relu, None, &img, &w, &b, &mut [], &mut y)),
            );
            let mut z = blk(d1.y_len());
            rep(
                "fwd1 tanh",
                mac1,
                best(|| conv::forward_image(isa, &d1, Activation::Tanh, None, &img, &w, &b, &mut z, &mut y)),
            );
            let mut kept = vec![[0u16; TILE]; d1.y_len()];
            let key = DropoutKey { key: [1, 2], counter: [3, 4], threshold: 20000 };
            rep("(dropout draw 1)", mac1, best(|| random::dropout(isa, key, 0, 1, &mut kept)));
            rep(
                "fwd1 relu drop",
                mac1,
                best(|| {
                    conv::forward_image(
                        isa,
                        &d1,
                        Activation::Relu,
                        Some(Dropout { kept: &kept, keep: 0.7 }),
                        &img,
                        &w,
                        &b,
                        &mut [],
                        &mut y,
                    )
                }),
            );
            let (mut dw, mut db) = (ln(9), ln(1));
            rep("bww1", mac1, best(|| conv::backward_weight_image(isa, &d1, &img, &y, &mut dw, &mut db)));
            for l in 1..3 {
                let d = Dims {
                    height: m[l],
                    width: m[l],
                    inputs: 1,
                    outputs: 1,
                    kernel: 3,
                    stride: 2,
                    top: 0,
                    left: 0,
                    p: m[l + 1],
                    q: m[l + 1],
                };
                let mac = m[l + 1] * m[l + 1] * 9 * 256;
                let x = blk(d.x_len());
                let w = ln(d.w_len());
                let mut y = blk(d.y_len());
                rep(
                    &format!("fwd{}", l + 1),
                    mac,
                    best(|| conv::forward(isa, &d, Activation::Relu, None, &x, &w, &b, &mut [], &mut y)),
                );
                let (mut dw, mut db) = (ln(d.w_len()), ln(1));
                rep(&format!("bww{}", l + 1), mac, best(|| conv::backward_weight(isa, &d, &x, &y, &mut dw, &mut db)));
                let mut xx = blk(d.x_len());
                rep(
                    &format!("bwi{}", l + 1),
                    mac,
                    best(|| {
                        conv::backward_input(
                            isa,
                            &d,
                            Below { activation: Activation::Relu, dropout: None, z: &[] },
                            &y,
                            &w,
                            &mut xx,
                        )
                    }),
                );
            }
            let d = Dims::dense(1, 1);
            let x = blk(1);
            let w = ln(16);
            let mut y = blk(1);
            rep(
                "dense fwd",
                256,
                best(|| conv::forward(isa, &d, Activation::Identity, None, &x, &w, &b, &mut [], &mut y)),
            );
            let xs = blk(m[3] * m[3]);
            let mut pp = blk(1);
            rep("pool fwd", 1, best(|| pool::forward(isa, &xs, &mut pp)));
            rep(
                "softmax",
                1,
                best(|| {
                    black_box(loss::softmax(isa, 10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1], 0.1, &mut y));
                }),
            );
            let n = 312;
            let (g, mut ww, mut mm, mut vv) = (ln(n), ln(n), ln(n), ln(n));
            rep(
                "adam(whole)",
                1,
                best(|| {
                    optimizer::step(isa, optimizer::Rule::Adam { corrected: 1e-3 }, 1e-4, &g, &mut ww, &mut mm, &mut vv)
                }),
            );
            let src = vec![0.5f32; 12 * m[0] * m[0]];
            let mut im = vec![[0f32; TILE]; m[0] * m[0]];
            rep(
                "gather",
                1,
                best(|| {
                    for n in 0..12 {
                        let s = &src[n * m[0] * m[0]..];
                        for (to, &p) in im.iter_mut().zip(s) {
                            to[n] = p;
                        }
                    }
                    black_box(&mut im);
                }),
            );
        }
    }
}
