use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use super::query::Item;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;

/// Hands on what was found: all of it, or the last lines with what stands between them. Marks before the first line are left
/// out, but the last one of all: where nothing was written, it tells how the last run went. The beginning of what a service
/// has is no place between two runs.
pub(super) struct Outlet<S> {
    last: Option<usize>,
    kept: VecDeque<Item>,
    lines: usize,
    /// Who has something before what comes.
    known: BTreeSet<ServiceName>,
    sink: S,
}

impl<S: FnMut(Item) -> ControlFlow<()>> Outlet<S> {
    pub(super) fn new(last: Option<usize>, sink: S) -> Self {
        Self { last, kept: VecDeque::new(), lines: 0, known: BTreeSet::new(), sink }
    }

    /// The next by time.
    pub(super) fn pass(&mut self, item: Item) -> ControlFlow<()> {
        if !self.is_between_runs(&item) {
            return ControlFlow::Continue(());
        }
        self.lines += usize::from(is_line(&item));
        if self.last.is_none() && self.lines > 0 {
            self.kept.clear();
            return (self.sink)(item);
        }
        self.kept.push_back(item);
        if self.last.is_some_and(|last| self.lines > last) {
            self.lines -= 1;
            self.kept.pop_front();
        }
        while self.kept.len() > 1 && self.kept.front().is_some_and(|first| !is_line(first)) {
            self.kept.pop_front();
        }
        ControlFlow::Continue(())
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
