use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::engine::Engine;
use super::mailbox::Message;
use super::watch;
use crate::machine;
use crate::machine::blame::Blame;
use crate::machine::event::Event;
use crate::spec::script::script_of;
use crate::spec::service::Service;
use crate::spec::watch::Watch;
use crate::sys::clock;
use crate::vocab::measure::millis;
use crate::vocab::name::ServiceName;

/// The files that services wait for whose programs do not start. What is waited for is forgotten with the wait.
#[derive(Debug, Default)]
pub(super) struct Repairs(BTreeMap<ServiceName, Waiting>);

/// A wait for files to change; it ends when this is dropped.
#[derive(Debug)]
struct Waiting(AbortHandle);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Of a service's directory so many levels and directories are looked at; what lies beyond is found by the next try.
const LEVELS_MAX: usize = 4;
const DIRECTORIES_MAX: usize = 256;

impl Engine {
    /// Watches the files that a service waits for, if it does.
    pub(super) fn watch_for_repair(&mut self, name: &ServiceName, blame: Blame) {
        let Some(service) = self.fleet.services().get(name).filter(|service| service.awaits_change()) else {
            return;
        };
        let Blame::Program { file } = blame else { return };
        let lasted = service.last().map_or(Duration::ZERO, |last| last.lasted);
        let ended_ms = clock::unix_ms();
        let began_ms = ended_ms.saturating_sub(millis(lasted));
        let wait = Wait { service: Arc::clone(service.spec()), file, began_ms, ended_ms };
        let mailbox = self.mailbox.clone();
        let task = tokio::spawn(async move {
            let service = wait.service.name.clone();
            wait.until_something_changes().await;
            tracing::info!(%service, "a file changed that it waits for");
            mailbox.send(Message::Machine(Event::Repaired(service))).await;
        });
        self.repairs.0.insert(name.clone(), Waiting(task.abort_handle()));
    }
}

impl Repairs {
    /// Ends the waits of services that do not wait any more.
    pub(super) fn keep_awaited(&mut self, fleet: &machine::fleet::Fleet) {
        if !self.0.is_empty() {
            let services = fleet.services();
            self.0.retain(|name, _| services.get(name).is_some_and(machine::service::Service::awaits_change));
        }
    }
}

/// What is waited for.
struct Wait {
    service: Arc<Service>,
    /// The file that is wrong; else any program file of the service.
    file: Option<String>,
    /// When the run began that failed, in milliseconds since 1970 UTC.
    began_ms: u64,
    /// When its end was known, in milliseconds since 1970 UTC.
    ended_ms: u64,
}

impl Wait {
    async fn until_something_changes(self) {
        let (sender, mut changes) = mpsc::channel(1);
        let name = self.service.name.clone();
        // Finding the directories takes a while where there are many.
        let watcher = tokio::task::spawn_blocking(move || self.watcher(sender)).await;
        let _watcher = match watcher {
            Ok(Ok(watcher)) => watcher,
            Ok(Err(error)) => {
                tracing::warn!(service = %name, %error, "cannot watch for a repair; it is only tried again by time");
                return std::future::pending().await;
            }
            // The supervisor ends.
            Err(_) => return std::future::pending().await,
        };
        match changes.recv().await {
            // An editor and a deployment touch files several times.
            Some(change) => watch::last_of(change, Watch::DEBOUNCE, &mut changes).await,
            None => std::future::pending().await,
        }
    }

    fn watcher(self, changes: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
        // The system tells paths without symbolic links.
        let file = self.file.as_ref().map(|file| resolved(&self.service.directory.join(file)));
        let directories = match &file {
            Some(file) => file.parent().map(Path::to_owned).into_iter().collect(),
            None => self.directories(),
        };
        let (meant, told) = (file.clone(), changes.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Some(event) = event.ok().filter(|event| watch::is_change(event.kind)) else { return };
            let is_meant = |path: &PathBuf| match &meant {
                Some(file) => path == file,
                None => is_of_program(path),
            };
            if event.paths.iter().any(is_meant) {
                // If there is no room, enough is known.
                let _ = told.try_send(());
            }
        })?;
        for directory in &directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        // Somebody may have been faster. A program that writes its own files when it starts is not broken in one of them; what
        // it may have written of others counts for nothing.
        let has_changed = match &file {
            Some(file) => has_changed_since(self.began_ms, file),
            None => directories.iter().flat_map(modules_in).any(|it| has_changed_since(self.ended_ms, &it)),
        };
        if has_changed {
            let _ = changes.try_send(());
        }
        Ok(watcher)
    }

    /// Where the modules of a service are: its directory and that of its script, with what is below and not ignored.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let Service { directory, command, .. } = &*self.service;
        let words = std::iter::once(command.program()).chain(command.arguments().iter().map(String::as_str));
        let script = script_of(&words.map(str::to_owned).collect::<Vec<_>>());
        let beside = script.and_then(|script| Some(directory.join(script.file).parent()?.to_owned()));
        let mut walk = ignore::WalkBuilder::new(directory);
        if let Some(beside) = beside {
            walk.add(beside);
        }
        let walk = walk.require_git(false).max_depth(Some(LEVELS_MAX)).build();
        let found = walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_dir()));
        let found = found.filter(|entry| entry.file_name() != "__pycache__");
        found.take(DIRECTORIES_MAX).map(ignore::DirEntry::into_path).collect()
    }
}

