use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::charge::Charge;
use super::engine::Engine;
use super::mailbox::Message;
use super::shim;
use crate::machine;
use crate::machine::phase::Phase;
use crate::machine::trouble::Remedy;
use crate::spec::policy::Stop;
use crate::spec::service::Service;
use crate::sys::signal;
use crate::vocab::name::ServiceName;
use crate::vocab::run::{RunId, Tag};
use crate::vocab::signal::Signal;

/// The variable that tells the shim where the stacks of a run's threads are written.
const VARIABLE: &str = "PROCMAN_STACKS";

/// What has a Python with the shim write its stacks. To who has no handler for it, it is nothing.
const SHOW: Signal = Signal::URG;

/// The stacks of a run take no longer than this, and no longer than half of the time that the run has to end.
const CAPTURE_MAX: Duration = Duration::from_secs(1);

/// One process takes no longer than this; it has written all when nothing more comes for so long.
const ANSWER_MAX: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);

/// What was written is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// So many processes of a tree are asked, the main one first.
const PROCESSES_MAX: usize = 16;

/// Of what they write so much is kept, the last: Python tells of its main thread last.
const STACKS_BYTES_MAX: usize = 16 * 1024;

/// The stacks of a run that hangs, which is to be asked to end.
#[derive(Debug)]
pub struct Captured {
    run: RunId,
    stop: Stop,
    stacks: Vec<String>,
}

/// Tells a run by its environment where its stacks are written, if they are to be.
pub(super) fn announce(
    service: &Service,
    tag: &Tag,
    python: &Path,
    environment: &mut BTreeMap<String, String>,
) {
    environment.remove(VARIABLE);
    if service.capture_hangs {
        environment.insert(VARIABLE.to_owned(), place(python, &tag.service, tag.run).display().to_string());
        if service.hold.is_none() {
            shim::precede(python, environment);
        }
    }
}

fn place(python: &Path, service: &ServiceName, run: RunId) -> PathBuf {
    python.join(format!("{service}-{run}.stacks"))
}

impl Engine {
    /// Asks a run to end. One that is ended because it hangs leaves its stacks first.
    pub(super) fn stop(&mut self, run: RunId, stop: Stop) {
        let Some(charge) = self.wardens.get(&run).map(|warden| Arc::clone(warden.charge())) else { return };
        if !self.is_hanging(run) {
            return self.with_warden(run, |warden| warden.stop(stop));
        }
        let place = place(&self.paths.python, &charge.tag.service, run);
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let stacks = capture(&charge, &place, CAPTURE_MAX.min(stop.timeout / 2)).await;
            mailbox.send(Message::Captured(Captured { run, stop, stacks })).await;
        });
    }

    /// Asks runs to end that hang, and that the supervisor before this one was about to ask: it may have died over their
    /// stacks. One that was asked before is asked once more.
    pub(super) fn ask_hanging_to_end(&mut self) {
        let hanging = |service: &machine::service::Service| {
            let Phase::Stopping { live, .. } = service.phase() else { return None };
            self.is_hanging(live.run).then(|| (live.run, service.spec().stop))
        };
        let hanging: Vec<(RunId, Stop)> = self.fleet.services().values().filter_map(hanging).collect();
        hanging.into_iter().for_each(|(run, stop)| self.stop(run, stop));
    }

    fn is_hanging(&self, run: RunId) -> bool {
        let service = self.fleet.service_of(run).filter(|service| service.spec().capture_hangs);
        let first = service.filter(|service| service.phase().run() == Some(run));
        match first.and_then(|service| service.condemned()) {
            Some((_, Remedy::Restart | Remedy::Stop)) => true,
            Some((_, Remedy::Fail | Remedy::Renew)) | None => false,
        }
    }

    /// The stacks of a run have come, or do not come. It is asked to end, unless it was killed meanwhile.
    pub(super) fn captured(&mut self, captured: Captured) {
        let Captured { run, stop, stacks } = captured;
        let Some(service) = self.fleet.service_of(run) else { return };
        let is_due = matches!(service.phase(), Phase::Stopping { live, .. } if live.run == run);
        self.stacks.insert(run, stacks);
        if is_due {
            self.with_warden(run, |warden| warden.stop(stop));
        }
    }

    /// The stacks of a run that has ended.
    pub(super) fn take_stacks(&mut self, run: RunId, service: &ServiceName) -> Vec<String> {
        // Who has no such file has nothing to remove.
        let _ = fs::remove_file(place(&self.paths.python, service, run));
        self.stacks.remove(&run).unwrap_or_default()
    }
}

/// The stacks of all Python processes of a run, or why there are none.
async fn capture(charge: &Charge, place: &Path, limit: Duration) -> Vec<String> {
    if !place.exists() {
        return vec![
            "none: the program passes by the shim of `capture_hangs` (python -I, -E and -S do, and what is not Python)"
                .to_owned(),
        ];
    }
    let deadline = Instant::now() + limit;
    let mut tree = charge.tree();
    let main = charge.lead.main();
    tree.sort_by_key(|process| (process.identity != main, process.identity));
    let mut text = String::new();
    let mut seen = written(place);
    for process in tree.into_iter().take(PROCESSES_MAX) {
        let until = deadline.min(Instant::now() + ANSWER_MAX);
        // One that has ended meanwhile writes nothing.
        let _ = signal::send(process.identity, SHOW);
        let size = size_after_writing(place, seen, until).await;
        if size > seen {
            let bytes = fs::read(place).unwrap_or_default();
            let fresh = bytes.get(seen..).unwrap_or_default();
            text.push_str(&format!("pid {}:\n{}", process.identity.pid, String::from_utf8_lossy(fresh)));
            seen = size;
        }
    }
    if text.is_empty() {
        let limit = limit.as_millis();
        return vec![format!(
            "none: nothing came within {limit}ms (the program has a handler of its own for {SHOW}, or is stopped)"
        )];
    }
    last_lines(&text)
}

/// Waits until something was written, and no more comes for a while; how much there is then.
async fn size_after_writing(place: &Path, before: usize, until: Instant) -> usize {
    let (mut size, mut since) = (before, Instant::now());
    while Instant::now() < until && (size == before || since.elapsed() < PAUSE) {
        tokio::time::sleep(LOOK_AGAIN).await;
        let found = written(place);
        if found != size {
            (size, since) = (found, Instant::now());
        }
    }
    size
}

fn written(place: &Path) -> usize {
    fs::metadata(place).map_or(0, |found| usize::try_from(found.len()).unwrap_or(usize::MAX))
}

/// The last lines of a text, as many as are kept.
fn last_lines(text: &str) -> Vec<String> {
    let from = text.len().saturating_sub(STACKS_BYTES_MAX);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[from..].lines().skip(usize::from(from > 0)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{STACKS_BYTES_MAX, last_lines};

    #[test]
    fn of_long_stacks_the_last_whole_lines_are_kept() {
        assert_eq!(last_lines("a\nb\n"), ["a", "b"]);
        let text: String = (0..5000).map(|number| format!("line {number}\n")).collect();
        let kept = last_lines(&text);
        assert_eq!(kept.last().map(String::as_str), Some("line 4999"));
        assert!(kept.iter().map(|line| line.len() + 1).sum::<usize>() <= STACKS_BYTES_MAX);
        assert!(kept[0].starts_with("line "), "{}", kept[0]);
    }
}
