//! How fast: requests and tokens a minute, and pauses that the server asks for.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::{Instant, sleep};

use super::super::endpoint::Endpoint;

/// Headers that give the limit of requests a minute, and of tokens.
const REQUESTS: [&str; 2] = [
    "x-ratelimit-limit-requests",
    "anthropic-ratelimit-requests-limit",
];
const TOKENS: [&str; 2] = [
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-tokens-limit",
];
/// A limit of tokens below this is not one a minute: no answer would ever fit.
const FEWEST_TOKENS: u32 = 1000;
/// A minute's worth is let through in this many parts, so that a burst never makes a minute much fuller.
const PARTS: u32 = 12;

/// The paces of a run, which all its models share: the user's rates are those of a provider, and what a
/// server tells is about one model.
#[derive(Debug, Clone, Default)]
pub struct Rates(Arc<Mutex<BTreeMap<String, Arc<Rate>>>>);

impl Rates {
    /// The pace for a model, with the user's rates a minute.
    pub(super) fn of(
        &self,
        endpoint: &Endpoint,
        requests: Option<NonZeroU32>,
        tokens: Option<NonZeroU32>,
    ) -> Arc<Rate> {
        let key = match (requests, tokens) {
            (None, None) => format!("{}/{}", endpoint.provider, endpoint.model),
            _ => endpoint.provider.clone(),
        };
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = rates
            .entry(key)
            .or_insert_with(|| Arc::new(Rate::new(requests, tokens)));
        Arc::clone(rate)
    }
}

/// The pace of requests.
#[derive(Debug)]
pub(super) struct Rate {
    requests: Bucket,
    tokens: Bucket,
    hold: Mutex<Option<Instant>>,
}

impl Rate {
    /// With the user's rates a minute; those that are not given are learnt.
    fn new(requests: Option<NonZeroU32>, tokens: Option<NonZeroU32>) -> Self {
        Self {
            requests: Bucket::new(requests),
            tokens: Bucket::new(tokens),
            hold: Mutex::new(None),
        }
    }

    /// Waits until the rates let a request with so many tokens go.
    pub(super) async fn pace(&self, tokens: u64) {
        self.requests.take(1).await;
        self.tokens.take(tokens).await;
    }

    /// The end of the pause that holds now, if one does.
    pub(super) fn paused(&self) -> Option<Instant> {
        let hold = *self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        hold.filter(|until| *until > Instant::now())
    }

    /// Nothing goes for this long: the server asked for it.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        *hold = Some(hold.map_or(until, |hold| hold.max(until)));
    }

    /// Takes limits from the headers of a reply, where they are sane: some servers send -1 or 0.
    pub(super) fn learn(&self, headers: &BTreeMap<String, String>) {
        let limit = |names: [&str; 2], least| {
            let found = names.into_iter().find_map(|name| headers.get(name));
            found
                .and_then(|text| text.parse::<NonZeroU32>().ok())
                .filter(|limit| limit.get() >= least)
        };
        if let Some(limit) = limit(REQUESTS, 1) {
            self.requests.learn(limit);
        }
        if let Some(limit) = limit(TOKENS, FEWEST_TOKENS) {
            self.tokens.learn(limit);
        }
    }
}

/// One rate a minute.
#[derive(Debug)]
struct Bucket {
    given: bool,
    limiter: Mutex<Option<(NonZeroU32, DefaultDirectRateLimiter)>>,
}

impl Bucket {
    fn new(given: Option<NonZeroU32>) -> Self {
        Self {
            given: given.is_some(),
            limiter: Mutex::new(given.map(limiter)),
        }
    }

    fn learn(&self, limit: NonZeroU32) {
        if self.given {
            return;
        }
        let mut now = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_ref().is_none_or(|(known, _)| *known != limit) {
            *now = Some(limiter(limit));
        }
    }

    /// Takes that many, in parts that fit.
    async fn take(&self, count: u64) {
        let mut left = count;
        while let Some(part) = self.part(left) {
            match part {
                Ok(taken) => left = left.saturating_sub(taken),
                Err(wait) => sleep(wait).await,
            }
        }
    }

