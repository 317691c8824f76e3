//! Pages of a list that grows at its head and without end: records and logs.
//!
//! A page is found by the id of the row next to it. So the last page costs what the first one costs, nothing has to be
//! counted, and rows that come in meanwhile move nothing.

/// Rows on a page.
const PAGE_SIZE: i64 = 50;

/// Which page was asked for, as it stands in a URL; the newest page when neither is given. A row's place is its id, which grows
/// with time, unless the list is ordered by something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor<P = i64> {
    /// The page of the rows older than this one.
    pub before: Option<P>,
    /// The page of the rows newer than this one.
    pub after: Option<P>,
}

/// Where the page shown stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyset<P = i64> {
    /// There are newer rows than this one, the first shown.
    pub newer: Option<P>,
    /// There are older rows than this one, the last shown.
    pub older: Option<P>,
}

impl Cursor {
    /// How many rows the query takes: one more than are shown, to know whether the list goes on.
    pub const QUERY_LIMIT: i64 = PAGE_SIZE + 1;
}

impl<P> Cursor<P> {
    /// Whether the query takes the rows oldest first, up from [`Cursor::after`].
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }

    /// The rows to show, newest first, out of those that the query took.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>, key_of: impl Fn(&T) -> P) -> (Vec<T>, Keyset<P>) {
        let shown = usize::try_from(PAGE_SIZE).unwrap_or_default();
        let has_more = rows.len() > shown;
        rows.truncate(shown);
        if self.is_ascending() {
            rows.reverse();
        }
        let (first, last) = (rows.first().map(&key_of), rows.last().map(&key_of));
        // Whoever comes from a page finds that page on the other side.
        let keyset = if self.is_ascending() {
            Keyset { newer: first.filter(|_| has_more), older: last }
        } else {
            Keyset { newer: first.filter(|_| self.before.is_some()), older: last.filter(|_| has_more) }
        };
        (rows, keyset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a query with this seek takes out of the ids 1 to `newest`.
    fn query(newest: i64, seek: Cursor) -> (Vec<i64>, Keyset) {
        let limit = usize::try_from(Cursor::QUERY_LIMIT).unwrap();
        let rows: Vec<i64> = match (seek.before, seek.after) {
            (None, Some(after)) => (after + 1..=newest).take(limit).collect(),
            (before, _) => (1..before.unwrap_or(newest + 1)).rev().take(limit).collect(),
        };
        seek.page(rows, |id| *id)
    }

    proptest! {
        #[test]
        fn paging_back_shows_every_row_once_and_forward_the_same_pages(newest in 0i64..400) {
            let (mut shown, mut pages, mut seek) = (Vec::<i64>::new(), Vec::new(), Cursor::default());
            let bottom = loop {
                let (rows, keyset) = query(newest, seek);
                shown.extend(&rows);
                pages.push(rows);
                match keyset.older {
                    Some(id) => seek = Cursor { before: Some(id), after: None },
                    None => break keyset,
                }
            };
            prop_assert_eq!(&shown, &(1..=newest).rev().collect::<Vec<_>>());
            pages.pop();
            let mut back = bottom.newer;
            while let Some(id) = back {
                let (rows, keyset) = query(newest, Cursor { before: None, after: Some(id) });
                prop_assert_eq!(Some(rows), pages.pop());
                back = keyset.newer;
            }
            prop_assert!(pages.is_empty());
        }
    }
}
