//! Files become a `spec::fleet::Fleet`, or every problem of the file at once, each with its place, its cause and a way to
//! mend it. It may use vocab and spec. Deliberately absent: anything that changes the machine; it only looks.

/// Who may connect to unix sockets.
mod access;
/// What differs between two fleets.
pub mod change;
/// The environment that values expand in.
pub mod environment;
/// Which file is meant.
pub mod find;
/// The formats of others that can be imported: Procfile and compose.
pub mod foreign;
/// From the file to the fleet.
pub mod load;
/// What is wrong with a file.
pub mod problem;
/// Log files of several services.
pub mod shared_logs;
/// Words of commands that only a shell understands.
pub mod shell_words;
/// supervisord's own configuration.
pub mod supervisord;

/// Variables from files.
mod env_file;
/// `${VAR}` in values.
mod expand;
/// `health`, `ready` and `live`.
mod health;
/// `hold`, `host` and `sockets`.
mod hold;
/// `pre_start`, `post_stop` and their like.
mod hooks;
/// `limits`.
mod limits;
/// `listener`.
mod listener;
/// `stdout`, `stderr` and `log`.
mod logs;
/// `depends_on`.
mod needs;
/// `output_events`.
mod output_events;
/// `backoff`, `smooth_recovery`, and the ports of a service.
mod policy;
/// What only the machine can prove: programs, directories, users.
mod prove;
/// `schedule`, `max_age` and `start_limit`.
mod schedule;
/// What `${VAR}` means where.
mod scope;
/// `[supervisor]` and `[emergency]`.
mod sections;
/// `[services.NAME]`, with `[defaults]` behind it.
mod service;
/// Tables, read key by key.
mod table;
/// `[notify.NAME]`.
mod targets;
/// Typed reading of values that notes problems and goes on.
mod value;
/// `env` and `env_file`.
mod variables;
/// `watch`.
mod watch;
/// services.toml, written.
mod writer;

#[cfg(test)]
mod tests;
