use std::io;

use crate::client::rpc::RpcError;
use crate::config::supervisord::python::repr;
use crate::protocol::xmlrpc::fault::Fault;

/// Why an action could not go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server said no.
    Fault(Fault),
    /// The server could not be asked.
    Rpc(RpcError),
    /// The server answered something that supervisord never does.
    Strange(String),
    /// The URL names no server.
    NoServer(String),
    /// Nobody answers a question of ours.
    EndOfInput,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

impl Trouble {
    /// The line that supervisorctl prints for an exception that it does not expect: `error: CLASS, WORDS: file: … line: …`.
    /// Class and words are Python's; there is no file of Python's to name.
    pub(super) fn line(&self) -> String {
        let (class, words) = self.class_and_words();
        format!("error: <class '{class}'>, {words}: file: supervisorctl line: 0")
    }

    pub(super) fn class_and_words(&self) -> (&'static str, String) {
        match self {
            Self::Fault(Fault { code, text }) => {
                ("xmlrpc.client.Fault", format!("<Fault {code}: {}>", repr(text)))
            }
            Self::Rpc(RpcError::Connect(error)) => (class_of(error), errno_words(error)),
            Self::Rpc(RpcError::TimedOut) => ("TimeoutError", "timed out".to_owned()),
            Self::Rpc(RpcError::Broken(why)) => ("http.client.RemoteDisconnected", why.clone()),
            Self::Rpc(RpcError::Status(status)) => {
                let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
                let words = format!("<ProtocolError for 127.0.0.1/RPC2: {code} {reason}>");
                ("xmlrpc.client.ProtocolError", words)
            }
            Self::Rpc(RpcError::Malformed(error)) => ("xmlrpc.client.ResponseError", error.to_string()),
            Self::Strange(words) | Self::NoServer(words) => ("ValueError", words.clone()),
            Self::EndOfInput => ("EOFError", "EOF when reading a line".to_owned()),
            Self::Interrupted => ("KeyboardInterrupt", String::new()),
        }
    }

    /// The system's number for why nobody could be reached.
    pub(super) fn connect_error(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Rpc(RpcError::Connect(error)) => Some(error.kind()),
            Self::Rpc(
                RpcError::Broken(_) | RpcError::TimedOut | RpcError::Status(_) | RpcError::Malformed(_),
            )
            | Self::Fault(_)
            | Self::Strange(_)
            | Self::NoServer(_)
            | Self::EndOfInput
            | Self::Interrupted => None,
        }
    }

    /// Whether the server wants to know who asks.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Rpc(RpcError::Status(status)) if status.as_u16() == 401)
    }
}

/// The class of Python for an error of the system (PEP 3151).
fn class_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "ConnectionRefusedError",
        io::ErrorKind::NotFound => "FileNotFoundError",
        io::ErrorKind::PermissionDenied => "PermissionError",
        io::ErrorKind::TimedOut => "TimeoutError",
        _ if error.raw_os_error().is_none() => "socket.gaierror",
        _ => "OSError",
    }
}

fn errno_words(error: &io::Error) -> String {
    let words = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let words = words.strip_suffix(&format!(" (os error {number})")).unwrap_or(&words);
            format!("[Errno {number}] {words}")
        }
        // The standard library hides the number that getaddrinfo(3) gave.
        None => words.trim_start_matches("failed to lookup address information: ").to_owned(),
    }
}

impl From<RpcError> for Trouble {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::Trouble;
    use crate::client::rpc::RpcError;
    use crate::protocol::xmlrpc::fault::Fault;
    use hyper::StatusCode;
    use std::io;

    #[test]
    fn an_exception_is_printed_as_python_prints_it() {
        let fault = Fault { code: 6, text: "SHUTDOWN_STATE".to_owned() };
        let missing = io::Error::from_raw_os_error(2);
        for (trouble, line) in [
            (Trouble::Fault(fault), "<class 'xmlrpc.client.Fault'>, <Fault 6: 'SHUTDOWN_STATE'>"),
            (
                Trouble::Rpc(RpcError::Connect(missing)),
                "<class 'FileNotFoundError'>, [Errno 2] No such file or directory",
            ),
            (
                Trouble::Rpc(RpcError::Status(StatusCode::UNAUTHORIZED)),
                "<class 'xmlrpc.client.ProtocolError'>, <ProtocolError for 127.0.0.1/RPC2: 401 Unauthorized>",
            ),
            (Trouble::EndOfInput, "<class 'EOFError'>, EOF when reading a line"),
        ] {
            assert_eq!(trouble.line(), format!("error: {line}: file: supervisorctl line: 0"));
        }
    }
}
