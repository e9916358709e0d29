use std::rc::Rc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::interrupts::Interrupts;
use super::person::print;
use super::python::Trouble;
use super::server::{Beside, Followed, Server};
use crate::cli::output;
use crate::client::rpc::{Address, Credentials, Remote, RpcError};
use crate::protocol::xmlrpc::message::Call;
use crate::protocol::xmlrpc::value::Value;

/// A server that is asked over its socket.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) url: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) runtime: Rc<Runtime>,
    pub(super) interrupts: Interrupts,
}

impl Wire {
    fn remote(&self) -> Result<Remote, Trouble> {
        let address = Address::parse(&self.url).map_err(|error| Trouble::NoServer(error.to_string()))?;
        Ok(Remote { address, credentials: self.credentials.clone() })
    }
}

impl Server for Wire {
    fn url(&self) -> &str {
        &self.url
    }

    fn turn_to(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    fn log_in(&mut self, username: String, password: String) {
        self.credentials = Some(Credentials { username, password });
    }

    fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Trouble> {
        let remote = self.remote()?;
        let call = Call { method: method.to_owned(), params };
        self.runtime.block_on(async {
            tokio::select! {
                answer = remote.call(&call) => Ok(answer??),
                () = self.interrupts.next() => Err(Trouble::Interrupted),
            }
        })
    }

    fn follow(&mut self, path: &str) -> Followed {
        let place = format!("{}{path}", self.url);
        let Ok(remote) = self.remote() else { return Followed::Over };
        self.runtime.block_on(async {
            tokio::select! {
                () = stream(&remote, path, &place) => Followed::Over,
                () = self.interrupts.next() => Followed::Interrupted,
            }
        })
    }

    fn follow_beside(&mut self, paths: &[String]) -> Box<dyn Beside> {
        let start = |path: &String| {
            let (path, place) = (path.clone(), format!("{}{path}", self.url));
            let remote = self.remote().ok()?;
            let (stop, stopped) = oneshot::channel::<()>();
            let thread = thread::spawn(move || {
                let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
                runtime.block_on(async {
                    tokio::select! {
                        () = stream(&remote, &path, &place) => (),
                        _ = stopped => (),
                    }
                });
            });
            Some((stop, thread))
        };
        Box::new(Threads(paths.iter().filter_map(start).collect()))
    }
}

/// Prints what a path sends until it is over; what is amiss is said on standard error, as by supervisor's own client.
async fn stream(remote: &Remote, path: &str, place: &str) {
    let mut followed = match remote.follow(path).await {
        Ok(followed) => followed,
        Err(RpcError::Status(status)) => {
            return output::say(&format!("{place} Cannot read, status code {}", status.as_u16()));
        }
        Err(error) => {
            let (class, words) = Trouble::Rpc(error).class_and_words();
            return output::say(&format!("{place} Cannot connect, error: <class '{class}'> ({words})"));
        }
    };
    while let Ok(Some(piece)) = followed.next().await {
        print(&piece);
    }
}

/// Threads that end when this is dropped.
struct Threads(Vec<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Beside for Threads {}

impl Drop for Threads {
    fn drop(&mut self) {
        for (stop, thread) in self.0.drain(..) {
            drop(stop);
            let _ = thread.join();
        }
    }
}
