//! Folders: the files in them.

use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, by name. Hidden ones are left out: writers hide what is not finished.
    pub files: Vec<PathBuf>,
    /// How many folders are inside, which are left out.
    pub folders: usize,
}

/// Looks into a folder.
pub fn list(folder: &Path) -> Result<Listing, Error> {
    let failed = |source: io::Error| Error::open(folder.to_owned(), source);
    let mut listing = Listing::default();
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Of a link, what it leads to; one that leads nowhere is no file.
        match entry.path().metadata() {
            Ok(metadata) if metadata.is_file() => listing.files.push(entry.path()),
            Ok(metadata) if metadata.is_dir() => listing.folders += 1,
            _ => {}
        }
    }
    listing.files.sort();
    Ok(listing)
}

/// The paths, in the place of each folder the files in it; and what is to be said of folders that were left out. A folder
/// without files is an error.
pub fn expand(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), Error> {
    let (mut expanded, mut left_out) = (Vec::with_capacity(paths.len()), Vec::new());
    for path in paths {
        if !path.is_dir() {
            expanded.push(path.clone());
            continue;
        }
        let Listing { files, folders } = list(path)?;
        if files.is_empty() {
            return Err(Error::EmptyFolder { path: path.clone(), folders });
        }
        left_out.extend(left_out_in(path, folders));
        expanded.extend(files);
    }
    Ok((expanded, left_out))
}

/// What is to be said of a folder with so many folders inside.
pub fn left_out_in(folder: &Path, folders: usize) -> Option<String> {
    let what = match folders {
        0 => return None,
        1 => "a folder inside it is".to_owned(),
        count => format!("{count} folders inside it are"),
    };
    Some(format!("{}: {what} left out; name what is to be read of it, too", folder.display()))
}
