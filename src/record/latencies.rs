use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::{FileError, Outcome, RequestRecord};

/// Writes `latencies.txt` as wrk2's `-P` does: a line per thread, the corrected latencies of its answers in us in order
/// of completion, each followed by a space. Unlike wrk2's it holds every one.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_latencies(path: &Path, threads: u16, records: &[RequestRecord]) -> Result<(), FileError> {
    let file = File::create(path).map_err(FileError::io(path, "create"))?;
    let mut out = BufWriter::new(file);
    write_lines(&mut out, threads, records).and_then(|()| out.flush()).map_err(FileError::io(path, "write"))
}

fn write_lines(out: &mut impl Write, threads: u16, records: &[RequestRecord]) -> std::io::Result<()> {
    let mut answers: Vec<(u16, u64, u64)> = records
        .iter()
        .filter(|r| r.outcome() == Some(Outcome::Answered))
        .filter_map(|r| Some((r.thread, r.end, r.response_time()? / 1000)))
        .collect();
    answers.sort_unstable();
    for thread in 0..threads {
        for (_, _, us) in &answers[lower(&answers, thread)..lower(&answers, thread + 1)] {
            write!(out, "{us} ")?;
        }
        writeln!(out)?;
    }
    Ok(())
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
            record
        };
        let mut broken = answer(0, 0, 1);
        broken.set_outcome(Outcome::ReadError);
        let records = [answer(2, 0, 9_000), answer(0, 1_000, 8_500), answer(0, 0, 4_000), broken];
        let mut text = Vec::new();
        write_lines(&mut text, 3, &records).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "4 7 \n\n9 \n");
    }
}
