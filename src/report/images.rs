//! What the networks of a zoo take for their classes.

use super::figure::Figure;
use super::page::{Block, Section};
use super::palette::MUTED;
use super::svg::{Anchor, Panel, SMALL};
use super::view::View;
use crate::study::Gallery;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Width of a picture, and between images.
const WIDTH: f64 = 380.0;
const GAP: f64 = 3.0;

/// The images that the best networks of each zoo made.
pub fn section(view: &View) -> Option<Section> {
    let lead = "No image of these was ever taken. A network is asked how a drawn blot should change so that it would more surely \
                be a given class, again and again (activation maximisation); the best quarter of the training networks are \
                asked, eight of them at each step, and what they agree on stays. How far any other network agrees with \
                these on such images is what the input synthetic tells a predictor: no image of the task is needed. A column \
                for each class.";
    let panels: Vec<Panel> = view.study.galleries.iter().filter_map(panel).collect();
    if panels.is_empty() {
        return None;
    }
    let figure = Figure::new("images", "What networks take for their classes", panels);
    Some(Section::new("images", "What a zoo believes", lead).with(Block::Figure(figure)))
}

/// Whole rows of a zoo's images, a column for each class.
fn panel(gallery: &Gallery) -> Option<Panel> {
    let ([height, width, channels], columns) = (gallery.size, gallery.classes);
    let pixels = height.checked_mul(width)?.checked_mul(channels)?;
    let rows = gallery.pixels.len().checked_div(pixels)?.checked_div(columns)?;
    let cell = (WIDTH + GAP) / columns as f64;
    let [wide, high] = [cell - GAP, (cell - GAP) * height as f64 / width as f64];
    let top = 42.0;
    let title = format!("{}: {} networks", gallery.zoo, gallery.members);
    let mut panel = Panel::new(&title, WIDTH, top + rows as f64 * (high + GAP));
    panel.title(0.0, &title);
    for class in 0..columns {
        let x = class as f64 * cell;
        panel.text([x + wide / 2.0, top - 8.0], Anchor::Middle, SMALL, MUTED, &class.to_string());
        for row in 0..rows {
            let image = gallery.pixels.chunks_exact(pixels).nth(row * columns + class)?;
            let png = png(image, [width, height], channels)?;
            let y = top + row as f64 * (high + GAP);
            panel.image([x, y], [wide, high], &format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)));
        }
    }
    Some(panel)
}

/// An image of one grey channel or of three colours as a file.
fn png(pixels: &[u8], [width, height]: [usize; 2], channels: usize) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    encoder.set_color(match channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => return None,
    });
    encoder.write_header().ok()?.write_image_data(pixels).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_under_their_classes() {
        let pixels: Vec<u8> = (0..7 * 2 * 3 * 3).map(|n| n as u8).collect();
        let gallery = Gallery { zoo: "z".into(), size: [2, 3, 3], classes: 3, members: 4, pixels };
        // seven images are two whole rows of three
        let panel = panel(&gallery).unwrap();
        assert_eq!(panel.body.matches("<image ").count(), 6);
        let first = panel.body.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let file = BASE64_STANDARD.decode(first).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut read = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut read).unwrap();
        assert_eq!((info.width, info.height, read), (3, 2, (0..18).collect()));
        for broken in [Gallery { classes: 0, ..gallery.clone() }, Gallery { size: [0, 3, 3], ..gallery.clone() }] {
            assert!(super::panel(&broken).is_none());
        }
        assert!(super::panel(&Gallery { size: [3, 3, 2], ..gallery }).is_none());
    }
}
