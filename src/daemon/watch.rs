use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::Gitignore;
use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::engine::Engine;
use super::mailbox::{Mailbox, Message};
use crate::machine::event::Event;
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::spec::watch::Watch;
use crate::vocab::name::ServiceName;

/// The files that services watch.
#[derive(Debug, Default)]
pub(super) struct Watches(BTreeMap<ServiceName, Watching>);

/// One service's files, watched until this is dropped.
#[derive(Debug)]
struct Watching {
    directory: PathBuf,
    watch: Watch,
    _watcher: Option<RecommendedWatcher>,
    task: AbortHandle,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// So many changes may wait to be looked at: one is enough to know that there are some.
const CHANGES_KEPT: usize = 16;

/// Changes that never pause count after so many times `debounce`.
const DEBOUNCES_MAX: u32 = 20;

impl Engine {
    /// Watches what the services of a fleet ask for, and nothing else.
    pub(super) fn watch_files(&mut self, fleet: &Fleet) {
        let is_asked_for = |name: &ServiceName, watching: &Watching| {
            fleet.service(name).is_some_and(|service| {
                service.directory == watching.directory && service.watch.as_ref() == Some(&watching.watch)
            })
        };
        self.watches.0.retain(|name, watching| is_asked_for(name, watching));
        for service in fleet.services().values() {
            let Some(watch) = &service.watch else { continue };
            if !self.watches.0.contains_key(&service.name) {
                let watching = begin(service, watch, self.mailbox.clone());
                self.watches.0.insert(service.name.clone(), watching);
            }
        }
    }
}

fn begin(service: &Arc<Service>, watch: &Watch, mailbox: Mailbox) -> Watching {
    let (sender, changes) = mpsc::channel(CHANGES_KEPT);
    let watcher = watcher(service, watch, sender);
    if let Err(error) = &watcher {
        tracing::error!(service = %service.name, %error, "cannot watch its files; their changes go unnoticed");
    }
    let task = tokio::spawn(debounce(Arc::clone(service), watch.debounce, changes, mailbox));
    Watching {
        directory: service.directory.clone(),
        watch: watch.clone(),
        _watcher: watcher.ok(),
        task: task.abort_handle(),
    }
}

/// The system tells a thread of its own of changes; those that are meant are passed on.
fn watcher(
    service: &Service,
    watch: &Watch,
    changes: mpsc::Sender<PathBuf>,
) -> notify::Result<RecommendedWatcher> {
    // The system tells paths without symbolic links.
    let directory = service.directory.canonicalize().map_err(notify::Error::io)?;
    let matcher = Matcher::of(&directory, watch);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Some(event) = event.ok().filter(|event| is_change(event.kind)) else { return };
        if let Some(path) = event.paths.iter().find_map(|path| matcher.meant(path)) {
            // If there is no room, enough is known.
            let _ = changes.try_send(path.to_owned());
        }
    })?;
    for root in roots(&directory, watch) {
        watcher.watch(&root, RecursiveMode::Recursive)?;
    }
    Ok(watcher)
}

pub(super) fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any => true,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Name(_) | ModifyKind::Metadata(_)) => true,
        EventKind::Modify(ModifyKind::Any | ModifyKind::Other) => true,
        EventKind::Access(_) | EventKind::Other => false,
    }
}

/// The directories that hold all that the globs can mean; none lies in another.
fn roots(directory: &Path, watch: &Watch) -> Vec<PathBuf> {
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{']);
    let root = |glob: &String| {
        let plain: PathBuf = glob.split('/').take_while(is_plain).collect();
        let plain = directory.join(plain);
        let there = plain.ancestors().find(|it| it.is_dir()).filter(|it| it.starts_with(directory));
        there.unwrap_or(directory).to_owned()
    };
    let mut roots: Vec<PathBuf> = watch.paths.iter().map(root).collect();
    roots.sort();
    roots.dedup_by(|later, earlier| later.starts_with(earlier));
    roots
}

/// Tells files that are meant from others.
struct Matcher {
    directory: PathBuf,
    paths: GlobSet,
    ignore: GlobSet,
    gitignores: Vec<(PathBuf, Gitignore)>,
}

impl Matcher {
    fn of(directory: &Path, watch: &Watch) -> Self {
        let walk = ignore::WalkBuilder::new(directory).hidden(false).require_git(false).build();
        let files = walk.flatten().filter(|entry| entry.file_name() == ".gitignore");
        let gitignores = files.filter_map(|entry| {
            let directory = entry.path().parent()?.to_owned();
            Some((directory, Gitignore::new(entry.path()).0))
        });
        Self {
            directory: directory.to_owned(),
            paths: set(&watch.paths),
            ignore: set(&watch.ignore),
            gitignores: gitignores.collect(),
        }
    }

    /// A path that is meant, from the service's directory.
    fn meant<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let relative = path.strip_prefix(&self.directory).ok()?;
        let is_ignored = |(directory, gitignore): &(PathBuf, Gitignore)| {
            path.starts_with(directory) && gitignore.matched_path_or_any_parents(path, false).is_ignore()
        };
        let is_meant = self.paths.is_match(relative)
            && !self.ignore.is_match(relative)
            && !relative.starts_with(".git")
            && !self.gitignores.iter().any(is_ignored);
        is_meant.then_some(relative)
    }
}

/// The config has proven every one of them.
fn set(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs.iter().flat_map(|glob| GlobBuilder::new(glob).literal_separator(true).build()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

/// Waits until nothing more has changed for a while; the last change.
pub(super) async fn last_of<C>(first: C, pause: Duration, changes: &mut mpsc::Receiver<C>) -> C {
    let mut last = first;
    for _ in 0..DEBOUNCES_MAX {
        match tokio::time::timeout(pause, changes.recv()).await {
            Ok(Some(later)) => last = later,
            Ok(None) | Err(_) => break,
        }
    }
    last
}

/// Tells the machine of a change when nothing more has changed for a while.
async fn debounce(
    service: Arc<Service>,
    pause: Duration,
    mut changes: mpsc::Receiver<PathBuf>,
    mailbox: Mailbox,
) {
    while let Some(path) = changes.recv().await {
        let path = last_of(path, pause, &mut changes).await.display().to_string();
        tracing::info!(service = %service.name, path, "a watched file changed");
        mailbox.send(Message::Machine(Event::FileChanged { service: service.name.clone(), path })).await;
    }
}
