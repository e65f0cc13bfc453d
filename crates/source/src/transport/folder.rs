//! Folders: the files in them.

use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// The files in a folder, by name. Folders inside it are left out, and so are hidden files: writers hide what is not
/// finished.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source: io::Error| Error::open(folder.to_owned(), source);
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Of a link, what it leads to; one that leads nowhere is no file.
        let is_file = entry.path().metadata().is_ok_and(|metadata| metadata.is_file());
        if is_file && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The paths, in the place of each folder the files in it. A folder without files is an error.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut expanded = Vec::with_capacity(paths.len());
    for path in paths {
        if !path.is_dir() {
            expanded.push(path.clone());
            continue;
        }
        let files = files(path)?;
        if files.is_empty() {
            return Err(Error::EmptyFolder { path: path.clone() });
        }
        expanded.extend(files);
    }
    Ok(expanded)
}
