//! Verdicts in plain words: why, and what to do next. Remedies name the options of `metawrk experiment`.

use serde::{Deserialize, Serialize};

use super::failures::Failures;
use super::judgement::{InvalidReason, Judgement, Verdict};
use super::recovery::Recovery;
use super::thresholds::{BROKEN, HEALTHY, MAX_CORE_WAIT, MIN_BASELINE};
use crate::load::plan::WhenBusy;
use crate::plan::ExperimentPlan;
use crate::units::{Time, round_rate};

/// A verdict in words, and the figures behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictText {
    /// `RECOVERED`, `METASTABLE`, `INVALID` and so on, without a reason. Empty in results of an earlier version.
    #[serde(default)]
    pub kind: String,
    /// `RECOVERED`, `METASTABLE`, `INVALID: ...`
    pub name: String,
    /// The exit code with `--exit-code`.
    pub exit_code: u8,
    /// Why this verdict: one sentence or two per line.
    pub because: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
    /// Time from the verified removal to recovery, in ns.
    pub tau_ns: Option<u64>,
    /// Goodput lost, in seconds of planned load and in requests.
    pub loss_seconds: Option<f64>,
    pub loss_requests: Option<f64>,
    /// Mean goodput of the baseline, 0 to 1.
    pub baseline_goodput: Option<f64>,
}

impl VerdictText {
    /// The run proves nothing.
    pub fn is_invalid(&self) -> bool {
        self.exit_code == Verdict::Invalid(Vec::new()).exit_code()
    }

    /// The run is INVALID because the system was not healthy before the fault.
    pub fn is_unhealthy_before(&self) -> bool {
        [InvalidReason::UnhealthyBaseline(0.0), InvalidReason::OverloadedBaseline]
            .iter()
            .any(|reason| self.name == Verdict::Invalid(vec![reason.clone()]).name())
    }
}

impl Verdict {
    /// The verdict in a few words: `RECOVERED`, or `INVALID` with its first reason.
    pub fn name(&self) -> String {
        match self {
            Verdict::Invalid(reasons) => match reasons.first() {
                Some(reason) => format!("{}: {}", self.kind(), reason.name()),
                None => self.kind().to_owned(),
            },
            _ => self.kind().to_owned(),
        }
    }
}

impl Judgement {
    /// The verdict as text.
    pub fn explain(&self, plan: &ExperimentPlan) -> VerdictText {
        let recovery = match &self.verdict {
            Verdict::Recovered(recovery) => Some(recovery),
            _ => None,
        };
        VerdictText {
            kind: self.verdict.kind().to_owned(),
            name: self.verdict.name(),
            exit_code: self.verdict.exit_code(),
            because: self.explain_reasons(plan),
            next: self.suggest_next(plan),
            tau_ns: recovery.map(|r| r.tau.0),
            loss_seconds: recovery.map(|r| r.loss_seconds),
            loss_requests: recovery.map(|r| r.loss_requests),
            baseline_goodput: self.evidence.baseline.map(|baseline| baseline.goodput),
        }
    }

