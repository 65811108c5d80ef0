//! The unrolled loops of the backward pass.
//!
//! Lanes of a warp, names of bits as in [`super::forward`]:
//!
//! | phase | a lane computes |
//! |---|---|
//! | third kernel, over two images | 9 taps × a pair of inputs (`third_input`) × a `pair` of outputs |
//! | second map's gradient | rows 2·`quarter` and 2·`quarter` + 1, a pair of channels (`pair`) |
//! | second kernel, a chunk of inputs | 9 taps × a pair of the chunk (`half`) × a `pair` of outputs, upper or lower rows (`side`) |
//! | first map's gradient, a chunk | a row of positions that one row of taps reaches from one row of the second map, a pair (`left`) |
//! | first kernel, a chunk | 9 taps × 4 channels over half a row (`row`, `left`), as in the first convolution |
//!
//! Sums over a batch: `p{tap}{input}` second kernel, `q…` third, `r{tap}` first, `pb` `qb` `r9` biases, `d…` dense layer.

use super::forward::{class_quads, load_pixels, pixel, pooled_channel};
use super::text::{Context, Text};

const LETTERS: [char; 4] = ['x', 'y', 'z', 'w'];

/// Sums of a batch, in registers.
pub(super) fn declare_sums(c: &Context) -> String {
    let mut text = Text::default();
    for sum in ["p", "q"] {
        text.lines((0..9).map(|t| format!("var {sum}{t}0 = vec2f(0.0); var {sum}{t}1 = vec2f(0.0);")));
        text.line(format!("var {sum}b = vec2f(0.0);"));
    }
    text.lines((0..10).map(|t| format!("var r{t} = vec4f(0.0);")));
    text.lines((0..c.n.class_pairs).map(|k| format!("var d{k} = 0.0;")));
    text.line("var db = 0.0;");
    text.into_string()
}

/// Gradients of the logits `dz{b}`, then of the third map through its activation into `y1s`.
pub(super) fn third_map_gradient(c: &Context) -> String {
    let mut text = Text::default();
    text.line("let own = select(0.0, scale, valid);");
    for b in 0..class_quads(c) {
        let label = format!("select(vec4f(0.0), vec4f(own), classes{b} == vec4u(label))");
        text.line(format!("let dz{b} = e{b} * (own / total) - {label};"));
    }
    text.line("{ let dense = weights + DENSE + 2u * CLASS_PAIRS * pair; var d = vec2f(0.0);");
    for k in 0..c.n.class_pairs {
        text.line(format!("{{ let w0 = state[dense + {k}u]; let w1 = state[dense + CLASS_PAIRS + {k}u];"));
        for (part, class) in ["x", "y"].into_iter().zip(2 * k..) {
            text.line(format!("d = fma(vec2f({}), vec2f(w0.{part}, w1.{part}), d);", logit(class)));
        }
        text.line("}");
    }
    let positions = c.n.needed[2] * c.n.needed[2];
    text.line(format!("d *= {:?};", 1.0 / positions as f64));
    for r in 0..c.n.rounds() {
        text.line(format!("if (quarter + {}u < {positions}u)", 4 * r));
        text.line(format!("{{ y1s[warp * Y1 + Y3 + position{r} * 8u + pair] = d * slope3_{r}; }}"));
    }
    text.line("}");
    text.into_string()
}

/// Gradient of a logit.
fn logit(class: usize) -> String {
    format!("dz{}.{}", class / 4, LETTERS[class % 4])
}

/// The dense kernel: a lane has an input (`lane / 2`) and half of the classes (`left`); then the bias, a class a lane.
pub(super) fn dense_kernel_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let pairs = c.n.class_pairs;
    text.line("{ let input = lane >> 1u; let third = warp * Y1 + (input >> 1u);");
    text.line(format!("let p = {};", pooled_channel(c, "third", "input & 1u")));
    text.lines(
        (0..pairs).map(|k| format!("d{k} = fma(p, select({}, {}, left == 1u), d{k});", logit(k), logit(pairs + k))),
    );
    text.line("var mine_ = 0.0;");
    text.lines((0..2 * pairs).map(|class| format!("mine_ = select(mine_, {}, lane == {class}u);", logit(class))));
    text.line("db += mine_; }");
    text.into_string()
}

