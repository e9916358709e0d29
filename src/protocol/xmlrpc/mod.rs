//! XML-RPC as Python's `xmlrpc.client` writes and reads it, for supervisord's clients and servers. What is written has the
//! same bytes but for two things that Python gets wrong: a carriage return is a reference, so that it arrives, and a
//! character that XML 1.0 cannot carry is U+FFFD, so that the rest can be read. Deliberately absent: HTTP, and the methods.

/// What a call could not be answered with.
pub mod fault;
/// Why a document is not taken.
pub mod malformed;
/// Calls and answers.
pub mod message;
/// Which versions these are.
pub mod spoken;
/// What calls and answers are made of.
pub mod value;

/// From bytes to values.
mod read;
/// From values to bytes.
mod write;

#[cfg(test)]
mod tests;
