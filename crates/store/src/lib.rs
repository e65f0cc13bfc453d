//! What is kept on disk: alerts, incidents, what analysts said of them, suppressions, and flows.
//!
//! One process keeps flows, through a [`Store`]; others may write beside it what analysts say ([`Store::beside`]); any number
//! read, each through a [`Reader`]. What a method of the store has
//! returned from is on the disk, whatever befalls the process or the power afterwards; what it has not returned from is
//! there whole or not at all.
//!
//! ```
//! use flow::{Endpoint, Flow, Key, Protocol, Time};
//! use store::{Span, Store};
//!
//! # let folder = std::env::temp_dir().join(format!("lapwing-store-doc-{}", std::process::id()));
//! let mut store = Store::open(&folder)?;
//! let [client, server] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(|address| Endpoint::new(address.into(), 443));
//! let key = Key { originator: client, responder: server, protocol: Protocol::Tcp };
//! let time = Time::from_nanoseconds(1_700_000_000_000_000_000);
//! store.append(&[Flow::between(key, time, time)], &[], time)?;
//!
//! let (mut flows, mut notices) = (Vec::new(), Vec::new());
//! store.replay(Span::ALL)?.read(&mut flows, &mut notices)?;
//! assert_eq!(flows[0].key, key);
//! # drop(store);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), store::Error>(())
//! ```
//!
//! The folder of the state holds `lapwing.db` (SQLite, write-ahead log) with everything but flows, `flows/` with the flows
//! by hour and `labels/` with those that analysts confirmed, as Parquet that other programs read, too; the database lists
//! these files, and what it does not list was never acknowledged. This crate reads no clock: times are given to it. It
//! judges nothing and sends nothing.

mod alerts;
mod error;
mod flows;
mod incidents;
mod labels;
mod lock;
mod migrations;
mod outbox;
mod pages;
mod settings;
mod suppressions;
mod verdicts;

use std::fs::{self, File, OpenOptions};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

pub use alerts::{DayCount, Kept};
pub use error::Error;
pub use flows::{Replay, Retention, Span, Tidied};
pub use labels::Label;
pub use pages::{Filter, Page};
pub use suppressions::{Change, Hits};

/// The store, for the one process that keeps flows in it, or for one that writes beside it. It reads as a [`Reader`] does.
pub struct Store {
    reader: Reader,
    /// Others are kept from writing flows until it is closed; `None` beside such a one.
    lock: Option<File>,
}

