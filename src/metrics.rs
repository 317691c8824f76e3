//! What a process counts of itself for monitoring systems: given to those who count, and written out when somebody asks.
//!
//! There is no global registry: each application has its own, so that tests run side by side. A label is one of few words of
//! the program; no name, address or token of anybody becomes one.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::text::{encode, encode_registry},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

/// Bounds of what takes parts of a second, in seconds.
const SHORT_DURATION_BUCKETS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Bounds of the time to receipt, in seconds: from at once to a message that was held for a day.
const RECEIPT_BUCKETS: [f64; 14] =
    [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 14_400.0, 86_400.0];
/// Bounds of how many writes one commit takes together.
const BATCH_SIZE_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The names and words of some labels.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Makes the histograms of a family.
#[derive(Clone, Copy, Debug)]
struct ReceiptHistogram;

impl MetricConstructor<Histogram> for ReceiptHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(RECEIPT_BUCKETS)
    }
}

/// Everything that is counted. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    registry: Registry,
    attempts: Family<Labels<2>, Counter>,
    throttles: Family<Labels<1>, Counter>,
    receipts: Family<Labels<2>, Histogram, ReceiptHistogram>,
    requests: Family<Labels<1>, Counter>,
    request_time: Histogram,
    log_in_failures: Counter,
    refused_posts: Family<Vec<(&'static str, String)>, Counter>,
    refusals: Family<Labels<1>, Counter>,
    pool_wait: Histogram,
    writer_wait: Histogram,
    batch: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut counts = Counters {
            registry: Registry::with_prefix("belfry"),
            attempts: Family::default(),
            throttles: Family::default(),
            receipts: Family::new_with_constructor(ReceiptHistogram),
            requests: Family::default(),
            request_time: Histogram::new(SHORT_DURATION_BUCKETS),
            log_in_failures: Counter::default(),
            refused_posts: Family::default(),
            refusals: Family::default(),
            pool_wait: Histogram::new(SHORT_DURATION_BUCKETS),
            writer_wait: Histogram::new(SHORT_DURATION_BUCKETS),
            batch: Histogram::new(BATCH_SIZE_BUCKETS),
        };
        counts.register();
        Self(Arc::new(counts))
    }
}

impl Counters {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "build",
            "What this process was built from",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("attempts", "Calls of robots, by what they brought", self.attempts.clone());
        registry.register("throttle_answers", "Answers of robots that say too fast", self.throttles.clone());
        let help = "From the creation of a delivery until its group has it";
        registry.register_with_unit("receipt", help, Unit::Seconds, self.receipts.clone());
        registry.register("http_requests", "Answered requests, by the class of their status", self.requests.clone());
        let help = "From a request's head to the head of its answer";
        registry.register_with_unit("http_request", help, Unit::Seconds, self.request_time.clone());
        registry.register("log_in_failures", "Log-ins with a wrong name or password", self.log_in_failures.clone());
        let help =
            "Posts below /intake that were refused, by the id of the portal (empty while unproven) and the problem";
        registry.register("intake_refused_posts", help, self.refused_posts.clone());
        registry.register("refusals", "Requests and connections that were refused, by kind", self.refusals.clone());
        let help = "How long reads, and on Postgres writes, waited for a database connection";
        registry.register_with_unit("database_pool_wait", help, Unit::Seconds, self.pool_wait.clone());
        let help = "How long writes waited for the writer of SQLite";
        registry.register_with_unit("database_writer_wait", help, Unit::Seconds, self.writer_wait.clone());
        registry.register(
            "database_writer_batch",
            "Writes that one commit of SQLite took together",
            self.batch.clone(),
        );
    }
}

impl Metrics {
    /// A robot was called: over which channel, and what its answer meant, or why there was none.
    pub fn record_call(&self, channel: &'static str, meaning: &'static str) {
        self.0.attempts.get_or_create(&[("channel", channel), ("meaning", meaning)]).inc();
    }

    /// A robot said that it is called too fast.
    pub fn record_throttle(&self, channel: &'static str) {
        self.0.throttles.get_or_create(&[("channel", channel)]).inc();
    }

    /// A group has what was made for it so long ago.
    pub fn record_receipt(&self, channel: &'static str, kind: &'static str, elapsed: Duration) {
        self.0.receipts.get_or_create(&[("channel", channel), ("kind", kind)]).observe(elapsed.as_secs_f64());
    }

    /// A request was answered with this status after so long.
    pub fn record_request(&self, status: u16, elapsed: Duration) {
        let class = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.0.requests.get_or_create(&[("status", class)]).inc();
        self.0.request_time.observe(elapsed.as_secs_f64());
    }

    /// Somebody typed a wrong name or password.
    pub fn record_log_in_failure(&self) {
        self.0.log_in_failures.inc();
    }

    /// Something was refused.
    pub fn record_refusal(&self, kind: &'static str) {
        self.0.refusals.get_or_create(&[("kind", kind)]).inc();
    }

