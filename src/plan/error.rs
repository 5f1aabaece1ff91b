/// A setting that is not possible: its key (`load.rate`, `fault.0.for`), why, and a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct InvalidSetting {
    pub key: String,
    pub why: String,
}

impl InvalidSetting {
    pub fn new(key: impl Into<String>, why: impl Into<String>) -> InvalidSetting {
        InvalidSetting { key: key.into(), why: why.into() }
    }
}
