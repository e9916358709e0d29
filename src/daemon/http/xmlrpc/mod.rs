//! supervisord's XML-RPC: the same names, structs and faults, so that its clients work as they are. Each method asks the
//! engine by the messages that everybody has. Deliberately absent: what a call means to a service, which the machine decides.

/// What the config says of processes.
mod config_info;
/// Starting and stopping.
mod control;
/// Where the calls of one request are carried out.
pub mod desk;
/// The address.
pub mod endpoint;
/// Configs and groups.
mod groups;
/// How processes stand.
pub mod info;
/// Reading and clearing logs.
pub mod logs;
/// What a method is, and which there are.
mod method;
/// Signals and standard input.
mod signal;
/// The supervisor itself.
pub mod supervisor;
/// Methods about methods.
pub mod system;
