use std::io::{self, ErrorKind};

use crate::record::RequestRecord;
use crate::record::sink::{RecordSender, RecordSenders};

/// Takes the request records of one part. For the sinks they are records of further threads of one load: the threads of the
/// first load in part 0, in part 1 and so on, then those of the second load.
pub struct RowsReceiver {
    /// `None` while records are passed on.
    sender: Option<RecordSender>,
    /// The threads of one load in one part.
    threads: usize,
    parts: usize,
    part: usize,
    loads: usize,
}

impl RowsReceiver {
    /// `shape`: the threads of one load in one part, and the number of parts.
    pub fn new(senders: &RecordSenders, shape: (usize, u16), loads: usize, part: u16) -> RowsReceiver {
        let (threads, parts) = shape;
        RowsReceiver {
            sender: Some(senders.sender()),
            threads,
            parts: usize::from(parts),
            part: usize::from(part),
            loads,
        }
    }

    /// Passes on the records in `bytes`. Waits while the sinks are busy.
    ///
    /// # Errors
    /// If they are no records of this part.
    pub async fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut records = parse_rows(bytes)?;
        for record in &mut records {
            record.thread = self.number(record.thread).ok_or(ErrorKind::InvalidData)?;
        }
        let Some(mut sender) = self.sender.take() else { return Ok(()) };
        let pass_on = move || {
            records.iter().for_each(|record| sender.push_blocking(record));
            sender.finish();
            sender
        };
        self.sender = Some(tokio::task::spawn_blocking(pass_on).await.map_err(io::Error::other)?);
        Ok(())
    }

    /// The number of a thread of this part among the threads of all parts.
    fn number(&self, thread: u16) -> Option<u16> {
        let (load, thread) = (usize::from(thread) / self.threads, usize::from(thread) % self.threads);
        let number = (load * self.parts + self.part) * self.threads + thread;
        u16::try_from(number).ok().filter(|_| load < self.loads)
    }
}

/// The records in `bytes`, in their memory layout.
fn parse_rows(bytes: &[u8]) -> io::Result<Vec<RequestRecord>> {
    if !bytes.len().is_multiple_of(size_of::<RequestRecord>()) {
        return Err(ErrorKind::InvalidData.into());
    }
    let records: Vec<RequestRecord> = bytemuck::pod_collect_to_vec(bytes);
    match records.iter().all(|record| record.outcome().is_some()) {
        true => Ok(records),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Instant;

    #[test]
    fn only_whole_records_with_an_outcome_are_records() {
        let records = [RequestRecord::planned(1, Instant(2), 3), RequestRecord::planned(4, Instant(5), 6)];
        let bytes: &[u8] = bytemuck::cast_slice(&records);
        assert_eq!(parse_rows(bytes).unwrap(), records);
        assert!(parse_rows(&[]).unwrap().is_empty());
        assert!(parse_rows(&bytes[1..]).is_err() && parse_rows(&vec![0xff; bytes.len()]).is_err());
    }

    #[test]
    fn threads_of_all_parts_have_different_numbers() {
        let receiver = |part| RowsReceiver { sender: None, threads: 2, parts: 3, part, loads: 2 };
        let numbers: Vec<u16> =
            (0..3).flat_map(|part| (0..4).map(move |thread| receiver(part).number(thread).unwrap())).collect();
        assert_eq!(numbers, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
        assert_eq!(receiver(0).number(4), None, "there are two loads");
    }
}
