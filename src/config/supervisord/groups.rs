use std::collections::BTreeSet;

use super::fcgi;
use super::ini::Section;
use super::model::{Group, GroupKind, Program};
use super::programs::{self, Source, own_name};
use super::python::int;
use super::reader::{Options, Reader};
use super::refusal::Refusal;
use super::value::{boolean, list};

/// What goes along while groups are read.
pub(super) struct Groups<'a> {
    pub(super) reader: &'a Reader<'a>,
    /// The names of the files that were read.
    pub(super) files: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

impl Groups<'_> {
    /// Every group in the order in which supervisord starts them. What is wrong is noted, and the rest is read still.
    pub(super) fn read(&mut self) -> Vec<Group> {
        let (mut groups, mut taken) = (Vec::new(), BTreeSet::new());
        for section in self.of_kind("group:") {
            let group = self.declared(section, &mut taken);
            groups.extend(self.note(group));
        }
        for section in self.of_kind("program:") {
            if !taken.contains(&section.name) {
                let group = self.homogeneous(section, GroupKind::Programs);
                groups.extend(self.note(group));
            }
        }
        for section in self.of_kind("eventlistener:") {
            let group = self.listeners(section);
            groups.extend(self.note(group));
        }
        for section in self.of_kind("fcgi-program:") {
            if !taken.contains(&section.name) {
                let group = self.fast_cgi(section);
                groups.extend(self.note(group));
            }
        }
        groups
            .sort_by(|one, other| one.priority.cmp(&other.priority).then_with(|| one.name.cmp(&other.name)));
        groups
    }

    fn note<T>(&mut self, result: Result<T, Refusal>) -> Option<T> {
        result.map_err(|refusal| self.refusals.push(refusal)).ok()
    }

    fn of_kind<'s>(&self, prefix: &str) -> Vec<&'s Section>
    where
        Self: 's,
    {
        self.reader.ini.sections().filter(|section| section.name.starts_with(prefix)).collect()
    }

    fn processes(&mut self, section: &Section, group: &str) -> Result<Vec<Program>, Refusal> {
        let file = self.files.get(section.place.file).map_or("", String::as_str);
        programs::read(Source { reader: self.reader, section, file, group }, &mut self.warnings)
    }

    fn priority(&self, section: &Section, usual: &str) -> Result<i64, Refusal> {
        self.reader.options(section, &self.reader.with_here()).value("priority", usual, int)
    }

    /// `[group:NAME]`: programs of other sections.
    fn declared(&mut self, section: &Section, taken: &mut BTreeSet<String>) -> Result<Group, Refusal> {
        let group = own_name(section)?;
        let (reader, names) = (self.reader, self.reader.with_here());
        let options = reader.options(section, &names);
        let programs = options.text("programs")?.unwrap_or_default();
        let priority = self.priority(section, "999")?;
        let mut processes = Vec::new();
        // From the second program on, supervisord's refusals name the section before it; the place is the right one.
        let mut named = &section.name;
        for program in list(&programs) {
            let both =
                ["program", "fcgi-program"].map(|kind| self.reader.ini.section(&format!("{kind}:{program}")));
            let member = match both {
                [Some(member), None] | [None, Some(member)] => member,
                [None, None] => {
                    let what = format!("[{named}] names unknown program or fcgi-program {program}");
                    return Err(options.refusal("programs", what));
                }
                [Some(_), Some(_)] => {
                    let what =
                        format!("[{named}] name {program} is ambiguous (exists as program and fcgi-program)");
                    return Err(options.refusal("programs", what).hint("give one of the two another name"));
                }
            };
            named = &member.name;
            taken.insert(member.name.clone());
            processes.extend(self.processes(member, &group)?);
        }
        Ok(Group {
            name: group,
            priority,
            kind: GroupKind::Programs,
            programs: processes,
            place: section.place.clone(),
        })
    }

    /// A section whose processes are a group of their own.
    fn homogeneous(&mut self, section: &Section, kind: GroupKind) -> Result<Group, Refusal> {
        let name = own_name(section)?;
        let priority = self.priority(section, "999")?;
        let programs = self.processes(section, &name)?;
        Ok(Group { name, priority, kind, programs, place: section.place.clone() })
    }

    fn listeners(&mut self, section: &Section) -> Result<Group, Refusal> {
        let reader = self.reader;
        let names = reader.with_here();
        let options = reader.options(section, &names);
        let name = section.bare_name().to_owned();
        let priority = self.priority(section, "-1")?;
        let buffer_size = options.value("buffer_size", "10", int)?;
        if buffer_size < 1 {
            let what = format!("[{}] section sets invalid buffer_size ({buffer_size})", section.name);
            return Err(options.refusal("buffer_size", what).hint("write 1 or more"));
        }
        let result_handler = options.text("result_handler")?.unwrap_or_else(|| DEFAULT_HANDLER.to_owned());
        let events = events(options)?;
        if options.value("redirect_stderr", "false", boolean)? {
            let what = format!(
                "[{}] section sets redirect_stderr=true but this is not allowed because it will interfere with the \
                 eventlistener protocol",
                section.name
            );
            return Err(options.refusal("redirect_stderr", what).hint("remove `redirect_stderr`"));
        }
        let kind = GroupKind::Listeners { buffer_size, events, result_handler };
        let programs = self.processes(section, &name)?;
        Ok(Group { name, priority, kind, programs, place: section.place.clone() })
    }

    fn fast_cgi(&mut self, section: &Section) -> Result<Group, Refusal> {
        own_name(section)?;
        self.priority(section, "999")?;
        let socket = fcgi::read(self.reader, section)?;
        self.homogeneous(section, GroupKind::FastCgi(socket))
    }
}

