//! `Layer`: what networks are made of, and the words that a list of layers is written in.
//!
//! | word | layer |
//! |---|---|
//! | `16s2`, `32s1same` | convolution of 16 (32) channels, kernel 3×3, stride 2 (1), without or with padding |
//! | `8k5`, `8k5s2same` | convolution of 8 channels, kernel 5×5, stride 1 unless said |
//! | `max2`, `max3s2` | max-pooling of 2×2 (3×3) windows, stride as large unless said |
//! | `avg2`, `avg3s1` | average pooling, likewise |
//! | `gap` | global average pooling |
//! | `flatten` | the map as a vector |
//! | `20` behind `gap` or `flatten` | dense layer of 20 units (also `dense20`); elsewhere `16` is `16s2` |
//! | `relu`, `tanh`, `sigmoid`, `gelu`, `leaky_relu`, `silu` | activation |
//! | `act` | the network's own activation, a hyperparameter |
//! | `drop` | dropout, the share a hyperparameter |
//! | `[…]` | residual block: what goes in is added to what comes out |
//!
//! Words are separated by commas: `8k5,max2,relu,6k5,max2,relu,4k2,relu,flatten,20,relu`. The dense layer that gives the
//! classes is not written. A list without any word for an activation has `act,drop` behind each convolution and each dense
//! layer; one without `gap` and `flatten` has `gap` at its end. So `16s2,16s2,16s2` is the reference net.

use super::choice::Choice;
use crate::kernels::activation::Activation;
use crate::{Error, Result};
use serde_json::Value;
use std::fmt::{self, Write};

/// What happens at a map's border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Only positions where the whole kernel lies inside the map.
    Valid,
    /// ⌈size / stride⌉ positions; zeros outside, the odd one at the end (TensorFlow's `SAME`).
    Same,
}

/// A convolution with bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Output channels.
    pub channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between positions.
    pub stride: usize,
    /// Treatment of the border.
    pub padding: Padding,
}

impl Conv {
    /// Positions along an axis of `size` pixels; 0 if the kernel does not fit.
    pub fn output(&self, size: usize) -> usize {
        match self.padding {
            Padding::Valid if size < self.kernel => 0,
            Padding::Valid => (size - self.kernel) / self.stride + 1,
            Padding::Same => size.div_ceil(self.stride),
        }
    }

    /// Zeros before the first pixel of an axis of `size` pixels.
    pub fn before(&self, size: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => ((self.output(size) - 1) * self.stride + self.kernel).saturating_sub(size) / 2,
        }
    }
}

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest value.
    Max,
    /// The mean.
    Average,
}

/// Pooling over square windows that lie inside the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What is taken.
    pub pooling: Pooling,
    /// Side of a window.
    pub size: usize,
    /// Step between windows.
    pub stride: usize,
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A convolution.
    Conv(Conv),
    /// Pooling over windows.
    Pool(Pool),
    /// The mean over the whole map.
    GlobalAverage,
    /// The map as a vector, in the order row, column, channel.
    Flatten,
    /// A dense layer of so many units, with bias.
    Dense(usize),
    /// An activation; `None` is the network's own.
    Activation(Option<Activation>),
    /// Dropout, the network's share.
    Dropout,
    /// What goes in is added to what these layers make of it.
    Residual(Vec<Layer>),
}

/// The reference's layers: three convolutions of 16 channels, stride 2, without padding.
pub fn reference() -> Vec<Layer> {
    let conv = Layer::Conv(Conv { channels: 16, kernel: 3, stride: 2, padding: Padding::Valid });
    complete(vec![conv.clone(), conv.clone(), conv])
}

/// The layers of a text.
///
/// # Errors
/// [`Error::Invalid`] naming the word that is none and its number, or the bracket without a partner.
pub fn parse(text: &str) -> Result<Vec<Layer>> {
    let mut parser = Parser { text, words: words(text), next: 0, number: 0, flat: false, depth: 0 };
    let layers = parser.layers()?;
    Ok(complete(layers))
}

/// The layers of a text, or of a JSON list of words and objects such as `{"conv": 8, "kernel": 5}`.
///
/// # Errors
/// As [`parse`], and where an object is none of these.
pub fn from_json(value: &Value) -> Result<Vec<Layer>> {
    match value {
        Value::String(text) => parse(text),
        Value::Array(list) => parse(&list.iter().map(word).collect::<Result<Vec<_>>>()?.join(",")),
        other => Err(Error::invalid("layers", "a text or a list", other)),
    }
}

