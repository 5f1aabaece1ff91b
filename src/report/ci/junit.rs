use std::fmt::Write as _;

use super::CiReport;
use crate::report::html::escape;

/// JUnit XML: one test case for each threshold, and one for the verdict of an experiment.
pub fn format_junit(report: &CiReport<'_>) -> String {
    let name = escape(&report.name);
    let mut cases = String::new();
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    let mut add = |case: &str, problem: Option<(&str, String)>| {
        tests += 1;
        let case = format!("    <testcase classname=\"{name}\" name=\"{}\" time=\"0\"", escape(case));
        let _ = match problem {
            None => writeln!(cases, "{case}/>"),
            Some((kind, text)) => {
                *(if kind == "error" { &mut errors } else { &mut failures }) += 1;
                writeln!(cases, "{case}>\n      <{kind} message=\"{}\"/>\n    </testcase>", escape(&text))
            }
        };
    };
    if let Some(verdict) = report.verdict {
        // An invalid run shows nothing about the system.
        let kind = if verdict.is_invalid() { "error" } else { "failure" };
        let text = || format!("{}: {}", verdict.name, verdict.because.join(" "));
        add("verdict", (!CiReport::is_healthy(verdict)).then(|| (kind, text())));
    }
    for result in report.thresholds {
        let case = format!("{} {}", result.action.name(), result.condition);
        add(&case, (!result.passed).then(|| ("failure", result.text.clone())));
    }
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    let (time, started) = (report.lasted.as_secs_f64(), escape(report.started));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"metawrk\" {counts}>\n  \
         <testsuite name=\"{name}\" {counts} skipped=\"0\" time=\"{time:.3}\" timestamp=\"{started}\">\n{cases}  \
         </testsuite>\n</testsuites>\n"
    )
}
