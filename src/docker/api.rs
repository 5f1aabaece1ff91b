use std::fmt;
use std::str::FromStr;

/// A version of the engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Api(pub u32, pub u32);

impl Api {
    /// Of the oldest engine that this was tried on.
    pub const OLDEST: Api = Api(1, 41);
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Api {
    type Err = ();

    fn from_str(text: &str) -> Result<Api, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_no_number| ());
        Ok(Api(number(major)?, number(minor)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let api = |text: &str| text.parse::<Api>();
        assert!(api("1.9").unwrap() < Api::OLDEST && api("1.100").unwrap() > Api::OLDEST);
        assert_eq!(api("1.41").unwrap().to_string(), "1.41");
        assert_eq!((api("1"), api(""), api("1.x")), (Err(()), Err(()), Err(())));
    }
}
