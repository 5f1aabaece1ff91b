use std::fmt;

use super::figure_data::FigureData;
use crate::record::digest::ThreadCounts;

/// Which threads of the generator a figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One, by its number from 0.
    One(u16),
    /// All of them together.
    All,
}

impl Threads {
    /// As a part of the name of a file.
    pub fn file_name(self) -> String {
        match self {
            Threads::One(thread) => format!("t{thread}"),
            Threads::All => "all".into(),
        }
    }

    /// Whether `thread` is one of them.
    pub fn contain(self, thread: u16) -> bool {
        match self {
            Threads::One(one) => one == thread,
            Threads::All => true,
        }
    }

    /// What is known of them; nothing of a thread without records.
    pub(super) fn counts(self, data: &FigureData) -> ThreadCounts {
        let threads = &data.digest.threads;
        match self {
            Threads::One(thread) => threads.get(usize::from(thread)).cloned().unwrap_or_default(),
            Threads::All => threads.iter().fold(ThreadCounts::default(), |mut sum, thread| {
                sum.merge(thread);
                sum
            }),
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Threads::One(thread) => write!(f, "thread {thread}"),
            Threads::All => f.write_str("all threads"),
        }
    }
}
