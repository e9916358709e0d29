use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::causes::askers::Asker;
use super::causes::ends::Ended;
use super::preflight::{Foresights, Reading};
use super::question::Question;
use super::signals::Wish;
use crate::logs::query::Query;
use crate::logs::tap::Heard;
use crate::machine;
use crate::machine::ticket::TicketId;
use crate::protocol::command::{Command, ReloadOrder, ShutdownOrder};
use crate::protocol::event::{Event, What};
use crate::protocol::graph::Graph;
use crate::protocol::logs::{LogsQuery, RotateOrder, RotateReport};
use crate::protocol::problem::Problem;
use crate::protocol::reply::{ReloadReport, Report};
use crate::protocol::status::Status;
use crate::protocol::why::Why;
use crate::rundir::marks::Marks;
use crate::sys::notify::Notice;
use crate::vocab::cause::Record;
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// How much of a status is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Each service at a glance.
    AtAGlance,
    /// Each service with its process tree.
    WithTrees,
}

/// What reaches the engine.
#[derive(Debug)]
pub enum Message {
    /// Something happened to a run.
    Machine(machine::event::Event),
    /// A run has ended.
    Ended(Ended),
    /// The stacks of a run that hangs were asked for.
    Captured(super::hangs::Captured),
    /// A hook is over.
    Hook(super::hooks::Ended),
    /// A stream tells something.
    Heard(Heard),
    /// A process told of itself.
    Notice(Notice),
    /// All that services have told by then is to be heard: the main process of a run has ended.
    HearAll(oneshot::Sender<()>),
    /// Something for listeners to events, or from one of them.
    ToListeners(super::listeners::switchboard::News),
    /// A time of a schedule may have come, or the wall clock was set.
    Clock,
    /// It is time to look at what a run listens on.
    Inspect(RunId),
    /// A client asks for something.
    Command(TicketId, Command, Reply),
    /// The starts of services that are to be restarted have been looked at.
    Foreseen(machine::event::Command, oneshot::Sender<Report>, Foresights),
    /// A client wants to know how things stand.
    Status(Detail, oneshot::Sender<Status>),
    /// A client wants to know who depends on whom.
    Graph(oneshot::Sender<Graph>),
    /// A client wants to know why a service is as it is.
    Why(ServiceName, oneshot::Sender<Option<Why>>),
    /// A client wants the records of a service's ends.
    History(ServiceName, oneshot::Sender<Vec<Record>>),
    /// A client or a signal wants the config to be read again.
    Reload(ReloadOrder, Asker, oneshot::Sender<ReloadReport>),
    /// The starts that a config brings have been looked at.
    Replace(Box<Reading>, oneshot::Sender<ReloadReport>, Foresights),
    /// A client wants to read logs.
    ReadLogs(LogsQuery, oneshot::Sender<Result<(Query, Marks), Problem>>),
    /// A client wants log files to be set aside.
    RotateLogs(RotateOrder, oneshot::Sender<Result<RotateReport, Problem>>),
    /// A client of supervisord's protocol asks for something.
    Question(Question),
    /// A client wants the supervisor to end.
    Shutdown(TicketId, ShutdownOrder, Reply),
    /// Something was removed from the run directory.
    Mend(oneshot::Sender<()>),
    /// The guardian has ended.
    GuardianEnded(Identity),
    /// The supervisor got a signal.
    Signal(Wish),
}

impl Message {
    /// Whether a service was looked at, or told of itself.
    pub(super) fn is_of_a_look(&self) -> bool {
        match self {
            Self::Machine(event) => matches!(event, machine::event::Event::Probed { .. }),
            // The end of a check; that of a run comes as an event as well.
            other => {
                let is_told = matches!(other, Self::Notice(_) | Self::HearAll(_) | Self::Heard(_));
                is_told || matches!(other, Self::Signal(Wish::Reap))
            }
        }
    }
}

