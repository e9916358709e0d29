use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::cause;
use crate::logs::piece::{PieceBegin, PieceEnd};
use crate::logs::printable::printable;
use crate::logs::query::{Item, Line, Note, Told};
use crate::vocab::cause::{Class, Record};
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::measure::{Brief, Bytes};
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// Lines of logs for people: the name of its service in a colour of its own before each, where there are several services,
/// and dim marks where a run ended or began.
pub(in crate::cli) struct LogText {
    names: Vec<ServiceName>,
    width: usize,
    pieces: Pieces,
    seam: Seam,
}

/// Where the next piece of a line belongs.
#[derive(Default)]
pub(in crate::cli) struct Seam {
    /// Whose line goes on with its next piece.
    unfinished: Option<(ServiceName, Stream)>,
}

impl Seam {
    /// Whether this piece goes on with what came before it.
    pub(in crate::cli) fn joins(&self, line: &Line, pieces: Pieces) -> bool {
        let is_of =
            |(service, stream): &(ServiceName, Stream)| (service, stream) == (&line.service, &line.stream);
        let may_join = match pieces {
            Pieces::Joined => true,
            Pieces::Found => line.begin == PieceBegin::Midst,
        };
        may_join && self.unfinished.as_ref().is_some_and(is_of)
    }

    /// It has come.
    pub(in crate::cli) fn pass(&mut self, line: &Line) {
        let goes_on = line.end == PieceEnd::GoesOn;
        self.unfinished = goes_on.then(|| (line.service.clone(), line.stream));
    }

    /// Something else has come, or nothing more does; says whether a line waited for its next piece.
    pub(in crate::cli) fn end(&mut self) -> bool {
        self.unfinished.take().is_some()
    }
}

/// What pieces of long lines are to whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Pieces {
    /// They follow each other, whatever comes between.
    Joined,
    /// A search found them, and perhaps not all of their line.
    Found,
}

/// Stands for what a search does not show of a line.
const CUT: &str = "[...]";

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Yellow,
    AnsiColor::BrightCyan,
];

impl LogText {
    pub(in crate::cli) fn new(names: &[ServiceName], pieces: Pieces) -> Self {
        let width = names.iter().map(|name| name.as_str().len()).max().unwrap_or(0);
        Self { names: names.to_vec(), width, pieces, seam: Seam::default() }
    }

    /// What comes next, with what ends it.
    pub(in crate::cli) fn of(&mut self, item: &Item) -> String {
        match item {
            Item::Line(line) => self.line(line),
            Item::Mark(Mark { service, turn }) => self.between(service, &words(turn)),
            Item::Note(note) => self.between(&note.service, &told(note)),
        }
    }

    /// Words of our own, which no line could be taken for.
    fn between(&mut self, service: &ServiceName, words: &str) -> String {
        let dim = Style::new().dimmed();
        let before = self.finish();
        format!("{before}{}{dim}--- {words} ---{dim:#}\n", self.head(service))
    }

    fn line(&mut self, line: &Line) -> String {
        let head = match (self.seam.joins(line, self.pieces), self.pieces, line.begin) {
            (true, Pieces::Joined | Pieces::Found, _) => String::new(),
            (false, Pieces::Found, PieceBegin::Midst) => {
                format!("{}{}{CUT} ", self.finish(), self.head(&line.service))
            }
            (false, Pieces::Joined, _) | (false, Pieces::Found, PieceBegin::Line) => {
                format!("{}{}", self.finish(), self.head(&line.service))
            }
        };
        self.seam.pass(line);
        let end = if line.end == PieceEnd::GoesOn { "" } else { "\n" };
        format!("{head}{}{end}", printable(&line.bytes))
    }

    /// Ends the line that waits for its next piece, when something else comes.
    pub(in crate::cli) fn finish(&mut self) -> String {
        match (self.seam.end(), self.pieces) {
            (false, Pieces::Joined | Pieces::Found) => String::new(),
            (true, Pieces::Joined) => "\n".to_owned(),
            (true, Pieces::Found) => format!(" {CUT}\n"),
        }
    }

