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
    metrics::Gauges,
    web::is_internal_request,
};

/// For how long what was found is answered again, so that asking often costs nothing.
const READINESS_TTL: Duration = Duration::from_secs(1);
/// How long the database may take to read or to write.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the delivery worker may not have looked for work: several times what it sleeps or backs off at most.
const MAX_WORKER_SILENCE: Duration = Duration::from_secs(30);
/// How often all deliveries are counted.
const LEDGER_INTERVAL: Duration = Duration::from_secs(300);

/// The media type of OpenMetrics' text form.
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#protocol-negotiation>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why this process cannot be used, in a word.
type Readiness = std::result::Result<(), &'static str>;

/// What is asked, and what was found lately.
pub struct Health {
    db: Database,
    clock: Clock,
    /// The delivery worker's, where this process delivers.
    heartbeat: Option<Heartbeat>,
    readiness_cache: Mutex<Option<(Instant, Readiness)>>,
    ledger_cache: Mutex<Option<(Instant, DeliveryTotals)>>,
    lines: BoundedLines,
}

impl Health {
    /// The health of a process with this database, and the pulse of its courier when it delivers.
    #[must_use]
    pub fn new(db: Database, clock: Clock, heartbeat: Option<Heartbeat>) -> Self {
        Self {
            db,
            clock,
            heartbeat,
            readiness_cache: Mutex::new(None),
            ledger_cache: Mutex::new(None),
            lines: BoundedLines::default(),
        }
    }

    /// Whether everything works that this process is for. Whoever asks while somebody looks waits for what he finds.
    async fn readiness(&self) -> Readiness {
        let mut cached = self.readiness_cache.lock().await;
        if let Some((at, ready)) = *cached
            && at.elapsed() < READINESS_TTL
        {
            return ready;
        }
        let ready = self.probe().await;
        *cached = Some((Instant::now(), ready));
        ready
    }

    async fn probe(&self) -> Readiness {
        match timeout(PROBE_TIMEOUT, self.db.has_current_schema()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err("database-version"),
            Ok(Err(fault)) => return self.log_not_ready("database-unreadable", &fault),
            Err(_) => return self.log_not_ready("database-unreadable", &"it does not answer in time"),
        }
        match timeout(PROBE_TIMEOUT, self.db.probe_write()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return self.log_not_ready("database-unwritable", &fault),
            Err(_) => return self.log_not_ready("database-unwritable", &"it does not answer in time"),
        }
        match &self.heartbeat {
            Some(pulse) if pulse.age() > MAX_WORKER_SILENCE => {
                self.log_not_ready("courier-silent", &"it does not look for work")
            }
            _ => Ok(()),
        }
    }

    /// What is looked up for monitoring. Where the database cannot be asked it is left out: the counters are worth most then.
    async fn gauges(&self) -> Gauges {
        let result =
            self.db.read_blocking(|c| Ok((delivery::load_queue_depths(c)?, delivery::count_broken_robots(c)?))).await;
        let (queues, broken) = result.unwrap_or_else(|fault| {
            self.warn("queues-unmeasured", &fault);
            Default::default()
        });
        let now = self.clock.now();
        let queues = queues.into_iter().map(|queue| {
            let age = (now - queue.oldest).num_seconds().max(0);
            (queue.channel.as_str(), queue.depth, age)
        });
        let broken = broken.into_iter().map(|(channel, robots)| (channel.as_str(), robots));
        Gauges { queues: queues.collect(), broken: broken.collect(), ledger: self.ledger_totals().await }
    }

    async fn ledger_totals(&self) -> Vec<(&'static str, i64)> {
        let mut cached = self.ledger_cache.lock().await;
        if cached.is_none_or(|(at, _)| at.elapsed() > LEDGER_INTERVAL) {
            match self.db.read_blocking(delivery::load_totals).await {
                Ok(sums) => *cached = Some((Instant::now(), sums)),
                Err(fault) => self.warn("deliveries-uncounted", &fault),
            }
        }
        cached.map_or_else(
            Vec::new,
            |(_, DeliveryTotals { recipients: chosen, delivered, waiting, failed: given_up })| {
                vec![("chosen", chosen), ("delivered", delivered), ("waiting", waiting), ("given_up", given_up)]
            },
        )
    }

    fn log_not_ready(&self, problem: &'static str, fault: &dyn Display) -> Readiness {
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
    let (mut answer, word) = match health.readiness().await {
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
    if !is_internal_request(&request) {
        return Err(Error::NotFound);
    }
    let now = health.gauges().await;
    let text = health.db.metrics().encode_text(&now).map_err(Error::internal)?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, OPEN_METRICS)).body(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::DatabaseAddress;

    #[test]
    fn a_process_with_a_silent_delivery_worker_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&DatabaseAddress::Sqlite(folder.path().join("belfry.db"))).unwrap();
        let health = |pulse| Health::new(db.clone(), Clock::default(), pulse);
        let (late, lively) = (MAX_WORKER_SILENCE + Duration::from_secs(1), MAX_WORKER_SILENCE - Duration::from_secs(5));
        actix_web::rt::System::new().block_on(async {
            assert_eq!(health(Some(Heartbeat::with_age(late))).readiness().await, Err("courier-silent"));
            assert_eq!(health(Some(Heartbeat::with_age(lively))).readiness().await, Ok(()));
            assert_eq!(health(None).readiness().await, Ok(()), "it shows pages only");
        });
    }

    #[test]
    fn readiness_is_cached_for_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&DatabaseAddress::Sqlite(folder.path().join("belfry.db"))).unwrap();
        let health = Health::new(db, Clock::default(), None);
        actix_web::rt::System::new().block_on(async {
            *health.readiness_cache.lock().await = Some((Instant::now(), Err("database-unwritable")));
            assert_eq!(health.readiness().await, Err("database-unwritable"));
            *health.readiness_cache.lock().await =
                Instant::now().checked_sub(READINESS_TTL).map(|at| (at, Err("database-unwritable")));
            assert_eq!(health.readiness().await, Ok(()));
        });
    }
}
