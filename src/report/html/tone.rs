use crate::verdict::Verdict;

/// What an answer means for the system: the colour of the headline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Doubtful,
    #[default]
    Unknown,
}

impl Tone {
    /// Green for a system that is healthy at the end of the run, red for one that is not, amber where it is between the
    /// two, grey for an invalid run.
    pub(super) fn of(verdict: &Verdict) -> Tone {
        match verdict {
            Verdict::Stable | Verdict::Unaffected | Verdict::Recovered(_) => Tone::Good,
            Verdict::Metastable | Verdict::Overloaded => Tone::Bad,
            Verdict::Draining { .. } | Verdict::Degraded | Verdict::Oscillating { .. } => Tone::Doubtful,
            Verdict::Invalid(_) => Tone::Unknown,
        }
    }

    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Doubtful => "doubtful",
            Tone::Unknown => "invalid",
        }
    }
}
