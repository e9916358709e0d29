use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::access;
use super::load::Machine;
use super::load::Places;
use super::policy::Ports;
use super::problem::Problem;
use super::scope::{Knowledge, Scope};
use super::table::{Notes, Section};
use super::value::Value;
use super::{
    health, hold, hooks, limits, listener, logs, needs, output_events, policy, prove, schedule, sections,
    variables, watch,
};
use crate::spec::graph::Needs;
use crate::spec::log::Logs;
use crate::spec::policy::{Asked, EarlyExit, Stop};
use crate::spec::replicas::Replica;
use crate::spec::service::{Command, LoginEnvironment, Service, Stdin, User};
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::{BadName, ServiceName};
use crate::vocab::port::Endpoint;
use crate::vocab::signal::Signal;
use crate::vocab::unfit::Unfit;

/// What every service is read with.
pub(super) struct Context<'a> {
    /// The config file's directory.
    pub(super) base: &'a Path,
    pub(super) supervisor: &'a Supervisor,
    pub(super) defaults: Option<&'a DeTable<'a>>,
    pub(super) notes: &'a Notes,
    /// The environment of whoever reads.
    pub(super) scope: &'a Scope,
    pub(super) machine: Machine,
}

/// A port or a socket can be held by one service only.
const NOT_FOR_ALL: [&str; 3] = ["port", "ports", "sockets"];

/// How many replicas there may be.
const COUNTS: Range<i64> = 1..Replica::COUNT_MAX as i64 + 1;

/// A run shorter than this failed quickly, unless the service says otherwise.
const MIN_UPTIME: Duration = Duration::from_secs(1);

/// Reads one service; none when a note says that there is nothing to read. Of what cannot be read a note says why, and
/// with a note there is no fleet: what stands in for it in the service is never used, but lets the whole be proven.
pub(super) fn read(
    context: &Context<'_>,
    (name, span): (&str, Range<usize>),
    value: Value<'_>,
    places: &mut Places,
) -> Option<Service> {
    let name = match ServiceName::parse(name) {
        Ok(name) => name,
        Err(bad) => {
            context.notes.add(Problem::at(span, bad.what()).hint(BadName::WAY_OUT));
            return None;
        }
    };
    places.services.insert(name.clone());
    let section = Section::new(Some(value.expect_table()?), context.notes, context.scope);
    let section = section.in_front_of(context.defaults);
    let files = variables::of_files(context.base, &section);
    let behind_env = context.scope.overlaid(&files.variables, files.knowledge);
    let section = section.within(&behind_env);
    let own = variables::of_table(&section, files);
    let scope = context.scope.overlaid(&own.variables, own.knowledge);
    let section = section.within(&scope);
    let directory = directory(context, &section);
    let ports = ports(context, &section, &name, places);
    let needs = needs::read(&section, &name, places);
    replicas(&section, &name, places);
    let command = command(&section, value, &directory, context.machine);
    let around = health::Around { ports: &ports, directory: &directory, machine: context.machine };
    let checks = health::read(&section, &around);
    let service = rest(context, &section, &name, &directory)?;
    let holder = hold::Holder {
        base: context.base,
        name: &name,
        command: command.as_ref(),
        user: service.user.as_ref(),
        ports: &ports,
        machine: context.machine,
    };
    let (hold, drain) = hold::read(&section, &holder, places);
    section.refuse_others(&format!("service `{name}`"));
    section.refuse_others_behind("[defaults]", &NOT_FOR_ALL);
    refuse_checks_in_vain(&section, &service, &checks);
    Some(Service {
        command: command.unwrap_or(service.command),
        directory,
        env: own.variables,
        ports: ports.list,
        hold,
        drain,
        depends_on: needs,
        ready: checks.ready.map(Box::new),
        live: checks.live.map(Box::new),
        ..service
    })
}

/// Notes checks that could never succeed for this service.
fn refuse_checks_in_vain(section: &Section<'_>, service: &Service, checks: &health::Checks) {
    refuse_deaf(section, service, checks);
    refuse_unseen(section, &service.logs, checks);
}

/// Notes a service that could not tell of itself: the socket lies where nobody but the supervisor's user may go.
fn refuse_deaf(section: &Section<'_>, service: &Service, checks: &health::Checks) {
    refuse_mute(section, service);
    let is_other = service.user.as_ref().is_some_and(prove::is_other);
    let (true, true, Some(value)) = (is_other, checks.notify(), section.value("user")) else { return };
    value.add(
        "`notify` works for services that run as the same user as the supervisor",
        "use `log`, `http`, `exec` or `heartbeat` for this one",
    );
}

