use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{time, tree};
use crate::logs::printable::printable;
use crate::protocol::status::{
    ConfigChange, Does, Part, PortView, ServicePort, ServiceView, Status, SupervisorView, TargetView,
};
use crate::vocab::enablement::Enablement;
use crate::vocab::measure::Bytes;
use crate::vocab::port::HeldBy;
use crate::vocab::state::{Goal, State};

/// The whole status: services, what is wrong with them, survivors, supervisor.
pub(in crate::cli) fn status(status: &Status) -> String {
    let mut parts = vec![services(&status.services, width_of_terminal())];
    let said = status.services.iter().flat_map(|it| {
        let words = complaints(it).into_iter().chain(second_words(it));
        words.chain(schedule_words(it)).chain(enablement_words(it))
    });
    let wrong: Vec<String> = said.collect();
    if !wrong.is_empty() {
        parts.push(wrong.join("\n"));
    }
    if !status.survivors.is_empty() {
        let lines =
            status.survivors.iter().map(|it| format!("  {} pid {}: {}", it.service, it.pid, it.command));
        let lines: Vec<String> = lines.collect();
        // One that does not answer is still in charge of them.
        let heading = match status.supervisor.pid {
            None => "alive without a supervisor (`procman up` takes them over):",
            Some(_) => {
                "alive, of a supervisor that does not answer (`procman restart --emergency` replaces all):"
            }
        };
        parts.push(format!("{heading}\n{}", lines.join("\n")));
    }
    if !status.supervisor.running {
        let taken: Vec<String> = status.ports.iter().filter_map(taken_words).collect();
        if !taken.is_empty() {
            parts.push(taken.join("\n"));
        }
    }
    let targets: Vec<String> = status.supervisor.notify.iter().filter_map(target_words).collect();
    if !targets.is_empty() {
        parts.push(targets.join("\n"));
    }
    parts.push(supervisor(&status.supervisor));
    parts.join("\n\n")
}

pub(super) fn bare_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

pub(super) fn finish(table: &mut Table, right: &[usize]) -> String {
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Every column of the table of services, and what is left out first where a terminal is too narrow for all.
const COLUMNS: [&str; 9] = ["NAME", "STATE", "HEALTH", "PID", "PORTS", "UPTIME", "RESTARTS", "CPU", "MEMORY"];
const NUMBERS: [&str; 4] = ["PID", "RESTARTS", "CPU", "MEMORY"];
const DISPENSABLE: [&str; 6] = ["CPU", "MEMORY", "RESTARTS", "UPTIME", "HEALTH", "PORTS"];

/// The table of services, with the columns for which a terminal has room.
fn services(services: &[ServiceView], width_max: Option<u16>) -> String {
    let rows: Vec<[String; 9]> = services.iter().map(row).collect();
    let width = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let is_narrow = |text: &str| width_max.is_none_or(|max| width(text) <= usize::from(max));
    let text = (0..=DISPENSABLE.len())
        .map(|count| without(&rows, &DISPENSABLE[..count]))
        .find(|text| is_narrow(text))
        .unwrap_or_else(|| without(&rows, &DISPENSABLE));
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let body = lines.zip(services).flat_map(|(line, service)| {
        let row = painted(line, style_of(service));
        std::iter::once(row).chain(service.tree.iter().flat_map(|it| tree::lines(it)))
    });
    std::iter::once(painted(header, Style::new().bold())).chain(body).collect::<Vec<_>>().join("\n")
}

fn row(service: &ServiceView) -> [String; 9] {
    [
        service.name.to_string(),
        service.state.to_string(),
        service.health.to_string(),
        service.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        ports_words(&service.ports),
        service.uptime_s.map_or_else(|| "-".to_owned(), uptime),
        service.restarts.to_string(),
        service.cpu_percent.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}%")),
        service.memory_bytes.map_or_else(|| "-".to_owned(), |memory| Bytes(memory).to_string()),
    ]
}

fn without(rows: &[[String; 9]], left_out: &[&str]) -> String {
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(|at| !left_out.contains(&COLUMNS[*at])).collect();
    let mut table = bare_table(&columns.iter().map(|at| COLUMNS[*at]).collect::<Vec<_>>());
    for row in rows {
        table.add_row(columns.iter().map(|at| row[*at].as_str()));
    }
    let numbers = columns.iter().enumerate().filter(|(_, at)| NUMBERS.contains(&COLUMNS[**at]));
    let numbers: Vec<usize> = numbers.map(|(place, _)| place).collect();
    finish(&mut table, &numbers)
}

