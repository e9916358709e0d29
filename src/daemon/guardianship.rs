use std::fmt;
use std::io;
use std::time::Duration;

use super::engine::{Ending, Engine};
use super::mailbox::Message;
use crate::protocol::problem::{Kind, Problem};
use crate::sys::exit::ExitWatch;
use crate::sys::process;
use crate::vocab::identity::Identity;

/// Starts a guardian.
pub type HireFn = dyn FnMut() -> io::Result<Identity> + Send;

/// How to get another guardian: starts one for this process, which shares its estate.
pub struct Hire(pub Box<HireFn>);

impl fmt::Debug for Hire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hire")
    }
}

/// A guardian that ends soon after it was started is replaced this much later, and no sooner.
const PAUSE: Duration = Duration::from_secs(1);

/// A process that cannot be watched is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Hears of it when the guardian ends.
    pub(super) fn watch_guardian(&self) {
        if let Some(guardian) = self.guardian {
            let mailbox = self.mailbox.clone();
            tokio::spawn(async move {
                until_it_ends(guardian).await;
                mailbox.send(Message::GuardianEnded(guardian)).await;
            });
        }
    }

    /// The guardian was killed: without one, nobody would bring this supervisor back.
    pub(super) fn replace_guardian(&mut self, ended: Identity) {
        if self.guardian != Some(ended) || self.ending != Ending::NotYet {
            return;
        }
        match (self.hire.0)() {
            Ok(guardian) => {
                tracing::warn!(%ended, %guardian, "the guardian ended; there is another");
                self.guardian = Some(guardian);
                self.watch_guardian();
            }
            Err(error) => {
                tracing::error!(%ended, %error, "the guardian ended, and there is no other yet");
                let mailbox = self.mailbox.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(PAUSE).await;
                    mailbox.send(Message::GuardianEnded(ended)).await;
                });
            }
        }
    }
}

async fn until_it_ends(guardian: Identity) {
    let begun = tokio::time::Instant::now();
    match ExitWatch::open(guardian).ok().and_then(|watch| watch.into_async().ok()) {
        Some(watch) => drop(watch.readable().await),
        None => {
            while process::is_alive(guardian) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
    if begun.elapsed() < PAUSE {
        tokio::time::sleep(PAUSE).await;
    }
}

pub(super) fn no_guardian() -> Problem {
    Problem {
        kind: Kind::NoGuardian,
        what: "cannot upgrade: the supervisor has no guardian that could put the new one in charge"
            .to_owned(),
        hint: Some("`procman restart --quick` starts both afresh, and the services with them".to_owned()),
    }
}
