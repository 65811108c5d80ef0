//! stub
use super::Dataset;
/// stub
#[derive(Default)]
pub struct Glyphs {}
/// stub
pub fn generate(_: &Glyphs) -> Dataset {
    todo!()
}
