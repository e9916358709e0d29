use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::environment::Environment;
use super::problem::{Problem, Problems};
use super::scope::Scope;
use super::table::{Notes, Section, known_instead};
use super::{sections, service, supervisord, targets};
use crate::spec::fleet::{Fleet, NotAFleet};
use crate::spec::replicas::Replica;
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::ServiceName;
use crate::vocab::nearest::nearest;
use crate::vocab::port::Endpoint;

/// Where things stand in the file, for problems that only the whole fleet shows.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) services: BTreeSet<ServiceName>,
    pub(super) ports: BTreeMap<(ServiceName, Endpoint), Range<usize>>,
    /// Unix sockets, each with who declares it and of which group that is.
    pub(super) sockets: BTreeMap<PathBuf, (ServiceName, Option<String>)>,
    pub(super) needs: BTreeMap<(ServiceName, ServiceName), Range<usize>>,
    pub(super) replicas: BTreeMap<ServiceName, (u32, Range<usize>)>,
}

impl Places {
    /// The service that the file declares, for it or one of its replicas.
    fn declared(&self, name: &ServiceName) -> ServiceName {
        let is_replica = |of: &&ServiceName| {
            let number = name.as_str().strip_prefix(of.as_str()).and_then(|rest| rest.strip_prefix('-'));
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let of = self.replicas.keys().find(is_replica).filter(|_| !self.services.contains(name));
        of.unwrap_or(name).clone()
    }
}

/// Reads a config file, which must be named by an absolute path, and proves it.
///
/// # Errors
/// Every problem of the file; nothing on the machine was changed in any case.
pub fn load(path: &Path, environment: &Environment) -> Result<Fleet, Problems> {
    prove(&read_whole(path, environment)?, path, environment, Machine::Proven)
}

/// Whether the machine has to have what a config names: programs and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// It has to.
    Proven,
    /// It had, when the text was proven before: what lives is not given up because a program is gone.
    Trusted,
}

/// Proves a text as the content of a config file.
///
/// # Errors
/// Every problem of the text.
pub fn prove(
    text: &str,
    path: &Path,
    environment: &Environment,
    machine: Machine,
) -> Result<Fleet, Problems> {
    if supervisord::load::is_dialect(path, text) {
        return supervisord::load::prove(text, path, environment, machine);
    }
    prove_toml(text, path, environment, machine)
}

/// The same for a text that is TOML for sure.
pub(super) fn prove_toml(
    text: &str,
    path: &Path,
    environment: &Environment,
    machine: Machine,
) -> Result<Fleet, Problems> {
    parse(text, path, environment, machine)
        .map_err(|list| Problems::new(path.to_owned(), text.to_owned(), list))
}

/// Reads only `[supervisor]` and `[emergency]`, for those who look for a supervisor or talk to one: what is wrong with the
/// rest of the file is no reason not to find it.
///
/// # Errors
/// The file cannot be read, or what is wrong stands in these sections.
pub fn load_supervisor(path: &Path, environment: &Environment) -> Result<Supervisor, Problems> {
    let text = read_text(path)?;
    if supervisord::load::is_dialect(path, &text) {
        return Ok(supervisord::load::supervisor(&text, path, environment));
    }
    let (root, _) = DeTable::parse_recoverable(&text);
    let (notes, scope) = (Notes::default(), Scope::of(environment));
    let top = Section::new(Some(root.as_ref()), &notes, &scope);
    let [supervisor, emergency] =
        ["supervisor", "emergency"].map(|key| top.value(key).and_then(|value| value.table()));
    let also_kill = sections::emergency(emergency, &notes, &scope);
    let supervisor = Supervisor { also_kill, ..sections::supervisor(path, supervisor, &notes, &scope) };
    let problems = notes.into_list();
    if problems.is_empty() {
        Ok(supervisor)
    } else {
        Err(Problems::new(path.to_owned(), text.clone(), problems))
    }
}

/// Reads a config file with all that it includes, proving nothing but that it is text.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_whole(path: &Path, environment: &Environment) -> Result<String, Problems> {
    let text = read_text(path)?;
    if supervisord::load::is_dialect(path, &text) {
        return Ok(supervisord::load::whole(text, path, environment));
    }
    Ok(text)
}

/// Reads a config file, proving nothing but that it is text.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_text(path: &Path) -> Result<String, Problems> {
    let whole = |text: String, problem| Problems::new(path.to_owned(), text, vec![problem]);
    let bytes = fs::read(path).map_err(|error| {
        let hint = "name a file that is there and that you may read: `-c FILE`".to_owned();
        let what = format!("cannot read this file: {error}");
        whole(String::new(), Problem { span: None, what, hint: Some(hint) })
    })?;
    String::from_utf8(bytes).map_err(|error| {
        // What stands before the bad byte is the same in both texts, and so is its place.
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        whole(text, Problem::at(at..at + 1, "cannot read this as text").hint("save the file as UTF-8"))
    })
}

