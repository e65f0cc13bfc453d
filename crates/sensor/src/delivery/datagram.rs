//! Syslog over UDP (RFC 5426): one message a datagram. Nobody says whether it arrived.

use std::net::{ToSocketAddrs, UdpSocket};

use super::Failure;

/// A receiver of datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    address: String,
    socket: Option<UdpSocket>,
}

impl Datagrams {
    pub(super) fn new(address: String) -> Datagrams {
        Datagrams { address, socket: None }
    }

    pub(super) fn send(&mut self, message: &str) -> Result<String, Failure> {
        let sent = self.try_send(message);
        sent.map(|()| format!("sent to {}; UDP does not say whether it arrived", self.address)).map_err(|error| {
            self.socket = None;
            Failure::later(format_args!("cannot send to {}: {error}", self.address))
        })
    }

    fn try_send(&mut self, message: &str) -> std::io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let mut addresses = self.address.to_socket_addrs()?;
                let address = addresses.next().ok_or_else(|| std::io::Error::other("the name has no address"))?;
                let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own)?;
                // A connected socket hears that a port is closed.
                socket.connect(address)?;
                socket
            }
        };
        let socket = self.socket.insert(socket);
        socket.send(message.as_bytes()).map(|_| ())
    }
}
