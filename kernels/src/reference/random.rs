//! Dropout decisions by their definition.

use crate::random::{DropoutKey, philox};

/// Whether unit (position, channel, image) of a layer with `channels` channels (a multiple of 16) is kept.
pub fn dropout(key: DropoutKey, channels: usize, position: usize, channel: usize, image: u32) -> bool {
    let counter = [(position / 8 * channels + channel) as u32, image, key.counter[0], key.counter[1]];
    let word = philox(counter, key.key)[position % 8 / 2];
    let bits = if position.is_multiple_of(2) { word & 0xffff } else { word >> 16 };
    bits >= key.threshold
}
