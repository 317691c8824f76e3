//! The order in which waiting writes are taken: a turn for each kind of work, and within a kind a turn for each lane.
//!
//! A backlog of one lane therefore delays another lane by one write for each lane with work, and not by its length.

use std::collections::{HashMap, VecDeque};

use super::{Workload, lanes::Lane};

/// A write that waits.
pub(super) struct QueuedWrite<J> {
    pub workload: Workload,
    pub lane: Lane,
    /// How much work it is: 1 for an ordinary write, more for one that writes many rows.
    pub weight: usize,
    pub job: J,
}

/// The waiting writes of all shares and lanes. Writes of one lane keep their order.
pub(super) struct FairQueue<J> {
    /// One for each of [`Workload::ALL`].
    by_workload: [LaneQueues<J>; Workload::ALL.len()],
    /// The place of the share that is asked first.
    next_workload: usize,
}

struct LaneQueues<J> {
    writes: HashMap<Lane, VecDeque<(usize, J)>>,
    /// The lanes that have work, the next first.
    ready_lanes: VecDeque<Lane>,
}

impl<J> Default for LaneQueues<J> {
    fn default() -> Self {
        Self { writes: HashMap::new(), ready_lanes: VecDeque::new() }
    }
}

impl<J> Default for FairQueue<J> {
    fn default() -> Self {
        Self { by_workload: Default::default(), next_workload: 0 }
    }
}

impl<J> LaneQueues<J> {
    fn push(&mut self, lane: Lane, weight: usize, job: J) {
        let lane_writes = self.writes.entry(lane).or_default();
        if lane_writes.is_empty() {
            self.ready_lanes.push_back(lane);
        }
        lane_writes.push_back((weight, job));
    }

    /// Takes the first write of the first lane where that one weighs less than this.
    fn pop_lighter(&mut self, weight: usize) -> Option<(usize, J)> {
        let is_lighter = |lane: &Lane| self.writes.get(lane)?.front().map(|(own, _)| *own < weight);
        let place = self.ready_lanes.iter().position(|lane| is_lighter(lane) == Some(true))?;
        let lane = self.ready_lanes.remove(place)?;
        let waiting = self.writes.get_mut(&lane)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.writes.remove(&lane);
        } else {
            self.ready_lanes.push_back(lane);
        }
        next
    }
}

impl<J> FairQueue<J> {
    /// Adds a write at the end of its lane.
    pub fn push(&mut self, write: QueuedWrite<J>) {
        let QueuedWrite { workload: share, lane, weight, job } = write;
        let workload_index = Workload::ALL.iter().position(|known| *known == share).unwrap_or_default();
        if let Some(lanes) = self.by_workload.get_mut(workload_index) {
            lanes.push(lane, weight.max(1), job);
        }
    }

    /// Takes the next write and its weight.
    pub fn pop(&mut self) -> Option<(usize, J)> {
        self.pop_lighter(usize::MAX)
    }

    /// Takes the next write that weighs less than this, and its weight. It overtakes heavier ones of other lanes.
    pub fn pop_lighter(&mut self, weight: usize) -> Option<(usize, J)> {
        for _ in 0..self.by_workload.len() {
            let workload_index = self.next_workload;
            self.next_workload = (self.next_workload + 1) % self.by_workload.len();
            if let Some(next) = self.by_workload.get_mut(workload_index).and_then(|lanes| lanes.pop_lighter(weight)) {
                return Some(next);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::db::TenantId;

    fn push(queue: &mut FairQueue<String>, share: Workload, tenant: i64, name: &str) {
        let lane = Lane::for_tenant(TenantId(tenant));
        queue.push(QueuedWrite { workload: share, lane, weight: 1, job: name.to_owned() });
    }

    fn drain(mut queue: FairQueue<String>) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).map(|(_, job)| job).collect()
    }

    #[test]
    fn an_alert_waits_for_one_write_per_tenant_not_for_their_backlogs() {
        let mut queue = FairQueue::default();
        for number in 0..1_000 {
            push(&mut queue, Workload::Intake, 2, &format!("b{number}"));
            push(&mut queue, Workload::Intake, 3, &format!("c{number}"));
        }
        push(&mut queue, Workload::Intake, 1, "a");
        assert_eq!(drain(queue).iter().position(|job| job == "a"), Some(2));
    }

    #[test]
    fn pages_and_delivery_get_their_turn_during_a_flood_of_posts() {
        let mut queue = FairQueue::default();
        for number in 0..1_000 {
            push(&mut queue, Workload::Intake, 2, &format!("b{number}"));
        }
        for (share, name) in [(Workload::Pages, "log-in"), (Workload::Delivery, "claim")] {
            push(&mut queue, share, 0, name);
        }
        let order = drain(queue);
        for name in ["log-in", "claim"] {
            assert!(order.iter().position(|job| job == name).unwrap() <= 2, "{name}");
        }
    }

    #[test]
    fn a_light_write_overtakes_heavy_ones_of_others_and_not_of_its_own_lane() {
        let mut queue = FairQueue::default();
        for (tenant, weight, job) in [(2, 100, "b"), (2, 1, "after b"), (3, 100, "c"), (1, 1, "a")] {
            queue.push(QueuedWrite {
                workload: Workload::Intake,
                lane: Lane::for_tenant(TenantId(tenant)),
                weight,
                job,
            });
        }
        assert_eq!(queue.pop_lighter(50), Some((1, "a")));
        assert_eq!(queue.pop_lighter(50), None);
        assert_eq!(queue.pop(), Some((100, "b")));
        assert_eq!(queue.pop_lighter(50), Some((1, "after b")));
        assert_eq!(queue.pop(), Some((100, "c")));
    }

    proptest! {
        #[test]
        fn no_write_is_lost_lanes_keep_their_order_and_none_starves(
            writes in proptest::collection::vec((0..3_usize, 0..4_i64), 0..200),
        ) {
            let mut queue = FairQueue::default();
            for (number, (share, tenant)) in writes.iter().enumerate() {
                let lane = Lane::for_tenant(TenantId(*tenant));
                queue.push(QueuedWrite { workload: Workload::ALL[*share], lane, weight: 1, job: (*share, *tenant, number) });
            }
            let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, job)| job).collect();
            prop_assert_eq!(taken.len(), writes.len());
            for share in 0..3 {
                for tenant in 0..4 {
                    let own: Vec<usize> = taken.iter().enumerate().filter(|(_, job)| (job.0, job.1) == (share, tenant)).map(|(place, _)| place).collect();
                    let numbers: Vec<usize> = own.iter().map(|place| taken[*place].2).collect();
                    prop_assert!(numbers.is_sorted());
                    // Between two writes of a lane there is at most one of each other lane for each share's turn.
                    prop_assert!(own.windows(2).all(|pair| pair[1] - pair[0] <= 3 * 4));
                }
            }
        }
    }
}
