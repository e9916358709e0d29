use std::time::{Duration, Instant};

/// When a stream is looked at next. Who wakes for every line of a busy writer spends more on waking than on the lines; so
/// what comes often is let gather for a moment, for as long as its pipe is far from full, and a line that comes alone is
/// moved at once.
#[derive(Debug)]
pub(super) struct Pace {
    mode: Mode,
    /// How long bytes of a flow gather: what the last looks have taught.
    pause: Duration,
    moved_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every event is answered at once.
    Prompt,
    /// The pipe is let fill up between two looks.
    Gathering,
}

/// When to look at a stream again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// When its pipe says that there is something.
    Event,
    /// At a time, whatever its pipe says before that.
    At(Instant),
}

/// What a look found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// When it was.
    pub(super) at: Instant,
    /// So many bytes came out of the pipe.
    pub(super) bytes: usize,
    /// So many fit into it.
    pub(super) capacity: usize,
}

/// A follower sees each line within a tenth of a second: it looks itself each twentieth.
const PAUSE_LONGEST: Duration = Duration::from_millis(20);

/// A shorter pause costs more than it spares: who fills half a pipe so soon fills it again while that is carried away.
const PAUSE_SHORTEST: Duration = Duration::from_micros(40);

/// A smaller pipe is emptied so soon that its writer may just have been woken.
pub(super) const LARGE_BYTES: usize = 256 * 1024;

/// Who has written so many bytes at once is likely to write more.
const MANY_BYTES: usize = 4096;

/// Bytes that come so soon after others are a part of the same flow.
const FLOW: Duration = PAUSE_LONGEST;

impl Pace {
    pub(super) fn new() -> Self {
        Self { mode: Mode::Prompt, pause: PAUSE_SHORTEST, moved_at: None }
    }

    /// Whether the pipe is let fill up between two looks.
    pub(super) fn gathers(&self) -> bool {
        self.mode == Mode::Gathering
    }

    /// Learns from a look that took what there was.
    pub(super) fn after(&mut self, look: Look) -> Next {
        self.mode = Mode::Prompt;
        if look.bytes == 0 {
            return Next::Event;
        }
        let soon = self.moved_at.is_some_and(|before| look.at.saturating_duration_since(before) <= FLOW);
        let is_flow = soon || look.bytes >= MANY_BYTES;
        self.moved_at = Some(look.at);
        if look.bytes >= look.capacity / 2 {
            self.pause /= 4;
            if self.pause < PAUSE_SHORTEST {
                self.pause = Duration::ZERO;
                if look.capacity < LARGE_BYTES {
                    return Next::Event;
                }
            }
        } else if !is_flow {
            self.pause = PAUSE_SHORTEST;
            return Next::Event;
        } else if look.bytes < look.capacity / 8 {
            self.pause = (self.pause * 2).clamp(PAUSE_SHORTEST, PAUSE_LONGEST);
        }
        self.mode = Mode::Gathering;
        Next::At(look.at + self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Next, PAUSE_LONGEST, PAUSE_SHORTEST, Pace};
    use std::time::{Duration, Instant};

    const CAPACITY: usize = 1 << 20;

    /// The pauses after looks that find so many bytes, each taken at the time that the one before named.
    fn pauses(pace: &mut Pace, start: Instant, finds: &[usize]) -> Vec<Option<Duration>> {
        let mut at = start;
        let look = |bytes: &usize| match pace.after(Look { at, bytes: *bytes, capacity: CAPACITY }) {
            Next::Event => None,
            Next::At(next) => {
                let pause = next - at;
                at = next;
                Some(pause)
            }
        };
        finds.iter().map(look).collect()
    }

    #[test]
    fn a_line_that_comes_alone_is_moved_at_once_and_wakes_nobody_again() {
        let mut pace = Pace::new();
        let start = Instant::now();
        for second in 0..10 {
            let at = start + Duration::from_secs(second);
            assert_eq!(pace.after(Look { at, bytes: 100, capacity: CAPACITY }), Next::Event);
        }
    }

    #[test]
    fn lines_of_a_flow_gather_for_ever_longer_and_never_too_long_to_be_followed() {
        let found = pauses(&mut Pace::new(), Instant::now(), &[1000; 20]);
        assert_eq!(found[0], None);
        assert!(found[1..].windows(2).all(|pair| pair[0] <= pair[1]), "{found:?}");
        assert_eq!(found[19], Some(PAUSE_LONGEST));
    }

    #[test]
    fn a_pipe_that_fills_up_is_looked_at_sooner_and_at_last_without_a_pause() {
        let mut pace = Pace::new();
        let start = Instant::now();
        pauses(&mut pace, start, &[1000; 20]);
        let later = start + Duration::from_millis(200);
        let found = pauses(&mut pace, later, &[CAPACITY; 8]);
        assert!(found.windows(2).all(|pair| pair[0] >= pair[1]), "{found:?}");
        assert_eq!(found[7], Some(Duration::ZERO));
        let found = pauses(&mut pace, later, &[CAPACITY / 4; 3]);
        assert_eq!(found, [Some(Duration::ZERO); 3], "what fills a quarter is at its pace");
        let found = pauses(&mut pace, later, &[CAPACITY / 10; 2]);
        assert_eq!(found, [Some(PAUSE_SHORTEST), Some(2 * PAUSE_SHORTEST)]);
    }

    #[test]
    fn a_small_pipe_that_fills_up_is_not_waited_for() {
        let mut pace = Pace::new();
        let look = Look { at: Instant::now(), bytes: 65_536, capacity: 65_536 };
        assert_eq!(pace.after(look), Next::Event);
    }

    #[test]
    fn a_flow_that_ends_is_waited_for_without_waking() {
        let mut pace = Pace::new();
        pauses(&mut pace, Instant::now(), &[1000; 9]);
        assert_eq!(pace.after(Look { at: Instant::now(), bytes: 0, capacity: CAPACITY }), Next::Event);
        assert!(!pace.gathers());
    }
}
