//! Whether the file of a SQLite database still stands where it was opened.
//!
//! SQLite goes on writing into a file that was moved, removed or replaced by a copy, where no later start finds it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A file as it was when it was opened.
#[derive(Debug)]
pub struct OpenedFile {
    path: PathBuf,
    /// The numbers of its device and inode.
    identity: (u64, u64),
}

impl OpenedFile {
    /// The file that stands there now.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Fails with the reason why nothing may be written when it does not stand there any more.
    pub fn is_in_place(&self) -> Result<(), String> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err("another file was put in the place of the database: restart Belfry".to_owned()),
            Err(fault) => Err(format!("the database's file is not in its place any more: {fault}")),
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
