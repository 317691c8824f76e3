//! Passwords: Argon2id hashes, a bounded number of them at a time, and what makes a password too weak.
//!
//! Log-ins and chosen passwords have turns of their own, so that neither keeps the other waiting. Before either, a request takes a
//! place: one of an account, four of an address, so that no member and no address takes all turns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Blocklist, password_hash};
use crate::error::{Error, Result};

/// The fewest characters (NIST SP 800-63B-4, 3.1.1.2: a password that is the only factor).
pub(super) const MIN_CHARS: usize = 15;
/// The most characters: far more than anyone types, and few enough that checking one costs little.
pub(super) const MAX_CHARS: usize = 256;
/// A password that a guesser finds within this many tries is common (10^8, the border between zxcvbn's scores 2 and 3).
const MIN_GUESSES: u64 = 100_000_000;
/// zxcvbn's time grows faster than the length (this many take at most some 50 ms, 64 take 800), and its estimate of a run
/// on the number pad overflows at 29; what lies behind this many characters is not needed to call a password strong.
const SCORED_CHARS: usize = 24;
/// So many may wait for their turn; who comes after them would wait for too long.
const MAX_QUEUED: usize = 50;
/// So many requests of one account or address may wait for a place.
const MAX_QUEUED_PER_KEY: usize = 16;
/// So many requests of one address have a place at a time.
const MAX_CONCURRENT_PER_ADDRESS: usize = 4;
/// In how many seconds it is worth trying again when too many wait for a place.
const RETRY_AFTER_SECONDS: i64 = 1;

/// So many characters must be left when the words of the place are taken out of a password.
const MIN_OWN_CHARS: usize = 8;

/// Words that every deployment shares and that a guesser tries first; the caller adds those of the account.
const COMMON_WORDS: [&str; 6] = ["belfry", "dingtalk", "lark", "wecom", "administrator", "robot"];

/// Hashes and checks passwords, only so many at a time: each takes 19 MiB and much time. Clones share the bounds.
#[derive(Clone)]
pub struct Passwords {
    verify_queue: Arc<WorkQueue>,
    hash_queue: Arc<WorkQueue>,
    account_queues: KeyedQueues,
    address_queues: KeyedQueues,
    blocklist: Blocklist,
}

/// Turns, and a bounded queue for them.
#[derive(Debug)]
struct WorkQueue {
    /// One for each that may be at work.
    running: Arc<Semaphore>,
    /// One for each that may be at work or wait for it.
    admitted: Arc<Semaphore>,
}

impl WorkQueue {
    fn new(max_concurrent: usize, queue: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(max_concurrent)),
            admitted: Arc::new(Semaphore::new(max_concurrent.saturating_add(queue))),
        }
    }

    async fn acquire(&self) -> Result<WorkPermit> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Error::TooBusy)?;
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(Error::internal)?;
        Ok(WorkPermit { _permit: permit, _admitted: admitted })
    }
}

/// A lane for each account or address that is at work or waits.
#[derive(Clone)]
struct KeyedQueues {
    max_concurrent: usize,
    queues: Arc<Mutex<HashMap<String, Weak<WorkQueue>>>>,
}

impl KeyedQueues {
    fn new(max_concurrent: usize) -> Self {
        Self { max_concurrent, queues: Arc::default() }
    }

    async fn acquire(&self, key: &str) -> Result<(Arc<WorkQueue>, WorkPermit)> {
        let queue = self.queue_for(key);
        let permit = queue.acquire().await.map_err(|_| Error::TooManyAttempts { retry_after: RETRY_AFTER_SECONDS })?;
        Ok((queue, permit))
    }

    fn queue_for(&self, key: &str) -> Arc<WorkQueue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|_, queue| queue.strong_count() > 0);
        match queues.get(key).and_then(Weak::upgrade) {
            Some(queue) => queue,
            None => {
                let queue = Arc::new(WorkQueue::new(self.max_concurrent, MAX_QUEUED_PER_KEY));
                queues.insert(key.to_owned(), Arc::downgrade(&queue));
                queue
            }
        }
    }
}

/// The place of one request among those of its account and its address. It ends when it is dropped.
#[derive(Debug)]
pub struct RequestPermit {
    _account: (Arc<WorkQueue>, WorkPermit),
    _address: (Arc<WorkQueue>, WorkPermit),
}

/// The right to one piece of work on a password, now.
#[derive(Debug)]
pub struct WorkPermit {
    _permit: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than 15 characters.
    TooShort,
    /// More than 256 characters.
    TooLong,
    /// On the lists of common ones, or made of the product's, the tenant's or the person's own words.
    Common,
}

impl Weakness {
    /// The key of the text that says so.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::TooShort => "accounts-password-too-short",
            Self::TooLong => "accounts-password-too-long",
            Self::Common => "accounts-password-common",
        }
    }
}

