//! What may be spent: reserved before a request by what it can take at most, settled after it by what was
//! counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;

use super::super::error::HostedError;
use super::super::price::Price;
use crate::response::Usage;

/// The user's limits of a run; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Requests, repeated ones counted again.
    pub calls: Option<u64>,
    /// Tokens read and written, hidden ones included.
    pub tokens: Option<u64>,
    /// USD.
    pub cost: Option<f64>,
}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Requests, repeated ones counted again.
    pub calls: u64,
    /// Tokens read and written, hidden ones included; what no server counted stands at its upper bound.
    pub tokens: u64,
    /// USD, of the models whose price is known.
    pub cost: f64,
}

impl Spent {
    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            cost: self.cost + other.cost,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            cost: (self.cost - other.cost).max(0.0),
        }
    }
}

/// What a request can take at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Tokens read: a token has at least one byte, so the bytes of the body bound them.
    pub(super) prompt: u64,
    /// Tokens written.
    pub(super) completion: u64,
}

impl Estimate {
    /// Of a body with its text. What limits the tokens written has a name of its own in every dialect.
    pub(super) fn of(body: &Value, text: &str) -> Self {
        let (mut written, mut samples) = (0, 1);
        bound(body, &mut written, &mut samples);
        Self {
            prompt: text.len() as u64,
            completion: written.saturating_mul(samples),
        }
    }

    /// Tokens as rates count them: four bytes to a token read, and all that may be written.
    pub(super) fn paced(self) -> u64 {
        (self.prompt / 4).saturating_add(self.completion)
    }

    fn spent(self, price: Option<&Price>) -> Spent {
        spent(self.prompt, self.completion, price)
    }
}

/// Raises the tokens a sample and the samples a request to what an object and those within it name.
fn bound(fields: &Value, written: &mut u64, samples: &mut u64) {
    const WRITTEN: [&str; 7] = [
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "maxOutputTokens",
        "max_new_tokens",
        "n_predict",
        "num_predict",
    ];
    const NESTED: [&str; 3] = ["generationConfig", "options", "sampling_params"];
    const SAMPLES: [&str; 3] = ["n", "best_of", "candidateCount"];
    for (name, value) in fields.as_object().into_iter().flatten() {
        let name = name.as_str();
        if let Some(count) = value.as_u64() {
            if WRITTEN.contains(&name) {
                *written = count.max(*written);
            } else if SAMPLES.contains(&name) {
                *samples = count.max(*samples);
            }
        } else if NESTED.contains(&name) {
            bound(value, written, samples);
        }
    }
}

fn spent(prompt: u64, completion: u64, price: Option<&Price>) -> Spent {
    Spent {
        calls: 1,
        tokens: prompt.saturating_add(completion),
        cost: price.map_or(0.0, |price| price.cost(prompt, completion)),
    }
}

/// The counter that all endpoints of a run share.
#[derive(Debug, Default)]
pub struct Budget {
    limits: Limits,
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    spent: Spent,
    reserved: Spent,
}

impl Budget {
    /// Nothing spent yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What was spent so far, requests under way not counted.
    pub fn spent(&self) -> Spent {
        self.lock().spent
    }

    /// Sets aside what a request can take at most. While others are under way, which may turn out to take
    /// less than was set aside for them, it waits for them.
    pub(super) async fn reserve<'a>(
        &'a self,
        estimate: Estimate,
        price: Option<&'a Price>,
    ) -> Result<Reserved<'a>, HostedError> {
        let most = estimate.spent(price);
        loop {
            // Made before looking, so that nothing settled in between is missed.
            let settled = self.settled.notified();
            {
                let mut state = self.lock();
                match self.exceeded(state.spent.plus(state.reserved).plus(most)) {
                    None => {
                        state.reserved = state.reserved.plus(most);
                        return Ok(Reserved {
                            budget: self,
                            price,
                            most,
                            taken: most,
                        });
                    }
                    Some(limit) if state.reserved.calls == 0 => {
                        return Err(limit.error(state.spent, most));
                    }
                    Some(_) => {}
                }
            }
            settled.await;
        }
    }

    fn exceeded(&self, spent: Spent) -> Option<Limit> {
        let Limits {
            calls,
            tokens,
            cost,
        } = self.limits;
        if calls.is_some_and(|limit| spent.calls > limit) {
            Some(Limit::Calls)
        } else if tokens.is_some_and(|limit| spent.tokens > limit) {
            Some(Limit::Tokens)
        } else if cost.is_some_and(|limit| spent.cost > limit) {
            Some(Limit::Cost)
        } else {
            None
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    Calls,
    Tokens,
    Cost,
}

impl Limit {
    fn error(self, spent: Spent, most: Spent) -> HostedError {
        let (limit, show): (_, fn(Spent) -> String) = match self {
            Self::Calls => ("--max-calls", |s| s.calls.to_string()),
            Self::Tokens => ("--max-tokens", |s| s.tokens.to_string()),
            Self::Cost => ("--max-cost", |s| format!("{:.4} USD", s.cost)),
        };
        HostedError::Budget {
            limit,
            spent: show(spent),
            next: show(most),
        }
    }
}

/// What was set aside for one request. Dropped, it counts as taken whole, since an unanswered request may
/// have been billed.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    budget: &'a Budget,
    price: Option<&'a Price>,
    most: Spent,
    taken: Spent,
}

