//! What crosses the control socket: the JSON of `/v1`, and the XML-RPC of `/RPC2`. Client and daemon share these types, so
//! they cannot disagree. Fields are added, never renamed or removed. It may use vocab. Deliberately absent: HTTP itself, and
//! any decision.

/// What a client may ask for.
pub mod command;
/// What happened, as it happens.
pub mod event;
/// Who depends on whom.
pub mod graph;
/// Log files and their lines.
pub mod logs;
/// Why a request was refused.
pub mod problem;
/// What a command came to, streamed as it goes.
pub mod reply;
/// Services, ports and supervisor at a glance.
pub mod status;
/// Why a service is as it is.
pub mod why;
/// supervisord's protocol: calls, answers and faults.
pub mod xmlrpc;
