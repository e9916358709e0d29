use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a range of bytes; none when it is the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Everything that is wrong with a file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// What is wrong; never empty.
    pub list: Vec<Problem>,
}

/// A problem with its place as people count, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Whether a text is for a terminal that shows colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// Text with colour, which carries no meaning of its own.
    Coloured,
}

impl Problem {
    /// A problem with a place.
    pub(super) fn at(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span: Some(span), what: what.into(), hint: None }
    }

    /// The same with a way to mend it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Problems {
    /// Orders what was noted, each problem once.
    pub(super) fn new(file: PathBuf, text: String, mut list: Vec<Problem>) -> Self {
        assert!(!list.is_empty(), "problems are at least one");
        list.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        let mut seen = Vec::new();
        list.retain(|problem| {
            let is_new = !seen.contains(problem);
            seen.push(problem.clone());
            is_new
        });
        Self { file, text, list }
    }

    /// The problems as rustc draws its own, with a last line that counts them.
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let path = self.file.display().to_string();
        let mut drawn: Vec<String> =
            self.list.iter().map(|problem| renderer.render(&[self.draw(problem, &path)])).collect();
        let count = match self.list.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        drawn.push(format!("{count} in {path}; nothing was touched"));
        drawn.join("\n\n")
    }

    fn draw<'a>(&'a self, problem: &'a Problem, path: &'a str) -> Group<'a> {
        let title = Level::ERROR.primary_title(&problem.what);
        let mut group = match &problem.span {
            Some(span) => {
                let annotation = AnnotationKind::Primary.span(self.inside(span));
                title.element(Snippet::source(&self.text).path(path).annotation(annotation))
            }
            None => Group::with_title(title).element(annotate_snippets::Origin::path(path)),
        };
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint));
        }
        group
    }

    /// A span that lies in the text, on characters, whatever the parser said.
    fn inside(&self, span: &Range<usize>) -> Range<usize> {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        start..floor(span.end).max(start)
    }

    /// The problems for programs.
    pub fn placed(&self) -> Vec<Placed> {
        self.list
            .iter()
            .map(|problem| {
                let place = problem.span.as_ref().map(|span| self.place(self.inside(span).start));
                Placed {
                    file: self.file.clone(),
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                    what: problem.what.clone(),
                    hint: problem.hint.clone(),
                }
            })
            .collect()
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line_of(&self.text, at), before[line_start..].chars().count() + 1)
    }
}

/// The line, from 1 on, in which an offset of a text is.
pub(in crate::config) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}
