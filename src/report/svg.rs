//! Pictures as SVG, a few bytes a mark: shapes whose colours are names of [`super::palette`], so that a picture in the page
//! follows its scheme.

use super::palette::TEXT;
use std::fmt::{Display, Write};

/// Size of text at ticks, in axis titles and in panel titles.
pub const SMALL: f64 = 11.0;
pub const NORMAL: f64 = 12.0;
pub const TITLE: f64 = 13.5;

/// Where a text's given place lies in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// One picture of a fixed size; the page scales it.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub width: f64,
    pub height: f64,
    /// What it shows, for those who cannot see it.
    pub label: String,
    pub body: String,
}

/// A number with one decimal, or none where that is 0.
struct Short(f64);

impl Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let (sign, tenths) = (if tenths < 0 { "-" } else { "" }, tenths.abs());
        match tenths % 10 {
            0 => write!(f, "{sign}{}", tenths / 10),
            rest => write!(f, "{sign}{}.{rest}", tenths / 10),
        }
    }
}

impl Panel {
    /// An empty picture.
    pub fn new(label: impl Into<String>, width: f64, height: f64) -> Panel {
        Panel { width, height, label: label.into(), body: String::new() }
    }

    // a string takes everything
    fn put(&mut self, text: std::fmt::Arguments) {
        let _ = self.body.write_fmt(text);
    }