/// The third kernel, over two images of the tile.
pub(super) fn third_kernel_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let side = c.n.needed[2];
    text.line("for (var n = 2u * third_part; n < 2u * third_part + 2u; n++) { for (var p = 0u; p < THIRD_SIDE; p++) {");
    text.line("let dy = n * Y1 + Y3 + p * THIRD_SIDE * 8u + pair;");
    text.line("let x = n * Y2 + 2u * p * Y2_ROW + third_input;");
    text.lines((0..side).map(|q| format!("let dy{q} = y1s[dy + {}u]; qb += dy{q};", 8 * q)));
    for (u, column) in (0..3).flat_map(|u| (0..2 * side + 1).map(move |column| (u, column))) {
        text.line(format!("{{ let v = y2s[x + {u}u * Y2_ROW + {}u];", 8 * column));
        kernel_terms(&mut text, "q", u, column, side);
        text.line("}");
    }
    text.line("} }");
    text.into_string()
}

/// Adds what a pair of inputs `v` in a column, row of taps `u`, gives with all `dy{q}` that it meets.
fn kernel_terms(text: &mut Text, sum: &str, u: usize, column: usize, side: usize) {
    for q in (0..side).filter(|q| column.wrapping_sub(2 * q) < 3) {
        let t = 3 * u + column - 2 * q;
        text.line(format!(
            "{sum}{t}0 = fma(vec2f(v.x), dy{q}, {sum}{t}0); {sum}{t}1 = fma(vec2f(v.y), dy{q}, {sum}{t}1);"
        ));
    }
}

/// Sums `n{0,1}{column}` of the second map's gradient: of an even row and the odd one after it. The even one gets the first
/// row of taps from row `quarter` of the third map and the last from the row before.
pub(super) fn second_map_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let [_, second, third] = c.n.needed;
    let [tap, input] = c.third_strides();
    text.lines((0..second).map(|j| format!("var n0{j} = vec2f(0.0); var n1{j} = vec2f(0.0);")));
    text.line("for (var o = 0u; o < 8u; o++) {");
    text.line("let dy = warp * Y1 + Y3 + o; let here = quarter < THIRD_SIDE; let above = quarter > 0u;");
    text.line("let here_at = dy + min(quarter, THIRD_SIDE - 1u) * THIRD_SIDE * 8u;");
    text.line("let above_at = dy + (max(quarter, 1u) - 1u) * THIRD_SIDE * 8u;");
    text.line(format!("let kernel = pair * {input}u + o;"));
    for q in 0..third {
        text.line(format!("let dh{q} = select(vec2f(0.0), y1s[here_at + {}u], here);", 8 * q));
        text.line(format!("let da{q} = select(vec2f(0.0), y1s[above_at + {}u], above);", 8 * q));
    }
    for t in 0..9 {
        let (u, v) = (t / 3, t % 3);
        text.line(format!("{{ let w0 = {}; let w1 = {};", c.third("kernel", tap * t), c.third("kernel", tap * t + 8)));
        for q in 0..third {
            let (dy, sum) = (if u == 2 { "da" } else { "dh" }, format!("n{}{}", u % 2, 2 * q + v));
            text.line(format!("{sum} = fma(vec2f({dy}{q}.x), vec2f(w0.x, w1.x), {sum});"));
            text.line(format!("{sum} = fma(vec2f({dy}{q}.y), vec2f(w0.y, w1.y), {sum});"));
        }
        text.line("}");
    }
    text.line("}");
    text.into_string()
}

