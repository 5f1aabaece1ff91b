use std::io::{self, ErrorKind};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A message as JSON, and bytes that belong to it. On the wire, the lengths of both come first, as big-endian `u32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    header: Vec<u8>,
    /// Shared, because one plan goes to many parts.
    pub body: Arc<Vec<u8>>,
}

/// The most bytes of the two parts of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimit {
    pub header: u32,
    pub body: u32,
}

impl Frame {
    /// A frame without a body.
    pub fn new(message: &impl Serialize) -> Frame {
        Frame::with_body(message, Arc::default())
    }

    pub fn with_body(message: &impl Serialize, body: Arc<Vec<u8>>) -> Frame {
        // Messages have only keys that are strings, so this does not fail.
        Frame { header: serde_json::to_vec(message).unwrap_or_default(), body }
    }

    /// The message.
    ///
    /// # Errors
    /// If it is none.
    pub fn message<T: DeserializeOwned>(&self) -> io::Result<T> {
        serde_json::from_slice(&self.header).map_err(io::Error::from)
    }
}

/// Reads a frame. `None` if the connection was closed before it. Memory grows with what arrives, not with what is
/// announced.
///
/// # Errors
/// If the frame is larger than `limit`, or the connection broke.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin), limit: FrameLimit) -> io::Result<Option<Frame>> {
    let header = match stream.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let body = stream.read_u32().await?;
    if header > limit.header || body > limit.body {
        return Err(io::Error::new(ErrorKind::InvalidData, "a message is too long"));
    }
    let header = read_bytes(stream, header).await?;
    Ok(Some(Frame { header, body: Arc::new(read_bytes(stream, body).await?) }))
}

async fn read_bytes(stream: &mut (impl AsyncRead + Unpin), length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(length.into()).read_to_end(&mut bytes).await?;
    if bytes.len() == length as usize { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// Writes a frame.
///
/// # Errors
/// If the connection broke, or a part of the frame has 4 GiB or more.
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| io::Error::from(ErrorKind::InvalidInput));
    let mut start = Vec::with_capacity(8 + frame.header.len());
    start.extend(length(&frame.header)?.to_be_bytes());
    start.extend(length(&frame.body)?.to_be_bytes());
    start.extend(&frame.header);
    stream.write_all(&start).await?;
    stream.write_all(&frame.body).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::protocol::{FromPart, STRANGER};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn written(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        block_on(write_frame(&mut bytes, frame)).unwrap();
        bytes
    }

    const LIMIT: FrameLimit = FrameLimit { header: 100, body: 100 };

    #[test]
    fn a_frame_is_read_as_it_was_written_and_a_closed_connection_has_none() {
        let frame = Frame::with_body(&FromPart::Rows, Arc::new(vec![7; 100]));
        let mut bytes = &written(&frame).repeat(2)[..];
        for expected in [Some(frame.clone()), Some(frame), None] {
            assert_eq!(block_on(read_frame(&mut bytes, LIMIT)).unwrap(), expected);
        }
    }

    #[test]
    fn a_frame_above_the_limit_is_an_error_before_its_bytes_are_read() {
        let frame = Frame::with_body(&FromPart::Rows, Arc::new(vec![7; 101]));
        let error = block_on(read_frame(&mut &written(&frame)[..8], LIMIT)).unwrap_err();
        assert_eq!(error.to_string(), "a message is too long");
        assert!(block_on(read_frame(&mut &[0, 0, 0x10, 1, 0, 0, 0, 0][..], STRANGER)).is_err());
    }

    proptest! {
        #[test]
        fn a_frame_that_is_cut_off_is_an_error(length in 0..50usize, cut in any::<prop::sample::Index>()) {
            let bytes = written(&Frame::with_body(&FromPart::Rows, Arc::new(vec![7; length])));
            let read = block_on(read_frame(&mut &bytes[..cut.index(bytes.len())], LIMIT));
            prop_assert!(!matches!(read, Ok(Some(_))));
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(frame)) = block_on(read_frame(&mut &bytes[..], STRANGER)) {
                prop_assert!(frame.message::<FromPart>().is_err());
            }
        }
    }
}