/// The list as it is written, where activations, dropout and the last pooling may be understood.
pub fn written(layers: &[Layer]) -> Vec<Layer> {
    let short = bare(layers);
    if complete(short.clone()) == layers { short } else { layers.to_vec() }
}

/// The text of a list of layers, the shortest that [`parse`] takes for it.
pub fn text(layers: &[Layer]) -> String {
    let layers = &written(layers);
    let mut text = String::new();
    write_list(&mut text, layers).map_or_else(|_| String::new(), |()| text)
}

/// What a list leaves to be understood.
fn complete(layers: Vec<Layer>) -> Vec<Layer> {
    let mut all = if has_activation(&layers) { layers } else { activated(layers) };
    if !is_flattened(&all) {
        all.push(Layer::GlobalAverage);
    }
    all
}

fn is_flattened(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| matches!(layer, Layer::GlobalAverage | Layer::Flatten))
}

/// Whether any word for an activation is in a list.
pub fn has_activation(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| match layer {
        Layer::Activation(_) => true,
        Layer::Residual(inner) => has_activation(inner),
        _ => false,
    })
}

/// The list with activation and dropout behind each layer with weights.
fn activated(layers: Vec<Layer>) -> Vec<Layer> {
    let mut all = Vec::new();
    for layer in layers {
        match layer {
            Layer::Residual(inner) => all.push(Layer::Residual(activated(inner))),
            layer => {
                let weighted = matches!(layer, Layer::Conv(_) | Layer::Dense(_));
                all.push(layer);
                if weighted {
                    all.extend([Layer::Activation(None), Layer::Dropout]);
                }
            }
        }
    }
    all
}

/// The list without what [`complete`] may add.
fn bare(layers: &[Layer]) -> Vec<Layer> {
    let mut all: Vec<Layer> = Vec::new();
    for layer in layers {
        match layer {
            Layer::Activation(None) | Layer::Dropout => {}
            Layer::Residual(inner) => all.push(Layer::Residual(bare(inner))),
            layer => all.push(layer.clone()),
        }
    }
    if let Some((Layer::GlobalAverage, rest)) = all.split_last()
        && !is_flattened(rest)
    {
        all.pop();
    }
    all
}

/// Residual blocks in one another at most.
const MAX_DEPTH: usize = 16;

/// A text for a message, no longer than anybody reads.
fn cut(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.into(),
    }
}

/// The words between commas, brackets apart.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for part in text.split(',') {
        let mut part = part.trim();
        while let Some(rest) = part.strip_prefix('[') {
            words.push("[");
            part = rest.trim_start();
        }
        let word = part.trim_end_matches([']', ' ']);
        words.push(word);
        words.extend(part[word.len()..].chars().filter(|&c| c == ']').map(|_| "]"));
    }
    words
}

struct Parser<'t> {
    text: &'t str,
    words: Vec<&'t str>,
    next: usize,
    /// The layer's in hand, from 1; a block counts, and what is in it.
    number: usize,
    /// Whether a number is a dense layer.
    flat: bool,
    depth: usize,
}

impl Parser<'_> {
    /// The layers up to the end or to the bracket that closes this list.
    fn layers(&mut self) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        while let Some(&word) = self.words.get(self.next) {
            self.next += 1;
            self.number += usize::from(word != "]");
            match word {
                "[" if self.depth == MAX_DEPTH => {
                    let expected = format!("blocks at most {MAX_DEPTH} deep");
                    return Err(Error::invalid("layers", expected, cut(self.text)));
                }
                "[" => {
                    self.depth += 1;
                    layers.push(Layer::Residual(self.layers()?));
                }
                "]" if self.depth > 0 => {
                    self.depth -= 1;
                    return Ok(layers);
                }
                "]" => return Err(self.unbalanced()),
                word => layers.push(self.layer(word)?),
            }
        }
        if self.depth > 0 { Err(self.unbalanced()) } else { Ok(layers) }
    }

    fn unbalanced(&self) -> Error {
        Error::invalid("layers", "a ] for each [", cut(self.text))
    }

    fn layer(&mut self, word: &str) -> Result<Layer> {
        let layer = match word {
            "act" => Layer::Activation(None),
            "drop" | "dropout" => Layer::Dropout,
            "gap" => Layer::GlobalAverage,
            "flatten" => Layer::Flatten,
            word => match Activation::ALL.iter().find(|activation| activation.name() == word) {
                Some(&activation) => Layer::Activation(Some(activation)),
                None => sized(word, self.flat).ok_or_else(|| self.wrong(word))?,
            },
        };
        self.flat |= matches!(layer, Layer::GlobalAverage | Layer::Flatten);
        Ok(layer)
    }

    fn wrong(&self, word: &str) -> Error {
        let expected = "CHANNELS[kKERNEL][sSTRIDE][same], maxSIZE, avgSIZE, gap, flatten, a number of units, act, relu, drop … \
                        or [LAYERS], such as 16s2, 8k5 or max2";
        Error::invalid(format!("layer {}", self.number), expected, word)
    }
}

