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
    digest::Speller,
    model::{Kind, Outcome},
    proxy::RobotProxy,
    retries::RetrySchedule,
    sender::{Called, Sender, WHOLE_CALL},
    store::{
        bells,
        claim::{self, Claim, Round},
        complete,
        outbox::{self, Received},
        set_clock,
    },
};
use crate::{
    clock::{Clock, Moment},
    db::{self, Database, DeliveryId, Listener, TenantId},
    error::Result,
    robots::{Meaning, Origins},
    secrets::{KeyRing, random},
};

/// How many robots are called at a time. One that hangs takes one place for ten seconds and holds up no other.
const AT_A_TIME: usize = 64;

/// How much work it is to claim what is due, and to record a call, beside an ordinary write; see
/// [`Database::write_weighing`]. Each delivery of a digest is half as much more.
const ROUND_WEIGHT: usize = 50;
const RECORD_WEIGHT: usize = 3;

/// How long the worker sleeps at most where nobody tells it what other processes wrote: so soon it finds it.
const POLL: Duration = Duration::from_secs(1);

/// How long it sleeps at most where it is told: a process may end between its write and its word.
const TOLD_POLL: Duration = Duration::from_secs(5);

/// The channel on which Postgres tells of what is new in the outbox.
const OUTBOX: &str = "belfry_outbox";

/// After a word to the other processes, what is written within this time is told with one more.
const LULL: Duration = Duration::from_millis(10);

/// When everything that is due is being decided by other processes.
const OTHERS_AT_WORK: Duration = Duration::from_millis(50);

/// How long the worker leaves a database alone that fails, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// How often a page that waits for a delivery looks by itself.
const GLANCE: Duration = Duration::from_millis(250);

/// Wakes the workers, and whoever waits for the end of a delivery. Clones ring the same ones.
#[derive(Clone, Debug, Default)]
pub struct Waker {
    work: Arc<Notify>,
    ended: Arc<Notify>,
    /// To the workers of other processes, where there is a way.
    others: Option<mpsc::Sender<()>>,
}

impl Waker {
    /// One that on Postgres wakes the workers of all processes on this database. On SQLite it wakes the one of this process alone,
    /// and those of others find the work by themselves. Call it on the tokio runtime.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        let others = db.tells().then(|| {
            // One place: a word that is not told yet covers everything written until it is.
            let (others, told) = mpsc::channel(1);
            tokio::spawn(tell_others(db.clone(), told));
            others
        });
        Self { others, ..Self::default() }
    }

    /// Says that there is something new in the outbox; call it after the write has succeeded.
    pub fn wake(&self) {
        self.wake_here();
        if let Some(others) = &self.others {
            let _already_on_its_way = others.try_send(());
        }
    }

    /// Wakes the worker of this process.
    fn wake_here(&self) {
        self.work.notify_one();
    }

    /// Waits until a delivery of this tenant has ended, but no longer than this, and answers how it stands then.
    ///
    /// # Errors
    /// [`crate::error::Error::NotFound`] when the tenant has no such delivery; what the database answers.
    pub async fn wait_for(
        &self,
        db: &Database,
        tenant: TenantId,
        delivery: DeliveryId,
        at_most: Duration,
    ) -> Result<Outcome> {
        let deadline = Instant::now() + at_most;
        loop {
            let mut ended = pin!(self.ended.notified());
            // Listening starts before looking, so that an end in between is heard.
            ended.as_mut().enable();
            let outcome = db.read(move |c| outbox::outcome(c, tenant, delivery)).await?;
            if outcome.state.has_ended() || Instant::now() >= deadline {
                return Ok(outcome);
            }
            // Another process may end it without a word here: then the glance finds out.
            drop(timeout_at(deadline.min(Instant::now() + GLANCE), ended).await);
        }
    }
}

/// Passes words on until the last waker is gone. One that is lost is made good by the others' own looks.
async fn tell_others(db: Database, mut told: mpsc::Receiver<()>) {
    while told.recv().await.is_some() {
        if let Err(fault) = db.tell(OUTBOX).await {
            tracing::warn!(%fault, "the workers of other processes could not be told of new work; they find it by themselves");
        }
        sleep(LULL).await;
    }
}

/// When a worker last looked for work and could. Clones are of the same worker.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// One that last beat so long ago.
    #[cfg(test)]
    pub(crate) fn of_age(age: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now().checked_sub(age).unwrap())))
    }

    /// How long ago that was.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// The running worker.
