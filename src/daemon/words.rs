use std::time::Duration;

use crate::machine::event::Finding;
use crate::vocab::identity::Pid;
use crate::vocab::measure::Brief;
use crate::vocab::moment::Moment;
use crate::vocab::shown::shown;

/// What a run has told of itself so far (sd_notify(3)).
#[derive(Debug)]
pub(super) struct Words {
    stage: Stage,
    status: Option<String>,
    /// Its last sign of life; when somebody began to listen, if it has given none.
    alive: Moment,
    /// How far apart its signs of life may be, if it has said so itself.
    watchdog: Option<Duration>,
    trigger: Trigger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Reloading,
    Stopping { since: Moment },
}

/// Whether it has said that it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Untouched,
    Pulled,
}

/// What a message changes beyond what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    /// Whether a look may find something else than before.
    pub(super) news: News,
    /// How much longer it asks to be waited for.
    pub(super) extension: Option<Duration>,
    /// Which process it names as its main one.
    pub(super) main: Option<Pid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    None,
    Some,
}

/// The longest status that is shown.
const STATUS_CHARS_MAX: usize = 200;

impl Words {
    /// Nothing was heard before this moment.
    pub(super) fn new(now: Moment) -> Self {
        let (stage, trigger) = (Stage::Starting, Trigger::Untouched);
        Self { stage, status: None, alive: now, watchdog: None, trigger }
    }

    /// Takes note of a message: assignments, one a line. What is unknown says nothing.
    pub(super) fn hear(&mut self, message: &[u8], now: Moment) -> Heard {
        let text = String::from_utf8_lossy(message);
        let mut heard = Heard { news: News::None, extension: None, main: None };
        let micros = |text: &str| text.parse().ok().map(Duration::from_micros);
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match (name, value) {
                ("READY", "1") => {
                    (self.stage, self.alive, heard.news) = (Stage::Ready, now, News::Some);
                }
                ("RELOADING", "1") => self.stage = Stage::Reloading,
                ("STOPPING", "1") => {
                    (self.stage, heard.news) = (Stage::Stopping { since: now }, News::Some);
                }
                ("STATUS", status) => self.status = shown(status, STATUS_CHARS_MAX),
                ("MAINPID", pid) => heard.main = pid.parse().ok().and_then(Pid::new),
                ("WATCHDOG", "1") => self.alive = now,
                ("WATCHDOG", "trigger") => (self.trigger, heard.news) = (Trigger::Pulled, News::Some),
                ("WATCHDOG_USEC", value) => {
                    self.watchdog = micros(value).filter(|time| !time.is_zero());
                    (self.alive, heard.news) = (now, News::Some);
                }
                ("EXTEND_TIMEOUT_USEC", value) => heard.extension = micros(value),
                _ => (),
            }
        }
        heard
    }

    /// What it says of itself, for people.
    pub(super) fn status(&self) -> Option<String> {
        let stage = match self.stage {
            Stage::Starting | Stage::Ready => None,
            Stage::Reloading => Some("reloading"),
            Stage::Stopping { .. } => Some("stopping"),
        };
        match (stage, &self.status) {
            (Some(stage), Some(status)) => Some(format!("{stage}: {status}")),
            (Some(stage), None) => Some(stage.to_owned()),
            (None, status) => status.clone(),
        }
    }

    /// Whether it has said that it is ready.
    pub(super) fn is_ready(&self) -> Finding {
        match (self.trigger, self.stage) {
            (Trigger::Pulled, _) => pulled(),
            (Trigger::Untouched, Stage::Ready | Stage::Reloading) => Finding::Good,
            (Trigger::Untouched, Stage::Starting) => Finding::Bad("it has not said READY=1 yet".to_owned()),
            (Trigger::Untouched, Stage::Stopping { .. }) => {
                Finding::Bad("it says that it is stopping".to_owned())
            }
        }
    }

    /// Whether it lives by its own word. One that says that it is stopping has its time for that.
    pub(super) fn is_alive(&self, watchdog: Duration, stop_timeout: Duration, now: Moment) -> Finding {
        let watchdog = self.watchdog.unwrap_or(watchdog);
        let (since, limit) = match self.stage {
            Stage::Stopping { since } => (since, stop_timeout),
            Stage::Starting | Stage::Ready | Stage::Reloading => (self.alive, watchdog),
        };
        let silent = now.since(since);
        match (self.trigger, limit.checked_sub(silent), self.stage) {
            (Trigger::Pulled, _, _) => pulled(),
            (Trigger::Untouched, Some(left), _) => Finding::GoodFor(left),
            (Trigger::Untouched, None, Stage::Stopping { .. }) => {
                let said = format!("it said that it is stopping, and has not ended within {}", Brief(limit));
                Finding::Bad(said)
            }
            (Trigger::Untouched, None, Stage::Starting | Stage::Ready | Stage::Reloading) => {
                Finding::Bad(format!("it has not said WATCHDOG=1 for more than {}", Brief(limit)))
            }
        }
    }
}

