use std::ops::Range;

use super::python::{is_space, repr, strip};
use super::refusal::{Place, Refusal};

/// Everything that a file and its includes say, as Python's `RawConfigParser` reads it with supervisord's settings: a
/// section that comes again is merged, an option that comes again replaces the earlier one, comments begin with `;` or
/// `#` at the start of a line or behind white space, and an indented line goes on with the value before it.
#[derive(Debug, Default)]
pub(super) struct Ini {
    defaults: Options,
    sections: Vec<Section>,
}

/// One section under its whole name, such as `program:web`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Where its header stands first.
    pub(super) place: Place,
    options: Options,
}

impl Section {
    /// What stands behind the colon of its name; nothing, if it has none.
    pub(super) fn bare_name(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, name)| name)
    }
}

/// The options of a section in the order of their first coming.
#[derive(Debug, Clone, Default)]
struct Options {
    list: Vec<(String, Entry)>,
}

/// What an option says, and where.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) place: Place,
}

impl Options {
    fn get(&self, option: &str) -> Option<&Entry> {
        self.list.iter().find(|(name, _)| name == option).map(|(_, entry)| entry)
    }

    fn set(&mut self, option: &str, entry: Entry) {
        match self.list.iter_mut().find(|(name, _)| name == option) {
            Some((_, old)) => *old = entry,
            None => self.list.push((option.to_owned(), entry)),
        }
    }
}

impl Ini {
    /// The sections in the order of their first coming; `[DEFAULT]` is none.
    pub(super) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// What a section says under an option, or `[DEFAULT]` for it.
    pub(super) fn entry<'a>(&'a self, section: &'a Section, option: &str) -> Option<&'a Entry> {
        section.options.get(option).or_else(|| self.defaults.get(option))
    }

    /// The options of a section itself.
    pub(super) fn own_options<'a>(&self, section: &'a Section) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        section.options.list.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The options of a section and those of `[DEFAULT]` that it lacks.
    pub(super) fn all_options<'a>(
        &'a self,
        section: &'a Section,
    ) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let lacking = self.defaults.list.iter().filter(|(name, _)| section.options.get(name).is_none());
        section.options.list.iter().chain(lacking).map(|(name, entry)| (name.as_str(), entry))
    }

    /// Adds an empty section if there is none of this name.
    pub(super) fn add_section(&mut self, name: &str, place: Place) -> usize {
        if let Some(found) = self.sections.iter().position(|section| section.name == name) {
            return found;
        }
        self.sections.push(Section { name: name.to_owned(), place, options: Options::default() });
        self.sections.len() - 1
    }

    /// Puts the directory of a file in the place of `%(here)s` in everything that has been read so far.
    pub(super) fn expand_here(&mut self, here: &str) {
        const HERE: &str = "%(here)s";
        for section in &mut self.sections {
            let lacking = self.defaults.list.iter().filter(|(name, _)| section.options.get(name).is_none());
            let lacking: Vec<_> = lacking.filter(|(_, entry)| entry.value.contains(HERE)).cloned().collect();
            section.options.list.extend(lacking);
            for (_, entry) in &mut section.options.list {
                entry.value = entry.value.replace(HERE, here);
            }
        }
    }

    /// Reads one file into what has been read before. `name` is the file as messages call it.
    pub(super) fn read(&mut self, file: usize, name: &str, text: &str) -> Result<(), Refusal> {
        let mut reading =
            Reading { ini: self, file, current: None, option: None, indent: 0, bogus: Vec::new() };
        for (number, (span, line)) in lines(text).into_iter().enumerate() {
            reading.line(span, line).map_err(|kind| kind.refusal(name, number + 1))?;
        }
        reading.finish_option();
        let Some(first) = reading.bogus.first() else { return Ok(()) };
        let mut what = format!("Source contains parsing errors: {}", repr(name));
        for (_, number, line) in numbered(text, &reading.bogus) {
            what.push_str(&format!("\n\t[line {number:2}]: {}", repr(line)));
        }
        let hint = "a line is `option=value`, `[section]`, a comment that begins with `;`, or an indented one that \
                    goes on with the value before it";
        Err(Refusal::at(Place { file, span: first.clone() }, what).hint(hint))
    }
}

/// The lines of a text with their ends, as Python reads them: `\r\n` and `\r` end a line as `\n` does.
fn lines(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let (length, end) = match rest.find(['\n', '\r']) {
            Some(at) if rest[at..].starts_with("\r\n") => (at, 2),
            Some(at) => (at, 1),
            None => (rest.len(), 0),
        };
        let line = format!("{}{}", &rest[..length], if end > 0 { "\n" } else { "" });
        found.push((start..start + length, line));
        start += length + end;
    }
    found
}

