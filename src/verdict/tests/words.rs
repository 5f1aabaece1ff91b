use super::builder::{Run, at, secs};
use super::*;

fn all_verdicts() -> Vec<Verdict> {
    use InvalidReason::*;
    let reasons = vec![
        Interrupted,
        Killed,
        Failed("no disk".into()),
        UnhealthyBaseline(0.9),
        OverloadedBaseline,
        BaselineRefused("Goodput before the fault was 98.0 %; at least 99.0 % is needed.".into()),
        ShortBaseline,
        Stalled(at(12), secs(3)),
        SendLag(Time::from_millis(11)),
        NoCore(0.5),
        MissingRequests { due: 100, missing: 1, unsent: 2, dropped: 0 },
        MissingRequests { due: 100, missing: 1, unsent: 2, dropped: 1 },
        NeverEffective(0, None),
        RemovalUnverified(0, Some("no answer".into())),
        DeadComponents(vec!["a".into(), "b".into()]),
        ShortObservation { observed: secs(1), needed: secs(30) },
    ];
    let recovery = Recovery { at: at(40), tau: secs(5), loss_seconds: 1.0, loss_requests: 100.0, watched: secs(3) };
    vec![
        Verdict::Invalid(reasons),
        Verdict::Stable,
        Verdict::Overloaded,
        Verdict::Unaffected,
        Verdict::Recovered(recovery),
        Verdict::Oscillating { swings: 3 },
        Verdict::Draining { per_second: 5.0, empty_at: at(400) },
        Verdict::Metastable,
        Verdict::Degraded,
    ]
}

#[test]
fn remedies_name_only_flags_of_the_experiment_command() {
    let help = crate::cli::command().find_subcommand("experiment").unwrap().clone().render_long_help().to_string();
    let run = Run::new();
    let evidence = run.judge().evidence;
    for verdict in all_verdicts() {
        let judgement = Judgement { verdict, evidence: evidence.clone() };
        let text = judgement.explain(&run.plan);
        assert!(!text.because.is_empty() && !text.next.is_empty(), "{text:?}");
        for flag in text.next.iter().flat_map(|line| line.split([' ', '(', ')', ',', '.', ':'])) {
            assert!(!flag.starts_with("--") || help.split_whitespace().any(|word| word == flag), "{flag}: {text:?}");
        }
    }
}

#[test]
fn each_verdict_and_reason_has_its_own_text() {
    let run = Run::new();
    let evidence = run.judge().evidence;
    let lines: Vec<String> = all_verdicts()
        .into_iter()
        .flat_map(|verdict| {
            let text = Judgement { verdict, evidence: evidence.clone() }.explain(&run.plan);
            [vec![format!("{} ({})", text.name, text.exit_code)], text.because, vec!["->".to_owned()], text.next]
                .concat()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
