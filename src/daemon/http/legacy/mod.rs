//! The servers that supervisord's config declares, `[unix_http_server]` and `[inet_http_server]`, with what is at their old
//! addresses: `/RPC2`, the page, and logs as they grow. Deliberately absent: `/v1`, which the control socket alone has.

/// What the buttons of the page do.
mod action;
/// Who is let in.
mod gate;
/// The page with the processes.
mod page;
/// Which address is served by whom.
mod router;
/// Sockets, and who is served on them.
pub mod servers;
/// Logs as they are and as they grow.
mod tail;
