use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::cause;
use crate::logs::printable::printable;
use crate::logs::query::{Item, Line};
use crate::vocab::cause::{Class, Record};
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;

/// Lines of logs for people: the name of its service in a colour of its own before each, where there are several services,
/// and dim marks where a run ended or began.
pub(in crate::cli) struct LogText {
    names: Vec<ServiceName>,
    width: usize,
}

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Yellow,
    AnsiColor::BrightCyan,
];

impl LogText {
    pub(in crate::cli) fn new(names: &[ServiceName]) -> Self {
        let width = names.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
        Self { names: names.to_vec(), width }
    }

    pub(in crate::cli) fn of(&self, item: &Item) -> String {
        match item {
            Item::Line(Line { service, bytes, .. }) => {
                format!("{}{}", self.head(service), printable(bytes))
            }
            Item::Mark(Mark { service, turn }) => {
                let dim = Style::new().dimmed();
                format!("{}{dim}--- {} ---{dim:#}", self.head(service), words(turn))
            }
        }
    }

    fn head(&self, service: &ServiceName) -> String {
        if self.names.len() == 1 {
            return String::new();
        }
        let at = self.names.iter().position(|name| name == service).unwrap_or(0);
        let style = Style::new().fg_color(Some(COLOURS[at % COLOURS.len()].into()));
        format!("{style}{service:<width$} |{style:#} ", width = self.width)
    }
}

fn words(turn: &Turn) -> String {
    let at = cause::local(turn.unix_ms());
    match turn {
        Turn::Began(began) => format!("{at} run {} began (pid {})", began.began, began.pid),
        Turn::Ended(record) => format!("{at} run {} {}", record.run, end(record)),
    }
}

/// How it ended, and by what, where that tells more: the lines before it tell the rest.
fn end(record: &Record) -> String {
    let how = record.exit.map_or_else(|| "was not started".to_owned(), |exit| exit.to_string());
    let lasted = record.lasted_ms.map(|ms| format!(" after {}", Brief(Duration::from_millis(ms))));
    let told = match (record.class, &record.by) {
        (Class::Success | Class::ExitCode | Class::Unknown, _) => String::new(),
        (Class::Operator, Some(by)) => format!(": {by}"),
        (class, _) => format!(": {class}"),
    };
    format!("{how}{}{told}", lasted.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::LogText;
    use crate::logs::query::{Item, Line};
    use crate::vocab::identity::Pid;
    use crate::vocab::mark::{Began, Mark, Turn};
    use crate::vocab::name::ServiceName;
    use crate::vocab::run::RunId;
    use crate::vocab::stream::Stream;

    fn line(service: &str, bytes: &[u8]) -> Item {
        let service = ServiceName::parse(service).unwrap();
        Item::Line(Line { service, stream: Stream::Stdout, unix_ms: 1, bytes: bytes.to_vec() })
    }

    #[test]
    fn each_service_has_a_colour_and_marks_are_dim() {
        let names = ["api", "worker"].map(|name| ServiceName::parse(name).unwrap());
        let text = LogText::new(&names);
        assert_eq!(text.of(&line("api", b"hi")), "\x1b[36mapi    |\x1b[0m hi");
        assert_eq!(text.of(&line("worker", b"ho")), "\x1b[32mworker |\x1b[0m ho");
        let began = Began { v: 1, began: RunId(7), unix_ms: 1_764_118_731_042, pid: Pid::new(42).unwrap() };
        let mark = Item::Mark(Mark { service: names[0].clone(), turn: Turn::Began(began) });
        let marked = LogText::new(&names[..1]).of(&mark);
        assert!(marked.starts_with("\x1b[2m--- 2025-11-2"), "{marked}");
        assert!(marked.ends_with(" run 7 began (pid 42) ---\x1b[0m"), "{marked}");
    }

    #[test]
    fn no_line_drives_the_terminal() {
        let text = LogText::new(&[ServiceName::parse("api").unwrap()]);
        let check = |bytes: &[u8], expected: &str| assert_eq!(text.of(&line("api", bytes)), expected);
        check(b"\x1b]0;title\x07\x1b[2J\r\n", "\\u{1b}]0;title\\u{7}\\u{1b}[2J\\r\\n");
        check(b"caf\xc3\xa9 \xff\xfe\tend\r", "caf\u{e9} \u{fffd}\u{fffd}\tend");
        check("\u{9b}31m\0\x7f".as_bytes(), "\\u{9b}31m\\u{0}\\u{7f}");
    }
}
