//! A load client that posts something else each time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::load::{CONNECTIONS, Connection};

/// A server that is posted to, each time something else.
pub struct Poster {
    /// `ADDRESS:PORT`.
    pub address: String,
    /// The path.
    pub path: &'static str,
    /// Further headers, each with its line end.
    pub headers: String,
    /// The JSON body of this number.
    pub body: fn(u64) -> String,
}

impl Poster {
    /// Posts as fast as answers come, for this long, from this number on: answers a second, and the next number.
    pub fn load(&self, time: Duration, first: u64) -> (f64, u64) {
        let (start, next) = (Instant::now(), AtomicU64::new(first));
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = Connection::open(&self.address);
                    while start.elapsed() < time {
                        connection.ask(&self.request(next.fetch_add(1, Ordering::Relaxed)));
                    }
                });
            }
        });
        let next = next.into_inner();
        (as_float(next - first) / start.elapsed().as_secs_f64(), next)
    }

    /// Posts this many a second for so long, from this number on, without waiting for the one before: when each was sent.
    pub fn pace(&self, a_second: u64, seconds: u64, first: u64) -> Vec<Instant> {
        let (start, many) = (Instant::now(), a_second * seconds);
        let lane = |lane: u64| {
            let mut connection = Connection::open(&self.address);
            let numbers = (lane..many).step_by(CONNECTIONS);
            let post = |number| {
                let due = start + Duration::from_secs(1).mul_f64(as_float(number) / as_float(a_second));
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let sent = Instant::now();
                connection.ask(&self.request(first + number));
                (number, sent)
            };
            numbers.map(post).collect::<Vec<_>>()
        };
        let mut sent: Vec<(u64, Instant)> = thread::scope(|scope| {
            let lanes: Vec<_> = (0..as_number(CONNECTIONS)).map(|number| scope.spawn(move || lane(number))).collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("a client")).collect()
        });
        sent.sort();
        sent.into_iter().map(|(_, sent)| sent).collect()
    }

    fn request(&self, number: u64) -> Vec<u8> {
        let (Self { address, path, headers, .. }, body) = (self, (self.body)(number));
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn as_float(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a bench does not count so far"))
}

fn as_number(count: usize) -> u64 {
    u64::try_from(count).expect("a small number")
}
