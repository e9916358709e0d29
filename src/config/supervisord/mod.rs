//! supervisord's configuration, read as supervisord 4.3 reads it: the same list of processes, or the same refusal. The
//! facts are those of its manual and of its source (options.py, datatypes.py), and of Python's configparser and shlex.
//! Deliberately absent: Python. Plugins are named, never loaded.

/// What the model is as JSON, in supervisord's own words.
pub mod json;
/// From the file to the fleet that is run.
pub mod load;
/// Every process, typed, as supervisord has it.
pub mod model;
/// What a file is read on.
pub mod reader;
/// Why a file is not taken.
pub mod refusal;
/// Signals as Python counts them.
pub mod stop_signal;
/// As a services.toml.
pub mod translate;

/// `[supervisorctl]`.
pub mod ctl;
/// `[fcgi-program:NAME]`.
mod fcgi;
/// Python's `%` for texts.
mod format;
/// `[group:NAME]` and the groups that sections are by themselves.
mod groups;
/// `[include]`.
mod include;
/// Sections and options, as configparser reads them.
mod ini;
/// Which options there are.
mod known;
/// What processes are called as services.
mod naming;
/// Where the streams of programs go.
mod outputs;
/// What a command line says beside a file.
pub mod overrides;
/// `[program:NAME]`, expanded.
mod programs;
/// What Python's own functions do.
pub mod python;
/// From the files to the fleet.
pub mod read;
/// What procman does otherwise, and what the author says.
mod remarks;
/// Servers and their plugins.
mod servers;
/// `[supervisord]`.
mod settings;
/// Users and groups of the machine.
mod user;
/// Texts to values.
mod value;
/// Words of commands and variables of environments.
pub mod words;
