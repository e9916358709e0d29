use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::control::{Outcome, statuses};
use super::desk::{Desk, find_one, in_order};
use super::method::{AtEnd, Method, Params};
use crate::daemon::processes::Process;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;
use crate::vocab;

/// One answer has so many bytes of a log at most.
const BYTES_MAX: u64 = 8 << 20;

const READ: &[&str] = &["string", "string", "int", "int"];
const TAIL: &[&str] = &["array", "string", "int", "int"];
const READ_HELP: &str = "Reads bytes of a log: so many from an offset, all from there on with 0, or the last ones with a \
                         negative offset and 0; at most 8 MiB.";
const TAIL_HELP: &str = "Reads on in a log: [bytes, offset, overflow], of so many bytes from an offset; where the log has \
                         grown further, the last ones.";

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.readLog", "supervisor.readMainLog"],
        types: &["string", "int", "int"],
        optional: 0,
        help: "Reads bytes of the supervisor's own log, as readProcessStdoutLog does of a process' log.",
        at_end: AtEnd::Refused,
        run: |desk, params| {
            Box::pin(async move { read(&desk.look().await?.supervisor_log, params.int(0), params.int(1)) })
        },
    },
    Method {
        names: &["supervisor.clearLog"],
        types: &["boolean"],
        optional: 0,
        help: "Empties the supervisor's own log.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(clear_own(desk)),
    },
    Method {
        names: &["supervisor.readProcessStdoutLog", "supervisor.readProcessLog"],
        types: READ,
        optional: 0,
        help: READ_HELP,
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(read_of(desk, params, stdout)),
    },
    Method {
        names: &["supervisor.readProcessStderrLog"],
        types: READ,
        optional: 0,
        help: READ_HELP,
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(read_of(desk, params, stderr)),
    },
    Method {
        names: &["supervisor.tailProcessStdoutLog", "supervisor.tailProcessLog"],
        types: TAIL,
        optional: 0,
        help: TAIL_HELP,
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(tail_of(desk, params, stdout)),
    },
    Method {
        names: &["supervisor.tailProcessStderrLog"],
        types: TAIL,
        optional: 0,
        help: TAIL_HELP,
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(tail_of(desk, params, stderr)),
    },
    Method {
        names: &["supervisor.clearProcessLogs", "supervisor.clearProcessLog"],
        types: &["boolean", "string"],
        optional: 0,
        help: "Removes the log files of a process; what it writes from there on goes to new ones.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(clear(desk, params)),
    },
    Method {
        names: &["supervisor.clearAllProcessLogs"],
        types: &["array"],
        optional: 0,
        help: "Removes the log files of every process.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(clear_all(desk)),
    },
];

/// The file of standard output, if it goes into one.
pub fn stdout(process: &Process) -> Option<PathBuf> {
    process.spec.logs.file(vocab::stream::Stream::Stdout).map(Path::to_owned)
}

/// The file of standard error, if it has one of its own.
pub fn stderr(process: &Process) -> Option<PathBuf> {
    process.spec.logs.file(vocab::stream::Stream::Stderr).map(Path::to_owned)
}

type Stream = fn(&Process) -> Option<PathBuf>;

async fn read_of(desk: &Desk, params: Params, stream: Stream) -> Answer {
    let processes = desk.look().await?;
    let process = find_one(&processes, params.text(0))?;
    let file = stream(process).ok_or_else(|| FaultCode::NoFile.bare())?;
    let has_run = process.times.start_ms > 0;
    beside_the_loop(move || {
        // A process that has written nothing has no file here, and an empty one in supervisord.
        let is_silent = has_run && !file.exists();
        read(if is_silent { Path::new("/dev/null") } else { &file }, params.int(1), params.int(2))
    })
    .await?
}

/// Reads from a disk that may be slow where nobody else waits for it.
async fn beside_the_loop<T: Send + 'static>(
    reading: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(reading).await.map_err(|_| FaultCode::Failed.bare())
}

fn read(file: &Path, offset: i64, length: i64) -> Answer {
    if !file.exists() {
        return Err(FaultCode::NoFile.with(file.display()));
    }
    let failed = |_| FaultCode::Failed.bare();
    let bytes = match (u64::try_from(offset), u64::try_from(length)) {
        (Err(_), Ok(0)) => {
            let size = fs::metadata(file).map_err(failed)?.len();
            bytes_of(file, size.saturating_sub(offset.unsigned_abs()), offset.unsigned_abs())
        }
        (Ok(offset), Ok(0)) => bytes_of(file, offset, BYTES_MAX),
        (Ok(offset), Ok(length)) => bytes_of(file, offset, length),
        (Ok(_) | Err(_), _) => return Err(FaultCode::BadArguments.bare()),
    };
    bytes.map(|bytes| text(&bytes)).map_err(failed)
}

/// Bytes that are cut within a character, or are none, are U+FFFD.
fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

