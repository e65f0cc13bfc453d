//! Why the store cannot go on.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process writes to the store, and one is enough.
    #[error("{} is in use: {} writes to it. Stop that one first, or name another folder; reading needs no turn", folder.display(), who(*process))]
    Busy {
        /// The state folder.
        folder: PathBuf,
        /// The number of the other process, where it can be told.
        process: Option<u32>,
    },
    /// There is nothing to read yet.
    #[error("{} holds nothing yet: there is no store in it", .0.display())]
    Absent(
        /// The state folder.
        PathBuf,
    ),
    /// A later version of the program wrote it.
    #[error("{} was written by a newer version of the program (schema {found}; this one knows {known}): update the program", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: u32,
        /// The latest that this program knows.
        known: u32,
    },
    /// An earlier version of the program wrote it, and this one has not written to it yet.
    #[error("{} was written by an older version of the program: it is brought forward when this version writes to it first", path.display())]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// There is no room on the disk.
    #[error("cannot write {}: the disk is full. Nothing that was kept is lost; make room, or keep flows for fewer days", .0.display())]
    Full(
        /// The file.
        PathBuf,
    ),
    /// It may not be written.
    #[error("cannot write {}: it may only be read. Give this user leave to write in its folder", .0.display())]
    ReadOnly(
        /// The file.
        PathBuf,
    ),
    /// A file does not hold what was written to it.
    #[error("{} is damaged: {reason}. Put a copy in its place, or move it away to go on without it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database refuses.
    #[error("cannot use {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Request(
        /// What is wrong with it.
        String,
    ),
}

impl Error {
    /// What a file could not do.
    pub(crate) fn file(path: &Path, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full(path.to_owned()),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Error::ReadOnly(path.to_owned()),
            _ => Error::File { path: path.to_owned(), source },
        }
    }

    /// What the database could not do.
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Error {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::Full(path),
            Some(ErrorCode::ReadOnly) => Error::ReadOnly(path),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Damaged { path, reason: source.to_string() }
            }
            _ => Error::Database { path, source },
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Error {
        Error::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}

fn who(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}
