//! One process writes.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::{Error, owned};

/// Keeps other processes from writing until the file is closed, by its process's end at the latest.
pub(crate) fn take(folder: &Path) -> Result<File, Error> {
    let path = folder.join("writer");
    let fail = |error| Error::file(&path, error);
    let mut file = owned(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Where it cannot be read, the other process has no name.
            let read = file.take(MAX_DIGITS).read_to_string(&mut text);
            let process = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::Busy { folder: folder.to_owned(), process });
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    let name = || {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    let mut name = name;
    name().map_err(fail)?;
    Ok(file)
}

const MAX_DIGITS: u64 = 16;
