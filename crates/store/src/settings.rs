//! Small things that are kept by a name, such as the calibration of the budget.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::alerts::parse;
use crate::{Error, Reader, Store};

impl Store {
    /// Keeps something under a name, in the place of what was kept there.
    pub fn set<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let fail = |error| Error::Request(format!("`{}` cannot be kept: {error}", flow::printable(name)));
        let json = serde_json::to_string(value).map_err(fail)?;
        self.ask(|connection| {
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", [name, &json]).map(drop)
        })
    }

    /// Forgets what is kept under a name.
    pub fn unset(&mut self, name: &str) -> Result<(), Error> {
        self.ask(|connection| connection.execute("DELETE FROM settings WHERE name = ?1", params![name]).map(drop))
    }
}

impl Reader {
    /// What is kept under a name; `None` where nothing is.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let sql = "SELECT json FROM settings WHERE name = ?1";
        let json: Option<String> =
            self.ask(|connection| connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional())?;
        json.map(|json| parse(&json, &self.database)).transpose()
    }
}