    /// Takes a part, or says how long to wait for it; `None` if there is no rate or nothing left to take.
    fn part(&self, left: u64) -> Option<Result<u64, Duration>> {
        let limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let (limit, limiter) = limiter.as_ref()?;
        let most = u64::from(burst(*limit).get());
        let part = NonZeroU32::new(u32::try_from(left.min(most)).ok()?)?;
        // A part is never more than a burst.
        Some(match limiter.check_n(part).ok()? {
            Ok(()) => Ok(u64::from(part.get())),
            Err(until) => Err(until.wait_time_from(DefaultClock::default().now())),
        })
    }
}

fn burst(limit: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(limit.get() / PARTS).unwrap_or(NonZeroU32::MIN)
}

fn limiter(limit: NonZeroU32) -> (NonZeroU32, DefaultDirectRateLimiter) {
    let quota = Quota::per_minute(limit).allow_burst(burst(limit));
    (limit, RateLimiter::direct(quota))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests: u32, tokens: u32) -> Rate {
        Rate::new(NonZeroU32::new(requests), NonZeroU32::new(tokens))
    }

    /// Milliseconds that this takes.
    fn time(work: impl Future<Output = ()>) -> u128 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let begun = Instant::now();
            work.await;
            begun.elapsed().as_millis()
        })
    }

    fn known(bucket: &Bucket) -> Option<u32> {
        let limiter = bucket.limiter.lock().unwrap();
        limiter.as_ref().map(|(limit, _)| limit.get())
    }

    #[test]
    fn requests_and_tokens_are_paced_each_by_its_own_rate() {
        // A hundred requests a second with a burst of 500: the 20 beyond it take a fifth of a second.
        let requests = rate(6_000, 0);
        let taken = time(async {
            for _ in 0..520 {
                requests.pace(1_000_000).await;
            }
        });
        assert!((150..2_000).contains(&taken), "{taken}");
        // One request of more tokens than a burst goes in parts: 5,200 at 1,000 a second after 5,000.
        let tokens = rate(0, 60_000);
        let taken = time(tokens.pace(5_200));
        assert!((150..2_000).contains(&taken), "{taken}");
    }

    #[test]
    fn without_a_rate_nothing_waits_and_of_pauses_the_longest_holds() {
        let rate = rate(0, 0);
        assert!(time(rate.pace(u64::MAX)) < 50);
        assert_eq!(rate.paused(), None);
        rate.pause(Duration::from_mins(2));
        rate.pause(Duration::from_secs(10));
        let left = rate.paused().unwrap() - Instant::now();
        assert!(left > Duration::from_mins(1), "{left:?}");
        rate.pause(Duration::ZERO);
        assert!(rate.paused().is_some());
    }

    #[test]
    fn models_of_a_provider_share_the_users_rates_and_nothing_learnt() {
        let one = super::super::tests::endpoint("http://localhost");
        let other = Endpoint {
            model: "m-2".to_owned(),
            ..one.clone()
        };
        let rates = Rates::default();
        let of = |endpoint, limit| rates.of(endpoint, NonZeroU32::new(limit), None);
        assert!(Arc::ptr_eq(&of(&one, 5), &of(&other, 5)));
        assert!(!Arc::ptr_eq(&of(&one, 0), &of(&other, 0)));
        assert!(Arc::ptr_eq(&of(&one, 0), &of(&one, 0)));
    }

    #[test]
    fn sane_limits_are_learnt_unless_the_user_gave_one() {
        let headers = |requests: &str, tokens: &str| {
            BTreeMap::from([
                (REQUESTS[0].to_owned(), requests.to_owned()),
                (TOKENS[1].to_owned(), tokens.to_owned()),
            ])
        };
        let rate = Rate::new(None, NonZeroU32::new(77));
        for (requests, tokens) in [
            ("-1", "0"),
            ("0", "-1"),
            ("", "x"),
            ("5.5", "1e9"),
            ("99999999999", "1"),
        ] {
            rate.learn(&headers(requests, tokens));
            assert_eq!(known(&rate.requests), None, "{requests}");
        }
        rate.learn(&headers("500", "30000"));
        assert_eq!(
            (known(&rate.requests), known(&rate.tokens)),
            (Some(500), Some(77))
        );
        let learnt = Rate::new(None, None);
        learnt.learn(&headers("500", "30000"));
        learnt.learn(&headers("600", "999"));
        assert_eq!(
            (known(&learnt.requests), known(&learnt.tokens)),
            (Some(600), Some(30_000))
        );
    }
}
