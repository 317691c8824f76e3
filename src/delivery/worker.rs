//! The worker: looks for due messages, sends them side by side, and records each end.
//!
//! It is woken after a write, on Postgres in every process that delivers, and looks by itself now and then, so a wake that is
//! lost costs seconds and no message.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{NaiveDateTime, TimeDelta};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    digest::DigestRendererFactory,
    model::{DeliveryKind, DeliveryStatus},
    proxy::RobotProxy,
    retries::RetrySchedule,
    sender::{CALL_TIMEOUT, CallResult, Sender},
    store::{
        claim::{self, Claim, ClaimBatch},
        clock_jump, endpoints,
        outbox::{self, DeliveredRow},
        outcome,
    },
};
use crate::{
    clock::{Clock, ClockSample},
    db::{self, Database, DeliveryId, Listener, TenantId},
    error::Result,
    robots::{Meaning, RobotOrigins},
    secrets::{KeyRing, random_bytes},
};

/// How many robots are called at a time. One that hangs takes one place for ten seconds and holds up no other.
const MAX_CONCURRENT_CALLS: usize = 64;

/// How much work it is to claim what is due, and to record a call, beside an ordinary write; see
/// [`Database::write_weighted`]. Each delivery of a digest is half as much more.
const ROUND_WEIGHT: usize = 50;
const RECORD_WEIGHT: usize = 3;

/// How long the worker sleeps at most where nobody tells it what other processes wrote: so soon it finds it.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long it sleeps at most where it is told: a process may end between its write and its word.
const POLL_INTERVAL_WITH_NOTIFY: Duration = Duration::from_secs(5);

/// The channel on which Postgres tells of what is new in the outbox.
const NOTIFY_CHANNEL: &str = "belfry_outbox";

/// After a word to the other processes, what is written within this time is told with one more.
const NOTIFY_DEBOUNCE: Duration = Duration::from_millis(10);

/// When everything that is due is being decided by other processes.
const CONTENTION_BACKOFF: Duration = Duration::from_millis(50);

/// How long the worker leaves a database alone that fails, at first and at most.
const DATABASE_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How often a page that waits for a delivery looks by itself.
const STATUS_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Wakes the workers, and tasks that wait for the end of a delivery. Clones wake the same ones.
#[derive(Clone, Debug, Default)]
pub struct Waker {
    work_available: Arc<Notify>,
    delivery_ended: Arc<Notify>,
    /// To the workers of other processes, where there is a way.
    peer_notifier: Option<mpsc::Sender<()>>,
}

impl Waker {
    /// One that on Postgres wakes the workers of all processes on this database. On SQLite it wakes the one of this process alone,
    /// and those of others find the work by themselves. Call it on the tokio runtime.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        let peer_notifier = db.supports_notify().then(|| {
            // One place: a word that is not told yet covers everything written until it is.
            let (peer_notifier, told) = mpsc::channel(1);
            tokio::spawn(notify_peers(db.clone(), told));
            peer_notifier
        });
        Self { peer_notifier, ..Self::default() }
    }

    /// Says that there is something new in the outbox; call it after the write has succeeded.
    pub fn wake(&self) {
        self.notify_local();
        if let Some(peer_notifier) = &self.peer_notifier {
            let _already_on_its_way = peer_notifier.try_send(());
        }
    }

    /// Wakes the worker of this process.
    fn notify_local(&self) {
        self.work_available.notify_one();
    }

    /// Waits until a delivery of this tenant has ended, but no longer than this, and answers how it stands then.
    ///
    /// # Errors
    /// [`crate::error::Error::NotFound`] when the tenant has no such delivery; what the database answers.
    pub async fn wait_for_delivery(
        &self,
        db: &Database,
        tenant: TenantId,
        delivery: DeliveryId,
        timeout: Duration,
    ) -> Result<DeliveryStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let mut ended = pin!(self.delivery_ended.notified());
            // Listening starts before looking, so that an end in between is heard.
            ended.as_mut().enable();
            let outcome = db.read(move |c| outbox::load_delivery_status(c, tenant, delivery)).await?;
            if outcome.state.is_final() || Instant::now() >= deadline {
                return Ok(outcome);
            }
            // Another process may end it without a word here: then the glance finds out.
            drop(timeout_at(deadline.min(Instant::now() + STATUS_POLL_INTERVAL), ended).await);
        }
    }
}

