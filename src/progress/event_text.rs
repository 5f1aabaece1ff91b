//! The events of a run in words.

use super::ProgressEvent;
use crate::out::excerpt;
use crate::record::event::ComponentState;
use crate::record::{Event, EventKind, FaultStep};
use crate::units::Time;

/// What a user who watches the run should know of an event, if anything. The start and the end need no words, and
/// warnings are printed when they are found.
pub fn describe_event(event: &Event) -> Option<ProgressEvent> {
    let (text, detail) = match &event.what {
        EventKind::Fault { kind, step, detail, .. } => (describe_step(kind, *step), detail.as_str()),
        EventKind::Baseline { valid: true, .. } => ("the baseline is valid".to_owned(), ""),
        EventKind::Baseline { valid: false, detail } => ("the baseline is not valid".to_owned(), detail.as_str()),
        EventKind::Component { component, state, detail } => {
            let what = match state {
                ComponentState::Died => "died",
                ComponentState::OutOfMemory => "ran out of memory",
                ComponentState::Restarted => "restarted",
            };
            (format!("{component} {what}"), detail.as_str())
        }
        EventKind::Stall { lasted_ns } => {
            let lasted = Time::from_millis(lasted_ns / 1_000_000);
            (format!("the generator did not run for {lasted}"), "")
        }
        EventKind::Started { .. }
        | EventKind::Warning { .. }
        | EventKind::Generator(_)
        | EventKind::Recorded { .. }
        | EventKind::Ended { .. } => return None,
    };
    Some(ProgressEvent { at: event.at, text, detail: excerpt(detail) })
}

fn describe_step(kind: &str, step: FaultStep) -> String {
    match step {
        FaultStep::Commanded => format!("applying {kind}"),
        FaultStep::Effective => format!("{kind} took effect"),
        FaultStep::RemovalCommanded => format!("removing {kind}"),
        FaultStep::RemovalVerified => format!("removal of {kind} verified"),
        FaultStep::Failed => format!("{kind} failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    #[test]
    fn events_are_described_in_a_few_words() {
        let fault = |step, detail: &str| EventKind::Fault {
            fault: 0,
            kind: "link-cut".into(),
            step,
            detail: detail.into(),
            warnings: vec![],
        };
        let died = ComponentState::Died;
        let all = [
            fault(FaultStep::Commanded, ""),
            fault(FaultStep::Effective, "3 requests\nfailed"),
            fault(FaultStep::RemovalCommanded, ""),
            fault(FaultStep::RemovalVerified, ""),
            fault(FaultStep::Failed, "no permission"),
            EventKind::Baseline { valid: true, detail: String::new() },
            EventKind::Baseline { valid: false, detail: "goodput is 3 %".into() },
            EventKind::Component { component: "post-db".into(), state: died, detail: "signal 9".into() },
            EventKind::Stall { lasted_ns: 700_123_456 },
            EventKind::Recorded { rows: 1 },
        ];
        let texts = all.into_iter().map(|what| describe_event(&Event { at: Instant(1), what }));
        let texts: Vec<String> = texts.flatten().map(|event| event.to_string()).collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        applying link-cut
        link-cut took effect: 3 requests failed
        removing link-cut
        removal of link-cut verified
        link-cut failed: no permission
        the baseline is valid
        the baseline is not valid: goodput is 3 %
        post-db died: signal 9
        the generator did not run for 700ms
        ");
    }
}
