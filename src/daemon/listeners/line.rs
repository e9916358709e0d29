use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::switchboard::News;
use crate::daemon::mailbox::{Mailbox, Message};
use crate::vocab::run::RunId;

/// The pipes between the supervisor and one run of a listener. They end with the supervisor: a listener then finds the end
/// of its standard input.
#[derive(Debug)]
pub(super) struct Line {
    events: mpsc::Sender<Vec<u8>>,
    tasks: [AbortHandle; 2],
}

/// The listener's ends.
#[derive(Debug)]
pub(in crate::daemon) struct Ends {
    /// Its standard input.
    pub(in crate::daemon) stdin: OwnedFd,
    /// Its standard output.
    pub(in crate::daemon) stdout: OwnedFd,
}

/// The supervisor's ends.
#[derive(Debug)]
pub(in crate::daemon) struct OwnEnds {
    events: OwnedFd,
    answers: OwnedFd,
}

/// Makes the pipes.
pub(in crate::daemon) fn pipes() -> io::Result<(Ends, OwnEnds)> {
    let (stdin, events) = io::pipe()?;
    let (answers, stdout) = io::pipe()?;
    Ok((
        Ends { stdin: stdin.into(), stdout: stdout.into() },
        OwnEnds { events: events.into(), answers: answers.into() },
    ))
}

/// A listener that has not taken one event is sent no other, so that no more than one waits here.
const WAITING_MAX: usize = 1;

/// What is read of an answer at a time.
const CHUNK_BYTES: usize = 4096;

impl Line {
    pub(super) fn open(run: RunId, ends: OwnEnds, mailbox: &Mailbox) -> io::Result<Self> {
        let mut answers = pipe::Receiver::from_owned_fd(ends.answers)?;
        let mut into = pipe::Sender::from_owned_fd(ends.events)?;
        let (events, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let mailbox = mailbox.clone();
        let ears = tokio::spawn(async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(length @ 1..) = answers.read(&mut chunk).await {
                mailbox.send(Message::ToListeners(News::Said(run, chunk[..length].to_vec()))).await;
            }
        });
        let mouth = tokio::spawn(async move {
            while let Some(event) = waiting.recv().await {
                // Who closed its standard input is told of nothing; its end, if it comes, is seen elsewhere.
                if into.write_all(&event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { events, tasks: [ears.abort_handle(), mouth.abort_handle()] })
    }

    pub(super) fn send(&self, event: Vec<u8>) {
        if self.events.try_send(event).is_err() {
            tracing::debug!("a listener has closed its standard input");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