/// Passes words on until the last waker is gone. One that is lost is made good by the others' own looks.
async fn notify_peers(db: Database, mut requests: mpsc::Receiver<()>) {
    while requests.recv().await.is_some() {
        if let Err(fault) = db.notify(NOTIFY_CHANNEL).await {
            tracing::warn!(%fault, "the workers of other processes could not be told of new work; they find it by themselves");
        }
        sleep(NOTIFY_DEBOUNCE).await;
    }
}

/// When a worker last looked for work and could. Clones are of the same worker.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Mutex<Instant>>);

impl Heartbeat {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// One that last beat so long ago.
    #[cfg(test)]
    pub(crate) fn with_age(age: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now().checked_sub(age).unwrap())))
    }

    /// How long ago that was.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// The running worker.
pub struct DeliveryWorker {
    heartbeat: Heartbeat,
    waker: Waker,
    stop_signal: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How robots are called, as far as the operator decides it.
#[derive(Clone, Debug, Default)]
pub struct CallSettings {
    /// The pauses between tries.
    pub retry_schedule: RetrySchedule,
    /// What robots of the vendors are called through.
    pub proxy: Option<RobotProxy>,
}

impl DeliveryWorker {
    /// Starts the worker on the current tokio runtime. The speller finds the words for what is folded.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when the system's certificates cannot be read, or a thread cannot be started.
    pub fn start(
        db: Database,
        keys: KeyRing,
        origins: RobotOrigins,
        clock: Clock,
        waker: Waker,
        digest_renderers: DigestRendererFactory,
    ) -> Result<Self> {
        Self::start_with_settings(db, keys, origins, clock, waker, digest_renderers, CallSettings::default())
    }

    /// Starts one that calls robots by these settings.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_settings(
        db: Database,
        keys: KeyRing,
        origins: RobotOrigins,
        clock: Clock,
        waker: Waker,
        digest_renderers: DigestRendererFactory,
        settings: CallSettings,
    ) -> Result<Self> {
        let CallSettings { retry_schedule, proxy } = settings;
        let sender = Sender::new(keys, origins, clock.clone(), proxy.as_ref())?;
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_CALLS));
        let notifier = waker.clone();
        let listener = db.listen(NOTIFY_CHANNEL, move || notifier.notify_local())?.map(Arc::new);
        let (task_waker, seen, heartbeat) = (waker.clone(), Arc::default(), Heartbeat::new());
        let task_heartbeat = heartbeat.clone();
        let worker = WorkerTask {
            db,
            clock,
            sender,
            waker: task_waker,
            call_permits: permits,
            heartbeat: task_heartbeat,
            digest_renderers,
            listener,
            retry_schedule,
            last_clock_reading: seen,
        };
        let (stopping, stopped) = watch::channel(false);
        let task = tokio::spawn(worker.run(stopped));
        Ok(Self { heartbeat, waker, stop_signal: stopping, task })
    }

    /// Whether this worker is alive.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// What wakes this worker.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Claims nothing more and waits for what is in flight, at most ten seconds. What does not end by then goes out again
    /// when its lease is over.
    pub async fn stop(self) {
        self.stop_signal.send_replace(true);
        if let Err(fault) = self.task.await {
            tracing::error!(%fault, "delivery worker did not stop cleanly");
        }
    }
}

#[derive(Clone)]
struct WorkerTask {
    db: Database,
    clock: Clock,
    sender: Sender,
    waker: Waker,
    call_permits: Arc<Semaphore>,
    heartbeat: Heartbeat,
    digest_renderers: DigestRendererFactory,
    /// What hears of other processes' writes, where there is a way.
    listener: Option<Arc<Listener>>,
    retry_schedule: RetrySchedule,
    /// When the clock was last looked at.
    last_clock_reading: Arc<Mutex<Option<ClockSample>>>,
}

impl WorkerTask {
    /// How long to sleep at most.
    fn poll_interval(&self) -> Duration {
        let has_notifications = self.listener.as_ref().is_some_and(|listener| listener.is_connected());
        if has_notifications { POLL_INTERVAL_WITH_NOTIFY } else { POLL_INTERVAL }
    }

