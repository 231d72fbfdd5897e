//! Quantiles of what was measured: values that were seen, none in between.

/// p50, p99 and p99.9 of sorted values.
pub(super) fn percentiles(sorted: &[u64]) -> [u64; 3] {
    [500, 990, 999].map(|thousandths| at(sorted, sorted.len() * thousandths / 1_000))
}

/// p50 and p99 of values in any order.
pub(super) fn p50_p99(values: &[u64]) -> [u64; 2] {
    let [p50, p99, _] = percentiles(&sorted(values));
    [p50, p99]
}

/// The median of values in any order.
pub(super) fn middle(values: &[u64]) -> u64 {
    median(&sorted(values))
}

/// The median of sorted values.
pub(super) fn median(sorted: &[u64]) -> u64 {
    at(sorted, sorted.len() / 2)
}

fn sorted(values: &[u64]) -> Vec<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
}

fn at(sorted: &[u64], place: usize) -> u64 {
    sorted.get(place).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        let values: Vec<u64> = (0..1_000).rev().collect();
        assert_eq!((p50_p99(&values), middle(&values)), ([500, 990], 500));
        assert_eq!(percentiles(&sorted(&values)), [500, 990, 999]);
        assert_eq!((p50_p99(&[]), middle(&[7])), ([0, 0], 7));
    }
}
