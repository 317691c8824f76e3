//! A load client that costs little beside what it measures: blocking sockets, one prepared request, no parsing but of
//! where an answer ends.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// Connections that ask at the same time, each kept alive.
pub const CONNECTIONS: usize = 16;

/// One page of one server.
pub struct Target {
    address: String,
    request: Vec<u8>,
}

impl Target {
    /// The page at this path, asked for with these cookies and this `Accept-Encoding`.
    pub fn new(origin: &str, path: &str, cookies: &str, encoding: &str) -> Self {
        let address = origin.trim_start_matches("http://").to_owned();
        let cookies = if cookies.is_empty() { String::new() } else { format!("cookie: {cookies}\r\n") };
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept-encoding: {encoding}\r\naccept-language: zh-CN\r\n{cookies}\r\n"
        );
        Self { address, request: request.into_bytes() }
    }

    /// Asks as fast as answers come, for this long: answers a second.
    pub fn load(&self, time: Duration) -> f64 {
        let start = Instant::now();
        let answered: u32 = thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| self.ask_until(start + time))).collect();
            clients.into_iter().map(|client| client.join().expect("a client")).sum()
        });
        f64::from(answered) / start.elapsed().as_secs_f64()
    }

    fn ask_until(&self, deadline: Instant) -> u32 {
        let mut connection = Connection::open(&self.address);
        let mut answered = 0;
        while Instant::now() < deadline {
            connection.ask(&self.request);
            answered += 1;
        }
        answered
    }

    /// Asks this often on one connection, one after the other: how long each answer took.
    pub fn ask(&self, times: usize) -> Vec<Duration> {
        let mut connection = Connection::open(&self.address);
        let ask = |_| {
            let start = Instant::now();
            connection.ask(&self.request);
            start.elapsed()
        };
        (0..times).map(ask).collect()
    }
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, answer: Vec::with_capacity(128 * 1024) }
    }

    /// Asks, and reads the whole answer, which must be a success.
    pub fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("the request is sent");
        self.answer.clear();
        let mut chunk = [0; 32 * 1024];
        while !self.is_whole() {
            let length = self.stream.read(&mut chunk).expect("an answer");
            assert!(length > 0, "the connection was closed");
            self.answer.extend_from_slice(&chunk[..length]);
        }
        let head = String::from_utf8_lossy(&self.answer[..self.answer.len().min(200)]);
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
    }

    fn is_whole(&self) -> bool {
        let Some(end) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
        let head = String::from_utf8_lossy(&self.answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        match length {
            Some(length) => self.answer.len() >= end + 4 + length.parse::<usize>().expect("a length"),
            None => self.answer.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}
