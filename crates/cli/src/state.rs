//! Where the active detector and the store are kept, and which detector a verb uses.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use flow::printable;
use model::Detector;
use sensor::activation::Registry;
use store::Store;

use crate::saved;

/// The folder of the active detector and of the store.
#[derive(clap::Args)]
pub(crate) struct State {
    /// The folder that holds the active detector and what is kept. [default: $LAPWING_STATE; $STATE_DIRECTORY as systemd sets it for a
    /// service; $XDG_STATE_HOME/lapwing or ~/.local/state/lapwing; on macOS ~/Library/Application Support/lapwing; on
    /// Windows %LOCALAPPDATA%\lapwing]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

impl State {
    /// The registry; an error where nothing tells where it is.
    pub(crate) fn registry(&self) -> Result<Registry> {
        Ok(Registry::at(self.folder()?))
    }

    /// The folder; an error where nothing tells where it is.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let none = || anyhow!("no folder is known for what is kept: name one with --state or $LAPWING_STATE");
        self.state.clone().or_else(usual).ok_or_else(none)
    }

    /// The store, to be read; an error that says how to begin where nothing is kept yet.
    pub(crate) fn reader(&self) -> Result<store::Reader> {
        Store::reader(&self.folder()?).map_err(how_to_begin)
    }

    /// The store, to be written beside a running sensor.
    pub(crate) fn store(&self) -> Result<Store> {
        Store::beside(&self.folder()?).map_err(how_to_begin)
    }

    /// The detector in this file, or the active one where no file is named, telling on stderr which that is, and what people
    /// call it; `None` where none is active.
    pub(crate) fn detector(&self, named: Option<&Path>) -> Result<Option<(Detector, String)>> {
        if let Some(path) = named {
            return Ok(Some((saved::load(path)?, path.display().to_string())));
        }
        if self.state.is_none() && usual().is_none() {
            return Ok(None);
        }
        let Some((detector, activation)) = self.registry()?.active()? else { return Ok(None) };
        eprintln!("the active detector: {} ({})", printable(&activation.source), activation.method);
        Ok(Some((detector, activation.source)))
    }
}

fn how_to_begin(error: store::Error) -> anyhow::Error {
    match error {
        store::Error::Absent(folder) => {
            anyhow!(
                "nothing is kept in {} yet: run `lapwing scan --keep` first, or name another folder with --state",
                folder.display()
            )
        }
        error => error.into(),
    }
}

/// The folder by the conventions of the platform; variables that are empty or no whole path are passed over.
fn usual() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // A service may have several, of which the first is its own.
    let service = || env::var_os("STATE_DIRECTORY").and_then(|folders| env::split_paths(&folders).next());
    let own = || env::var_os("LAPWING_STATE").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = || env::home_dir().filter(|home| home.is_absolute());
    own().or_else(|| service().filter(|folder| folder.is_absolute())).or_else(|| {
        let folder = if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library/Application Support"))
        } else {
            variable("XDG_STATE_HOME").or_else(|| home().map(|home| home.join(".local/state")))
        };
        Some(folder?.join("lapwing"))
    })
}
