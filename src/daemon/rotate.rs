use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::engine::Engine;
use crate::logs::pump::{SetAside, StreamKey};
use crate::protocol::logs::{RotateOrder, RotateOutcome, RotateReport, Rotated};
use crate::protocol::problem::Problem;

/// A log disk that answers nothing for so long is said to hang.
const LIMIT: Duration = Duration::from_secs(5);

/// What the pump says of one file.
type Answer = oneshot::Receiver<(SetAside, usize)>;

impl Engine {
    /// Sets log files aside; the answer comes when the pump has done it, or does not answer.
    pub(super) fn rotate_logs(
        &self,
        order: &RotateOrder,
        reply: oneshot::Sender<Result<RotateReport, Problem>>,
    ) {
        let names = match self.pick(&order.services) {
            Ok(names) => names,
            Err(problem) => return drop(reply.send(Err(problem))),
        };
        let mut asked = Vec::new();
        for service in names.iter().filter_map(|name| self.fleet.spec().service(name)) {
            for (stream, file) in service.logs.files() {
                let key = StreamKey { service: service.name.clone(), stream };
                let keep = service.logs.rotation.keep;
                asked.push((key.clone(), file.to_owned(), keep, self.pump.set_aside(key)));
            }
        }
        tokio::spawn(async move {
            let deadline = Instant::now() + LIMIT;
            let mut results = Vec::with_capacity(asked.len());
            for (StreamKey { service, stream }, file, keep, answer) in asked {
                let (outcome, note) = as_kept(keep, outcome(answer, deadline).await);
                results.push(Rotated { service, stream, file, outcome, note });
            }
            let _ = reply.send(Ok(RotateReport { results }));
        });
    }
}

/// What that means where so many files set aside are kept.
fn as_kept(keep: u32, (outcome, note): (RotateOutcome, Option<String>)) -> (RotateOutcome, Option<String>) {
    match (outcome, keep) {
        (RotateOutcome::Rotated, 0) => (RotateOutcome::Removed, note),
        (RotateOutcome::AtLineEnd, 0) => {
            let removed = "it is removed then, for `keep` is 0";
            (outcome, Some(note.map_or_else(|| removed.to_owned(), |note| format!("{removed}; {note}"))))
        }
        (
            RotateOutcome::Rotated
            | RotateOutcome::Removed
            | RotateOutcome::Empty
            | RotateOutcome::AtLineEnd
            | RotateOutcome::Failed,
            _,
        ) => (outcome, note),
    }
}

async fn outcome(answer: Answer, deadline: Instant) -> (RotateOutcome, Option<String>) {
    let (came, waiting) = match timeout_at(deadline, answer).await {
        Ok(Ok(came)) => came,
        Ok(Err(_)) => {
            return (RotateOutcome::Failed, Some("its output is not read: it has no channel".to_owned()));
        }
        Err(_) => {
            let note = format!("its disk has not answered for {} s", LIMIT.as_secs());
            return (RotateOutcome::Failed, Some(note));
        }
    };
    let waiting = (waiting > 0).then(|| format!("{waiting} bytes wait because they cannot be written"));
    match came {
        SetAside::Done => (RotateOutcome::Rotated, waiting),
        SetAside::Empty => (RotateOutcome::Empty, waiting),
        SetAside::AtLineEnd => (RotateOutcome::AtLineEnd, waiting),
        SetAside::Failed(why) => (RotateOutcome::Failed, Some(why)),
    }
}
