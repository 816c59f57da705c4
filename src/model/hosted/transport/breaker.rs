//! The circuit breaker: a server that answers nothing is left alone.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts requests in a row that came to nothing after all their attempts.
#[derive(Debug)]
pub(super) struct Breaker {
    row: AtomicU32,
    most: u32,
}

impl Breaker {
    /// Opens at this many.
    pub(super) fn new(most: u32) -> Self {
        Self {
            row: AtomicU32::new(0),
            most,
        }
    }

    /// The server answered.
    pub(super) fn answered(&self) {
        self.row.store(0, Ordering::Relaxed);
    }

    /// A request came to nothing; gives the length of the row when that is too many.
    pub(super) fn failed(&self) -> Option<u32> {
        let row = self.row.fetch_add(1, Ordering::Relaxed) + 1;
        (row >= self.most).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_count() {
        let breaker = Breaker::new(3);
        assert_eq!((breaker.failed(), breaker.failed()), (None, None));
        breaker.answered();
        assert_eq!((breaker.failed(), breaker.failed()), (None, None));
        assert_eq!(breaker.failed(), Some(3));
    }
}
