use std::path::{Path, PathBuf};

use super::model::{Expanded, File, Reading, Remark, Settings};
use super::naming;
use super::overrides;
use super::read::{Includes, included, read};
use super::reader::{Ground, Trust};
use super::refusal::{Place, Refusal};
use super::translate::{Purpose, translate};
use crate::config::environment::Environment;
use crate::config::load::{self, Machine};
use crate::config::problem::{Problem, Problems, line_of};
use crate::spec::fleet::Fleet;
use crate::spec::supervisor::{StopOrder, Supervisor};
use crate::vocab::name::ServiceName;

/// Whether a file is one of supervisord's: by its name, or because it has a section that only those have.
pub fn is_dialect(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("conf" | "ini") => true,
        Some("toml") => false,
        Some(_) | None => {
            let begins = |line: &str| line.starts_with("[supervisord]") || line.starts_with("[program:");
            text.lines().any(begins)
        }
    }
}

/// Stands before the name of an included file in a text that holds all of them, and at its end.
const NEXT_FILE: &str = "\u{1e}";

/// The main file's text with those of the files that it includes behind it: what was read once is proven, applied and
/// kept as one, whatever becomes of the files.
pub fn whole(text: String, path: &Path, environment: &Environment) -> String {
    let host = host();
    let included = included(&text, ground(path, environment, &host, Trust::AsItStands));
    let Some(files) = included else { return text };
    let add = |whole, file: File| format!("{whole}{NEXT_FILE}{}\n{}", file.name, file.text);
    files.into_iter().fold(text, add) + NEXT_FILE
}

/// Reads a text of [`whole`], or the main file's alone: includes are then found on the disk.
fn reading(text: &str, path: &Path, environment: &Environment, trust: Trust) -> Reading {
    let mut parts = text.split(NEXT_FILE);
    let main = parts.next().unwrap_or_default();
    let named = |part: &str| {
        let (name, text) = part.split_once('\n')?;
        Some(File { name: name.to_owned(), text: text.to_owned() })
    };
    let found: Vec<File> = parts.filter_map(named).collect();
    let host = host();
    let includes = if text.contains(NEXT_FILE) { Includes::Found(found) } else { Includes::OnDisk };
    read(main, ground(path, environment, &host, trust), includes)
}

fn ground<'a>(path: &'a Path, environment: &'a Environment, host: &'a str, trust: Trust) -> Ground<'a> {
    let started_in = environment.value(overrides::STARTED_IN).map(Path::new);
    let working_directory = started_in.or(path.parent()).unwrap_or(Path::new("/"));
    Ground { config: path, working_directory, environment, host, trust }
}

/// What a text says beyond the services that it comes to.
#[derive(Debug)]
pub struct Dialect {
    /// All that supervisord makes of it.
    pub fleet: Expanded,
    /// What each of its processes is called as a service, in their order.
    pub names: Vec<ServiceName>,
}

/// What a text of [`whole`] says in supervisord's own words; none if it is not one of supervisord's.
pub fn dialect(text: &str, path: &Path, environment: &Environment) -> Option<Dialect> {
    if !is_dialect(path, text) {
        return None;
    }
    let fleet = reading(text, path, environment, Trust::AsItStands).outcome.ok()?;
    let names = naming::names(&fleet);
    Some(Dialect { fleet, names })
}

/// The machine's name.
pub fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// Proves a text of supervisord's as the content of a config file.
///
/// # Errors
/// Every problem of the text, with the words of supervisord where it would refuse the file too.
pub fn prove(
    text: &str,
    path: &Path,
    environment: &Environment,
    machine: Machine,
) -> Result<Fleet, Problems> {
    prove_all(text, path, environment, machine).map(|proven| proven.fleet)
}

/// A text of supervisord's that is proven.
#[derive(Debug)]
pub struct Proven {
    /// What it comes to.
    pub fleet: Fleet,
    /// `[supervisord]`, with what the command line says beside.
    pub settings: Settings,
    reading: Reading,
    remarks: Vec<Remark>,
}

impl Proven {
    /// What it asks for and does not get, or says and nobody understands, a line each with its place.
    pub fn remarks(&self) -> Vec<String> {
        lines(&self.reading, &self.remarks)
    }

    /// Whether it has no `[supervisord]`, so that supervisord would take it as a file to be included alone.
    pub fn is_fragment(&self) -> bool {
        self.reading.is_fragment
    }
}

