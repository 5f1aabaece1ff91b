//! What the screen looks like. Pure: a view is drawn into a buffer.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, LineGauge, Paragraph, Sparkline, Wrap};
use ratatui::{Frame, symbols};

use super::View;
use super::history::Series;
use crate::out::printable;
use crate::progress::format::{count_errors, error_kinds, format_rate, format_time};
use crate::progress::{Phase, Progress};
use crate::units::{Time, format_three_digits};

/// Draws the view.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = [Constraint::Length(2), Constraint::Length(8), Constraint::Fill(3), Constraint::Fill(2)];
    let [head, numbers, curves, events] = Layout::vertical(rows).areas(frame.area());
    draw_head(frame, head, view);
    let columns = [Constraint::Fill(4), Constraint::Fill(3), Constraint::Fill(5)];
    let [requests, errors, system] = Layout::horizontal(columns).areas(numbers);
    draw_numbers(frame, requests, "Requests", &request_lines(&view.progress), view);
    draw_numbers(frame, errors, "Errors", &error_lines(&view.progress), view);
    draw_numbers(frame, system, "Time and memory", &system_lines(&view.progress), view);
    draw_curves(frame, curves, view);
    draw_events(frame, events, view);
}

impl View {
    fn color(&self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }

    /// The colour of the phase.
    fn phase_style(&self) -> Style {
        let color = match self.progress.phase {
            Phase::Fault | Phase::FaultRemoval => Color::Red,
            Phase::WarmUp | Phase::Drain => Color::Yellow,
            Phase::Baseline | Phase::Observation | Phase::Load => Color::Green,
        };
        self.color(color).add_modifier(Modifier::BOLD)
    }
}

/// The title, the phase and the time left, and a bar of the time.
fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let [title, bar] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
    let Progress { at, duration, phase, left, parts, .. } = &view.progress;
    let (at, whole) = (at.as_secs_f64(), duration.as_secs_f64());
    let phase = match phase {
        Phase::FaultRemoval => phase.to_string(),
        _ => format!("{phase}, {:.0}s left", left.as_secs_f64().ceil()),
    };
    let parts =
        parts.as_ref().map_or_else(String::new, |parts| format!("{} of {} generators  ", parts.active, parts.parts));
    let right = Line::from(vec![Span::raw(parts), Span::styled(phase, view.phase_style())]).right_aligned();
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let [left, right_area] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(title);
    let name = Span::styled(printable(&view.title), Style::new().add_modifier(Modifier::BOLD));
    frame.render_widget(Paragraph::new(Line::from(vec![Span::raw(" "), name])), left);
    frame.render_widget(Paragraph::new(right), right_area);
    let share = if whole > 0.0 { (at / whole).clamp(0.0, 1.0) } else { 0.0 };
    let gauge = LineGauge::default()
        .ratio(share)
        .label(format!(" {:.0}s of {}s", at.floor(), format_three_digits(whole)))
        .filled_symbol(symbols::line::THICK_HORIZONTAL)
        .unfilled_symbol(symbols::line::HORIZONTAL)
        .filled_style(view.phase_style());
    frame.render_widget(gauge, bar);
}

type Rows = Vec<(&'static str, String)>;

fn request_lines(p: &Progress) -> Rows {
    let requests = p.requests.as_ref();
    let per_second = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", format_rate(rate)));
    vec![
        ("offered", per_second(Some(p.offered))),
        ("sent", per_second(Some(p.sent))),
        ("answered", per_second(requests.map(|requests| requests.answered))),
        ("good", per_second(requests.map(|requests| requests.good))),
        ("in flight", p.in_flight.to_string()),
        ("goodput", p.goodput.map_or_else(|| "-".to_owned(), |goodput| format!("{:.0} %", 100.0 * goodput))),
    ]
}

fn error_lines(p: &Progress) -> Rows {
    let Some(requests) = &p.requests else { return Vec::new() };
    let kinds = error_kinds(requests.errors).map(|(kind, count)| (kind, count.to_string()));
    let mut rows = vec![("all", count_errors(requests.errors).to_string())];
    rows.extend(kinds);
    rows
}

fn system_lines(p: &Progress) -> Rows {
    let requests = p.requests.as_ref();
    let mut rows = vec![
        ("p50", format_time(requests.and_then(|requests| requests.p50))),
        ("p99", format_time(requests.and_then(|requests| requests.p99))),
    ];
    match p.parts.as_ref().map(|parts| &parts.send_lag) {
        Some(Some((lag, node))) => rows.push(("send lag", format!("{} on {node}", format_time(Some(*lag))))),
        Some(None) => rows.push(("send lag", "-".to_owned())),
        None => rows.push(("send lag p99", format_time(requests.and_then(|requests| requests.send_lag)))),
    }
    if let Some(connections) = p.connections {
        rows.push(("connections", connections.to_string()));
    }
    if let Some(memory) = &p.memory {
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
        let limit = memory.limit_bytes.map_or_else(String::new, |limit| format!(" of {}", mib(limit)));
        rows.push(("memory", format!("{}{limit} MiB", mib(memory.used_bytes))));
        rows.push(("", format!("of {}", memory.source)));
    }
    rows
}

/// A block of names and values.
fn draw_numbers(frame: &mut Frame<'_>, area: Rect, title: &str, rows: &Rows, view: &View) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| {
        let name = Span::styled(format!(" {name:width$}  "), view.color(Color::DarkGray));
        Line::from(vec![name, Span::raw(printable(value).into_owned())])
    });
    let block = Block::bordered().title(format!(" {title} "));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

