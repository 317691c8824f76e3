//! Every refused post is seen: counted in the metrics, in the log (bounded), and on the page of the portal that sent it. What was
//! posted, and what it was proven with, is never among it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix_web::{HttpMessage as _, HttpRequest, web::Data};
use tokio::time::sleep;

use super::{
    model::Caller,
    problem::Problem,
    store::refused::{self as store, RefusedPosts},
};
use crate::{
    clock::Clock,
    db::{Database, PortalId},
    error::Result,
    refusals,
    web::client_address,
};

/// How long refused posts are gathered before they are stored together: what a portal causes by them stays small.
const GATHER: Duration = Duration::from_secs(1);
/// The most kinds of refused posts that are gathered at a time.
const MOST_GATHERED: usize = 1000;

/// Counts refused posts.
#[derive(Clone)]
pub struct Refusals(Arc<State>);

struct State {
    db: Database,
    clock: Clock,
    traces: refusals::RefusalLog,
    gathered: Mutex<Gathered>,
}

/// What is not stored yet.
#[derive(Default)]
struct Gathered {
    posts: BTreeMap<(PortalId, &'static str, String), RefusedPosts>,
    /// Whether something will store it by itself.
    is_scheduled: bool,
}

/// Which portal a request is proven to come from.
#[derive(Clone, Copy)]
struct Proven(PortalId);

/// Notes for [`Refusals::note`] which portal sends a request.
pub(super) fn note_caller(request: &HttpRequest, caller: &Caller) {
    request.extensions_mut().insert(Proven(caller.id));
}

impl Refusals {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(db: Database, clock: Clock, traces: refusals::RefusalLog) -> Self {
        Self(Arc::new(State { db, clock, traces, gathered: Mutex::default() }))
    }

    /// Counts the refusal of this request.
    pub(super) fn note(request: &HttpRequest, problem: &Problem) {
        if let Some(refusals) = request.app_data::<Data<Self>>() {
            let portal = request.extensions().get::<Proven>().map(|proven| proven.0);
            refusals.trace(request, portal, problem);
            if let Some(portal) = portal {
                refusals.gather(portal, problem.word(), client_address(request));
            }
        }
    }

    /// Counts a refusal in the metrics, and writes its line.
    fn trace(&self, request: &HttpRequest, portal: Option<PortalId>, problem: &Problem) {
        let (traces, portal, word) = (&self.0.traces, portal.map(|id| id.0), problem.word());
        match problem {
            Problem::Internal(fault) => {
                traces.count_post(portal, word);
                traces.note_failure(&request.match_pattern().unwrap_or_default(), fault);
            }
            // `web::host_guard` has written the line.
            Problem::WrongHost => traces.count_post(portal, word),
            Problem::NotStored(fault) => traces.note_post(portal, word, &client_address(request), fault),
            _ => traces.note_post(portal, word, &client_address(request), request.path()),
        }
    }

    /// Keeps a refusal for the page of its portal.
    fn gather(&self, portal: PortalId, problem: &'static str, address: String) {
        let now = self.0.clock.now();
        let mut gathered = self.gathered();
        let is_full = gathered.posts.len() >= MOST_GATHERED;
        match gathered.posts.entry((portal, problem, address.clone())) {
            Entry::Occupied(mut known) => {
                let posts = known.get_mut();
                posts.count += 1;
                posts.last_at = now;
            }
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(unknown) => {
                let problem = problem.to_owned();
                unknown.insert(RefusedPosts { problem, address, count: 1, first_at: now, last_at: now });
            }
        }
        if !std::mem::replace(&mut gathered.is_scheduled, true) {
            let refusals = self.clone();
            actix_web::rt::spawn(async move {
                sleep(GATHER).await;
                refusals.gathered().is_scheduled = false;
                if let Err(fault) = refusals.store().await {
                    tracing::debug!(%fault, "refused posts not stored");
                }
            });
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.gathered.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Stores what was gathered. What cannot be stored is kept for the next time.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn store(&self) -> Result<()> {
        let posts = std::mem::take(&mut self.gathered().posts);
        if posts.is_empty() {
            return Ok(());
        }
        let written = posts.clone();
        let stored = self
            .0
            .db
            .write(move |c| written.iter().try_for_each(|((portal, ..), posts)| store::add(c, *portal, posts)));
        let stored = stored.await;
        if stored.is_err() {
            let mut gathered = self.gathered();
            for (key, posts) in posts {
                match gathered.posts.entry(key) {
                    Entry::Occupied(mut known) => {
                        known.get_mut().count += posts.count;
                        known.get_mut().first_at = posts.first_at;
                    }
                    Entry::Vacant(unknown) => drop(unknown.insert(posts)),
                }
            }
        }
        stored
    }
}