/// Notes a service that could not leave its stacks: they lie where nobody but the supervisor's user may write.
fn refuse_mute(section: &Section<'_>, service: &Service) {
    let is_other = service.user.as_ref().is_some_and(prove::is_other);
    let (true, true, Some(value)) = (is_other, service.capture_hangs, section.value("capture_hangs")) else {
        return;
    };
    value.add(
        "`capture_hangs` works for services that run as the same user as the supervisor",
        "remove it, or run procman as that user",
    );
}

/// Notes a service whose lines are looked for in files that it does not write.
fn refuse_unseen(section: &Section<'_>, logs: &Logs, checks: &health::Checks) {
    let value = section.value("stdout").or_else(|| section.value("stderr"));
    if let (true, true, Some(value)) = (checks.reads_logs(), logs.files().next().is_none(), value) {
        value.add(
            "a `log` check reads the log files, and there are none",
            "add \"file\" to `stdout` or `stderr`",
        );
    }
}

/// Keys of `[defaults]` are proven by every service that uses them; what is not for all is refused here.
pub(super) fn refuse_what_is_not_for_all(context: &Context<'_>) {
    let entries = context.defaults.into_iter().flat_map(|table| table.iter());
    for (key, _) in entries.filter(|(key, _)| NOT_FOR_ALL.contains(&key.as_ref().as_ref())) {
        let what = format!("`{}` cannot be the same for all services", key.as_ref());
        context.notes.add(Problem::at(key.span(), what).hint("move it to the services"));
    }
}

/// The keys that concern neither the process' start nor other services.
fn rest(
    context: &Context<'_>,
    section: &Section<'_>,
    name: &ServiceName,
    directory: &Path,
) -> Option<Service> {
    let max_unavailable = section.integer("max_unavailable", COUNTS);
    let by_cause = section.flag("restart_by_cause");
    let schedule = schedule::schedule(section);
    let backoff = section.value("backoff").and_then(|value| policy::backoff(&value)).unwrap_or_default();
    let codes = section.value("success_exit_codes").map(|value| value.members());
    let codes = codes
        .map(|codes| codes.iter().filter_map(|code| i32::try_from(code.integer(0..256)?).ok()).collect());
    Some(Service {
        name: name.clone(),
        replica: Replica::first(name),
        max_unavailable: max_unavailable.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        group: group(section),
        command: Command::new(vec!["unread".to_owned()])?,
        directory: PathBuf::new(),
        env: BTreeMap::new(),
        ports: Vec::new(),
        on_port_conflict: policy::port_conflict(section),
        preflight: section.flag("preflight").unwrap_or(true),
        hold: None,
        capture_hangs: section.flag("capture_hangs").unwrap_or(false),
        drain: Duration::ZERO,
        depends_on: Needs::new(),
        ready: None,
        live: None,
        restart: schedule::restart(section, schedule.as_ref()),
        // What is to behave as under supervisord does so in this, too.
        restart_by_cause: by_cause.unwrap_or(backoff.early_exit == EarlyExit::Judged),
        backoff,
        start_limit: schedule::start_limit(section),
        max_age: schedule::max_age(section),
        schedule: schedule.map(Box::new),
        stop: stop(section),
        hooks: hooks::read(section, directory, context.machine),
        watch: watch::read(section),
        limits: limits::read(section).unwrap_or_default(),
        success_exit_codes: codes.unwrap_or_else(|| BTreeSet::from([0])),
        min_uptime: section.duration("min_uptime").unwrap_or(MIN_UPTIME),
        recovery: policy::recovery(section),
        autostart: section.flag("autostart").unwrap_or(true),
        enablement: None,
        priority: section.integer("priority", -1000..1001).and_then(|it| i32::try_from(it).ok()).unwrap_or(0),
        reload_signal: signal(section, "reload_signal"),
        user: user(section),
        umask: access::octal(section, "umask"),
        nice: section.integer("nice", -20..20).and_then(|nice| i32::try_from(nice).ok()),
        stdin: stdin(section),
        listener: listener::read(section, name),
        logs: output_events::read(section, logs::read(context, section, name)),
    })
}

fn command(section: &Section<'_>, whole: Value<'_>, directory: &Path, machine: Machine) -> Option<Command> {
    let Some(line) = section.value("command") else {
        whole.add("this service has no command", "add `command = \"python3 main.py\"`");
        return None;
    };
    prove::command(&line, directory, machine)
}

