//! Telling other processes that there is something to look for, and hearing it: Postgres's NOTIFY and LISTEN.
//!
//! SQLite has nothing like it; there [`Database::tell`] tells nobody and [`Database::listen`] answers nothing.

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

use super::{Address, AnyConnection, Database};
use crate::error::{Error, Result};

/// How often a listener looks at what has come in on its connection. That is a read of the socket that never waits: the server
/// hears nothing of it, and no statement runs. libpq has a call that waits, but diesel keeps it to itself, and a second client
/// for Postgres would read the database's URL otherwise than libpq does.
const LOOK: Duration = Duration::from_millis(20);

/// How long a connection may be silent before it is asked whether it is still there. A server that vanished without a word (its
/// power, a firewall between) is found out by nothing else.
const SILENCE: Duration = Duration::from_secs(30);

/// How long to wait before a lost connection is opened again, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// A thread that listens, on a connection of its own, until this is dropped.
pub struct Listener {
    hears: Arc<AtomicBool>,
    /// The thread ends when the other end finds this gone.
    _alive: Sender<()>,
}

impl Listener {
    /// Whether the connection stands. While it does not, nobody may count on being called.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
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
    pub async fn tell(&self, channel: &'static str) -> Result<()> {
        if !self.tells() {
            return Ok(());
        }
        self.pooled(move |c| c.batch_execute(&format!("NOTIFY {channel}")).map_err(Error::from)).await
    }

    /// Whether other processes can be called over this database at all.
    #[must_use]
    pub fn tells(&self) -> bool {
        matches!(*self.address, Address::Postgres(_))
    }

    /// Calls the function, on a thread of its own, whenever somebody told something on this channel, and when the connection was
    /// lost or stands again, since what was told meanwhile is not told twice. Several calls may come as one. Nothing on SQLite.
    ///
    /// # Errors
    /// [`Error::Internal`] when the thread cannot be started.
    pub fn listen(&self, channel: &'static str, call: impl Fn() + Send + 'static) -> Result<Option<Listener>> {
        if !self.tells() {
            return Ok(None);
        }
        let hears = Arc::new(AtomicBool::new(false));
        let (alive, gone) = mpsc::channel();
        let line = Line { address: Arc::clone(&self.address), channel, hears: Arc::clone(&hears), call };
        thread::Builder::new()
            .name("listener".to_owned())
            .spawn(move || line.run(&gone))
            .map_err(|fault| Error::internal(format!("the listener's thread could not be started: {fault}")))?;
        Ok(Some(Listener { hears, _alive: alive }))
    }
}

/// What the listening thread works with.
struct Line<F> {
    address: Arc<Address>,
    channel: &'static str,
    hears: Arc<AtomicBool>,
    call: F,
}

impl<F: Fn()> Line<F> {
    /// Listens, and opens the connection again whenever it is lost, until the listener is gone.
    fn run(self, gone: &Receiver<()>) {
        let mut back_off = BACK_OFF.0;
        loop {
            let fault = match self.open() {
                Ok(mut connection) => {
                    back_off = BACK_OFF.0;
                    self.stands(true);
                    let heard = self.hear(&mut connection, gone);
                    self.stands(false);
                    match heard {
                        Ok(()) => return,
                        Err(fault) => fault.to_string(),
                    }
                }
                Err(fault) => fault,
            };
            tracing::warn!(channel = self.channel, %fault, "what other processes tell is not heard; the connection is opened again");
            if is_gone_within(gone, back_off) {
                return;
            }
            back_off = (back_off * 2).min(BACK_OFF.1);
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

    fn stands(&self, stands: bool) {
        self.hears.store(stands, Ordering::Relaxed);
        (self.call)();
    }

    /// Calls for whatever is told on this connection. Returns when the listener is gone.
    fn hear(&self, connection: &mut PgConnection, gone: &Receiver<()>) -> diesel::QueryResult<()> {
        let mut last_word = Instant::now();
        while !is_gone_within(gone, LOOK) {
            let told = connection.notifications_iter().try_fold(0_usize, |told, one| one.map(|_| told + 1))?;
            if told > 0 {
                last_word = Instant::now();
                (self.call)();
            } else if last_word.elapsed() > SILENCE {
                connection.batch_execute("SELECT 1")?;
                last_word = Instant::now();
            }
        }
        Ok(())
    }
}

/// Waits that long, or until the listener is gone.
fn is_gone_within(gone: &Receiver<()>, pause: Duration) -> bool {
    !matches!(gone.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
}
