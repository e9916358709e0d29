use std::sync::Arc;

use tokio::sync::oneshot;

use super::engine::Engine;
use super::groups::{Refused, Reread};
use super::mailbox::Message;
use super::processes::{Configured, Processes};

/// What supervisord's clients ask the engine, beyond the commands that all clients have.
#[derive(Debug)]
pub enum Question {
    /// Whether the supervisor is about to end.
    IsEnding(oneshot::Sender<bool>),
    /// How the processes stand.
    Processes(oneshot::Sender<Arc<Processes>>),
    /// What the config that was read last says of processes.
    Configs(oneshot::Sender<Vec<Configured>>),
    /// How the config differs from what is active; nothing is applied.
    Reread(oneshot::Sender<Result<Reread, String>>),
    /// Whether all could be stopped and started again by the config as it is, else why not; nothing is touched.
    ForeseeRestart(oneshot::Sender<Result<(), String>>),
    /// A group of the config that was read last is to be active.
    AddGroup(String, oneshot::Sender<Result<(), Refused>>),
    /// A group is to be active no more.
    RemoveGroup(String, oneshot::Sender<Result<(), Refused>>),
}

impl Engine {
    /// The next message that may change anything, and none when something is due. Between two of them nothing changes, so
    /// whoever asks how the processes stand is answered from one look.
    pub(super) async fn next_change(&mut self) -> Option<Message> {
        loop {
            let message = self.next_message().await;
            message.iter().for_each(|message| self.note_use(message));
            match message {
                Some(Message::Question(Question::Processes(reply))) if self.starts.is_empty() => {
                    drop(reply.send(self.look_again()));
                }
                message => {
                    self.seen = None;
                    return message;
                }
            }
        }
    }

    /// A look at the processes is as good as another until a message comes that is no question about them.
    pub(super) fn forget_seen(&mut self, message: &Message) {
        if !matches!(message, Message::Question(Question::Processes(_))) {
            self.seen = None;
        }
    }

    /// Answers one. Whoever asked may have left; then nobody has to know.
    pub(super) fn question(&mut self, question: Question) {
        match question {
            Question::IsEnding(reply) => drop(reply.send(self.is_ending())),
            Question::Processes(reply) => drop(reply.send(self.look_again())),
            Question::Configs(reply) => drop(reply.send(self.configured())),
            Question::Reread(reply) => drop(reply.send(self.reread())),
            Question::ForeseeRestart(reply) => self.foresee_restart(reply),
            Question::AddGroup(group, reply) => drop(reply.send(self.add_group(&group))),
            Question::RemoveGroup(group, reply) => drop(reply.send(self.remove_group(&group))),
        }
    }
}
