//! Trees one row at a time.

use crate::tree::Node;

/// The node that a row with these keys arrives at from `at`.
pub fn walk(nodes: &[Node], keys: &[f32], mut at: usize) -> usize {
    while nodes[at].step > 0 {
        let right = keys[usize::from(nodes[at].key)] > nodes[at].threshold;
        at += usize::from(nodes[at].step) + usize::from(right);
    }
    at
}