    fn explain_reasons(&self, plan: &ExperimentPlan) -> Vec<String> {
        let evidence = &self.evidence;
        let observed = match plan.early() {
            Some(_) => seconds(evidence.observed().min(plan.phases().observe)),
            None => plan.phases().observe.to_string(),
        };
        let mut lines = match &self.verdict {
            Verdict::Invalid(reasons) => {
                let mut lines: Vec<String> =
                    reasons.iter().map(|reason| reason.explain(plan, &evidence.failures)).collect();
                if evidence.timeline.ended_by_baseline().is_some() {
                    lines.push("So the run ended before the fault, and nothing was touched.".to_owned());
                }
                return lines;
            }
            Verdict::Stable => vec![format!(
                "At least {} of the requests were answered with a status below 400 within {} throughout.",
                percent(MIN_BASELINE),
                seconds(evidence.slo)
            )],
            Verdict::Overloaded => {
                let sustained = format!(
                    "The system did not sustain {} requests/s, although no fault was applied.",
                    plan.load().rate
                );
                [sustained].into_iter().chain(evidence.failures.describe()).collect()
            }
            Verdict::Unaffected => vec![format!("Goodput never fell below {} of the baseline.", percent(HEALTHY))],
            Verdict::Recovered(recovery) => explain_recovery(recovery, plan),
            Verdict::Oscillating { swings } => vec![format!(
                "After the fault was removed, goodput moved between {} and {} of the baseline {swings} times and did \
                 not settle.",
                percent(BROKEN),
                percent(HEALTHY)
            )],
            Verdict::Draining { per_second, empty_at } => vec![
                format!(
                    "The system did not recover within {observed}, but its backlog shrinks by {per_second:.1} requests/s."
                ),
                format!(
                    "{:.0} requests remain; at this pace the backlog is empty at second {:.0}.",
                    evidence.backlog_at_end(),
                    empty_at.as_secs_f64()
                ),
            ],
            Verdict::Metastable => vec![format!(
                "Goodput stayed low for {} after the fault was removed, under a load that the system carried before \
                 the fault.",
                seconds(evidence.observed())
            )],
            Verdict::Degraded => vec![format!(
                "The system did not recover within {observed}, and its goodput did not stay below {} of the baseline either.",
                percent(BROKEN)
            )],
        };
        lines.extend(evidence.baseline.map(|baseline| {
            format!(
                "Baseline goodput: {} (answered with a status below 400 within {}).",
                percent(baseline.goodput),
                seconds(evidence.slo)
            )
        }));
        if let Some(last) = evidence.last_goodput {
            let window = evidence.last_window(plan.windows());
            lines.push(format!("Median goodput of the last {window} of load: {}.", percent(last)));
        }
        if let Some(backlog) = evidence.backlog_trend.filter(|_| self.verdict.exit_code() != 0) {
            lines.push(format!(
                "Backlog at the end of the load: {:.0} requests, changing by {:+.1} requests/s (95 % confidence: {:+.1} \
                 to {:+.1}).",
                evidence.backlog_at_end(),
                backlog.slope,
                backlog.low,
                backlog.high
            ));
        }
        if self.limit_may_stabilize() {
            let (limit, name) = match plan.load().when_busy {
                WhenBusy::Wait | WhenBusy::Pipeline => (plan.load().connections, "connections"),
                WhenBusy::Open => (plan.load().max_connections, "max-connections"),
            };
            lines.push(format!(
                "The load reached its limit of {limit} connections ({name}), which may have kept the system stable."
            ));
        }
        lines
    }

    /// Whether the limit on connections was reached and may have hidden a failure.
    fn limit_may_stabilize(&self) -> bool {
        let stable = matches!(self.verdict, Verdict::Unaffected | Verdict::Recovered(_) | Verdict::Stable);
        stable && self.evidence.timeline.generator.bound_reached
    }

    fn suggest_next(&self, plan: &ExperimentPlan) -> Vec<String> {
        let rate = plan.load().rate;
        let mut lines = match &self.verdict {
            Verdict::Invalid(reasons) => {
                let mut lines: Vec<String> = Vec::new();
                for line in reasons.iter().map(|reason| reason.remedy(plan, &self.evidence.failures)) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
                if self.evidence.timeline.ended_by_baseline().is_some() {
                    lines.push("Or apply the fault to the system as it is: --anyway.".to_owned());
                }
                lines
            }
            Verdict::Stable => {
                vec!["Run it with a fault: add a [[fault]] section, or leave out --outage 0s.".to_owned()]
            }
            Verdict::Overloaded => vec![self.evidence.failures.remedy(rate)],
            Verdict::Unaffected => vec!["Try a longer fault (--outage) or a higher load (--rate).".to_owned()],
            Verdict::Recovered(_) => vec![format!(
                "Find the load at which the system no longer recovers: raise it (--rate {}), or make the fault longer \
                 (--outage).",
                round_rate(rate * 1.5)
            )],
            Verdict::Oscillating { .. } | Verdict::Degraded | Verdict::Draining { .. } => vec![
                "Observe for longer: observe = \"10m\" in [phases].".to_owned(),
                format!("Or lower the load: --rate {}.", round_rate(rate / 2.0)),
            ],
            Verdict::Metastable => vec![
                format!(
                    "Find the load at which the system still recovers: lower it and run again (--rate {}).",
                    round_rate(rate / 2.0)
                ),
                "Look in the figures for the sustaining effect: memory, requests in flight, errors.".to_owned(),
            ],
        };
        if self.limit_may_stabilize() {
            let remedy = match plan.load().when_busy {
                WhenBusy::Wait | WhenBusy::Pipeline => {
                    "Run again with when-busy = \"open\" in [load], so that no request waits for a connection."
                }
                WhenBusy::Open => "Run again with a higher max-connections in [load].",
            };
            lines.insert(0, remedy.to_owned());
        }
        lines
    }
}

