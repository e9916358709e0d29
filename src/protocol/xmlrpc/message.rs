use super::fault::Fault;
use super::malformed::Malformed;
use super::read::Reader;
use super::value::Value;
use super::write;

/// A call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// What it is given.
    pub params: Vec<Value>,
}

/// What a call is answered with.
pub type Answer = Result<Value, Fault>;

/// No call is larger than this many bytes.
pub const CALL_BYTES_MAX: usize = 1 << 20;

/// No answer is larger than this many bytes; the longest are logs that are read whole.
pub const ANSWER_BYTES_MAX: usize = 1 << 28;

impl Call {
    /// The call as it crosses the wire.
    pub fn encode(&self) -> String {
        write::call(&self.method, &self.params)
    }

    /// Reads a call. `<params>` may be absent.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(document: &[u8]) -> Result<Self, Malformed> {
        let (method, params) = Reader::of(document, CALL_BYTES_MAX)?.call()?;
        Ok(Self { method, params })
    }
}

/// The answer as it crosses the wire.
pub fn encode_answer(answer: &Answer) -> String {
    match answer {
        Ok(value) => write::result(value),
        Err(fault) => write::fault(fault),
    }
}

/// Reads an answer.
///
/// # Errors
/// [`Malformed`].
pub fn decode_answer(document: &[u8]) -> Result<Answer, Malformed> {
    Reader::of(document, ANSWER_BYTES_MAX)?.answer()
}
