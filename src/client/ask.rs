use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{Client, PATIENCE, Unreachable, diagnose};
use super::lines::Lines;
use crate::protocol::command::{Command, ReloadOrder, ShutdownOrder};
use crate::protocol::event::Event;
use crate::protocol::graph::Graph;
use crate::protocol::logs::{LogLevelOrder, RotateOrder, RotateReport};
use crate::protocol::problem::Problem;
use crate::protocol::reply::{Line, ReloadReport, Report};
use crate::protocol::status::Status;
use crate::protocol::why::Why;
use crate::rundir::leftovers;
use crate::rundir::lock::{self, Supervisor};
use crate::rundir::paths::Paths;
use crate::sys::process;
use crate::vocab::cause::Record;
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It stopped answering.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It said no.
    #[error("{}", .0.what)]
    Refused(Problem),
    /// The connection ended without any answer: the supervisor is dying, or just died.
    #[error("cannot go on: the supervisor closed the connection without an answer ({0})")]
    NoAnswer(String),
    /// The connection ended in the middle of an answer.
    #[error("cannot go on: the supervisor's answer broke off ({0})")]
    Broken(String),
    /// The answer is none that this procman knows.
    #[error("cannot understand the supervisor's answer: {0}\n{OTHER_VERSION}")]
    NotUnderstood(serde_json::Error),
    /// It does not know what it is asked for. A supervisor of this version knows all that this client asks for.
    #[error("cannot go on: the supervisor does not understand this procman: {0}\n{OTHER_VERSION}")]
    NotKnown(String),
    /// It was told to end and has not.
    #[error("the supervisor did not end within {}s\nhint: `procman restart --emergency` ends it by force", ENDED_MAX.as_secs())]
    StillAlive,
}

/// The way out where client and supervisor do not understand each other.
const OTHER_VERSION: &str = "hint: it is of another version; `procman upgrade` puts this one in its place, and no service notices; one that does not \
     understand that either is replaced by `procman restart --emergency`";

/// How long a supervisor may take to end when it has nothing left to do.
const ENDED_MAX: Duration = Duration::from_secs(10);

/// How often its lock is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Client {
    /// How things stand.
    pub async fn status(&mut self) -> Result<Status, AskError> {
        let answer = self.get("/v1/status").await?;
        self.whole(answer).await
    }

    /// How things stand, with the process tree of each service.
    pub async fn status_with_trees(&mut self) -> Result<Status, AskError> {
        let answer = self.get("/v1/status?tree").await?;
        self.whole(answer).await
    }

    /// Who depends on whom.
    pub async fn graph(&mut self) -> Result<Graph, AskError> {
        let answer = self.get("/v1/graph").await?;
        self.whole(answer).await
    }

    /// Why a service is as it is.
    pub async fn why(&mut self, service: &ServiceName) -> Result<Why, AskError> {
        let answer = self.get(&format!("/v1/services/{service}/why")).await?;
        self.whole(answer).await
    }

    /// How the runs of a service ended, the oldest first.
    pub async fn history(&mut self, service: &ServiceName) -> Result<Vec<Record>, AskError> {
        let path = format!("/v1/services/{service}/history");
        let answer = self.get(&path).await?;
        self.whole(answer).await
    }

    /// Reads the config again.
    pub async fn reload(&mut self, order: ReloadOrder) -> Result<ReloadReport, AskError> {
        let answer = self.post("/v1/reload", &order).await?;
        self.whole(answer).await
    }

    /// Lets the supervisor's own log tell more or less.
    pub async fn set_log_level(&mut self, order: LogLevelOrder) -> Result<LogLevelOrder, AskError> {
        let body = serde_json::to_vec(&order).map_err(AskError::NotUnderstood)?;
        let answer = self.request(Method::PUT, "/v1/supervisor/log-level", body.into()).await?;
        self.whole(answer).await
    }

    /// Sets log files aside.
    pub async fn rotate_logs(&mut self, order: RotateOrder) -> Result<RotateReport, AskError> {
        let answer = self.post("/v1/logs/rotate", &order).await?;
        self.whole(answer).await
    }

    /// Does something and tells of each event on the way; the answer comes when it is done, or when its own time is up.
    pub async fn command(&mut self, command: &Command, tell: impl FnMut(Event)) -> Result<Report, AskError> {
        let answer = self.post("/v1/commands", command).await?;
        report(Lines::new(answer.into_body()), tell).await
    }

    /// Tells the supervisor to end, and does not wait for it.
    pub async fn end(&mut self, order: ShutdownOrder) -> Result<Report, AskError> {
        let answer = self.post("/v1/shutdown", &order).await?;
        report(Lines::new(answer.into_body()), |_| ()).await
    }

    /// Tells the supervisor to end; when this returns, it is on its way.
    pub async fn shut_down(mut self, order: ShutdownOrder) -> Result<Leaving, AskError> {
        // Their locks are free a moment before they are gone.
        let supervisors = leftovers::marked(&self.paths.instance);
        let answer = self.post("/v1/shutdown", &order).await?;
        Ok(Leaving { lines: Lines::new(answer.into_body()), supervisors, paths: self.paths })
    }

    /// All events from this moment on.
    pub async fn events(&mut self) -> Result<Lines<Event>, AskError> {
        let answer = self.get("/v1/events").await?;
        Ok(Lines::new(answer.into_body()))
    }

    /// Asks for something that changes nothing: where the supervisor dies over it, its successor is asked.
    async fn get(&mut self, path: &str) -> Result<Response<Incoming>, AskError> {
        match self.request(Method::GET, path, Bytes::new()).await {
            Err(AskError::NoAnswer(_)) => {
                *self = Self::connect(&self.paths).await?;
                self.request(Method::GET, path, Bytes::new()).await
            }
            other => other,
        }
    }

    async fn post(&mut self, path: &str, body: &impl Serialize) -> Result<Response<Incoming>, AskError> {
        let body = serde_json::to_vec(body).map_err(AskError::NotUnderstood)?;
        self.request(Method::POST, path, body.into()).await
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, AskError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| AskError::Broken(error.to_string()))?;
        match tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(answer),
            Ok(Ok(answer)) => Err(self.refusal(answer).await),
            Ok(Err(error)) => Err(AskError::NoAnswer(error.to_string())),
            Err(_) => Err(diagnose(&self.paths).into()),
        }
    }

    async fn refusal(&self, answer: Response<Incoming>) -> AskError {
        let status: StatusCode = answer.status();
        match self.whole::<Problem>(answer).await {
            Ok(problem) if problem.kind.is_of_form() => AskError::NotKnown(problem.what),
            Ok(problem) => AskError::Refused(problem),
            Err(AskError::NotUnderstood(_)) => AskError::NotKnown(format!("it answered {status}")),
            Err(error) => error,
        }
    }

    async fn whole<T: DeserializeOwned>(&self, answer: Response<Incoming>) -> Result<T, AskError> {
        match tokio::time::timeout(PATIENCE, answer.into_body().collect()).await {
            Ok(Ok(body)) => serde_json::from_slice(&body.to_bytes()).map_err(AskError::NotUnderstood),
            Ok(Err(error)) => Err(AskError::Broken(error.to_string())),
            Err(_) => Err(diagnose(&self.paths).into()),
        }
    }
}

