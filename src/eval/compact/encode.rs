//! Trees as a table.

use crate::kernels::compact::{Compact, HEAD, MAGIC, MAX_CUTS, crc32};
use crate::kernels::summary::SUMMARY;
use crate::predictor::boost::{Node, Tree};
use crate::{Error, Result};

/// The cuts that trees use, ascending, for each column.
pub(super) fn cuts(trees: &[Tree], width: usize) -> Vec<Vec<f32>> {
    let mut cuts = vec![Vec::new(); width];
    for node in trees.iter().flat_map(|tree| &tree.nodes).filter(|node| !node.is_leaf()) {
        cuts[node.feature as usize].push(node.threshold);
    }
    for column in &mut cuts {
        column.sort_unstable_by(f32::total_cmp);
        column.dedup();
    }
    cuts
}

/// Bytes of the table of some trees over `windows`.
pub(super) fn size(trees: &[Tree], windows: usize) -> usize {
    let cuts: usize = cuts(trees, SUMMARY * windows).iter().map(Vec::len).sum();
    let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
    HEAD + (4 + 10 * SUMMARY) * windows + 2 * trees.len() + 4 * (cuts + nodes)
}

/// The table of some trees over the summaries of `windows`, of which `ranges` are the least and the largest values seen in
/// training; `reach` is how far its 90 % interval reaches to both sides.
///
/// # Errors
/// [`Error::Invalid`] where there is not one range a column, a column has more cuts, or there are more windows, trees or nodes, than a table has room for.
pub fn encode(
    base: f64,
    trees: &[Tree],
    windows: &[usize],
    ranges: &[[f32; 2]],
    reach: Option<f32>,
) -> Result<Vec<u8>> {
    let no_room = |what: &str, got: usize| Error::invalid("compact table", what, got);
    if ranges.len() != SUMMARY * windows.len() {
        return Err(no_room("one range a column", ranges.len()));
    }
    let cuts = cuts(trees, SUMMARY * windows.len());
    if let Some(column) = cuts.iter().find(|column| column.len() > MAX_CUTS) {
        return Err(no_room("at most 255 cuts a column: fit with max_bin=255", column.len()));
    }
    let largest = trees.iter().flat_map(|tree| &tree.nodes).fold(0.0, |most: f32, node| most.max(node.value.abs()));
    let unit = (largest / f32::from(i16::MAX)).max(f32::MIN_POSITIVE);
    let mut body = Vec::new();
    let short = |number: usize, what: &str| u16::try_from(number).map_err(|_| no_room(what, number));
    body.extend(short(windows.len(), "at most 36 windows")?.to_le_bytes());
    body.extend(short(trees.len(), "at most 65535 trees")?.to_le_bytes());
    let nodes: usize = trees.iter().map(|tree| tree.nodes.len()).sum();
    for count in [cuts.iter().map(Vec::len).sum(), nodes].into_iter().chain(windows.iter().copied()) {
        let count = u32::try_from(count).map_err(|_| no_room("counts below 2³²", count))?;
        body.extend(count.to_le_bytes());
        if body.len() == 12 {
            [base as f32, unit, reach.unwrap_or(f32::NAN)].iter().for_each(|x| body.extend(x.to_le_bytes()));
        }
    }
    ranges.iter().flatten().for_each(|bound| body.extend(bound.to_le_bytes()));
    let mut end = 0;
    for column in &cuts {
        end += column.len();
        body.extend(short(end, "at most 65535 cuts")?.to_le_bytes());
    }
    for tree in trees {
        body.extend(short(tree.nodes.len(), "at most 65535 nodes a tree")?.to_le_bytes());
    }
    cuts.iter().flatten().for_each(|cut| body.extend(cut.to_le_bytes()));
    for tree in trees {
        tree.nodes.iter().enumerate().for_each(|(at, node)| body.extend(words(at, node, &cuts, unit)));
    }
    let bytes = [&MAGIC[..], &crc32(&body).to_le_bytes(), &body].concat();
    Compact::new(&bytes).map_err(|refusal| Error::invalid("compact table", "one that can be used", refusal))?;
    Ok(bytes)
}

/// The two words of a node.
fn words(at: usize, node: &Node, cuts: &[Vec<f32>], unit: f32) -> [u8; 4] {
    let (first, step) = if node.is_leaf() {
        (((node.value / unit).round() as i16).to_le_bytes(), 0)
    } else {
        let column = node.feature as usize;
        let cut = cuts[column].partition_point(|&cut| cut < node.threshold);
        // trees that passed their check have children within 16 bits, and columns and cuts were counted
        ([column as u8, cut as u8], (node.left as usize - at) as u16)
    };
    let step = step.to_le_bytes();
    [first[0], first[1], step[0], step[1]]
}
