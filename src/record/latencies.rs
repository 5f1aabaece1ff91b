use std::fmt::Write;

use super::{Outcome, RequestRecord};

/// `latencies.txt` as wrk2's `-P` writes it: a line per thread, the corrected latencies of its answers in us in order
/// of completion, each followed by a space. Unlike wrk2's it holds every one.
pub fn latency_lines(threads: u16, records: &[RequestRecord]) -> String {
    let mut answers: Vec<(u16, u64, u64)> = records
        .iter()
        .filter(|r| r.is_last() && r.outcome() == Some(Outcome::Answered))
        .filter_map(|r| Some((r.thread, r.end, r.response_time()? / 1000)))
        .collect();
    answers.sort_unstable();
    let mut text = String::with_capacity(answers.len() * 8);
    for thread in 0..threads {
        for (_, _, us) in &answers[lower(&answers, thread)..lower(&answers, thread + 1)] {
            // A String takes all that it is given.
            let _ = write!(text, "{us} ");
        }
        text.push('\n');
    }
    text
}

/// Where the answers of `thread` begin.
fn lower(answers: &[(u16, u64, u64)], thread: u16) -> usize {
    answers.partition_point(|(of, _, _)| *of < thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_thread_in_order_of_completion() {
        let answer = |thread, intended, end| {
            let mut record = RequestRecord { end, status: 200, ..RequestRecord::planned(0, intended, thread) };
            record.set_outcome(Outcome::Answered);
            record.set_last(true);
            record
        };
        let mut broken = answer(0, 0, 1);
        broken.set_outcome(Outcome::ReadError);
        let records = [answer(2, 0, 9_000), answer(0, 1_000, 8_500), answer(0, 0, 4_000), broken];
        assert_eq!(latency_lines(3, &records), "4 7 \n\n9 \n");
    }
}
