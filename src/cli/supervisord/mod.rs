//! What procman does when it is called `supervisord`: it reads the same options, says no in the same words, and becomes
//! `procman up` with the same file. Deliberately absent: what `up` does.

/// From the words to the exit code.
pub(super) mod entry;
/// The command line.
mod options;
/// Starting.
mod start;
