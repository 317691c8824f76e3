//! The order in which waiting writes are taken: a turn for each kind of work, and within a kind a turn for each lane.
//!
//! A backlog of one lane therefore delays another lane by one write for each lane with work, and not by its length.

use std::collections::{HashMap, VecDeque};

use super::{Share, lanes::Lane};

/// A write that waits.
pub(super) struct Waiting<J> {
    pub share: Share,
    pub lane: Lane,
    /// How much work it is: 1 for an ordinary write, more for one that writes many rows.
    pub weight: usize,
    pub job: J,
}

/// The waiting writes of all shares and lanes. Writes of one lane keep their order.
pub(super) struct FairQueue<J> {
    /// One for each of [`Share::EACH`].
    shares: [Lanes<J>; Share::EACH.len()],
    /// The place of the share that is asked first.
    turn: usize,
}

struct Lanes<J> {
    waiting: HashMap<Lane, VecDeque<(usize, J)>>,
    /// The lanes that have work, the next first.
    turns: VecDeque<Lane>,
}

impl<J> Default for Lanes<J> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<J> Default for FairQueue<J> {
    fn default() -> Self {
        Self { shares: Default::default(), turn: 0 }
    }
}

impl<J> Lanes<J> {
    fn push(&mut self, lane: Lane, weight: usize, job: J) {
        let waiting = self.waiting.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back((weight, job));
    }

    /// Takes the first write of the first lane where that one weighs less than this.
    fn pop_lighter(&mut self, weight: usize) -> Option<(usize, J)> {
        let is_lighter = |lane: &Lane| self.waiting.get(lane)?.front().map(|(own, _)| *own < weight);
        let place = self.turns.iter().position(|lane| is_lighter(lane) == Some(true))?;
        let lane = self.turns.remove(place)?;
        let waiting = self.waiting.get_mut(&lane)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        next
    }
}

impl<J> FairQueue<J> {
    /// Adds a write at the end of its lane.
    pub fn push(&mut self, waiting: Waiting<J>) {
        let Waiting { share, lane, weight, job } = waiting;
        let place = Share::EACH.iter().position(|known| *known == share).unwrap_or_default();
        if let Some(lanes) = self.shares.get_mut(place) {
            lanes.push(lane, weight.max(1), job);
        }
    }

    /// Takes the next write and its weight.
    pub fn pop(&mut self) -> Option<(usize, J)> {
        self.pop_lighter(usize::MAX)
    }

    /// Takes the next write that weighs less than this, and its weight. It overtakes heavier ones of other lanes.
    pub fn pop_lighter(&mut self, weight: usize) -> Option<(usize, J)> {
        for _ in 0..self.shares.len() {
            let place = self.turn;
            self.turn = (self.turn + 1) % self.shares.len();
            if let Some(next) = self.shares.get_mut(place).and_then(|lanes| lanes.pop_lighter(weight)) {
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

    fn push(queue: &mut FairQueue<String>, share: Share, tenant: i64, name: &str) {
        let lane = Lane::of_tenant(TenantId(tenant));
        queue.push(Waiting { share, lane, weight: 1, job: name.to_owned() });
    }

    fn all(mut queue: FairQueue<String>) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).map(|(_, job)| job).collect()
    }

    #[test]
    fn a_tenants_alert_waits_for_one_of_each_other_tenant_and_not_for_their_backlogs() {
        let mut queue = FairQueue::default();
        for number in 0..1_000 {
            push(&mut queue, Share::Intake, 2, &format!("b{number}"));
            push(&mut queue, Share::Intake, 3, &format!("c{number}"));
        }
        push(&mut queue, Share::Intake, 1, "a");
        assert_eq!(all(queue).iter().position(|job| job == "a"), Some(2));
    }

    #[test]
    fn pages_and_the_courier_have_their_turn_beside_a_flood_of_posts() {
        let mut queue = FairQueue::default();
        for number in 0..1_000 {
            push(&mut queue, Share::Intake, 2, &format!("b{number}"));
        }
        for (share, name) in [(Share::Pages, "log-in"), (Share::Courier, "claim")] {
            push(&mut queue, share, 0, name);
        }
        let order = all(queue);
        for name in ["log-in", "claim"] {
            assert!(order.iter().position(|job| job == name).unwrap() <= 2, "{name}");
        }
    }

    #[test]
    fn a_light_write_overtakes_heavy_ones_of_others_and_not_of_its_own_lane() {
        let mut queue = FairQueue::default();
        for (tenant, weight, job) in [(2, 100, "b"), (2, 1, "after b"), (3, 100, "c"), (1, 1, "a")] {
            queue.push(Waiting { share: Share::Intake, lane: Lane::of_tenant(TenantId(tenant)), weight, job });
        }
        assert_eq!(queue.pop_lighter(50), Some((1, "a")));
        assert_eq!(queue.pop_lighter(50), None);
        assert_eq!(queue.pop(), Some((100, "b")));
        assert_eq!(queue.pop_lighter(50), Some((1, "after b")));
        assert_eq!(queue.pop(), Some((100, "c")));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_each_lane_keeps_its_order_and_none_is_passed_over(
            writes in proptest::collection::vec((0..3_usize, 0..4_i64), 0..200),
        ) {
            let mut queue = FairQueue::default();
            for (number, (share, tenant)) in writes.iter().enumerate() {
                let lane = Lane::of_tenant(TenantId(*tenant));
                queue.push(Waiting { share: Share::EACH[*share], lane, weight: 1, job: (*share, *tenant, number) });
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
