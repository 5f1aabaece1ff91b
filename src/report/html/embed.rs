use std::fmt::Write as _;

use super::escape;
use crate::report::figures::{Drawn, Figure};

/// A figure within the page: as SVG, sharp at any size; the scatter plots as PNG, which is smaller there.
pub(super) fn figure(page: &mut String, drawn: &Drawn) {
    let alt = escape(&drawn.figure.alt());
    let _ = match drawn.figure {
        Figure::Latencies(_) => {
            let png = base64(&drawn.png);
            write!(page, "<figure><img src=\"data:image/png;base64,{png}\" alt=\"{alt}\"></figure>\n\n")
        }
        _ => write!(page, "<figure role=\"img\" aria-label=\"{alt}\">{}</figure>\n\n", drawn.svg),
    };
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let of = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes()));
        assert_eq!(of, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
