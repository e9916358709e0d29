use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::problem::Problem;
use super::scope::Scope;
use super::value::Value;
use crate::vocab::nearest::nearest;

/// Where problems are noted while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: RefCell<Vec<Problem>>,
    /// What else was read.
    files: RefCell<BTreeSet<PathBuf>>,
}

impl Notes {
    pub(super) fn add(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    pub(super) fn add_file(&self, path: &Path) {
        self.files.borrow_mut().insert(path.to_owned());
    }

    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        self.files.borrow().clone()
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}

/// A table, perhaps with one behind it that holds what it does not say. It remembers which keys were asked for: all
/// others are unknown.
pub(super) struct Section<'a> {
    table: Option<&'a DeTable<'a>>,
    behind: Option<&'a DeTable<'a>>,
    notes: &'a Notes,
    scope: &'a Scope,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(table: Option<&'a DeTable<'a>>, notes: &'a Notes, scope: &'a Scope) -> Self {
        Self { table, behind: None, notes, scope, asked: RefCell::default() }
    }

    /// The same with a table behind it.
    pub(super) fn in_front_of(self, behind: Option<&'a DeTable<'a>>) -> Self {
        Self { behind, ..self }
    }

    /// The same with another meaning of its variables.
    pub(super) fn within(self, scope: &'a Scope) -> Self {
        Self { scope, ..self }
    }

    /// The value of a key, from the nearest table that has it.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.values(key).into_iter().next()
    }

    /// The values of a key in all tables, the nearest first.
    pub(super) fn values(&self, key: &'static str) -> Vec<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let nodes = self.table.into_iter().chain(self.behind).filter_map(|table| table.get(key));
        nodes.map(|node| Value::new(node, self.notes, self.scope)).collect()
    }

    /// The value of a key from the table itself; it counts as asked for where [`Self::value`] is called as well.
    pub(super) fn own(&self, key: &str) -> Option<Value<'a>> {
        self.table?.get(key).map(|node| Value::new(node, self.notes, self.scope))
    }

    pub(super) fn text(&self, key: &'static str) -> Option<(String, Value<'a>)> {
        let value = self.value(key)?;
        Some((value.text()?, value))
    }

    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.value(key)?.duration()
    }

    pub(super) fn size(&self, key: &'static str) -> Option<u64> {
        self.value(key)?.size()
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.value(key)?.flag()
    }

    pub(super) fn integer(&self, key: &'static str, range: Range<i64>) -> Option<i64> {
        self.value(key)?.integer(range)
    }

    /// Notes every key of the table itself that nobody asked for. `name` is what people call the table.
    pub(super) fn refuse_others(&self, name: &str) {
        self.refuse(self.table, name, &self.asked.borrow());
    }

    /// Notes every key of the table behind that nobody asked for and that is not among `exceptions`.
    pub(super) fn refuse_others_behind(&self, name: &str, exceptions: &[&str]) {
        let asked = self.asked.borrow();
        let known: Vec<&str> = asked.iter().copied().filter(|key| !exceptions.contains(key)).collect();
        self.refuse(self.behind, name, &known);
    }

    fn refuse(&self, table: Option<&DeTable<'_>>, name: &str, known: &[&str]) {
        for (key, _) in table.into_iter().flat_map(|table| table.iter()) {
            let word: &str = key.as_ref();
            if self.asked.borrow().contains(&word) {
                continue;
            }
            let problem = Problem::at(key.span(), format!("unknown key `{word}` in {name}"));
            self.notes.add(problem.hint(known_instead(word, known)));
        }
    }
}

/// "did you mean …?" when something is near, else all that is known.
pub(super) fn known_instead<'k>(word: &str, known: &[&'k str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(key) => format!("did you mean `{key}`?"),
        None => {
            let mut known: Vec<&'k str> = known.to_vec();
            known.sort_unstable();
            known.dedup();
            format!("known here: {}", known.join(", "))
        }
    }
}