/// Four curves of the last seconds.
fn draw_curves(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    let [top, bottom] = Layout::vertical(halves).areas(area);
    let [good, in_flight] = Layout::horizontal(halves).areas(top);
    let [p50, p99] = Layout::horizontal(halves).areas(bottom);
    let (count, time) = (|n: u64| n.to_string(), |us: u64| format_time(Some(Time(us.saturating_mul(1000)))));
    let history = &view.history;
    draw_curve(frame, good, ("Good answers per second", &history.good, &count), view.color(Color::Green));
    draw_curve(frame, in_flight, ("In flight", &history.in_flight, &count), view.color(Color::Cyan));
    draw_curve(frame, p50, ("p50 response time", &history.p50_us, &time), view.color(Color::Blue));
    draw_curve(frame, p99, ("p99 response time", &history.p99_us, &time), view.color(Color::Magenta));
}

fn draw_curve(
    frame: &mut Frame<'_>,
    area: Rect,
    (title, series, format): (&str, &Series, &dyn Fn(u64) -> String),
    style: Style,
) {
    let width = usize::from(area.width.saturating_sub(2));
    let max = series.max(width);
    let block = Block::bordered().title(format!(" {title}, up to {} ", format(max)));
    let curve = Sparkline::default().data(series.last(width)).max(max.max(1)).style(style).block(block);
    frame.render_widget(curve, area);
}

/// The events, the latest first.
fn draw_events(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let lines = view.events.iter().rev().map(|event| {
        let at = Span::styled(format!(" {:>4.0}s ", event.at.as_secs_f64().floor()), view.color(Color::DarkGray));
        Line::from(vec![at, Span::raw(printable(&event.to_string()).into_owned())])
    });
    let block = Block::bordered().title(" What happened ");
    let mut lines: Vec<Line<'_>> = lines.collect();
    if lines.is_empty() {
        lines.push(Line::styled(" nothing so far", view.color(Color::DarkGray)));
    }
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).block(block);
    frame.render_widget(text, area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::load::PartsProgress;
    use crate::progress::{ProgressEvent, example};
    use crate::units::Instant;

    /// The view of a run whose fault took effect a few seconds ago.
    fn view() -> View {
        let mut view = View::new("embedded-memory: 300 requests/s", false, &example());
        for second in 0..60_u64 {
            let mut progress = Progress { at: Instant(second * 1_000_000_000), events: Vec::new(), ..example() };
            let is_hit = second >= 50;
            progress.in_flight = if is_hit { (second - 49) * 60 } else { 3 + second % 2 };
            let requests = progress.requests.as_mut().unwrap();
            requests.good = if is_hit { 41.0 } else { 300.0 };
            requests.p50 = (second != 55).then(|| Time::from_millis(if is_hit { 400 * (second - 49) } else { 12 }));
            requests.p99 = Some(Time::from_millis(if is_hit { 900 * (second - 49) } else { 40 + second % 3 }));
            view.add(&progress);
        }
        let applied =
            ProgressEvent { at: Instant(15_200_000_000), text: "applying link-cut".into(), detail: String::new() };
        view.add(&Progress { events: [vec![applied], example().events].concat(), ..example() });
        view
    }

    fn render(view: &View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_screen_of_80_by_24_has_everything() {
        insta::assert_snapshot!(render(&view(), 80, 24));
    }

    #[test]
    fn a_screen_of_160_by_50_has_taller_curves() {
        insta::assert_snapshot!(render(&view(), 160, 50));
    }

    #[test]
    fn several_generators_are_named_and_what_is_unknown_is_a_dash() {
        let parts = PartsProgress { active: 7, parts: 8, send_lag: Some((Time(400_000), "node7".into())) };
        let mut view = View::new("http://h/", false, &example());
        view.add(&Progress {
            parts: Some(parts),
            requests: None,
            memory: None,
            goodput: None,
            connections: None,
            events: Vec::new(),
            ..example()
        });
        let text = render(&view, 80, 24);
        assert!(text.contains("7 of 8 generators  fault, 18s left"), "{text}");
        assert!(text.contains("send lag  400.00us on node7") && text.contains("answered   -"), "{text}");
    }

    #[test]
    fn a_tiny_screen_is_drawn_without_a_panic() {
        for (width, height) in [(1, 1), (10, 3), (30, 10), (200, 2)] {
            render(&view(), width, height);
        }
    }

    #[test]
    fn text_of_others_does_not_control_the_terminal() {
        let mut view = view();
        view.title = "a\x1b[2J".to_owned();
        view.events[0].detail = "b\x1b]0;owned\x07".to_owned();
        assert!(!render(&view, 120, 40).contains('\x1b'));
    }

    #[test]
    fn there_are_colours_only_if_they_are_wanted() {
        for has_colors in [false, true] {
            let view = View { has_colors, ..view() };
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
            terminal.draw(|frame| draw(frame, &view)).unwrap();
            let has_any = terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset);
            assert_eq!(has_any, has_colors);
        }
    }
}
