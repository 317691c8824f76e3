//! Whose work something is, so that nobody's work waits for more than a bounded part of somebody else's.
//!
//! All tenants share SQLite's one writer and the connections to Postgres. A lane names who asks: a tenant, or an address
//! that is not signed in. Lanes are served in turn, and none has all connections of a [`super::Share`].

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

use super::{Share, TenantId};

/// Who asks. Two askers share a lane by chance once in 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lane(u64);

/// Names and addresses are chosen by those who ask, so that the hash has a key.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

tokio::task_local! {
    static LANE: Lane;
}

impl Lane {
    /// What the process does by itself.
    pub const SYSTEM: Self = Self(0);

    /// A tenant, known by its id.
    #[must_use]
    pub fn of_tenant(tenant: TenantId) -> Self {
        Self(KEYS.hash_one(("tenant", tenant.0)))
    }

    /// The pages of a tenant, known by the slug in their address.
    #[must_use]
    pub fn of_pages(slug: &str) -> Self {
        Self(KEYS.hash_one(("pages", slug)))
    }

    /// Who asks from this address. The 2^64 addresses of one IPv6 network are one asker.
    #[must_use]
    pub fn of_address(address: &str) -> Self {
        let network = match address.parse() {
            Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
            _ => address.to_owned(),
        };
        Self(KEYS.hash_one(("address", network)))
    }

    /// The lane that this task was put into by [`in_lane`].
    pub(super) fn current() -> Self {
        LANE.try_with(|lane| *lane).unwrap_or(Self::SYSTEM)
    }
}

/// Runs a request in a lane.
pub async fn in_lane<F: Future>(lane: Lane, request: F) -> F::Output {
    LANE.scope(lane, request).await
}

/// Bounds how many connections of a share one lane has at a time.
#[derive(Clone, Default)]
pub(super) struct LaneLimits(Arc<Mutex<Limits>>);

/// The permits of each lane that has or waits for some.
type Limits = HashMap<(Share, Lane), Weak<Semaphore>>;

impl LaneLimits {
    /// The permits of a lane. They are forgotten when nobody has or waits for one.
    pub fn of(&self, share: Share, lane: Lane, at_most: usize) -> Arc<Semaphore> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permits) = lanes.get(&(share, lane)).and_then(Weak::upgrade) {
            return permits;
        }
        lanes.retain(|_, permits| permits.strong_count() > 0);
        let permits = Arc::new(Semaphore::new(at_most));
        lanes.insert((share, lane), Arc::downgrade(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_pages_and_addresses_have_lanes_of_their_own() {
        let (tenant, pages) = (Lane::of_tenant(TenantId(7)), Lane::of_pages("7"));
        let lanes = [Lane::SYSTEM, tenant, Lane::of_tenant(TenantId(8)), pages, Lane::of_address("7")];
        for (place, lane) in lanes.iter().enumerate() {
            assert!(lanes.iter().skip(place + 1).all(|other| other != lane));
        }
        assert_eq!(tenant, Lane::of_tenant(TenantId(7)));
        assert_eq!(Lane::of_address("2001:db8::1"), Lane::of_address("2001:db8::ffff:1"));
        assert_ne!(Lane::of_address("2001:db8::1"), Lane::of_address("2001:db8:0:1::1"));
        assert_ne!(Lane::of_address("192.0.2.1"), Lane::of_address("192.0.2.2"));
    }

    #[test]
    fn a_lane_has_its_limit_and_is_forgotten_when_it_is_idle() {
        let limits = LaneLimits::default();
        let permits = limits.of(Share::Intake, Lane(1), 2);
        let held = (permits.try_acquire(), permits.try_acquire());
        assert!(held.0.is_ok() && held.1.is_ok());
        assert!(limits.of(Share::Intake, Lane(1), 2).try_acquire().is_err(), "it has its two");
        assert!(limits.of(Share::Pages, Lane(1), 2).try_acquire().is_ok(), "another share is apart");
        assert!(limits.of(Share::Intake, Lane(2), 2).try_acquire().is_ok(), "another lane does not wait");
        drop(held);
        drop(permits);
        drop(limits.of(Share::Intake, Lane(3), 2));
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_task_has_the_lane_it_was_put_into() {
        assert_eq!(Lane::current(), Lane::SYSTEM);
        assert_eq!(in_lane(Lane(5), async { Lane::current() }).await, Lane(5));
    }
}
