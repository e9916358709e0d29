//! The `procman` command. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    procman::cli::entry::main()
}
