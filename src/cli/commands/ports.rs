use super::status::{self, Detail};
use crate::cli::args::Ports;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::table;
use crate::protocol::status::Status;

/// Shows who holds each assigned port, with or without a supervisor.
pub(in crate::cli) fn run(context: &Context, args: &Ports) -> Result<(), Failure> {
    let (Status { ports, .. }, _) = status::look(context, Detail::Plain)?;
    if args.json { output::json(&ports) } else { output::line(&table::ports(&ports)) }
}