pub struct Courier {
    pulse: Pulse,
    waker: Waker,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How robots are called, as far as the operator decides it.
#[derive(Clone, Debug, Default)]
pub struct CallSettings {
    /// The pauses between tries.
    pub schedule: RetrySchedule,
    /// What robots of the vendors are called through.
    pub proxy: Option<RobotProxy>,
}

impl Courier {
    /// Starts the worker on the current tokio runtime. The speller finds the words for what is folded.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] when the system's certificates cannot be read, or a thread cannot be started.
    pub fn start(
        db: Database,
        keys: KeyRing,
        origins: Origins,
        clock: Clock,
        waker: Waker,
        speller: Speller,
    ) -> Result<Self> {
        Self::start_with(db, keys, origins, clock, waker, speller, CallSettings::default())
    }

    /// Starts one that calls robots by these settings.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(
        db: Database,
        keys: KeyRing,
        origins: Origins,
        clock: Clock,
        waker: Waker,
        speller: Speller,
        settings: CallSettings,
    ) -> Result<Self> {
        let CallSettings { schedule, proxy } = settings;
        let sender = Sender::new(keys, origins, clock.clone(), proxy.as_ref())?;
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let woken = waker.clone();
        let listener = db.listen(OUTBOX, move || woken.wake_here())?.map(Arc::new);
        let (waking, seen, pulse) = (waker.clone(), Arc::default(), Pulse::new());
        let own = pulse.clone();
        let worker = Worker { db, clock, sender, waker: waking, places, pulse: own, speller, listener, schedule, seen };
        let (stopping, stopped) = watch::channel(false);
        let task = tokio::spawn(worker.run(stopped));
        Ok(Self { pulse, waker, stopping, task })
    }

    /// Whether this worker is alive.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// What wakes this worker.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Claims nothing more and waits for what is in flight, at most ten seconds. What does not end by then goes out again
    /// when its lease is over.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        if let Err(fault) = self.task.await {
            tracing::error!(%fault, "the courier did not end by itself");
        }
    }
}

#[derive(Clone)]
struct Worker {
    db: Database,
    clock: Clock,
    sender: Sender,
    waker: Waker,
    places: Arc<Semaphore>,
    pulse: Pulse,
    speller: Speller,
    /// What hears of other processes' writes, where there is a way.
    listener: Option<Arc<Listener>>,
    schedule: RetrySchedule,
    /// When the clock was last looked at.
    seen: Arc<Mutex<Option<Moment>>>,
}

