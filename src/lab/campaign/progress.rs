//! What is shown while a campaign runs.

use super::cell::Cell;
use crate::progress::Progress;
use crate::units::Time;

/// The state of a campaign at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignProgress {
    /// The number of the run, from 1, and how many there probably are.
    pub run: usize,
    pub about: usize,
    pub cell: Cell,
    pub phase: CampaignPhase,
    /// The time until the end of the campaign, as far as can be told.
    pub left: Time,
}

/// What a campaign is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum CampaignPhase {
    /// No load is sent before the run, for so much longer.
    Shed(Time),
    Run(Box<Progress>),
    Report,
}

impl CampaignProgress {
    /// The progress line.
    pub fn to_line(&self) -> String {
        let CampaignProgress { run, about, cell, phase, left } = self;
        let seconds = |time: Time| time.as_secs_f64().ceil();
        let phase = match phase {
            CampaignPhase::Shed(left) => format!("no load ({:.0}s left)", seconds(*left)),
            CampaignPhase::Report => "writing the report".to_owned(),
            CampaignPhase::Run(progress) => {
                let goodput = progress.goodput.map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", 100.0 * share));
                let (phase, left, in_flight) = (progress.phase, seconds(progress.left), progress.in_flight);
                format!("{phase} (at most {left:.0}s left)  goodput {goodput}  {in_flight} in flight")
            }
        };
        let Cell { rate, outage, .. } = cell;
        format!(
            "run {run} of about {about}  {rate} requests/s, outage {outage}  {phase}  about {} left",
            minutes(*left)
        )
    }
}

/// `50s`, `12 min`, `1 h 5 min`
pub fn minutes(time: Time) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match (seconds, seconds.div_ceil(60)) {
        (..=90, _) => format!("{seconds}s"),
        (_, minutes @ ..=60) => format!("{minutes} min"),
        (_, minutes) => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Phase, example};

    #[test]
    fn the_progress_line_names_the_run_its_phase_and_the_time_left() {
        let run = Progress {
            phase: Phase::Observation,
            left: Time::from_millis(29_300),
            in_flight: 1800,
            goodput: Some(0.024),
            ..example()
        };
        let cell = Cell { rate: 200.0, outage: Time::from_millis(300), seed: 1, ramp: None };
        let phase = CampaignPhase::Run(Box::new(run));
        let progress = CampaignProgress { run: 7, about: 40, cell, phase, left: Time::from_secs(1300) };
        insta::assert_snapshot!(progress.to_line(), @"run 7 of about 40  200 requests/s, outage 300ms  observation (at most 30s left)  goodput 2%  1800 in flight  about 22 min left");
        let progress = CampaignProgress { phase: CampaignPhase::Shed(Time::from_secs(20)), ..progress };
        insta::assert_snapshot!(progress.to_line(), @"run 7 of about 40  200 requests/s, outage 300ms  no load (20s left)  about 22 min left");
    }

    #[test]
    fn long_times_are_in_minutes() {
        let text = |seconds| minutes(Time::from_secs(seconds));
        assert_eq!([0, 90, 91, 600, 3600, 3900].map(text), ["0s", "90s", "2 min", "10 min", "60 min", "1 h 5 min"]);
    }
}
