//! What counts as a fault: a panic, even one that is caught; more than ten seconds; more than 1 GB.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that an input may take.
const LONGEST: Duration = Duration::from_secs(10);
/// The most memory that the process may come to hold, in bytes.
const MOST: u64 = 1 << 30;
/// How often an input under way is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The exit code of a fault.
const FAULT: i32 = 3;
/// No input is under way.
const IDLE: u64 = u64::MAX;

/// Libraries that the tool calls behind a guard that makes an error of a panic. What gets through the guard is a fault all
/// the same.
const GUARDED: [&str; 2] = ["/tokenizers-", "/minijinja-"];

static PANICS: AtomicU64 = AtomicU64::new(0);
static STARTED: OnceLock<Instant> = OnceLock::new();

/// Looks at the input that is under way.
pub(crate) struct Watch {
    /// When it began, in milliseconds from the start.
    begun: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        elapsed();
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", |place| place.file());
            if !GUARDED.iter().any(|library| file.contains(library)) {
                PANICS.fetch_add(1, Ordering::SeqCst);
                usual(info);
            }
        }));
        let begun = Arc::new(AtomicU64::new(IDLE));
        let seen = Arc::clone(&begun);
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                let begun = seen.load(Ordering::SeqCst);
                if begun != IDLE && millis() > begun + millis_of(LONGEST) {
                    stop("an input takes longer than 10 s");
                }
                if peak() > MOST {
                    stop("the process holds more than 1 GB");
                }
            }
        });
        Self { begun }
    }

    /// Runs an input; an error says why it fails.
    pub(crate) fn over<T>(&self, run: impl FnOnce() -> T) -> Result<T, String> {
        let before = PANICS.load(Ordering::SeqCst);
        self.begun.store(millis(), Ordering::SeqCst);
        let done = panic::catch_unwind(AssertUnwindSafe(run));
        self.begun.store(IDLE, Ordering::SeqCst);
        if PANICS.load(Ordering::SeqCst) > before {
            return Err("an input panics".to_owned());
        }
        if peak() > MOST {
            return Err("the process came to hold more than 1 GB".to_owned());
        }
        done.map_err(|_| "an input panics".to_owned())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        elapsed()
    }
}

#[expect(
    clippy::exit,
    clippy::print_stderr,
    reason = "an input under way cannot be broken off otherwise"
)]
fn stop(what: &str) -> ! {
    eprintln!("error: {what}");
    std::process::exit(FAULT)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long inputs take is what is looked at"
)]
fn elapsed() -> Duration {
    STARTED.get_or_init(Instant::now).elapsed()
}

fn millis() -> u64 {
    millis_of(elapsed())
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(IDLE)
}

/// The most memory that the process has held, in bytes; 0 where the system does not tell.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}