/// The second map's gradient through its activation takes the map's place.
pub(super) fn store_second_map_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let [_, second, third] = c.n.needed;
    text.line("{ let to = warp * Y2 + quarter * 2u * Y2_ROW + pair;");
    text.line("let slopes = (group.x * TILE + warp) * SAVED + 256u * COLUMNS + quarter * 2u * Y2_ROW + pair;");
    for (row, rows) in [(0, third + 1), (1, third)] {
        text.line(format!("if (quarter < {rows}u) {{"));
        for first in (0..second).step_by(2) {
            let last = (first + 1).min(second - 1);
            let at = |j: usize| format!("{row}u * Y2_ROW + {}u", 8 * j);
            let (a, b) = (at(first), at(last));
            text.line(format!("{{ let dy = vec4f(n{row}{first}, n{row}{last});"));
            text.line(match c.kind.saves_slopes() {
                true => format!("let dz = dy * vec4f(saved[slopes + {a}].xy, saved[slopes + {b}].xy);"),
                false => format!("let dz = through(vec4f(y2s[to + {a}], y2s[to + {b}]), dy, network.keep);"),
            });
            text.line(format!("y2s[to + {a}] = dz.xy;"));
            if last > first {
                text.line(format!("y2s[to + {b}] = dz.zw;"));
            }
            text.line("}");
        }
        text.line("}");
    }
    text.line("}");
    text.into_string()
}

/// The second kernel over a chunk of the first map, which slides along a row.
pub(super) fn second_kernel_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let [first, second, _] = c.n.needed;
    let rows = second.div_ceil(2);
    text.line(format!("for (var p = side * {rows}u; p < min(SECOND_SIDE, side * {rows}u + {rows}u); p++) {{"));
    text.line("let x = warp * Y1 + half * Y1_PAIR + 2u * p * FIRST_SIDE; let dy = image * Y2 + p * Y2_ROW + pair;");
    text.lines((0..second).map(|q| format!("let dy{q} = y2s[dy + {}u]; pb += dy{q};", 8 * q)));
    for (column, u) in (0..first).flat_map(|column| (0..3).map(move |u| (column, u))) {
        text.line(format!("{{ let v = y1s[x + {}u];", u * first + column));
        kernel_terms(&mut text, "p", u, column, second);
        text.line("}");
    }
    text.line("}");
    text.into_string()
}

/// The gradient of a chunk of the first map takes its place: a row of taps from one row of the second map's gradient for a
/// lane, so that even rows are sums of two lanes' rows.
pub(super) fn first_map_gradient(c: &Context) -> String {
    let mut text = Text::default();
    // rows of the second map × rows of taps × pairs of channels
    match 2 * 3 * c.n.needed[1] <= 32 {
        true => first_map_at_once(c, &mut text),
        false => first_map_in_two_rounds(c, &mut text),
    }
    text.into_string()
}

/// All rows of taps at once.
fn first_map_at_once(c: &Context, text: &mut Text) {
    let units = 3 * c.n.needed[1];
    text.line(format!("{{ let unit = min(lane >> 1u, {}u); let p = unit / 3u; let u = unit % 3u;", units - 1));
    rows_of_pairs(c, text);
    text.line("let to = warp * Y1 + left * Y1_PAIR + (2u * p + u) * FIRST_SIDE;");
    through_pairs(c, text);
    text.line("// slopes have been read");
    text.line("warp_sync();");
    text.line(format!("if (lane < {}u && (u < 2u || p == SECOND_SIDE - 1u)) {{", 2 * units));
    text.lines((0..c.n.needed[0]).map(|j| format!("y1s[to + {j}u] = o{j};")));
    text.line("}\nwarp_sync();");
    text.line(format!("if (lane < {}u && u == 2u && p < SECOND_SIDE - 1u) {{", 2 * units));
    text.lines((0..c.n.needed[0]).map(|j| format!("y1s[to + {j}u] += o{j};")));
    text.line("}\nwarp_sync(); }");
}

