//! `Images`: how pixels become what the networks see.

use crate::{Error, Result};
use std::str::FromStr;

/// How the images of a data set are prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Whether they keep their channels; else they are grey, the mean of the channels.
    pub colour: bool,
    /// How pixels become numbers.
    pub preparation: Preparation,
}

/// How a pixel becomes a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preparation {
    /// `x/127.5 − 1`, in [−1, 1]: [`scale`].
    #[default]
    Symmetric,
    /// `(x/255 − mean) / std` of each channel, with the figures that are published for the data set.
    Standard,
}

impl Preparation {
    /// Its name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Preparation::Symmetric => "symmetric",
            Preparation::Standard => "standard",
        }
    }

    /// Mean and standard deviation: of a data set's pixels in [0, 1] it makes `(x − mean) / std`; `None` where no figures are
    /// published for the set.
    pub fn figures(self, dataset: &str) -> Option<[f64; 2]> {
        match self {
            Preparation::Symmetric => Some([0.5; 2]),
            Preparation::Standard => PUBLISHED.iter().find(|known| known.0 == dataset).map(|known| known.1),
        }
    }
}

impl FromStr for Preparation {
    type Err = Error;
    fn from_str(name: &str) -> Result<Preparation> {
        let all = [Preparation::Symmetric, Preparation::Standard];
        let found = all.into_iter().find(|preparation| preparation.name() == name);
        found.ok_or_else(|| Error::unknown("preparation", name, all.map(Preparation::name)))
    }
}

/// Data set, mean and standard deviation of its pixels in [0, 1], the same for each channel: those that PyTorch's examples and
/// the Model Zoos (Schürholt et al. 2022) use.
const PUBLISHED: [(&str, [f64; 2]); 4] =
    [("mnist", [0.1307, 0.3081]), ("fashion-mnist", [0.2860, 0.3530]), ("cifar10", [0.5, 0.5]), ("svhn", [0.5, 0.5])];

/// A pixel as the networks see it: x/255·2 − 1 in `f32`, each operation rounded, so that NumPy's
/// `x.astype(numpy.float32) / 255 * 2 - 1` has the same bits.
pub fn scale(pixel: u8) -> f32 {
    f32::from(pixel) / 255.0 * 2.0 - 1.0
}

impl Images {
    /// What each of the 256 pixels becomes in images of a data set.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no figures are published for it.
    pub(super) fn table(self, dataset: &str) -> Result<[f32; 256]> {
        let convert: &dyn Fn(u8) -> f32 = match self.preparation {
            Preparation::Symmetric => &scale,
            Preparation::Standard => {
                let [mean, std] = Preparation::Standard.figures(dataset).ok_or_else(|| {
                    let names: Vec<&str> = PUBLISHED.iter().map(|known| known.0).collect();
                    let expected =
                        format!("symmetric, or one of {} whose mean and deviation are known", names.join(", "));
                    Error::invalid("preparation", expected, format!("standard for {dataset}"))
                })?;
                let [mean, std] = [mean, std].map(|figure| figure as f32);
                &move |pixel| (f32::from(pixel) / 255.0 - mean) / std
            }
        };
        Ok(std::array::from_fn(|pixel| convert(pixel as u8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_has_numpys_bits() {
        // numpy.arange(256, dtype=numpy.uint8).astype(numpy.float32) / 255 * 2 - 1, .view(numpy.uint32)
        for (pixel, bits) in [(0, 0xbf80_0000u32), (1, NUMPY[0]), (100, NUMPY[1]), (128, NUMPY[2]), (255, 0x3f80_0000)]
        {
            assert_eq!(scale(pixel).to_bits(), bits, "{pixel}");
        }
    }
    const NUMPY: [u32; 3] = [0xbf7d_fdfe, 0xbe5c_dcdc, 0x3b80_8100];

    #[test]
    fn standard_images_have_mean_0_and_deviation_1_by_the_published_figures() {
        let standard = Images { preparation: Preparation::Standard, ..Images::default() };
        let table = standard.table("mnist").unwrap();
        assert_eq!(Preparation::Standard.figures("fashion-mnist"), Some([0.286, 0.353]));
        assert_eq!(Preparation::Standard.figures("glyphs"), None);
        assert!((table[0] + 0.424_213).abs() < 1e-5 && (table[255] - 2.821_487).abs() < 1e-5);
        assert!(standard.table("glyphs").unwrap_err().to_string().contains("fashion-mnist"));
    }
}
