//! The unrolled loops of the forward pass.
//!
//! Lanes of a warp, `pair` bits 0, 2, 3 of the lane, `half` bit 1, `side` bit 4, `quarter` both of these:
//!
//! | phase | a lane computes |
//! |---|---|
//! | first convolution, a chunk of 4 channels | half a row (`left`) of the map: 6 or 8 positions × 4 channels |
//! | second convolution | one `side` (pair of the chunk's inputs), one `half` of the positions × a `pair` of outputs |
//! | third convolution | positions `quarter`, `quarter` + 4 … × a `pair` of outputs |
//! | logits | a class |
//!
//! What depends on `pair` is the same for the lane with bit 1 flipped, everything else for the one with bit 0 flipped:
//! a read of workgroup memory whose address two such lanes share costs half.

use super::Slot;
use super::text::{Context, Text};

const LETTERS: [char; 4] = ['x', 'y', 'z', 'w'];

/// Pixels that a lane's half row of the first map needs: three rows of `2·columns + 1` pixels as quads `x{row}{quad}`, kept in
/// registers for all chunks.
pub(super) fn pixels(c: &Context) -> String {
    let mut text = Text::default();
    text.lines((0..3).flat_map(|i| (0..quads(c)).map(move |k| format!("var x{i}{k}: vec4f;"))));
    load_pixels(c, &mut text);
    text.into_string()
}

/// Reads the pixels of image `source`.
pub(super) fn load_pixels(c: &Context, text: &mut Text) {
    text.line("{ let pixel = source * (SIDE * SIDE / 4u) + 2u * row * (SIDE / 4u) + COLUMNS / 2u * left;");
    for i in 0..3 {
        text.lines((0..quads(c)).map(|k| format!("x{i}{k} = pixels[pixel + {}u];", c.n.side / 4 * i + k)));
    }
    text.line("}");
}

fn quads(c: &Context) -> usize {
    (2 * c.n.columns + 1).div_ceil(4)
}

/// Pixel of column `column` in row `i` of a lane's.
pub(super) fn pixel(i: usize, column: usize) -> String {
    format!("x{i}{}.{}", column / 4, LETTERS[column % 4])
}

/// Chunk `chunk` of the first map into `y1s`: in the forward pass (`forward`) with dropout, and kept where the kind keeps
/// maps; in the backward pass read back, or computed again from the pixels of `source`.
pub(super) fn first_convolution(c: &Context, forward: bool) -> String {
    let mut text = Text::default();
    let columns = c.n.columns;
    text.line("{");
    if forward || !c.kind.saves_map() {
        if !forward {
            load_pixels(c, &mut text);
        }
        text.line("let kernel = chunk_ * 10u; let bias = first_kernel[kernel + 9u];".replace("chunk_", chunk(forward)));
        text.lines((0..columns).map(|j| format!("var a{j} = bias;")));
        for t in 0..9 {
            text.line(format!("let k{t} = first_kernel[kernel + {t}u];"));
            text.lines(
                (0..columns).map(|j| format!("a{j} = fma(vec4f({}), k{t}, a{j});", pixel(t / 3, 2 * j + t % 3))),
            );
        }
        first_epilogue(c, forward, &mut text);
    } else {
        text.line("let kept = ((group.x * TILE + image) * SAVED) + chunk * COLUMNS * 32u + lane;");
        text.lines((0..columns).map(|j| format!("let a{j} = saved[kept + {}u];", 32 * j)));
    }
    text.line("if (lane < 2u * FIRST_SIDE) {");
    for j in 0..columns {
        // the second half of a row is one shorter
        let store = format!("y1s[mine + {j}u] = a{j}.xy; y1s[mine + Y1_PAIR + {j}u] = a{j}.zw;");
        text.line(if j + 1 == columns { format!("if (left == 0u) {{ {store} }}") } else { store });
    }
    text.line("} }");
    text.into_string()
}

fn chunk(forward: bool) -> &'static str {
    if forward { "forward_chunk" } else { "chunk" }
}

