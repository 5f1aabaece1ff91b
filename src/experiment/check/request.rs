//! Whether the target answers a request as it should.

use super::Finding;
use super::step::run_blocking;
use crate::load::one_request::{ANSWER_TIMEOUT, plan_one_request, send_one_request};
use crate::plan::ExperimentPlan;
use crate::record::{Outcome, RequestRecord};

const SUBJECT: &str = "target";

/// Sends one real request to `url`, the first one of the load, and judges its answer.
pub async fn check_request(plan: &ExperimentPlan, url: &str) -> Finding {
    let load = match plan_one_request(plan.load_settings(url)) {
        Ok(load) => load,
        Err(error) => return Finding::fail(SUBJECT, error.to_string()),
    };
    match run_blocking(&load, send_one_request).await {
        Ok(record) => judge_answer(url, record.as_ref()),
        Err(why) => unreachable_target(&why),
    }
}

/// No request can be sent to the target.
pub fn unreachable_target(why: &str) -> Finding {
    Finding::fail(SUBJECT, format!("{why}. Start the system, or correct the url in [target]."))
}

/// Judges the answer to a request to `url`. With an error status or without an answer the baseline would not be healthy.
pub fn judge_answer(url: &str, record: Option<&RequestRecord>) -> Finding {
    let outcome = record.and_then(|record| Some((record, record.outcome()?)));
    let problem = match outcome {
        Some((record, Outcome::Answered)) if record.status < 400 => {
            let took = record.service_time().unwrap_or_default().as_secs_f64() * 1e3;
            return Finding::ok(SUBJECT, format!("{url} answers with status {} after {took:.1} ms", record.status));
        }
        Some((record, Outcome::Answered)) => format!("answers with status {}", record.status),
        Some((_, Outcome::ConnectError)) => "accepts no connection".to_owned(),
        Some((_, Outcome::ReadError | Outcome::WriteError)) => "ends the connection without a valid answer".to_owned(),
        Some((_, Outcome::Abandoned | Outcome::Unanswered | Outcome::Unsent)) => {
            format!("does not answer within {ANSWER_TIMEOUT}")
        }
        None => "got no request: the script makes none".to_owned(),
    };
    Finding::fail(
        SUBJECT,
        format!(
            "{url} {problem}. A request counts as good if its status is below 400: correct the url in [target], the \
             headers or the script in [load], or look into the log of the system."
        ),
    )
}
