//! Verdicts in plain words: why, and what to do next.

use serde::{Deserialize, Serialize};

use super::{BROKEN, HEALTHY, Judgement, Reason, Recovery, Verdict};
use crate::load::plan::WhenBusy;
use crate::plan::ExperimentPlan;

/// A verdict in words, and the figures behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictText {
    /// `RECOVERED`, `METASTABLE`, `INVALID: ...`
    pub name: String,
    /// With `--exit-code`.
    pub exit_code: u8,
    /// A few plain lines: why this and no other.
    pub because: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
    /// Time from the verified removal to recovery, in ns.
    pub tau_ns: Option<u64>,
    /// Goodput lost, in seconds of planned load and in requests.
    pub loss_seconds: Option<f64>,
    pub loss_requests: Option<f64>,
    /// Mean goodput of the baseline.
    pub baseline_goodput: Option<f64>,
}

impl Judgement {
    /// The verdict for people.
    pub fn explain(&self, plan: &ExperimentPlan) -> VerdictText {
        let recovery = match &self.verdict {
            Verdict::Recovered(recovery) => Some(recovery),
            _ => None,
        };
        VerdictText {
            name: self.verdict.name(),
            exit_code: self.verdict.exit_code(),
            because: self.because(plan),
            next: self.next(plan),
            tau_ns: recovery.map(|r| r.tau),
            loss_seconds: recovery.map(|r| r.loss_seconds),
            loss_requests: recovery.map(|r| r.loss_requests),
            baseline_goodput: self.baseline.map(|baseline| baseline.goodput),
        }
    }

    fn because(&self, plan: &ExperimentPlan) -> Vec<String> {
        let g0 = self.baseline.map(|baseline| baseline.goodput);
        let mut lines: Vec<String> = match &self.verdict {
            Verdict::Invalid(reasons) => return reasons.iter().map(|reason| reason.long(plan)).collect(),
            Verdict::Stable => {
                vec![format!(
                    "At least {} of the requests were answered well within {} throughout.",
                    percent(0.99),
                    seconds(self.slo)
                )]
            }
            Verdict::Overloaded => {
                vec![format!(
                    "Nothing disturbed it, and yet it did not carry {} requests/s to the end.",
                    plan.load.rate
                )]
            }
            Verdict::Unaffected => vec![format!("Goodput never fell below {} of the baseline's.", percent(HEALTHY))],
            Verdict::Recovered(recovery) => recovered(recovery, plan),
            Verdict::Oscillating { swings } => vec![format!(
                "After the fault goodput went between {} and {} of the baseline's {swings} times, and did not settle.",
                percent(BROKEN),
                percent(HEALTHY)
            )],
            Verdict::Draining { per_second, empty_at } => vec![
                format!(
                    "It did not recover within {}, but its backlog shrinks: by {per_second:.1} requests/s.",
                    plan.observe()
                ),
                format!(
                    "{:.0} requests are left; at that pace they are gone at second {:.0}.",
                    self.backlog_at_end,
                    *empty_at as f64 / 1e9
                ),
            ],
            Verdict::Metastable => vec![format!(
                "The fault was gone for {}, and the load was the one that it carried before, yet goodput stayed down.",
                seconds(self.end.saturating_sub(self.timeline.t1().unwrap_or(self.end)))
            )],
            Verdict::Degraded => vec![format!("It did not recover within {}, nor stay down.", plan.observe())],
        };
        if let Some(g0) = g0 {
            lines.push(format!(
                "Baseline goodput {} (answered below status 400 within {}).",
                percent(g0),
                seconds(self.slo)
            ));
        }
        let over = if g0.is_some() { "the last" } else { "its last" };
        if let Some(last) = self.last_goodput {
            lines.push(format!("Median goodput of {over} {} of load: {}.", plan.windows().last, percent(last)));
        }
        if let Some(backlog) = self.backlog.filter(|_| self.verdict.exit_code() != 0) {
            lines.push(format!(
                "Backlog at the end: {:.0} requests, changing by {:+.1} a second (95 % between {:+.1} and {:+.1}).",
                self.backlog_at_end, backlog.slope, backlog.low, backlog.high
            ));
        }
        lines.extend(
            self.bound(plan).map(|bound| format!("{bound} was reached: it may be what kept the system stable.")),
        );
        lines
    }

