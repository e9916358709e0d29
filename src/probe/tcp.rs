use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::failed::Failed;
use crate::vocab::port::Port;

/// Connects once, over the loopback interface, and waits no longer than `limit`.
///
/// # Errors
/// [`Failed`]: nobody accepts, or not in time.
pub async fn attempt(port: Port, limit: Duration) -> Result<(), Failed> {
    let connected = tokio::time::timeout(limit, connect(port)).await;
    connected.unwrap_or(Err(Failed::TimedOut { port, limit })).map(drop)
}

pub(super) async fn connect(port: Port) -> Result<TcpStream, Failed> {
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, port.number()));
    match TcpStream::connect(four).await {
        Ok(stream) => Ok(stream),
        Err(source) => TcpStream::connect(six).await.map_err(|_| Failed::Connect { port, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::attempt;
    use crate::probe::failed::Failed;
    use crate::vocab::port::Port;
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn a_port_without_listener_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(10);
        assert!(runtime.block_on(attempt(port, limit)).is_ok());
        drop(listener);
        assert!(matches!(runtime.block_on(attempt(port, limit)), Err(Failed::Connect { .. })));
    }
}
