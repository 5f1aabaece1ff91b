//! The timeline as data, for the interactive figures of `report.html` and its table of values.

use serde::{Serialize, Serializer};

use super::axis::format_time;
use super::figure_data::FigureData;
use super::memory;
use super::palette::color_name;
use super::series::Series;
use super::timeline::{MEMORY, PanelUnit, timeline_panels};
use crate::units::format_three_digits;

/// All charts over one time axis, and what is marked on it. Instants are in seconds since the start of load.
#[derive(Clone, Debug, Serialize)]
pub struct ChartSet {
    pub end: f64,
    pub windows: Vec<ChartWindow>,
    /// Lines at instants, each with the name of its colour.
    pub instants: Vec<(Rounded, &'static str)>,
    /// What happened at single instants, such as `recovered`.
    pub notes: Vec<ChartNote>,
    pub charts: Vec<Chart>,
}

/// A part of the time axis, such as a fault.
#[derive(Clone, Debug, Serialize)]
pub struct ChartWindow {
    pub from: Rounded,
    pub to: Rounded,
    pub label: String,
    pub color: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChartNote {
    pub at: Rounded,
    pub label: String,
    pub color: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    pub title: &'static str,
    pub unit: PanelUnit,
    /// The y axis is logarithmic.
    pub log: bool,
    pub lines: Vec<ChartLine>,
    /// A value that is marked on the y axis, and its name.
    pub limit: Option<(Rounded, String)>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ChartLine {
    pub name: String,
    pub color: &'static str,
    /// A limit: a dashed line that changes in steps.
    pub is_limit: bool,
    pub x: Vec<Rounded>,
    /// `None` is a gap.
    pub y: Vec<Option<Rounded>>,
}

/// The most points of a line. A screen has about as many columns.
const MAX_POINTS: usize = 1000;

impl ChartSet {
    /// The charts of a run. Those of the memory are left out if nothing was sampled.
    pub fn of(data: &FigureData) -> ChartSet {
        let annotations = &data.annotations;
        let panels = timeline_panels(data).into_iter().map(|panel| Chart {
            title: panel.title,
            unit: panel.unit,
            log: panel.y.log,
            lines: panel
                .lines
                .iter()
                .map(|line| ChartLine::new(line.name.to_owned(), color_name(line.color), &line.values))
                .collect(),
            limit: panel.slo.map(|slo| {
                let ns = slo.0 as f64;
                (Rounded::value(ns), format!("SLO {}", format_time(ns)))
            }),
        });
        ChartSet {
            end: data.axis_end.as_secs_f64(),
            windows: annotations
                .windows
                .iter()
                .map(|window| ChartWindow {
                    from: Rounded::instant(window.from),
                    to: Rounded::instant(window.to),
                    label: window.label.clone(),
                    color: color_name(window.color),
                })
                .collect(),
            instants: annotations.instants.iter().map(|&(at, c)| (Rounded::instant(at), color_name(c))).collect(),
            notes: annotations
                .labels
                .iter()
                .map(|(at, label, color)| ChartNote {
                    at: Rounded::instant(*at),
                    label: label.clone(),
                    color: color_name(*color),
                })
                .collect(),
            charts: panels.chain(memory_chart(data)).collect(),
        }
    }

    /// The head and the rows of a table of all lines but limits, with a row for each point of the first line.
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let lines = self.charts.iter().flat_map(|chart| {
            let lines = chart.lines.iter().filter(|line| !line.is_limit);
            lines.map(move |line| (line, format!("{}: {}", chart.title, line.name), chart.unit))
        });
        let lines: Vec<_> = lines.collect();
        let head = [String::from("seconds")].into_iter().chain(lines.iter().map(|(_, title, _)| title.clone()));
        let times = lines.first().map_or(&[][..], |(line, ..)| &line.x);
        let half = times.get(1).map_or(0.5, |second| (second.0 - times[0].0) / 2.0);
        let row = |at: f64| {
            let cell = |(line, _, unit): &(&ChartLine, String, PanelUnit)| {
                line.mean_within(at - half, at + half).map_or_else(|| "-".to_owned(), unit.formatter())
            };
            [format_three_digits(at)].into_iter().chain(lines.iter().map(cell)).collect()
        };
        (head.collect(), times.iter().map(|at| row(at.0)).collect())
    }
}

fn memory_chart(data: &FigureData) -> Option<Chart> {
    let sources = memory::memory_sources(data.samples, data.budget);
    let step = data.axis_end.as_secs_f64() / MAX_POINTS as f64;
    let values = sources.iter().map(|source| {
        let values = keep_greatest(&source.values, step);
        ChartLine::new(source.name.clone(), color_name(source.color), &values)
    });
    let limits = memory::limits(&sources).into_iter().map(|limit| ChartLine {
        is_limit: true,
        ..ChartLine::new(limit.text(), color_name(limit.color), limit.steps)
    });
    let lines: Vec<_> = values.chain(limits).collect();
    (!lines.is_empty()).then_some(Chart { title: MEMORY, unit: PanelUnit::Count, log: false, lines, limit: None })
}

/// The greatest value of each step. Gaps stay.
fn keep_greatest(values: &Series, step: f64) -> Series {
    let mut kept = Series::new();
    for &(at, value) in values {
        match (kept.last_mut(), value) {
            (Some((last, Some(greatest))), Some(value)) if (*last / step).floor() == (at / step).floor() => {
                *greatest = greatest.max(value);
            }
            _ => kept.push((at, value)),
        }
    }
    kept
}

impl ChartLine {
    fn new(name: String, color: &'static str, values: &Series) -> ChartLine {
        ChartLine {
            name,
            color,
            is_limit: false,
            x: values.iter().map(|point| Rounded::instant(point.0)).collect(),
            y: values.iter().map(|point| point.1.map(Rounded::value)).collect(),
        }
    }

