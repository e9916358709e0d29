use super::ini::{Entry, Ini, Section};
use super::model::Remark;
use crate::config::table::known_instead;

/// Everything that no option or section of supervisord is called. supervisord passes over it in silence, which lets a
/// misspelt option be without effect for years.
pub(super) fn remarks(ini: &Ini) -> Vec<Remark> {
    ini.sections().flat_map(|section| of_section(ini, section)).collect()
}

fn of_section(ini: &Ini, section: &Section) -> Vec<Remark> {
    let Some(known) = options_of(&section.name) else {
        let kind = section.name.split(':').next().unwrap_or_default();
        let hint = known_instead(kind, &KINDS);
        let what = format!("supervisord knows no section [{}]: {hint}", section.name);
        return vec![Remark { place: section.place.clone(), what }];
    };
    let Options::These(lists) = known else { return Vec::new() };
    let all: Vec<&str> = lists.iter().flat_map(|list| list.iter().copied()).collect();
    let unknown = |(option, entry): (&str, &Entry)| {
        let hint = known_instead(option, &all);
        let hint = if hint.starts_with("did") { format!(": {hint}") } else { String::new() };
        let what = format!("[{}] has no option `{option}`{hint}", section.name);
        (!all.contains(&option)).then(|| Remark { place: entry.place.clone(), what })
    };
    ini.own_options(section).filter_map(unknown).collect()
}

/// The options that a section may have.
enum Options {
    /// Whatever its plugin understands.
    Free,
    /// These.
    These(&'static [&'static [&'static str]]),
}

fn options_of(section: &str) -> Option<Options> {
    let (kind, is_named) = section.split_once(':').map_or((section, false), |(kind, _)| (kind, true));
    match (kind, is_named) {
        ("program", true) => Some(Options::These(&[&PROGRAM])),
        ("fcgi-program", true) => Some(Options::These(&[&PROGRAM, &FAST_CGI])),
        ("eventlistener", true) => Some(Options::These(&[&PROGRAM, &LISTENER])),
        ("group", true) => Some(Options::These(&[&GROUP])),
        ("rpcinterface" | "ctlplugin", true) => Some(Options::Free),
        ("supervisord", false) => Some(Options::These(&[&SUPERVISORD])),
        ("supervisorctl", false) => Some(Options::These(&[&SUPERVISORCTL])),
        ("include", false) => Some(Options::These(&[&["files"]])),
        (kind, _) if kind.starts_with("unix_http_server") => Some(Options::These(&[&UNIX_SERVER])),
        (kind, _) if kind.starts_with("inet_http_server") => Some(Options::These(&[&INET_SERVER])),
        _ => None,
    }
}

const KINDS: [&str; 11] = [
    "program",
    "fcgi-program",
    "eventlistener",
    "group",
    "rpcinterface",
    "ctlplugin",
    "supervisord",
    "supervisorctl",
    "include",
    "unix_http_server",
    "inet_http_server",
];

const PROGRAM: [&str; 32] = [
    "command",
    "process_name",
    "numprocs",
    "numprocs_start",
    "priority",
    "autostart",
    "startsecs",
    "startretries",
    "autorestart",
    "exitcodes",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "user",
    "redirect_stderr",
    "stdout_logfile",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "stderr_logfile",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
    "environment",
    "directory",
    "umask",
    "serverurl",
];

const FAST_CGI: [&str; 4] = ["socket", "socket_backlog", "socket_owner", "socket_mode"];
const LISTENER: [&str; 3] = ["events", "buffer_size", "result_handler"];
const GROUP: [&str; 2] = ["programs", "priority"];
const UNIX_SERVER: [&str; 5] = ["file", "chmod", "chown", "username", "password"];
const INET_SERVER: [&str; 3] = ["port", "username", "password"];
const SUPERVISORCTL: [&str; 5] = ["serverurl", "username", "password", "prompt", "history_file"];

const SUPERVISORD: [&str; 18] = [
    "logfile",
    "logfile_maxbytes",
    "logfile_backups",
    "loglevel",
    "pidfile",
    "umask",
    "nodaemon",
    "silent",
    "minfds",
    "minprocs",
    "nocleanup",
    "childlogdir",
    "user",
    "directory",
    "strip_ansi",
    "environment",
    "identifier",
    "profile_options",
];