/// What is wrong with the length of a new password, if anything. It costs nothing, and comes before [`Passwords::check_strength`].
#[must_use]
pub fn length_weakness(password: &str) -> Option<Weakness> {
    match password.chars().count() {
        ..MIN_CHARS => Some(Weakness::TooShort),
        MIN_CHARS..=MAX_CHARS => None,
        _ => Some(Weakness::TooLong),
    }
}

fn find_weakness(password: &str, context: &[String]) -> Option<Weakness> {
    if let Some(weakness) = length_weakness(password) {
        return Some(weakness);
    }
    let words: Vec<&str> = COMMON_WORDS.into_iter().chain(context.iter().map(String::as_str)).collect();
    let scored: String = password.chars().take(SCORED_CHARS).collect();
    let is_common = zxcvbn::zxcvbn(&scored, &words).guesses() < MIN_GUESSES
        || chars_without_words(&words, password) < MIN_OWN_CHARS;
    is_common.then_some(Weakness::Common)
}

/// How many characters are left of a password without the words that belong to its place.
fn chars_without_words(words: &[&str], password: &str) -> usize {
    let mut remaining = password.to_lowercase();
    for word in words.iter().filter(|word| word.chars().count() >= 4) {
        remaining = remaining.replace(&word.to_lowercase(), "");
    }
    remaining.chars().count()
}

impl Passwords {
    /// At most this many log-ins at a time, and beside them one password that somebody chooses.
    #[must_use]
    pub fn new(max_concurrent: usize) -> Self {
        Self {
            verify_queue: Arc::new(WorkQueue::new(max_concurrent, MAX_QUEUED)),
            hash_queue: Arc::new(WorkQueue::new(1, MAX_QUEUED)),
            account_queues: KeyedQueues::new(1),
            address_queues: KeyedQueues::new(MAX_CONCURRENT_PER_ADDRESS),
            blocklist: Blocklist::default(),
        }
    }

    /// The same, refusing also what is on this list.
    #[must_use]
    pub fn with_blocklist(self, blocklist: Blocklist) -> Self {
        Self { blocklist, ..self }
    }

    /// Waits for a place among the requests of this account and this address: one at a time for an account, four for an address.
    /// Everything that takes a turn for a request takes it with a place.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when too many of them wait already.
    pub async fn acquire_request_permit(&self, account: &str, address: &str) -> Result<RequestPermit> {
        let account = self.account_queues.acquire(account).await?;
        Ok(RequestPermit { _account: account, _address: self.address_queues.acquire(address).await? })
    }

    /// Waits for a turn to check the password of a log-in.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when too many wait already.
    pub async fn acquire_verify_permit(&self) -> Result<WorkPermit> {
        self.verify_queue.acquire().await
    }

    /// Waits for a turn to work on a password that somebody chooses.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when too many wait already.
    pub async fn acquire_hash_permit(&self) -> Result<WorkPermit> {
        self.hash_queue.acquire().await
    }

    /// What is wrong with a new password, if anything. `context` are the words that belong to its owner: username,
    /// tenant, product name.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when too many wait already.
    pub async fn check_strength(&self, password: &str, context: &[&str]) -> Result<Option<Weakness>> {
        if self.blocklist.contains(password) {
            return Ok(Some(Weakness::Common));
        }
        let (password, context) =
            (password.to_owned(), context.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        self.acquire_hash_permit().await?.run(move || Ok(find_weakness(&password, &context))).await
    }

    /// Hashes a password for the database, with a salt of its own.
    ///
    /// # Errors
    /// [`Error::TooBusy`] when too many wait already, [`Error::Internal`] when hashing fails.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.acquire_hash_permit().await?.run(move || password_hash::hash(&password)).await
    }
}

impl WorkPermit {
    /// Whether this is the password behind the hash. Without a hash (there is no such account) it takes just as long
    /// and says no.
    ///
    /// # Errors
    /// [`Error::Internal`] when hashing fails.
    pub async fn verify(self, password: &str, hash: Option<String>) -> Result<bool> {
        let password = password.to_owned();
        self.run(move || {
            let matches = password_hash::verify(&password, hash.as_deref().unwrap_or(UNUSABLE_HASH))?;
            Ok(matches && hash.is_some())
        })
        .await
    }

    /// Does the work. The turn lasts until it is done, even when nobody waits for the result any more.
    async fn run<T: Send + 'static>(self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let run = move || {
            let _permit = self;
            job()
        };
        tokio::task::spawn_blocking(run).await.map_err(Error::internal)?
    }
}

