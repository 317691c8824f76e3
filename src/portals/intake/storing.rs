//! Storing a post: the checks that only its transaction can make, and groups of alerts part by part.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Key, Post, Proven, changing};
use crate::{
    alerts::{IncomingAlert, IngestTransaction, Ingested, PreparedBatch, Signal, store::events},
    db::AnyConnection,
    error::Result,
    members::Tools,
    portals::{
        problem::{Answer, Problem},
        store::posts::{self, KeyUse},
    },
    web::FieldErrors,
};

/// The most alerts of a post that one transaction stores, so that a long group delays no other tenant for longer than some
/// milliseconds. A post of fewer is stored all or nothing.
const PART_ALERTS: usize = 10;
/// How often alerts are decided again when what they are decided by changes meanwhile.
const ROUNDS: usize = 3;

/// Which part of a post a transaction stores.
#[derive(Clone, Copy, Debug)]
struct Part {
    is_first: bool,
    is_last: bool,
}

impl Part {
    const WHOLE: Self = Self { is_first: true, is_last: true };
}

/// What a transaction did for a post.
enum Stored {
    /// It stored the last part, or the post repeats another one and stores nothing.
    Answered(Answer),
    /// It stored a part, after which others follow.
    Part(Vec<Ingested>),
    /// It stored nothing: what the alerts were decided by has changed.
    Stale,
}

impl Post {
    /// Takes alerts in, with another one if it fires or its event is open. What they are decided by is verified in their
    /// transactions; when it has changed since, those that are left are decided again.
    ///
    /// # Errors
    /// Why not all was stored. Of more than [`PART_ALERTS`] the first may have been.
    pub(super) async fn take(
        &self,
        tools: &Tools,
        mut alerts: Vec<IncomingAlert>,
        left_out: Option<IncomingAlert>,
        faults: FieldErrors,
    ) -> Proven<Answer> {
        let sure = alerts.len();
        alerts.extend(left_out);
        let mut group = Group { faults, sure, taken: Vec::new(), all: Arc::new(alerts) };
        for _ in 0..ROUNDS {
            let outcome = self.take_parts(tools, &mut group).await;
            self.snapshots.request_fan_out();
            if let Some(answer) = outcome? {
                return Ok(answer);
            }
        }
        Err(changing().into())
    }

    /// Takes in what is left of a group; nothing when what it is decided by changes.
    async fn take_parts(&self, tools: &Tools, group: &mut Group) -> Proven<Option<Answer>> {
        let rest = group.all.get(group.taken.len()..).unwrap_or_default().to_vec();
        let (_, prepared) = self.snapshots.prepare(&self.db(tools), &self.context(), rest).await?;
        let parts = group.all.len().saturating_sub(group.taken.len()).div_ceil(PART_ALERTS).max(1);
        let weight = prepared.weight().div_ceil(parts);
        let prepared = Arc::new(Mutex::new(prepared));
        loop {
            let (prepared, of_part) = (Arc::clone(&prepared), group.clone());
            let part = group.next_part();
            let job = move |c: &mut AnyConnection, post: &Self| {
                let prepared = prepared.lock().unwrap_or_else(PoisonError::into_inner);
                of_part.store(c, post, part, &prepared)
            };
            match self.store_part(tools, part, weight, job).await? {
                Stored::Answered(answer) => return Ok(Some(answer)),
                Stored::Part(taken) => group.taken.extend(taken),
                Stored::Stale => return Ok(None),
            }
        }
    }

    /// Stores what a post says, with the nonce that it spends and the answer that its key stands for, all or nothing; a
    /// post that repeats another one is answered as that was, and stores nothing.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn store<F>(&self, tools: &Tools, job: F) -> Proven<Answer>
    where
        F: FnOnce(&mut AnyConnection, &Self) -> Result<Proven<Answer>> + Send + 'static,
    {
        let job = |c: &mut AnyConnection, post: &Self| Ok(job(c, post)?.map(Stored::Answered));
        match self.store_part(tools, Part::WHOLE, 1, job).await? {
            Stored::Answered(answer) => Ok(answer),
            Stored::Part(_) | Stored::Stale => Err(Problem::Internal("a post was stored in part".to_owned())),
        }
    }

    /// Stores a part of a post. The weight is that of [`crate::db::Database::write_weighted`].
    async fn store_part<F>(&self, tools: &Tools, part: Part, weight: usize, job: F) -> Proven<Stored>
    where
        F: FnOnce(&mut AnyConnection, &Self) -> Result<Proven<Stored>> + Send + 'static,
    {
        let post = self.clone();
        // What is stale is undone as a refusal is: its key and its nonce are not used up.
        let write = move |c: &mut AnyConnection| {
            Ok(match post.write(c, part, job)? {
                Ok(Stored::Stale) => Err(None),
                Ok(stored) => Ok(stored),
                Err(problem) => Err(Some(problem)),
            })
        };
        let stored = self.db(tools).try_write(weight, write).await?;
        tools.waker.wake();
        stored.or_else(|problem| problem.map_or(Ok(Stored::Stale), Err))
    }