    async fn run(self, mut stop_signal: watch::Receiver<bool>) {
        let mut calls = JoinSet::new();
        let mut backoff = DATABASE_BACKOFF.0;
        // An error here means that the Courier is gone without a word: stop as well.
        while stop_signal.has_changed().is_ok_and(|changed| !changed) {
            while calls.try_join_next().is_some() {}
            let pause = match self.start_due_calls(&mut calls).await {
                Ok(pause) => {
                    self.heartbeat.beat();
                    backoff = DATABASE_BACKOFF.0;
                    pause
                }
                Err(fault) => {
                    tracing::error!(%fault, "delivery worker cannot use the database; retrying");
                    // Not cut short by wakes: a database in trouble is not helped by being asked more often.
                    drop(timeout(backoff, stop_signal.changed()).await);
                    backoff = (backoff * 2).min(DATABASE_BACKOFF.1);
                    continue;
                }
            };
            tokio::select! {
                () = self.waker.work_available.notified() => {}
                () = sleep(pause) => {}
                _ = stop_signal.changed() => break,
            }
        }
        let all_ended = async { while calls.join_next().await.is_some() {} };
        if timeout(CALL_TIMEOUT, all_ended).await.is_err() {
            tracing::warn!("calls were still in flight at the end; their messages go out again later");
        }
    }

    /// Brings what waits into line with the clock, when somebody has set it since the last look. Answers this look.
    async fn adjust_for_clock_jump(&self) -> Result<ClockSample> {
        let reading = self.clock.sample();
        let last = *self.last_clock_reading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match last {
            Some(last) => reading.expected_from(last),
            // Of the time when nobody was running, it can only be told that the clock was set back.
            None => {
                self.db.read(clock_jump::last_call_started_at).await?.map_or(reading.now, |last| last.max(reading.now))
            }
        };
        let now = reading.now;
        if clock_jump::is_jump(before, now) {
            tracing::warn!(%before, %now, "the machine's clock was set; what waits, rests and is sent is moved along");
            let schedule = self.retry_schedule.clone();
            self.db.write(move |c| clock_jump::adjust_for_jump(c, &schedule, before, now)).await?;
        }
        *self.last_clock_reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(reading)
    }

    /// Starts calls for what may go out now, as many as there are places, and answers for how long to sleep.
    async fn start_due_calls(&self, calls: &mut JoinSet<()>) -> Result<Duration> {
        let clock_reading = self.adjust_for_clock_jump().await?;
        let due = self.db.read(endpoints::next_due).await?;
        let until_due = due.map_or(TimeDelta::MAX, |due| due - self.clock.now());
        if until_due > TimeDelta::zero() {
            let poll = self.poll_interval();
            return Ok(until_due.to_std().map_or(poll, |until| until.min(poll)));
        }
        // Every call that ends wakes the worker, so nobody has to wait for a place here.
        let permits: Vec<OwnedSemaphorePermit> =
            std::iter::from_fn(|| Arc::clone(&self.call_permits).try_acquire_owned().ok()).collect();
        if permits.is_empty() {
            return Ok(POLL_INTERVAL);
        }
        let (clock, digest_renderers, limit) = (self.clock.clone(), Arc::clone(&self.digest_renderers), permits.len());
        let requested_at = Instant::now();
        let batch = self.db.write_weighted(ROUND_WEIGHT, move |c| {
            db::sync_clock(c, &clock)?;
            let moment = clock.sample();
            if clock_jump::is_jump(moment.expected_from(clock_reading), moment.now) {
                // Just now: nothing is claimed by a time that is not minded yet.
                return Ok(ClaimBatch::default());
            }
            claim::claim_due(c, moment.now, limit, &digest_renderers)
        });
        let batch = batch.await?;
        if batch.any_ended {
            self.waker.delivery_ended.notify_waiters();
        }
        for (claim, permit) in batch.claims.into_iter().zip(permits) {
            calls.spawn(self.clone().send_claim(claim, requested_at, permit));
        }
        Ok(if batch.endpoint_count == 0 { CONTENTION_BACKOFF } else { Duration::ZERO })
    }

