//! What other managers' files say of plain commands, as a services.toml. A text comes in, a text and remarks go out.
//! Deliberately absent: containers, images, networks and volumes, which are left out and named; the machine, which is not
//! looked at.

/// compose.yaml, by the Compose Specification.
pub mod compose;
/// What comes of a file.
pub mod imported;
/// Procfile, as foreman reads it.
pub mod procfile;

/// `command` and `entrypoint`, in all their forms.
mod compose_command;
/// `healthcheck`.
mod compose_health;
/// `deploy` and the other limits.
mod compose_limits;
/// One service of a compose file.
mod compose_service;
/// `$VAR` as others write it.
mod variables;
/// YAML, as written: every scalar is its own text, and has its line.
mod yaml;