fn pulled() -> Finding {
    Finding::Bad("it said WATCHDOG=trigger".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{News, Words};
    use crate::machine::event::Finding;
    use crate::vocab::identity::Pid;
    use crate::vocab::moment::Moment;
    use std::time::Duration;

    fn at(second: u64) -> Moment {
        Moment::since_boot(Duration::from_secs(second))
    }

    fn alive(words: &Words, second: u64) -> Finding {
        words.is_alive(Duration::from_secs(10), Duration::from_secs(5), at(second))
    }

    fn good_for(seconds: u64) -> Finding {
        Finding::GoodFor(Duration::from_secs(seconds))
    }

    fn is_bad(finding: &Finding, words: &str) -> bool {
        matches!(finding, Finding::Bad(what) if what.contains(words))
    }

    #[test]
    fn a_run_is_ready_when_it_says_so_and_its_status_is_its_last() {
        let mut words = Words::new(at(0));
        assert!(is_bad(&words.is_ready(), "READY=1"));
        assert_eq!(words.hear(b"STATUS=loading 3 of 9", at(1)).news, News::None);
        assert_eq!(words.status().as_deref(), Some("loading 3 of 9"));
        assert_eq!(words.hear(b"READY=1\nSTATUS=up\x1b[2J\nnonsense\nX=1", at(2)).news, News::Some);
        assert_eq!(words.is_ready(), Finding::Good);
        assert_eq!(words.status().as_deref(), Some("up [2J"));
        words.hear(b"RELOADING=1", at(3));
        assert_eq!(words.status().as_deref(), Some("reloading: up [2J"));
        words.hear(b"STATUS=\nREADY=1", at(3));
        assert_eq!(words.status(), None);
    }

    #[test]
    fn a_watchdog_is_fed_by_each_keep_alive_and_by_nothing_else() {
        let mut words = Words::new(at(0));
        words.hear(b"READY=1", at(5));
        assert_eq!(alive(&words, 6), good_for(9));
        words.hear(b"STATUS=busy", at(8));
        assert_eq!(alive(&words, 8), good_for(7));
        words.hear(b"WATCHDOG=1", at(9));
        assert_eq!(alive(&words, 19), good_for(0));
        assert!(is_bad(&alive(&words, 20), "not said WATCHDOG=1 for more than 10s"));
        words.hear(b"WATCHDOG_USEC=20000000", at(20));
        assert_eq!(alive(&words, 30), good_for(10));
        words.hear(b"WATCHDOG=trigger", at(30));
        assert!(is_bad(&alive(&words, 30), "trigger"));
    }

    #[test]
    fn one_that_stops_by_itself_has_its_stop_timeout_in_the_place_of_its_watchdog() {
        let mut words = Words::new(at(0));
        words.hear(b"READY=1", at(1));
        words.hear(b"STOPPING=1", at(2));
        assert_eq!(alive(&words, 6), good_for(1));
        assert!(is_bad(&alive(&words, 8), "has not ended within 5"));
    }

    #[test]
    fn numbers_are_read_or_passed_over() {
        let mut words = Words::new(at(0));
        let heard = words.hear(b"EXTEND_TIMEOUT_USEC=1500000", at(0));
        assert_eq!(heard.extension, Some(Duration::from_millis(1500)));
        assert_eq!(words.hear(b"MAINPID=4711", at(0)).main, Pid::new(4711));
        let heard = words.hear(b"EXTEND_TIMEOUT_USEC=-1\nWATCHDOG_USEC=x\nMAINPID=0\n=\n\xff\xfe", at(0));
        assert_eq!((heard.extension, heard.main), (None, None));
    }
}
