use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use super::environment::Environment;
use super::problem::{Problem, Problems};
use super::table::{Notes, Section, known_instead};
use super::{sections, service};
use crate::spec::fleet::{Fleet, NotAFleet};
use crate::spec::supervisor::Supervisor;
use crate::vocab::name::ServiceName;

/// Where things stand in the file, for problems that only the whole fleet shows.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) services: BTreeSet<ServiceName>,
    pub(super) ports: BTreeMap<(ServiceName, u16), Range<usize>>,
    pub(super) needs: BTreeMap<(ServiceName, ServiceName), Range<usize>>,
}

/// Reads a config file, which must be named by an absolute path, and proves it.
///
/// # Errors
/// Every problem of the file; nothing on the machine was changed in any case.
pub fn load(path: &Path, environment: &Environment) -> Result<Fleet, Problems> {
    let text = read_text(path)?;
    parse(&text, path, environment).map_err(|list| Problems::new(path.to_owned(), text.clone(), list))
}

/// Reads only `[supervisor]` and `[emergency]`, for those who look for a supervisor or talk to one: what is wrong with the
/// rest of the file is no reason not to find it.
///
/// # Errors
/// The file cannot be read, or what is wrong stands in these sections.
pub fn load_supervisor(path: &Path, environment: &Environment) -> Result<Supervisor, Problems> {
    let text = read_text(path)?;
    let (root, _) = DeTable::parse_recoverable(&text);
    let notes = Notes::default();
    let top = Section::new(vec![root.as_ref()], &notes, environment);
    let [supervisor, emergency] =
        ["supervisor", "emergency"].map(|key| top.value(key).and_then(|value| value.table()));
    let also_kill = sections::emergency(emergency, &notes, environment);
    let supervisor = Supervisor { also_kill, ..sections::supervisor(path, supervisor, &notes, environment) };
    let problems = notes.into_list();
    if problems.is_empty() {
        Ok(supervisor)
    } else {
        Err(Problems::new(path.to_owned(), text.clone(), problems))
    }
}

fn read_text(path: &Path) -> Result<String, Problems> {
    fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read it: {error}");
        Problems::new(path.to_owned(), String::new(), vec![Problem { span: None, what, hint: None }])
    })
}

fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Fleet, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(syntax_problem).collect());
    }
    let notes = Notes::default();
    let (fleet, places) = read(root.as_ref(), path, &notes, environment);
    let mut problems = notes.into_list();
    match fleet {
        Some(Ok(fleet)) if problems.is_empty() => Ok(fleet),
        Some(Err(more)) => {
            problems.extend(more.iter().map(|problem| fleet_problem(problem, &places)));
            Err(problems)
        }
        Some(Ok(_)) | None => Err(problems),
    }
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem { span: error.span(), what: format!("cannot read this as TOML: {}", error.message()), hint: None }
}

fn read<'a>(
    root: &'a DeTable<'a>,
    path: &Path,
    notes: &'a Notes,
    environment: &Environment,
) -> (Option<Result<Fleet, Vec<NotAFleet>>>, Places) {
    let top = Section::new(vec![root], notes, environment);
    let base = path.parent().unwrap_or(Path::new("/"));
    let tables = ["supervisor", "emergency", "defaults"]
        .map(|key| top.value(key).and_then(|value| value.expect_table()));
    let [supervisor, emergency, defaults] = tables;
    let services = top.value("services");
    top.refuse_others("this file");
    let supervisor = sections::supervisor(path, supervisor, notes, environment);
    let also_kill = sections::emergency(emergency, notes, environment);
    let supervisor = Supervisor { also_kill, ..supervisor };
    let mut places = Places::default();
    let Some(services) = services else {
        notes.add(Problem {
            span: None,
            what: "there are no services".to_owned(),
            hint: Some(EXAMPLE.to_owned()),
        });
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
    let context = service::Context { base, supervisor: &supervisor, defaults, notes, environment };
    let read: Vec<_> = entries
        .into_iter()
        .filter_map(|(name, span, value)| service::read(&context, (name, span), value, &mut places))
        .collect();
    service::refuse_unknown_defaults(&context);
    (Some(Fleet::new(supervisor, read)), places)
}

const EXAMPLE: &str = "a service is a table: [services.web] with command = \"python3 -m http.server 8080\"";

fn fleet_problem(problem: &NotAFleet, places: &Places) -> Problem {
    let what = problem.to_string();
    match problem {
        NotAFleet::UnknownDependency { service, dependency } => {
            let span = places.needs.get(&(service.clone(), dependency.clone())).cloned();
            let names: Vec<&str> = places.services.iter().map(ServiceName::as_str).collect();
            Problem { span, what, hint: Some(known_instead(dependency.as_str(), &names)) }
        }
        NotAFleet::Cycle { circle } => {
            let edge = circle.first().zip(circle.get(1).or(circle.first()));
            let span = edge.and_then(|(from, to)| places.needs.get(&(from.clone(), to.clone()))).cloned();
            Problem { span, what, hint: Some("remove one of these dependencies".to_owned()) }
        }
        NotAFleet::PortTwice { port, first: _, second } => {
            let span = places.ports.get(&(second.clone(), port.number())).cloned();
            Problem { span, what, hint: Some("give each service a port of its own".to_owned()) }
        }
    }
}
