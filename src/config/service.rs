use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::environment::Environment;
use super::load::Places;
use super::table::{Notes, Section, Value};
use super::{policy, prove, sections};
use crate::spec::graph::{Condition, Needs};
use crate::spec::log::{Logs, Rotation};
use crate::spec::policy::{RestartPolicy, Stop};
use crate::spec::service::{Command, Service};
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;
use crate::vocab::signal::Signal;

/// What every service is read with.
pub(super) struct Context<'a, 'c> {
    /// The config file's directory.
    pub(super) base: &'c Path,
    pub(super) supervisor: &'c Supervisor,
    pub(super) defaults: Option<&'a DeTable<'a>>,
    pub(super) notes: &'a Notes,
    pub(super) environment: &'c Environment,
}

/// Keys that tell one service from another make no sense for all of them.
const NOT_FOR_ALL: [&str; 4] = ["command", "port", "ports", "depends_on"];

/// A run shorter than this failed quickly, unless the service says otherwise.
const MIN_UPTIME: Duration = Duration::from_secs(1);

/// Reads one service; none when a note says why.
pub(super) fn read<'a>(
    context: &Context<'a, '_>,
    (name, span): (&str, Range<usize>),
    value: Value<'a>,
    places: &mut Places,
) -> Option<Service> {
    let name = match ServiceName::parse(name) {
        Ok(name) => name,
        Err(bad) => {
            context.notes.add(super::problem::Problem::at(span, bad.to_string()));
            return None;
        }
    };
    places.services.insert(name.clone());
    let layers = [value.expect_table()?].into_iter().chain(context.defaults).collect();
    let mut section = Section::new(layers, context.notes, context.environment);
    let env_files = env_files(context, &section);
    section.set_environment(context.environment.overlaid(&env_files));
    let env = env(context, &section, env_files);
    let (directory, is_directory) = directory(context, &section);
    let ports = ports(context, &section, &name, places);
    let needs = depends_on(&section, &name, places);
    let path_variable = env.get("PATH").map(String::as_str).or(context.environment.value("PATH"));
    let command = command(context, &section, value).map(|(command, value)| {
        if is_directory {
            prove::program(&command, &directory, path_variable, &value);
        }
        command
    });
    let service = rest(context, &section, &name, &ports);
    section.refuse_others(&format!("service `{name}`"));
    Some(Service { command: command?, directory, env, ports, depends_on: needs, ..service? })
}

/// Keys of `[defaults]` are proven by every service that uses them; what is not for all is refused here.
pub(super) fn refuse_unknown_defaults(context: &Context<'_, '_>) {
    let entries = context.defaults.into_iter().flat_map(|table| table.iter());
    for (key, _) in entries.filter(|(key, _)| NOT_FOR_ALL.contains(&key.as_ref().as_ref())) {
        let problem = super::problem::Problem::at(
            key.span(),
            format!("`{}` cannot be the same for all services", key.as_ref()),
        );
        context.notes.add(problem.hint("move it to the services"));
    }
}

/// The keys that concern neither the process' start nor other services.
fn rest<'a>(
    context: &Context<'a, '_>,
    section: &Section<'a>,
    name: &ServiceName,
    ports: &[Port],
) -> Option<Service> {
    let signal = |key| section.text(key).and_then(|(text, value)| value.note(Signal::parse(&text)));
    let usual = Stop::default();
    // What cannot be read leaves a note, and with a note there is no fleet: what stands in for it here is never used.
    let health = section
        .value("health")
        .and_then(|value| policy::health(&value, ports, context.notes, context.environment));
    let backoff = section
        .value("backoff")
        .and_then(|value| policy::backoff(&value, context.notes, context.environment));
    let codes = section.value("success_exit_codes").map(|value| value.members());
    let codes = codes
        .map(|codes| codes.iter().filter_map(|code| i32::try_from(code.integer(0..256)?).ok()).collect());
    Some(Service {
        name: name.clone(),
        group: group(section),
        command: Command::new(vec!["unread".to_owned()])?,
        directory: PathBuf::new(),
        env: BTreeMap::new(),
        ports: Vec::new(),
        depends_on: Needs::new(),
        health,
        restart: restart(section),
        backoff: backoff.unwrap_or_default(),
        stop: Stop {
            signal: signal("stop_signal").unwrap_or(usual.signal),
            timeout: section.duration("stop_timeout").unwrap_or(usual.timeout),
        },
        success_exit_codes: codes.unwrap_or_else(|| BTreeSet::from([0])),
        min_uptime: section.duration("min_uptime").unwrap_or(MIN_UPTIME),
        autostart: section.flag("autostart").unwrap_or(true),
        priority: section.integer("priority", -1000..1001).and_then(|it| i32::try_from(it).ok()).unwrap_or(0),
        reload_signal: signal("reload_signal"),
        user: section.text("user").and_then(|(user, value)| prove::user(&user, &value)),
        umask: umask(section),
        nice: section.integer("nice", -20..20).and_then(|nice| i32::try_from(nice).ok()),
        logs: logs(context, section, name),
    })
}

fn command<'a>(
    context: &Context<'a, '_>,
    section: &Section<'a>,
    whole: Value<'a>,
) -> Option<(Command, Value<'a>)> {
    let Some(value) = section.value("command") else {
        whole.add("this service has no command", "add `command = \"python3 main.py\"`");
        return None;
    };
    let words = if value.is_array() {
        value.members().iter().map(|word| word.text(context.environment)).collect::<Option<Vec<String>>>()?
    } else {
        let (line, value) = section.text("command")?;
        let Some(words) = shlex::split(&line) else {
            value.add(
                "this command has a quote without its partner",
                "close it, or write the command as an array of words",
            );
            return None;
        };
        words
    };
    let Some(command) = Command::new(words) else {
        value.add("this command is empty", "write the program and its arguments");
        return None;
    };
    Some((command, value))
}

