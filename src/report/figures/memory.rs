//! `memory-usage`: what each source held, against its limit. Where a source was down there is a gap.

use std::collections::BTreeMap;

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, count_label, three_digits};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::heading::{self, Swatch};
use super::marks::{self, ROW};
use super::palette::{LINES, MUTED, TEXT};
use super::plot::Plot;
use super::series::Series;
use super::{GUTTER, HEIGHT, MARGIN, View, WIDTH};
use crate::record::Sample;

const MIB: f64 = (1u64 << 20) as f64;

/// One source's memory in MiB over time.
pub struct Source {
    pub name: String,
    pub values: Series,
    /// The last limit seen, in MiB.
    pub limit: Option<f64>,
    pub color: RGBColor,
}

/// The sources of samples, in order of their names.
pub fn sources(samples: &[Sample]) -> Vec<Source> {
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_name.entry(&sample.source).or_default().push(sample);
    }
    let with_numbers = by_name.into_iter().filter(|(_, s)| s.iter().any(|s| s.memory_bytes.is_some()));
    with_numbers
        .enumerate()
        .map(|(i, (name, mut samples))| {
            samples.sort_by_key(|s| s.at);
            let limit = samples.iter().rev().find_map(|s| s.limit_bytes).map(|b| b as f64 / MIB);
            Source { name: name.to_owned(), values: with_gaps(&samples), limit, color: LINES[i % LINES.len()] }
        })
        .collect()
}

/// Samples as a series; a hole much longer than the usual distance is a gap, as is a sample without a number.
fn with_gaps(samples: &[&Sample]) -> Series {
    let mut distances: Vec<u64> = samples.windows(2).map(|w| w[1].at.since(w[0].at).0).collect();
    distances.sort_unstable();
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(0);
    let hole = (usual.saturating_mul(4)).max(1_500_000_000);
    let mut values = Series::new();
    let mut before = None;
    for s in samples {
        let at = s.at.as_secs_f64();
        if before.is_some_and(|b| s.at.since(b).0 > hole) {
            values.push((at, None));
        }
        values.push((at, s.memory_bytes.map(|b| b as f64 / MIB)));
        before = Some(s.at);
    }
    values
}

/// The y axis that holds all sources and limits, `room` times as high: a limit's label stands above its line.
pub fn axis(sources: &[Source], room: f64) -> Axis {
    let values = sources.iter().flat_map(|s| s.values.iter().filter_map(|v| v.1).chain(s.limit));
    Axis::linear(0.0, values.fold(1.0, f64::max) * room)
}

/// The sources' lines and limits in a plot.
pub fn lines<DB: DrawingBackend>(c: &Canvas<DB>, plot: &Plot, sources: &[Source]) -> Result<(), DrawError> {
    for source in sources {
        plot.series(c, source.values.iter().copied(), source.color, 3)?;
    }
    let mut limits: Vec<(f64, Vec<&str>, RGBColor)> = Vec::new();
    for s in sources {
        let Some(limit) = s.limit else { continue };
        match limits.iter_mut().find(|(l, ..)| *l == limit) {
            Some((_, names, color)) => {
                names.push(&s.name);
                *color = TEXT;
            }
            None => limits.push((limit, vec![&s.name], s.color)),
        }
    }
    for (limit, names, color) in limits {
        let whose = if names.len() > 2 { format!("{} sources", names.len()) } else { names.join(", ") };
        plot.threshold(c, limit, &format!("limit of {whose}: {} MiB", three_digits(limit)), color)?;
    }
    Ok(())
}

pub fn legend(sources: &[Source]) -> Vec<(Swatch, RGBColor, String)> {
    sources.iter().map(|s| (Swatch::Line, s.color, s.name.clone())).collect()
}

pub fn draw<DB: DrawingBackend>(c: &Canvas<DB>, view: &View) -> Result<(), DrawError> {
    heading::title(c, view, "Memory in MiB")?;
    let sources = sources(view.samples);
    let mut plot =
        Plot { left: GUTTER, right: WIDTH - MARGIN, top: 0, bottom: HEIGHT - 88, x: view.x(), y: axis(&sources, 1.15) };
    let rows = view.marks.rows(c, &plot)?;
    plot.top = 132 + ROW * rows.len() as i32;
    marks::write(c, &rows, plot.top)?;
    view.marks.shade(c, &plot)?;
    plot.x_axis(c, count_label, Some("seconds since the start of load"))?;
    plot.y_axis(c, 7, count_label)?;
    lines(c, &plot, &sources)?;
    view.marks.lines(c, &plot)?;
    plot.frame(c)?;
    if sources.is_empty() {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.text("no samples", middle, LABEL, MUTED, Anchor::Center)?;
    }
    heading::legend(c, (MARGIN, 122), &legend(&sources))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    fn sample(at_s: f64, mib: Option<u64>) -> Sample {
        let memory_bytes = mib.map(|m| m << 20);
        Sample { at: Instant((at_s * 1e9) as u64), source: "a".into(), memory_bytes, ..Sample::default() }
    }

    #[test]
    fn a_source_that_was_down_or_not_seen_leaves_a_gap() {
        let samples = [sample(0.0, Some(5)), sample(1.0, None), sample(2.0, Some(6)), sample(9.0, Some(7))];
        let values = with_gaps(&samples.iter().collect::<Vec<_>>());
        let expected = [(0.0, Some(5.0)), (1.0, None), (2.0, Some(6.0)), (9.0, None), (9.0, Some(7.0))];
        assert_eq!(values, expected);
    }
}