impl Worker {
    /// How long to sleep at most.
    fn poll(&self) -> Duration {
        let is_told = self.listener.as_ref().is_some_and(|listener| listener.hears());
        if is_told { TOLD_POLL } else { POLL }
    }

    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut calls = JoinSet::new();
        let mut back_off = BACK_OFF.0;
        // An error here means that the Courier is gone without a word: stop as well.
        while stopping.has_changed().is_ok_and(|changed| !changed) {
            while calls.try_join_next().is_some() {}
            let pause = match self.start_due(&mut calls).await {
                Ok(pause) => {
                    self.pulse.beat();
                    back_off = BACK_OFF.0;
                    pause
                }
                Err(fault) => {
                    tracing::error!(%fault, "the courier cannot use the database; it tries again");
                    // Not cut short by wakes: a database in trouble is not helped by being asked more often.
                    drop(timeout(back_off, stopping.changed()).await);
                    back_off = (back_off * 2).min(BACK_OFF.1);
                    continue;
                }
            };
            tokio::select! {
                () = self.waker.work.notified() => {}
                () = sleep(pause) => {}
                _ = stopping.changed() => break,
            }
        }
        let all_ended = async { while calls.join_next().await.is_some() {} };
        if timeout(WHOLE_CALL, all_ended).await.is_err() {
            tracing::warn!("calls were still in flight at the end; their messages go out again later");
        }
    }

    /// Brings what waits into line with the clock, when somebody has set it since the last look. Answers this look.
    async fn mind_the_clock(&self) -> Result<Moment> {
        let moment = self.clock.moment();
        let last = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match last {
            Some(last) => moment.unset_since(last),
            // Of the time when nobody was running, it can only be told that the clock was set back.
            None => self.db.read(set_clock::last_call).await?.map_or(moment.now, |last| last.max(moment.now)),
        };
        let now = moment.now;
        if set_clock::is_set(before, now) {
            tracing::warn!(%before, %now, "the machine's clock was set; what waits, rests and is sent is moved along");
            let schedule = self.schedule.clone();
            self.db.write(move |c| set_clock::adjust(c, &schedule, before, now)).await?;
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
        Ok(moment)
    }

    /// Starts calls for what may go out now, as many as there are places, and answers for how long to sleep.
    async fn start_due(&self, calls: &mut JoinSet<()>) -> Result<Duration> {
        let minded = self.mind_the_clock().await?;
        let due = self.db.read(bells::next_due).await?;
        let until_due = due.map_or(TimeDelta::MAX, |due| due - self.clock.now());
        if until_due > TimeDelta::zero() {
            let poll = self.poll();
            return Ok(until_due.to_std().map_or(poll, |until| until.min(poll)));
        }
        // Every call that ends wakes the worker, so nobody has to wait for a place here.
        let places: Vec<OwnedSemaphorePermit> =
            std::iter::from_fn(|| Arc::clone(&self.places).try_acquire_owned().ok()).collect();
        if places.is_empty() {
            return Ok(POLL);
        }
        let (clock, speller, at_most) = (self.clock.clone(), Arc::clone(&self.speller), places.len());
        let asked = Instant::now();
        let round = self.db.write_weighing(ROUND_WEIGHT, move |c| {
            db::keep_time(c, &clock)?;
            let moment = clock.moment();
            if set_clock::is_set(moment.unset_since(minded), moment.now) {
                // Just now: nothing is claimed by a time that is not minded yet.
                return Ok(Round::default());
            }
            claim::claim_due(c, moment.now, at_most, &speller)
        });
        let round = round.await?;
        if round.ended {
            self.waker.ended.notify_waiters();
        }
        for (claim, place) in round.claims.into_iter().zip(places) {
            calls.spawn(self.clone().deliver(claim, asked, place));
        }
        Ok(if round.looked_at == 0 { OTHERS_AT_WORK } else { Duration::ZERO })
    }

    /// Calls the robot, unless it was `asked` for the claim so long ago that somebody else may have it before the call ends: the
    /// process stood still, or the database took its time.
    async fn deliver(self, claim: Claim, asked: Instant, place: OwnedSemaphorePermit) {
        if !is_in_time(claim.lease_until - self.clock.now(), asked.elapsed()) {
            let (tenant, message) = (claim.tenant, claim.wire.message);
            return tracing::warn!(%tenant, message_id = %message, "a message was claimed too long ago to be sent; it goes out again when its lease is over");
        }
        let called = self.sender.call(&claim).await;
        drop(place);
        self.record(claim, called).await;
        self.waker.ended.notify_waiters();
        self.waker.wake_here();
    }

    /// Records the end of a call, however long the database needs to take it, unless the lease ends before.
    async fn record(&self, claim: Claim, called: Called) {
        let (message, tenant, deliveries) = (claim.wire.message, claim.tenant, claim.deliveries.clone());
        let channel = claim.channel.as_str();
        let (claim, called) = (Arc::new(claim), Arc::new(called));
        let mut back_off = BACK_OFF.0;
        loop {
            let (claim, called) = (Arc::clone(&claim), Arc::clone(&called));
            let (lease_until, now) = (claim.lease_until, self.clock.now());
            let meaning = called.ending.reason().as_str();
            let (schedule, dice) = (self.schedule.clone(), dice());
            let weight = RECORD_WEIGHT + claim.alerts / 2;
            let record = move |c: &mut _| complete::record(c, &claim.wire, &called, (&schedule, dice), now);
            match self.db.write_weighing(weight, record).await {
                Ok(Some(received)) => {
                    self.count(channel, meaning, received, now);
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
            sleep(back_off).await;
            back_off = (back_off * 2).min(BACK_OFF.1);
        }
    }
}

impl Worker {
    /// Counts a recorded call, and what its group has by it.
    fn count(&self, channel: &'static str, meaning: &'static str, received: Vec<Received>, now: NaiveDateTime) {
        let metrics = self.db.metrics();
        metrics.called(channel, meaning);
        if meaning == Meaning::Wait.as_str() {
            metrics.throttled(channel);
        }
        for (kind, since) in received {
            let kind = Kind::parse(&kind).map_or("other", Kind::as_str);
            metrics.received(channel, kind, (now - since).to_std().unwrap_or_default());
        }
    }
}

/// Whether a call that begins now ends before its lease does, by what is left of it by the time of day, and by the time that
/// has gone by since it was asked for: the one stands still when the clock is set back, the other while the machine sleeps.
fn is_in_time(left: TimeDelta, gone_by: Duration) -> bool {
    let (gone_by, call) = (TimeDelta::from_std(gone_by), TimeDelta::from_std(WHOLE_CALL));
    let (Ok(gone_by), Ok(call)) = (gone_by, call) else { return false };
    left.min(claim::LEASE - gone_by.min(claim::LEASE)) >= call
}

/// A random number from 0 to 1. Where the system gives none, pauses go without variation.
fn dice() -> f64 {
    random::<2>().map_or(0.0, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_for_a_lease_that_may_end_before_the_call_does() {
        let (soon, late) = (Duration::from_millis(20), Duration::from_secs(36));
        assert!(is_in_time(TimeDelta::seconds(44), soon));
        // The machine slept, and only the time of day shows it.
        assert!(!is_in_time(TimeDelta::seconds(9), soon));
        assert!(!is_in_time(TimeDelta::hours(-1), soon));
        // The process stood still while somebody set the clock back.
        assert!(!is_in_time(TimeDelta::seconds(44), late));
        assert!(!is_in_time(TimeDelta::seconds(44), Duration::MAX));
    }
}
