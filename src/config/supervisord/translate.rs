use std::collections::BTreeSet;
use std::ops::Range;

use super::fcgi;
use super::model::Remark;
use super::model::{AutoRestart, Expanded, File, Group, GroupKind, Program};
use super::naming;
use super::refusal::{Place, Refusal};
use super::remarks;
use super::words;
use crate::config::shell_words;
use crate::config::writer::{self, Table, quoted};
use crate::spec::listener::EventType;
use crate::vocab::log_level::LogLevel;

/// A fleet of supervisord's as a services.toml.
#[derive(Debug)]
pub struct Translation {
    /// The services.toml.
    pub text: String,
    /// What it changes or leaves out, each with its place.
    pub remarks: Vec<Remark>,
    /// What keeps it from running as it is. Processes that it concerns are not in the text.
    pub refusals: Vec<Refusal>,
    /// Where in the text each service is, and where its section is.
    pub(super) places: Vec<(Range<usize>, Place)>,
}

/// What a translation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A file for people, who will change it.
    Reading,
    /// To be run at once, with the variables that supervisord gives its processes.
    Running,
}

/// Translates a fleet. `files` are those that it was read from.
pub fn translate(fleet: &Expanded, files: &[File], purpose: Purpose) -> Translation {
    let mut translator = Translator {
        fleet,
        files,
        purpose,
        remarks: remarks::of_servers(fleet, purpose),
        refusals: remarks::of_plugins(fleet),
        logs: BTreeSet::new(),
    };
    let mut names = naming::names(fleet).into_iter();
    let mut found: Vec<(Table, Place)> = Vec::new();
    for group in &fleet.groups {
        for program in &group.programs {
            let Some(name) = names.next() else { continue };
            if let Some(table) = translator.table(name.to_string(), group, program) {
                found.push((table, program.place.clone()));
            }
        }
        translator.refuse_kind(group);
    }
    let (tables, sections): (Vec<Table>, Vec<Place>) = found.into_iter().unzip();
    let (text, spans) = writer::whole(translator.head(), tables);
    Translation {
        text,
        remarks: translator.remarks,
        refusals: translator.refusals,
        places: spans.into_iter().zip(sections).collect(),
    }
}

pub(super) struct Translator<'a> {
    pub(super) fleet: &'a Expanded,
    files: &'a [File],
    purpose: Purpose,
    remarks: Vec<Remark>,
    refusals: Vec<Refusal>,
    /// Log files that somebody writes.
    pub(super) logs: BTreeSet<String>,
}

