use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::upgrade::{Partner, Program, Second, start_beside};
use crate::rundir::paths::Paths;
use crate::rundir::roles::WATCH;
use crate::sys::estate::Numbers;
use crate::sys::{pipe, process};
use crate::vocab::identity::Identity;
use crate::vocab::outcome::Outcome;

/// A supervisor whose guardian has ended starts another one, which is no parent of it: nobody but the parent is sure to learn
/// how a process ended. So it says its exit code through a pipe before it ends; one that ends without a word has died.
#[derive(Debug, Clone, Default)]
pub struct LastWord {
    to_guardian: Arc<Mutex<Option<PipeWriter>>>,
}

impl LastWord {
    /// Starts a guardian for this process, which shares its estate.
    ///
    /// # Errors
    /// The system has no process to give, or the procman on disk cannot be run.
    pub fn hire(&self, program: &Program, paths: &Paths, estate: Numbers) -> io::Result<Identity> {
        let (read, write) = io::pipe()?;
        let partner = Partner { identity: process::own(), estate };
        let guardian = start_beside(paths, Second { program, role: WATCH, partner, pipe: read.into() })?;
        *self.held() = Some(write);
        Ok(guardian)
    }

    /// Says the exit code with which this process is about to end, to the guardian that it started, if it did.
    pub fn say(&self, code: u8) {
        if let Some(mut guardian) = self.held().take() {
            // One that has ended as well needs no word.
            let _ = guardian.write_all(&[code]);
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<PipeWriter>> {
        self.to_guardian.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guardian's ear for the supervisor that started it.
#[derive(Debug)]
pub(super) struct Ear {
    pipe: File,
}

impl Ear {
    /// From here on SIGIO comes when there is something to hear.
    pub(super) fn new(pipe: File) -> io::Result<Self> {
        pipe::announce(&pipe)?;
        Ok(Self { pipe })
    }

    /// How it ended: by its word, or without one. None while it lives.
    pub(super) fn hear(&mut self) -> Option<Outcome> {
        let mut code = [0];
        match self.pipe.read(&mut code) {
            Ok(1) => Some(Outcome::Code(code[0].into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => Some(Outcome::Unknown),
        }
    }
}