/// First and second row of taps, a pair of channels a lane; then the last one, a channel a lane.
fn first_map_in_two_rounds(c: &Context, text: &mut Text) {
    let [first, second, _] = c.n.needed;
    text.line(format!(
        "{{ let unit = min(lane >> 1u, {}u); let u = unit / SECOND_SIDE; let p = unit % SECOND_SIDE;",
        2 * second - 1
    ));
    rows_of_pairs(c, text);
    text.line("let to = warp * Y1 + left * Y1_PAIR + (2u * p + u) * FIRST_SIDE;");
    through_pairs(c, text);
    text.line("let below = min(lane >> 2u, SECOND_SIDE - 1u); let one = lane & 1u; let two = (lane >> 1u) & 1u;");
    last_row_of_taps(c, text);
    text.line("let last_to = warp * Y1 + two * Y1_PAIR + (2u * below + 2u) * FIRST_SIDE;");
    if !c.kind.saves_slopes() {
        for j in (0..first).step_by(4) {
            let at = |i: usize| (j + i).min(first - 1);
            let y = [0, 1, 2, 3].map(|i| format!("y1s[last_to + {}u][one]", at(i))).join(", ");
            let b = [0, 1, 2, 3].map(|i| format!("b{}", at(i))).join(", ");
            text.line(format!("{{ let d = through(vec4f({y}), vec4f({b}), network.keep);"));
            text.lines((0..4).filter(|i| j + i < first).map(|i| format!("b{} = d.{};", j + i, LETTERS[i])));
            text.line("}");
        }
    }
    text.line("// slopes have been read");
    text.line("warp_sync();");
    text.line(format!("if (lane < {}u) {{", 4 * second));
    text.lines((0..first).map(|j| format!("y1s[to + {j}u] = o{j};")));
    text.line("if (below == SECOND_SIDE - 1u) {");
    text.lines((0..first).map(|j| format!("y1s[last_to + {j}u][one] = b{j};")));
    text.line("} }\nwarp_sync();");
    text.line("if (lane >> 2u < SECOND_SIDE - 1u) {");
    text.lines((0..first).map(|j| format!("y1s[last_to + {j}u][one] += b{j};")));
    text.line("}\nwarp_sync(); }");
}

/// Sums `o{column}` of the pair of channels `left`: row `p` of the second map's gradient, row `u` of taps. A round reads the
/// weights and gradients of some pairs of outputs before it uses them.
fn rows_of_pairs(c: &Context, text: &mut Text) {
    let [first, second, _] = c.n.needed;
    let [input, tap_row] = c.second_strides();
    text.lines((0..first).map(|j| format!("var o{j} = vec2f(0.0);")));
    text.line("let dy = image * Y2 + p * Y2_ROW;");
    text.line(format!("let kernel = (chunk * 2u + left) * {input}u + u * {tap_row}u;"));
    text.line(format!("for (var o = 0u; o < 8u; o += {}u) {{ let kernel_o = kernel + o;", c.round));
    for z in 0..c.round {
        for v in 0..3 {
            let [a, b] = [0, 8].map(|k| c.second("kernel_o", 16 * v + k + z));
            text.line(format!("let w{z}_{v}0 = {a}; let w{z}_{v}1 = {b};"));
        }
        text.lines((0..second).map(|q| format!("let d{z}_{q} = y2s[dy + {}u + o];", 8 * q + z)));
    }
    for (z, part) in (0..c.round).flat_map(|z| ["x", "y"].map(|part| (z, part))) {
        for v in 0..3 {
            text.line(format!("{{ let w = vec2f(w{z}_{v}0.{part}, w{z}_{v}1.{part});"));
            text.lines((0..second).map(|q| format!("o{0} = fma(vec2f(d{z}_{q}.{part}), w, o{0});", 2 * q + v)));
            text.line("}");
        }
    }
    text.line("}");
}

/// Sums `b{column}` of one channel of the chunk: row `below` of the second map's gradient, last row of taps.
fn last_row_of_taps(c: &Context, text: &mut Text) {
    let [first, second, _] = c.n.needed;
    let [input, tap_row] = c.second_strides();
    text.lines((0..first).map(|j| format!("var b{j} = 0.0;")));
    text.line("let last_dy = image * Y2 + below * Y2_ROW;");
    text.line(format!("let last_kernel = (chunk * 2u + two) * {input}u + {}u + one * 8u;", 2 * tap_row));
    text.line("for (var o = 0u; o < 8u; o++) { let kernel_o = last_kernel + o;");
    text.lines((0..3).map(|v| format!("let w{v} = {};", c.second("kernel_o", 16 * v))));
    for q in 0..second {
        text.line(format!("{{ let d = y2s[last_dy + {}u + o];", 8 * q));
        text.lines((0..3).map(|v| format!("b{0} = fma(d.y, w{v}.y, fma(d.x, w{v}.x, b{0}));", 2 * q + v)));
        text.line("}");
    }
    text.line("}");
}