fn events(options: Options<'_>) -> Result<Vec<String>, Refusal> {
    let text = options.text("events")?.unwrap_or_default();
    let events: BTreeSet<String> = list(&text).into_iter().map(|event| event.to_uppercase()).collect();
    let known = format!("use names such as {}", EVENTS.join(", "));
    if events.is_empty() {
        let what = format!("[{}] section requires an \"events\" line", options.section.name);
        return Err(options.refusal("events", what).hint(known));
    }
    if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        let what = format!("Unknown event type {unknown} in [{}] events", options.section.name);
        return Err(options.refusal("events", what).hint(known));
    }
    Ok(events.into_iter().collect())
}

/// The one callable that judges the answers of listeners without Python.
pub(super) const DEFAULT_HANDLER: &str = "supervisor.dispatchers:default_handler";

/// What a listener may listen to.
const EVENTS: [&str; 27] = [
    "EVENT",
    "PROCESS_STATE",
    "PROCESS_STATE_STOPPED",
    "PROCESS_STATE_EXITED",
    "PROCESS_STATE_STARTING",
    "PROCESS_STATE_STOPPING",
    "PROCESS_STATE_BACKOFF",
    "PROCESS_STATE_FATAL",
    "PROCESS_STATE_RUNNING",
    "PROCESS_STATE_UNKNOWN",
    "PROCESS_COMMUNICATION",
    "PROCESS_COMMUNICATION_STDOUT",
    "PROCESS_COMMUNICATION_STDERR",
    "PROCESS_LOG",
    "PROCESS_LOG_STDOUT",
    "PROCESS_LOG_STDERR",
    "REMOTE_COMMUNICATION",
    "SUPERVISOR_STATE_CHANGE",
    "SUPERVISOR_STATE_CHANGE_RUNNING",
    "SUPERVISOR_STATE_CHANGE_STOPPING",
    "TICK",
    "TICK_5",
    "TICK_60",
    "TICK_3600",
    "PROCESS_GROUP",
    "PROCESS_GROUP_ADDED",
    "PROCESS_GROUP_REMOVED",
];
