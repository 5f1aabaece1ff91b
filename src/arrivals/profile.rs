use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::rate::Rate;
use crate::units::{Instant, Time, UnitError, parse_number};

/// A planned rate over time, as text: `100` (constant), `100..1000` (a ramp), `100@10s,500@20s,100` (steps), or a mix of
/// these. A rate without a duration lasts to the end of the run. If the run is longer than the profile, the final rate
/// continues.
///
/// In files a constant rate may be a plain number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ProfileForm", into = "ProfileForm")]
pub struct Profile {
    /// At least one. All but the last have a duration, and no duration is zero.
    segments: Vec<Segment>,
}

/// A linear change from one rate to another (in requests/s) over a duration, or to the end of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    from: f64,
    to: f64,
    lasts: Option<Time>,
}

/// Why a text is not a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum ProfileError {
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error("`{0}` has no duration, but another rate follows. Add one, as in `{0}@10s`")]
    NoDuration(String),
    #[error("`{0}` has a duration of zero. Give it a longer one, or remove it")]
    ZeroDuration(String),
}

/// Why a profile cannot be the rate of a run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum RateError {
    #[error("the rate must be above 0 and at most 100G requests/s, but it is {0}")]
    Range(Profile),
    #[error("the rate `{segment}` begins at {begins}, but the run ends at {duration}. Remove it, or run for longer")]
    Late { segment: String, begins: Time, duration: Time },
}

impl Profile {
    /// `rate` requests/s for the whole run.
    pub fn constant(rate: f64) -> Profile {
        Profile { segments: vec![Segment { from: rate, to: rate, lasts: None }] }
    }

    /// `rate` requests/s, multiplied in each surge: its start, its duration and its factor. Surges may not overlap.
    pub fn with_surges(rate: f64, surges: impl IntoIterator<Item = (Time, Time, f64)>) -> Profile {
        let steady = |lasts| Segment { from: rate, to: rate, lasts };
        let mut surges: Vec<_> = surges.into_iter().collect();
        surges.sort_by_key(|&(at, ..)| at);
        let (mut segments, mut begins) = (Vec::new(), Time::ZERO);
        for (at, lasts, factor) in surges {
            segments.extend((at > begins).then(|| steady(Some(at.minus(begins)))));
            segments.push(Segment { from: rate * factor, to: rate * factor, lasts: Some(lasts) });
            begins = at.plus(lasts);
        }
        segments.push(steady(None));
        Profile { segments }
    }

    /// The rate at the start, in requests/s.
    pub fn initial_rate(&self) -> f64 {
        self.segments.first().map_or(0.0, |segment| segment.from)
    }

    /// `rate` requests/s until `begins`, then a ramp `from..to` that takes `lasts`, and then `rate` for `back`.
    pub fn with_ramp(rate: f64, begins: Time, (from, to): (f64, f64), lasts: Time, back: Time) -> Profile {
        let steady = |lasts| Segment { from: rate, to: rate, lasts: Some(lasts) };
        let before = (begins > Time::ZERO).then(|| steady(begins));
        let after = (back > Time::ZERO).then(|| steady(back));
        let ramp = Segment { from, to, lasts: Some(lasts) };
        let segments = before.into_iter().chain([ramp]).chain(after).collect();
        Profile { segments }
    }

    /// Whether the rate changes, and is constant at the end.
    pub fn settles(&self) -> bool {
        self.segments.len() > 1 && self.segments.last().is_some_and(|last| last.from == last.to)
    }

    /// The rate of a run of `duration`.
    ///
    /// # Errors
    /// [`RateError`] if the run ends before a segment begins, or if the peak is out of range.
    pub fn resolve(&self, duration: Time) -> Result<Rate, RateError> {
        let mut begins = Time::ZERO;
        let mut ramps = Vec::new();
        for segment in &self.segments {
            if begins >= duration {
                return Err(RateError::Late { segment: segment.to_string(), begins, duration });
            }
            let lasts = segment.lasts.unwrap_or(duration.minus(begins));
            ramps.push((lasts, segment.from, segment.to));
            begins = begins.plus(lasts);
        }
        let rate = match ramps[..] {
            [(_, from, to)] if from == to => Rate::constant(from),
            _ => Rate::from_ramps(ramps, Instant::START.plus(duration)),
        };
        let known = self.segments.iter().all(|s| s.from >= 0.0 && s.to >= 0.0 && (s.from + s.to).is_finite());
        match known && (LEAST_PEAK..=MOST_PEAK).contains(&rate.peak()) {
            true => Ok(rate),
            false => Err(RateError::Range(self.clone())),
        }
    }
}

/// The range of the peak, in requests/s: from one request in ten days to 100 in a nanosecond. No generator sends as many:
/// the rest is counted as unsent.
const LEAST_PEAK: f64 = 1e-6;
const MOST_PEAK: f64 = 1e11;

impl From<f64> for Profile {
    fn from(rate: f64) -> Profile {
        Profile::constant(rate)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Profile, ProfileError> {
        let segments: Vec<Segment> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let before = &segments[..segments.len().saturating_sub(1)];
        match before.iter().find(|segment| segment.lasts.is_none()) {
            Some(segment) => Err(ProfileError::NoDuration(segment.to_string())),
            None => Ok(Profile { segments }),
        }
    }
}

impl FromStr for Segment {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Segment, ProfileError> {
        let text = text.trim();
        let (rate, lasts) = match text.split_once('@') {
            Some((rate, lasts)) => (rate, Some(lasts.parse()?)),
            None => (text, None),
        };
        if lasts == Some(Time::ZERO) {
            return Err(ProfileError::ZeroDuration(text.to_owned()));
        }
        let (from, to) = rate.split_once("..").unwrap_or((rate, rate));
        Ok(Segment { from: parse_number(from)?, to: parse_number(to)?, lasts })
    }
}

impl fmt::Display for Profile {
    /// The text that parses to the same profile, with all digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            write!(f, "{}{segment}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if self.to != self.from {
            write!(f, "..{}", self.to)?;
        }
        self.lasts.map_or(Ok(()), |lasts| write!(f, "@{lasts}"))
    }
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a rate in requests/s such as 100, \"100..1000\" or \"100@10s,500@20s,100\"")]
enum ProfileForm {
    Number(f64),
    Text(String),
}

impl TryFrom<ProfileForm> for Profile {
    type Error = ProfileError;

    fn try_from(written: ProfileForm) -> Result<Profile, ProfileError> {
        match written {
            ProfileForm::Number(rate) => Ok(Profile::constant(rate)),
            ProfileForm::Text(text) => text.parse(),
        }
    }
}

impl From<Profile> for ProfileForm {
    fn from(profile: Profile) -> ProfileForm {
        match profile.segments[..] {
            [Segment { from, to, lasts: None }] if from == to => ProfileForm::Number(from),
            _ => ProfileForm::Text(profile.to_string()),
        }
    }
}
