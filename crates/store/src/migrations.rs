//! The schema of the database, and how an older one becomes it.
//!
//! A schema that was released is never changed: a later one is a further file, and brings the one before it forward.

use std::path::Path;

use rusqlite::Connection;

use crate::Error;

/// What brings each version to the next; `user_version` counts them.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/0001-first.sql"), include_str!("../migrations/0002-occasions.sql")];

/// Brings the database to the schema of this version: to the next version, or not, if it breaks off.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let found = version(connection, path)?;
    for (number, migration) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        let mut step = || {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()
        };
        step().map_err(|error| Error::database(path, error))?;
    }
    Ok(())
}

/// Whether it has the schema of this version.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let found = version(connection, path)?;
    if found < MIGRATIONS.len() as u32 { Err(Error::Older { path: path.to_owned() }) } else { Ok(()) }
}

fn version(connection: &Connection, path: &Path) -> Result<u32, Error> {
    let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    let found = version.map_err(|error| Error::database(path, error))?;
    let known = MIGRATIONS.len() as u32;
    if found > known { Err(Error::Newer { path: path.to_owned(), found, known }) } else { Ok(found) }
}
