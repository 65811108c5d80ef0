//! `Arch`: the shape of a network, a list of typed layers; what everything else knows of it is its [`plan::Plan`].

pub mod arena;
pub mod backward;
pub mod choice;
pub mod forward;
pub mod init;
pub mod layer;
pub mod layout;
pub mod packing;
pub mod plan;

use crate::{Error, Result};
use layer::{Conv, Layer, Padding};
use plan::Plan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shape of a network, input and classes included; what is drawn for each run (activation, dropout …) is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Arch {
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// Channels of an input image: 1 or 3.
    pub channels: usize,
    /// The layers but the last, which is the dense one of the classes.
    pub layers: Vec<Layer>,
    /// Number of classes.
    pub classes: usize,
}

impl Arch {
    /// A checked shape.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a layer does not fit or a number is out of range.
    pub fn new(height: usize, width: usize, channels: usize, layers: Vec<Layer>, classes: usize) -> Result<Arch> {
        let arch = Arch { height, width, channels, layers, classes };
        arch.check()?;
        Ok(arch)
    }

    /// A checked shape for grey images, its layers as [`layer::parse`] takes them.
    ///
    /// # Errors
    /// Those of [`layer::parse`] and [`Arch::new`].
    pub fn grey(height: usize, width: usize, layers: &str, classes: usize) -> Result<Arch> {
        Arch::new(height, width, 1, layer::parse(layers)?, classes)
    }

    /// The reference net for images of `height` × `width`; 4,970 parameters for 10 classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the images are too small.
    pub fn reference(height: usize, width: usize, classes: usize) -> Result<Arch> {
        Arch::new(height, width, 1, layer::reference(), classes)
    }

    /// Refuses a shape that cannot be computed.
    ///
    /// # Errors
    /// As [`Arch::new`].
    pub fn check(&self) -> Result<()> {
        Plan::new(self).map(drop)
    }

    /// Its plan.
    ///
    /// # Panics
    /// If [`Arch::check`] refuses it.
    pub fn plan(&self) -> Plan {
        Plan::new(self).expect("a checked shape")
    }

    /// Number of parameters.
    ///
    /// # Panics
    /// If [`Arch::check`] refuses it.
    pub fn parameters(&self) -> usize {
        self.plan().parameters()
    }
}

/// `28×28→16s2,16s2,16s2→10`; `32×32×3→…` for colour.
impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.height, self.width)?;
        if self.channels > 1 {
            write!(f, "×{}", self.channels)?;
        }
        write!(f, "→{}→{}", layer::text(&self.layers), self.classes)
    }
}

/// A shape in JSON: stacks of 3×3 convolutions on grey images as format 1 of zoo files wrote them, others by their text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    height: usize,
    width: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    convs: Option<Vec<Stacked>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layers: Option<String>,
    classes: usize,
}

/// A convolution of format 1: 3×3.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stacked {
    channels: usize,
    stride: usize,
    padding: Border,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Border {
    Valid,
    Same,
}

impl Stacked {
    /// The word of the convolution.
    fn text(&self) -> String {
        let same = if matches!(self.padding, Border::Same) { "same" } else { "" };
        format!("{}s{}{same}", self.channels, self.stride)
    }
}

/// The convolutions, if the layers are a stack as format 1 knew it.
pub(crate) fn stack(layers: &[Layer]) -> Option<Vec<Conv>> {
    let conv = |part: &[Layer]| match part {
        [Layer::Conv(conv), Layer::Activation(None), Layer::Dropout] if conv.kernel == 3 && conv.stride <= 2 => {
            Some(*conv)
        }
        _ => None,
    };
    let (last, stack) = layers.split_last()?;
    (*last == Layer::GlobalAverage && !stack.is_empty()).then(|| stack.chunks(3).map(conv).collect()).flatten()
}

impl From<Arch> for Written {
    fn from(arch: Arch) -> Written {
        let Arch { height, width, channels, layers, classes } = arch;
        let stacked = |conv: Conv| {
            let padding = if conv.padding == Padding::Same { Border::Same } else { Border::Valid };
            Stacked { channels: conv.channels, stride: conv.stride, padding }
        };
        let convs = stack(&layers).filter(|_| channels == 1).map(|convs| convs.into_iter().map(stacked).collect());
        let text = convs.is_none().then(|| layer::text(&layers));
        Written { height, width, channels: (channels > 1).then_some(channels), convs, layers: text, classes }
    }
}

impl TryFrom<Written> for Arch {
    type Error = Error;
    fn try_from(written: Written) -> Result<Arch> {
        let Written { height, width, channels, convs, layers, classes } = written;
        let text = match (convs, layers) {
            (Some(convs), None) => convs.iter().map(Stacked::text).collect::<Vec<_>>().join(","),
            (None, Some(text)) => text,
            _ => return Err(Error::invalid("architecture", "convs or layers", "both or neither")),
        };
        Arch::new(height, width, channels.unwrap_or(1), layer::parse(&text)?, classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_net_has_its_published_size() {
        for (size, maps, forward) in [(28, [28, 13, 6, 2], 116_656), (32, [32, 15, 7, 3], 166_192)] {
            let arch = Arch::reference(size, size, 10).unwrap();
            assert_eq!(arch.parameters(), 4_970);
            assert_eq!(arch.plan().maps.iter().take(4).map(|map| map.height).collect::<Vec<_>>(), maps);
            assert_eq!(arch.plan().flops().0.forward, 2 * forward);
        }
    }

    #[test]
    fn same_padding_is_tensorflows() {
        let conv = |stride| Conv { channels: 1, kernel: 3, stride, padding: Padding::Same };
        assert_eq!((conv(2).output(28), conv(2).before(28)), (14, 0));
        assert_eq!((conv(2).output(7), conv(2).before(7)), (4, 1));
        assert_eq!((conv(1).output(7), conv(1).before(7)), (7, 1));
    }

    #[test]
    fn stacks_are_written_as_format_1_wrote_them() {
        let arch = Arch::grey(28, 28, "4s2,4s2same", 10).unwrap();
        let json = r#"{"height":28,"width":28,"convs":[{"channels":4,"stride":2,"padding":"valid"},{"channels":4,"stride":2,"padding":"same"}],"classes":10}"#;
        assert_eq!(serde_json::to_string(&arch).unwrap(), json);
        assert_eq!(serde_json::from_str::<Arch>(json).unwrap(), arch);
        for text in ["8k5,max2,act,flatten,20", "16s2", "16s3", "8s2,relu"] {
            for channels in [1, 3] {
                let arch = Arch::new(28, 28, channels, layer::parse(text).unwrap(), 10).unwrap();
                let json = serde_json::to_string(&arch).unwrap();
                assert_eq!(json.contains("convs"), text == "16s2" && channels == 1, "{json}");
                assert_eq!(serde_json::from_str::<Arch>(&json).unwrap(), arch, "{json}");
            }
        }
        assert!(serde_json::from_str::<Arch>(r#"{"height":28,"width":28,"classes":10}"#).is_err());
    }
}
