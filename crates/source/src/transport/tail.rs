//! Files that grow: what is appended to them, through rotation and truncation.
//!
//! Nothing is watched and nobody is woken: whoever reads asks from time to time.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that grows.
pub struct Tail {
    path: PathBuf,
    name: Name,
    file: Option<File>,
    identity: Option<Identity>,
    offset: u64,
    /// Another file had the name, and nothing more had come, when it was looked at last.
    is_rotated: bool,
}

/// What a tail goes by when its file is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The name: the next file of that name is read after the rest of this one, as `tail -F` does it.
    Follow,
    /// The file: whatever it is called, until it goes away.
    Ignore,
}

/// What [`Tail::poll`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The file is over: truncated, or another one has its name. What comes next starts anew.
    Over,
}

/// Which file it is, whatever it is called: device and inode.
pub type Identity = (u64, u64);

impl Tail {
    /// The file of that name from its start on. It need not be there yet.
    pub fn new(path: &Path, name: Name) -> Tail {
        Tail { path: path.to_owned(), name, file: None, identity: None, offset: 0, is_rotated: false }
    }

    /// Reads what was appended since the last time.
    pub fn poll(&mut self, buffer: &mut [u8]) -> io::Result<Poll> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => {
                    self.identity = Some(identity(&file.metadata()?));
                    (self.offset, self.is_rotated) = (0, false);
                    self.file.insert(file)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Poll::Nothing),
                Err(error) => return Err(error),
            },
        };
        let count = file.read(buffer)?;
        self.offset += count as u64;
        if count > 0 {
            self.is_rotated = false;
            return Ok(Poll::Bytes(count));
        }
        if file.metadata()?.len() < self.offset {
            file.seek(SeekFrom::Start(0))?;
            self.offset = 0;
            return Ok(Poll::Over);
        }
        if self.name == Name::Follow && self.has_successor()? {
            // The writer may still have written to the old file after it was renamed, so it is looked at once more.
            if std::mem::replace(&mut self.is_rotated, true) {
                self.file = None;
                return Ok(Poll::Over);
            }
        }
        Ok(Poll::Nothing)
    }

    /// Whether another file has the name by now.
    fn has_successor(&self) -> io::Result<bool> {
        match self.path.metadata() {
            Ok(metadata) => Ok(Some(identity(&metadata)) != self.identity),
            // Renamed, and the next one is not there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A tail as a reader: where there is nothing for now, it says [`io::ErrorKind::WouldBlock`]; where the file is over, that
/// is the end. Clones read the same tail.
#[derive(Clone)]
pub struct Tailing(Arc<Mutex<Tail>>);

impl Tailing {
    /// Reads that tail.
    pub fn new(tail: Tail) -> Tailing {
        Tailing(Arc::new(Mutex::new(tail)))
    }
}

impl Read for Tailing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A panic elsewhere leaves nothing half done in a tail.
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).poll(buffer)? {
            Poll::Bytes(count) => Ok(count),
            Poll::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Over => Ok(0),
        }
    }
}

/// Which file the metadata are of.
#[cfg(unix)]
pub fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Which file the metadata are of. This system does not say; when a file was created is near enough.
#[cfg(not(unix))]
pub fn identity(metadata: &Metadata) -> Identity {
    let since = metadata.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| (since.as_secs(), since.subsec_nanos().into()))
}