impl Translator<'_> {
    fn refuse_kind(&mut self, group: &Group) {
        let place = group.place.clone();
        let name = &group.name;
        match &group.kind {
            GroupKind::Programs => (),
            GroupKind::Listeners { events, .. } => {
                let untold = events.iter().filter(|event| EventType::named(event).is_none());
                for event in untold {
                    let what = format!("[eventlistener:{name}] is not told of {event}");
                    self.remarks.push(Remark { place: place.clone(), what });
                }
            }
            GroupKind::FastCgi(socket) => {
                let refused = fcgi::unkept(name, socket);
                self.refusals.extend(refused.map(|(what, hint)| Refusal::at(place, what).hint(hint)));
            }
        }
    }

    pub(super) fn remark(&mut self, program: &Program, what: impl Into<String>) {
        let name = format!("{}: {}", program.name, what.into());
        self.remarks.push(Remark { place: program.place.clone(), what: name });
    }

    /// One process as a service; none if it is left out, for which a remark or a refusal says why.
    fn table(&mut self, name: String, group: &Group, program: &Program) -> Option<Table> {
        let listener = match &group.kind {
            GroupKind::Programs => None,
            GroupKind::Listeners { buffer_size, events, .. } => {
                Some(listener(&group.name, *buffer_size, events))
            }
            GroupKind::FastCgi(_) => None,
        };
        let command = self.command(program)?;
        let comments = remarks::comments_above(self.files, &program.place);
        let mut table = Table { name: name.clone(), comments, keys: Vec::new() };
        if name != program.name {
            self.remark(program, format!("is called `{name}` here"));
        }
        table.set("command", command);
        if let GroupKind::FastCgi(socket) = &group.kind {
            table.keys.extend(fcgi::keys(socket));
        }
        if group.name != program.name && crate::vocab::name::ServiceName::parse(&group.name).is_ok() {
            table.set("group", quoted(&group.name));
        }
        let directory = program.directory.as_ref().or(self.fleet.supervisord.usual_directory());
        table.keys.extend(directory.map(|directory| ("directory", quoted(directory))));
        self.environment(program, &mut table);
        self.identity(program, &mut table);
        let priority = group.priority.clamp(-1000, 1000);
        if priority != group.priority {
            self.remark(program, format!("priority {} becomes {priority}", group.priority));
        }
        table.set("priority", priority.to_string());
        if !program.autostart {
            table.set("autostart", "false".to_owned());
        }
        restart(program, &mut table);
        self.stop(program, &mut table);
        match listener {
            Some(listener) => table.set("listener", listener),
            None if matches!(group.kind, GroupKind::Programs) => table.set("stdin", quoted("pipe")),
            None => (),
        }
        self.logs(program, &group.kind, &mut table);
        Some(table)
    }

    fn command(&mut self, program: &Program) -> Option<String> {
        let words = program.argv.as_ref().filter(|words| words.first().is_some_and(|word| !word.is_empty()));
        let Some(words) = words else {
            let why = words::unfit(&program.command).unwrap_or_else(|| "command is empty".to_owned());
            let hint = "write a program and its arguments, with quotes that close";
            return match self.purpose {
                Purpose::Reading => {
                    self.refusals.push(Refusal::at(program.place.clone(), why).hint(hint));
                    None
                }
                // As in supervisord it fails at its start, for this reason, and the others run.
                Purpose::Running => {
                    self.remark(program, format!("cannot be started: {why}; {hint}"));
                    Some(writer::array(&[quoted(&program.command)]))
                }
            };
        };
        if let Some(said) = shell_words::meaning_nothing(&program.command) {
            self.remark(program, said);
        }
        // A command reads best as it was written, where that means the same here.
        let is_same =
            shlex::split(&program.command).as_ref() == Some(words) && !program.command.contains('\n');
        if is_same {
            return Some(quoted(&program.command));
        }
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        Some(writer::array(&words))
    }

    fn environment(&self, program: &Program, table: &mut Table) {
        let mut environment = program.environment.clone();
        if self.purpose == Purpose::Running {
            let own = [
                ("SUPERVISOR_ENABLED", "1"),
                ("SUPERVISOR_PROCESS_NAME", &program.name),
                ("SUPERVISOR_GROUP_NAME", &program.group),
            ];
            for (name, value) in own {
                environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            let url = program.serverurl.as_ref().or(self.fleet.supervisord.serverurl.as_ref());
            if let Some(url) = url {
                environment.entry("SUPERVISOR_SERVER_URL".to_owned()).or_insert_with(|| url.clone());
            }
        }
        if !environment.is_empty() {
            table.set("env", writer::inline_table(&environment));
        }
    }

    /// Who it runs as: supervisord itself gives its own rights away, and its umask when it is a daemon.
    fn identity(&self, program: &Program, table: &mut Table) {
        let supervisord = &self.fleet.supervisord;
        let user = program.user.as_ref().or(supervisord.user.as_ref());
        table.keys.extend(user.map(|user| ("user", quoted(user))));
        // supervisord leaves HOME, USER and LOGNAME as they are.
        table.keys.extend(user.map(|_| ("set_login_environment", "false".to_owned())));
        let of_daemon = (!supervisord.nodaemon && supervisord.umask != 0o022).then_some(supervisord.umask);
        let umask = program.umask.or(of_daemon);
        table.keys.extend(umask.map(|umask| ("umask", format!("\"{umask:03o}\""))));
    }

    fn stop(&mut self, program: &Program, table: &mut Table) {
        let Some(signal) = program.stopsignal.signal() else {
            let what = format!("{}: stopsignal {} cannot be sent", program.name, program.stopsignal);
            let hint = "use TERM, HUP, INT, QUIT, KILL, USR1 or USR2";
            self.refusals.push(Refusal::at(program.place.clone(), what).hint(hint));
            return;
        };
        if signal != crate::vocab::signal::Signal::TERM {
            table.set("stop_signal", quoted(signal.name().trim_start_matches("SIG")));
        }
        if program.stopasgroup {
            table.set("stop_asks", quoted("group"));
        }
        if program.stopwaitsecs != 10 {
            table.set("stop_timeout", writer::seconds(program.stopwaitsecs));
        }
    }

    /// What stands before the services.
    fn head(&self) -> String {
        let directory = Some(self.fleet.supervisord.childlogdir.as_str()).filter(|it| *it != "/tmp");
        let log_dir = directory.map(|directory| format!("log_dir = {}\n", quoted(directory)));
        let ports: BTreeSet<String> = self.fleet.groups.iter().filter_map(fcgi::protected_port).collect();
        let ports: Vec<String> = ports.into_iter().collect();
        let allowed = (!ports.is_empty()).then(|| format!("allowed_ports = {}\n", writer::array(&ports)));
        let level = self.fleet.supervisord.loglevel.level();
        let level = (level != LogLevel::Info).then(|| format!("log_level = {}\n", quoted(level.as_str())));
        let lines: String = log_dir.into_iter().chain(level).chain(allowed).collect();
        if lines.is_empty() { lines } else { format!("[supervisor]\n{lines}\n") }
    }
}

/// What a listener is told of, as a value.
fn listener(pool: &str, buffer_size: i64, events: &[String]) -> String {
    let events = events.iter().filter(|event| EventType::named(event).is_some());
    let events: Vec<String> = events.map(|event| quoted(event)).collect();
    writer::table(&[
        ("events".to_owned(), writer::array(&events)),
        ("buffer_size".to_owned(), buffer_size.clamp(1, 1 << 19).to_string()),
        ("pool".to_owned(), quoted(pool)),
    ])
}

/// When it is started again: supervisord's waits grow by a second each, an exit within startsecs is always a failure,
/// and a run that has lasted so long forgets them.
fn restart(program: &Program, table: &mut Table) {
    match program.autorestart {
        AutoRestart::Always => (),
        AutoRestart::Never => table.set("restart", quoted("never")),
        AutoRestart::Unexpected => table.set("restart", quoted("on-failure")),
    }
    if program.exitcodes != [0] {
        let codes: Vec<String> = program.exitcodes.iter().map(i64::to_string).collect();
        table.set("success_exit_codes", writer::array(&codes));
    }
    if program.startsecs != 1 {
        table.set("min_uptime", writer::seconds(program.startsecs));
    }
    let retries = program.startretries.clamp(0, i64::from(u32::MAX));
    let (max, reset) = (writer::seconds(retries.clamp(1, 1 << 31)), writer::seconds(program.startsecs));
    table.set(
        "backoff",
        format!(
            "{{ growth = \"linear\", initial = \"1s\", max = {max}, reset_after = {reset}, max_retries = {retries}, \
             early_exit = \"failed\" }}"
        ),
    );
}
