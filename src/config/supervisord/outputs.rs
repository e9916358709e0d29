use std::path::Path;

use super::model::{Destination, GroupKind, Output, Program};
use super::translate::Translator;
use crate::config::writer::{self, Table, quoted};

impl Translator<'_> {
    /// Says where both streams go, and what becomes of their files.
    pub(super) fn logs(&mut self, program: &Program, kind: &GroupKind, table: &mut Table) {
        let is_file = matches!(&program.stdout.logfile, Destination::File(file) if !is_nowhere(file));
        let is_one_file = is_file && program.stdout.logfile == program.stderr.logfile;
        let is_joined = program.redirect_stderr || is_one_file;
        let stdout = Stream {
            name: "stdout",
            output: &program.stdout,
            events: match kind {
                GroupKind::Programs | GroupKind::FastCgi(_) => events_of(&program.stdout),
                // What a listener says on its standard output is for supervisord alone.
                GroupKind::Listeners { .. } => None,
            },
        };
        let stderr = (!is_joined).then(|| Stream {
            name: "stderr",
            output: &program.stderr,
            events: events_of(&program.stderr),
        });
        let mut named = Vec::from_iter(self.stream(program, &stdout, table));
        match &stderr {
            Some(stderr) => named.extend(self.stream(program, stderr, table)),
            None => {
                table.set("stderr", quoted("stdout"));
                let is_asked_more = program.stderr.syslog || events_of(&program.stderr).is_some();
                if !program.redirect_stderr && is_asked_more {
                    let what = "stderr goes into the file of stdout, and its other options are not followed";
                    self.remark(program, what);
                }
            }
        }
        let of = |output: &Output| (output.logfile_maxbytes.max(0), output.logfile_backups.clamp(0, 10_000));
        let (bytes, keep) = of(&program.stdout);
        if !is_joined && of(&program.stdout) != of(&program.stderr) {
            self.remark(program, "both streams are set aside by the rules of stdout_logfile");
        }
        let strip = if self.fleet.supervisord.strip_ansi { ", strip_ansi = true" } else { "" };
        let mode = self.mode(&named, if is_joined { 1 } else { 2 });
        table.set("log", format!("{{ max_size = {}, keep = {keep}{strip}{mode} }}", writer::size(bytes)));
        let events = [Some(stdout), stderr].into_iter().flatten();
        let events: Vec<(String, String)> =
            events.filter_map(|stream| Some((stream.name.to_owned(), stream.events?))).collect();
        if !events.is_empty() {
            table.set("output_events", writer::table(&events));
        }
    }

    /// Says where a stream goes, unless that is into a log file of procman alone. Its name, if it has a file that the
    /// config names.
    fn stream(&mut self, program: &Program, stream: &Stream<'_>, table: &mut Table) -> Option<&'static str> {
        let targets = self.targets(program, stream);
        let written: Vec<String> = targets.iter().map(|target| quoted(target)).collect();
        match written.as_slice() {
            [] => table.set(stream.name, quoted("null")),
            [_] if targets == ["file"] => (),
            [one] => table.set(stream.name, one.clone()),
            several => table.set(stream.name, writer::array(several)),
        }
        let is_named = |target: &String| !["file", "inherit", "syslog"].contains(&target.as_str());
        targets.iter().any(is_named).then_some(stream.name)
    }

    /// As supervisord does, files that the config names are made when a run begins, and the umask says for whom; in the
    /// foreground that is one's own, which is nearly always 022.
    fn mode(&self, named: &[&str], streams: usize) -> String {
        let supervisord = &self.fleet.supervisord;
        let masked = if supervisord.nodaemon { 0o022 } else { supervisord.umask };
        let mode = quoted(&format!("{:04o}", 0o666 & !masked));
        match named {
            [] => String::new(),
            all if all.len() == streams => format!(", mode = {mode}"),
            some => {
                let each: Vec<(String, String)> =
                    some.iter().map(|stream| ((*stream).to_owned(), mode.clone())).collect();
                format!(", mode = {}", writer::table(&each))
            }
        }
    }

    /// Where a stream goes, in the words of a services.toml. A remark says what the file says otherwise.
    fn targets(&mut self, program: &Program, stream: &Stream<'_>) -> Vec<String> {
        let own = "is in a log file of procman, and `procman logs` shows it";
        let Stream { name: stream, output, ref events } = *stream;
        let is_told = events.is_some();
        let mut targets = match &output.logfile {
            Destination::Automatic => vec!["file".to_owned()],
            Destination::Nowhere | Destination::Syslog => Vec::new(),
            Destination::File(file) if is_nowhere(file) => Vec::new(),
            Destination::File(file) if is_own_output(file, stream) && !is_told => vec!["inherit".to_owned()],
            Destination::File(file) if file.starts_with("/dev/") || file.starts_with("/proc/") => {
                self.remark(program, format!("{stream} does not go to {file}; it {own}"));
                vec!["file".to_owned()]
            }
            Destination::File(file) => {
                let place = self.place_of(file);
                if !self.logs.insert(place.clone()) {
                    let what = format!(
                        "{stream} goes to {file}, as another program's does: every line is kept, and `procman logs` cannot tell whose \
                         it is; a file of its own can be named by %(program_name)s and %(process_num)d"
                    );
                    self.remark(program, what);
                }
                vec![place]
            }
        };
        if output.syslog && is_told {
            let what = format!("{stream} does not go to syslog, for events are made of it; it {own}");
            self.remark(program, what);
            if targets.is_empty() {
                targets.push("file".to_owned());
            }
        } else if output.syslog {
            targets.push("syslog".to_owned());
        }
        targets
    }

    /// Where a log file lies whose path begins where supervisord would be.
    fn place_of(&self, file: &str) -> String {
        let directory = self.fleet.supervisord.usual_directory();
        directory.map_or_else(|| file.to_owned(), |it| Path::new(it).join(file).display().to_string())
    }
}

/// Whether a file is another name for where the supervisor's own output goes: as the first process of a container it has
/// that of process 1.
fn is_own_output(file: &str, stream: &str) -> bool {
    match stream {
        "stdout" => matches!(file, "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" | "/proc/1/fd/1"),
        _ => matches!(file, "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" | "/proc/1/fd/2"),
    }
}

/// Whether a file keeps nothing.
fn is_nowhere(file: &str) -> bool {
    file == "/dev/null"
}

/// One of a program's two streams.
struct Stream<'a> {
    name: &'static str,
    output: &'a Output,
    /// What listeners are told of it, as a value; none if that is nothing.
    events: Option<String>,
}

/// What the options of a stream let listeners be told of it.
fn events_of(output: &Output) -> Option<String> {
    let log = output.events_enabled.then(|| ("log".to_owned(), "true".to_owned()));
    let bytes = output.capture_maxbytes;
    let capture = (bytes > 0).then(|| ("capture".to_owned(), writer::size(bytes)));
    let keys: Vec<(String, String)> = log.into_iter().chain(capture).collect();
    (!keys.is_empty()).then(|| writer::table(&keys))
}
