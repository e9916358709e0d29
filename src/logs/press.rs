use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::files;
use super::pump::Request;
use super::times;
use crate::sys;
use crate::sys::arrivals::Waker;

/// Compresses files set aside, one after the other, each in a short-lived thread that gets what processor time others leave.
/// The thread makes a file of another name; whoever owns the series puts that into its place.
pub(super) struct Press {
    back: mpsc::Sender<Request>,
    waker: Waker,
    busy: bool,
    /// Whose turn is next.
    queue: VecDeque<usize>,
}

/// A file set aside, and where its compressed form is made.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) made: PathBuf,
    pub(super) times: PathBuf,
    /// While this is held, no other file of the series is compressed.
    pub(super) turn: Arc<()>,
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Pressed {
    /// The inode of the file that was compressed.
    pub(super) replaced: u64,
    /// Where its compressed form lies.
    pub(super) made: PathBuf,
    /// That of the job, until what was made has its place.
    #[expect(dead_code, reason = "it is held")]
    pub(super) turn: Arc<()>,
}

/// So many bytes are compressed, in a millisecond or two, before others have their turn.
const TURN_BYTES: u64 = 64 << 10;

/// A follower reads the last of a file within this time after it was set aside.
const SETTLE: Duration = Duration::from_secs(1);

impl Press {
    pub(super) fn new(back: mpsc::Sender<Request>, waker: Waker) -> Self {
        Self { back, waker, busy: false, queue: VecDeque::new() }
    }

    /// A stream has files to compress.
    pub(super) fn enqueue(&mut self, token: usize) {
        if !self.queue.contains(&token) {
            self.queue.push_back(token);
        }
    }

    /// Whose turn it is, if nothing is under way.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.busy { None } else { self.queue.pop_front() }
    }

    /// Begins a job; what comes of it comes back as a request.
    pub(super) fn begin(&mut self, token: usize, job: Job) -> io::Result<()> {
        // Opened here: rotation may give its name to another file meanwhile.
        let file = File::open(&job.path)?;
        let (back, waker) = (self.back.clone(), self.waker.clone());
        thread::Builder::new().name("log-press".to_owned()).stack_size(256 * 1024).spawn(move || {
            thread::sleep(SETTLE);
            sys::thread::stand_back();
            let pressed = press(&file, &job).inspect_err(|_| drop(fs::remove_file(&job.made)));
            drop(job);
            // A pump that has ended leaves the file for the next one.
            let _ = back.send(Request::Pressed(token, pressed));
            waker.wake();
        })?;
        self.busy = true;
        Ok(())
    }

    /// The job is over.
    pub(super) fn rest(&mut self) {
        self.busy = false;
    }
}

/// The compressed form has the time index, the permissions and the age of what it was made of.
pub(super) fn press(file: &File, job: &Job) -> io::Result<Pressed> {
    let found = file.metadata()?;
    let mut options = OpenOptions::new();
    let made = options.write(true).create(true).truncate(true).mode(0o640).open(&job.made)?;
    let mut encoder = GzEncoder::new(BufWriter::new(made), Compression::default());
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    while io::copy(&mut reader.by_ref().take(TURN_BYTES), &mut encoder)? > 0 {
        sys::thread::give_way();
    }
    let mut writer = encoder.finish()?;
    writer.flush()?;
    let made = writer.get_ref();
    made.set_permissions(found.permissions())?;
    made.set_modified(found.modified()?)?;
    // The original goes when this has its name: by then it is on the disk.
    made.sync_all()?;
    let index = times::path(&job.times, made.metadata()?.ino());
    if fs::copy(times::path(&job.times, found.ino()), &index).is_err() {
        // An index of another file that had this inode says nothing about this one.
        let _ = fs::remove_file(&index);
    }
    Ok(Pressed { replaced: found.ino(), made: job.made.clone(), turn: Arc::clone(&job.turn) })
}

/// The next file of a series to compress: the oldest, so that those that are not compressed are the youngest.
pub(super) fn next(path: &Path, times: &Path) -> Option<Job> {
    let plain = files::set_aside(path).into_values().rev().find(|path| !files::is_pressed(path))?;
    Some(Job { path: plain, made: files::pressing_path(path), times: times.to_owned(), turn: Arc::default() })
}
