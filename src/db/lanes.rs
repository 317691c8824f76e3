//! Whose work something is, so that nobody's work waits for more than a bounded part of somebody else's.
//!
//! All tenants share SQLite's one writer and the connections to Postgres. A lane names who asks: a tenant, or an address
//! that is not signed in. Lanes are served in turn, and none has all connections of a [`super::Workload`].

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;

use super::{TenantId, Workload};

/// Who asks. Two askers share a lane by chance once in 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lane(u64);

/// Names and addresses are chosen by those who ask, so that the hash has a key.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

tokio::task_local! {
    static CURRENT_LANE: Lane;
}

impl Lane {
    /// What the process does by itself.
    pub const SYSTEM: Self = Self(0);

    /// A tenant, known by its id.
    #[must_use]
    pub fn for_tenant(tenant: TenantId) -> Self {
        Self(HASHER.hash_one(("tenant", tenant.0)))
    }

    /// The pages of a tenant, known by the slug in their address.
    #[must_use]
    pub fn for_tenant_pages(slug: &str) -> Self {
        Self(HASHER.hash_one(("pages", slug)))
    }

    /// Who asks from this address. The 2^64 addresses of one IPv6 network are one asker.
    #[must_use]
    pub fn for_address(address: &str) -> Self {
        let network = match address.parse() {
            Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
            _ => address.to_owned(),
        };
        Self(HASHER.hash_one(("address", network)))
    }

    /// The lane that this task was put into by [`in_lane`].
    pub(super) fn current() -> Self {
        CURRENT_LANE.try_with(|lane| *lane).unwrap_or(Self::SYSTEM)
    }
}

/// Runs a request in a lane.
pub async fn in_lane<F: Future>(lane: Lane, request: F) -> F::Output {
    CURRENT_LANE.scope(lane, request).await
}

/// Bounds how many connections of a share one lane has at a time.
#[derive(Clone, Default)]
pub(super) struct LaneLimits(Arc<Mutex<LanePermits>>);

/// The permits of each lane that has or waits for some.
type LanePermits = HashMap<(Workload, Lane), Weak<Semaphore>>;

impl LaneLimits {
    /// The permits of a lane. They are forgotten when nobody has or waits for one.
    pub fn permits(&self, workload: Workload, lane: Lane, max_permits: usize) -> Arc<Semaphore> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permits) = lanes.get(&(workload, lane)).and_then(Weak::upgrade) {
            return permits;
        }
        lanes.retain(|_, permits| permits.strong_count() > 0);
        let permits = Arc::new(Semaphore::new(max_permits));
        lanes.insert((workload, lane), Arc::downgrade(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_pages_and_addresses_have_lanes_of_their_own() {
        let (tenant, pages) = (Lane::for_tenant(TenantId(7)), Lane::for_tenant_pages("7"));
        let lanes = [Lane::SYSTEM, tenant, Lane::for_tenant(TenantId(8)), pages, Lane::for_address("7")];
        for (place, lane) in lanes.iter().enumerate() {
            assert!(lanes.iter().skip(place + 1).all(|other| other != lane));
        }
        assert_eq!(tenant, Lane::for_tenant(TenantId(7)));
        assert_eq!(Lane::for_address("2001:db8::1"), Lane::for_address("2001:db8::ffff:1"));
        assert_ne!(Lane::for_address("2001:db8::1"), Lane::for_address("2001:db8:0:1::1"));
        assert_ne!(Lane::for_address("192.0.2.1"), Lane::for_address("192.0.2.2"));
    }

    #[test]
    fn a_lane_is_limited_and_forgotten_once_idle() {
        let limits = LaneLimits::default();
        let permits = limits.permits(Workload::Intake, Lane(1), 2);
        let held = (permits.try_acquire(), permits.try_acquire());
        assert!(held.0.is_ok() && held.1.is_ok());
        assert!(limits.permits(Workload::Intake, Lane(1), 2).try_acquire().is_err(), "it has its two");
        assert!(limits.permits(Workload::Pages, Lane(1), 2).try_acquire().is_ok(), "another share is apart");
        assert!(limits.permits(Workload::Intake, Lane(2), 2).try_acquire().is_ok(), "another lane does not wait");
        drop(held);
        drop(permits);
        drop(limits.permits(Workload::Intake, Lane(3), 2));
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_task_has_the_lane_it_was_put_into() {
        assert_eq!(Lane::current(), Lane::SYSTEM);
        assert_eq!(in_lane(Lane(5), async { Lane::current() }).await, Lane(5));
    }
}