fn bytes_of(file: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length.min(BYTES_MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn tail_of(desk: &Desk, params: Params, stream: Stream) -> Answer {
    let processes = desk.look().await?;
    let file = stream(find_one(&processes, params.text(0))?);
    beside_the_loop(move || {
        let nothing = |offset| Value::Array(vec!["".into(), Value::Int(offset), false.into()]);
        let Some(file) = file.filter(|file| file.exists()) else { return nothing(0) };
        let (offset, length) = (params.int(1), params.int(2));
        tail(&file, offset, length).unwrap_or_else(|_| nothing(offset))
    })
    .await
}

/// supervisord's rules: a log that has grown beyond what was asked for gives its last bytes, and so does one that is
/// shorter, of which some are then repeated.
fn tail(file: &Path, offset: i64, length: i64) -> io::Result<Value> {
    let size = i64::try_from(fs::metadata(file)?.len()).unwrap_or(i64::MAX);
    let has_overflown = size > offset.saturating_add(length);
    let offset = if has_overflown { size - 1 } else { offset };
    let (offset, length) = match offset.saturating_add(length) > size {
        true if offset > size - 1 => (size, 0),
        true => (size - length, length),
        false => (offset, length),
    };
    let [offset, length] = [offset, length].map(|number| u64::try_from(number).unwrap_or(0));
    let bytes = bytes_of(file, offset, length)?;
    Ok(Value::Array(vec![text(&bytes), Value::Int(size), has_overflown.into()]))
}

async fn clear_own(desk: &Desk) -> Answer {
    let log = desk.look().await?.supervisor_log.clone();
    beside_the_loop(move || {
        if !log.exists() {
            return Err(FaultCode::NoFile.with(log.display()));
        }
        // It is open for appending, so that what is written next goes to its beginning.
        let emptied = File::options().write(true).truncate(true).open(log);
        emptied.map(|_| true.into()).map_err(|_| FaultCode::Failed.bare())
    })
    .await?
}

async fn clear(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    let name = params.text(0);
    let (process, name) = (find_one(&processes, name)?.clone(), name.to_owned());
    beside_the_loop(move || remove(&process, &name)).await?.map(|()| true.into())
}

async fn clear_all(desk: &Desk) -> Answer {
    let processes = desk.look().await?;
    let outcome = |process: Process| {
        let result = remove(&process, &process.unit.full_name());
        Outcome { unit: process.unit, result }
    };
    let all = in_order(processes.all.iter().collect());
    beside_the_loop(move || statuses(all.into_iter().map(outcome).collect())).await
}

/// The pump goes on with a new file where it finds none.
fn remove(process: &Process, name: &str) -> Result<(), Fault> {
    let mut files = stdout(process).into_iter().chain(stderr(process));
    let remove = |file: PathBuf| match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FaultCode::Failed.with(name)),
        Ok(()) | Err(_) => Ok(()),
    };
    files.try_for_each(remove)
}

#[cfg(test)]
mod tests {
    use super::{read, tail};
    use crate::protocol::xmlrpc::value::Value;

    #[test]
    fn bytes_of_a_log_are_read_by_supervisords_rules() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        std::fs::write(&file, "0123456789").unwrap();
        let check = |offset, length, expected: Result<&str, &str>| {
            let read = read(&file, offset, length);
            let read =
                read.as_ref().map(|value| value.as_str().unwrap()).map_err(|fault| fault.text.as_str());
            assert_eq!(read, expected, "{offset}, {length}");
        };
        check(0, 0, Ok("0123456789"));
        check(3, 0, Ok("3456789"));
        check(3, 2, Ok("34"));
        check(8, 100, Ok("89"));
        check(10, 0, Ok(""));
        check(99, 5, Ok(""));
        check(-4, 0, Ok("6789"));
        check(-400, 0, Ok("0123456789"));
        check(-4, 1, Err("BAD_ARGUMENTS"));
        check(0, -1, Err("BAD_ARGUMENTS"));
        let missing = dir.path().join("no");
        assert_eq!(super::read(&missing, 0, 0).unwrap_err().text, format!("NO_FILE: {}", missing.display()));
        std::fs::write(&file, "aé").unwrap();
        check(0, 2, Ok("a\u{fffd}"));
    }

    #[test]
    fn the_end_of_a_log_is_read_by_supervisords_rules() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        std::fs::write(&file, "0123456789").unwrap();
        let check = |offset, length, bytes: &str, overflow| {
            let expected = Value::Array(vec![bytes.into(), Value::Int(10), Value::Bool(overflow)]);
            assert_eq!(tail(&file, offset, length).unwrap(), expected, "{offset}, {length}");
        };
        check(0, 10, "0123456789", false);
        check(0, 4, "6789", true);
        check(9, 4, "6789", false);
        check(10, 4, "", false);
        check(0, 100, "0123456789", false);
        check(99, 4, "", false);
    }
}
