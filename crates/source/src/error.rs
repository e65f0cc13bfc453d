//! What stops the reading of an input.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why an input cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened.
    #[error("cannot open {path}; {advice}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Datagrams cannot be received at an address.
    #[error("cannot receive at {address}; {advice}")]
    Listen {
        /// The address and port.
        address: SocketAddr,
        /// What to do.
        advice: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The file holds no bytes.
    #[error("{path} is empty; nothing was captured or logged into it", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds no file.
    #[error("{path} is a folder without files{and}; name one that holds captures or logs", path = .path.display(),
            and = if *.folders == 0 { "" } else { ", and folders inside it are not looked into" })]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
        /// How many folders are in it.
        folders: usize,
    },
    /// The first bytes belong to no format that can be read.
    #[error("{path} is no input that can be read: it starts with {start}; expected {expected}", path = .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its first bytes, printable.
        start: String,
        /// What could have been read.
        expected: String,
    },
    /// The file is packed in a way that is not undone here.
    #[error("{path} is {what}; unpack it first: {advice}", path = .path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// How it is packed.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The file is damaged beyond a point; what came before was read.
    #[error("{path} is damaged after {record} {number}: {reason}; what came before was read", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the file consists of: `packet`, `line`, `row`.
        record: &'static str,
        /// How many of them were read.
        number: u64,
        /// What is wrong there.
        reason: String,
    },
    /// There is no interface of that name.
    #[error("there is no interface {name}; there are {names}, and any for all of them")]
    NoInterface {
        /// The name.
        name: String,
        /// Those that there are.
        names: String,
    },
    /// An interface cannot be captured on.
    #[error("cannot capture on {name}; {advice}")]
    Interface {
        /// The interface.
        name: String,
        /// What to do.
        advice: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A live capture cannot start.
    #[error("{reason}")]
    Capture {
        /// What is wrong and what to do.
        reason: String,
    },
    /// Flows that were kept cannot be read.
    #[error("{reason}")]
    Kept {
        /// What is wrong and what to do.
        reason: String,
    },
    /// A table cannot be read, or lacks what was asked of it.
    #[error("{path}: {reason}", path = .path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Error {
    /// The error of opening `path`, with advice that fits the reason.
    pub(crate) fn open(path: PathBuf, source: io::Error) -> Error {
        let advice = match source.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "read permission is needed: see `ls -l`, or run as a user who has it",
            io::ErrorKind::IsADirectory => "name the files inside it",
            _ => "check the file",
        };
        Error::Open { path, advice, source }
    }

    /// The error of opening an interface, with advice that fits the reason.
    #[cfg(target_os = "linux")]
    pub(crate) fn interface(name: &str, source: io::Error) -> Error {
        let advice = match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                "CAP_NET_RAW is needed: run as root, or once `setcap cap_net_raw+ep` on the program's file"
            }
            Some(libc::ENETDOWN) => "it is down: `ip link set dev NAME up` brings it up",
            Some(libc::ENOMEM | libc::ENOBUFS) => "there is no memory for its ring: choose a smaller one",
            Some(libc::EINVAL) => "the filter or the ring's size is refused by the kernel",
            _ => "check the interface",
        };
        Error::Interface { name: name.to_owned(), advice, source }
    }

    /// The error of receiving at `address`, with advice that fits the reason.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Error {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => "another program receives there: stop it, or choose another port",
            io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address: see `ip address`",
            io::ErrorKind::PermissionDenied => "ports below 1024 need the right to bind them: choose a higher one",
            _ => "check the address",
        };
        Error::Listen { address, advice, source }
    }
}