    fn head(&mut self, service: &ServiceName) -> String {
        let known = self.names.iter().position(|name| name == service);
        let at = known.unwrap_or_else(|| {
            // Who comes later leaves the others their colours.
            self.width = self.width.max(service.as_str().len());
            self.names.push(service.clone());
            self.names.len() - 1
        });
        if self.names.len() == 1 {
            return String::new();
        }
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

/// What a note tells, for people.
pub(in crate::cli) fn told(note: &Note) -> String {
    let at = cause::local(note.unix_ms);
    match &note.told {
        Told::Missing { stream, bytes } => {
            let stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            let bytes = Bytes(*bytes);
            format!("{at} {bytes} of {stream} are missing here: rotation dropped them before they were read")
        }
        Told::Unreadable { file, why, stream: _ } => {
            let file = file.display();
            format!(
                "{at} cannot read {file} from here on: {why}. Other files are read: restore this one, or move it away"
            )
        }
        Told::Removed => format!("{at} removed: there is no such service any more"),
    }
}

/// How it ended, and by what, where that tells more: the lines before it tell the rest.
fn end(record: &Record) -> String {
    let how = record.exit.map_or_else(|| "was not started".to_owned(), |exit| exit.to_string());
    let lasted = record.lasted_ms.map(|ms| format!(" after {}", Brief(Duration::from_millis(ms))));
    let told = match (record.class, &record.by) {
        (Class::Success | Class::ExitCode | Class::Unknown | Class::NotStarted, _) => String::new(),
        (Class::Operator, Some(by)) => format!(": {by}"),
        (class, _) => format!(": {class}"),
    };
    format!("{how}{}{told}", lasted.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{LogText, Pieces};
    use crate::logs::piece::{PieceBegin, PieceEnd};
    use crate::logs::query::{Item, Line, Note, Told};
    use crate::vocab::identity::Pid;
    use crate::vocab::mark::{Began, Mark, Turn};
    use crate::vocab::name::ServiceName;
    use crate::vocab::run::RunId;
    use crate::vocab::stream::Stream;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn piece(service: &str, bytes: &[u8], begin: PieceBegin, end: PieceEnd) -> Item {
        let (service, bytes) = (name(service), bytes.to_vec());
        Item::Line(Line { service, stream: Stream::Stdout, unix_ms: 1, bytes, begin, end })
    }

    fn line(service: &str, bytes: &[u8]) -> Item {
        piece(service, bytes, PieceBegin::Line, PieceEnd::Line)
    }

    #[test]
    fn each_service_has_a_colour_and_marks_are_dim() {
        let names = [name("api"), name("worker")];
        let mut text = LogText::new(&names, Pieces::Joined);
        assert_eq!(text.of(&line("api", b"hi")), "\x1b[36mapi    |\x1b[0m hi\n");
        assert_eq!(text.of(&line("worker", b"ho")), "\x1b[32mworker |\x1b[0m ho\n");
        assert_eq!(text.of(&line("later-one", b"new")), "\x1b[35mlater-one |\x1b[0m new\n");
        assert_eq!(text.of(&line("worker", b"ho")), "\x1b[32mworker    |\x1b[0m ho\n", "it keeps its colour");
        let began = Began { v: 1, began: RunId(7), unix_ms: 1_764_118_731_042, pid: Pid::new(42).unwrap() };
        let mark = Item::Mark(Mark { service: names[0].clone(), turn: Turn::Began(began) });
        let marked = LogText::new(&names[..1], Pieces::Joined).of(&mark);
        assert!(marked.starts_with("\x1b[2m--- 2025-11-2"), "{marked}");
        assert!(marked.ends_with(" run 7 began (pid 42) ---\x1b[0m\n"), "{marked}");
    }

    #[test]
    fn a_damaged_file_is_named_with_what_to_do() {
        let (service, file, why) = (name("api"), "/logs/api.out.log.7.gz".into(), "it ends early".to_owned());
        let told = Told::Unreadable { stream: Stream::Stdout, file, why };
        let note = Item::Note(Note { service, unix_ms: 1_764_118_731_042, told });
        let text = LogText::new(&[name("api")], Pieces::Joined).of(&note);
        let words = "cannot read /logs/api.out.log.7.gz from here on: it ends early. Other files are read: restore this one, or move it away ---";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn pieces_of_a_line_are_one_line_unless_something_comes_between() {
        use PieceEnd::{GoesOn, Line, Open};
        let mut text = LogText::new(&[name("a"), name("b")], Pieces::Joined);
        let mut all = String::new();
        for (service, bytes, end) in [
            ("a", "1", GoesOn),
            ("a", "2", Line),
            ("a", "3", GoesOn),
            ("b", "4", Line),
            ("a", "5", Open),
            ("a", "6", GoesOn),
        ] {
            all += &text.of(&piece(service, bytes.as_bytes(), PieceBegin::Line, end));
        }
        all += &text.finish();
        all += &text.finish();
        assert_eq!(anstream::adapter::strip_str(&all).to_string(), "a | 12\na | 3\nb | 4\na | 5\na | 6\n");
    }

    #[test]
    fn no_piece_that_a_search_found_looks_like_its_line() {
        use PieceEnd::{GoesOn, Line, Open};
        let mut text = LogText::new(&[name("a"), name("b")], Pieces::Found);
        let mut all = String::new();
        for (service, bytes, begin, end) in [
            ("a", "1", PieceBegin::Line, GoesOn),
            ("a", "2", PieceBegin::Midst, Line),
            ("a", "3", PieceBegin::Line, GoesOn),
            ("a", "4", PieceBegin::Line, Open),
            ("a", "5", PieceBegin::Midst, GoesOn),
            ("b", "6", PieceBegin::Midst, Line),
            ("b", "7", PieceBegin::Line, GoesOn),
        ] {
            all += &text.of(&piece(service, bytes.as_bytes(), begin, end));
        }
        all += &text.finish();
        let expected = ["a | 12", "a | 3 [...]", "a | 4", "a | [...] 5 [...]", "b | [...] 6", "b | 7 [...]"];
        assert_eq!(
            anstream::adapter::strip_str(&all).to_string(),
            expected.map(|line| line.to_owned() + "\n").concat()
        );
    }

    #[test]
    fn no_line_drives_the_terminal() {
        let mut text = LogText::new(&[name("api")], Pieces::Joined);
        let mut check = |bytes: &[u8], expected: &str| {
            assert_eq!(text.of(&line("api", bytes)), format!("{expected}\n"));
        };
        check(b"\x1b]0;title\x07\x1b[2J\r\n", "\\u{1b}]0;title\\u{7}\\u{1b}[2J\\r\\n");
        check(b"caf\xc3\xa9 \xff\xfe\tend\r", "caf\u{e9} \u{fffd}\u{fffd}\tend");
        check("\u{9b}31m\0\x7f".as_bytes(), "\\u{9b}31m\\u{0}\\u{7f}");
    }
}
