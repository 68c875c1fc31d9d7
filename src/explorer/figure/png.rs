//! Figures as PNG.

use std::sync::{Arc, OnceLock};

use resvg::usvg::fontdb::{self, Family, Query};
use resvg::{tiny_skia, usvg};

/// Why a figure can't be had as PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    #[error(
        "this machine has no sans-serif font to write labels with; take the figure as svg, or install a font (DejaVu, Liberation)"
    )]
    NoFont,
    #[error("the figure can't be drawn as png: {0}; take it as svg")]
    Drawing(String),
}

/// Units of a figure in an inch: its points are those of print.
pub(super) const POINTS: f32 = 72.0;

/// Dots for a point of a figure that is printed in its size: 300 an inch.
const PRINTED: f32 = 300.0 / POINTS;

/// Dots for a point of the figure: 300 dots per inch when it is printed 8 inches wide.
const SCALE: f32 = 2.5;

/// A figure as PNG, on white.
///
/// # Errors
/// No font to write with.
pub fn render(svg: &str) -> Result<Vec<u8>, PngError> {
    render_scaled(svg, SCALE)
}

/// One that is printed in its size, as PNG of 300 dots an inch.
///
/// # Errors
/// No font to write with.
pub fn render_printed(svg: &str) -> Result<Vec<u8>, PngError> {
    render_scaled(svg, PRINTED)
}

/// The same, with so many dots for a point.
///
/// # Errors
/// No font to write with.
pub fn render_scaled(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let drawing = |e: &dyn std::fmt::Display| PngError::Drawing(e.to_string());
    let fonts = fonts().ok_or(PngError::NoFont)?;
    let options = usvg::Options { fontdb: fonts, dpi: POINTS, ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| drawing(&e))?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| drawing(&"its size is none"))?;
    let mut picture =
        tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| drawing(&"its size is none"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut picture.as_mut());
    picture.encode_png().map_err(|e| drawing(&e))
}

/// The machine's fonts, read once; none where none can write a label.
pub(super) fn fonts() -> Option<Arc<fontdb::Database>> {
    static FONTS: OnceLock<Option<Arc<fontdb::Database>>> = OnceLock::new();
    FONTS
        .get_or_init(|| {
            let mut fonts = fontdb::Database::new();
            fonts.load_system_fonts();
            let first = |fonts: &fontdb::Database, names: &[&'static str]| {
                let families: Vec<Family> = names.iter().copied().map(Family::Name).collect();
                let found = fonts.query(&Query { families: &families, ..Query::default() })?;
                Some(fonts.face(found)?.families.first()?.0.clone())
            };
            // What the figures ask for, in their order.
            let name = first(&fonts, &["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"])?;
            fonts.set_sans_serif_family(name);
            // Pictures of screens; any font will do where there is none of one width, since each text has its own place.
            let mono = ["DejaVu Sans Mono", "Menlo", "Consolas", "Liberation Mono", "DejaVu Sans", "Liberation Sans"];
            if let Some(name) = first(&fonts, &mono) {
                fonts.set_monospace_family(name);
            }
            Some(Arc::new(fonts))
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_where_there_is_a_font() {
        let mut paper = super::super::paper::Paper::new(40.0, 20.0);
        paper.text(2.0, 15.0, 10.0, "#000000", super::super::paper::Anchor::Start, "ξ 0.5");
        let svg = paper.done();
        match render(&svg) {
            Ok(png) => {
                let picture = image::load_from_memory(&png).unwrap().to_luma8();
                assert_eq!(picture.dimensions(), (100, 50));
                assert!(picture.pixels().any(|p| p.0[0] < 60) && picture.get_pixel(0, 0).0[0] == 255);
            }
            Err(PngError::NoFont) => println!("skipped: this machine has no font"),
            Err(e) => panic!("{e}"),
        }
    }
}