fn explain_recovery(recovery: &Recovery, plan: &ExperimentPlan) -> Vec<String> {
    let mut lines = vec![
        format!("Goodput recovered {} after the fault was removed.", seconds(recovery.tau)),
        format!("Goodput lost: {:.0} requests ({:.1} s of load).", recovery.loss_requests, recovery.loss_seconds),
    ];
    let watch = plan.windows().watch;
    if recovery.watched < watch {
        let watched = seconds(recovery.watched);
        lines.push(format!("The load ended {watched} after the recovery window instead of {watch}."));
    }
    lines
}

impl InvalidReason {
    /// The reason in a few words.
    pub fn name(&self) -> String {
        match self {
            InvalidReason::Interrupted => "interrupted".to_owned(),
            InvalidReason::Aborted(_) => "aborted by a threshold".to_owned(),
            InvalidReason::Killed => "the run was killed".to_owned(),
            InvalidReason::Failed(_) => "the run failed".to_owned(),
            InvalidReason::IncompleteRecords { .. } => "its records are incomplete".to_owned(),
            InvalidReason::UnhealthyBaseline(_) | InvalidReason::BaselineRefused(_) => {
                "unhealthy before the fault".to_owned()
            }
            InvalidReason::OverloadedBaseline => "overloaded before the fault".to_owned(),
            InvalidReason::ShortBaseline => "no baseline".to_owned(),
            InvalidReason::Stalled(..) | InvalidReason::SendLag(_) | InvalidReason::NoCore(_) => {
                "the generator was late".to_owned()
            }
            InvalidReason::MissingRequests { .. } => "the generator did not keep to its schedule".to_owned(),
            InvalidReason::NeverEffective(..) => "the fault never took effect".to_owned(),
            InvalidReason::RemovalUnverified(..) => "the fault's removal could not be verified".to_owned(),
            InvalidReason::DeadComponents(names) => match names.as_slice() {
                [name] => format!("{name} is dead"),
                names => format!("{} are dead", enumerate(names)),
            },
            InvalidReason::ShortObservation { .. } => "too short after the fault".to_owned(),
        }
    }

