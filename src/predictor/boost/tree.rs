//! A fitted tree.

use super::Params;
use crate::{Error, Result};
use std::path::Path;

/// A node of a fitted tree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Node {
    /// Column that the node looks at; 0 in a leaf.
    pub feature: u32,
    /// A larger value goes to the right; 0 in a leaf.
    pub threshold: f32,
    /// The left child; the right one comes after it. 0 in a leaf: the root is nobody's child.
    pub left: u32,
    /// Whether `NaN` goes left.
    pub missing_left: bool,
    /// What the tree predicts; 0 in an inner node.
    pub value: f32,
    /// How much the split reduces the sum of squares, twice the loss; 0 in a leaf.
    pub gain: f32,
    /// Training rows that came by.
    pub count: u32,
}

impl Node {
    /// Whether the walk ends here.
    pub fn is_leaf(&self) -> bool {
        self.left == 0
    }
}

/// A fitted tree: nodes level by level, the root first, so that children come after their parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes, at least one.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// Splits above a leaf at most, in fits and in files: what explains a tree needs memory for the way to a leaf.
    pub const MAX_DEPTH: usize = 1000;

    /// Number of leaves.
    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_leaf()).count()
    }

    /// Whether a split looks at a column.
    pub fn uses(&self, column: usize) -> bool {
        self.nodes.iter().any(|node| !node.is_leaf() && node.feature as usize == column)
    }

    /// The value for one row: the definition that the fast ways to predict are tested against.
    pub fn predict(&self, row: &[f32]) -> f32 {
        let mut at = 0;
        while !self.nodes[at].is_leaf() {
            at = self.nodes[at].left as usize + usize::from(!self.goes_left(at, row));
        }
        self.nodes[at].value
    }

    /// Whether a row goes to the left at the split of node `at`.
    pub(super) fn goes_left(&self, at: usize, row: &[f32]) -> bool {
        let node = &self.nodes[at];
        let x = row[node.feature as usize];
        if x.is_nan() { node.missing_left } else { x.min(f32::MAX) <= node.threshold }
    }

    /// Checks that every walk ends soon, whatever file the tree comes from: children come after their parent, no node has two,
    /// columns exist, numbers are finite, depth and leaves are those of a fit.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming tree and node.
    pub fn check(&self, path: &Path, tree: usize, width: usize) -> Result<()> {
        let fail = |i: usize, expected: &str, got: String| {
            Err(Error::malformed(path, format!("{expected} in node {i} of tree {tree}"), got))
        };
        let (mut next, mut depth) = (1, vec![0u16; self.nodes.len()]);
        for (i, node) in self.nodes.iter().enumerate() {
            if !(node.threshold.is_finite() && node.value.is_finite() && node.gain.is_finite()) {
                return fail(i, "finite numbers", format!("{} {} {}", node.threshold, node.value, node.gain));
            }
            if node.is_leaf() {
                continue;
            }
            // level by level means that the children are the next two not yet named
            if node.left as usize != next {
                return fail(i, &format!("left child {next}"), node.left.to_string());
            }
            let below = usize::from(depth[i]) + 1;
            match depth.get_mut(next..next + 2) {
                Some(children) if below <= Tree::MAX_DEPTH => children.fill(below as u16),
                Some(_) => return fail(i, &format!("at most {} splits above a leaf", Tree::MAX_DEPTH), "more".into()),
                None => return fail(i, &format!("{} nodes", next + 2), self.nodes.len().to_string()),
            }
            next += 2;
            if node.feature as usize >= width {
                return fail(i, &format!("a column below {width}"), node.feature.to_string());
            }
            if node.left as usize - i > usize::from(u16::MAX) {
                return fail(i, "children within 65535 nodes", (node.left as usize - i).to_string());
            }
        }
        if self.leaves() > Params::MAX_LEAVES {
            return fail(0, &format!("at most {} leaves", Params::MAX_LEAVES), self.leaves().to_string());
        }
        if next != self.nodes.len() {
            return fail(0, &format!("{} nodes", self.nodes.len()), format!("{next} that the root leads to"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in which every left child is a leaf and every right one but the last is split.
    fn chain(depth: u32) -> Tree {
        let split = |left| Node { left, count: 1, ..Node::default() };
        let mut nodes = vec![split(1)];
        for level in 1..depth {
            nodes.extend([Node::default(), split(2 * level + 1)]);
        }
        nodes.extend([Node::default(); 2]);
        Tree { nodes }
    }

    #[test]
    fn depth_is_bounded() {
        let check = |depth| chain(depth).check(Path::new("model"), 0, 1);
        check(Tree::MAX_DEPTH as u32).unwrap();
        let message = check(Tree::MAX_DEPTH as u32 + 1).unwrap_err().to_string();
        assert!(message.contains("at most 1000 splits above a leaf"), "{message}");
    }
}
