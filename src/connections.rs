//! Accepted connections: how they are set up, and how many of them one address may hold.
//!
//! A visitor who opens connections and says nothing, or reads no answer, would otherwise take every descriptor of the process,
//! and nobody else would be let in.

use std::{
    any::Any,
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use ipnet::IpNet;
use rustix::{
    net::{Shutdown, shutdown, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::{
    refusals::{Refusal, RefusalLog},
    web::is_in_networks,
};

/// How long an answer may lie unread before its connection is closed, in milliseconds.
const UNREAD_TIMEOUT_MS: u32 = 30_000;
/// One address may hold this part of all descriptors ...
const ADDRESS_SHARE_DIVISOR: usize = 8;
/// ... and no more connections than this, which a house full of browsers behind one address does not reach.
const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_024;

/// Raises the limit of open files to what this process may have: services start with 1,024, whatever the machine can bear.
/// Answers the limit that counts from now on.
pub fn raise_descriptor_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return limit_to_usize(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => limit_to_usize(maximum),
        Err(fault) => {
            tracing::warn!(%fault, "the limit of open files could not be raised");
            limit_to_usize(current)
        }
    }
}

/// The limit of open files that [`raise_descriptor_limit`] would set.
#[must_use]
pub fn descriptor_limit() -> usize {
    limit_to_usize(getrlimit(Resource::Nofile).maximum)
}

fn limit_to_usize(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// How many connections one address may hold, of so many descriptors.
#[must_use]
pub fn max_connections_per_address(descriptors: usize) -> usize {
    (descriptors / ADDRESS_SHARE_DIVISOR).clamp(1, MAX_CONNECTIONS_PER_ADDRESS)
}

/// How many connections all addresses together may hold: the rest is for the database and robots.
#[must_use]
pub fn max_connections_total(descriptors: usize) -> usize {
    descriptors.saturating_sub(64.max(descriptors / 4)).max(16)
}

/// The open connections by address. Clones count together.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    max_per_address: usize,
    trusted_proxies: Arc<[IpNet]>,
    refusals: RefusalLog,
    open_by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place in the count, which ends with it.
struct ConnectionSlot {
    address: IpAddr,
    open_by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self.open_by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl ConnectionLimiter {
    /// Lets one address hold this many. Trusted proxies, through which everybody comes, may hold any number.
    #[must_use]
    pub fn new(max_per_address: usize, trusted: Vec<IpNet>, refusals: RefusalLog) -> Self {
        Self { max_per_address, trusted_proxies: trusted.into(), refusals, open_by_address: Arc::default() }
    }

    /// Takes a connection that was just accepted: its place lies in `extensions`, which live as long as it does. One beyond the
    /// bound is closed.
    pub fn accept(&self, io: &dyn Any, extensions: &mut Extensions) {
        let Some(stream) = io.downcast_ref::<TcpStream>() else { return };
        if let Err(fault) = self.configure(stream, extensions) {
            // Its other end is gone already.
            tracing::debug!(%fault, "a connection could not be set up");
        }
    }

    fn configure(&self, stream: &TcpStream, extensions: &mut Extensions) -> io::Result<()> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        if !is_in_networks(&self.trusted_proxies, peer) {
            match self.acquire_slot(address_network(peer)) {
                Some(place) => drop(extensions.insert(place)),
                None => {
                    self.refusals.record(
                        Refusal::Connection,
                        &address_network(peer).to_string(),
                        "too many connections at once",
                    );
                    shutdown(stream, Shutdown::Both)?;
                }
            }
        }
        // A compressed page is written in several pieces, each of which would wait for the reader to confirm the one before.
        stream.set_nodelay(true)?;
        sockopt::set_tcp_user_timeout(stream, UNREAD_TIMEOUT_MS)?;
        Ok(())
    }

    fn acquire_slot(&self, address: IpAddr) -> Option<ConnectionSlot> {
        let mut open = self.open_by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.max_per_address {
            return None;
        }
        *count += 1;
        Some(ConnectionSlot { address, open_by_address: Arc::clone(&self.open_by_address) })
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, all of which one visitor has.
fn address_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::rt::{System, net::TcpStream};

    use super::*;
    use crate::metrics::Metrics;

    fn limiter(of_an_address: usize, trusted: &[&str]) -> ConnectionLimiter {
        let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
        ConnectionLimiter::new(of_an_address, trusted, RefusalLog::new(Metrics::default()))
    }

    async fn accepted(listener: &tokio::net::TcpListener) -> (TcpStream, TcpStream) {
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[test]
    fn answers_are_sent_at_once_and_unread_ones_time_out() {
        System::new().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (_client, stream) = accepted(&listener).await;
            limiter(1, &[]).accept(&stream, &mut Extensions::new());
            assert!(stream.nodelay().unwrap());
            assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), UNREAD_TIMEOUT_MS);
        });
    }

    #[test]
    fn a_reader_of_a_byte_now_and_then_is_given_up() {
        System::new().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(2_048).unwrap();
            let (client, accepted) = tokio::join!(socket.connect(listener.local_addr().unwrap()), listener.accept());
            let (client, stream) = (client.unwrap(), accepted.unwrap().0);
            limiter(1, &[]).accept(&stream, &mut Extensions::new());
            sockopt::set_tcp_user_timeout(&stream, 1_000).unwrap();
            let trickle = async {
                loop {
                    drop(client.try_read(&mut [0]));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let answer = async {
                loop {
                    stream.writable().await.unwrap();
                    match stream.try_write(&[0; 64 * 1_024]) {
                        Err(fault) if fault.kind() != io::ErrorKind::WouldBlock => return fault.kind(),
                        _ => {}
                    }
                }
            };
            let ended = async {
                tokio::select! {
                    kind = answer => kind,
                    never = trickle => never,
                }
            };
            let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
            assert_eq!(ended.expect("it is held"), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn an_address_is_limited_and_gets_its_slots_back() {
        System::new().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let connections = limiter(2, &[]);
            let mut held = Vec::new();
            for number in 0..5 {
                let (client, stream) = accepted(&listener).await;
                let mut extensions = Extensions::new();
                connections.accept(&stream, &mut extensions);
                assert_eq!(extensions.contains::<ConnectionSlot>(), number < 2, "{number}");
                if number >= 2 {
                    client.readable().await.unwrap();
                    assert_eq!(client.try_read(&mut [0]).unwrap(), 0, "it is closed");
                }
                held.push((client, stream, extensions));
            }
            held.remove(0);
            let (_client, stream) = accepted(&listener).await;
            let mut extensions = Extensions::new();
            connections.accept(&stream, &mut extensions);
            assert!(extensions.contains::<ConnectionSlot>());
            drop((held, extensions));
            assert!(connections.open_by_address.lock().unwrap().is_empty());
        });
    }

    #[test]
    fn a_trusted_proxy_holds_any_number() {
        System::new().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let connections = limiter(1, &["127.0.0.0/8"]);
            for _ in 0..3 {
                let (_client, stream) = accepted(&listener).await;
                connections.accept(&stream, &mut Extensions::new());
            }
            assert!(connections.open_by_address.lock().unwrap().is_empty());
        });
    }

    #[test]
    fn an_ipv6_visitor_is_counted_by_network() {
        assert_eq!(address_network("2001:db8:1:2:3:4:5:6".parse().unwrap()).to_string(), "2001:db8:1:2::");
        assert_eq!(address_network("192.0.2.7".parse().unwrap()).to_string(), "192.0.2.7");
    }

    #[test]
    fn bounds_follow_the_limit_of_open_files() {
        for (descriptors, of_an_address, in_all) in
            [(64, 8, 16), (256, 32, 192), (1_024, 128, 768), (524_288, 1_024, 393_216)]
        {
            assert_eq!(max_connections_per_address(descriptors), of_an_address);
            assert_eq!(max_connections_total(descriptors), in_all);
        }
        assert!(max_connections_total(usize::MAX) > 1_000_000);
    }
}
