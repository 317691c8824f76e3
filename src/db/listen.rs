//! Telling other processes that there is something to look for, and hearing it: Postgres's NOTIFY and LISTEN.
//!
//! SQLite has nothing like it; there [`Database::notify`] tells nobody and [`Database::listen`] answers nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{PgConnection, connection::SimpleConnection as _};

use super::{AnyConnection, Database, DatabaseAddress};
use crate::error::{Error, Result};

/// How often a listener looks at what has come in on its connection. That is a read of the socket that never waits: the server
/// hears nothing of it, and no statement runs. libpq has a call that waits, but diesel keeps it to itself, and a second client
/// for Postgres would read the database's URL otherwise than libpq does.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a connection may be silent before it is asked whether it is still there. A server that vanished without a word (its
/// power, a firewall between) is found out by nothing else.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// How long to wait before a lost connection is opened again, at first and at most.
const RECONNECT_BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A thread that listens, on a connection of its own, until this is dropped.
pub struct Listener {
    connected: Arc<AtomicBool>,
    /// The thread ends when the other end finds this gone.
    _alive: Sender<()>,
}

impl Listener {
    /// Whether the connection stands. While it does not, nobody may count on being called.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Database {
    /// Calls everybody who listens to this channel on the same database, in whatever process. The words of one channel are part
    /// of the program: no name of a channel comes from outside.
    ///
    /// A transaction of its own, after the one that it is about: Postgres lets transactions that call commit one after the other,
    /// flush and standby included, while this one has nothing to flush.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no connection is to be had. Then nobody is called.
    pub async fn notify(&self, channel: &'static str) -> Result<()> {
        if !self.supports_notify() {
            return Ok(());
        }
        self.run_on_pool(move |c| c.batch_execute(&format!("NOTIFY {channel}")).map_err(Error::from)).await
    }

    /// Whether other processes can be called over this database at all.
    #[must_use]
    pub fn supports_notify(&self) -> bool {
        matches!(*self.address, DatabaseAddress::Postgres(_))
    }

    /// Calls the function, on a thread of its own, whenever somebody told something on this channel, and when the connection was
    /// lost or stands again, since what was told meanwhile is not told twice. Several calls may come as one. Nothing on SQLite.
    ///
    /// # Errors
    /// [`Error::Internal`] when the thread cannot be started.
    pub fn listen(&self, channel: &'static str, on_notify: impl Fn() + Send + 'static) -> Result<Option<Listener>> {
        if !self.supports_notify() {
            return Ok(None);
        }
        let connected = Arc::new(AtomicBool::new(false));
        let (alive, gone) = mpsc::channel();
        let listen_loop =
            ListenLoop { address: Arc::clone(&self.address), channel, connected: Arc::clone(&connected), on_notify };
        thread::Builder::new()
            .name("listener".to_owned())
            .spawn(move || listen_loop.run(&gone))
            .map_err(|fault| Error::internal(format!("the listener's thread could not be started: {fault}")))?;
        Ok(Some(Listener { connected, _alive: alive }))
    }
}

/// What the listening thread works with.
struct ListenLoop<F> {
    address: Arc<DatabaseAddress>,
    channel: &'static str,
    connected: Arc<AtomicBool>,
    on_notify: F,
}

impl<F: Fn()> ListenLoop<F> {
    /// Listens, and opens the connection again whenever it is lost, until the listener is gone.
    fn run(self, gone: &Receiver<()>) {
        let mut back_off = RECONNECT_BACKOFF.0;
        loop {
            let fault = match self.open() {
                Ok(mut connection) => {
                    back_off = RECONNECT_BACKOFF.0;
                    self.set_connected(true);
                    let ended = self.receive_until_stopped(&mut connection, gone);
                    self.set_connected(false);
                    match ended {
                        Ok(()) => return,
                        Err(fault) => fault.to_string(),
                    }
                }
                Err(fault) => fault,
            };
            tracing::warn!(channel = self.channel, %fault, "what other processes tell is not heard; the connection is opened again");
            if is_stopped_within(gone, back_off) {
                return;
            }
            back_off = (back_off * 2).min(RECONNECT_BACKOFF.1);
        }
    }

    fn open(&self) -> std::result::Result<PgConnection, String> {
        match self.address.connect()? {
            AnyConnection::Postgres(mut connection) => {
                let listen = format!("LISTEN {}", self.channel);
                connection.batch_execute(&listen).map_err(|fault| fault.to_string())?;
                Ok(connection)
            }
            AnyConnection::Sqlite(_) => Err("only Postgres has channels".to_owned()),
        }
    }

    fn set_connected(&self, is_connected: bool) {
        self.connected.store(is_connected, Ordering::Relaxed);
        (self.on_notify)();
    }

    /// Calls for whatever is told on this connection. Returns when the listener is gone.
    fn receive_until_stopped(&self, connection: &mut PgConnection, gone: &Receiver<()>) -> diesel::QueryResult<()> {
        let mut last_activity = Instant::now();
        while !is_stopped_within(gone, POLL_INTERVAL) {
            let received = connection.notifications_iter().try_fold(0_usize, |count, one| one.map(|_| count + 1))?;
            if received > 0 {
                last_activity = Instant::now();
                (self.on_notify)();
            } else if last_activity.elapsed() > IDLE_CHECK_INTERVAL {
                connection.batch_execute("SELECT 1")?;
                last_activity = Instant::now();
            }
        }
        Ok(())
    }
}

/// Waits that long, or until the listener is gone.
fn is_stopped_within(gone: &Receiver<()>, pause: Duration) -> bool {
    !matches!(gone.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
}
