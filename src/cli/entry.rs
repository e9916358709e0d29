use std::process::ExitCode;

use clap::Parser;

use super::args::{Args, Colour, Verb};
use super::commands;
use super::context::Context;
use super::failure::Failure;
use super::interrupt;
use super::shim::links;
use super::shim::program::Name;
use crate::vocab::enablement::Enablement;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match Name::of_this_process() {
        Some(Name::Supervisorctl) => return super::supervisorctl::entry::main(),
        Some(Name::Supervisord) => return super::supervisord::entry::main(),
        None => (),
    }
    // Usage errors and help end the process here: clap prints them, with 2 and 0 as exit codes.
    let args = Args::parse();
    choose_colour(args.global.color);
    if !args.verb.takes_signals() {
        interrupt::end_at_interrupt();
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}

fn choose_colour(colour: Colour) {
    match colour {
        Colour::Auto => (),
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let global = args.global;
    let context = || Context::find(&global);
    match args.verb {
        Verb::Up(up) => commands::up::run(&context()?, &up),
        Verb::Down(down) => commands::down::run(&context()?, &down),
        Verb::Status(status) => commands::status::run(&context()?, &status),
        Verb::Why(why) => commands::why::run(&context()?, &why),
        Verb::History(history) => commands::history::run(&context()?, &history),
        Verb::Restart(restart) => commands::restart::run(&context()?, &restart),
        Verb::Scale(scale) => commands::scale::run(&context()?, &scale),
        Verb::Start(order) => commands::order::start(&context()?, &order),
        Verb::Stop(order) => commands::order::stop(&context()?, &order),
        Verb::Kill(order) => commands::order::kill(&context()?, &order),
        Verb::Enable(it) => commands::enable::run(&context()?, &it, Enablement::Enabled),
        Verb::Disable(it) => commands::enable::run(&context()?, &it, Enablement::Disabled),
        Verb::Signal(signal) => commands::order::signal(&context()?, &signal),
        Verb::Flush(flush) => commands::flush::run(&context()?, &flush),
        Verb::Ports(ports) => commands::ports::run(&context()?, &ports),
        Verb::Graph(graph) => commands::graph::run(&context()?, &graph),
        Verb::Logs(logs) if logs.rotate_now => commands::rotate::run(&context()?, &logs),
        Verb::Logs(logs) => commands::logs::run(&context()?, &logs),
        Verb::LogLevel { level } => commands::log_level::run(&context()?, level),
        Verb::Events(events) => commands::events::run(&context()?, &events),
        Verb::Reload(reload) => commands::reload::run(&context()?, &reload),
        Verb::Check(check) => commands::check::run(context(), &check),
        Verb::Import(import) => commands::import::run(&import),
        Verb::Wait(wait) => commands::order::wait(&context()?, &wait),
        Verb::Run(run) => commands::run::run(&context()?, &run),
        Verb::Completions { shell } => commands::texts::completions(shell),
        Verb::Man => commands::texts::man(),
        Verb::Shims { directory } => links::run(&directory),
        Verb::Upgrade => commands::upgrade::run(&context()?),
        Verb::Supervise(supervise) => commands::supervise::run_detached(&context()?, &supervise),
    }
}
