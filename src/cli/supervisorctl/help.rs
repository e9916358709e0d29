use super::actions::table::Action;
use super::actions::{clear, config, fg, open, signal, start, status, stop, supervisor, tail};
use super::session::Session;

const TOPICS: &str = "
default commands (type help <topic>):
=====================================
add    exit      open  reload  restart   start   tail   
avail  fg        pid   remove  shutdown  status  update 
clear  maintail  quit  reread  signal    stop    version
";

/// `help`: which actions there are, or what one of them does.
pub(super) fn run(session: &mut Session<'_>, topic: &str) {
    match topic {
        "" => session.say(TOPICS),
        "help" => {
            session.say("help\t\tPrint a list of available actions");
            session.say("help <action>\tPrint help for <action>");
        }
        "quit" | "exit" => session.say(&format!("{topic}\tExit the supervisor shell.")),
        topic => match Action::named(topic) {
            Some(action) => session.say(of(action)),
            None => session.say(&format!("*** No help on {topic}")),
        },
    }
}

/// What an action takes and does.
pub(super) fn of(action: Action) -> &'static str {
    match action {
        Action::Add => config::ADD,
        Action::Avail => config::AVAIL,
        Action::Clear => clear::HELP,
        Action::Fg => fg::HELP,
        Action::Maintail => tail::MAINTAIL,
        Action::Open => open::HELP,
        Action::Pid => status::PID,
        Action::Reload => supervisor::RELOAD,
        Action::Remove => config::REMOVE,
        Action::Reread => config::REREAD,
        Action::Restart => start::RESTART,
        Action::Shutdown => supervisor::SHUTDOWN,
        Action::Signal => signal::HELP,
        Action::Start => start::HELP,
        Action::Status => status::HELP,
        Action::Stop => stop::HELP,
        Action::Tail => tail::HELP,
        Action::Update => config::UPDATE,
        Action::Version => supervisor::VERSION,
    }
}
