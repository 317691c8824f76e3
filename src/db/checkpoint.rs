//! Checkpoints of SQLite's write-ahead log, beside the writer: a commit that makes a whole one keeps every write behind it waiting.
//!
//! The writer still makes one after every thousand pages of the log, so that the log stays short; here most of it is done by then.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection as _;

use super::{AnyConnection, DatabaseAddress};

/// How long commits are collected before a checkpoint.
const PAUSE: Duration = Duration::from_millis(50);

/// Starts the thread, which ends with the sender. Send to it after each commit.
pub fn start(address: DatabaseAddress) -> Result<Sender<()>, String> {
    let (sender, committed) = channel();
    thread::Builder::new()
        .name("checkpoint".to_owned())
        .spawn(move || serve(&address, &committed))
        .map_err(|fault| format!("The checkpoint thread could not be started: {fault}"))?;
    Ok(sender)
}

fn serve(address: &DatabaseAddress, committed: &Receiver<()>) {
    let mut connection = None;
    while committed.recv().is_ok() && pause(committed) {
        if let Err(fault) = checkpoint(&mut connection, address) {
            tracing::warn!(%fault, "a checkpoint of the database failed; it is tried again");
            connection = None;
        }
    }
}

/// Collects commits for a while. Says false when no other will come.
fn pause(committed: &Receiver<()>) -> bool {
    let end = Instant::now() + PAUSE;
    loop {
        match committed.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// A passive one, which waits for nobody and makes nobody wait. The connection is opened for the first, so that an idle process
/// does without it.
fn checkpoint(connection: &mut Option<AnyConnection>, address: &DatabaseAddress) -> Result<(), String> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(address.connect()?),
    };
    open.batch_execute("PRAGMA wal_checkpoint(PASSIVE)").map_err(|fault| fault.to_string())
}
