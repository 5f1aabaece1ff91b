use super::answer::CertifyAnswer;
use super::strategy::Certify;
use crate::lab::campaign::run::CampaignResult;
use crate::lab::campaign::schedule::valid_runs;
use crate::lab::statistics::certificate::Window;
use crate::report::figures::{CertificateFigure, FigureState, FigureWindow, WindowKind};
use crate::verdict::goodput::Bin;

/// The figure of a certificate at `rate` requests/s: both runs on one time axis. `None` if its windows were not observed.
pub fn draw_certificate(
    answer: &CertifyAnswer,
    experiment: &str,
    rate: f64,
    certify: &Certify,
    result: &CampaignResult,
) -> Option<CertificateFigure> {
    let (with_fault, after_shed) = certify.find(&valid_runs(&result.runs))?;
    let judged = answer.windows()?;
    let is_stuck = judged.stuck_ns > 0;
    let kind = if is_stuck { WindowKind::Stuck } else { WindowKind::Observed };
    let name = if is_stuck { "stuck" } else { "after the fault" };
    let end = with_fault.end.as_secs_f64();
    let mut figure = CertificateFigure {
        title: format!("{} at {rate} requests/s", answer.name()),
        subtitle: format!("{experiment}, seed {}", with_fault.cell().seed),
        rate,
        goodput: with_fault.goodput.iter().map(|bin| point(bin, 0.0)).collect(),
        windows: Vec::new(),
        states: vec![
            state("W1", "before the fault", &judged.windows.baseline, WindowKind::Observed),
            state("W2", name, &judged.windows.stuck, kind),
        ],
    };
    let mut add = |from: f64, to: f64, label: String, kind| figure.windows.push(FigureWindow { from, to, label, kind });
    let percent = |window: &Window| format!("{:.1} %", 100.0 * window.requests.share());
    if let Some((from, to)) = with_fault.baseline_at {
        let label = format!("W1 {}", percent(&judged.windows.baseline));
        add(from.as_secs_f64(), to.as_secs_f64(), label, WindowKind::Observed);
    }
    if let Some((from, to)) = with_fault.fault {
        add(from.as_secs_f64(), to.as_secs_f64(), "fault".to_owned(), WindowKind::Fault);
    }
    let label = format!("W2 {}", percent(&judged.windows.stuck));
    add(with_fault.last_from.as_secs_f64(), end, label, kind);
    if let (Some(run), Some(shed)) = (after_shed, &judged.windows.after_shed) {
        let offset = run.started_after(with_fault);
        add(end, offset, "no load".to_owned(), WindowKind::NoLoad);
        let label = format!("W3 {}", percent(&shed.window));
        let kind = if shed.window.requests.share() < 0.5 { WindowKind::Stuck } else { WindowKind::Observed };
        add(offset + run.last_from.as_secs_f64(), offset + run.end.as_secs_f64(), label, kind);
        figure.goodput.push((end, None));
        figure.goodput.extend(run.goodput.iter().map(|bin| point(bin, offset)));
        let after = state("W3", "after the shed", &shed.window, kind);
        // Beside the state that it resembles.
        figure.states.insert(if kind == WindowKind::Observed { 1 } else { 2 }, after);
    }
    Some(figure)
}

fn point(bin: &Bin, offset: f64) -> (f64, Option<f64>) {
    let middle = (bin.from.as_secs_f64() + bin.to.as_secs_f64()) / 2.0;
    (offset + middle, Some(bin.goodput()))
}

fn state(window: &str, name: &str, observed: &Window, kind: WindowKind) -> FigureState {
    FigureState { label: format!("{window} {name}"), goodput: observed.requests.share(), kind }
}
