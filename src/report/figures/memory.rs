//! `memory-usage`: the memory of each source and its limit. A source that was down leaves a gap.

use std::collections::BTreeMap;

use plotters::backend::DrawingBackend;
use plotters::style::RGBColor;

use super::axis::{Axis, format_count};
use super::canvas::{Anchor, Canvas, DrawError, LABEL};
use super::figure_data::FigureData;
use super::heading::Heading;
use super::layout::{GUTTER, MARGIN, WIDTH};
use super::legend::{LegendEntry, LegendSymbol};
use super::palette::{LINES, MUTED, TEXT};
use super::plot_area::PlotArea;
use super::series::Series;
use crate::record::Sample;
use crate::testbed::Role;
use crate::units::format_three_digits;

const MIB: f64 = (1u64 << 20) as f64;

/// The memory of one source over time, in MiB.
pub struct MemorySource {
    pub name: String,
    pub values: Series,
    /// The limit over time, in MiB: its changes, and its end.
    pub limit: Series,
    /// How much of the limit the plan gives to requests, in MiB. The rest is what the program itself uses.
    pub budget: Option<f64>,
    pub color: RGBColor,
}

/// The sources in `samples`, ordered by name. `budget` is that of the testbed's compose-post, in bytes.
pub fn memory_sources(samples: &[Sample], budget: Option<u64>) -> Vec<MemorySource> {
    let of_requests = |name: &str| budget.filter(|_| name == Role::ComposePost.name()).map(|bytes| bytes as f64 / MIB);
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_name.entry(&sample.source).or_default().push(sample);
    }
    let with_numbers = by_name.into_iter().filter(|(_, s)| s.iter().any(|s| s.memory_bytes.is_some()));
    with_numbers
        .enumerate()
        .map(|(i, (name, mut samples))| {
            samples.sort_by_key(|s| s.at);
            MemorySource {
                name: name.to_owned(),
                values: series_with_gaps(&samples),
                limit: limit_steps(&samples),
                budget: of_requests(name),
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

/// The limit in samples as steps: an entry where it changes, and one at the last sample. Samples without any numbers say
/// nothing about it.
fn limit_steps(samples: &[&Sample]) -> Series {
    let mut steps = Series::new();
    let mut last = None;
    for s in samples.iter().filter(|s| s.memory_bytes.is_some() || s.limit_bytes.is_some()) {
        let (at, limit) = (s.at.as_secs_f64(), s.limit_bytes.map(|b| b as f64 / MIB));
        if steps.last().is_none_or(|step| step.1 != limit) {
            steps.push((at, limit));
        }
        last = Some((at, limit));
    }
    steps.extend(last.filter(|last| steps.last() != Some(last)));
    if steps.iter().all(|step| step.1.is_none()) { Series::new() } else { steps }
}

/// The y axis for all sources and limits.
pub fn memory_axis(sources: &[MemorySource]) -> Axis {
    let values = sources.iter().flat_map(|s| s.values.iter().chain(&s.limit).filter_map(|v| v.1));
    Axis::linear(0.0, values.fold(1.0, f64::max) * 1.1)
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
    limits(sources).into_iter().try_for_each(|limit| plot.draw_steps(c, limit.steps, limit.color))
}

/// A limit over time, which several sources may have.
pub struct Limit<'a> {
    pub steps: &'a Series,
    names: Vec<&'a str>,
    budget: Option<f64>,
    pub color: RGBColor,
}

/// The limits of all sources. Sources with the same limits share a line.
pub fn limits(sources: &[MemorySource]) -> Vec<Limit<'_>> {
    let values = |steps: &Series| steps.iter().map(|step| step.1).collect::<Vec<_>>();
    let mut limits: Vec<Limit> = Vec::new();
    for s in sources.iter().filter(|s| !s.limit.is_empty()) {
        // A limit that never changes is the same line, although sources are sampled at different instants.
        let same = |l: &&mut Limit| l.steps.len() <= 2 && s.limit.len() <= 2 && values(l.steps)[0] == s.limit[0].1;
        match limits.iter_mut().find(same) {
            Some(limit) => {
                limit.names.push(&s.name);
                limit.color = TEXT;
            }
            None => limits.push(Limit { steps: &s.limit, names: vec![&s.name], budget: s.budget, color: s.color }),
        }
    }
    limits
}

impl Limit<'_> {
    /// `limit of db: 200, then 100 MiB`
    pub fn text(&self) -> String {
        let names = match self.names.join(", ") {
            long if self.names.len() > 1 && long.len() > MAX_NAMES => format!("{} sources", self.names.len()),
            names => names,
        };
        let mut values: Vec<String> = self.steps.iter().filter_map(|step| step.1).map(format_three_digits).collect();
        values.dedup();
        let values = match values.as_slice() {
            [first, .., last] if values.len() > MAX_LIMITS => {
                format!("{first}, then {} changes to {last}", values.len() - 1)
            }
            _ => values.join(", then "),
        };
        let budget = self.budget.map(|budget| format!(", {} of it for requests", format_three_digits(budget)));
        format!("limit of {names}: {values} MiB{}", budget.unwrap_or_default())
    }
}

