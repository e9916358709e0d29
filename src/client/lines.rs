use std::marker::PhantomData;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::ask::AskError;

/// An answer that comes line by line, a JSON value each.
pub struct Lines<T> {
    body: Incoming,
    buffer: Vec<u8>,
    of: PhantomData<T>,
}

/// No line of a supervisor is longer than this many bytes; one that is comes from something else.
const LINE_MAX: usize = 16 << 20;

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, buffer: Vec::new(), of: PhantomData }
    }

    /// The next value; none when the answer is at its end.
    pub async fn next(&mut self) -> Result<Option<T>, AskError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(AskError::NotUnderstood);
            }
            if self.buffer.len() > LINE_MAX {
                return Err(AskError::Broken("a line that does not end".to_owned()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_else(|_| Bytes::new())),
                Some(Err(error)) => return Err(AskError::Broken(error.to_string())),
                None => return Ok(None),
            }
        }
    }
}
