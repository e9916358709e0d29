use std::collections::BTreeMap;

use super::format::{Names, expand};
use super::ini::Section;
use super::model::{AutoRestart, Destination, Output, Program};
use super::python::{int, repr, strip};
use super::reader::{Options, Reader};
use super::refusal::Refusal;
use super::stop_signal::StopSignal;
use super::value::{auto_restart, boolean, byte_size, destination, exit_codes, name, octal_type, signal};
use super::{user, words};

/// Where processes come from, and where they go.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) section: &'a Section,
    /// The name of the file that the section is in.
    pub(super) file: &'a str,
    /// The group that the processes are of.
    pub(super) group: &'a str,
}

/// The processes of one section in the order in which they start. A refusal says the section and the file, as
/// supervisord does. Warnings go to `warnings`.
pub(super) fn read(source: Source<'_>, warnings: &mut Vec<String>) -> Result<Vec<Program>, Refusal> {
    read_section(source, warnings).map_err(|refusal| {
        let (section, file) = (repr(&source.section.name), repr(source.file));
        Refusal { what: format!("{} in section {section} (file: {file})", refusal.what), ..refusal }
    })
}

/// What all processes of a section share.
struct Common {
    priority: i64,
    autostart: bool,
    autorestart: AutoRestart,
    startsecs: i64,
    startretries: i64,
    stopsignal: StopSignal,
    stopwaitsecs: i64,
    stopasgroup: bool,
    killasgroup: bool,
    exitcodes: Vec<i64>,
    redirect_stderr: bool,
    numprocs: i64,
    numprocs_start: i64,
    stdout: Events,
    stderr: Events,
    serverurl: Option<String>,
    user: Option<String>,
    umask: Option<u32>,
    process_name: String,
}

/// What is told to listeners of a stream.
struct Events {
    capture_maxbytes: i64,
    events_enabled: bool,
}

/// No machine runs more processes of one program; a typing error shall not eat the memory.
const NUMPROCS_MAX: i64 = 10_000;

fn read_section(source: Source<'_>, warnings: &mut Vec<String>) -> Result<Vec<Program>, Refusal> {
    let Source { reader, section, group, .. } = source;
    let program = own_name(section)?;
    let mut names = reader.with_here();
    names.set("program_name", program);
    names.set("host_node_name", reader.ground.host);
    names.set("group_name", group);
    let common = read_common(reader.options(section, &names))?;
    prove_common(reader.options(section, &names), &common)?;
    let mut programs = Vec::new();
    for number in common.numprocs_start..common.numprocs_start.saturating_add(common.numprocs) {
        names.set_number("process_num", number);
        names.set_number("numprocs", common.numprocs);
        names = names.overlaid(&reader.environment);
        // Names of one process stay known to those after it, as in supervisord.
        programs.push(read_process(source, &common, &mut names, warnings)?);
    }
    programs.sort_by(|one, other| one.priority.cmp(&other.priority).then_with(|| one.name.cmp(&other.name)));
    Ok(programs)
}

/// The name behind the colon of a section's name.
pub(super) fn own_name(section: &Section) -> Result<String, Refusal> {
    name(section.bare_name()).map_err(|what| Refusal::at(section.place.clone(), what).hint(NAMES))
}

/// The way out of a bad name.
pub(super) const NAMES: &str = "names have no blank, `:` or `/`";

fn read_common(options: Options<'_>) -> Result<Common, Refusal> {
    let number = |option, usual| options.value(option, usual, int);
    let flag = |option, usual| options.value(option, usual, boolean);
    let bytes = |option| options.value(option, "0", byte_size);
    let priority = number("priority", "999")?;
    let autostart = flag("autostart", "true")?;
    let autorestart = options.value("autorestart", "unexpected", auto_restart)?;
    let startsecs = number("startsecs", "1")?;
    let startretries = number("startretries", "3")?;
    let stopsignal = options.value("stopsignal", "TERM", signal)?;
    let stopwaitsecs = number("stopwaitsecs", "10")?;
    let stopasgroup = flag("stopasgroup", "false")?;
    let killasgroup = flag("killasgroup", if stopasgroup { "true" } else { "false" })?;
    let exitcodes = options.value("exitcodes", "0", exit_codes)?;
    let redirect_stderr = flag("redirect_stderr", "false")?;
    let numprocs = number("numprocs", "1")?;
    let numprocs_start = number("numprocs_start", "0")?;
    let stdout_bytes = bytes("stdout_capture_maxbytes")?;
    let stdout_events = flag("stdout_events_enabled", "false")?;
    let stderr_bytes = bytes("stderr_capture_maxbytes")?;
    let stderr_events = flag("stderr_events_enabled", "false")?;
    let serverurl = options.text("serverurl")?;
    let serverurl = serverurl.filter(|url| url.is_empty() || !strip(url).eq_ignore_ascii_case("auto"));
    let user = options
        .optional("user", |text| user::prove(options.reader, text).map(|()| strip(text).to_owned()))?;
    let umask = options.optional("umask", octal_type)?;
    let process_name = name(options.raw("process_name").unwrap_or("%(program_name)s"))
        .map_err(|what| options.refusal("process_name", what).or_hint(NAMES))?;
    Ok(Common {
        priority,
        autostart,
        autorestart,
        startsecs,
        startretries,
        stopsignal,
        stopwaitsecs,
        stopasgroup,
        killasgroup,
        exitcodes,
        redirect_stderr,
        numprocs,
        numprocs_start,
        stdout: Events { capture_maxbytes: stdout_bytes, events_enabled: stdout_events },
        stderr: Events { capture_maxbytes: stderr_bytes, events_enabled: stderr_events },
        serverurl,
        user,
        umask,
        process_name,
    })
}