fn parse(
    text: &str,
    path: &Path,
    environment: &Environment,
    machine: Machine,
) -> Result<Fleet, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(syntax_problem).collect());
    }
    let (notes, scope) = (Notes::default(), Scope::of(environment));
    let (fleet, places) = read(root.as_ref(), path, Ground { notes: &notes, scope: &scope, machine });
    let env_files = notes.files();
    let mut problems = notes.into_list();
    match fleet {
        Some(Ok(fleet)) if problems.is_empty() => Ok(fleet.with_env_files(env_files)),
        Some(Err(more)) => {
            problems.extend(more.iter().filter_map(|problem| fleet_problem(problem, &places)));
            Err(problems)
        }
        Some(Ok(_)) | None => Err(problems),
    }
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    let what = format!("cannot read this as TOML: {}", error.message());
    let hint = match error.message() {
        message if message.contains("duplicate key") => "keep one of the two",
        _ => {
            "a line is `key = value` or `[table]`; texts stand in quotes, as in \"10s\", and quotes and brackets close"
        }
    };
    Problem { span: error.span(), what, hint: Some(hint.to_owned()) }
}

/// What a file is read on.
struct Ground<'a> {
    notes: &'a Notes,
    scope: &'a Scope,
    machine: Machine,
}

fn read<'a>(
    root: &'a DeTable<'a>,
    path: &Path,
    ground: Ground<'a>,
) -> (Option<Result<Fleet, Vec<NotAFleet>>>, Places) {
    let Ground { notes, scope, machine } = ground;
    let top = Section::new(Some(root), notes, scope);
    let tables = ["supervisor", "emergency", "defaults"]
        .map(|key| top.value(key).and_then(|value| value.expect_table()));
    let [supervisor_table, emergency, defaults] = tables;
    let (services, notify) = (top.value("services"), top.value("notify"));
    top.refuse_others("this file");
    let supervisor = sections::supervisor(path, supervisor_table, notes, scope);
    let also_kill = sections::emergency(emergency, notes, scope);
    let base = path.parent().unwrap_or(Path::new("/"));
    let targets = notify.map(|notify| targets::read(&notify, base, machine)).unwrap_or_default();
    let supervisor = Supervisor { also_kill, notify: targets.clone(), ..supervisor };
    let mut places = Places::default();
    let Some(services) = services else {
        // A misspelt table of services is an unknown key, for which a note asks whether this one was meant.
        let is_misspelt = root.iter().any(|(key, _)| nearest(key.as_ref().as_ref(), ["services"]).is_some());
        if !is_misspelt {
            let what = "there are no services".to_owned();
            notes.add(Problem { span: None, what, hint: Some(EXAMPLE.to_owned()) });
        }
        return (None, places);
    };
    if services.expect_table().is_none() {
        return (None, places);
    }
    let entries = services.entries();
    if entries.is_empty() {
        services.add("there are no services", EXAMPLE);
        return (None, places);
    }
    let context = service::Context { base, supervisor: &supervisor, defaults, notes, scope, machine };
    let read: Vec<_> = entries
        .into_iter()
        .filter_map(|(name, span, value)| service::read(&context, (name, span), value, &mut places))
        .collect();
    sections::refuse_unknown_exit(
        &supervisor,
        &Section::new(supervisor_table, notes, scope),
        &places.services,
    );
    service::refuse_what_is_not_for_all(&context);
    let counts = places.replicas.iter().map(|(name, (count, _))| (name.clone(), *count)).collect();
    let fleet = Fleet::replicate(supervisor, read, &counts);
    if let (Some(notify), Ok(fleet)) = (notify, &fleet) {
        targets::refuse_unknown(&notify, &targets, fleet);
    }
    (Some(fleet), places)
}

const EXAMPLE: &str = "a service is a table: [services.web] with command = \"python3 -m http.server 8080\"";

/// None when the fleet only misses what the file has: a service that could not be read, of which a note says why.
fn fleet_problem(problem: &NotAFleet, places: &Places) -> Option<Problem> {
    // What is wrong with replicas is said once, of what the file declares.
    let problem = &problem.named(|name| places.declared(name));
    let (span, hint) = match problem {
        NotAFleet::UnknownDependency { dependency, .. } if places.services.contains(dependency) => {
            return None;
        }
        NotAFleet::UnknownDependency { service, dependency } => {
            let names: Vec<&str> = places.services.iter().map(ServiceName::as_str).collect();
            let place = places.needs.get(&(service.clone(), dependency.clone()));
            (place, known_instead(dependency.as_str(), &names))
        }
        NotAFleet::Cycle { circle } => {
            let edge = circle.first().zip(circle.get(1).or(circle.first()));
            let place = edge.and_then(|(from, to)| places.needs.get(&(from.clone(), to.clone())));
            (place, "remove one of these dependencies".to_owned())
        }
        NotAFleet::PortTwice { port, first: _, second }
        | NotAFleet::PortsOverlap { port, taken: _, first: _, second } => {
            let place = places.ports.get(&(second.clone(), *port));
            let hint = "give each service a port of its own; those of one `group` may share one that is held";
            (place, hint.to_owned())
        }
        NotAFleet::PortShared { service, .. } => {
            let hint = format!(
                "declare `hold`, so that they share it, keep one replica, or let each take a port of its own by {}",
                Replica::VARIABLE
            );
            (places.replicas.get(service).map(|(_, span)| span), hint)
        }
        NotAFleet::ReplicaNameTaken { of, .. } | NotAFleet::NoReplicaName { of, .. } => {
            let place = places.replicas.get(of).map(|(_, span)| span);
            (place, format!("rename one of them; replicas are called `{of}-2`, `{of}-3` and so on"))
        }
    };
    Some(Problem { span: span.cloned(), what: problem.to_string(), hint: Some(hint) })
}
