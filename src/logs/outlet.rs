use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use super::piece::PieceBegin;
use super::query::Item;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;

/// Hands on what was found: all of it, or the last lines with what stands between them. Marks before the first line are left
/// out, but the last one of all: where nothing was written, it tells how the last run went. The beginning of what a service
/// has is no place between two runs. No note is left out: what could not be read may have had any line.
pub(super) struct Outlet<S> {
    last: Option<usize>,
    kept: VecDeque<Item>,
    lines: usize,
    /// How many pieces of the last line came.
    pieces: usize,
    /// Who has something before what comes.
    known: BTreeSet<ServiceName>,
    sink: S,
}

/// Of each of the last lines so many pieces are kept, which is 16 MiB, and how those end tells that it goes on.
const PIECES_MAX: usize = 16;

impl<S: FnMut(Item) -> ControlFlow<()>> Outlet<S> {
    pub(super) fn new(last: Option<usize>, sink: S) -> Self {
        Self { last, kept: VecDeque::new(), lines: 0, pieces: 0, known: BTreeSet::new(), sink }
    }

    /// The next by time.
    pub(super) fn pass(&mut self, item: Item) -> ControlFlow<()> {
        if !self.is_between_runs(&item) {
            return ControlFlow::Continue(());
        }
        if self.last.is_none() && self.lines > 0 {
            return (self.sink)(item);
        }
        if self.lines == 0 && !is_note(&item) {
            self.kept.retain(is_note);
        }
        match &item {
            Item::Line(line) if line.begin == PieceBegin::Line => {
                (self.lines, self.pieces) = (self.lines + 1, 1)
            }
            Item::Line(_) => self.pieces += 1,
            Item::Mark(_) | Item::Note(_) => (),
        }
        if self.pieces > PIECES_MAX && is_line(&item) {
            return ControlFlow::Continue(());
        }
        self.kept.push_back(item);
        match self.last {
            None if self.lines > 0 => self.kept.drain(..).try_for_each(&mut self.sink),
            Some(last) if self.lines > last => {
                self.drop_first_line();
                ControlFlow::Continue(())
            }
            None | Some(_) => ControlFlow::Continue(()),
        }
    }

    /// And its other pieces, and the marks before the next one.
    fn drop_first_line(&mut self) {
        let Some(first) = self.kept.iter().position(is_line) else { return };
        self.kept.remove(first);
        self.lines -= 1;
        let mut at = first;
        while let Some(item) = self.kept.get(at).filter(|item| !begins_line(item)) {
            if is_note(item) {
                at += 1;
            } else {
                self.kept.remove(at);
            }
        }
    }

    /// There is something of this service before what is wanted.
    pub(super) fn pass_over(&mut self, service: ServiceName) {
        self.known.insert(service);
    }

    /// Of a beginning, whether the service has something before it.
    fn is_between_runs(&mut self, item: &Item) -> bool {
        let service = match item {
            Item::Mark(Mark { service, turn: Turn::Began(_) }) => return self.known.contains(service),
            Item::Mark(Mark { service, turn: Turn::Ended(_) }) => service,
            Item::Line(line) => &line.service,
            Item::Note(note) => &note.service,
        };
        if !self.known.contains(service) {
            self.known.insert(service.clone());
        }
        true
    }

    /// There is no more.
    pub(super) fn finish(mut self) -> ControlFlow<()> {
        self.kept.into_iter().try_for_each(|item| (self.sink)(item))
    }
}

fn is_line(item: &Item) -> bool {
    match item {
        Item::Line(_) => true,
        Item::Mark(_) | Item::Note(_) => false,
    }
}

fn begins_line(item: &Item) -> bool {
    match item {
        Item::Line(line) => line.begin == PieceBegin::Line,
        Item::Mark(_) | Item::Note(_) => false,
    }
}

fn is_note(item: &Item) -> bool {
    match item {
        Item::Note(_) => true,
        Item::Line(_) | Item::Mark(_) => false,
    }
}