/// The hash of a random password that nobody knows, with the same parameters as any other.
pub const UNUSABLE_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo";

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_hash_of_nobody_costs_what_a_real_one_costs() {
        let real = password_hash::hash("correct horse battery staple").unwrap();
        let parameters = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(UNUSABLE_HASH), parameters(&real));
        assert!(!password_hash::verify("correct horse battery staple", UNUSABLE_HASH).unwrap());
    }

    #[test]
    fn length_is_counted_in_characters_and_composition_is_free() {
        assert_eq!(find_weakness("short", &[]), Some(Weakness::TooShort));
        assert_eq!(find_weakness(&"长".repeat(14), &[]), Some(Weakness::TooShort));
        assert_eq!(find_weakness("correct horse battery staple", &[]), None);
        assert_eq!(find_weakness("夜里三点有人要看见这条重要的消息", &[]), None);
        assert_eq!(find_weakness(&"correct horse ".repeat(40), &[]), Some(Weakness::TooLong));
    }

    #[test]
    fn common_passwords_and_context_words_are_refused() {
        for common in
            ["passwordpassword", "123456789012345", "qwertyuiopasdfgh", "aaaaaaaaaaaaaaaaaa", "password1234567"]
        {
            assert_eq!(find_weakness(common, &[]), Some(Weakness::Common), "{common}");
        }
        for own in ["dataphindataphin", "Dataphin1234567", "wanglili-dataphin", "belfryadministrator"] {
            assert_eq!(
                find_weakness(own, &["Dataphin".to_owned(), "wanglili".to_owned()]),
                Some(Weakness::Common),
                "{own}"
            );
        }
    }

    #[test]
    fn the_longest_password_is_judged_whatever_is_in_it() {
        for part in ["a", "12", "14753", "4@8({[<3690!|1i$5+7%2z", "qazwsxedc", "19.2.1", "长"] {
            let longest: String = part.chars().cycle().take(MAX_CHARS).collect();
            let begun = Instant::now();
            assert_ne!(find_weakness(&longest, &[]), Some(Weakness::TooLong), "{part}");
            // Against a judge that never ends, whatever else the machine is doing.
            assert!(begun.elapsed() < Duration::from_secs(30), "{part}: {:?}", begun.elapsed());
        }
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_and_a_dropped_waiter_frees_its_slot() {
        let passwords = Passwords::new(1);
        let at_work = passwords.acquire_verify_permit().await.unwrap();
        let mut waiting: Vec<_> = (0..MAX_QUEUED).map(|_| Box::pin(passwords.acquire_verify_permit())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        assert!(matches!(passwords.acquire_verify_permit().await, Err(Error::TooBusy)));
        assert!(passwords.hash("of another lane").await.is_ok());
        drop(waiting.pop());
        let mut last = Box::pin(passwords.acquire_verify_permit());
        assert!((&mut last).now_or_never().is_none(), "it waits");
        drop((at_work, waiting));
        assert!(last.await.is_ok());
    }

    #[tokio::test]
    async fn an_account_has_one_permit_and_an_address_four() {
        let passwords = Passwords::new(1);
        let first = passwords.acquire_request_permit("ann", "192.0.2.1").await.unwrap();
        let mut second = Box::pin(passwords.acquire_request_permit("ann", "192.0.2.2"));
        assert!((&mut second).now_or_never().is_none(), "ann has a place");
        let others: Vec<_> = ["bob", "cid", "dan"]
            .into_iter()
            .map(|name| passwords.acquire_request_permit(name, "192.0.2.1").now_or_never().unwrap().unwrap())
            .collect();
        let mut fifth = Box::pin(passwords.acquire_request_permit("eve", "192.0.2.1"));
        assert!((&mut fifth).now_or_never().is_none(), "four of the address have a place");
        assert!(
            passwords.acquire_request_permit("fay", "192.0.2.3").now_or_never().is_some(),
            "another account at another address"
        );
        drop(first);
        assert!(second.await.is_ok() && fifth.await.is_ok());
        drop(others);
        drop(passwords.acquire_request_permit("gus", "192.0.2.4").await);
        assert_eq!(passwords.account_queues.queues.lock().unwrap().len(), 1, "places that nobody has are forgotten");
    }

    #[tokio::test]
    async fn too_many_requests_of_an_account_are_refused_and_use_no_permit() {
        let passwords = Passwords::new(1);
        let _first = passwords.acquire_request_permit("ann", "192.0.2.1").await.unwrap();
        let mut waiting: Vec<_> =
            (0..MAX_QUEUED_PER_KEY).map(|_| Box::pin(passwords.acquire_request_permit("ann", "192.0.2.1"))).collect();
        assert!(waiting.iter_mut().all(|place| place.now_or_never().is_none()));
        let refused = passwords.acquire_request_permit("ann", "192.0.2.1").await;
        assert!(matches!(refused, Err(Error::TooManyAttempts { retry_after: RETRY_AFTER_SECONDS })));
        assert!(
            passwords.acquire_verify_permit().now_or_never().is_some()
                && passwords.acquire_hash_permit().now_or_never().is_some()
        );
    }
}
