use super::service::Service;
use crate::spec::watch::Watch;
use crate::vocab::moment::Moment;
use crate::vocab::state::Goal;

/// What is remembered of the files that a service watches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Watched {
    /// When it was started again for a change, the last few times.
    starts: Vec<Moment>,
    /// Its files do not count for a while: it changes them itself.
    paused: Option<Paused>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Paused {
    until: Moment,
    /// What changed last.
    path: String,
}

impl Watched {
    /// When its files count again.
    pub(super) fn resumes(&self) -> Option<Moment> {
        self.paused.as_ref().map(|paused| paused.until)
    }

    /// Why its files do not count.
    pub(super) fn reason(&self) -> Option<String> {
        let Paused { path, .. } = self.paused.as_ref()?;
        let (starts, within, pause) =
            (Watch::LOOP_STARTS, Watch::LOOP_WITHIN.as_secs(), Watch::LOOP_PAUSE.as_secs());
        Some(format!(
            "its files are not watched for {pause}s: it was started again {starts} times within {within}s, at last for {path}"
        ))
    }
}

impl Service {
    /// A file changed that it watches: it is started again if it is wanted, also when it had given up.
    pub(super) fn on_file_changed(&mut self, path: String, now: Moment) {
        if self.goal == Goal::Down || self.spec.watch.is_none() || self.watched.paused.is_some() {
            return;
        }
        self.watched.starts.retain(|at| now.since(*at) < Watch::LOOP_WITHIN);
        if self.watched.starts.len() >= Watch::LOOP_STARTS {
            self.watched.paused = Some(Paused { until: now.after(Watch::LOOP_PAUSE), path });
            return;
        }
        self.watched.starts.push(now);
        self.want_again();
    }

    /// Its files count again when their pause is over.
    pub(super) fn end_pause_of_watch(&mut self, now: Moment) {
        if self.watched.resumes().is_some_and(|at| at <= now) {
            self.watched = Watched::default();
        }
    }
}
