//! Who holds which port, and how to free it. Only listeners count: a client that is connected to a port is never looked
//! at, let alone ended. It may use vocab, spec and sys. Deliberately absent: asking people; consent comes as data.

/// Freeing ports: a plan that can be read, then its execution.
pub mod flush;
/// Who listens on a port.
pub mod holder;
/// Whose a listener is: a live service's, a stray of ours, or foreign.
pub mod verdict;
