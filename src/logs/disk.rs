use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::envelope::Origin;
use super::loss::{Tally, Wait};
use crate::spec::log::OnFull;

/// Whether the disk takes what comes of a stream.
#[derive(Debug)]
pub(super) enum Disk {
    Well,
    /// Nothing is taken out of the pipe. The service waits when that is full, and nobody else does.
    Stuck {
        retry_at: Instant,
        pause: Duration,
        /// So long that is told of.
        told: Wait,
    },
}

/// Whose bytes it is to take, and what is told of that.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) origin: &'a Origin,
    pub(super) on_full: OnFull,
    pub(super) tally: &'a Tally,
}

/// The first pause after an error of the disk, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

impl Disk {
    pub(super) fn is_stuck(&self) -> bool {
        match self {
            Self::Well => false,
            Self::Stuck { .. } => true,
        }
    }

    /// Until when it is left alone, if that has not come yet.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        match self {
            Self::Well => None,
            Self::Stuck { retry_at, .. } => Some(*retry_at).filter(|retry_at| *retry_at > Instant::now()),
        }
    }

    /// How long it is left alone if it fails at the next attempt.
    pub(super) fn next_pause(&self) -> Duration {
        match self {
            Self::Well => PAUSE_FIRST,
            Self::Stuck { pause, .. } => (*pause * 2).min(PAUSE_LONGEST),
        }
    }

    /// The next attempt is due, however short the pause was.
    pub(super) fn retry_now(&mut self) {
        match self {
            Self::Well => (),
            Self::Stuck { retry_at, .. } => *retry_at = Instant::now(),
        }
    }

    /// It took what came.
    pub(super) fn get_well(&mut self, of: Whose<'_>) {
        if self.is_stuck() {
            let kept = match of.on_full {
                OnFull::Block => "nothing was lost",
                OnFull::Drop => "what was dropped is counted and told of in it",
            };
            tracing::info!(service = %of.origin.service, stream = ?of.origin.stream, "its log file can be written again; {kept}");
            *self = Self::Well;
        }
    }

    /// It failed, and rests for a while; says when it is tried again.
    pub(super) fn get_stuck(&mut self, error: &io::Error, pause: Duration, of: Whose<'_>) -> Instant {
        let told = match mem::replace(self, Self::Well) {
            Self::Well => {
                let kept = match of.on_full {
                    OnFull::Block => "its output waits in its pipe",
                    OnFull::Drop => "its output waits in its pipe, and is dropped when that is half full",
                };
                tracing::warn!(service = %of.origin.service, stream = ?of.origin.stream, %error, "cannot write its log file; {kept}");
                Wait::begin(of.tally, of.origin, error)
            }
            Self::Stuck { told, .. } => {
                told.because(error);
                told
            }
        };
        let retry_at = Instant::now() + pause;
        *self = Self::Stuck { retry_at, pause, told };
        retry_at
    }
}
