//! Being called by another program's name: scripts that call `supervisorctl` or `supervisord` find procman there.
//! Deliberately absent: what those commands do.

/// Options as Python's getopt reads them.
pub(super) mod getopt;
/// `procman shims`: the names.
pub(super) mod links;
/// What such a command was called with.
pub(super) mod program;