/// The same with all that is to be known of it.
///
/// # Errors
/// Those of [`prove`].
pub fn prove_all(
    text: &str,
    path: &Path,
    environment: &Environment,
    machine: Machine,
) -> Result<Proven, Problems> {
    let trust = match machine {
        Machine::Proven => Trust::Looked,
        Machine::Trusted => Trust::AsItStands,
    };
    let reading = reading(text, path, environment, trust);
    let fleet = match &reading.outcome {
        Ok(fleet) => fleet,
        Err(refusals) => return Err(problems(&reading, refusals)),
    };
    let mut translation = translate(fleet, &reading.files, Purpose::Running);
    if translation.refusals.is_empty() && translation.places.is_empty() && reading.is_fragment {
        let nothing =
            Refusal::new("there are no programs to run").hint("add a section [program:NAME] with a command");
        translation.refusals.push(nothing);
    }
    if !translation.refusals.is_empty() {
        return Err(problems(&reading, &translation.refusals));
    }
    // A program that is not there is found at its start, as in supervisord: the others run all the same.
    let proven = match translation.places.as_slice() {
        // They may come with a file that is included, and a reload.
        [] => Ok(Fleet::of_nothing(supervisor_of(fleet, path))),
        _ => load::prove_toml(&translation.text, path, environment, Machine::Trusted),
    };
    let proven = proven.map_err(|found| {
        let refusals: Vec<Refusal> =
            found.list.iter().map(|problem| trace(problem, &translation.places)).collect();
        problems(&reading, &refusals)
    })?;
    let settings = fleet.supervisord.clone();
    let supervisor = with_own_settings(proven.supervisor().clone(), &settings);
    let fleet = proven.with_supervisor(supervisor);
    Ok(Proven { fleet, settings, reading, remarks: translation.remarks })
}

/// A problem of the translation, at the place that it came from.
fn trace(problem: &Problem, places: &[(std::ops::Range<usize>, Place)]) -> Refusal {
    let start = problem.span.as_ref().map(|span| span.start);
    let place = places.iter().find(|(span, _)| start.is_some_and(|start| span.contains(&start)));
    Refusal {
        what: problem.what.clone(),
        place: place.map(|(_, place)| place.clone()),
        hint: problem.hint.clone(),
    }
}

/// The supervisor's settings: those that the file says nothing of are as usual. What is wrong with the file is no reason
/// not to find its supervisor.
pub fn supervisor(text: &str, path: &Path, environment: &Environment) -> Supervisor {
    let reading = reading(text, path, environment, Trust::AsItStands);
    let Ok(fleet) = &reading.outcome else { return Supervisor::usual(path) };
    supervisor_of(fleet, path)
}

fn supervisor_of(fleet: &Expanded, path: &Path) -> Supervisor {
    let (settings, usual) = (&fleet.supervisord, Supervisor::usual(path));
    let directory = Some(&settings.childlogdir).filter(|directory| *directory != "/tmp");
    let log_dir = directory.map_or_else(|| usual.log_dir.clone(), |it| path.with_file_name(it));
    with_own_settings(Supervisor { log_dir, ..usual }, settings)
}

/// What is said of the supervisor itself and no services.toml says.
fn with_own_settings(supervisor: Supervisor, settings: &Settings) -> Supervisor {
    Supervisor {
        pid_file: settings.named_pidfile.as_ref().map(PathBuf::from),
        log: settings.own_log(),
        least: settings.least(),
        stops: StopOrder::ByPriority,
        ..supervisor
    }
}

/// What the file asks for and does not get, or says and nobody understands, a line each with its place.
pub fn remarks(text: &str, path: &Path, environment: &Environment) -> Vec<String> {
    let reading = reading(text, path, environment, Trust::AsItStands);
    let Ok(fleet) = &reading.outcome else { return Vec::new() };
    lines(&reading, &translate(fleet, &reading.files, Purpose::Running).remarks)
}

/// Everything that a reading and its translation have to say, a line each with its place.
pub fn lines(reading: &Reading, translated: &[Remark]) -> Vec<String> {
    let placed = |remark: &Remark| format!("{}: {}", at(reading, &remark.place), remark.what);
    let fragment = reading.is_fragment.then(|| {
        let name = reading.files.first().map_or("", |file| file.name.as_str());
        format!("{name}: has no [supervisord] section; it is read as if a file that has one included it")
    });
    let remarks = reading.remarks.iter().chain(translated).map(placed);
    fragment.into_iter().chain(reading.warnings.iter().cloned()).chain(remarks).collect()
}

/// `file:line`.
pub fn at(reading: &Reading, place: &Place) -> String {
    let Some(file) = reading.files.get(place.file) else { return String::new() };
    format!("{}:{}", file.name, line_of(&file.text, place.span.start))
}

/// Refusals as problems of the file that has the first of them; those of other files name theirs in words.
pub fn problems(reading: &Reading, refusals: &[Refusal]) -> Problems {
    let of = |refusal: &Refusal| refusal.place.as_ref().map_or(0, |place| place.file);
    let main = refusals.first().map_or(0, of);
    let list = refusals.iter().map(|refusal| match &refusal.place {
        Some(place) if place.file != main => {
            let what = format!("{}: {}", at(reading, place), refusal.what);
            Problem { span: None, what, hint: refusal.hint.clone() }
        }
        place => {
            let span = place.as_ref().map(|place| place.span.clone());
            Problem { span, what: refusal.what.clone(), hint: refusal.hint.clone() }
        }
    });
    let file = reading.files.get(main);
    let (name, text) =
        file.map_or((String::new(), String::new()), |file| (file.name.clone(), file.text.clone()));
    Problems::new(name.into(), text, list.collect())
}
