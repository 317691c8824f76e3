//! Pictures of numbers: where each bar of a chart stands. Plain geometry, which the templates write as SVG.

/// The width of every picture, in its own units.
pub const WIDTH: f64 = 720.0;
/// The height of a picture of columns.
pub const HEIGHT: f64 = 120.0;
/// The height of a picture of shares.
pub const STRIP: f64 = 24.0;
/// What is kept free along every edge, for the outlines of bars.
const MARGIN: f64 = 1.0;
/// How much of its place a column takes; the rest parts it from the next.
const FILLED: f64 = 0.8;

/// A rectangle, in the units of its picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Which of the numbers it shows, from 0.
    pub part: usize,
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// Columns side by side, one for each stack of numbers, the first number at the bottom; the highest fills the picture.
/// A number that is not positive has no bar.
pub fn columns<const N: usize>(stacks: &[[i64; N]]) -> Vec<Bar> {
    let highest = stacks.iter().map(total).max().unwrap_or_default();
    if highest <= 0 {
        return Vec::new();
    }
    let place = (WIDTH - 2.0 * MARGIN) / real(i64::try_from(stacks.len()).unwrap_or(i64::MAX));
    let unit = (HEIGHT - 2.0 * MARGIN) / real(highest);
    let column = |(left, stack): (f64, &[i64; N])| {
        let mut y = HEIGHT - MARGIN;
        let bar = |(part, count): (usize, i64)| {
            let height = real(count) * unit;
            y -= height;
            Bar { part, x: left + place * (1.0 - FILLED) / 2.0, y, width: place * FILLED, height }
        };
        positive(stack).into_iter().map(bar).collect::<Vec<_>>()
    };
    let lefts = std::iter::successors(Some(MARGIN), |left| Some(left + place));
    lefts.zip(stacks).flat_map(column).collect()
}

/// One strip that is shared out among the numbers, from left to right. A number that is not positive has no bar.
pub fn shares<const N: usize>(parts: &[i64; N]) -> Vec<Bar> {
    let all = total(parts);
    if all <= 0 {
        return Vec::new();
    }
    let mut x = MARGIN;
    let bar = |(part, count): (usize, i64)| {
        let width = (WIDTH - 2.0 * MARGIN) * real(count) / real(all);
        let bar = Bar { part, x, y: MARGIN, width, height: STRIP - 2.0 * MARGIN };
        x += width;
        bar
    };
    positive(parts).into_iter().map(bar).collect()
}

fn positive<const N: usize>(parts: &[i64; N]) -> Vec<(usize, i64)> {
    parts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
}

fn total<const N: usize>(parts: &[i64; N]) -> i64 {
    positive(parts).into_iter().fold(0, |sum, (_, count)| sum.saturating_add(count))
}

/// Exact up to 2⁵³, which no count of rows reaches.
fn real(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLACK: f64 = 1e-6;

    fn inside(bar: &Bar, height: f64) -> bool {
        bar.x >= 0.0
            && bar.y >= 0.0
            && bar.width > 0.0
            && bar.height > 0.0
            && bar.x + bar.width <= WIDTH + SLACK
            && bar.y + bar.height <= height + SLACK
    }

    fn numbers() -> impl Strategy<Value = [i64; 3]> {
        prop::array::uniform3(prop_oneof![Just(0), 0i64..20, 0i64..5_000_000])
    }

    proptest! {
        #[test]
        fn columns_stay_inside_the_picture_and_are_as_high_as_their_numbers(
            stacks in prop::collection::vec(numbers(), 0..200)
        ) {
            let bars = columns(&stacks);
            prop_assert!(bars.iter().all(|bar| inside(bar, HEIGHT)), "{:?}", bars);
            let shown: Vec<i64> = stacks.iter().flatten().copied().filter(|count| *count > 0).collect();
            prop_assert_eq!(bars.len(), shown.len());
            for (bar, count) in bars.iter().zip(&shown) {
                let expected = bars[0].height * *count as f64 / shown[0] as f64;
                prop_assert!((bar.height - expected).abs() < 1e-3 + expected * 1e-6, "{:?} {}", bar, expected);
            }
            for (one, next) in bars.iter().zip(bars.iter().skip(1)) {
                let stacked = one.x == next.x && (next.y + next.height - one.y).abs() < SLACK;
                prop_assert!(stacked || one.x + one.width <= next.x + SLACK, "bars lie upon each other");
            }
        }

        #[test]
        fn shares_fill_the_strip_in_proportion(parts in numbers()) {
            let bars = shares(&parts);
            prop_assert!(bars.iter().all(|bar| inside(bar, STRIP)), "{:?}", bars);
            let all: i64 = parts.iter().sum();
            for bar in &bars {
                let expected = (WIDTH - 2.0) * parts[bar.part] as f64 / all as f64;
                prop_assert!((bar.width - expected).abs() < SLACK);
            }
            let filled: f64 = bars.iter().map(|bar| bar.width).sum();
            prop_assert!(all == 0 && bars.is_empty() || (filled - (WIDTH - 2.0)).abs() < SLACK);
        }
    }

    #[test]
    fn the_highest_column_fills_the_picture_and_nothing_draws_nothing() {
        assert_eq!(columns(&[[0, 4, 0]])[0].height, HEIGHT - 2.0);
        assert!(columns(&[[0, 0, 0]; 24]).is_empty() && columns::<3>(&[]).is_empty() && shares(&[0, 0]).is_empty());
    }
}