    /// The bound on connections, where it may have hidden a failure.
    fn bound(&self, plan: &ExperimentPlan) -> Option<String> {
        let stable = matches!(self.verdict, Verdict::Unaffected | Verdict::Recovered(_) | Verdict::Stable);
        (stable && self.timeline.generator.bound_reached).then(|| match plan.load.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => format!("The bound of {} connections", plan.load.connections),
            WhenBusy::Open => format!("The bound of {} connections (max-connections)", plan.load.max_connections),
        })
    }

    fn next(&self, plan: &ExperimentPlan) -> Vec<String> {
        let rate = plan.load.rate;
        let mut lines = match &self.verdict {
            Verdict::Invalid(reasons) => {
                let mut lines: Vec<String> = Vec::new();
                for line in reasons.iter().map(|reason| reason.remedy(plan)) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
                lines
            }
            Verdict::Stable => vec!["Run it with a fault: leave out --outage 0s, or give it a [[fault]].".to_owned()],
            Verdict::Overloaded => vec![format!("Lower the load: --rate {}.", rounded(rate / 2.0))],
            Verdict::Unaffected => vec!["Try a longer fault (--outage) or a higher load (--rate).".to_owned()],
            Verdict::Recovered(_) => vec![format!(
                "Raise the load to find where it no longer does: --rate {}; or let the fault last: --outage.",
                rounded(rate * 1.5)
            )],
            Verdict::Oscillating { .. } | Verdict::Degraded | Verdict::Draining { .. } => vec![
                "Watch it for longer: observe = \"10m\" in [phases].".to_owned(),
                format!("Or lower the load: --rate {}.", rounded(rate / 2.0)),
            ],
            Verdict::Metastable => vec![
                format!(
                    "Lower the load and run again: --rate {}. Where it recovers lies the boundary.",
                    rounded(rate / 2.0)
                ),
                "The figures show what the fault left behind: memory, requests in flight, errors.".to_owned(),
            ],
        };
        if self.bound(plan).is_some() {
            lines.insert(
                0,
                match plan.load.when_busy {
                    WhenBusy::Wait | WhenBusy::Pipeline => {
                        "Run again with when-busy = \"open\" in [load], so that arrivals do not wait.".to_owned()
                    }
                    WhenBusy::Open => "Run again with a higher max-connections in [load].".to_owned(),
                },
            );
        }
        lines
    }
}

fn recovered(recovery: &Recovery, plan: &ExperimentPlan) -> Vec<String> {
    let mut lines = vec![
        format!("Goodput was back {} after the fault was gone.", seconds(recovery.tau)),
        format!("Lost: as much as {:.1} s of load, {:.0} requests.", recovery.loss_seconds, recovery.loss_requests),
    ];
    if recovery.watched < plan.windows().watch.0 {
        let (watched, watch) = (seconds(recovery.watched), plan.windows().watch);
        lines.push(format!("The load ended {watched} after the recovery; {watch} were to be watched."));
    }
    lines
}

impl Reason {
    /// In a word.
    pub fn short(&self) -> String {
        match self {
            Reason::Interrupted => "interrupted".to_owned(),
            Reason::Killed => "the run was killed".to_owned(),
            Reason::Failed(_) => "the run failed".to_owned(),
            Reason::PoorBaseline(_) => "unhealthy before the fault".to_owned(),
            Reason::OverloadedBefore => "overloaded before the fault".to_owned(),
            Reason::ShortBaseline => "no baseline".to_owned(),
            Reason::SendLag(_) => "the generator was late".to_owned(),
            Reason::Missing { .. } => "the generator did not keep to its schedule".to_owned(),
            Reason::NeverEffective(..) => "the fault never took effect".to_owned(),
            Reason::RemovalUnverified(..) => "the fault's removal could not be verified".to_owned(),
            Reason::Dead(components) => format!("{} dead", are(components, "is", "are")),
            Reason::ShortObservation { .. } => "too short after the fault".to_owned(),
        }
    }

