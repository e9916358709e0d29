use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::own_log_file::{Named, Rotation};
use super::own_log_line::SupervisordLine;
use super::own_log_time::LocalTime;
use crate::spec::supervisor::{Echo, LogFormat, OwnLog};
use crate::vocab::log_level::LogLevel;

/// Where a supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its standard error is its log.
    Background,
    /// Its standard error is somebody's who reads along.
    Foreground,
}

/// What its lines look like on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// In colour.
    Coloured,
    /// Plain.
    Plain,
}

/// The way to the filter of the one subscriber that a process has.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// A log file larger than this is set aside as `.1`, in the place of the one before.
const SIZE_MAX: u64 = 10_000_000;

/// After so many bytes of lines its size is looked at.
const LOOK_EACH: u64 = 64 * 1024;

/// Begins this process' own log, on standard error or in a file that the config names, or both: how much of it, and in which
/// form, the config says; `PROCMAN_LOG` in the environment comes first (`debug`, `procman::daemon=trace`). `file` is where
/// standard error goes in the background.
pub fn begin(settings: &OwnLog, stage: Stage, file: &Path, looks: Looks) {
    let level = || EnvFilter::new(settings.level.as_str());
    let (filter, handle) =
        reload::Layer::new(EnvFilter::try_from_env("PROCMAN_LOG").unwrap_or_else(|_| level()));
    let layer = fmt::layer()
        .with_writer(writer(settings, stage, file))
        .with_ansi(looks == Looks::Coloured && settings.file.is_none())
        // A log that cannot be written must not end the supervisor: the usual complaint on standard error panics when that
        // cannot be written either.
        .log_internal_errors(false)
        .with_target(false);
    let filtered = Registry::default().with(filter);
    // Only one subscriber is ever set in a process.
    let _ = match settings.format {
        LogFormat::Human => {
            tracing::subscriber::set_global_default(filtered.with(layer.with_timer(LocalTime)))
        }
        LogFormat::Json => {
            tracing::subscriber::set_global_default(filtered.with(layer.json().flatten_event(true)))
        }
        LogFormat::Supervisord => {
            let layer = layer.with_ansi(false).event_format(SupervisordLine);
            tracing::subscriber::set_global_default(filtered.with(layer))
        }
    };
    let _ = FILTER.set(handle);
}

/// Where lines go. In supervisord's form, a file has them in the foreground as well: its clients read it.
fn writer(settings: &OwnLog, stage: Stage, usual: &Path) -> BoxMakeWriter {
    let rotation = Rotation { size_max: settings.size_max, keep: settings.keep };
    let named = match (&settings.file, settings.format) {
        (Some(file), _) => Some(Named::at(file.clone(), rotation)),
        (None, LogFormat::Supervisord) => Some(Named::at(usual.to_owned(), rotation)),
        (None, LogFormat::Human | LogFormat::Json) => None,
    };
    match (named, stage, settings.echo) {
        (None, Stage::Background | Stage::Foreground, _) => {
            let shared = Arc::new(Shared { file: usual.to_owned(), written: AtomicU64::new(LOOK_EACH) });
            BoxMakeWriter::new(move || Writer(Arc::clone(&shared)))
        }
        (Some(named), Stage::Background, _) | (Some(named), Stage::Foreground, Echo::Nowhere) => {
            BoxMakeWriter::new(named)
        }
        (Some(named), Stage::Foreground, Echo::Stderr) => BoxMakeWriter::new(io::stderr.and(named)),
        (Some(named), Stage::Foreground, Echo::Stdout) => BoxMakeWriter::new(io::stdout.and(named)),
    }
}

/// From here on as much is logged, until this process ends.
///
/// # Errors
/// This process has begun no log.
pub fn set_level(level: LogLevel) -> Result<(), String> {
    let filter = FILTER.get().ok_or("this process has begun no log")?;
    filter.reload(EnvFilter::new(level.as_str())).map_err(|error| error.to_string())
}

/// What all writers of the log have in common.
struct Shared {
    file: PathBuf,
    /// So many bytes were written since the last look at its size.
    written: AtomicU64,
}

struct Writer(Arc<Shared>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = io::stderr().write(bytes)?;
        let counted = u64::try_from(count).unwrap_or_default();
        if self.0.written.fetch_add(counted, Ordering::Relaxed) + counted >= LOOK_EACH {
            self.0.written.store(0, Ordering::Relaxed);
            // A log that cannot be set aside grows on.
            let _ = set_aside(&self.0.file, SIZE_MAX);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Sets the log aside if it has grown too large and is where standard error goes. Supervisor and guardian have it open, both
/// writing at its end wherever that is, and neither can reopen it for the other: so it is copied and emptied.
fn set_aside(file: &Path, size_max: u64) -> io::Result<()> {
    let found = fs::metadata(file)?;
    let own = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
    if found.len() >= size_max && (found.dev(), found.ino()) == (own.dev(), own.ino()) {
        copy_and_empty(file)?;
    }
    Ok(())
}

fn copy_and_empty(file: &Path) -> io::Result<()> {
    let named = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let half = named(".half");
    fs::copy(file, &half)?;
    fs::rename(&half, named(".1"))?;
    OpenOptions::new().write(true).open(file)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::{copy_and_empty, set_aside};
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    #[test]
    fn a_log_that_two_processes_write_is_set_aside_and_both_write_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("supervisor.log");
        let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let (mut one, mut other) = (open(), open());
        for round in ["first", "second"] {
            writeln!(one, "{round} one").unwrap();
            writeln!(other, "{round} other").unwrap();
            copy_and_empty(&path).unwrap();
            let aside = fs::read_to_string(dir.path().join("supervisor.log.1")).unwrap();
            assert_eq!(aside, format!("{round} one\n{round} other\n"));
        }
        writeln!(other, "third").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_not_this_process_own_log_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("supervisor.log");
        fs::write(&path, "of somebody else").unwrap();
        set_aside(&path, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of somebody else");
    }
}
