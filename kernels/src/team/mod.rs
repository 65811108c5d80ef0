//! Sixteen networks of one shape side by side: lane `l` of every vector belongs to network `l`.
//!
//! No lane is empty whatever the number of channels or images, nothing is summed over lanes, and a network's numbers do not
//! depend on its neighbours, NaN and ∞ included. Parameter `k` of network `l` is `w[k].0[l]`: the network's own flat vector, no
//! packing.
//!
//! Layouts. A map is `[image][position][channel]` of [`Lanes`]. Weights are `[u][v][i][o]`, a bias `[o]`.
//!
//! A *unit* is one channel at one position of one image. Every layer ends in the same epilogue, `y = r·f(z)/keep` with the
//! activation `f` and the decision `r` of [`random::dropout`]; its gradient is taken by the layer above ([`Below`]).

pub mod conv;
mod epilogue;
mod exchange;
pub mod loss;
pub mod optimizer;
pub mod pool;
pub mod random;
pub mod residual;

pub use epilogue::{Below, Dropout};
pub use exchange::{gather, scatter};

use crate::simd::Lanes;

/// Cuts `0..n` into the fewest parts of at most `most`, nearly equal: `(first, length)` of each.
fn parts(n: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = n.div_ceil(most);
    let (least, longer) = if count > 1 { (n / count, n % count) } else { (n, 0) };
    (0..count).map(move |k| (k * least + k.min(longer), least + usize::from(k < longer)))
}