fn painted(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

fn style_of(service: &ServiceView) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match service.state {
        _ if service.is_as_wanted() && service.state == State::Running => Style::new(),
        State::Stopped | State::Exited if service.is_as_wanted() => Style::new().dimmed(),
        State::Starting | State::Stopping => colour(AnsiColor::Yellow),
        State::Stopped | State::Exited | State::Running | State::Backoff | State::Fatal => {
            colour(AnsiColor::Red)
        }
    }
}

fn ports_words(ports: &[ServicePort]) -> String {
    if ports.is_empty() {
        return "-".to_owned();
    }
    let words = ports.iter().map(|port| match port.held_by {
        HeldBy::Service => port.port.to_string(),
        HeldBy::Other | HeldBy::Nobody => format!("{} ({})", port.port, port.held_by.word()),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Who holds a port that is not his, in a line.
fn taken_words(port: &PortView) -> Option<String> {
    if port.held_by != HeldBy::Other {
        return None;
    }
    let command = port.command.as_deref().unwrap_or("a process that this user may not see");
    let pid = port.pid.map_or_else(String::new, |pid| {
        format!(" (pid {pid}, user {})", port.user.as_deref().unwrap_or("unknown"))
    });
    Some(format!("port {} of {} is held by `{command}`{pid}", port.port, port.service))
}

/// Why a service is not as it should be, and what is notable about it beyond that.
fn complaints(service: &ServiceView) -> Vec<String> {
    let notes = service.notes.iter().map(|note| format!("{} {note}", service.name));
    complaint(service).into_iter().chain(notes).collect()
}

/// Why a service is not as it should be.
fn complaint(service: &ServiceView) -> Option<String> {
    let exit = service.exit.filter(|_| service.pid.is_none()).map(|exit| exit.to_string());
    let foreign = service.ports.iter().find(|port| port.held_by == HeldBy::Other && service.pid.is_some());
    let foreign = foreign.map(|port| {
        let holder = port.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        format!("port {} is held by another process{holder}", port.port)
    });
    let unkept =
        service.ports.iter().find(|port| port.kept == Some(false) && service.state == State::Running);
    let unkept = unkept.map(|port| format!("port {} is not held by procman until the next start", port.port));
    let says = service.says.as_ref().map(|says| format!("says: {says}"));
    let exit = exit.filter(|_| !service.is_as_wanted());
    let why = service.reason.clone().or(foreign).or(unkept).or(exit).or(says)?;
    Some(format!("{}: {why}", service.name))
}

/// What people said of whether it starts by itself.
fn enablement_words(service: &ServiceView) -> Option<String> {
    let words = match service.enablement? {
        Enablement::Enabled => "enabled: it starts by itself at `up`, whatever its config says",
        Enablement::Disabled => "disabled: it does not start by itself at `up`",
    };
    Some(format!("{}: {words}", service.name))
}

/// When it is started next.
fn schedule_words(service: &ServiceView) -> Option<String> {
    let schedule = service.schedule.as_ref().filter(|_| service.goal != Goal::Down)?;
    let next = schedule.next.as_ref()?;
    let does = match schedule.does {
        Does::Start => "starts",
        Does::Restart => "is restarted",
    };
    let skipped = match schedule.skipped {
        0 => String::new(),
        1 => "; 1 time was skipped while it ran".to_owned(),
        count => format!("; {count} times were skipped while it ran"),
    };
    Some(format!("{}: {does} next at {next}{skipped}", service.name))
}

/// What goes on beside the run that counts.
fn second_words(service: &ServiceView) -> Option<String> {
    let second = service.second?;
    let what = match second.part {
        Part::Understudy => "starts beside it, and replaces it when it is ready",
        Part::Leaving => "is ending beside it",
    };
    Some(format!("{}: pid {} {what}", service.name, second.pid))
}

fn uptime(seconds: f64) -> String {
    time::brief(seconds).to_string()
}

fn supervisor(view: &SupervisorView) -> String {
    let config = view.config.display();
    let line = match (view.running, view.pid, view.uptime_s) {
        (true, Some(pid), Some(seconds)) => {
            format!("supervisor: pid {pid}, up {}, procman {}, {config}", uptime(seconds), view.version)
        }
        (_, Some(pid), _) => format!("supervisor: pid {pid} does not answer, {config}"),
        (_, None, _) => format!("supervisor: not running, {config}"),
    };
    let notes = view.notes.iter().map(|note| format!("the supervisor {note}"));
    let changed = view.config_changed.as_ref().map(config_words);
    std::iter::once(line).chain(notes).chain(changed).collect::<Vec<_>>().join("\n")
}

/// That the config on disk is not what runs, if it is not.
fn config_words(change: &ConfigChange) -> String {
    if change.problems.is_some() {
        return "the config on disk has problems, and is not what runs: `procman check` tells them"
            .to_owned();
    }
    let count = change.differences.len();
    let differences = if count == 1 { "1 difference".to_owned() } else { format!("{count} differences") };
    let way_out = match change.needs_restart.len() {
        left if left == count => "`procman restart` takes it over",
        0 => "`procman reload` applies it",
        _ => "`procman reload` applies it, but for what only `procman restart` takes over",
    };
    format!("the config on disk is not what runs ({differences}): {way_out}")
}

/// What a target could not be told, if anything.
fn target_words(target: &TargetView) -> Option<String> {
    let changes = |count: u64| if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
    let failed = (target.failed > 0).then(|| format!("{} could not be told", changes(target.failed)));
    let dropped =
        (target.dropped > 0).then(|| format!("{} dropped, because too many wait", changes(target.dropped)));
    let words: Vec<String> = failed.into_iter().chain(dropped).collect();
    (!words.is_empty()).then(|| format!("notify.{}: {} (see supervisor.log)", target.name, words.join(", ")))
}

/// The table of ports.
pub(in crate::cli) fn ports(ports: &[PortView]) -> String {
    let mut table = bare_table(&["PORT", "SERVICE", "HELD BY", "VERDICT", "PID", "USER", "AGE", "COMMAND"]);
    for port in ports {
        table.add_row([
            port.port.to_string(),
            port.service.to_string(),
            port.held_by.word().to_owned(),
            verdict_words(port),
            port.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            port.user.clone().unwrap_or_else(|| "-".to_owned()),
            port.age_s.map_or_else(|| "-".to_owned(), uptime),
            port.command
                .as_deref()
                .map_or_else(|| "-".to_owned(), |it| printable(it.as_bytes()).into_owned()),
        ]);
    }
    cut(&finish(&mut table, &[0, 4, 6]), width_of_terminal())
}

/// The width of the terminal that is written to, if it is one.
fn width_of_terminal() -> Option<u16> {
    Table::new().width().filter(|width| *width > 0)
}

/// Lines that are too wide for the terminal are cut, so that a row stays a row: `--json` has all of it.
fn cut(text: &str, width_max: Option<u16>) -> String {
    let Some(max) = width_max.map(usize::from) else { return text.to_owned() };
    let cut = |line: &str| match line.char_indices().nth(max.saturating_sub(1)) {
        Some((at, last)) if at + last.len_utf8() < line.len() => format!("{}…", &line[..at]),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

/// Whose process it is, and of which service if that is not the one that the port is assigned to.
fn verdict_words(port: &PortView) -> String {
    match port.owner.as_ref().filter(|owner| **owner != port.service) {
        Some(owner) => format!("{} ({owner})", port.verdict.word()),
        None => port.verdict.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, without};

    #[test]
    fn columns_are_left_out_of_a_table_whole() {
        let row = ["api", "running", "none", "12", "3000", "1.0s", "0", "0.1%", "2 MB"].map(str::to_owned);
        let text = without(&[row], &["CPU", "MEMORY", "HEALTH"]);
        assert_eq!(
            text,
            "NAME  STATE    PID  PORTS  UPTIME  RESTARTS\napi   running   12  3000   1.0s           0"
        );
    }

    #[test]
    fn a_line_that_is_too_wide_is_cut_and_says_so() {
        assert_eq!(cut("über\nabc\nabcd", Some(3)), "üb…\nabc\nab…");
        assert_eq!(cut("abcd", Some(4)), "abcd");
        assert_eq!(cut("abcd", None), "abcd");
    }
}