    fn mean_within(&self, from: f64, to: f64) -> Option<f64> {
        let edge = |at: f64| self.x.partition_point(|x| x.0 < at);
        let values: Vec<f64> = self.y[edge(from)..edge(to)].iter().flatten().map(|value| value.0).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// A number with few digits, which keeps the page small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounded(f64);

impl Rounded {
    /// An instant in seconds, to 1 ms.
    fn instant(seconds: f64) -> Rounded {
        Rounded((seconds * 1e3).round() / 1e3)
    }

    /// A value, to four significant digits.
    fn value(value: f64) -> Rounded {
        if value == 0.0 || !value.is_finite() {
            return Rounded(0.0);
        }
        let digits = 3 - value.abs().log10().floor() as i32;
        // A power of ten with a negative exponent is not exact.
        Rounded(if digits >= 0 {
            (value * 10f64.powi(digits)).round() / 10f64.powi(digits)
        } else {
            (value / 10f64.powi(-digits)).round() * 10f64.powi(-digits)
        })
    }
}

impl Serialize for Rounded {
    /// A whole number has no decimal point.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = (1u64 << 53) as f64;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::statistics::RunStatistics;
    use crate::report::tests::synthetic;

    #[test]
    fn charts_have_the_lines_and_annotations_of_the_timeline() {
        let data = synthetic::recovered().report();
        let statistics = RunStatistics::of(&data);
        let set = ChartSet::of(&FigureData::of_experiment(&data, &statistics));
        let titles: Vec<_> = set.charts.iter().map(|chart| chart.title).collect();
        assert_eq!(titles, ["requests/s", "response time", "outstanding requests", "memory (MiB)"]);
        let names = |chart: usize| set.charts[chart].lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(0), ["due", "successful", "goodput (by due time)", "errors"]);
        assert_eq!(names(1), ["p50", "p95", "p99"]);
        assert_eq!(names(3), ["compose-post", "post-storage", "limit of post-storage: 124 MiB"]);
        assert!(set.charts[1].log && set.charts[1].limit == Some((Rounded(1e9), "SLO 1 s".to_owned())));
        let windows: Vec<_> = set.windows.iter().map(|window| (window.label.as_str(), window.color)).collect();
        assert_eq!(windows, [("fault: link-cut", "vermilion"), ("baseline", "green"), ("warm-up", "muted")]);
        let notes: Vec<_> = set.notes.iter().map(|note| (note.label.as_str(), note.at.0)).collect();
        assert_eq!(notes, [("recovered", 47.4), ("post-storage restarted", 38.0)]);
        assert!(set.charts.iter().flat_map(|chart| &chart.lines).all(|line| line.x.len() <= MAX_POINTS + 10));
    }

    #[test]
    fn the_table_has_a_row_for_each_second() {
        let data = synthetic::recovered().report();
        let statistics = RunStatistics::of(&data);
        let (head, rows) = ChartSet::of(&FigureData::of_experiment(&data, &statistics)).table();
        assert_eq!(head[..3], ["seconds", "requests/s: due", "requests/s: successful"]);
        assert_eq!((head.len(), rows.len()), (11, 80));
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows[10][..5], ["10.5", "100", "100", "100", "0"], "{:?}", rows[10]);
    }

    #[test]
    fn numbers_have_few_digits() {
        let text = |n: Rounded| serde_json::to_string(&n).unwrap();
        assert_eq!(
            [Rounded::value(123_456.0), Rounded::value(0.123_456), Rounded::value(f64::NAN)].map(text),
            ["123500", "0.1235", "0"]
        );
        assert_eq!(text(Rounded::instant(1.000_4)), "1");
    }

    #[test]
    fn the_greatest_value_of_a_step_and_all_gaps_stay() {
        let values = vec![(0.0, Some(1.0)), (0.1, Some(3.0)), (0.2, Some(2.0)), (0.3, None), (1.0, Some(4.0))];
        assert_eq!(keep_greatest(&values, 0.5), [(0.0, Some(3.0)), (0.3, None), (1.0, Some(4.0))]);
    }
}
