//! Curves over steps, on a logarithmic axis.

use super::panel::{encode, font};
use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// A named curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name for the legend.
    pub name: String,
    /// Points; values that are not positive are left out.
    pub points: Vec<(f64, f64)>,
}

/// Curves on one logarithmic axis, 1100 x 450.
pub fn curve_picture(title: &str, x_label: &str, series: &[Series]) -> Result<Vec<u8>> {
    font();
    let (w, h) = (1100u32, 450u32);
    let mut pixels = vec![255u8; (3 * w * h) as usize];
    let good = |p: &&(f64, f64)| p.1 > 0.0 && p.1.is_finite();
    let all: Vec<(f64, f64)> = series.iter().flat_map(|s| s.points.iter().filter(good).copied()).collect();
    if !all.is_empty() {
        let max_x = all.iter().map(|p| p.0).fold(0.0, f64::max);
        let lo = all.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let hi = all.iter().map(|p| p.1).fold(0.0, f64::max);
        let area = BitMapBackend::with_buffer(&mut pixels, (w, h)).into_drawing_area();
        let fail = |e: String| anyhow!("cannot draw the curve: {e}");
        area.fill(&WHITE).map_err(|e| fail(e.to_string()))?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 22))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..max_x.max(1.0), (0.8 * lo..1.25 * hi).log_scale())
            .map_err(|e| fail(e.to_string()))?;
        let mesh = chart.configure_mesh().x_desc(x_label).y_label_formatter(&|v| format!("{v:.0e}")).label_style(("sans-serif", 15)).draw();
        mesh.map_err(|e| fail(e.to_string()))?;
        for (k, s) in series.iter().enumerate() {
            let color = [RGBColor(49, 104, 142), RGBColor(200, 80, 45), RGBColor(53, 150, 90)][k % 3];
            let shown: Vec<(f64, f64)> = s.points.iter().filter(good).copied().collect();
            // One point makes no line.
            if let [only] = shown[..] {
                chart.draw_series([Circle::new(only, 4, color.filled())]).map_err(|e| fail(e.to_string()))?;
            }
            chart
                .draw_series(LineSeries::new(shown, color.stroke_width(2)))
                .map_err(|e| fail(e.to_string()))?
                .label(s.name.clone())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], color.stroke_width(3)));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font(("sans-serif", 16))
            .draw()
            .map_err(|e| fail(e.to_string()))?;
        drop(chart);
        area.present().map_err(|e| fail(e.to_string()))?;
    }
    encode(&pixels, w, h)
}
