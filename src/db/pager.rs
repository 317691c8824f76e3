//! Pages of a long list.

/// Rows on a page.
pub const PAGE_SIZE: i64 = 50;

/// Where in a list a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pager {
    /// The page shown, from 1.
    pub page: i64,
    /// The last page; 1 for an empty list.
    pub last: i64,
    /// Rows in the whole list.
    pub total: i64,
}

impl Pager {
    /// The page that was asked for, or the nearest there is.
    #[must_use]
    pub fn new(requested_page: i64, total: i64) -> Self {
        let last = (total + PAGE_SIZE - 1).div_euclid(PAGE_SIZE).max(1);
        Self { page: requested_page.clamp(1, last), last, total }
    }

    /// How many rows come before this page.
    #[must_use]
    pub fn offset(&self) -> i64 {
        (self.page - 1) * PAGE_SIZE
    }

    /// The number of the first row of this page, from 1; 0 for an empty list.
    #[must_use]
    pub fn first_row(&self) -> i64 {
        if self.total == 0 { 0 } else { self.offset() + 1 }
    }

    /// The number of the last row of this page.
    #[must_use]
    pub fn last_row(&self) -> i64 {
        (self.offset() + PAGE_SIZE).min(self.total)
    }

    /// The page before this one.
    #[must_use]
    pub fn previous(&self) -> Option<i64> {
        (self.page > 1).then_some(self.page - 1)
    }

    /// The page after this one.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        (self.page < self.last).then_some(self.page + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_on_exactly_one_page(total in 0i64..5000) {
            let last = Pager::new(i64::MAX, total).last;
            let shown: i64 = (1..=last)
                .map(|page| Pager::new(page, total))
                .map(|pager| if total == 0 { 0 } else { pager.last_row() - pager.first_row() + 1 })
                .sum();
            prop_assert_eq!(shown, total);
        }

        #[test]
        fn a_missing_page_shows_the_nearest_one(asked in any::<i64>(), total in 0i64..100_000) {
            let pager = Pager::new(asked, total);
            prop_assert!(pager.page >= 1 && pager.page <= pager.last && pager.offset() >= 0);
        }
    }
}
