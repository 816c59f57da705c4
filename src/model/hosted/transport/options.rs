//! How an endpoint is asked.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::super::price::Prices;
use super::budget::Budget;

/// How an endpoint is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for one whole reply.
    pub timeout: Duration,
    /// How often one request is sent at most.
    pub attempts: u32,
    /// The pause before the second attempt, which doubles from then on; up to its own length is added at
    /// random.
    pub first_pause: Duration,
    /// The longest pause, unless the server asks for another.
    pub last_pause: Duration,
    /// No attempt begins later than this after the first one of the same request.
    pub patience: Duration,
    /// Requests in a row that may come to nothing.
    pub failures: u32,
    /// Requests under way at once, at most.
    pub concurrency: usize,
    /// Requests a minute; learnt from the server where it tells.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute; learnt from the server where it tells.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// What may be spent, by all endpoints that share it.
    pub budget: Arc<Budget>,
    /// What tokens cost.
    pub prices: Prices,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(10),
            attempts: 8,
            first_pause: Duration::from_millis(500),
            last_pause: Duration::from_secs(8),
            patience: Duration::from_mins(30),
            failures: 10,
            concurrency: 16,
            requests_per_minute: None,
            tokens_per_minute: None,
            budget: Arc::default(),
            prices: Prices::built_in(),
        }
    }
}

impl Options {
    /// The pauses between the attempts of one request.
    pub(super) fn pauses(&self) -> ExponentialBackoff {
        let times = usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first_pause)
            .with_max_delay(self.last_pause)
            .with_max_times(times)
            .with_jitter()
            .build()
    }
}