/// A command: words, or a line of them.
pub(super) fn command_line(value: &Value<'_>) -> Option<Command> {
    let words = if value.is_array() {
        // Every word is read, so that every bad one is noted.
        let words: Vec<Option<String>> = value.members().iter().map(Value::text).collect();
        words.into_iter().collect::<Option<Vec<String>>>()?
    } else {
        let line = value.text()?;
        let Some(words) = shlex::split(&line) else {
            value.add(
                "this command has a quote without its partner",
                "close it, or write the command as an array of words",
            );
            return None;
        };
        words
    };
    let command = Command::new(words);
    if command.is_none() {
        value.add("this command is empty", "write the program and its arguments");
    }
    command
}

fn directory(context: &Context<'_>, section: &Section<'_>) -> PathBuf {
    let Some((text, value)) = section.text("directory") else { return context.base.to_owned() };
    let directory = context.base.join(text);
    match context.machine {
        Machine::Proven => prove::directory(&directory, &value),
        Machine::Trusted => (),
    }
    directory
}

fn ports(context: &Context<'_>, section: &Section<'_>, name: &ServiceName, places: &mut Places) -> Ports {
    let (one, many) = (section.value("port"), section.value("ports"));
    if let (Some(_), Some(many)) = (one, many) {
        many.add("`port` and `ports` say the same thing", "keep `ports`");
    }
    let mut ports = Ports { list: Vec::new(), knowledge: Knowledge::Whole };
    for value in one.into_iter().chain(many).flat_map(|value| value.members()) {
        let Some(port) = sections::endpoint(&value) else {
            ports.knowledge = Knowledge::Partial;
            continue;
        };
        let number = port.port;
        places.ports.insert((name.clone(), port), value.span());
        if context.supervisor.protects(number) {
            let hint = format!("choose another, or allow it: [supervisor] allowed_ports = [{number}]");
            value.add(format!("port {number} is protected"), hint);
            ports.knowledge = Knowledge::Partial;
        } else if ports.list.iter().any(|other| says_the_same(other, &port)) {
            value.add(format!("port {port} stands here twice"), "remove one");
        } else {
            ports.list.push(port);
        }
    }
    ports
}

/// Whether one of two ports of a service is the other, or includes it by saying no address. `0.0.0.0` beside `::` is how
/// a program is described that binds both.
fn says_the_same(one: &Endpoint, other: &Endpoint) -> bool {
    let includes = |one: &Endpoint| one.address.is_none() && one.overlaps(other);
    one == other || includes(one) || (other.address.is_none() && other.overlaps(one))
}

fn replicas(section: &Section<'_>, name: &ServiceName, places: &mut Places) {
    let Some(value) = section.value("replicas") else { return };
    if let Some(count) = value.integer(COUNTS).and_then(|count| u32::try_from(count).ok()) {
        places.replicas.insert(name.clone(), (count, value.span()));
    }
}

/// Reads `user` and `set_login_environment`.
fn user(section: &Section<'_>) -> Option<User> {
    let login = match section.flag("set_login_environment") {
        Some(false) => LoginEnvironment::Kept,
        Some(true) | None => LoginEnvironment::Set,
    };
    let (user, value) = section.text("user")?;
    Some(User { login, ..prove::user(&user, &value)? })
}

fn stop(section: &Section<'_>) -> Stop {
    let usual = Stop::default();
    Stop {
        signal: signal(section, "stop_signal").unwrap_or(usual.signal),
        timeout: section.duration("stop_timeout").unwrap_or(usual.timeout),
        asks: asks(section).unwrap_or(usual.asks),
    }
}

fn signal(section: &Section<'_>, key: &'static str) -> Option<Signal> {
    let (text, value) = section.text(key)?;
    value.note(Signal::parse(&text))
}

fn asks(section: &Section<'_>) -> Option<Asked> {
    let (text, value) = section.text("stop_asks")?;
    match text.as_str() {
        "main" => Some(Asked::Main),
        "group" => Some(Asked::Group),
        other => {
            value.add(
                format!("`{other}` is nobody to ask"),
                "use \"main\" for the main process, or \"group\" for its whole process group",
            );
            None
        }
    }
}

fn stdin(section: &Section<'_>) -> Stdin {
    let Some((text, value)) = section.text("stdin") else { return Stdin::Null };
    match text.as_str() {
        "null" => Stdin::Null,
        "pipe" => Stdin::Pipe,
        other => {
            value.add(
                format!("`{other}` is no standard input"),
                "use \"null\" for none, or \"pipe\" for one that clients write into",
            );
            Stdin::Null
        }
    }
}

fn group(section: &Section<'_>) -> Option<String> {
    let (text, value) = section.text("group")?;
    value.note(ServiceName::parse(&text)).map(|name| name.to_string())
}