    /// Calls the robot, unless it was `asked` for the claim so long ago that somebody else may have it before the call ends: the
    /// process stood still, or the database took its time.
    async fn send_claim(self, claim: Claim, requested_at: Instant, permit: OwnedSemaphorePermit) {
        if !is_lease_sufficient(claim.lease_until - self.clock.now(), requested_at.elapsed()) {
            let (tenant, message) = (claim.tenant, claim.in_flight.message);
            return tracing::warn!(%tenant, message_id = %message, "a message was claimed too long ago to be sent; it goes out again when its lease is over");
        }
        let result = self.sender.call(&claim).await;
        drop(permit);
        self.record_result(claim, result).await;
        self.waker.delivery_ended.notify_waiters();
        self.waker.notify_local();
    }

    /// Records the end of a call, however long the database needs to take it, unless the lease ends before.
    async fn record_result(&self, claim: Claim, result: CallResult) {
        let (message, tenant, deliveries) = (claim.in_flight.message, claim.tenant, claim.deliveries.clone());
        let channel = claim.channel.as_str();
        let (claim, result) = (Arc::new(claim), Arc::new(result));
        let mut backoff = DATABASE_BACKOFF.0;
        loop {
            let (claim, result) = (Arc::clone(&claim), Arc::clone(&result));
            let (lease_until, now) = (claim.lease_until, self.clock.now());
            let meaning = result.outcome.reason().as_str();
            let (schedule, jitter) = (self.retry_schedule.clone(), random_jitter());
            let weight = RECORD_WEIGHT + claim.alerts / 2;
            let record =
                move |c: &mut _| outcome::record_outcome(c, &claim.in_flight, &result, (&schedule, jitter), now);
            match self.db.write_weighted(weight, record).await {
                Ok(Some(received)) => {
                    self.count_call(channel, meaning, received, now);
                    return tracing::info!(%tenant, message_id = %message, ?deliveries, meaning, "a robot was called");
                }
                Ok(None) => {
                    return tracing::warn!(%tenant, message_id = %message, ?deliveries, meaning, "a call was recorded too late; its message went back to the queue");
                }
                Err(fault) if now < lease_until => {
                    tracing::error!(%tenant, message_id = %message, ?deliveries, %fault, "the end of a call could not be recorded; it is tried again");
                }
                Err(fault) => {
                    return tracing::error!(%tenant, message_id = %message, ?deliveries, %fault, "the end of a call could not be recorded; its message goes out again");
                }
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(DATABASE_BACKOFF.1);
        }
    }
}

impl WorkerTask {
    /// Counts a recorded call, and what its group has by it.
    fn count_call(
        &self,
        channel: &'static str,
        meaning: &'static str,
        received: Vec<DeliveredRow>,
        now: NaiveDateTime,
    ) {
        let metrics = self.db.metrics();
        metrics.record_call(channel, meaning);
        if meaning == Meaning::RateLimited.as_str() {
            metrics.record_throttle(channel);
        }
        for (kind, since) in received {
            let kind = DeliveryKind::parse(&kind).map_or("other", DeliveryKind::as_str);
            metrics.record_receipt(channel, kind, (now - since).to_std().unwrap_or_default());
        }
    }
}

/// Whether a call that begins now ends before its lease does, by what is left of it by the time of day, and by the time that
/// has gone by since it was asked for: the one stands still when the clock is set back, the other while the machine sleeps.
fn is_lease_sufficient(lease_left: TimeDelta, elapsed: Duration) -> bool {
    let (elapsed, call) = (TimeDelta::from_std(elapsed), TimeDelta::from_std(CALL_TIMEOUT));
    let (Ok(gone_by), Ok(call)) = (elapsed, call) else { return false };
    lease_left.min(claim::LEASE_DURATION - gone_by.min(claim::LEASE_DURATION)) >= call
}

/// A random number from 0 to 1. Where the system gives none, pauses go without variation.
fn random_jitter() -> f64 {
    random_bytes::<2>().map_or(0.0, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_for_a_lease_that_may_end_before_the_call_does() {
        let (soon, late) = (Duration::from_millis(20), Duration::from_secs(36));
        assert!(is_lease_sufficient(TimeDelta::seconds(44), soon));
        // The machine slept, and only the time of day shows it.
        assert!(!is_lease_sufficient(TimeDelta::seconds(9), soon));
        assert!(!is_lease_sufficient(TimeDelta::hours(-1), soon));
        // The process stood still while somebody set the clock back.
        assert!(!is_lease_sufficient(TimeDelta::seconds(44), late));
        assert!(!is_lease_sufficient(TimeDelta::seconds(44), Duration::MAX));
    }
}
