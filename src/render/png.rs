//! A picture in dots, for where SVG is not shown. The font is in the program: the same picture has the same bytes
//! everywhere.

use resvg::{tiny_skia, usvg};
use std::sync::Arc;

const FONT: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");
/// Dots for each unit of the picture: text of ten units stays legible.
const SCALE: f32 = 2.0;
/// More dots on a side than these are not drawn: some 400 MB.
const LARGEST: f32 = 16_000.0;

/// Draws an SVG.
pub fn png(svg: &str) -> Result<Vec<u8>, String> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    let options = usvg::Options {
        font_family: "DejaVu Sans".into(),
        fontdb: Arc::new(fonts),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    let size = tree.size();
    let scale = SCALE.min(LARGEST / size.width().max(size.height()));
    let drawn = size.to_int_size().scale_by(scale).ok_or("the picture has no size")?;
    let mut dots = tiny_skia::Pixmap::new(drawn.width(), drawn.height())
        .ok_or("the picture is too large for dots: `-o svg` draws it")?;
    let transform = tiny_skia::Transform::from_scale(scale, scale);
    resvg::render(&tree, transform, &mut dots.as_mut());
    dots.encode_png().map_err(|error| error.to_string())
}
