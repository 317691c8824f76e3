//! What load balancers and monitoring systems ask: whether the process is alive, whether it can serve and deliver, and how
//! it fares.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::Data,
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    clock::Clock,
    db::Database,
    delivery::{self, DeliveryTotals, Heartbeat},
    error::{Error, Result},
    log::BoundedLines,
    metrics::Now,
    web::is_internal,
};

/// For how long what was found is answered again, so that asking often costs nothing.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take to read or to write.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the delivery worker may not have looked for work: several times what it sleeps or backs off at most.
const SILENCE: Duration = Duration::from_secs(30);
/// How often all deliveries are counted.
const RECOUNT: Duration = Duration::from_secs(300);

/// The media type of OpenMetrics' text form.
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#protocol-negotiation>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why this process cannot be used, in a word.
type Ready = std::result::Result<(), &'static str>;

/// What is asked, and what was found lately.
pub struct Health {
    db: Database,
    clock: Clock,
    /// The delivery worker's, where this process delivers.
    pulse: Option<Heartbeat>,
    found: Mutex<Option<(Instant, Ready)>>,
    counted: Mutex<Option<(Instant, DeliveryTotals)>>,
    lines: BoundedLines,
}

impl Health {
    /// The health of a process with this database, and the pulse of its courier when it delivers.
    #[must_use]
    pub fn new(db: Database, clock: Clock, pulse: Option<Heartbeat>) -> Self {
        Self { db, clock, pulse, found: Mutex::new(None), counted: Mutex::new(None), lines: BoundedLines::default() }
    }

    /// Whether everything works that this process is for. Whoever asks while somebody looks waits for what he finds.
    async fn ready(&self) -> Ready {
        let mut found = self.found.lock().await;
        if let Some((at, ready)) = *found
            && at.elapsed() < FRESH
        {
            return ready;
        }
        let ready = self.look().await;
        *found = Some((Instant::now(), ready));
        ready
    }

    async fn look(&self) -> Ready {
        match timeout(PATIENCE, self.db.is_of_this_version()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err("database-version"),
            Ok(Err(fault)) => return self.not_ready("database-unreadable", &fault),
            Err(_) => return self.not_ready("database-unreadable", &"it does not answer in time"),
        }
        match timeout(PATIENCE, self.db.try_write()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return self.not_ready("database-unwritable", &fault),
            Err(_) => return self.not_ready("database-unwritable", &"it does not answer in time"),
        }
        match &self.pulse {
            Some(pulse) if pulse.age() > SILENCE => self.not_ready("courier-silent", &"it does not look for work"),
            _ => Ok(()),
        }
    }

    /// What is looked up for monitoring. Where the database cannot be asked it is left out: the counters are worth most then.
    async fn now(&self) -> Now {
        let looked =
            self.db.read_aside(|c| Ok((delivery::load_queue_depths(c)?, delivery::count_broken_robots(c)?))).await;
        let (queues, broken) = looked.unwrap_or_else(|fault| {
            self.warn("queues-unmeasured", &fault);
            Default::default()
        });
        let now = self.clock.now();
        let queues = queues.into_iter().map(|queue| {
            let age = (now - queue.oldest).num_seconds().max(0);
            (queue.channel.as_str(), queue.depth, age)
        });
        let broken = broken.into_iter().map(|(channel, robots)| (channel.as_str(), robots));
        Now { queues: queues.collect(), broken: broken.collect(), ledger: self.ledger().await }
    }

    async fn ledger(&self) -> Vec<(&'static str, i64)> {
        let mut counted = self.counted.lock().await;
        if counted.is_none_or(|(at, _)| at.elapsed() > RECOUNT) {
            match self.db.read_aside(delivery::load_totals).await {
                Ok(sums) => *counted = Some((Instant::now(), sums)),
                Err(fault) => self.warn("deliveries-uncounted", &fault),
            }
        }
        counted.map_or_else(
            Vec::new,
            |(_, DeliveryTotals { recipients: chosen, delivered, waiting, failed: given_up })| {
                vec![("chosen", chosen), ("delivered", delivered), ("waiting", waiting), ("given_up", given_up)]
            },
        )
    }

    fn not_ready(&self, problem: &'static str, fault: &dyn Display) -> Ready {
        self.warn(problem, fault);
        Err(problem)
    }

    /// Anybody may ask, as often as it pleases.
    fn warn(&self, problem: &'static str, fault: &dyn Display) {
        if let Some(left_out) = self.lines.admit(problem, "") {
            tracing::warn!(%fault, problem, left_out, "health check failed");
        }
    }
}

/// Alive: the process answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the database is of this version and takes reads and writes, and the delivery worker is at work.
pub async fn ready(health: Data<Health>) -> HttpResponse {
    let (mut answer, word) = match health.ready().await {
        Ok(()) => (HttpResponse::Ok(), "ready"),
        Err(word) => (HttpResponse::ServiceUnavailable(), word),
    };
    answer.content_type(ContentType::plaintext()).body(format!("{word}\n"))
}

/// How it fares. What comes by a proxy or by the public name comes from outside, and is not told.
///
/// # Errors
/// [`Error::NotFound`] for whoever comes that way.
pub async fn metrics(request: HttpRequest, health: Data<Health>) -> Result<HttpResponse> {
    if !is_internal(&request) {
        return Err(Error::NotFound);
    }
    let now = health.now().await;
    let text = health.db.metrics().write_out(&now).map_err(Error::internal)?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, OPEN_METRICS)).body(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Address;

    #[test]
    fn a_process_whose_courier_has_not_looked_for_work_for_long_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&Address::Sqlite(folder.path().join("belfry.db"))).unwrap();
        let health = |pulse| Health::new(db.clone(), Clock::default(), pulse);
        let (late, lively) = (SILENCE + Duration::from_secs(1), SILENCE - Duration::from_secs(5));
        actix_web::rt::System::new().block_on(async {
            assert_eq!(health(Some(Heartbeat::with_age(late))).ready().await, Err("courier-silent"));
            assert_eq!(health(Some(Heartbeat::with_age(lively))).ready().await, Ok(()));
            assert_eq!(health(None).ready().await, Ok(()), "it shows pages only");
        });
    }

    #[test]
    fn what_was_found_is_answered_again_for_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&Address::Sqlite(folder.path().join("belfry.db"))).unwrap();
        let health = Health::new(db, Clock::default(), None);
        actix_web::rt::System::new().block_on(async {
            *health.found.lock().await = Some((Instant::now(), Err("database-unwritable")));
            assert_eq!(health.ready().await, Err("database-unwritable"));
            *health.found.lock().await = Instant::now().checked_sub(FRESH).map(|at| (at, Err("database-unwritable")));
            assert_eq!(health.ready().await, Ok(()));
        });
    }
}