    /// The reason in a sentence or two.
    pub(super) fn explain(&self, plan: &ExperimentPlan, failures: &Failures) -> String {
        let fault = |i: &usize| plan.faults().get(*i).map_or_else(String::new, |fault| fault.spec.label());
        let appended = |detail: &Option<String>| detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
        match self {
            InvalidReason::Interrupted => "The run was interrupted before its end.".to_owned(),
            InvalidReason::Aborted(detail) => format!("A threshold ended the run: {detail}."),
            InvalidReason::Killed => "The run was killed: it recorded no end.".to_owned(),
            InvalidReason::Failed(detail) => format!("The run failed: {detail}."),
            InvalidReason::IncompleteRecords { recorded, found } => {
                format!("The run recorded {recorded} attempts, and requests.parquet has {found}.")
            }
            InvalidReason::UnhealthyBaseline(g0) => {
                let (g0, needed) = (percent(*g0), percent(MIN_BASELINE));
                let goodput = format!("Goodput before the fault was {g0}; at least {needed} is needed.");
                [goodput].into_iter().chain(failures.describe()).collect::<Vec<_>>().join(" ")
            }
            InvalidReason::BaselineRefused(why) => why.clone(),
            InvalidReason::OverloadedBaseline => {
                "The backlog grew before the fault: the system was already overloaded.".to_owned()
            }
            InvalidReason::ShortBaseline => {
                format!("The time from the warm-up to the fault was shorter than {}.", plan.windows().min_baseline)
            }
            InvalidReason::Stalled(until, lasted) => format!(
                "The generator's process did not run for {} until second {:.1}: it was stopped, or had no CPU. What the \
                 system did meanwhile is unknown.",
                seconds(*lasted),
                until.as_secs_f64()
            ),
            InvalidReason::SendLag(p99) => format!(
                "The generator sent requests late: the 99th percentile of its send lag was {:.1} ms, and at most 10 ms is \
                 allowed.",
                p99.as_secs_f64() * 1e3
            ),
            InvalidReason::NoCore(share) => format!(
                "For {:.0} % of the run the generator's threads had no core, because other programs used theirs, and at most \
                 {:.0} % is allowed. It sent requests and read answers late, so its response times are not those of the \
                 system.",
                100.0 * share,
                100.0 * MAX_CORE_WAIT
            ),
            InvalidReason::MissingRequests { due, missing, unsent, dropped } => format!(
                "Of {due} requests due, the generator did not send {unsent} although it could, and has no record of \
                 {missing} ({dropped} records were dropped because of a slow disk)."
            ),
            InvalidReason::NeverEffective(i, detail) => {
                format!("Fault {} ({}) never took effect{}.", i + 1, fault(i), appended(detail))
            }
            InvalidReason::RemovalUnverified(i, detail) => {
                format!("The removal of fault {} ({}) could not be verified{}.", i + 1, fault(i), appended(detail))
            }
            InvalidReason::DeadComponents(names) => format!("{} died and did not restart.", enumerate(names)),
            InvalidReason::ShortObservation { observed, needed } => format!(
                "The load ended {} after the fault was removed; at least {} are needed.",
                seconds(*observed),
                seconds(*needed)
            ),
        }
    }

    /// What to do about it.
    fn remedy(&self, plan: &ExperimentPlan, failures: &Failures) -> String {
        match self {
            InvalidReason::Interrupted => "Run the experiment again, and let it finish.".to_owned(),
            InvalidReason::Killed => {
                "Run the experiment again, and let it finish. If the plan has faults on containers or processes, run \
                 `metawrk restore` first: it removes any that are left."
                    .to_owned()
            }
            InvalidReason::Failed(_) => "Fix the cause and run again.".to_owned(),
            InvalidReason::Aborted(_) => {
                "To see how the system goes on, remove the abort-if from [[threshold]], or raise its limit.".to_owned()
            }
            InvalidReason::IncompleteRecords { .. } => {
                "Take the results folder from a copy, or run the experiment again.".to_owned()
            }
            InvalidReason::UnhealthyBaseline(_) => failures.remedy(plan.load().rate),
            InvalidReason::OverloadedBaseline => Failures::default().remedy(plan.load().rate),
            InvalidReason::BaselineRefused(_) => "Run the experiment again, on an idle machine.".to_owned(),
            InvalidReason::ShortBaseline => {
                "Apply the fault later (at in [[fault]]), or increase baseline in [phases].".to_owned()
            }
            InvalidReason::Stalled(..) | InvalidReason::SendLag(_) | InvalidReason::NoCore(_) => {
                "Give the generator its own CPU, raise threads in [load], or lower the load (--rate).".to_owned()
            }
            InvalidReason::MissingRequests { dropped: 1.., .. } => {
                "Write the results to a faster disk (--out), or lower the load (--rate).".to_owned()
            }
            InvalidReason::MissingRequests { .. } => {
                "Raise threads in [load] or the connections (--connections), or lower the load (--rate).".to_owned()
            }
            InvalidReason::NeverEffective(..) | InvalidReason::RemovalUnverified(..) => {
                "See the steps of the fault in events.jsonl, fix the cause and run again.".to_owned()
            }
            InvalidReason::DeadComponents(_) => {
                "A crash is not a metastable failure. Find its cause (out of memory?), restart the component and run \
                 again."
                    .to_owned()
            }
            InvalidReason::ShortObservation { .. } => "Make the load longer: --duration.".to_owned(),
        }
    }
}

/// `a`, `a and b`, `a, b and c`
fn enumerate(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn seconds(time: Time) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