/// A supervisor that is about to end.
pub struct Leaving {
    lines: Lines<Line>,
    supervisors: Vec<Identity>,
    paths: Paths,
}

impl Leaving {
    /// Waits until it is gone; says what became of the services.
    pub async fn gone(self, tell: impl FnMut(Event)) -> Result<Report, AskError> {
        let report = report(self.lines, tell).await?;
        let deadline = tokio::time::Instant::now() + ENDED_MAX;
        let is_gone = || {
            matches!(lock::supervisor(&self.paths), Ok(Supervisor::Nobody))
                && !lock::is_guarded(&self.paths)
                && !self.supervisors.iter().any(|identity| process::is_alive(*identity))
        };
        while !is_gone() {
            if tokio::time::Instant::now() > deadline {
                return Err(AskError::StillAlive);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(report)
    }
}

async fn report(mut lines: Lines<Line>, mut tell: impl FnMut(Event)) -> Result<Report, AskError> {
    while let Some(line) = lines.next().await? {
        match line {
            Line::Event(event) => tell(event),
            Line::Done(report) => return Ok(report),
        }
    }
    Err(AskError::Broken("it ended before its report".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{AskError, Client};
    use crate::protocol::command::{Command, Order};
    use crate::rundir::paths::Paths;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use std::path::Path;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a client makes of this answer to a command.
    async fn told(answer: &'static str) -> AskError {
        let (near, mut far) = tokio::io::duplex(4096);
        let (sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        tokio::spawn(async move {
            let _ = far.read(&mut [0; 4096]).await;
            let _ = far.write_all(answer.as_bytes()).await;
        });
        let paths = Paths::new(Path::new("/nowhere/services.toml"), Path::new("/nowhere"));
        let mut client = Client { sender, paths };
        client.command(&Command::Stop(Order::default()), |_| ()).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_supervisor_of_another_version_is_told_from_one_that_refuses() {
        let unknown = "HTTP/1.1 400 Bad Request\r\ncontent-length: 66\r\n\r\n\
            {\"kind\":\"bad_request\",\"what\":\"unknown field `sequel`\",\"hint\":null}";
        let words = told(unknown).await.to_string();
        assert!(
            words.contains("unknown field `sequel`\nhint: it is of another version; `procman upgrade`"),
            "{words}"
        );
        let new = "HTTP/1.1 418 I\r\ncontent-length: 44\r\n\r\n\
            {\"kind\":\"teapot\",\"what\":\"short\",\"hint\":null}";
        assert!(told(new).await.to_string().contains("`procman upgrade`"));
        let refused = "HTTP/1.1 409 Conflict\r\ncontent-length: 43\r\n\r\n\
            {\"kind\":\"needed\",\"what\":\"held\",\"hint\":null}";
        assert!(matches!(told(refused).await, AskError::Refused(_)));
    }
}