fn prove_common(options: Options<'_>, common: &Common) -> Result<(), Refusal> {
    if common.numprocs > 1 && !common.process_name.contains("%(process_num)") {
        let what = "%(process_num) must be present within process_name when numprocs > 1";
        let option = if options.raw("process_name").is_some() { "process_name" } else { "numprocs" };
        let refusal = options.refusal(option, what);
        return Err(refusal.hint("write `process_name=%(program_name)s_%(process_num)02d`, say"));
    }
    if common.stopasgroup && !common.killasgroup {
        let what = "Cannot set stopasgroup=true and killasgroup=false";
        return Err(options.refusal("killasgroup", what).hint("remove `killasgroup`"));
    }
    if common.numprocs > NUMPROCS_MAX {
        let what = format!("numprocs is {}, and {NUMPROCS_MAX} is the most", common.numprocs);
        return Err(options.refusal("numprocs", what));
    }
    Ok(())
}

fn read_process(
    source: Source<'_>,
    common: &Common,
    names: &mut Names,
    warnings: &mut Vec<String>,
) -> Result<Program, Refusal> {
    let Source { reader, section, group, .. } = source;
    let environment = environment(reader.options(section, names))?;
    names.set_variables(&environment);
    let options = reader.options(section, names);
    let directory = options.text("directory")?;
    let stdout = output(options, "stdout", &common.stdout, warnings)?;
    let mut stderr = output(options, "stderr", &common.stderr, warnings)?;
    if common.redirect_stderr {
        if matches!(stderr.logfile, Destination::File(_)) {
            warnings.push(format!(
                "For [{}], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename \
                 has been ignored",
                section.name
            ));
        }
        stderr.logfile = Destination::Nowhere;
    }
    let Some(command) = options.text("command")? else {
        let what = format!("program section {} does not specify a command", section.name);
        return Err(options.refusal("command", what));
    };
    let name = expand(&common.process_name, names, "process_name")
        .map_err(|what| options.refusal("process_name", what))?;
    Ok(Program {
        group: group.to_owned(),
        name,
        argv: words::split(&command).ok(),
        command,
        directory,
        environment,
        priority: common.priority,
        autostart: common.autostart,
        autorestart: common.autorestart,
        startsecs: common.startsecs,
        startretries: common.startretries,
        exitcodes: common.exitcodes.clone(),
        stopsignal: common.stopsignal,
        stopwaitsecs: common.stopwaitsecs,
        stopasgroup: common.stopasgroup,
        killasgroup: common.killasgroup,
        umask: common.umask,
        user: common.user.clone(),
        serverurl: common.serverurl.clone(),
        redirect_stderr: common.redirect_stderr,
        stdout,
        stderr,
        place: section.place.clone(),
    })
}

fn environment(options: Options<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let text = options.raw("environment").unwrap_or_default();
    expand(text, options.names, "environment")
        .and_then(|text| words::variables(&text))
        .map_err(|what| options.refusal("environment", what))
}

fn output(
    options: Options<'_>,
    stream: &str,
    events: &Events,
    warnings: &mut Vec<String>,
) -> Result<Output, Refusal> {
    let key = |suffix: &str| format!("{stream}_{suffix}");
    let (file, backups, bytes, syslog) =
        (key("logfile"), key("logfile_backups"), key("logfile_maxbytes"), key("syslog"));
    let logfile = options.optional(&file, |text| {
        // Expanded already, and once more: a percent sign of the text itself is written `%%%%` here.
        let destination = destination(&expand(text, options.names, &file)?);
        match destination {
            Destination::File(path) => options.reader.in_existing_directory(&path).map(Destination::File),
            Destination::Nowhere | Destination::Automatic | Destination::Syslog => Ok(destination),
        }
    })?;
    let mut logfile = logfile.unwrap_or(Destination::Automatic);
    let logfile_backups = options.value(&backups, "10", int)?;
    let logfile_maxbytes = options.value(&bytes, "50MB", byte_size)?;
    let mut is_syslog = options.value(&syslog, "false", boolean)?;
    if logfile == Destination::Syslog {
        warnings.push(format!(
            "For [{}], {file}=syslog but this is deprecated and will be removed.  Use {syslog}=true to enable syslog \
             instead.",
            options.section.name
        ));
        (logfile, is_syslog) = (Destination::Nowhere, true);
    }
    if logfile == Destination::Automatic && logfile_maxbytes == 0 {
        warnings.push(format!(
            "For [{}], AUTO logging used for {file} without rollover, set maxbytes > 0 to avoid filling up filesystem \
             unintentionally",
            options.section.name
        ));
    }
    Ok(Output {
        logfile,
        logfile_maxbytes,
        logfile_backups,
        capture_maxbytes: events.capture_maxbytes,
        events_enabled: events.events_enabled,
        syslog: is_syslog,
    })
}
