//! From decoded pixels to what the networks see.

use super::{Dataset, Decoded, Split};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// A pixel as the networks see it: x/255·2 − 1 in `f32`, each operation rounded, so that NumPy's
/// `x.astype(numpy.float32) / 255 * 2 - 1` has the same bits.
pub fn scale(pixel: u8) -> f32 {
    f32::from(pixel) / 255.0 * 2.0 - 1.0
}

/// Prepares both parts: [`scale`], then the plain mean over the channels, `((r + g) + b) / 3` in `f32`.
pub(super) fn dataset(name: &str, train: Decoded, test: Decoded, classes: usize) -> Dataset {
    let (digest, (train, test)) = rayon::join(|| digest(&train, &test), || (split(&train), split(&test)));
    Dataset { name: name.to_owned(), train, test, classes, digest }
}

fn split(part: &Decoded) -> Split {
    let table: [f32; 256] = std::array::from_fn(|pixel| scale(pixel as u8));
    let (size, channels) = (part.height * part.width, part.channels);
    let mut images = vec![0.0; part.labels.len() * size];
    images.par_chunks_mut(size).zip(part.pixels.par_chunks(size * channels)).with_min_len(64).for_each(
        |(image, planes)| {
            for plane in planes.chunks_exact(size) {
                image.iter_mut().zip(plane).for_each(|(sum, &pixel)| *sum += table[usize::from(pixel)]);
            }
            if channels > 1 {
                image.iter_mut().for_each(|sum| *sum /= channels as f32);
            }
        },
    );
    Split { images, labels: part.labels.clone(), height: part.height, width: part.width }
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

    fn part(pixels: Vec<u8>, labels: Vec<u8>, channels: usize, height: usize, width: usize) -> Decoded {
        Decoded { pixels, labels, channels, height, width }
    }

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
    fn channels_are_averaged_plane_by_plane() {
        // two images of 1×2 with three channels: planes rr gg bb
        let decoded = part(vec![0, 255, 0, 255, 0, 255, 10, 20, 30, 40, 50, 60], vec![0, 1], 3, 1, 2);
        let prepared = split(&decoded);
        assert_eq!(prepared.image(0), [-1.0, 1.0]);
        assert_eq!(prepared.image(1)[0].to_bits(), ((scale(10) + scale(30) + scale(50)) / 3.0).to_bits());
        assert_eq!(prepared.image(1)[1].to_bits(), ((scale(20) + scale(40) + scale(60)) / 3.0).to_bits());
    }

    #[test]
    fn one_channel_is_scaled_only() {
        let prepared = split(&part((0..=255).collect(), vec![3], 1, 16, 16));
        assert!(prepared.image(0).iter().zip(0..=255).all(|(x, pixel)| x.to_bits() == scale(pixel).to_bits()));
    }

    #[test]
    fn digest_is_sha256_of_sizes_pixels_and_labels() {
        let (train, test) = (part(vec![1, 2, 3, 4], vec![5], 1, 2, 2), part(vec![6, 7, 8, 9], vec![0], 1, 2, 2));
        assert_eq!(dataset("d", train.clone(), test.clone(), 6).digest, PYTHON);
        assert_ne!(dataset("d", test, train, 6).digest, PYTHON);
    }
    /// hashlib.sha256(struct.pack('<4Q', 1,1,2,2) + bytes([1,2,3,4,5]) + struct.pack('<4Q', 1,1,2,2) + bytes([6,7,8,9,0]))
    const PYTHON: &str = "d99cd4ac7362f94c9d3697d7ad8d8b6a6d013d0a4bd8956ae5f0ba2668a18f79";
}
