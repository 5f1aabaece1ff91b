//! What a certificate says, in a sentence and as data.

use serde::Serialize;

use super::strategy::Certify;
use crate::lab::campaign::outcome::RunOutcome;
use crate::lab::campaign::run::{CampaignEnd, CampaignResult};
use crate::lab::campaign::schedule::{Ending, valid_runs};
use crate::lab::statistics::certificate::{CERTIFICATE_CONFIDENCE, Certificate, CertifyWindows, ShedWindow, Window};
use crate::lab::statistics::rate::EventRate;
use crate::units::Time;
use crate::verdict::Verdict;

/// The answer of `metawrk certify`.
#[derive(Clone, Debug, PartialEq)]
pub enum CertifyAnswer {
    Judged(Box<JudgedWindows>),
    /// After the fault the system was neither healthy nor stuck. The verdict of its run.
    NeitherState {
        verdict: String,
    },
    /// The system was healthy in an earlier run, and later runs found it broken before their fault.
    StaysBroken,
    /// The campaign ended before the question was answered: why, and what to do.
    Unanswered {
        why: String,
    },
}

/// The windows and what they prove.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedWindows {
    pub certificate: Certificate,
    pub windows: CertifyWindows,
    /// From the removal of the fault to the recovery, in ns, if the system recovered.
    pub recovery_ns: Option<u64>,
    /// How long the system was stuck at the end of the first run, in ns.
    pub stuck_ns: u64,
    /// How often per second a system in this state leaves it, seen that it did not. `None` if it was not stuck.
    pub escape_rate: Option<EventRate>,
    /// How long no load was sent, in ns.
    pub shed_ns: Option<u64>,
}

impl CertifyAnswer {
    pub fn of(certify: &Certify, result: &CampaignResult) -> CertifyAnswer {
        let valid = valid_runs(&result.runs);
        let Some((with_fault, after_shed)) = certify.find(&valid) else { return unanswered(&result.end) };
        if with_fault.is_stuck() && after_shed.is_none() {
            return unanswered(&result.end);
        }
        match judge(certify, with_fault, after_shed) {
            Some(judged) if with_fault.is_healthy() || with_fault.is_stuck() => CertifyAnswer::Judged(Box::new(judged)),
            _ => CertifyAnswer::NeitherState { verdict: with_fault.verdict.name.clone() },
        }
    }

    /// The answer in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            CertifyAnswer::Judged(judged) => match judged.certificate {
                Certificate::Bistable => "BISTABLE",
                Certificate::NotStuck => "NOT STUCK",
                Certificate::Permanent => "PERMANENT",
                Certificate::CuredByRestart { .. } => "CURED BY A RESTART",
                Certificate::Inconclusive(_) => "INCONCLUSIVE",
            },
            CertifyAnswer::StaysBroken => "PERMANENT",
            CertifyAnswer::NeitherState { .. } => "INCONCLUSIVE",
            CertifyAnswer::Unanswered { .. } => "UNANSWERED",
        }
    }

    /// The exit code with `--exit-code`.
    pub fn exit_code(&self) -> u8 {
        match self.name() {
            "NOT STUCK" => 0,
            "BISTABLE" => Verdict::Metastable.exit_code(),
            "PERMANENT" => 15,
            "CURED BY A RESTART" => 16,
            "INCONCLUSIVE" => 17,
            _ => Verdict::Invalid(Vec::new()).exit_code(),
        }
    }

    /// The windows, if they were judged.
    pub fn windows(&self) -> Option<&JudgedWindows> {
        match self {
            CertifyAnswer::Judged(judged) => Some(judged),
            _ => None,
        }
    }

    /// The answer in a sentence or two. `rate` is in requests per second.
    pub fn sentence(&self, rate: f64) -> String {
        let head = format!("{} at {rate} requests/s", self.name());
        match self {
            CertifyAnswer::Judged(judged) => format!("{head}: {}", judged.sentence()),
            CertifyAnswer::NeitherState { verdict } => format!(
                "{head}: after the fault the system was neither healthy nor stuck, but {verdict}. Observe it for longer \
                 (--dwell), or change the rate."
            ),
            CertifyAnswer::StaysBroken => format!("{head}: {}.", CampaignEnd::Ended(Ending::Permanent).explain()),
            CertifyAnswer::Unanswered { why } => format!("{head}: {why}."),
        }
    }
}