/// A layer whose word has numbers in it.
fn sized(word: &str, flat: bool) -> Option<Layer> {
    for (start, pooling) in [("max", Pooling::Max), ("avg", Pooling::Average)] {
        if let Some(rest) = word.strip_prefix(start) {
            let (size, stride) = rest.split_once('s').unwrap_or((rest, rest));
            return Some(Layer::Pool(Pool { pooling, size: number(size)?, stride: number(stride)? }));
        }
    }
    let units = word.strip_prefix("dense").or(flat.then_some(word));
    if let Some(units) = units.and_then(number) {
        return Some(Layer::Dense(units));
    }
    let (rest, padding) = match word.strip_suffix("same") {
        Some(rest) => (rest, Padding::Same),
        None => (word, Padding::Valid),
    };
    let (rest, stride) = match rest.split_once('s') {
        Some((rest, stride)) => (rest, Some(number(stride)?)),
        None => (rest, None),
    };
    let (channels, kernel, usual) = match rest.split_once('k') {
        Some((channels, kernel)) => (channels, number(kernel)?, 1),
        None => (rest, 3, 2),
    };
    Some(Layer::Conv(Conv { channels: number(channels)?, kernel, stride: stride.unwrap_or(usual), padding }))
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The word of an entry of a JSON list.
fn word(entry: &Value) -> Result<String> {
    let refused = || {
        let expected = "a word or an object such as {\"conv\": 8, \"kernel\": 5, \"stride\": 1, \"padding\": \"same\"}, \
                        {\"max\": 2}, {\"average\": 2}, {\"dense\": 20}, {\"residual\": [LAYERS]}";
        Error::invalid("layer", expected, entry)
    };
    let object = match entry {
        Value::String(word) => return Ok(word.clone()),
        other => other.as_object().ok_or_else(refused)?,
    };
    let number = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(refused),
    };
    let known = |kind: &str, others: &[&str]| {
        object.contains_key(kind) && object.keys().all(|key| key == kind || others.contains(&key.as_str()))
    };
    let stride = number("stride")?.map_or(String::new(), |stride| format!("s{stride}"));
    if known("conv", &["kernel", "stride", "padding"]) {
        let same = match object.get("padding").map(Value::as_str) {
            None | Some(Some("valid")) => "",
            Some(Some("same")) => "same",
            _ => return Err(refused()),
        };
        let kernel = number("kernel")?.unwrap_or(3);
        return Ok(format!("{}k{kernel}{stride}{same}", number("conv")?.ok_or_else(refused)?));
    }
    for (kind, start) in [("max", "max"), ("average", "avg")] {
        if known(kind, &["stride"]) {
            return Ok(format!("{start}{}{stride}", number(kind)?.ok_or_else(refused)?));
        }
    }
    if known("dense", &[]) {
        return Ok(format!("dense{}", number("dense")?.ok_or_else(refused)?));
    }
    match object.get("residual").and_then(Value::as_array).filter(|_| known("residual", &[])) {
        Some(inner) => Ok(format!("[{}]", inner.iter().map(word).collect::<Result<Vec<_>>>()?.join(","))),
        None => Err(refused()),
    }
}

