//! Numbers of every type and byte order as `f32`.

/// Names of types, and today's codes of them.
const NAMES: [(&str, &str); 5] =
    [("float16", "<f2"), ("float32", "<f4"), ("float64", "<f8"), ("int64", "<i8"), ("int32", "<i4")];

/// What an element is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    /// Truth value, signed or unsigned integer, or floating point: `b`, `i`, `u`, `f`.
    kind: u8,
    bytes: usize,
    big_endian: bool,
}

impl Element {
    /// The element of a type string such as `<f8`, or of a name that old files have, `float64`.
    pub(super) fn parse(text: &str) -> Option<Element> {
        let text = NAMES.iter().find(|(name, _)| *name == text).map_or(text, |(_, code)| code);
        let order = text.chars().next().filter(|order| "<>=|".contains(*order))?;
        let rest = &text[1..];
        let (kind, bytes) = (*rest.as_bytes().first()?, rest.get(1..)?.parse().ok()?);
        let known = match kind {
            b'b' => bytes == 1,
            b'i' | b'u' => matches!(bytes, 1 | 2 | 4 | 8),
            b'f' => matches!(bytes, 2 | 4 | 8),
            _ => false,
        };
        known.then_some(Element { kind, bytes, big_endian: order == '>' })
    }

    /// Whether it is floating point.
    pub(crate) fn is_float(self) -> bool {
        self.kind == b'f'
    }

    /// `f32`, `i64` …
    pub(super) fn name(self) -> String {
        format!("{}{}", char::from(self.kind), 8 * self.bytes)
    }

    /// Size of an element.
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }

    /// So many elements of `bytes` from one on, every so many, as f64.
    pub(in crate::table) fn wide(
        self,
        bytes: &[u8],
        first: usize,
        step: usize,
        count: usize,
    ) -> impl Iterator<Item = f64> {
        (0..count).map(move |k| {
            let mut eight = [0; 8];
            let element = &mut eight[..self.bytes];
            element.copy_from_slice(&bytes[(first + k * step) * self.bytes..][..self.bytes]);
            if self.big_endian {
                element.reverse();
            }
            let (bits, unused) = (u64::from_le_bytes(eight), 64 - 8 * self.bytes);
            match self.kind {
                b'f' => f64::from_bits(bits),
                b'i' => ((bits << unused) as i64 >> unused) as f64,
                _ => bits as f64,
            }
        })
    }

    /// Whether there are elements of this type that f32 does not hold exactly.
    pub(in crate::table) fn is_wide(self) -> bool {
        self.bytes == 8 || self.bytes == 4 && self.kind != b'f'
    }

    /// How many elements f32 does not hold exactly; NaN it holds.
    pub(crate) fn inexact(self, bytes: &[u8]) -> usize {
        let lost = |value: &f64| !value.is_nan() && f64::from(*value as f32) != *value;
        if self.is_wide() { self.wide(bytes, 0, 1, bytes.len() / self.bytes).filter(lost).count() } else { 0 }
    }

    /// Appends the elements in `bytes` as f32.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self.bytes {
            1 => values.extend(bytes.iter().map(|&byte| self.value([byte]))),
            2 => values.extend(bytes.as_chunks::<2>().0.iter().map(|&element| self.value(element))),
            4 => values.extend(bytes.as_chunks::<4>().0.iter().map(|&element| self.value(element))),
            _ => values.extend(bytes.as_chunks::<8>().0.iter().map(|&element| self.value(element))),
        }
    }

    fn value<const N: usize>(self, mut element: [u8; N]) -> f32 {
        if self.big_endian {
            element.reverse();
        }
        let mut eight = [0; 8];
        eight[..N].copy_from_slice(&element);
        let bits = u64::from_le_bytes(eight);
        match (self.kind, N) {
            (b'f', 2) => half(bits as u16),
            (b'f', 4) => f32::from_bits(bits as u32),
            (b'f', _) => f64::from_bits(bits) as f32,
            // the sign bit of the element moves to that of 64 bits and back
            (b'i', _) => ((bits << (64 - 8 * N)) as i64 >> (64 - 8 * N)) as f32,
            _ => bits as f32,
        }
    }
}

/// A number of IEEE 754's 16 bits: 5 of the exponent, 10 of the fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -size } else { size }
}
