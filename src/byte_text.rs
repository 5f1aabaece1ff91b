//! Text of the user that is usually UTF-8 and need not be: a script in Latin-1, an argument of the command line.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are kept unchanged. In files they are a string if they are UTF-8, and otherwise `{ latin-1 = "..." }`, a
/// string with one character per byte.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ByteText(Vec<u8>);

impl ByteText {
    /// The bytes, unchanged.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for ByteText {
    fn from(bytes: Vec<u8>) -> ByteText {
        ByteText(bytes)
    }
}

impl From<String> for ByteText {
    fn from(text: String) -> ByteText {
        ByteText(text.into_bytes())
    }
}

impl From<&str> for ByteText {
    fn from(text: &str) -> ByteText {
        ByteText(text.into())
    }
}

impl From<OsString> for ByteText {
    fn from(text: OsString) -> ByteText {
        ByteText(text.into_vec())
    }
}

impl fmt::Debug for ByteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a string, or { latin-1 = \"...\" } for bytes that are not UTF-8")]
enum FileForm {
    Text(String),
    Latin1(Latin1),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Latin1 {
    #[serde(rename = "latin-1")]
    text: String,
}

impl Serialize for ByteText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Latin1 { text: self.0.iter().copied().map(char::from).collect() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ByteText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteText, D::Error> {
        let bytes = match FileForm::deserialize(deserializer)? {
            FileForm::Text(text) => text.into_bytes(),
            FileForm::Latin1(Latin1 { text }) => {
                let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                bytes.map_err(|_| serde::de::Error::custom("latin-1 has only the characters U+0000 to U+00FF"))?
            }
        };
        Ok(ByteText(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_a_file() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct File {
            text: ByteText,
        }
        for bytes in [&b"plain"[..], "caf\u{e9}".as_bytes(), b"caf\xe9 \xff\0\n", b""] {
            let file = File { text: bytes.to_vec().into() };
            assert_eq!(serde_json::from_str::<File>(&serde_json::to_string(&file).unwrap()).unwrap(), file);
            assert_eq!(toml::from_str::<File>(&toml::to_string(&file).unwrap()).unwrap(), file);
        }
        assert_eq!(serde_json::to_string(&ByteText::from("caf\u{e9}")).unwrap(), "\"caf\u{e9}\"");
        assert_eq!(serde_json::to_string(&ByteText::from(b"\xe9".to_vec())).unwrap(), "{\"latin-1\":\"\u{e9}\"}");
        assert!(serde_json::from_str::<ByteText>("{\"latin-1\":\"\u{4e00}\"}").is_err());
    }
}