    /// Rows are locked in one order by all posts: the portal's, the key's, the nonce's, and then those of the job.
    fn write<F>(&self, c: &mut AnyConnection, part: Part, job: F) -> Result<Proven<Stored>>
    where
        F: FnOnce(&mut AnyConnection, &Self) -> Result<Proven<Stored>>,
    {
        if let Err(problem) = self.confirm(posts::standing(c, self.caller.id)?.as_ref()) {
            return Ok(Err(problem));
        }
        if part.is_first
            && let Err(problem) = self.count(c)?
        {
            return Ok(Err(problem));
        }
        match self.use_key(c, part)? {
            KeyUse::New => {}
            KeyUse::Answered(status, body) => return Ok(Ok(Stored::Answered(Answer { status, body }))),
            KeyUse::OfAnother => return Ok(Err(Problem::KeyReused)),
        }
        if let Some(form) = &self.form {
            match form.expires_at(self.now) {
                Ok(expires_at) if posts::spend(c, self.caller.id, &form.nonce, expires_at)? => {}
                Ok(_) => return Ok(Err(Problem::NonceUsed)),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        let stored = job(c, self)?;
        if let (Some(key), Ok(Stored::Answered(answer))) = (&self.key, &stored) {
            posts::keep(c, self.caller.id, &key.text, answer.status, &answer.body)?;
        }
        Ok(stored)
    }

    /// Counts the post against the portal's limit, and notes that the portal is used.
    fn count(&self, c: &mut AnyConnection) -> Result<Proven<()>> {
        let (portal, now) = (self.caller.id, self.now);
        if let Some(at_most) = self.caller.per_minute
            && !posts::count(c, portal, at_most, now)?
        {
            return Ok(Err(Problem::Limited { retry_after: posts::until_next_minute(now) }));
        }
        if self.caller.use_is_due(now) {
            posts::note_use(c, portal, now)?;
        }
        Ok(Ok(()))
    }

    /// What the post's key stands for. The last part takes it, with the answer; the first only looks, so that a post of which a
    /// part was stored can be repeated.
    fn use_key(&self, c: &mut AnyConnection, part: Part) -> Result<KeyUse> {
        let Some(Key { text, body_hash }) = &self.key else { return Ok(KeyUse::New) };
        if part.is_last {
            posts::take_key(c, self.caller.id, text, body_hash, self.now)
        } else if part.is_first {
            Ok(posts::known_key(c, self.caller.id, text, body_hash, self.now)?.unwrap_or(KeyUse::New))
        } else {
            Ok(KeyUse::New)
        }
    }
}

/// The alerts of a post, and what became of those that are stored.
#[derive(Clone)]
struct Group {
    all: Arc<Vec<IncomingAlert>>,
    /// So many are stored in any case; one after them only if it fires or its event is open.
    sure: usize,
    taken: Vec<Ingested>,
    /// What was left out of them.
    faults: FieldErrors,
}

impl Group {
    fn next_part(&self) -> Part {
        let left = self.all.len().saturating_sub(self.taken.len());
        Part { is_first: self.taken.is_empty(), is_last: left <= PART_ALERTS }
    }

    /// Stores the next part, and answers the post with the last one.
    fn store(
        mut self,
        c: &mut AnyConnection,
        post: &Post,
        part: Part,
        prepared: &PreparedBatch,
    ) -> Result<Proven<Stored>> {
        let mut next: Vec<&IncomingAlert> = Vec::with_capacity(PART_ALERTS);
        for (place, alert) in self.all.iter().enumerate().skip(self.taken.len()).take(PART_ALERTS) {
            if place < self.sure || alert.signal == Signal::Firing || is_open(c, post, &alert.key)? {
                next.push(alert);
            }
        }
        let mut ingest = IngestTransaction::default();
        let Some(taken) = ingest.ingest_prepared(c, &post.context(), &next, prepared)? else {
            return Ok(Ok(Stored::Stale));
        };
        ingest.finish(c, post.now)?;
        if !part.is_last {
            return Ok(Ok(Stored::Part(taken)));
        }
        self.taken.extend(taken);
        Ok(Ok(Stored::Answered(post.taken(&self.taken, self.all.iter(), &self.faults))))
    }
}

fn is_open(c: &mut AnyConnection, post: &Post, key: &str) -> Result<bool> {
    let context = post.context();
    let owner = context.key_owner();
    events::is_open(c, context.event_key(&owner, key))
}
