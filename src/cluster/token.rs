//! The secret that the parts of a load must know.

use std::fmt;

use aws_lc_rs::rand;

/// A secret. It is not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The environment variable that a part reads it from. A command line would show it to every user of the machine.
pub const TOKEN_VARIABLE: &str = "METAWRK_TOKEN";
/// The environment variable that names a file with the token, if [`TOKEN_VARIABLE`] is not set.
pub const TOKEN_FILE_VARIABLE: &str = "METAWRK_TOKEN_FILE";
/// The environment variable with the checksum of the plan that a part must get.
pub const PLAN_HASH_VARIABLE: &str = "METAWRK_PLAN_HASH";

/// The least length of a token that the user chooses: 128 bits as hexadecimal digits.
const LEAST: usize = 32;
const MOST: usize = 1024;

/// The text is not a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must have {LEAST} to {MOST} characters, and no blanks. `openssl rand -hex 32` makes one")]
pub struct NoToken;

impl Token {
    /// 256 random bits.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> Result<Token, std::io::Error> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system has no random numbers"))?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// A token that the user chose.
    ///
    /// # Errors
    /// [`NoToken`] if it is too short, for example.
    pub fn new(text: &str) -> Result<Token, NoToken> {
        let text = text.trim_end_matches('\n');
        let is_token = (LEAST..=MOST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
        if is_token { Ok(Token(text.to_owned())) } else { Err(NoToken) }
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tokens_differ_and_are_tokens_and_are_not_shown() {
        let [a, b] = [Token::random().unwrap(), Token::random().unwrap()];
        assert_ne!(a, b);
        assert_eq!(Token::new(a.reveal()), Ok(a.clone()));
        assert_eq!(a.reveal().len(), 64);
        assert!(!format!("{a:?}").contains(a.reveal()));
    }

    #[test]
    fn short_texts_and_texts_with_blanks_are_no_tokens() {
        for text in ["", "secret", &"a".repeat(31), &"a ".repeat(20), &"ä".repeat(40), &"a".repeat(1025)] {
            assert_eq!(Token::new(text), Err(NoToken), "{text}");
        }
        assert_eq!(Token::new(&format!("{}\n", "a".repeat(32))).unwrap().reveal(), "a".repeat(32), "from a file");
    }
}
