//! A sender as real ones are: it posts each alert under a key of its own, again and again until it is answered.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use reqwest::Client;

use super::{
    crew::Crew,
    oracle::{Numbers, title},
};

/// How long a sender waits before it tries again.
const PAUSE: Duration = Duration::from_millis(30);

/// Posts alerts to whatever origins there are at the moment.
pub struct Sender<'c> {
    crew: &'c Crew,
    client: Client,
    origins: Mutex<Vec<String>>,
    next: AtomicUsize,
    /// Whether what is posted from now on is critical.
    pub is_critical: AtomicBool,
    /// What was answered with 201.
    pub acknowledged: Mutex<Numbers>,
    /// What was sent.
    pub sent: Mutex<Numbers>,
    /// How often nothing was answered.
    pub cut_off: AtomicUsize,
    /// How often the answer was 503.
    pub refused: AtomicUsize,
}

impl<'c> Sender<'c> {
    /// One that has nobody to post to yet.
    pub fn new(crew: &'c Crew) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        Self {
            crew,
            client,
            origins: Mutex::default(),
            next: AtomicUsize::new(0),
            is_critical: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            sent: Mutex::default(),
            cut_off: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// From now on it posts to these, in turn.
    pub fn post_to(&self, origins: Vec<String>) {
        *self.origins.lock().unwrap() = origins;
    }

    fn origin(&self) -> Option<String> {
        let origins = self.origins.lock().unwrap();
        let place = self.next.fetch_add(1, Ordering::Relaxed) % origins.len().max(1);
        origins.get(place).cloned()
    }

    /// Posts an alert once: the status, if there was an answer.
    pub async fn post(&self, number: u64, content: &str) -> Option<u16> {
        let origin = self.origin()?;
        self.sent.lock().unwrap().insert(number);
        let (title, receiver) = (title(number), self.crew.receiver(number));
        let severity = if self.is_critical.load(Ordering::Relaxed) { "critical" } else { "warning" };
        let fields =
            [("title", title.as_str()), ("content", content), ("receivers", &receiver), ("severity", severity)];
        let request = self.client.post(format!("{origin}/intake/alerts")).form(&fields);
        let request = request.bearer_auth(&self.crew.bearer).header("idempotency-key", &title);
        // An answer whose body did not come is none.
        let answer = match request.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                answer.text().await.ok().map(|body| (status, body))
            }
            Err(_) => None,
        };
        match &answer {
            Some((201, body)) => {
                assert!(body.contains("\"deliveries\":1"), "{number}: {body}");
                self.acknowledged.lock().unwrap().insert(number);
            }
            Some((503, _)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Some((status, body)) => panic!("{number} was answered with {status}: {body}"),
            None => {
                self.cut_off.fetch_add(1, Ordering::Relaxed);
            }
        }
        answer.map(|(status, _)| status)
    }

    /// Posts an alert until it is stored.
    pub async fn store(&self, number: u64) {
        while self.post(number, "A text.").await != Some(201) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stores all of these, so many at a time.
    pub async fn store_all(&self, numbers: impl IntoIterator<Item = u64>, at_a_time: usize) {
        let storing = futures_util::stream::iter(numbers.into_iter().map(|number| self.store(number)));
        storing.buffer_unordered(at_a_time).for_each(async |()| {}).await;
    }

    /// What was answered with 201, and what never was.
    pub fn sums(&self) -> (Numbers, Numbers) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let unanswered = self.sent.lock().unwrap().difference(&acknowledged).copied().collect();
        (acknowledged, unanswered)
    }
}