/// Whether a file changed since then. A clock that was set says nothing.
fn has_changed_since(unix_ms: u64, file: &Path) -> bool {
    let changed_ms = |found: fs::Metadata| {
        u64::try_from(found.ctime().saturating_mul(1000).saturating_add(found.ctime_nsec() / 1_000_000)).ok()
    };
    let changed_ms = fs::metadata(file).ok().and_then(changed_ms);
    changed_ms.is_some_and(|at| at > unix_ms && at <= clock::unix_ms())
}

/// The files of a directory that Python may import.
fn modules_in(directory: &PathBuf) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| is_module(path))
}

/// A file of that name, in its directory by that one's own path.
fn resolved(file: &Path) -> PathBuf {
    let directory = file.parent().and_then(|parent| parent.canonicalize().ok());
    directory.zip(file.file_name()).map_or_else(|| file.to_owned(), |(directory, name)| directory.join(name))
}

/// Whether a change there may be one of a module: of a file that Python imports, or of a directory that may be a package.
fn is_of_program(path: &Path) -> bool {
    is_module(path) || (path.extension().is_none() && path.is_dir() && !path.ends_with("__pycache__"))
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|it| ["py", "so", "pth"].iter().any(|known| it == *known))
}

#[cfg(test)]
mod tests {
    use super::{Wait, is_of_program};
    use crate::spec::service::{Command, Service};
    use crate::sys::clock;
    use crate::vocab::name::ServiceName;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    /// Whether a wait ends by what is done again and again meanwhile.
    fn ends(directory: &Path, file: Option<&str>, times: u32, act: impl Fn()) -> bool {
        let command = Command::new(vec!["python3".to_owned(), "app/main.py".to_owned()]).unwrap();
        let service = Service::plain(ServiceName::parse("api").unwrap(), command, directory.to_owned());
        let later_ms = clock::unix_ms() + 5000;
        let file = file.map(str::to_owned);
        wait_ends(
            Wait { service: Arc::new(service), file, began_ms: later_ms, ended_ms: later_ms },
            times,
            act,
        )
    }

    fn wait_ends(wait: Wait, times: u32, act: impl Fn()) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut waiting = tokio::spawn(wait.until_something_changes());
            // What comes before the watch is not seen, so it is done again and again.
            for _ in 0..times {
                act();
                if tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_ok() {
                    return true;
                }
            }
            waiting.abort();
            false
        })
    }

    #[test]
    fn a_wait_ends_by_a_change_of_what_is_waited_for_and_by_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("app/lib")).unwrap();
        let touch = |file: &str| fs::write(root.join(file), "x").unwrap();
        assert!(ends(&root, Some("app/main.py"), 30, || touch("app/main.py")));
        assert!(ends(&root, None, 30, || touch("app/lib/found.py")));
        std::os::unix::fs::symlink(root.join("app"), root.join("link")).unwrap();
        assert!(ends(&root, Some("link/main.py"), 30, || touch("app/main.py")), "by another path as well");
        assert!(!ends(&root, Some("app/main.py"), 4, || touch("app/other.py")));
        assert!(!ends(&root, None, 4, || touch("app/data.json")));
    }

    #[test]
    fn what_changed_before_the_watch_was_there_and_after_the_end_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("app")).unwrap();
        let wait = |ended_ms: u64| {
            let command = Command::new(vec!["python3".to_owned(), "app/main.py".to_owned()]).unwrap();
            let service = Service::plain(ServiceName::parse("api").unwrap(), command, root.clone());
            Wait { service: Arc::new(service), file: None, began_ms: 0, ended_ms }
        };
        let ended_ms = clock::unix_ms() - 1000;
        fs::write(root.join("app/data.json"), "x").unwrap();
        assert!(!wait_ends(wait(ended_ms), 2, || ()), "no program file changed");
        fs::write(root.join("app/found.py"), "x").unwrap();
        assert!(wait_ends(wait(ended_ms), 10, || ()));
        assert!(
            !wait_ends(wait(clock::unix_ms() + 5000), 2, || ()),
            "the program may have written that itself"
        );
    }

    #[test]
    fn python_imports_files_of_some_kinds_and_directories() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_of_program(dir.path().join("a.py").as_path()) && is_of_program(&dir.path().join("a.so")));
        fs::create_dir(dir.path().join("package")).unwrap();
        fs::create_dir(dir.path().join("__pycache__")).unwrap();
        assert!(is_of_program(&dir.path().join("package")));
        assert!(!is_of_program(&dir.path().join("__pycache__")) && !is_of_program(&dir.path().join("log")));
    }
}
