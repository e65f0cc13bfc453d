//! Syslog over TCP, each message behind its length (octet counting, RFC 6587 s.3.4.1), and over TLS (RFC 5425), which
//! frames in the same way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;

use flow::Duration;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Failure;

/// A receiver that is connected to when there is something to send, and again after the connection was lost.
pub(super) struct Stream {
    address: String,
    timeout: Duration,
    /// The name that the receiver's certificate must have, and how it is checked.
    security: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    connection: Option<Connection>,
}

enum Connection {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub(super) fn plain(address: String, timeout: Duration) -> Stream {
        Stream { address, timeout, security: None, connection: None }
    }

    pub(super) fn secure(
        address: String,
        name: &str,
        config: Arc<ClientConfig>,
        timeout: Duration,
    ) -> Result<Stream, String> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name of a server"))?;
        Ok(Stream { address, timeout, security: Some((name, config)), connection: None })
    }

    /// Sends a message. That it was sent means that this host's kernel has it, no more: syslog has no receipts.
    pub(super) fn send(&mut self, message: &str) -> Result<String, Failure> {
        self.try_send(message).map_err(|error| {
            self.connection = None;
            let reason = match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("no answer in {} s", self.timeout.as_secs()),
                _ => error.to_string(),
            };
            Failure::later(format_args!("cannot send to {}: {reason}", self.address))
        })?;
        Ok(format!("sent to {}", self.address))
    }

    fn try_send(&mut self, message: &str) -> io::Result<()> {
        let alive = self.connection.take().and_then(Connection::alive);
        let connection = match alive {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let connection = self.connection.insert(connection);
        let frame = format!("{} {message}", message.len());
        match connection {
            Connection::Plain(stream) => stream.write_all(frame.as_bytes()).and_then(|()| stream.flush()),
            Connection::Secure(stream) => stream.write_all(frame.as_bytes()).and_then(|()| stream.flush()),
        }
    }

    fn connect(&self) -> io::Result<Connection> {
        let mut last = io::Error::other("the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => return self.secured(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn secured(&self, mut stream: TcpStream) -> io::Result<Connection> {
        stream.set_write_timeout(Some(self.timeout))?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_nodelay(true)?;
        let Some((name, config)) = &self.security else { return Ok(Connection::Plain(stream)) };
        let mut client = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
        while client.is_handshaking() {
            client.complete_io(&mut stream)?;
        }
        Ok(Connection::Secure(Box::new(StreamOwned::new(client, stream))))
    }
}

impl Connection {
    /// The connection, unless the other end has closed it: what is written into a closed one is lost without a word.
    fn alive(mut self) -> Option<Connection> {
        let is_open = match &mut self {
            Connection::Plain(stream) => {
                stream.set_nonblocking(true).is_ok() && is_open(stream) && stream.set_nonblocking(false).is_ok()
            }
            Connection::Secure(stream) => {
                stream.sock.set_nonblocking(true).is_ok()
                    && is_open(stream.as_mut())
                    && stream.sock.set_nonblocking(false).is_ok()
            }
        };
        is_open.then_some(self)
    }
}

/// Reads away what a receiver may have said, which means nothing in syslog, and finds whether it has hung up.
fn is_open(stream: &mut impl Read) -> bool {
    let mut said = [0; 512];
    for _ in 0..64 {
        match stream.read(&mut said) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    // Whoever talks so much is no receiver of syslog.
    false
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("address", &self.address).finish_non_exhaustive()
    }
}
