//! The control socket: HTTP/1.1 over a unix stream socket, one file per resource. A session owns its connection and
//! nothing else; whatever a peer does costs that connection only.

/// `GET /v1/services/NAME/why` and `GET /v1/services/NAME/history`.
pub mod causes;
/// `POST /v1/commands` and `POST /v1/shutdown`.
pub mod commands;
/// `GET /v1/events`.
pub mod events;
/// How the objects of a stream are told apart.
mod framing;
/// `GET /v1/graph`.
pub mod graph;
/// The servers that supervisord's config declares.
pub mod legacy;
/// `PUT /v1/supervisor/log-level`.
pub mod log_level;
/// `GET /v1/logs` and `POST /v1/logs/rotate`.
pub mod logs;
/// `GET /metrics`.
pub mod metrics;
/// `GET /v1/openapi.json`.
pub mod openapi;
/// Answers that are not a success.
pub mod refusal;
/// `POST /v1/reload`.
pub mod reload;
/// Which address is served by whom.
pub mod router;
/// Accepting connections and serving each.
pub mod serve;
/// `GET /v1/status`.
pub mod status;
/// `POST /RPC2`: the methods of supervisord.
pub mod xmlrpc;
