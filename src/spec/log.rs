use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// Where a service's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The file of standard output.
    pub stdout: Arc<Path>,
    /// The file of standard error.
    pub stderr: Arc<Path>,
    /// When each is rotated.
    pub rotation: Rotation,
    /// Where standard output goes; nowhere if that is nothing.
    pub stdout_to: BTreeSet<Target>,
    /// Where standard error goes.
    pub stderr_to: BTreeSet<Target>,
    /// How lines go there.
    pub delivery: Delivery,
    /// What event listeners are told of standard output.
    pub stdout_events: OutputEvents,
    /// What event listeners are told of standard error.
    pub stderr_events: OutputEvents,
    /// How the files of standard output are made.
    pub stdout_making: Making,
    /// How those of standard error are made.
    pub stderr_making: Making,
}

/// How log files are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Making {
    /// With their first bytes, for their owner and its group to read.
    #[default]
    WithBytes,
    /// When a run begins, in this mode: who follows them finds them before the first bytes.
    WithRun(u32),
}

impl Making {
    /// The mode of a file that is made, as far as the supervisor's umask lets it.
    pub fn mode(self) -> u32 {
        match self {
            Self::WithBytes => 0o640,
            Self::WithRun(mode) => mode,
        }
    }
}

/// What event listeners are told of a stream, by supervisord's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputEvents {
    /// Whether they are told of everything that is written.
    pub log: bool,
    /// How many bytes they are told at most of what stands between `<!--XSUPERVISOR:BEGIN-->` and `<!--XSUPERVISOR:END-->`,
    /// which goes into no log then; 0 if these marks mean nothing.
    pub capture_max: usize,
    /// Whether the supervisor's own log has all that is written as well, at its level debug.
    pub copied: bool,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Into the stream's log file.
    File,
    /// To where the supervisor's own output goes.
    Inherit,
    /// To the daemon of syslog(3).
    Syslog,
    /// To systemd's journal.
    Journald,
}

impl Target {
    /// A file alone.
    pub fn file() -> BTreeSet<Self> {
        BTreeSet::from([Self::File])
    }
}

/// How lines go to where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// What happens when there is no room for them.
    pub on_full: OnFull,
    /// What each line gets in its file.
    pub envelope: Envelope,
    /// What becomes of colours and other control sequences of terminals.
    pub escapes: Escapes,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { on_full: OnFull::Block, envelope: Envelope::None, escapes: Escapes::Kept }
    }
}

/// What becomes of control sequences (`ESC [ … m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// They are written as they come.
    Kept,
    /// They are taken out, for files, daemons and listeners alike.
    Stripped,
}

/// What happens to lines for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// They wait in the service's pipe, and the service when that is full.
    Block,
    /// They are dropped and counted.
    Drop,
}

/// What a line gets in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: it is written as it came.
    None,
    /// The time at which it came, before it.
    Timestamp,
    /// It becomes a part of a JSON object.
    Json,
}

/// Where the daemons listen that take lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// That of syslog(3).
    pub syslog: PathBuf,
    /// systemd's journal (its native protocol).
    pub journald: PathBuf,
}

impl Default for Sockets {
    fn default() -> Self {
        let syslog = if cfg!(target_os = "macos") { "/var/run/syslog" } else { "/dev/log" };
        Self { syslog: syslog.into(), journald: "/run/systemd/journal/socket".into() }
    }
}

impl Logs {
    /// These files, written as they usually are.
    pub fn to_files(stdout: PathBuf, stderr: PathBuf) -> Self {
        Self {
            stdout: stdout.into(),
            stderr: stderr.into(),
            rotation: Rotation::default(),
            stdout_to: Target::file(),
            stderr_to: Target::file(),
            delivery: Delivery::default(),
            stdout_events: OutputEvents::default(),
            stderr_events: OutputEvents::default(),
            stdout_making: Making::default(),
            stderr_making: Making::default(),
        }
    }

    /// Whether both streams go to one file, and are then one stream.
    pub fn are_joined(&self) -> bool {
        self.stdout == self.stderr
    }

    /// Each file that is written, with the stream that it is of.
    pub fn files(&self) -> impl Iterator<Item = (Stream, &Path)> {
        let stdout = (Stream::Stdout, &*self.stdout, &self.stdout_to);
        let stderr = (Stream::Stderr, &*self.stderr, &self.stderr_to);
        let stderr = (!self.are_joined()).then_some(stderr);
        let written = std::iter::once(stdout).chain(stderr).filter(|(_, _, to)| to.contains(&Target::File));
        written.map(|(stream, file, _)| (stream, file))
    }

    /// The file of a stream, if it goes into one of its own.
    pub fn file(&self, stream: Stream) -> Option<&Path> {
        self.files().find(|(of, _)| *of == stream).map(|(_, file)| file)
    }

    /// The file that a stream is written into, which may be that of the other one.
    pub fn written(&self, stream: Stream) -> Option<&Path> {
        let (file, to) = match stream {
            Stream::Stdout => (&self.stdout, &self.stdout_to),
            Stream::Stderr => (&self.stderr, &self.stderr_to),
        };
        to.contains(&Target::File).then_some(&**file)
    }

    /// Files of another service beside these of `service`: named after it where these are, else with its name before.
    pub(super) fn renamed(&self, service: &ServiceName, other: &ServiceName) -> Self {
        let beside = |file: &Path| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let own = name.strip_prefix(service.as_str()).and_then(|rest| rest.strip_prefix('.'));
            file.with_file_name(format!("{other}.{}", own.unwrap_or(&name))).into()
        };
        Self { stdout: beside(&self.stdout), stderr: beside(&self.stderr), ..self.clone() }
    }
}

/// When a log file is set aside, and what becomes of those set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file that would grow beyond this many bytes is set aside, at a line's end.
    pub size_max: u64,
    /// How many set-aside files are kept (`NAME.out.log.1` is the newest).
    pub keep: u32,
    /// A file is set aside at the end of each such part of the day as well.
    pub every: Option<Every>,
    /// All log files of the service together never take more bytes than this; the oldest go first.
    pub total_max: Option<u64>,
    /// How files set aside are kept.
    pub compression: Compression,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { size_max: 50_000_000, keep: 10, every: None, total_max: None, compression: Compression::None }
    }
}

/// A part of a day in whole minutes, of which a day has a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every(u32);

impl Every {
    /// A whole day.
    pub const DAY: Self = Self(24 * 60);
    /// An hour.
    pub const HOUR: Self = Self(60);

    /// None if a day is no whole number of these, or they are no whole number of minutes.
    pub fn new(part: Duration) -> Option<Self> {
        let minutes = u32::try_from(part.as_secs() / 60).ok().filter(|minutes| *minutes > 0)?;
        let is_whole = part == Duration::from_secs(u64::from(minutes) * 60);
        (is_whole && Self::DAY.0 % minutes == 0).then_some(Self(minutes))
    }

    /// How long it is.
    pub fn minutes(self) -> u32 {
        self.0
    }
}

/// How files set aside are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// As gzip files (RFC 1952), with `.gz` behind their number.
    Gzip,
}