fn directory(context: &Context<'_, '_>, section: &Section<'_>) -> (PathBuf, bool) {
    match section.text("directory") {
        Some((text, value)) => {
            let directory = context.base.join(text);
            let is_directory = prove::directory(&directory, Some(&value));
            (directory, is_directory)
        }
        None => (context.base.to_owned(), prove::directory(context.base, None)),
    }
}

fn env_files(context: &Context<'_, '_>, section: &Section<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for value in section.value("env_file").map(|value| value.members()).unwrap_or_default() {
        let Some(text) = value.text(context.environment) else { continue };
        let file = context.base.join(&text);
        let read = dotenvy::from_path_iter(&file).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        match read {
            Ok(entries) => variables.extend(entries),
            Err(error) => {
                value.add(format!("cannot read {}: {error}", file.display()), "a line is `NAME=value`")
            }
        }
    }
    variables
}

fn env(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    mut env: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let environment = context.environment.overlaid(&env);
    // The nearest layer wins, so the farthest goes first.
    for value in section.values("env").into_iter().rev() {
        if value.expect_table().is_none() {
            continue;
        }
        for (name, _, value) in value.entries() {
            if name.is_empty() || name.contains(['=', '\0']) {
                value.add(format!("`{name}` is not the name of a variable"), "use letters, digits and `_`");
            } else if let Some(text) = value.text(&environment) {
                env.insert(name.to_owned(), text);
            }
        }
    }
    env
}

fn ports(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    name: &ServiceName,
    places: &mut Places,
) -> Vec<Port> {
    let (one, many) = (section.value("port"), section.value("ports"));
    if let (Some(_), Some(many)) = (one, many) {
        many.add("`port` and `ports` say the same thing", "keep `ports`");
    }
    let mut ports = Vec::new();
    for value in one.into_iter().chain(many).flat_map(|value| value.members()) {
        let Some(port) = sections::port(&value) else { continue };
        places.ports.insert((name.clone(), port.number()), value.span());
        if context.supervisor.protects(port) {
            let hint = format!("choose another, or allow it: [supervisor] allowed_ports = [{port}]");
            value.add(format!("port {port} is protected"), hint);
        } else if ports.contains(&port) {
            value.add(format!("port {port} stands here twice"), "remove one");
        } else {
            ports.push(port);
        }
    }
    ports
}

fn depends_on(section: &Section<'_>, name: &ServiceName, places: &mut Places) -> Needs {
    let Some(value) = section.value("depends_on") else { return Needs::new() };
    let mut needs = Needs::new();
    let mut add = |word: &str, condition, value: Value<'_>| {
        let Some(needed) = value.note(ServiceName::parse(word)) else { return };
        places.needs.insert((name.clone(), needed.clone()), value.span());
        needs.insert(needed, condition);
    };
    if value.table().is_some() {
        for (word, _, value) in value.entries() {
            if let Some(condition) = condition(&value) {
                add(word, condition, value);
            }
        }
    } else {
        for value in value.members() {
            match value.as_text() {
                Some(word) => add(word, Condition::Ready, value),
                None => drop(value.wrong_type::<()>("the name of a service, a string")),
            }
        }
    }
    needs
}

fn condition(value: &Value<'_>) -> Option<Condition> {
    match value.as_text() {
        Some("ready") => Some(Condition::Ready),
        Some("started") => Some(Condition::Started),
        Some("completed") => Some(Condition::Completed),
        Some(other) => {
            value.add(format!("`{other}` is not a condition"), "use \"ready\", \"started\" or \"completed\"");
            None
        }
        None => value.wrong_type("a string"),
    }
}

fn restart(section: &Section<'_>) -> RestartPolicy {
    let Some((text, value)) = section.text("restart") else { return RestartPolicy::Always };
    match text.as_str() {
        "always" => RestartPolicy::Always,
        "on-failure" => RestartPolicy::OnFailure,
        "never" => RestartPolicy::Never,
        other => {
            value.add(
                format!("`{other}` is not a restart policy"),
                "use \"always\", \"on-failure\" or \"never\"",
            );
            RestartPolicy::Always
        }
    }
}

fn group(section: &Section<'_>) -> Option<String> {
    let (text, value) = section.text("group")?;
    value.note(ServiceName::parse(&text)).map(|name| name.to_string())
}

fn umask(section: &Section<'_>) -> Option<u32> {
    let value = section.value("umask")?;
    if value.is_integer() {
        return value.integer(0..0o1000).and_then(|mask| u32::try_from(mask).ok());
    }
    let (text, value) = section.text("umask")?;
    match u32::from_str_radix(&text, 8) {
        Ok(mask) if mask < 0o1000 => Some(mask),
        Ok(_) | Err(_) => {
            value.add(format!("`{text}` is not a umask"), "write three octal digits: \"022\"");
            None
        }
    }
}

fn logs<'a>(context: &Context<'a, '_>, section: &Section<'a>, name: &ServiceName) -> Logs {
    let directory = &context.supervisor.log_dir;
    let usual = Rotation::default();
    let rotation = section.value("log").and_then(|value| {
        let section = Section::new(vec![value.expect_table()?], context.notes, context.environment);
        let size_max = section.size("max_size").unwrap_or(usual.size_max);
        let keep = section.integer("keep", 0..10_001).and_then(|keep| u32::try_from(keep).ok());
        section.refuse_others("log");
        Some(Rotation { size_max, keep: keep.unwrap_or(usual.keep) })
    });
    Logs {
        stdout: directory.join(format!("{name}.out.log")),
        stderr: directory.join(format!("{name}.err.log")),
        rotation: rotation.unwrap_or(usual),
    }
}
