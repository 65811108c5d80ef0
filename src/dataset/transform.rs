//! From decoded pixels to what the networks see.

use super::{Dataset, Decoded, Examples, Images};
use crate::{Error, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Prepares both parts.
///
/// # Errors
/// [`Error::Invalid`] for colour of grey images, and where the preparation is not known for the data set.
pub(super) fn dataset(name: &str, train: Decoded, test: Decoded, classes: usize, images: Images) -> Result<Dataset> {
    if images.colour && (train.channels != 3 || test.channels != 3) {
        let got = format!("{name}, whose images have {}", train.channels.min(test.channels));
        return Err(Error::invalid("images=colour", "a data set of three channels", got));
    }
    let table = images.table(name)?;
    let prepare = |part: &Decoded| if images.colour { colour(part, &table) } else { grey(part, &table) };
    let (digest, (train, test)) = crate::par::join(|| digest(&train, &test), || (prepare(&train), prepare(&test)));
    let notes = untrained(&train.labels, &test.labels, classes).into_iter().collect();
    Ok(Dataset { name: name.to_owned(), train, test, classes, digest, notes })
}

/// Which classes only test images have, in words.
fn untrained(train: &[u8], test: &[u8], classes: usize) -> Option<String> {
    let has = |labels: &[u8]| {
        let mut has = vec![false; classes];
        labels.iter().for_each(|&label| has[usize::from(label)] = true);
        has
    };
    let both = has(train).into_iter().zip(has(test)).enumerate();
    let alone: Vec<String> =
        both.filter(|(_, (train, test))| *test && !train).map(|(class, _)| class.to_string()).collect();
    (!alone.is_empty()).then(|| format!("no training image of class {}", alone.join(", ")))
}

/// The plain mean over the channels, `((r + g) + b) / 3` in `f32`.
fn grey(part: &Decoded, table: &[f32; 256]) -> Examples {
    let (size, channels) = (part.height * part.width, part.channels);
    let images = each(part, 1, |planes, image| {
        for plane in planes.chunks_exact(size) {
            image.iter_mut().zip(plane).for_each(|(sum, &pixel)| *sum += table[usize::from(pixel)]);
        }
        if channels > 1 {
            image.iter_mut().for_each(|sum| *sum /= channels as f32);
        }
    });
    split(part, images, 1)
}

/// Channels side by side: H·W·C.
fn colour(part: &Decoded, table: &[f32; 256]) -> Examples {
    let (size, channels) = (part.height * part.width, part.channels);
    let images = each(part, channels, |planes, image| {
        for (channel, plane) in planes.chunks_exact(size).enumerate() {
            let places = image[channel..].iter_mut().step_by(channels);
            places.zip(plane).for_each(|(value, &pixel)| *value = table[usize::from(pixel)]);
        }
    });
    split(part, images, channels)
}

/// What `fill` makes of each image's planes, `channels` values a pixel.
fn each(part: &Decoded, channels: usize, fill: impl Fn(&[u8], &mut [f32]) + Sync) -> Vec<f32> {
    let size = part.height * part.width;
    let mut images = vec![0.0; part.labels.len() * size * channels];
    let planes = part.pixels.par_chunks(size * part.channels);
    images.par_chunks_mut(size * channels).zip(planes).with_min_len(64).for_each(|(image, planes)| fill(planes, image));
    images
}

fn split(part: &Decoded, images: Vec<f32>, channels: usize) -> Examples {
    Examples { images, labels: part.labels.clone(), height: part.height, width: part.width, channels }
}

/// [`Dataset::digest`].
fn digest(train: &Decoded, test: &Decoded) -> String {
    let mut hash = Sha256::new();
    for part in [train, test] {
        for size in [part.labels.len(), part.channels, part.height, part.width] {
            hash.update((size as u64).to_le_bytes());
        }
        hash.update(&part.pixels);
        hash.update(&part.labels);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::scale;

    fn symmetric() -> [f32; 256] {
        Images::default().table("").unwrap()
    }

    fn part(pixels: Vec<u8>, labels: Vec<u8>, channels: usize, height: usize, width: usize) -> Decoded {
        Decoded { pixels, labels, channels, height, width }
    }

    #[test]
    fn channels_are_averaged_plane_by_plane() {
        // two images of 1×2 with three channels: planes rr gg bb
        let decoded = part(vec![0, 255, 0, 255, 0, 255, 10, 20, 30, 40, 50, 60], vec![0, 1], 3, 1, 2);
        let prepared = grey(&decoded, &symmetric());
        assert_eq!(prepared.image(0), [-1.0, 1.0]);
        assert_eq!(prepared.image(1)[0].to_bits(), ((scale(10) + scale(30) + scale(50)) / 3.0).to_bits());
        assert_eq!(prepared.image(1)[1].to_bits(), ((scale(20) + scale(40) + scale(60)) / 3.0).to_bits());
        let coloured = colour(&decoded, &symmetric());
        assert_eq!(coloured.image(1), [10, 30, 50, 20, 40, 60].map(scale));
    }

    #[test]
    fn one_channel_is_scaled_only() {
        let prepared = grey(&part((0..=255).collect(), vec![3], 1, 16, 16), &symmetric());
        assert!(prepared.image(0).iter().zip(0..=255).all(|(x, pixel)| x.to_bits() == scale(pixel).to_bits()));
    }

    #[test]
    fn digest_is_sha256_of_sizes_pixels_and_labels() {
        let (train, test) = (part(vec![1, 2, 3, 4], vec![5], 1, 2, 2), part(vec![6, 7, 8, 9], vec![0], 1, 2, 2));
        let of = |train, test| dataset("d", train, test, 6, Images::default()).unwrap().digest;
        assert_eq!(of(train.clone(), test.clone()), PYTHON);
        assert_ne!(of(test.clone(), train.clone()), PYTHON);
        let colour = Images { colour: true, ..Images::default() };
        assert!(dataset("d", train, test, 6, colour).unwrap_err().to_string().contains("three channels"));
    }
    /// hashlib.sha256(struct.pack('<4Q', 1,1,2,2) + bytes([1,2,3,4,5]) + struct.pack('<4Q', 1,1,2,2) + bytes([6,7,8,9,0]))
    const PYTHON: &str = "d99cd4ac7362f94c9d3697d7ad8d8b6a6d013d0a4bd8956ae5f0ba2668a18f79";
}