fn write_list(text: &mut String, layers: &[Layer]) -> fmt::Result {
    for (number, layer) in layers.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        match layer {
            Layer::Residual(inner) => {
                text.push('[');
                write_list(text, inner)?;
                text.push(']');
            }
            layer => write!(text, "{layer}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Conv(Conv { channels, kernel, stride, padding }) => {
                let same = if *padding == Padding::Same { "same" } else { "" };
                match (kernel, stride) {
                    (3, stride) => write!(f, "{channels}s{stride}{same}"),
                    (kernel, 1) => write!(f, "{channels}k{kernel}{same}"),
                    (kernel, stride) => write!(f, "{channels}k{kernel}s{stride}{same}"),
                }
            }
            Layer::Pool(Pool { pooling, size, stride }) => {
                let name = if *pooling == Pooling::Max { "max" } else { "avg" };
                if size == stride { write!(f, "{name}{size}") } else { write!(f, "{name}{size}s{stride}") }
            }
            Layer::GlobalAverage => f.write_str("gap"),
            Layer::Flatten => f.write_str("flatten"),
            Layer::Dense(units) => write!(f, "{units}"),
            Layer::Activation(None) => f.write_str("act"),
            Layer::Activation(Some(activation)) => f.write_str(activation.name()),
            Layer::Dropout => f.write_str("drop"),
            Layer::Residual(inner) => {
                let mut text = String::new();
                write_list(&mut text, inner)?;
                write!(f, "[{text}]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_come_back() {
        for text_of in [
            "16s2,16s2,16s2",
            "32s1same,8s2",
            "8k5,max2,relu,6k5,max2,relu,4k2,relu,flatten,20,relu",
            "8k5s2same,avg3s1,act,drop,gap",
            "16s1same,act,[16s1same,act,16s1same],act,gap",
            "[16s1,[8k1same]]",
            "flatten,10,10",
            "8s2,flatten",
            "8s2,flatten,10,gap",
            "4k1,silu,max3s2,leaky_relu,gap",
        ] {
            let layers = parse(text_of).unwrap();
            assert_eq!(parse(&text(&layers)).unwrap(), layers, "{text_of}");
            let unchanged = text_of.strip_suffix(",gap").unwrap_or(text_of);
            assert!([text_of, unchanged].contains(&&*text(&layers)), "{text_of} became {}", text(&layers));
        }
    }

    #[test]
    fn todays_words_mean_what_they_meant() {
        let conv = |channels, stride, padding| Layer::Conv(Conv { channels, kernel: 3, stride, padding });
        let behind = [Layer::Activation(None), Layer::Dropout];
        let want: Vec<Layer> = [
            vec![conv(16, 2, Padding::Valid)],
            behind.to_vec(),
            vec![conv(32, 1, Padding::Same)],
            behind.to_vec(),
            vec![Layer::GlobalAverage],
        ]
        .concat();
        assert_eq!(parse("16, 32s1same").unwrap(), want);
        assert_eq!(parse("16s2,16s2,16s2").unwrap(), reference());
    }

    #[test]
    fn numbers_behind_flatten_are_dense() {
        let layers = parse("flatten,20,relu,10").unwrap();
        assert_eq!(layers[1..], [Layer::Dense(20), Layer::Activation(Some(Activation::Relu)), Layer::Dense(10)]);
        assert!(matches!(parse("20,relu").unwrap()[0], Layer::Conv(Conv { channels: 20, stride: 2, .. })));
    }

    #[test]
    fn json_lists_are_texts() {
        let list = json!([{ "conv": 8, "kernel": 5 }, { "max": 2 }, "relu", { "residual": [{ "conv": 8, "stride": 1,
            "padding": "same" }] }, "flatten", { "dense": 20 }]);
        assert_eq!(from_json(&list).unwrap(), parse("8k5,max2,relu,[8k3same],flatten,20").unwrap());
        for wrong in [json!([{ "conv": 8, "size": 5 }]), json!([{ "conv": "x" }]), json!([3]), json!(3), json!([{}])] {
            assert!(from_json(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_layer_is_refused() {
        let deep = "[".repeat(100_000) + "8k3same" + &"]".repeat(100_000);
        for text in [&deep, &deep[..100_000]] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("16 deep") && message.len() < 300, "{message}");
        }
        for wrong in ["x", "", "16s", "8k", "max", "16s2,", "[16s2", "16s2]", "-1s2", "16 s2", "+3", "maxx2", "k5"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse("8k5,[act,8k5same],x").unwrap_err().to_string().contains("layer 5: "));
    }
}
