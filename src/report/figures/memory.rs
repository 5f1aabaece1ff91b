//! `memory-usage`: the memory of each source and its limit. A source that was down leaves a gap.

use std::collections::BTreeMap;

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::annotations::{self, ROW};
use super::axis::{Axis, format_count, format_three_digits};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::figure_data::FigureData;
use super::heading::{self, LegendSymbol};
use super::layout::{GUTTER, HEIGHT, MARGIN, WIDTH};
use super::palette::{LINES, MUTED, TEXT};
use super::plot_area::PlotArea;
use super::series::Series;
use crate::record::Sample;

const MIB: f64 = (1u64 << 20) as f64;

/// The memory of one source over time, in MiB.
pub struct MemorySource {
    pub name: String,
    pub values: Series,
    /// The limit in the last sample that has one, in MiB.
    pub limit: Option<f64>,
    pub color: RGBColor,
}

/// The sources in `samples`, ordered by name.
pub fn memory_sources(samples: &[Sample]) -> Vec<MemorySource> {
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
            MemorySource {
                name: name.to_owned(),
                values: series_with_gaps(&samples),
                limit,
                color: LINES[i % LINES.len()],
            }
        })
        .collect()
}

/// Samples as a series. An interval much longer than the median one is a gap, and so is a sample without a value.
fn series_with_gaps(samples: &[&Sample]) -> Series {
    let mut intervals: Vec<u64> = samples.windows(2).map(|w| w[1].at.since(w[0].at).0).collect();
    intervals.sort_unstable();
    let median = intervals.get(intervals.len() / 2).copied().unwrap_or(0);
    let longest = (median.saturating_mul(4)).max(1_500_000_000);
    let mut values = Series::new();
    let mut before = None;
    for s in samples {
        let at = s.at.as_secs_f64();
        if before.is_some_and(|b| s.at.since(b).0 > longest) {
            values.push((at, None));
        }
        values.push((at, s.memory_bytes.map(|b| b as f64 / MIB)));
        before = Some(s.at);
    }
    values
}

/// The y axis for all sources and limits. It is `headroom` times as high as the largest value, because the label of a
/// limit stands above its line.
pub fn memory_axis(sources: &[MemorySource], headroom: f64) -> Axis {
    let values = sources.iter().flat_map(|s| s.values.iter().filter_map(|v| v.1).chain(s.limit));
    Axis::linear(0.0, values.fold(1.0, f64::max) * headroom)
}

/// Draws the memory and the limits of all sources.
pub fn draw_sources<DB: DrawingBackend>(
    c: &Canvas<DB>,
    plot: &PlotArea,
    sources: &[MemorySource],
) -> Result<(), DrawError> {
    for source in sources {
        plot.draw_series(c, source.values.iter().copied(), source.color, 3)?;
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
        let names = if names.len() > 2 { format!("{} sources", names.len()) } else { names.join(", ") };
        plot.draw_threshold(c, limit, &format!("limit of {names}: {} MiB", format_three_digits(limit)), color)?;
    }
    Ok(())
}

pub fn legend_entries(sources: &[MemorySource]) -> Vec<(LegendSymbol, RGBColor, String)> {
    sources.iter().map(|s| (LegendSymbol::Line, s.color, s.name.clone())).collect()
}

pub fn draw_memory<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData) -> Result<(), DrawError> {
    heading::draw_title(c, data, "Memory (MiB)")?;
    let sources = memory_sources(data.samples);
    let mut plot = PlotArea {
        left: GUTTER,
        right: WIDTH - MARGIN,
        top: 0,
        bottom: HEIGHT - 88,
        x: data.time_axis(),
        y: memory_axis(&sources, 1.15),
    };
    let rows = data.annotations.label_rows(c, &plot)?;
    plot.top = 132 + ROW * rows.len() as i32;
    annotations::draw_labels(c, &rows, plot.top)?;
    data.annotations.draw_windows(c, &plot)?;
    plot.draw_x_axis(c, format_count, Some("seconds since the start of load"))?;
    plot.draw_y_axis(c, 7, format_count)?;
    draw_sources(c, &plot, &sources)?;
    data.annotations.draw_instants(c, &plot)?;
    plot.draw_frame(c)?;
    if sources.is_empty() {
        let middle = ((plot.left + plot.right) / 2, (plot.top + plot.bottom) / 2);
        c.draw_text("no samples", middle, LABEL, MUTED, Anchor::Center)?;
    }
    heading::draw_legend(c, (MARGIN, 122), &legend_entries(&sources))
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
    fn a_source_that_was_down_or_not_sampled_leaves_a_gap() {
        let samples = [sample(0.0, Some(5)), sample(1.0, None), sample(2.0, Some(6)), sample(9.0, Some(7))];
        let values = series_with_gaps(&samples.iter().collect::<Vec<_>>());
        let expected = [(0.0, Some(5.0)), (1.0, None), (2.0, Some(6.0)), (9.0, None), (9.0, Some(7.0))];
        assert_eq!(values, expected);
    }
}
