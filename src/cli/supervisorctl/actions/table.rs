use super::{clear, config, fg, open, signal, start, status, stop, supervisor, tail};
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::session::Session;

/// What can be asked for, beside `help` and leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::supervisorctl) enum Action {
    Add,
    Avail,
    Clear,
    Fg,
    Maintail,
    Open,
    Pid,
    Reload,
    Remove,
    Reread,
    Restart,
    Shutdown,
    Signal,
    Start,
    Status,
    Stop,
    Tail,
    Update,
    Version,
}

/// By name, in the order of the alphabet.
const ACTIONS: [(&str, Action); 19] = [
    ("add", Action::Add),
    ("avail", Action::Avail),
    ("clear", Action::Clear),
    ("fg", Action::Fg),
    ("maintail", Action::Maintail),
    ("open", Action::Open),
    ("pid", Action::Pid),
    ("reload", Action::Reload),
    ("remove", Action::Remove),
    ("reread", Action::Reread),
    ("restart", Action::Restart),
    ("shutdown", Action::Shutdown),
    ("signal", Action::Signal),
    ("start", Action::Start),
    ("status", Action::Status),
    ("stop", Action::Stop),
    ("tail", Action::Tail),
    ("update", Action::Update),
    ("version", Action::Version),
];

impl Action {
    pub(in crate::cli::supervisorctl) fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|(known, _)| *known == name).map(|(_, action)| *action)
    }
}

/// Every word that a line may begin with.
pub(in crate::cli::supervisorctl) fn words() -> impl Iterator<Item = &'static str> {
    let actions = ACTIONS.iter().map(|(name, _)| *name);
    ["help"].into_iter().chain(actions).chain(["exit", "quit"])
}

/// Does what is asked for. What goes wrong in the way that supervisorctl expects is said, and sets the exit code.
///
/// # Errors
/// What it does not expect.
pub(in crate::cli::supervisorctl) fn run(
    session: &mut Session<'_>,
    action: Action,
    rest: &str,
) -> Result<(), Trouble> {
    match action {
        Action::Add => config::add(session, rest),
        Action::Avail => config::avail(session, rest),
        Action::Clear => clear::clear(session, rest),
        Action::Fg => fg::fg(session, rest),
        Action::Maintail => tail::maintail(session, rest),
        Action::Open => open::open(session, rest),
        Action::Pid => status::pid(session, rest),
        Action::Reload => supervisor::reload(session, rest),
        Action::Remove => config::remove(session, rest),
        Action::Reread => config::reread(session, rest),
        Action::Restart => start::restart(session, rest),
        Action::Shutdown => supervisor::shutdown(session, rest),
        Action::Signal => signal::signal(session, rest),
        Action::Start => start::start(session, rest),
        Action::Status => status::status(session, rest),
        Action::Stop => stop::stop(session, rest),
        Action::Tail => tail::tail(session, rest),
        Action::Update => config::update(session, rest),
        Action::Version => supervisor::version(session, rest),
    }
}