/// The store, to be read while others write.
pub struct Reader {
    folder: PathBuf,
    database: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the store in this folder, for writing. Makes it where it is missing, brings it to the schema of this version,
    /// and takes away what was never acknowledged.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("lapwing-store-open-{}", std::process::id()));
    /// let store = store::Store::open(&folder)?;
    /// assert!(matches!(store::Store::open(&folder), Err(store::Error::Busy { .. })));
    /// assert_eq!(store::Store::reader(&folder)?.alert_count()?, 0);
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), store::Error>(())
    /// ```
    pub fn open(folder: &Path) -> Result<Store, Error> {
        make_folder(folder)?;
        let lock = lock::take(folder)?;
        let database = folder.join(DATABASE);
        owned(&database).map_err(|error| Error::file(&database, error))?;
        let mut store = Store::connect(folder, database, Some(lock))?;
        for folder in [flows::FLOWS, flows::LABELS] {
            make_folder(&store.folder.join(folder))?;
        }
        store.remove_orphans()?;
        Ok(store)
    }

    /// Opens the store in this folder to write verdicts, labels, suppressions and alerts, whether another process keeps flows
    /// in it or not. Each waits for the other's turn, for some seconds at most. Flows are not written this way.
    pub fn beside(folder: &Path) -> Result<Store, Error> {
        let database = folder.join(DATABASE);
        if !database.exists() {
            return Err(Error::Absent(folder.to_owned()));
        }
        Store::connect(folder, database, None)
    }

    fn connect(folder: &Path, database: PathBuf, lock: Option<File>) -> Result<Store, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let mut connection = Connection::open_with_flags(&database, flags)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
            connection.pragma_update_and_check(None, "journal_size_limit", MOST_LOG_BYTES, |_| Ok(()))?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.set_transaction_behavior(TransactionBehavior::Immediate);
            Ok(connection)
        };
        let mut connection = open().map_err(|error| Error::database(&database, error))?;
        migrations::migrate(&mut connection, &database)?;
        Ok(Store { reader: Reader { folder: folder.to_owned(), database, connection }, lock })
    }

    /// Opens the store in this folder, for reading, whether somebody writes to it or not.
    pub fn reader(folder: &Path) -> Result<Reader, Error> {
        let database = folder.join(DATABASE);
        if !database.exists() {
            return Err(Error::Absent(folder.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&database, flags)?;
            connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            Ok(connection)
        };
        let connection = open().map_err(|error| Error::database(&database, error))?;
        migrations::check(&connection, &database)?;
        Ok(Reader { folder: folder.to_owned(), database, connection })
    }

    /// Refuses what only the process that keeps flows may do.
    fn keeps_flows(&self) -> Result<(), Error> {
        let refused =
            || Error::Request("flows are written by the one process that opened the store for that".to_owned());
        self.lock.as_ref().map(|_| ()).ok_or_else(refused)
    }

    /// Does all of this, or nothing of it.
    fn transact<T>(
        &mut self,
        act: impl FnOnce(&rusqlite::Transaction<'_>, &Path) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Reader { connection, database, .. } = &mut self.reader;
        let transaction = connection.transaction().map_err(|error| Error::database(database, error))?;
        let done = act(&transaction, database)?;
        transaction.commit().map_err(|error| Error::database(database, error))?;
        Ok(done)
    }
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Reader {
    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether everything is as it was written: the database by its own check, the files of flows by their checksums.
    /// Reads all of it.
    pub fn check(&self) -> Result<(), Error> {
        let said: String = self.ask(|connection| {
            connection.query_row("SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check", [], |row| {
                row.get(0)
            })
        })?;
        if said != "ok" {
            return Err(Error::damaged(&self.database, said));
        }
        self.check_flows()
    }

    fn ask<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        ask(&self.connection).map_err(|error| Error::database(&self.database, error))
    }
}

/// Makes a folder that its owner alone may enter, where it is missing.
fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).map_err(|error| Error::file(folder, error))
}

/// Makes a file that its owner alone may read, where it is missing; SQLite gives those beside it the same permissions.
fn owned(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

const DATABASE: &str = "lapwing.db";
/// Twice the usual: alerts of one or two thousand letters then share pages.
const PAGE_BYTES: u32 = 8192;
const WRITER_CACHE_KIB: i32 = 64 << 10;
const READER_CACHE_KIB: i32 = 16 << 10;
const MOST_LOG_BYTES: i64 = 64 << 20;
/// More than all that there are.
const STATEMENTS: usize = 64;
/// Writers take turns; a reader waits only while the log is recovered after a crash.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use alert::{Alert, Behaviour, Severity};
    use flow::Time;

    use super::*;

    fn alert(number: u64) -> Alert {
        let start = Time::from_nanoseconds(number as i64);
        Alert {
            id: format!("{number:016x}"),
            subject: [10, 0, 0, 1].into(),
            behaviour: Behaviour::Anomaly,
            start,
            end: start,
            severity: Severity::Low,
            score: 0.5,
            technique: None,
            hosts: Vec::new(),
            flows: 1,
            summary: "x".repeat(1000),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn a_disk_that_is_full_or_may_only_be_read_is_said_and_nothing_is_half_kept() {
        let folder = std::env::temp_dir().join(format!("lapwing-store-full-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let mut store = Store::open(&folder).unwrap();
        store.put(&[alert(0)]).unwrap();
        store.reader.connection.pragma_update_and_check(None, "max_page_count", 60, |_| Ok(())).unwrap();
        let error = store.put(&(1..1000).map(alert).collect::<Vec<_>>()).unwrap_err();
        assert!(matches!(error, Error::Full(_)) && error.to_string().contains("the disk is full"), "{error}");
        assert_eq!((store.alert_count().unwrap(), store.last_change().unwrap()), (1, 1));
        store.reader.connection.pragma_update(None, "query_only", true).unwrap();
        let error = store.put(&[alert(1)]).unwrap_err();
        assert!(matches!(error, Error::ReadOnly(_)) && error.to_string().contains("may only be read"), "{error}");
        drop(store);
        fs::remove_dir_all(&folder).unwrap();
    }
}
