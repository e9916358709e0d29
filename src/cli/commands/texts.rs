use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Args;
use crate::cli::failure::Failure;

/// Prints completions for a shell.
pub(in crate::cli) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "procman", &mut text);
    print(&text)
}

/// Prints the manual page.
pub(in crate::cli) fn man() -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut text).map_err(Failure::of_output)?;
    print(&text)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    io::Write::write_all(&mut io::stdout().lock(), text).map_err(Failure::of_output)
}