/// Who gave a command, and where the two answers to it go: at once whether it is done at all, and in the end what it came to.
#[derive(Debug)]
pub struct Reply {
    /// Who gave it.
    pub asker: Asker,
    accepted: oneshot::Sender<Result<(), Problem>>,
    report: oneshot::Sender<Report>,
}

/// The other end of a [`Reply`].
#[derive(Debug)]
pub struct Awaited {
    /// Whether it is done at all.
    pub accepted: oneshot::Receiver<Result<(), Problem>>,
    /// What it came to.
    pub report: oneshot::Receiver<Report>,
}

impl Reply {
    /// Both ends.
    pub fn to(asker: Asker) -> (Self, Awaited) {
        let (accepted, is_accepted) = oneshot::channel();
        let (report, reported) = oneshot::channel();
        (Self { asker, accepted, report }, Awaited { accepted: is_accepted, report: reported })
    }

    /// It is done already, or refused.
    pub fn tell(self, outcome: Result<Report, Problem>) {
        match outcome {
            Ok(report) => drop(self.accept().send(report)),
            Err(problem) => self.refuse(problem),
        }
    }

    /// It is not done. Whoever asked may have left, here and below; then nobody has to know.
    pub fn refuse(self, problem: Problem) {
        let _ = self.accepted.send(Err(problem));
    }

    /// It is under way; the report follows.
    pub fn accept(self) -> oneshot::Sender<Report> {
        let _ = self.accepted.send(Ok(()));
        self.report
    }
}

/// The next message; what streams tell comes when nothing else waits.
pub(super) async fn receive(
    inbox: &mut mpsc::Receiver<Message>,
    heard: &mut mpsc::Receiver<Heard>,
) -> Option<Message> {
    tokio::select! {
        biased;
        message = inbox.recv() => message,
        Some(heard) = heard.recv() => Some(Message::Heard(heard)),
    }
}

/// So many messages may wait for the engine; whoever sends one more waits with it.
const CAPACITY: usize = 1024;

/// So many events may wait for a slow reader; the oldest are dropped and counted for it.
const EVENTS_KEPT: usize = 1024;

/// The way to the engine. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Mailbox {
    sender: mpsc::Sender<Message>,
    events: broadcast::Sender<Arc<Event>>,
    next_ticket: Arc<AtomicU64>,
}

impl Mailbox {
    /// A mailbox and its one reader.
    pub fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        (Self { sender, events, next_ticket: Arc::default() }, receiver)
    }

    /// Sends a message, waiting for room; an engine that has ended takes none, and nobody needs to know.
    pub async fn send(&self, message: Message) {
        let _ = self.sender.send(message).await;
    }

    /// Waits for room for one message; none when the engine has ended.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, Message>> {
        self.sender.reserve().await.ok()
    }

    /// Asks and waits for the answer; none when the engine has ended.
    pub async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply)).await;
        answer.await.ok()
    }

    /// A ticket that nobody else has.
    pub fn ticket(&self) -> TicketId {
        TicketId(self.next_ticket.fetch_add(1, Ordering::Relaxed))
    }

    /// All events from this moment on.
    pub fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// Resolves when the supervisor ends, from the call on: also if that happens before anybody waits for it.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut events = self.events();
        async move {
            loop {
                match events.recv().await {
                    Ok(event) if event.what == What::Ended => return,
                    Err(broadcast::error::RecvError::Closed) => return,
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => (),
                }
            }
        }
    }

    /// Tells everybody who listens.
    pub fn publish(&self, event: Event) {
        // Nobody listening is the usual case.
        let _ = self.events.send(Arc::new(event));
    }
}

#[cfg(test)]
mod tests {
    use super::Mailbox;
    use crate::protocol::event::{Event, What};
    use std::time::Duration;

    #[tokio::test]
    async fn an_end_is_seen_also_if_it_came_before_anybody_waited_for_it() {
        let (mailbox, _inbox) = Mailbox::new();
        let ended = mailbox.ended();
        mailbox.publish(Event { unix_ms: 0, what: What::Ended });
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    }
}
