//! The HTML form that the compose-post script of DeathStarBench's social network sends.

use serde::Serialize;

/// The fields of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    pub username: String,
    pub user_id: u64,
    pub text: String,
    pub media_ids: Vec<String>,
    pub media_types: Vec<String>,
    /// 0 post, 1 repost, 2 reply, 3 direct message.
    pub post_type: u8,
}

/// Why a form is not a valid post.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("user_id is not a number: {0:?}")]
    UserId(String),
    #[error("{0} is not a list of strings such as [\"1\",\"2\"]")]
    List(&'static str),
    #[error("media_ids and media_types differ in length: {0} and {1}")]
    Media(usize, usize),
    #[error("post_type is not 0, 1, 2 or 3: {0:?}")]
    PostType(String),
}

impl Post {
    /// Parses a form. Fields may be percent-encoded or plain, because the script sends blanks, quotes and brackets plainly.
    ///
    /// # Errors
    /// [`FormError`] names the first invalid field.
    pub fn parse(body: &[u8]) -> Result<Post, FormError> {
        let field = |name: &'static str| {
            let value = form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            value.filter(|value| !value.is_empty()).ok_or(FormError::Missing(name))
        };
        let list =
            |name| serde_json::from_str::<Vec<String>>(&field(name)?).map_err(|_not_a_list| FormError::List(name));
        let username = field("username")?;
        let user_id = field("user_id")?;
        let user_id = user_id.parse().map_err(|_not_a_number| FormError::UserId(user_id))?;
        let text = field("text")?;
        let (media_ids, media_types) = (list("media_ids")?, list("media_types")?);
        if media_ids.len() != media_types.len() {
            return Err(FormError::Media(media_ids.len(), media_types.len()));
        }
        let post_type = match field("post_type")?.as_str() {
            "0" => 0,
            "1" => 1,
            "2" => 2,
            "3" => 3,
            other => return Err(FormError::PostType(other.to_owned())),
        };
        Ok(Post { username, user_id, text, media_ids, media_types, post_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "username=username_1&user_id=1&text=abc @username_2 http://xyz&media_ids=[\"123\",\"456\"]\
                         &media_types=[\"png\",\"png\"]&post_type=0";

    #[test]
    fn the_form_of_the_script_is_parsed() {
        let post = Post::parse(PLAIN.as_bytes()).unwrap();
        assert_eq!((post.username.as_str(), post.user_id, post.post_type), ("username_1", 1, 0));
        assert_eq!(post.text, "abc @username_2 http://xyz");
        assert_eq!((post.media_ids.join(" "), post.media_types.join(" ")), ("123 456".into(), "png png".into()));
    }

    #[test]
    fn a_percent_encoded_form_gives_the_same_post() {
        let encoded = "username=username_1&user_id=1&text=abc+%40username_2%20http%3A%2F%2Fxyz\
                       &media_ids=%5B%22123%22%2C%22456%22%5D&media_types=%5b%22png%22%2c%22png%22%5d&post_type=0";
        assert_eq!(Post::parse(encoded.as_bytes()), Post::parse(PLAIN.as_bytes()));
    }

    #[test]
    fn a_post_may_have_no_media() {
        let post = Post::parse(b"username=u&user_id=1&text=t&media_ids=[]&media_types=[]&post_type=3").unwrap();
        assert!(post.media_ids.is_empty() && post.media_types.is_empty());
    }

    #[test]
    fn an_error_names_the_invalid_field() {
        for (from, to, error) in [
            ("username=username_1&", "", "username is missing"),
            ("text=abc", "txt=abc", "text is missing"),
            ("user_id=1", "user_id=", "user_id is missing"),
            ("user_id=1", "user_id=one", "user_id is not a number: \"one\""),
            ("[\"123\",\"456\"]", "123", "media_ids is not a list of strings such as [\"1\",\"2\"]"),
            ("[\"png\",\"png\"]", "[\"png\"]", "media_ids and media_types differ in length: 2 and 1"),
            ("post_type=0", "post_type=4", "post_type is not 0, 1, 2 or 3: \"4\""),
        ] {
            assert_eq!(Post::parse(PLAIN.replace(from, to).as_bytes()).unwrap_err().to_string(), error);
        }
        assert_eq!(Post::parse(b""), Err(FormError::Missing("username")));
        assert!(Post::parse(b"\xff\x00&&&=%%%").is_err());
    }
}