/// `o{column}` through the first map's activation; where slopes are kept that waits until [`first_kernel_gradient`].
fn through_pairs(c: &Context, text: &mut Text) {
    if c.kind.saves_slopes() {
        return;
    }
    let columns = c.n.needed[0];
    for first in (0..columns).step_by(2) {
        let last = (first + 1).min(columns - 1);
        text.line(format!(
            "{{ let d = through(vec4f(y1s[to + {first}u], y1s[to + {last}u]), vec4f(o{first}, o{last}), network.keep);"
        ));
        text.line(format!("o{first} = d.xy;"));
        if last > first {
            text.line(format!("o{last} = d.zw;"));
        }
        text.line("}");
    }
}

/// The first kernel over a chunk's gradient.
pub(super) fn first_kernel_gradient(c: &Context) -> String {
    let mut text = Text::default();
    let columns = c.n.columns;
    load_pixels(c, &mut text);
    text.line("if (lane < 2u * FIRST_SIDE) {");
    if c.kind.saves_slopes() {
        text.line("let slopes = (group.x * TILE + image) * SAVED + (4u + chunk) * COLUMNS * 32u + lane;");
    }
    for j in 0..columns {
        text.line(format!("{{ var d = vec4f(y1s[mine + {j}u], y1s[mine + Y1_PAIR + {j}u]);"));
        if c.kind.saves_slopes() {
            text.line(format!("d *= saved[slopes + {}u];", 32 * j));
        }
        if j + 1 == columns {
            text.line("if (left == 1u) { d = vec4f(0.0); }");
        }
        text.line("r9 += d;");
        text.lines((0..9).map(|t| format!("r{t} = fma(vec4f({}), d, r{t});", pixel(t / 3, 2 * j + t % 3))));
        text.line("}");
    }
    text.line("}");
    text.into_string()
}

/// A batch's sums to storage, each invocation its own.
pub(super) fn store_sums(c: &Context) -> String {
    let mut text = Text::default();
    text.line("{ let second = 2u * part + side;");
    text.line("let to = sums + SECOND_SUMS + second * 1152u + (chunk * 2u + half) * 144u + pair;");
    for (t, k) in (0..9).flat_map(|t| [(t, 0), (t, 1)]) {
        text.line(format!("gradients[to + {}u] = p{t}{k};", (2 * t + k) * 8));
    }
    text.line("if (chunk == 0u && half == 0u) { gradients[sums + SECOND_BIAS_SUMS + second * 8u + pair] = pb; }");
    text.line("let third = sums + THIRD_SUMS + third_part * 1152u + third_input * 16u + pair;");
    for (t, k) in (0..9).flat_map(|t| [(t, 0), (t, 1)]) {
        text.line(format!("gradients[third + {}u] = q{t}{k};", 128 * t + 8 * k));
    }
    text.line("if (third_input == 0u) { gradients[sums + THIRD_BIAS_SUMS + third_part * 8u + pair] = qb; }");
    text.line("if (lane < 2u * FIRST_SIDE) {");
    text.line("let first_sums = sums + FIRST_SUMS + (part * 2u * FIRST_SIDE + lane) * 80u + chunk * 20u;");
    for t in 0..10 {
        let [a, b] = [2 * t, 2 * t + 1];
        text.line(format!("gradients[first_sums + {a}u] = r{t}.xy; gradients[first_sums + {b}u] = r{t}.zw;"));
    }
    text.line("}");
    text.line("let dense = sums + DENSE_SUMS + warp * 17u * CLASS_PAIRS;");
    text.line("let dense_row = dense + (lane >> 1u) * CLASS_PAIRS + left * (CLASS_PAIRS / 2u);");
    let pairs = (0..c.n.class_pairs).step_by(2);
    text.lines(pairs.map(|k| format!("gradients[dense_row + {}u] = vec2f(d{k}, d{});", k / 2, k + 1)));
    text.line(
        "if (lane < 2u * CLASS_PAIRS) { gradients[dense + 16u * CLASS_PAIRS + (lane >> 1u)][lane & 1u] = db; } }",
    );
    text.into_string()
}
