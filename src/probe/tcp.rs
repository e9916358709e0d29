use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::failed::Failed;
use crate::vocab::port::Endpoint;

/// Connects once and waits no longer than `limit`.
///
/// # Errors
/// [`Failed`]: nobody accepts, or not in time.
pub async fn attempt(port: Endpoint, limit: Duration) -> Result<(), Failed> {
    let connected = tokio::time::timeout(limit, connect(port)).await;
    connected.unwrap_or(Err(Failed::TimedOut { port, limit })).map(drop)
}

/// A port on one address is asked there; any other where the loopback interface leads to it, by IPv4 or IPv6.
pub(super) async fn connect(port: Endpoint) -> Result<TcpStream, Failed> {
    let number = port.port.number();
    let failed = |source| Failed::Connect { port, source };
    if let Some(address) = port.address.filter(|address| !address.is_unspecified()) {
        return TcpStream::connect((address, number)).await.map_err(failed);
    }
    match TcpStream::connect((Ipv4Addr::LOCALHOST, number)).await {
        Ok(stream) => Ok(stream),
        Err(source) => TcpStream::connect((Ipv6Addr::LOCALHOST, number)).await.map_err(|_| failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::attempt;
    use crate::probe::failed::Failed;
    use crate::vocab::port::{Endpoint, Port};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn a_port_without_listener_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Endpoint::tcp(Port::new(listener.local_addr().unwrap().port()).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(10);
        assert!(runtime.block_on(attempt(port, limit)).is_ok());
        drop(listener);
        assert!(matches!(runtime.block_on(attempt(port, limit)), Err(Failed::Connect { .. })));
    }
}
