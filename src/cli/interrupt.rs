use std::future::Future;
use std::os::unix::net::UnixStream as StdStream;

use signal_hook::consts::SIGINT;
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::failure::Failure;

/// Waits for an answer until it comes or somebody presses Ctrl-C; `goodbye` says what becomes of what was asked for.
pub(super) async fn unless_interrupted<T, E: Into<Failure>>(
    asked: impl Future<Output = Result<T, E>>,
    goodbye: &'static str,
) -> Result<T, Failure> {
    tokio::select! {
        answer = asked => answer.map_err(Into::into),
        () = interrupted() => Err(Failure::Interrupted(goodbye)),
    }
}

/// Resolves at SIGINT; never where the signal cannot be caught, for then it ends the process as it always did.
pub(super) async fn interrupted() {
    let caught = StdStream::pair().and_then(|(read, write)| {
        read.set_nonblocking(true)?;
        pipe::register(SIGINT, write)?;
        UnixStream::from_std(read)
    });
    match caught {
        Ok(mut read) => drop(read.read_u8().await),
        Err(_) => std::future::pending().await,
    }
}
