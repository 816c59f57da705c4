//! How many requests are under way at once: more while the server keeps up, half when it does not.
//!
//! Additive increase and multiplicative decrease, as in congestion control of networks (Chiu and Jain
//! 1989): doubling per round until the first overload, one more per round afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Where it starts.
const FIRST: usize = 4;

/// Lets requests in.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Notify,
    most: usize,
}

#[derive(Debug)]
struct State {
    /// How many may be inside; the fraction is progress towards the next.
    limit: f64,
    inside: usize,
    /// Cuts so far. What entered before the last cut says nothing about the limit after it.
    cuts: u64,
    /// Nobody enters any more.
    closed: bool,
}

impl Gate {
    /// Never more than this many.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            state: Mutex::new(State {
                limit: FIRST.min(most) as f64,
                inside: 0,
                cuts: 0,
                closed: false,
            }),
            freed: Notify::new(),
            most,
        }
    }

    /// Waits until there is room; `None` once it is closed.
    pub(super) async fn enter(&self) -> Option<Inside<'_>> {
        loop {
            // Made before looking, so that nothing freed or closed in between is missed.
            let freed = self.freed.notified();
            if self.lock().closed {
                return None;
            }
            if let Some(inside) = self.try_enter() {
                return Some(inside);
            }
            freed.await;
        }
    }

    /// Sends away those who wait and whoever comes, until it is opened.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.freed.notify_waiters();
    }

    /// Lets requests in again.
    pub(super) fn open(&self) {
        self.lock().closed = false;
    }

    fn try_enter(&self) -> Option<Inside<'_>> {
        let mut state = self.lock();
        (state.inside < state.room()).then(|| {
            state.inside += 1;
            Inside {
                gate: self,
                cuts: state.cuts,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The limit in whole requests.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one and the most there may be"
    )]
    fn room(&self) -> usize {
        self.limit as usize
    }
}

/// One request under way; it leaves when dropped.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    gate: &'a Gate,
    cuts: u64,
}

impl Inside<'_> {
    /// The server kept up.
    pub(super) fn went_well(self) {
        let mut state = self.gate.lock();
        // A limit that is not half used is not tested.
        if state.inside * 2 >= state.room() && self.cuts == state.cuts {
            let step = if state.cuts == 0 {
                1.0
            } else {
                1.0 / state.limit
            };
            state.limit = (state.limit + step).min(self.gate.most as f64);
        }
    }

    /// The server could not keep up. What overload one round brings counts once.
    pub(super) fn overloaded(self) {
        let mut state = self.gate.lock();
        if self.cuts == state.cuts {
            state.limit = (state.limit / 2.0).max(1.0);
            state.cuts += 1;
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.inside -= 1;
        // One place became free, and the limit may have grown by another.
        let free = state.room().saturating_sub(state.inside).min(2);
        drop(state);
        for _ in 0..free {
            self.gate.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(gate: &Gate) -> usize {
        gate.lock().room()
    }

    /// As many as there is room for, all of which end alike.
    fn round<'a>(gate: &'a Gate, end: fn(Inside<'a>)) -> usize {
        let inside: Vec<_> = std::iter::from_fn(|| gate.try_enter()).collect();
        let count = inside.len();
        inside.into_iter().for_each(end);
        count
    }

    #[test]
    fn it_grows_while_all_goes_well_up_to_the_bound() {
        let gate = Gate::new(20);
        let rounds: Vec<usize> = (0..8).map(|_| round(&gate, Inside::went_well)).collect();
        assert_eq!(rounds[0], 4);
        assert!(rounds.is_sorted(), "{rounds:?}");
        assert_eq!(rounds[7], 20);
    }

    #[test]
    fn a_round_of_overload_halves_it_once_and_growth_is_slow_from_then_on() {
        let gate = Gate::new(64);
        while round(&gate, Inside::went_well) < 64 {}
        assert_eq!(round(&gate, Inside::overloaded), 64);
        assert_eq!(room(&gate), 32);
        assert_eq!(round(&gate, Inside::went_well), 32);
        assert!((32..=33).contains(&room(&gate)), "{}", room(&gate));
        for _ in 0..20 {
            round(&gate, Inside::overloaded);
        }
        assert_eq!(round(&gate, Inside::went_well), 1);
    }

    #[test]
    fn an_unused_limit_does_not_grow() {
        let gate = Gate::new(64);
        for _ in 0..100 {
            gate.try_enter().unwrap().went_well();
        }
        assert_eq!(room(&gate), 4);
    }

    #[test]
    fn once_closed_nobody_gets_in_and_those_inside_may_end() {
        let gate = Gate::new(1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let inside = gate.enter().await.unwrap();
            let (waited, ()) = futures::future::join(gate.enter(), async { gate.close() }).await;
            assert!(waited.is_none() && gate.enter().await.is_none());
            inside.went_well();
            assert!(gate.enter().await.is_none());
            gate.open();
            assert!(gate.enter().await.is_some());
        });
    }

    #[test]
    fn all_who_wait_get_in_and_never_too_many() {
        let gate = Gate::new(7);
        let most = std::sync::atomic::AtomicUsize::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(futures::future::join_all((0..500).map(|i| {
            let (gate, most) = (&gate, &most);
            async move {
                let inside = gate.enter().await.unwrap();
                most.fetch_max(gate.lock().inside, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
                match i % 17 {
                    0 => inside.overloaded(),
                    1 => drop(inside),
                    _ => inside.went_well(),
                }
            }
        })));
        assert!(most.into_inner() <= 7);
        assert_eq!(gate.lock().inside, 0);
    }
}