impl JudgedWindows {
    fn sentence(&self) -> String {
        let CertifyWindows { baseline, stuck, after_shed, .. } = &self.windows;
        let seconds = |ns: Option<u64>| format!("{:.0} s", ns.unwrap_or(0) as f64 / 1e9);
        let shed = seconds(self.shed_ns);
        let stuck_text = format!("{} while it was stuck", share(stuck));
        let after = after_shed.as_ref().map(|shed| share(&shed.window)).unwrap_or_default();
        let before = format!("goodput was {} before the fault", share(baseline));
        match &self.certificate {
            Certificate::Bistable => {
                let same = match baseline.identity.processes.len() {
                    0 => "Whether a process was restarted is unknown, because the plan names no container",
                    _ => "All processes were the same throughout",
                };
                let dwell = self.escape_rate.map(|rate| format!(" {}", self.describe_dwell(rate))).unwrap_or_default();
                format!("{before}, {stuck_text}, and {after} again after {shed} without load. {same}.{dwell}")
            }
            Certificate::NotStuck => match self.recovery_ns {
                Some(ns) => format!("the system recovered {} after the fault was removed.", seconds(Some(ns))),
                None => "the fault did not affect the goodput.".to_owned(),
            },
            Certificate::Permanent => {
                format!("{before}, {stuck_text}, and still {after} after {shed} without load.")
            }
            Certificate::CuredByRestart { components } if self.shed_ns.is_none() => format!(
                "{before} and {} after it, but meanwhile these were restarted: {}.",
                share(stuck),
                components.join(", ")
            ),
            Certificate::CuredByRestart { components } => format!(
                "{before}, {stuck_text}, and {after} again after {shed} without load, but meanwhile these were restarted: \
                 {}.",
                components.join(", ")
            ),
            Certificate::Inconclusive(reason) => format!("{reason}."),
        }
    }

    fn describe_dwell(&self, rate: EventRate) -> String {
        let seconds = self.stuck_ns as f64 / 1e9;
        match rate {
            EventRate::AtMost { per_second, confidence } => format!(
                "It was stuck for {seconds:.0} s without an escape: at most {per_second:.2} escapes/s ({:.0} %).",
                100.0 * confidence.as_share()
            ),
            // No escape was counted.
            EventRate::Between(_) => String::new(),
        }
    }
}

/// `2.4 % (1.9..2.9)`
fn share(window: &Window) -> String {
    let interval = window.interval();
    let percent = |share: f64| 100.0 * share;
    format!("{:.1} % ({:.1}..{:.1})", percent(window.requests.share()), percent(interval.low), percent(interval.high))
}

/// `None` without a baseline or without requests after the fault.
fn judge(certify: &Certify, with_fault: &RunOutcome, after_shed: Option<&RunOutcome>) -> Option<JudgedWindows> {
    let window = |requests, identity: &_| Window { requests, identity: Clone::clone(identity) };
    let after = match after_shed {
        Some(run) => {
            let drained = certify.has_drained(with_fault, run.record.shed);
            let healthy_ns = run.healthy_for().0;
            Some(ShedWindow { window: window(run.last?, &run.record.after), drained, healthy_ns })
        }
        None => None,
    };
    let windows = CertifyWindows {
        baseline: window(with_fault.baseline?, &with_fault.record.before),
        stuck: window(with_fault.last?, &with_fault.record.after),
        after_shed: after,
        restart_cures: certify.restart_cures(with_fault),
    };
    let stuck_for = if with_fault.is_stuck() { with_fault.stuck_for } else { Time::ZERO };
    Some(JudgedWindows {
        certificate: windows.judge(),
        windows,
        recovery_ns: with_fault.verdict.tau_ns,
        stuck_ns: stuck_for.0,
        escape_rate: EventRate::of(0, stuck_for, CERTIFICATE_CONFIDENCE),
        shed_ns: after_shed.map(|run| run.record.shed.0),
    })
}

fn unanswered(end: &CampaignEnd) -> CertifyAnswer {
    match end {
        CampaignEnd::Ended(Ending::Permanent) => CertifyAnswer::StaysBroken,
        end => CertifyAnswer::Unanswered { why: end.explain() },
    }
}

/// What `campaign.json` says of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertifyDetails {
    /// Requests per second.
    pub rate: f64,
    /// `None` if there is no answer yet.
    pub windows: Option<JudgedWindows>,
}
