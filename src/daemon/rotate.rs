use std::collections::BTreeMap;
use std::path::PathBuf;
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
        let mut asked: BTreeMap<PathBuf, Answer> = BTreeMap::new();
        let mut streams = Vec::new();
        for service in names.iter().filter_map(|name| self.fleet.spec().service(name)) {
            for (stream, file) in service.logs.files() {
                let key = StreamKey { service: service.name.clone(), stream };
                // A file that several write is set aside once, or what one of them writes meanwhile would be as well.
                asked.entry(file.to_owned()).or_insert_with(|| self.pump.set_aside(key.clone()));
                streams.push((key, file.to_owned()));
            }
        }
        tokio::spawn(async move {
            let deadline = Instant::now() + LIMIT;
            let mut came = BTreeMap::new();
            for (file, answer) in asked {
                came.insert(file, outcome(answer, deadline).await);
            }
            let result = |(StreamKey { service, stream }, file): (StreamKey, PathBuf)| {
                let (outcome, note) = came.get(&file)?.clone();
                Some(Rotated { service, stream, file, outcome, note })
            };
            let results = streams.into_iter().filter_map(result).collect();
            let _ = reply.send(Ok(RotateReport { results }));
        });
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
        SetAside::Removed => (RotateOutcome::Removed, waiting),
        SetAside::Empty => (RotateOutcome::Empty, waiting),
        SetAside::AtLineEnd => (RotateOutcome::AtLineEnd, waiting),
        SetAside::RemovedAtLineEnd => {
            let removed = "it is removed then, for `keep` is 0";
            let note = waiting.map_or_else(|| removed.to_owned(), |waiting| format!("{removed}; {waiting}"));
            (RotateOutcome::AtLineEnd, Some(note))
        }
        SetAside::Failed(why) => (RotateOutcome::Failed, Some(why)),
    }
}
