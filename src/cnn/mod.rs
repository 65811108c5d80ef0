//! `Arch`: the shape of a network. A stack of 3×3 convolutions, global average pooling, one dense layer.

pub mod forward;
pub mod init;
pub mod layout;
pub mod plan;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Side of every convolution's kernel.
pub const KERNEL: usize = 3;

/// What happens at an image's border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Only positions where the whole kernel lies inside the image.
    Valid,
    /// ⌈size / stride⌉ positions; zeros outside, the odd one at the end (TensorFlow's `SAME`).
    Same,
}

/// One convolution: 3×3, with bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub channels: usize,
    /// Step between positions: 1 or 2.
    pub stride: usize,
    /// Treatment of the border.
    pub padding: Padding,
}

impl Conv {
    /// Positions along an axis of `size` pixels; 0 if the kernel does not fit.
    pub fn output(&self, size: usize) -> usize {
        match self.padding {
            Padding::Valid if size < KERNEL => 0,
            Padding::Valid => (size - KERNEL) / self.stride + 1,
            Padding::Same => size.div_ceil(self.stride),
        }
    }

    /// Zeros before the first pixel of an axis of `size` pixels.
    pub fn before(&self, size: usize) -> usize {
        match self.padding {
            Padding::Valid => 0,
            Padding::Same => ((self.output(size) - 1) * self.stride + KERNEL).saturating_sub(size) / 2,
        }
    }
}

/// `16s2` (16 channels, stride 2, valid) or `32s1same`.
impl FromStr for Conv {
    type Err = Error;
    fn from_str(text: &str) -> Result<Conv> {
        let wrong = || Error::invalid("layer", "CHANNELSsSTRIDE[same], such as 16s2 or 32s1same", text);
        let (rest, padding) = match text.strip_suffix("same") {
            Some(rest) => (rest, Padding::Same),
            None => (text, Padding::Valid),
        };
        let (channels, stride) = rest.split_once('s').unwrap_or((rest, "2"));
        let conv = Conv {
            channels: channels.parse().map_err(|_| wrong())?,
            stride: stride.parse().map_err(|_| wrong())?,
            padding,
        };
        conv.check()?;
        Ok(conv)
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = if self.padding == Padding::Same { "same" } else { "" };
        write!(f, "{}s{}{same}", self.channels, self.stride)
    }
}

impl Conv {
    fn check(&self) -> Result<()> {
        if !(1..=1024).contains(&self.channels) {
            return Err(Error::invalid("channels of a convolution", "1 to 1024", self.channels));
        }
        if !(1..=2).contains(&self.stride) {
            return Err(Error::invalid("stride of a convolution", "1 or 2", self.stride));
        }
        Ok(())
    }
}

/// The reference's stack: three convolutions of 16 channels, stride 2, `valid`.
pub fn reference_stack() -> Vec<Conv> {
    vec![Conv { channels: 16, stride: 2, padding: Padding::Valid }; 3]
}

/// The shape of a network, input and classes included; what is drawn for each run (activation, dropout …) is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arch {
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// The convolutions, first to last; the input has one channel.
    pub convs: Vec<Conv>,
    /// Outputs of the dense layer.
    pub classes: usize,
}

impl Arch {
    /// A checked shape.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no convolution, a kernel does not fit into its input, or a number is out of range.
    pub fn new(height: usize, width: usize, convs: Vec<Conv>, classes: usize) -> Result<Arch> {
        let arch = Arch { height, width, convs, classes };
        arch.check()?;
        Ok(arch)
    }

    /// The reference net for images of `height` × `width`; 4,970 parameters for 10 classes.
    pub fn reference(height: usize, width: usize, classes: usize) -> Result<Arch> {
        Arch::new(height, width, reference_stack(), classes)
    }

    /// Refuses a shape that cannot be computed; see [`Arch::new`].
    pub fn check(&self) -> Result<()> {
        if self.convs.is_empty() || self.convs.len() > 64 {
            return Err(Error::invalid("architecture", "1 to 64 convolutions", self.convs.len()));
        }
        if !(1..=256).contains(&self.classes) {
            return Err(Error::invalid("classes", "1 to 256", self.classes));
        }
        let (mut height, mut width) = (self.height, self.width);
        if height == 0 || width == 0 || height > 4096 || width > 4096 {
            return Err(Error::invalid("image size", "1×1 to 4096×4096", format!("{height}×{width}")));
        }
        for (number, conv) in self.convs.iter().enumerate() {
            conv.check()?;
            let (p, q) = (conv.output(height), conv.output(width));
            if p == 0 || q == 0 {
                let got = format!("an input of {height}×{width} at convolution {}", number + 1);
                return Err(Error::invalid("architecture", "inputs of at least 3×3 where padding is valid", got));
            }
            (height, width) = (p, q);
        }
        Ok(())
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        layout::tensors(self).last().map_or(0, |tensor| tensor.end_idx)
    }

    /// Height and width of the input and of every convolution's output.
    pub fn maps(&self) -> Vec<(usize, usize)> {
        let mut maps = vec![(self.height, self.width)];
        for conv in &self.convs {
            let (height, width) = maps[maps.len() - 1];
            maps.push((conv.output(height), conv.output(width)));
        }
        maps
    }

    /// Multiplications and additions of one image's forward pass without activations: 2 for each weight at each position.
    pub fn forward_flops(&self) -> u64 {
        let mut inputs = 1;
        let mut flops = 0;
        for (conv, (p, q)) in self.convs.iter().zip(self.maps().into_iter().skip(1)) {
            flops += 2 * (p * q * KERNEL * KERNEL * inputs * conv.channels) as u64;
            inputs = conv.channels;
        }
        flops + 2 * (inputs * self.classes) as u64
    }

    /// Multiplications and additions of one image's training step: forward, gradient of the weights, and gradient of the
    /// input of every layer but the first.
    pub fn training_flops(&self) -> u64 {
        let first = Arch { convs: self.convs[..1].to_vec(), ..self.clone() };
        let dense = 2 * (self.convs[0].channels * self.classes) as u64;
        3 * self.forward_flops() - (first.forward_flops() - dense)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let convs: Vec<String> = self.convs.iter().map(Conv::to_string).collect();
        write!(f, "{}×{}→{}→{}", self.height, self.width, convs.join(","), self.classes)
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
            assert_eq!(arch.maps().iter().map(|map| map.0).collect::<Vec<_>>(), maps);
            assert_eq!(arch.forward_flops(), 2 * forward);
        }
        assert_eq!(Arch::reference(28, 28, 10).unwrap().training_flops(), 651_264);
    }

    #[test]
    fn same_padding_is_tensorflows() {
        let conv = |stride| Conv { channels: 1, stride, padding: Padding::Same };
        assert_eq!((conv(2).output(28), conv(2).before(28)), (14, 0));
        assert_eq!((conv(2).output(7), conv(2).before(7)), (4, 1));
        assert_eq!((conv(1).output(7), conv(1).before(7)), (7, 1));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        for (size, stack) in [(28, "16s2,16s2,16s2,16s2"), (2, "16s2"), (0, "16s2same")] {
            let convs = stack.split(',').map(|conv| conv.parse().unwrap()).collect();
            assert!(Arch::new(size, size, convs, 10).is_err(), "{size} {stack}");
        }
        assert!("16s3".parse::<Conv>().is_err() && "0s1".parse::<Conv>().is_err() && "x".parse::<Conv>().is_err());
        assert_eq!("32s1same".parse::<Conv>().unwrap().to_string(), "32s1same");
    }
}