impl Reserved<'_> {
    /// The server counted.
    pub(super) fn counted(mut self, usage: Usage) {
        self.taken = spent(usage.prompt, usage.completion, self.price);
    }

    /// The server turned the request down, which no provider bills.
    pub(super) fn turned_down(mut self) {
        self.taken = spent(0, 0, None);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.reserved = state.reserved.minus(self.most);
        state.spent = state.spent.plus(self.taken);
        drop(state);
        self.budget.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;

    const HUNDRED: Estimate = Estimate {
        prompt: 60,
        completion: 40,
    };

    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn usage(prompt: u64, completion: u64) -> Usage {
        Usage {
            prompt,
            completion,
            reasoning: 0,
            reported: true,
        }
    }

    fn tokens(limit: u64) -> Budget {
        Budget::new(Limits {
            tokens: Some(limit),
            ..Limits::default()
        })
    }

    #[test]
    fn every_dialects_limit_is_found_and_samples_multiply_it() {
        for (body, completion) in [
            (json!({"max_tokens": 5}), 5),
            (json!({"max_completion_tokens": 5, "n": 3}), 15),
            (
                json!({"generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}}),
                10,
            ),
            (json!({"options": {"num_predict": 5}}), 5),
            (json!({"sampling_params": {"max_new_tokens": 5}}), 5),
            (json!({"n": 0, "max_tokens": -1}), 0),
            (json!({"n": u64::MAX, "max_tokens": u64::MAX}), u64::MAX),
            (json!([]), 0),
        ] {
            let text = body.to_string();
            let estimate = Estimate::of(&body, &text);
            assert_eq!(estimate.completion, completion, "{text}");
            assert_eq!(estimate.prompt, text.len() as u64);
        }
    }

    #[test]
    fn what_was_set_aside_gives_way_to_what_was_counted() {
        let budget = tokens(150);
        now(budget.reserve(HUNDRED, None))
            .unwrap()
            .counted(usage(10, 20));
        assert_eq!((budget.spent().calls, budget.spent().tokens), (1, 30));
        now(budget.reserve(HUNDRED, None)).unwrap().turned_down();
        assert_eq!((budget.spent().calls, budget.spent().tokens), (2, 30));
        // Nobody knows what became of it.
        drop(now(budget.reserve(HUNDRED, None)).unwrap());
        assert_eq!(budget.spent().tokens, 130);
        let refused = now(budget.reserve(HUNDRED, None));
        assert!(
            matches!(&refused, Err(HostedError::Budget { limit: "--max-tokens", spent, next }) if spent == "130" && next == "100"),
            "{refused:?}"
        );
    }

    #[test]
    fn a_request_waits_for_what_others_leave_over() {
        let budget = tokens(150);
        let first = now(budget.reserve(HUNDRED, None)).unwrap();
        let mut second = pin!(budget.reserve(HUNDRED, None));
        let mut context = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        first.counted(usage(20, 20));
        let Poll::Ready(second) = second.as_mut().poll(&mut context) else {
            panic!("it waits on");
        };
        second.unwrap().counted(usage(50, 50));
        assert_eq!(budget.spent().tokens, 140);
    }

    #[test]
    fn calls_and_costs_are_limits_of_their_own() {
        let calls = Budget::new(Limits {
            calls: Some(1),
            ..Limits::default()
        });
        now(calls.reserve(HUNDRED, None)).unwrap().turned_down();
        assert!(matches!(
            now(calls.reserve(HUNDRED, None)),
            Err(HostedError::Budget {
                limit: "--max-calls",
                ..
            })
        ));
        let price = Price {
            provider: String::new(),
            model: String::new(),
            input: 1e4,
            output: 2e4,
            as_of: String::new(),
            source: String::new(),
        };
        let cost = Budget::new(Limits {
            cost: Some(1.5),
            ..Limits::default()
        });
        // 60 tokens at 0.01 and 40 at 0.02 USD.
        now(cost.reserve(HUNDRED, Some(&price)))
            .unwrap()
            .counted(usage(30, 40));
        assert!((cost.spent().cost - 1.1).abs() < 1e-9);
        assert!(matches!(
            now(cost.reserve(HUNDRED, Some(&price))),
            Err(HostedError::Budget {
                limit: "--max-cost",
                ..
            })
        ));
    }
}