    /// A rectangle.
    pub fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], fill: &str) {
        let (x, y, width, height) = (Short(x), Short(y), Short(width.max(0.0)), Short(height.max(0.0)));
        self.put(format_args!(r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>"#));
    }

    /// A straight line.
    pub fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], stroke: &str, width: f64) {
        let (x1, y1, x2, y2) = (Short(x1), Short(y1), Short(x2), Short(y2));
        self.put(format_args!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}" stroke-width="{width}"/>"#
        ));
    }

    /// An image, of an address that needs no escaping; its pixels stay squares.
    pub fn image(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], address: &str) {
        let (x, y, width, height) = (Short(x), Short(y), Short(width), Short(height));
        let style = "image-rendering:pixelated";
        self.put(format_args!(
            r#"<image x="{x}" y="{y}" width="{width}" height="{height}" style="{style}" href="{address}"/>"#
        ));
    }

    /// A line through points, dashed as `dash` says; empty for a whole one.
    pub fn path(&mut self, points: &[[f64; 2]], stroke: &str, width: f64, dash: &str) {
        if points.len() < 2 {
            return;
        }
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        let points = corners(points);
        self.put(format_args!(
            r#"<path d="{points}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dash}/>"#
        ));
    }

    /// A filled outline.
    pub fn area(&mut self, points: &[[f64; 2]], fill: &str, opacity: f64) {
        if points.len() > 2 {
            let points = corners(points);
            self.put(format_args!(r#"<path d="{points}z" fill="{fill}" fill-opacity="{opacity}"/>"#));
        }
    }

    /// Discs that darken where they overlap.
    pub fn dots(&mut self, points: impl IntoIterator<Item = [f64; 2]>, radius: f64, fill: &str, opacity: f64) {
        self.put(format_args!(r#"<g fill="{fill}" fill-opacity="{opacity}">"#));
        for [x, y] in points.into_iter().filter(finite) {
            self.put(format_args!(r#"<circle cx="{}" cy="{}" r="{radius}"/>"#, Short(x), Short(y)));
        }
        self.body.push_str("</g>");
    }

    /// The same, each with a text that appears where a mouse rests on it.
    pub fn named_dots<'t>(
        &mut self,
        points: impl IntoIterator<Item = ([f64; 2], &'t str)>,
        radius: f64,
        fill: &str,
        opacity: f64,
    ) {
        self.put(format_args!(r#"<g fill="{fill}" fill-opacity="{opacity}">"#));
        for ([x, y], name) in points.into_iter().filter(|(point, _)| finite(point)) {
            let (x, y, name) = (Short(x), Short(y), escape(name));
            self.put(format_args!(r#"<circle cx="{x}" cy="{y}" r="{radius}"><title>{name}</title></circle>"#));
        }
        self.body.push_str("</g>");
    }

    /// Opaque discs of one colour, as the round ends of lines without length: twelve bytes each.
    pub fn specks(&mut self, points: impl IntoIterator<Item = [f64; 2]>, width: f64, stroke: &str) {
        let mut points = points.into_iter().filter(finite).peekable();
        if points.peek().is_none() {
            return;
        }
        self.put(format_args!(r#"<path stroke="{stroke}" stroke-width="{width}" stroke-linecap="round" d=""#));
        for [x, y] in points {
            self.put(format_args!("M{} {}h.01", Short(x), Short(y)));
        }
        self.body.push_str(r#""/>"#);
    }

    /// A ring, or a disc of the page's colour with a rim.
    pub fn ring(&mut self, [x, y]: [f64; 2], radius: f64, stroke: &str) {
        let (x, y, card) = (Short(x), Short(y), super::palette::CARD);
        self.put(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="{card}" stroke="{stroke}" stroke-width="1.8"/>"#
        ));
    }

    /// A disc, or a ring, that tells what it is where a pointer rests on it.
    #[cfg(feature = "bench")]
    pub fn titled(&mut self, [x, y]: [f64; 2], radius: f64, colour: &str, ring: bool, title: &str) {
        let (x, y, title) = (Short(x), Short(y), escape(title));
        let fill = if ring { super::palette::CARD } else { colour };
        self.put(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{colour}" stroke-width="1.6" fill-opacity="0.8"><title>{title}</title></circle>"#
        ));
    }

    /// Text on one line.
    pub fn text(&mut self, place: [f64; 2], anchor: Anchor, size: f64, fill: &str, text: &str) {
        self.put_text(place, anchor, size, fill, "", text);
    }

    /// The panel's title, on its upper left; one that is too long for a line has two.
    pub fn title(&mut self, x: f64, text: &str) {
        // bold letters are wider
        let room = (self.width - x) * 0.94;
        let mut draw = |y: f64, line: &str| {
            let line = shorten(line, room, TITLE);
            self.put_text([x, y], Anchor::Start, TITLE, TEXT, r#" font-weight="600""#, &line);
        };
        match broken(text, room, TITLE) {
            (line, "") => draw(17.0, line),
            (first, second) => {
                draw(12.0, first);
                draw(28.0, second);
            }
        }
    }

    /// Text turned by degrees round its place.
    pub fn turned(&mut self, [x, y]: [f64; 2], anchor: Anchor, degrees: f64, fill: &str, text: &str) {
        let turn = format!(r#" transform="rotate({degrees} {} {})""#, Short(x), Short(y));
        self.put_text([x, y], anchor, NORMAL, fill, &turn, text);
    }

    fn put_text(&mut self, [x, y]: [f64; 2], anchor: Anchor, size: f64, fill: &str, more: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, text) = (Short(x), Short(y), escape(text));
        self.put(format_args!(r#"<text x="{x}" y="{y}" font-size="{size}" fill="{fill}"{anchor}{more}>{text}</text>"#));
    }
}

fn finite(point: &[f64; 2]) -> bool {
    point.iter().all(|x| x.is_finite())
}

fn corners(points: &[[f64; 2]]) -> String {
    let mut text = String::new();
    for [x, y] in points.iter().filter(|point| finite(point)) {
        let _ = write!(text, "{}{} {}", if text.is_empty() { 'M' } else { 'L' }, Short(*x), Short(*y));
    }
    text
}

/// Text for HTML and XML; what XML forbids is left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Width of a letter as a share of its size, in a wide sans-serif face (DejaVu Sans); most others are narrower.
fn letter(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '·' => 0.32,
        'f' | 'r' | 't' | ' ' | '-' | '(' | ')' | '[' | ']' => 0.4,
        'm' | 'w' | 'M' | 'W' | '…' | '→' | '←' => 0.95,
        c if c.is_lowercase() || c.is_ascii_digit() || c == '_' => 0.61,
        c if c.is_ascii() => 0.72,
        // Chinese and the like are square
        c if u32::from(c) > 0x2e80 => 1.0,
        _ => 0.7,
    }
}

/// About how wide a text is.
pub fn width_of(text: &str, size: f64) -> f64 {
    text.chars().map(letter).sum::<f64>() * size
}

/// A text in two lines where it is wider than given: the first ends behind the last blank, sign or comma that fits.
fn broken(text: &str, width: f64, size: f64) -> (&str, &str) {
    if width_of(text, size) <= width {
        return (text, "");
    }
    let ends = text.char_indices().filter(|(_, c)| " +,·-_".contains(*c)).map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| width_of(text[..end].trim_end(), size) <= width).last().unwrap_or(0);
    match end {
        0 => (text, ""),
        end => (text[..end].trim_end(), text[end..].trim_start()),
    }
}

/// A text that is no wider than given, its middle left out where it has to be: both ends of a column's or a zoo's name tell it
/// from others.
pub fn shorten(text: &str, width: f64, size: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let (mut head, mut tail) = (1, letters.len());
    let mut room = width / size - letter('…') - letters.iter().take(1).copied().map(letter).sum::<f64>();
    // a letter of the end, one of the beginning, in turn
    for turn in 0.. {
        let next = if turn % 2 == 0 { tail.checked_sub(1) } else { Some(head) };
        let Some(&c) = next.filter(|_| head < tail).and_then(|place| letters.get(place)) else { break };
        room -= letter(c);
        match turn % 2 {
            _ if room < 0.0 => break,
            0 => tail -= 1,
            _ => head += 1,
        }
    }
    letters[..head.min(tail)].iter().chain(&['…']).chain(&letters[tail..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_short() {
        let text = |x: f64| Short(x).to_string();
        assert_eq!(
            (text(1.04), text(-0.26), text(-0.01), text(12.0)),
            ("1".into(), "-0.3".into(), "0".into(), "12".into())
        );
        assert_eq!(shorten("conv1.bias.min", 1e3, 10.0), "conv1.bias.min");
        let short = shorten("probes.last.weights.std", 90.0, 10.0);
        assert!(short.starts_with("probes") && short.ends_with("s.std") && short.contains('…'), "{short}");
        assert!(width_of(&short, 10.0) <= 90.0 && width_of(&short, 10.0) > 75.0, "{short}");
        let title = "proof-fashion · wstats+probes+consensus+synthetic";
        assert_eq!(broken(title, 180.0, 10.0), ("proof-fashion · wstats+probes+", "consensus+synthetic"));
        assert_eq!(broken("ab", 100.0, 10.0), ("ab", ""));
        assert_eq!(broken("abcdefghijklmnop", 30.0, 10.0), ("abcdefghijklmnop", ""));
        assert_eq!((shorten("ab", 1.0, 10.0), shorten("", 1.0, 10.0)), ("a…".into(), String::new()));
        assert_eq!(escape("<a & \"b\">\u{1}\n"), "&lt;a &amp; &quot;b&quot;&gt; ");
    }

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        let mut panel = Panel::new("", 10.0, 10.0);
        panel.specks([[f64::NAN, 1.0]], 1.0, "red");
        panel.path(&[[f64::NAN, 1.0]], "red", 1.0, "");
        panel.dots([[1.0, f64::INFINITY]], 1.0, "red", 1.0);
        assert_eq!(panel.body, r#"<g fill="red" fill-opacity="1"></g>"#);
    }
}