/// Activation and dropout of `a{j}`, and what is kept of them.
fn first_epilogue(c: &Context, forward: bool, text: &mut Text) {
    let columns = c.n.columns;
    let keeps = forward && c.training && c.kind.saves_map();
    let slopes = keeps && c.kind.saves_slopes();
    let drops = forward && c.dropout();
    if drops {
        // the positions of a lane lie in two neighbouring groups of eight
        text.line(format!("let position = row * {}u + COLUMNS * left;", c.n.full[0]));
        text.line("let word = warp * Y2 + forward_chunk * 2u * FIRST_GROUPS + (position >> 3u) * 2u;");
        text.line("let low = bitcast<vec4u>(vec4f(y2s[word], y2s[word + 1u])) & vec4u(0xffu);");
        text.line("let high = bitcast<vec4u>(vec4f(y2s[word + 2u], y2s[word + 3u])) & vec4u(0xffu);");
        text.line("let mask = (low | (high << vec4u(8u))) >> vec4u(position & 7u);");
    }
    if keeps {
        text.line("let kept = ((group.x * TILE + warp) * SAVED) + forward_chunk * COLUMNS * 32u + lane;");
    }
    for j in 0..columns {
        let kept = format!("(mask & vec4u({}u)) != vec4u(0u)", 1 << j);
        if slopes {
            text.line(format!(
                "let f{j} = activate(ACTIVATION, a{j}); var g{j} = slope(ACTIVATION, f{j}, a{j}) * share;"
            ));
            text.line(format!("a{j} = f{j};"));
            if drops {
                text.line(format!("g{j} = select(vec4f(0.0), g{j}, {kept});"));
            }
            text.line(format!("saved[kept + {}u] = g{j};", 4 * columns * 32 + 32 * j));
        } else {
            text.line(format!("a{j} = activate(ACTIVATION, a{j});"));
        }
        if drops {
            text.line(format!("a{j} = select(vec4f(0.0), a{j} * share, {kept});"));
        }
        if keeps {
            text.line(format!("saved[kept + {}u] = a{j};", 32 * j));
        }
    }
}

/// The second convolution over the four chunks of the first map, each made just before: sums `z{n}` of one pair of inputs of
/// each chunk at a lane's positions ([`Numbers::slots`](super::Numbers::slots)), a pair of outputs each.
pub(super) fn second_convolution(c: &Context) -> String {
    let mut text = Text::default();
    text.line("let second_bias = select(vec2f(0.0), state[weights + SECOND_BIAS + pair], side == 0u);");
    text.lines((0..c.n.slots().len()).map(|n| format!("var z{n} = second_bias;")));
    text.line("for (var forward_chunk = 0u; forward_chunk < 4u; forward_chunk++) {");
    text.line(first_convolution(c, true));
    text.line("// the second convolution reads what other lanes made of this chunk\nwarp_sync();");
    second_chunk(c, &mut text);
    text.line("// before the next chunk takes its place\nwarp_sync();\n}");
    text.into_string()
}

fn second_chunk(c: &Context, text: &mut Text) {
    let (slots, [first_side, second_side, _]) = (c.n.slots(), c.n.needed);
    let [input, tap_row] = c.second_strides();
    let (rows, columns) = (second_side / 2, second_side.div_ceil(2));
    text.line(format!("{{ let kernel = (forward_chunk * 2u + side) * {input}u + pair;"));
    text.line(format!("let outer = warp * Y1 + side * Y1_PAIR + half * {}u;", 2 * (rows + 1) * first_side));
    text.line(format!(
        "let middle = warp * Y1 + side * Y1_PAIR + {}u + half * {}u;",
        2 * rows * first_side,
        2 * columns
    ));
    for t in 0..9 {
        for k in 0..2 {
            let at = c.second("kernel", t / 3 * tap_row + (2 * (t % 3) + k) * 8);
            text.line(format!("let w{t}{k} = {at};"));
        }
    }
    for (middle, base, height, width) in
        [(false, "outer", 2 * rows + 1, first_side), (true, "middle", 3, 2 * columns + 1)]
    {
        for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
            text.line(format!("{{ let v = y1s[{base} + {}u];", i * first_side + j));
            for k in 0..2 {
                let here = slots.iter().enumerate().filter(|(_, slot)| slot.middle == middle);
                for (n, slot) in here {
                    let (u, v) = (i.wrapping_sub(2 * slot.row), j.wrapping_sub(2 * slot.column));
                    if u < 3 && v < 3 {
                        text.line(format!("z{n} = fma(vec2f(v.{}), w{}{k}, z{n});", LETTERS[k], 3 * u + v));
                    }
                }
            }
            text.line("}");
        }
    }
    text.line("}");
}

