//! Colours: names in the pictures, values by scheme in the page.
//!
//! Categories are those of Okabe and Ito (*Color Universal Design*, 2008), lighter on a dark page; ordered values go through
//! viridis (Smith and van der Walt), whose ends are cut where they would sink into the page. Both are readable for the
//! colour-blind, and neither says anything that a label, a place or a dash does not say too.

use std::fmt::Write;

/// A colour on a light and on a dark page.
struct Named(&'static str, u32, u32);

/// Text, lines and categories.
const NAMED: [Named; 17] = [
    Named("page", 0xf6f7f9, 0x0f1216),
    Named("card", 0xffffff, 0x171b21),
    Named("text", 0x1a1f26, 0xe7ebf0),
    Named("muted", 0x59626e, 0x9ba6b3),
    Named("grid", 0xe4e8ed, 0x2a313b),
    Named("axis", 0x9aa3ae, 0x5c6773),
    Named("link", 0x0b62a8, 0x7cc0f5),
    Named("below", 0xf1d9cf, 0x4b2a20),
    Named("on-below", 0x6d2a10, 0xf7c9b5),
    Named("c0", 0x0072b2, 0x4fb0ea),
    Named("c1", 0xd55e00, 0xf28b3c),
    Named("c2", 0x009e73, 0x2fc79b),
    Named("c3", 0xb8589a, 0xe39cc8),
    Named("c4", 0xc98500, 0xf0c14f),
    Named("c5", 0x4aa3dc, 0x9a8cf0),
    Named("c6", 0x7a4f2a, 0xc79a72),
    Named("c7", 0x6b7480, 0xa7b0bb),
];

/// What is written and drawn with.
pub const TEXT: &str = "var(--text)";
pub const MUTED: &str = "var(--muted)";
pub const GRID: &str = "var(--grid)";
pub const AXIS: &str = "var(--axis)";
pub const CARD: &str = "var(--card)";

/// Where nothing was learnt: measured, not predicted; by chance.
pub const PLAIN: &str = "var(--c7)";

/// Colours of categories, in the order of their use; the last is [`PLAIN`].
const SERIES: [&str; 7] = ["var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"];

/// The colour of a category by its number.
pub fn series(number: usize) -> &'static str {
    SERIES[number % SERIES.len()]
}

/// Steps of the ramp for ordered values.
pub const STEPS: usize = 24;

/// Viridis at 0, 0.1 … 1.
const VIRIDIS: [u32; 11] =
    [0x440154, 0x482475, 0x414487, 0x355f8d, 0x2a788e, 0x21918c, 0x22a884, 0x44bf70, 0x7ad151, 0xbddf26, 0xfde725];

/// The parts of viridis that stand out from a light and from a dark page.
const VISIBLE: [(f64, f64); 2] = [(0.0, 0.95), (0.16, 1.0)];

/// The step of a value between 0 and 1.
pub fn step(share: f64) -> usize {
    ((share.clamp(0.0, 1.0) * STEPS as f64) as usize).min(STEPS - 1)
}

/// The fill of a cell that holds a value between 0 and 1 and the colour of the text on it; below 0 and without a value they
/// are others.
pub fn cell(value: f64) -> (String, String) {
    match value {
        v if v.is_nan() => (GRID.into(), MUTED.into()),
        v if v < 0.0 => ("var(--below)".into(), "var(--on-below)".into()),
        v => (ramp(step(v)), format!("var(--on{})", step(v))),
    }
}

/// The colour of a step of the ramp.
pub fn ramp(step: usize) -> String {
    format!("var(--r{step})")
}

fn channels(colour: u32) -> [f64; 3] {
    [16, 8, 0].map(|shift| f64::from(colour >> shift & 255))
}

fn viridis(share: f64) -> u32 {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let low = (place as usize).min(VIRIDIS.len() - 2);
    let (from, to) = (channels(VIRIDIS[low]), channels(VIRIDIS[low + 1]));
    let mix = |k: usize| (from[k] + (to[k] - from[k]) * (place - low as f64)).round() as u32;
    mix(0) << 16 | mix(1) << 8 | mix(2)
}

/// Black or white, whichever is easier to read on a colour (relative luminance of WCAG 2).
fn readable(on: u32) -> u32 {
    let linear = channels(on).map(|c| {
        let c = c / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    if luminance > 0.2 { 0x10141a } else { 0xffffff }
}

/// The value of a colour's name on a light (0) or a dark (1) page.
fn value(name: &str, scheme: usize) -> Option<u32> {
    if let Some(Named(_, light, dark)) = NAMED.iter().find(|named| named.0 == name) {
        return Some([*light, *dark][scheme]);
    }
    let of_step = |number: &str| {
        let (low, high) = VISIBLE[scheme];
        let step: usize = number.parse().ok().filter(|&step| step < STEPS)?;
        Some(viridis(low + (high - low) * step as f64 / (STEPS - 1) as f64))
    };
    match name.strip_prefix("on") {
        Some(number) => of_step(number).map(readable),
        None => of_step(name.strip_prefix('r')?),
    }
}

/// All colours of a light (0) or a dark (1) page as CSS variables.
pub fn variables(scheme: usize) -> String {
    let names = NAMED.iter().map(|named| named.0.to_owned());
    let steps = (0..STEPS).flat_map(|step| [format!("r{step}"), format!("on{step}")]);
    names.chain(steps).fold(String::new(), |mut text, name| {
        let _ = write!(text, "--{name}:#{:06x};", value(&name, scheme).unwrap_or(0));
        text
    })
}

/// A picture with the colours of a light page in place of their names, for programs that know no CSS variables.
pub fn explicit(svg: &str) -> String {
    let mut parts = svg.split("var(--");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let found = part.split_once(')').and_then(|(name, rest)| Some((value(name, 0)?, rest)));
        match found {
            Some((colour, rest)) => {
                let _ = write!(text, "#{colour:06x}{rest}");
            }
            None => text = text + "var(--" + part,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_that_is_used_has_a_value() {
        for scheme in [0, 1] {
            for name in (0..STEPS).flat_map(|step| [cell(step as f64 / STEPS as f64).0, ramp(step)]) {
                let name = name.trim_start_matches("var(--").trim_end_matches(')').to_owned();
                assert!(value(&name, scheme).is_some(), "{name}");
            }
        }
        let used = [TEXT, MUTED, GRID, AXIS, CARD, PLAIN].into_iter().chain(SERIES).collect::<String>();
        assert!(!explicit(&used).contains("var"), "{}", explicit(&used));
        assert_eq!(explicit("a var(--c0) var(--none) b"), "a #0072b2 var(--none) b");
        assert!(variables(1).contains("--c0:#4fb0ea;"));
    }

    #[test]
    fn the_ramp_ends_where_viridis_does() {
        assert_eq!((viridis(0.0), viridis(0.5), viridis(1.0)), (0x440154, 0x21918c, 0xfde725));
        assert_eq!((step(-1.0), step(1.0), step(f64::NAN)), (0, STEPS - 1, 0));
        assert_eq!((readable(0x440154), readable(0xfde725)), (0xffffff, 0x10141a));
    }
}