    /// Somebody waited so long for a database connection.
    pub fn record_pool_wait(&self, elapsed: Duration) {
        self.0.pool_wait.observe(elapsed.as_secs_f64());
    }

    /// A post was refused: of which portal, when that was proven, and for which problem.
    pub fn record_refused_post(&self, portal: Option<i64>, problem: &'static str) {
        let portal = portal.map(|id| id.to_string()).unwrap_or_default();
        let labels = vec![("portal", portal), ("type", problem.to_owned())];
        self.0.refused_posts.get_or_create(&labels).inc();
    }

    /// A write waited so long for the writer.
    pub fn record_writer_wait(&self, elapsed: Duration) {
        self.0.writer_wait.observe(elapsed.as_secs_f64());
    }

    /// The writer committed so many writes together.
    pub fn record_commit(&self, writes: u32) {
        self.0.batch.observe(f64::from(writes));
    }

    /// Everything in OpenMetrics' text form, with what is only looked up when somebody asks.
    ///
    /// # Errors
    /// When it cannot be written out.
    pub fn encode_text(&self, gauges: &Gauges) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        encode_registry(&mut text, &self.0.registry)?;
        encode(&mut text, &gauges.registry())?;
        Ok(text)
    }
}

/// What is looked up when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// By channel: how many deliveries have not ended, and for how many seconds the oldest has been waiting.
    pub queues: Vec<(&'static str, i64, i64)>,
    /// By channel: how many robots have to be mended.
    pub broken: Vec<(&'static str, i64)>,
    /// What became of everybody who was chosen, in words, and how many.
    pub ledger: Vec<(&'static str, i64)>,
}

impl Gauges {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("belfry");
        let [depth, oldest, broken, ledger]: [Family<Labels<1>, Gauge>; 4] = Default::default();
        for (channel, waiting, seconds) in &self.queues {
            depth.get_or_create(&[("channel", *channel)]).set(*waiting);
            oldest.get_or_create(&[("channel", *channel)]).set(*seconds);
        }
        for (channel, robots) in &self.broken {
            broken.get_or_create(&[("channel", *channel)]).set(*robots);
        }
        for (became, receivers) in &self.ledger {
            ledger.get_or_create(&[("became", *became)]).set(*receivers);
        }
        registry.register("queue_depth", "Deliveries that have not ended", depth);
        registry.register_with_unit("queue_oldest", "Age of the oldest of them", Unit::Seconds, oldest);
        registry.register("robots_broken", "Robots that somebody has to mend", broken);
        let help = "All receivers ever chosen and what became of them, counted every few minutes";
        registry.register("ledger_receivers", help, ledger);
        registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_encoded_with_their_labels_as_openmetrics() {
        let metrics = Metrics::default();
        let clone = metrics.clone();
        clone.record_call("dingtalk", "delivered");
        clone.record_call("dingtalk", "delivered");
        clone.record_throttle("lark");
        clone.record_receipt("dingtalk", "test", Duration::from_millis(70));
        for (status, millis) in [(200, 1), (201, 1), (303, 1), (404, 1), (503, 700)] {
            clone.record_request(status, Duration::from_millis(millis));
        }
        clone.record_log_in_failure();
        clone.record_refused_post(Some(7), "too-large");
        clone.record_refused_post(None, "not-proven");
        clone.record_refused_post(None, "not-proven");
        clone.record_refusal("wrong-host");
        clone.record_commit(3);
        let now = Gauges { queues: vec![("wecom", 7, 90)], broken: vec![("lark", 1)], ledger: vec![("chosen", 12)] };
        let text = metrics.encode_text(&now).unwrap();
        for line in [
            "belfry_attempts_total{channel=\"dingtalk\",meaning=\"delivered\"} 2",
            "belfry_throttle_answers_total{channel=\"lark\"} 1",
            "belfry_receipt_seconds_bucket{le=\"0.05\",channel=\"dingtalk\",kind=\"test\"} 0",
            "belfry_receipt_seconds_bucket{le=\"0.1\",channel=\"dingtalk\",kind=\"test\"} 1",
            "belfry_http_requests_total{status=\"2xx\"} 2",
            "belfry_http_requests_total{status=\"5xx\"} 1",
            "belfry_http_request_seconds_count 5",
            "belfry_log_in_failures_total 1",
            "belfry_intake_refused_posts_total{portal=\"7\",type=\"too-large\"} 1",
            "belfry_intake_refused_posts_total{portal=\"\",type=\"not-proven\"} 2",
            "belfry_refusals_total{kind=\"wrong-host\"} 1",
            "belfry_database_writer_batch_sum 3.0",
            "belfry_queue_depth{channel=\"wecom\"} 7",
            "belfry_queue_oldest_seconds{channel=\"wecom\"} 90",
            "belfry_robots_broken{channel=\"lark\"} 1",
            "belfry_ledger_receivers{became=\"chosen\"} 12",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        assert!(text.contains(&format!("belfry_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    }
}