/// Adds the sums of both sides, through `y1s`, and stores the second map.
pub(super) fn second_map(c: &Context) -> String {
    let mut text = Text::default();
    let slots = c.n.slots();
    text.line("if (side == 1u) {");
    text.lines((0..slots.len()).map(|n| format!("y1s[warp * Y1 + {}u + (lane & 15u)] = z{n};", 16 * n)));
    text.line("}\nwarp_sync();");
    if c.dropout() {
        for (n, slot) in slots.iter().enumerate() {
            let (row, column) = place(c, slot);
            text.line(format!("var mask{n}: vec2u; {{ let position = ({row}) * {}u + {column};", c.n.full[1]));
            text.line(format!(
                "mask{n} = bitcast<vec2u>(y2s[warp * Y2 + 8u * FIRST_GROUPS + (position >> 3u) * 8u + pair]) >> vec2u(position & 7u); }}"
            ));
        }
        for r in 0..c.n.rounds() {
            text.line(format!(
                "var mask3_{r}: vec2u; {{ let position = min(quarter + {}u, {}u);",
                4 * r,
                last_position(c)
            ));
            text.line(format!(
                "mask3_{r} = bitcast<vec2u>(y2s[warp * Y2 + 8u * (FIRST_GROUPS + SECOND_GROUPS) + (position >> 3u) * 8u + pair]) >> vec2u(position & 7u); }}"
            ));
        }
    }
    text.line("if (side == 0u) {");
    text.lines((0..slots.len()).map(|n| format!("z{n} += y1s[warp * Y1 + {}u + lane];", 16 * n)));
    text.line("}");
    if c.dropout() || !c.training {
        // the map takes the place of what other lanes have just read
        text.line("warp_sync();");
    }
    text.line("if (side == 0u) {");
    for pair in (0..slots.len()).step_by(2) {
        store_second(c, &slots, pair, &mut text);
    }
    text.line("}\nwarp_sync();");
    text.into_string()
}

/// Row and column of a slot, as texts.
fn place(c: &Context, slot: &Slot) -> (String, String) {
    let side = c.n.needed[1];
    if slot.middle {
        (format!("{}u", side / 2), format!("{}u + half * {}u", slot.column, side.div_ceil(2)))
    } else {
        (format!("{}u + half * {}u", slot.row, side / 2 + 1), format!("{}u", slot.column))
    }
}

/// Activates two slots together, because activations take quads, and stores them.
fn store_second(c: &Context, slots: &[Slot], first: usize, text: &mut Text) {
    let second = (first + 1).min(slots.len() - 1);
    text.line(format!("{{ let z = vec4f(z{first}, z{second}); let f = activate(ACTIVATION, z);"));
    let slopes = c.training && c.kind.saves_slopes();
    if slopes {
        text.line("let g = slope(ACTIVATION, f, z) * share;");
    }
    for (n, part) in [(first, "xy"), (second, "zw")].into_iter().take(1 + second - first) {
        let (row, column) = place(c, &slots[n]);
        let kept = format!("(mask{n} & vec2u(1u)) != vec2u(0u)");
        let masked = |value: String| if c.dropout() { format!("select(vec2f(0.0), {value}, {kept})") } else { value };
        let y = masked(if c.dropout() { format!("f.{part} * share") } else { format!("f.{part}") });
        let to = format!("({row}) * Y2_ROW + ({column}) * 8u + pair");
        let mut store = format!("{}[warp * {} + {to}] = {y};", c.y2(), if c.training { "Y2" } else { "Y1" });
        if slopes {
            let g = masked(format!("g.{part}"));
            store +=
                &format!(" saved[(group.x * TILE + warp) * SAVED + 256u * COLUMNS + {to}] = vec4f({g}, 0.0, 0.0);");
        }
        // the middle row's second half is one shorter
        let last = n + 1 == slots.len();
        text.line(if last { format!("if (half == 0u) {{ {store} }}") } else { store });
    }
    text.line("}");
}

/// Number of the last position of the third map.
fn last_position(c: &Context) -> usize {
    c.n.needed[2] * c.n.needed[2] - 1
}

/// The third map, `y3_{r}` in registers and in `y1s`; `slope3_{r}` beside it in training.
pub(super) fn third_convolution(c: &Context) -> String {
    let mut text = Text::default();
    let (rounds, [tap, input]) = (c.n.rounds(), c.third_strides());
    for r in 0..rounds {
        text.line(format!("let position{r} = min(quarter + {}u, {}u);", 4 * r, last_position(c)));
        text.line(format!("var z3_{r} = state[weights + THIRD_BIAS + pair];"));
    }
    let base = if c.training { "warp * Y2" } else { "warp * Y1" };
    text.line("for (var u = 0u; u < 3u; u++) { for (var v = 0u; v < 3u; v++) {");
    for r in 0..rounds {
        text.line(format!("let from{r} = {base} + (2u * (position{r} / THIRD_SIDE) + u) * Y2_ROW"));
        text.line(format!("    + (2u * (position{r} % THIRD_SIDE) + v) * 8u;"));
    }
    text.line(format!("let kernel = (3u * u + v) * {tap}u + pair;"));
    for k in 0..8 {
        text.line(format!(
            "{{ let w0 = {}; let w1 = {};",
            c.third("kernel", input * k),
            c.third("kernel", input * k + 8)
        ));
        for r in 0..rounds {
            text.line(format!("let v{r} = {}[from{r} + {k}u];", c.y2()));
            text.line(format!("z3_{r} = fma(vec2f(v{r}.x), w0, z3_{r}); z3_{r} = fma(vec2f(v{r}.y), w1, z3_{r});"));
        }
        text.line("}");
    }
    text.line("} }");
    (0..rounds).for_each(|r| third_epilogue(c, r, &mut text));
    text.into_string()
}

