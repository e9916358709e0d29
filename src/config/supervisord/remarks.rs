use super::groups::DEFAULT_HANDLER;
use super::model::{Expanded, File, Group, GroupKind, Remark, Server};
use super::refusal::{Place, Refusal};
use super::translate::Purpose;

/// The plugin without which supervisord has no methods, and the only one that is built in.
const MAIN_INTERFACE: &str = "supervisor.rpcinterface:make_main_rpcinterface";

/// What the file asks of supervisord itself and procman does otherwise.
pub(super) fn of_servers(fleet: &Expanded, purpose: Purpose) -> Vec<Remark> {
    let servers = fleet.servers.iter().filter_map(|server| {
        let why = match purpose {
            Purpose::Reading => Some("is left out: procman has a control socket of its own".to_owned()),
            Purpose::Running => otherwise_served(server),
        };
        Some(Remark { place: server.place.clone(), what: format!("[{}] {}", server.section, why?) })
    });
    let unsaid = match purpose {
        Purpose::Reading => of_what_cannot_be_said(fleet),
        Purpose::Running => Vec::new(),
    };
    servers.chain(of_settings(fleet)).chain(unsaid).collect()
}

/// How a server is served otherwise than the file says, if it is.
fn otherwise_served(server: &Server) -> Option<String> {
    let host = server.host.as_deref()?;
    match server.bound_host() {
        Some(bound) if bound == host || server.password.is_some() => None,
        Some(bound) => Some(format!("has no username and password: it is served on {bound} alone")),
        None => Some(format!(
            "is not served: without username and password whoever reaches {host} could do everything"
        )),
    }
}

/// Options of `[supervisord]` that a services.toml has no key for.
fn of_what_cannot_be_said(fleet: &Expanded) -> Vec<Remark> {
    let left_out = [
        ("logfile", "the own log is supervisor.log in the state directory"),
        ("logfile_maxbytes", "the own log is set aside at 10 MB"),
        ("logfile_backups", "of the own log, one file that was set aside is kept"),
        ("pidfile", "`procman status --json` has the pids of guardian and supervisor"),
        ("identifier", "the supervisor calls itself procman"),
        ("minfds", "start procman with the limit that is wanted (`ulimit -n`)"),
        ("minprocs", "start procman with the limit that is wanted (`ulimit -u`)"),
        ("nodaemon", "`procman up --foreground` stays in the foreground"),
    ];
    let settings = &fleet.supervisord;
    let said = left_out.into_iter().filter_map(|(option, what)| {
        let place = settings.places.get(option)?.clone();
        Some(Remark { place, what: format!("[supervisord] {option} is left out: {what}") })
    });
    said.collect()
}

fn of_settings(fleet: &Expanded) -> Vec<Remark> {
    let settings = &fleet.supervisord;
    let said = [
        (settings.user.is_some(), "user", "the services run as this user, procman itself stays who it is"),
        (
            settings.directory.is_some() && settings.nodaemon,
            "directory",
            "counts in the background alone, as in supervisord; say it of each program",
        ),
        (
            settings.logfile == "syslog",
            "logfile",
            "the own log goes to no syslog; name a file for it, which `maintail` shows",
        ),
    ];
    let nothing = fleet.groups.is_empty().then(|| Remark {
        place: settings.place(""),
        what: "there are no programs; `supervisorctl update` takes them in when the file has some".to_owned(),
    });
    let said = said.into_iter().filter(|(is_said, ..)| *is_said);
    let said = said.map(|(_, option, what)| Remark {
        place: settings.place(option),
        what: format!("[supervisord] {option}: {what}"),
    });
    said.chain(nothing).collect()
}

/// The Python plugins that cannot be loaded.
pub(super) fn of_plugins(fleet: &Expanded) -> Vec<Refusal> {
    let refuse = |place: &Place, section: String, plugin: &str| {
        let what = format!("[{section}] needs the Python plugin {plugin}, which cannot be loaded");
        Refusal::at(place.clone(), what).hint("remove the section; procman runs no Python of supervisord's")
    };
    let foreign = fleet.rpcinterfaces.iter().filter(|interface| interface.factory != MAIN_INTERFACE);
    let interfaces = foreign.map(|it| refuse(&it.place, format!("rpcinterface:{}", it.name), &it.factory));
    let handler = |group: &Group| match &group.kind {
        GroupKind::Listeners { result_handler, .. } if result_handler != DEFAULT_HANDLER => {
            Some(refuse(&group.place, format!("eventlistener:{}", group.name), result_handler))
        }
        GroupKind::Listeners { .. } | GroupKind::Programs | GroupKind::FastCgi(_) => None,
    };
    interfaces.chain(fleet.groups.iter().filter_map(handler)).collect()
}

/// What the author says of a section: the comment right above its header, and the one behind it.
pub(super) fn comments_above(files: &[File], place: &Place) -> Vec<String> {
    let Some(text) = files.get(place.file).map(|file| file.text.as_str()) else { return Vec::new() };
    let said = |line: &str| {
        let line = line.trim();
        let words = line.strip_prefix([';', '#'])?.trim_start_matches([';', '#']).trim();
        // A rule of signs says nothing, and an option that was switched off is no sentence.
        let is_said = words.contains(char::is_alphabetic) && !words.contains('=') && !words.starts_with('[');
        is_said.then(|| words.to_owned())
    };
    let before = text[..place.span.start.min(text.len())].lines().rev();
    let mut above: Vec<String> =
        before.take_while(|line| line.trim().starts_with([';', '#'])).filter_map(said).collect();
    above.reverse();
    let header = text.get(place.span.clone()).unwrap_or_default();
    above.extend(header.find(']').and_then(|end| said(&header[end + 1..])));
    above
}
