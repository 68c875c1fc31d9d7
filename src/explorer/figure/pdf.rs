//! Figures as PDF, with the letters that they use embedded.

use krilla::Document;
use krilla::geom::Size;
use krilla::page::PageSettings;
use krilla_svg::{SurfaceExt, SvgSettings};
use resvg::usvg;

use super::png::{POINTS, PngError, fonts};

/// Why a figure can't be had as PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error(transparent)]
    NoFont(PngError),
    #[error("the figure can't be written as pdf: {0}; take it as svg")]
    Writing(String),
}

/// A figure as one page of its size, a unit of the figure being a point.
///
/// # Errors
/// No font to write with.
pub fn render(svg: &str) -> Result<Vec<u8>, PdfError> {
    let writing = |e: &dyn std::fmt::Display| PdfError::Writing(e.to_string());
    let fonts = fonts().ok_or(PdfError::NoFont(PngError::NoFont))?;
    let options = usvg::Options { fontdb: fonts, dpi: POINTS, ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| writing(&e))?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let size = Size::from_wh(width, height).ok_or_else(|| writing(&"its size is none"))?;
    let mut document = Document::new();
    let page = PageSettings::from_wh(width, height).ok_or_else(|| writing(&"its size is none"))?;
    let mut page = document.start_page_with(page);
    let mut surface = page.surface();
    surface.draw_svg(&tree, size, SvgSettings::default()).ok_or_else(|| writing(&"it can't be drawn"))?;
    surface.finish();
    page.finish();
    document.finish().map_err(|e| writing(&format!("{e:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_its_font() {
        let mut paper = super::super::paper::Paper::new(40.0, 20.0);
        paper.text(2.0, 15.0, 10.0, "#000000", super::super::paper::Anchor::Start, "ξ 0.5");
        match render(&paper.done()) {
            Ok(pdf) => {
                assert!(pdf.starts_with(b"%PDF-") && pdf.windows(9).any(|w| w == b"/FontFile" || w == b"FontFile2"));
            }
            Err(PdfError::NoFont(_)) => println!("skipped: this machine has no font"),
            Err(e) => panic!("{e}"),
        }
    }
}