fn third_epilogue(c: &Context, r: usize, text: &mut Text) {
    text.line(format!("let f3_{r} = activate(ACTIVATION, vec4f(z3_{r}, z3_{r})).xy;"));
    let kept = format!("(mask3_{r} & vec2u(1u)) != vec2u(0u)");
    if c.training {
        let f = format!("vec4f(f3_{r}, f3_{r})");
        text.line(format!("var slope3_{r} = slope(ACTIVATION, {f}, vec4f(z3_{r}, z3_{r})).xy;"));
    }
    if c.dropout() {
        text.line(format!("let y3_{r} = select(vec2f(0.0), f3_{r} * share, {kept});"));
        text.line(format!("slope3_{r} = select(vec2f(0.0), slope3_{r} * share, {kept});"));
    } else {
        text.line(format!("let y3_{r} = f3_{r};"));
    }
    let here = format!("if (quarter + {}u <= {}u)", 4 * r, last_position(c));
    text.line(format!("{here} {{ y1s[warp * Y1 + Y3_AT + position{r} * 8u + pair] = y3_{r}; }}"));
}

/// Mean of a pair of channels over the third map.
fn pooled(c: &Context, base: &str, offset: usize, part: &str) -> String {
    let positions = last_position(c) + 1;
    let terms: Vec<String> = (0..positions).map(|m| format!("y1s[{base} + {}u]{part}", 8 * m + offset)).collect();
    format!("({}) * {:?}", terms.join(" + "), 1.0 / positions as f64)
}

/// Mean of one channel.
pub(super) fn pooled_channel(c: &Context, base: &str, channel: &str) -> String {
    pooled(c, base, 0, &format!("[{channel}]"))
}

/// The logits, a class a lane.
pub(super) fn logits(c: &Context) -> String {
    let mut text = Text::default();
    text.line("{ let class_ = min(lane, 2u * CLASS_PAIRS - 1u); let two = class_ >> 1u; let one = class_ & 1u;");
    text.line("let third = warp * Y1 + Y3_AT; var z = state[weights + DENSE_BIAS + two][one];");
    for i in 0..8 {
        let row = |input: usize| format!("state[weights + DENSE + {input}u * CLASS_PAIRS + two][one]");
        text.line(format!("{{ let p = {};", pooled(c, "third", i, "")));
        text.line(format!("z = fma(p.x, {}, z); z = fma(p.y, {}, z); }}", row(2 * i), row(2 * i + 1)));
    }
    text.line("if (lane < 2u * CLASS_PAIRS) { y1s[warp * Y1 + LOGITS_AT + two][one] = z; } }");
    text.into_string()
}

/// Quads of classes.
pub(super) fn class_quads(c: &Context) -> usize {
    c.n.class_pairs / 2
}

/// Every lane has e^(logit − largest) as `e{b}`, their sum `total`, the label's logit `labelled`; in evaluation also whether
/// that is the first of the largest ones.
pub(super) fn softmax(c: &Context) -> String {
    let mut text = Text::default();
    let quads = class_quads(c);
    text.line("let logits = warp * Y1 + LOGITS_AT;");
    for b in 0..quads {
        let classes = format!("vec4u({}u, {}u, {}u, {}u)", 4 * b, 4 * b + 1, 4 * b + 2, 4 * b + 3);
        text.line(format!("let classes{b} = {classes};"));
        text.line(format!(
            "let logits{b} = select(vec4f(-3.4028235e38), vec4f(y1s[logits + {}u], y1s[logits + {}u]), classes{b} < vec4u(CLASSES));",
            2 * b,
            2 * b + 1
        ));
    }
    // max may drop NaN: the sum does not
    let most = (1..quads).fold("logits0".to_owned(), |most, b| format!("max({most}, logits{b})"));
    text.line(format!("let most = {most}; let largest = max(max(most.x, most.y), max(most.z, most.w));"));
    for b in 0..quads {
        text.line(format!(
            "let e{b} = select(vec4f(0.0), exponential(logits{b} - vec4f(largest)), classes{b} < vec4u(CLASSES));"
        ));
    }
    let sums: Vec<String> = (0..quads).map(|b| format!("(e{b}.x + e{b}.y + e{b}.z + e{b}.w)")).collect();
    text.line(format!("let total = {};", sums.join(" + ")));
    text.line("let labelled = y1s[logits + (label >> 1u)][label & 1u];");
    if !c.training {
        let before = |b| format!("!any((logits{b} >= vec4f(largest)) & (classes{b} < vec4u(label)))");
        let before: Vec<String> = (0..quads).map(before).collect();
        text.line(format!("let first_of_largest = labelled >= largest && {};", before.join(" && ")));
    }
    text.into_string()
}
