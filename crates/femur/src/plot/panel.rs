//! One body with title and colour bar on a canvas.

use super::Scalar;
use super::color::Map;
use super::raster::Raster;
use super::surface::Surface;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::sync::Once;

const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");

/// Registers the embedded font, once.
pub(super) fn font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = plotters::style::register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// A picture in the making.
pub(super) struct Canvas {
    raster: Raster,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Canvas { raster: Raster::new(width, height) }
    }

    fn text(&mut self, at: (i32, i32), size: u32, anchor: HPos, text: &str) -> Result<()> {
        font();
        let area = BitMapBackend::with_buffer(&mut self.raster.pixels, (self.raster.width, self.raster.height)).into_drawing_area();
        let style = TextStyle::from(("sans-serif", size).into_font()).color(&RGBColor(40, 40, 40)).pos(Pos::new(anchor, VPos::Center));
        area.draw(&Text::new(text.to_string(), at, style)).map_err(|e| anyhow!("cannot draw text: {e}"))
    }

    pub(super) fn png(self) -> Result<Vec<u8>> {
        encode(&self.raster.pixels, self.raster.width, self.raster.height)
    }
}

/// RGB pixels as a PNG.
pub(super) fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(out)
}

/// What a panel shows.
pub(super) struct Panel<'a> {
    pub(super) title: String,
    pub(super) scalar: Option<&'a Scalar>,
    pub(super) range: (f64, f64),
    pub(super) map: Map,
    pub(super) edges: bool,
}

impl Panel<'_> {
    /// Draws into a box (x, y, width, height) of the canvas.
    pub(super) fn draw(&self, canvas: &mut Canvas, surface: &Surface, (x0, y0, w, h): (u32, u32, u32, u32)) -> Result<()> {
        let big = w > 1000;
        let size = if big { 26 } else { 18 };
        let bar = if self.scalar.is_none() {
            20.0
        } else if big {
            190.0
        } else {
            130.0
        };
        let (left, top) = (f64::from(x0) + 20.0, f64::from(y0) + 60.0);
        let (room_x, room_y) = (f64::from(w) - 40.0 - bar, f64::from(h) - 90.0);
        let [l, r, b, t] = surface.bounds;
        let scale = (room_x / (r - l).max(1e-300)).min(room_y / (t - b).max(1e-300));
        let (dx, dy) = (left + 0.5 * (room_x - scale * (r - l)), top + 0.5 * (room_y - scale * (t - b)));
        let pixel = |n: u32| {
            let p = surface.points[n as usize];
            [dx + scale * (p[0] - l), dy + scale * (t - p[1]), scale * p[2]]
        };
        let (lo, hi) = self.range;
        let span = if hi > lo { hi - lo } else { 1.0 };
        for (nodes, light) in &surface.triangles {
            let values = nodes.map(|n| self.scalar.map_or(0.0, |s| (s.values[n as usize] - lo) / span));
            let plain = self.scalar.is_none();
            canvas.raster.triangle(nodes.map(pixel), |w| {
                let color = if plain { [222, 230, 238] } else { self.map.at(w[0] * values[0] + w[1] * values[1] + w[2] * values[2]) };
                color.map(|c| (f64::from(c) * light) as u8)
            });
        }
        if self.edges {
            for e in &surface.edges {
                canvas.raster.line(pixel(e[0]), pixel(e[1]), 1.5, [60, 80, 110]);
            }
        }
        canvas.text((left as i32, y0 as i32 + 30), size + 4, HPos::Left, &self.title)?;
        let Some(scalar) = self.scalar else { return Ok(()) };
        // The colour bar, with the values that it spans.
        let (bx, bw, bh) = (left + room_x + 18.0, if big { 26.0 } else { 18.0 }, room_y.min(if big { 600.0 } else { 320.0 }));
        let by = top + 0.5 * (room_y - bh);
        for row in 0..bh as u32 {
            let color = self.map.at(1.0 - f64::from(row) / bh);
            let y = by + f64::from(row);
            canvas.raster.line([bx, y, 0.0], [bx + bw, y, 0.0], f64::INFINITY, color);
        }
        for k in 0..=4 {
            let s = f64::from(k) / 4.0;
            let y = by + bh * (1.0 - s);
            canvas.text(((bx + bw + 8.0) as i32, y as i32), size - 2, HPos::Left, &number(lo + s * (hi - lo)))?;
        }
        let unit = if scalar.unit.is_empty() || scalar.unit == "1" { String::new() } else { format!("[{}]", scalar.unit) };
        canvas.text((bx as i32, (by - 22.0) as i32), size - 2, HPos::Left, &unit)
    }
}

/// A number in few characters: three to four digits, a power of ten where it is large or small.
pub(super) fn number(v: f64) -> String {
    let a = v.abs();
    if v == 0.0 {
        "0".into()
    } else if (1e-2..1e4).contains(&a) {
        let digits = if a >= 1000.0 {
            0
        } else if a >= 100.0 {
            1
        } else if a >= 10.0 {
            2
        } else {
            3
        };
        format!("{v:.digits$}")
    } else {
        format!("{v:.2e}")
    }
}
