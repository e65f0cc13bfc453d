//! Datagrams as exporters send them to a collector.
//!
//! The kernel keeps what comes while earlier datagrams are read, up to a bound; what it drops beyond that is counted
//! where the system tells (Linux). The exporter's address is told to the decoder, because templates belong to it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use flow::{Duration, Time};

use crate::format::{Decoder, Format};
use crate::{Batch, Error, Report, Source};

/// How to receive.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes that the kernel is asked to keep for each address; it may allow less (Linux: net.core.rmem_max). 8 MiB are
    /// some 5000 datagrams, a second of a busy network.
    pub buffer_bytes: usize,
    /// How long one read waits for a datagram, so that flows which waited long enough come out although nothing comes in:
    /// 200 ms.
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { buffer_bytes: 8 << 20, wait: Duration::from_millis(200) }
    }
}

/// Receives the datagrams of exporters, and gives the flows that they tell of.
pub struct Listener {
    sockets: Vec<Socket>,
    decoder: Box<dyn Decoder>,
    settings: Settings,
    stop: Arc<AtomicBool>,
    report: Report,
    /// Room for the largest datagram.
    buffer: Vec<u8>,
}

struct Socket {
    inner: UdpSocket,
    /// As the kernel counts them.
    dropped: u32,
}

/// A datagram that was received into a buffer.
struct Received {
    sender: IpAddr,
    length: usize,
    /// Datagrams that the kernel dropped before it.
    dropped: u32,
}

impl Listener {
    /// Listens at the addresses (an unspecified one stands for all of its kind, port 0 for any) until `stop` is set;
    /// datagrams are messages of `format`.
    pub fn bind(
        addresses: &[SocketAddr],
        format: &Format,
        settings: Settings,
        stop: Arc<AtomicBool>,
    ) -> Result<Listener, Error> {
        let bind = |&address: &SocketAddr| {
            let socket = open(address, &settings).map_err(|source| Error::listen(address, source))?;
            Ok(Socket { inner: socket, dropped: 0 })
        };
        let sockets = addresses.iter().map(bind).collect::<Result<_, Error>>()?;
        let decoder = (format.decoder)();
        let buffer = vec![0; LARGEST_DATAGRAM];
        Ok(Listener { sockets, decoder, settings, stop, report: Report::default(), buffer })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.inner.local_addr().ok()).collect()
    }

    /// What was received so far; `packets` are datagrams.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Reads what waits at every address, a share each so that none starves another; how many datagrams there were.
    fn receive(&mut self, batch: &mut Batch) -> Result<u64, Error> {
        let mut count = 0;
        for socket in &mut self.sockets {
            for _ in 0..DATAGRAMS_A_TURN {
                let received = match receive(&socket.inner, &mut self.buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        let address = socket.inner.local_addr().unwrap_or_else(|_| ([0; 4], 0).into());
                        return Err(Error::listen(address, error));
                    }
                };
                count += 1;
                let dropped = received.dropped.wrapping_sub(socket.dropped);
                socket.dropped = received.dropped;
                batch.note("datagrams dropped because they came faster than they were read", dropped.into());
                let message = &self.buffer[..received.length.min(self.buffer.len())];
                self.decoder.datagram(received.sender, now(), message, batch);
            }
        }
        self.report.packets += count;
        Ok(count)
    }
}

impl Source for Listener {
    /// Waits for the next datagrams, at most as long as the settings say. After `stop` is set, it reads what was received
    /// by then, gives the flows that still wait, and ends.
    fn read(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let is_last = self.stop.load(Ordering::Relaxed);
        if !is_last {
            wait(&self.sockets, self.settings.wait);
        }
        let received = self.receive(batch)?;
        let goes_on = !is_last || received > 0;
        if !goes_on {
            self.decoder.finish(batch);
        } else if received == 0 {
            self.decoder.pass(now(), batch);
        }
        self.report.add(batch);
        Ok(goes_on)
    }
}

/// The clock, in whose time datagrams are received.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_nanoseconds(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(target_os = "linux")]
fn open(address: SocketAddr, settings: &Settings) -> io::Result<UdpSocket> {
    use nix::sys::socket::{setsockopt, sockopt};
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBuf, &settings.buffer_bytes)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(u32);
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let sender = message.address.as_ref().and_then(|address| {
        let four = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        four.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip()).to_canonical()))
    });
    let sender = sender.ok_or_else(|| io::Error::other("datagram without a sender"))?;
    let told = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::RxqOvfl(dropped) => Some(dropped),
        _ => None,
    });
    Ok(Received { sender, length: message.bytes, dropped: told.unwrap_or(0) })
}

/// Waits until a datagram is there, or so long. A signal ends the waiting early, which does no harm.
#[cfg(target_os = "linux")]
fn wait(sockets: &[Socket], duration: Duration) {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut waiting: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.inner.as_fd(), PollFlags::POLLIN)).collect();
    let timeout = PollTimeout::try_from(duration.as_millis()).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut waiting, timeout);
}

#[cfg(not(target_os = "linux"))]
fn open(address: SocketAddr, settings: &Settings) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(settings.wait.max(Duration::from_millis(1))))?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let (length, sender) = socket.recv_from(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    })?;
    Ok(Received { sender: sender.ip().to_canonical(), length, dropped: 0 })
}

/// Receiving itself waits.
#[cfg(not(target_os = "linux"))]
fn wait(_: &[Socket], _: Duration) {}

const LARGEST_DATAGRAM: usize = 65_535;
const DATAGRAMS_A_TURN: usize = 256;