/// Names of sources that share a limit, in bytes together.
const MAX_NAMES: usize = 40;
/// Values of a limit that are named in the legend.
const MAX_LIMITS: usize = 3;

/// The entries of all sources and limits.
pub fn legend_entries(sources: &[MemorySource]) -> Vec<LegendEntry> {
    let lines = sources.iter().map(|s| (LegendSymbol::Line, s.color, s.name.clone()));
    let limits = limits(sources).into_iter().map(|limit| (LegendSymbol::Dashes, limit.color, limit.text()));
    lines.chain(limits).collect()
}

pub fn heading(data: &FigureData) -> Result<Heading, DrawError> {
    let sources = memory_sources(data.samples, data.budget);
    Heading::new(legend_entries(&sources), data.annotations.label_rows(data.time_axis())?)
}

pub fn draw_memory<DB: DrawingBackend>(c: &Canvas<DB>, data: &FigureData) -> Result<(), DrawError> {
    let sources = memory_sources(data.samples, data.budget);
    let heading = heading(data)?;
    heading.draw(c, data, "Memory (MiB)")?;
    let plot = PlotArea {
        left: GUTTER,
        right: WIDTH - MARGIN,
        top: heading.plot_top(),
        bottom: heading.plot_bottom(),
        x: data.time_axis(),
        y: memory_axis(&sources),
    };
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
    Ok(())
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

    #[test]
    fn a_limit_is_a_step_line_that_ends_with_its_samples() {
        let sample = |at_s: f64, mib: Option<u64>, limit: Option<u64>| Sample {
            limit_bytes: limit.map(|m| m << 20),
            ..sample(at_s, mib)
        };
        let samples = [
            sample(0.0, Some(5), Some(200)),
            sample(1.0, Some(5), Some(200)),
            sample(2.0, Some(5), Some(100)),
            sample(3.0, None, None),
            sample(4.0, Some(5), Some(100)),
            sample(5.0, Some(5), Some(200)),
            sample(6.0, Some(5), Some(200)),
        ];
        let steps = limit_steps(&samples.iter().collect::<Vec<_>>());
        assert_eq!(steps, [(0.0, Some(200.0)), (2.0, Some(100.0)), (5.0, Some(200.0)), (6.0, Some(200.0))]);
        let texts = |samples: &[Sample]| -> Vec<String> {
            legend_entries(&memory_sources(samples, None)).into_iter().map(|entry| entry.2).collect()
        };
        assert_eq!(texts(&samples), ["a", "limit of a: 200, then 100, then 200 MiB"]);
        let b = Sample { source: "b".into(), ..sample(0.5, Some(1), Some(200)) };
        assert_eq!(texts(&[samples[0].clone(), b]), ["a", "b", "limit of a, b: 200 MiB"]);
        let changing: Vec<_> = (1..9).map(|i| sample(f64::from(i as u32), Some(5), Some(10 * i))).collect();
        assert_eq!(texts(&changing), ["a", "limit of a: 10, then 7 changes to 80 MiB"]);
        assert_eq!(texts(&[sample(0.0, Some(5), None)]), ["a"]);
        let post = Sample { source: "compose-post".into(), ..sample(0.0, Some(5), Some(125)) };
        let text = &legend_entries(&memory_sources(&[post], Some(124 << 20)))[1].2;
        assert_eq!(text, "limit of compose-post: 125 MiB, 124 of it for requests");
    }
}