fn numbered<'t>(
    text: &'t str,
    spans: &'t [Range<usize>],
) -> impl Iterator<Item = (&'t Range<usize>, usize, &'t str)> {
    spans.iter().map(|span| {
        let number = lines(&text[..span.start]).len() + 1;
        let end = if span.end < text.len() { span.end + 1 } else { span.end };
        (span, number, &text[span.start..end])
    })
}

/// Where a file is being read.
struct Reading<'a> {
    ini: &'a mut Ini,
    file: usize,
    current: Option<Target>,
    option: Option<Open>,
    indent: usize,
    bogus: Vec<Range<usize>>,
}

/// What the options that follow belong to.
#[derive(Clone, Copy)]
enum Target {
    Defaults,
    Section(usize),
}

/// An option whose value may go on.
struct Open {
    name: String,
    lines: Vec<String>,
    span: Range<usize>,
}

/// A line stands before the first header.
struct NoHeader {
    place: Place,
    line: String,
}

impl NoHeader {
    fn refusal(self, name: &str, number: usize) -> Refusal {
        let what = format!(
            "File contains no section headers.\nfile: {}, line: {number}\n{}",
            repr(name),
            repr(&self.line)
        );
        Refusal::at(self.place, what).hint("begin the file with a section, such as [supervisord]")
    }
}

impl Reading<'_> {
    fn line(&mut self, span: Range<usize>, line: String) -> Result<(), NoHeader> {
        let comment = comment_start(&line);
        let value = strip(&line[..comment.unwrap_or(line.len())]).to_owned();
        if value.is_empty() {
            // An empty line belongs to the value before it, one with a comment does not.
            if let (None, Some(open)) = (comment, &mut self.option) {
                open.lines.push(String::new());
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if let (Some(open), true) = (&mut self.option, indent > self.indent) {
            open.lines.push(value);
            return Ok(());
        }
        self.indent = indent;
        if let Some(header) = header(&value) {
            self.finish_option();
            let place = Place { file: self.file, span };
            self.current = Some(match header {
                "DEFAULT" => Target::Defaults,
                name => Target::Section(self.ini.add_section(name, place)),
            });
            return Ok(());
        }
        if self.current.is_none() {
            return Err(NoHeader { place: Place { file: self.file, span }, line });
        }
        let Some(at) = value.find(['=', ':']) else {
            // The option before it goes on, as Python has it: what follows indented is still its value.
            self.bogus.push(span);
            return Ok(());
        };
        self.finish_option();
        let name = value[..at].trim_end_matches(is_space).to_lowercase();
        if name.is_empty() {
            self.bogus.push(span.clone());
        }
        self.option = Some(Open { name, lines: vec![strip(&value[at + 1..]).to_owned()], span });
        Ok(())
    }

    /// Writes the option that is open; its value ends here.
    fn finish_option(&mut self) {
        let (Some(open), Some(target)) = (self.option.take(), self.current) else { return };
        let value = open.lines.join("\n").trim_end_matches(is_space).to_owned();
        let entry = Entry { value, place: Place { file: self.file, span: open.span } };
        match target {
            Target::Defaults => self.ini.defaults.set(&open.name, entry),
            Target::Section(at) => {
                if let Some(section) = self.ini.sections.get_mut(at) {
                    section.options.set(&open.name, entry);
                }
            }
        }
    }
}

/// The name of a section between the first bracket of a line and the last that closes.
fn header(value: &str) -> Option<&str> {
    let rest = value.strip_prefix('[')?;
    let end = rest.rfind(']').filter(|end| *end > 0)?;
    Some(&rest[..end])
}

/// Where a comment begins. In each round the next `;` and the next `#` are looked at, and the first round that finds one
/// at the start or behind white space decides: Python's own order, which matters when both stand on a line.
fn comment_start(line: &str) -> Option<usize> {
    if line.trim_start_matches(is_space).starts_with(['#', ';']) {
        return Some(0);
    }
    let starts_comment = |at: usize| line[..at].chars().next_back().is_none_or(is_space);
    let mut from: Vec<(char, usize)> = vec![(';', 0), ('#', 0)];
    while !from.is_empty() {
        let found: Vec<(char, usize)> =
            from.iter().filter_map(|(c, from)| Some((*c, from + line[*from..].find(*c)?))).collect();
        if let Some(at) = found.iter().map(|(_, at)| *at).filter(|at| starts_comment(*at)).min() {
            return Some(at);
        }
        from = found.into_iter().map(|(c, at)| (c, at + 1)).collect();
    }
    None
}