    fn long(&self, plan: &ExperimentPlan) -> String {
        let fault = |i: &usize| plan.fault.get(*i).map_or_else(String::new, |fault| fault.name());
        let said = |detail: &Option<String>| detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
        match self {
            Reason::Interrupted => "The run was interrupted before its end.".to_owned(),
            Reason::Killed => "The run left no word of its end: it was killed.".to_owned(),
            Reason::Failed(detail) => format!("The run failed: {detail}."),
            Reason::PoorBaseline(g0) => {
                format!(
                    "Before the fault goodput was only {}; {} is the least to judge by.",
                    percent(*g0),
                    percent(0.99)
                )
            }
            Reason::OverloadedBefore => {
                "Before the fault requests were piling up: the load was too much for the system already.".to_owned()
            }
            Reason::ShortBaseline => {
                format!(
                    "Between the warm-up and the fault there was less than {} to judge by.",
                    plan.windows().least_baseline
                )
            }
            Reason::SendLag(p99) => {
                format!("The generator sent late by itself: {:.1} ms at p99; 10 ms is the most.", *p99 as f64 / 1e6)
            }
            Reason::Missing { planned, missing, unsent, dropped } => format!(
                "Of {planned} requests due, {unsent} were ready and never sent, and {missing} left no record \
                 ({dropped} records were dropped because the disk was slow)."
            ),
            Reason::NeverEffective(i, detail) => {
                format!("Fault {} ({}) never took effect{}.", i + 1, fault(i), said(detail))
            }
            Reason::RemovalUnverified(i, detail) => {
                format!("Fault {} ({}): nothing shows that it was removed{}.", i + 1, fault(i), said(detail))
            }
            Reason::Dead(components) => {
                format!("At the end {} dead, and had not come back.", are(components, "was", "were"))
            }
            Reason::ShortObservation { observed, least } => format!(
                "After the fault the load lasted for {}; {} is the least to judge by.",
                seconds(*observed),
                seconds(*least)
            ),
        }
    }

    fn remedy(&self, plan: &ExperimentPlan) -> String {
        match self {
            Reason::Interrupted => "Run it again, to its end.".to_owned(),
            Reason::Killed => {
                "Run it again, to its end. (What it had done to a container is undone: `metawrk restore` makes sure.)"
                    .to_owned()
            }
            Reason::Failed(_) => "Mend what failed, and run it again.".to_owned(),
            Reason::PoorBaseline(_) | Reason::OverloadedBefore => format!(
                "Lower the load: --rate {}. Or see with --outage 0s what the system carries.",
                rounded(plan.load.rate / 2.0)
            ),
            Reason::ShortBaseline => "Apply the fault later (at), or lengthen baseline in [phases].".to_owned(),
            Reason::SendLag(_) => "Give the generator a CPU of its own, or more threads, or lower the load.".to_owned(),
            Reason::Missing { dropped: 1.., .. } => {
                "Write results to a faster disk (--out), or lower the load.".to_owned()
            }
            Reason::Missing { .. } => "Give the generator more threads or connections, or lower the load.".to_owned(),
            Reason::NeverEffective(..) | Reason::RemovalUnverified(..) => {
                "See events.jsonl for what the fault said; mend that and run again.".to_owned()
            }
            Reason::Dead(_) => {
                "A crash is no metastable failure: see why it died (out of memory?), restart it and run again."
                    .to_owned()
            }
            Reason::ShortObservation { .. } => "Lengthen the load: --duration.".to_owned(),
        }
    }
}

/// `a is`, `a and b are`
fn are(names: &[String], one: &str, several: &str) -> String {
    match names {
        [name] => format!("{name} {one}"),
        [names @ .., last] => format!("{} and {last} {several}", names.join(", ")),
        [] => format!("nothing {one}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn seconds(ns: u64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

/// A rate as a person would type it: two digits that count.
fn rounded(rate: f64) -> f64 {
    let scale = 10f64.powf(rate.log10().floor() - 1.0);
    let rounded = (rate / scale).round() * scale;
    if scale < 1.0 { (rounded * 1e6).round() / 1e6 } else { rounded }
}
