//! What counts as a fault: a panic, even one that is caught; more than ten seconds; more than 1 GB.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that an input may take, of the processor's time: a machine that has much else to do is no fault.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest that it may take by the clock, for what waits instead of working.
const PATIENCE: Duration = Duration::from_mins(1);
/// Parts of a second in which the system counts the processor's time.
const TICKS: u64 = 100;
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
    /// When it began, in milliseconds from the start, and the processor's time then.
    begun: Arc<[AtomicU64; 2]>,
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
        let begun = Arc::new([AtomicU64::new(IDLE), AtomicU64::new(0)]);
        let seen = Arc::clone(&begun);
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                let [begun, worked] = [0, 1].map(|i| seen[i].load(Ordering::SeqCst));
                let is_over = |now: u64, then: u64, most| now > then + millis_of(most);
                if begun != IDLE
                    && (is_over(worked_millis(), worked, LONGEST)
                        || is_over(millis(), begun, PATIENCE))
                {
                    stop("an input takes longer than 10 s of the processor's time, or a minute");
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
        self.begun[1].store(worked_millis(), Ordering::SeqCst);
        self.begun[0].store(millis(), Ordering::SeqCst);
        let done = panic::catch_unwind(AssertUnwindSafe(run));
        self.begun[0].store(IDLE, Ordering::SeqCst);
        if PANICS.load(Ordering::SeqCst) > before {
            return Err("an input panics".to_owned());
        }
        if peak() > MOST {
            return Err("the process came to hold more than 1 GB".to_owned());
        }
        done.map_err(|_| "an input panics".to_owned())
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

/// How long the program has run.
#[expect(
    clippy::disallowed_methods,
    reason = "how long inputs take is what is looked at"
)]
pub(crate) fn elapsed() -> Duration {
    STARTED.get_or_init(Instant::now).elapsed()
}

fn millis() -> u64 {
    millis_of(elapsed())
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(IDLE)
}

/// The processor's time that the process has taken, in milliseconds; 0 where the system does not tell.
fn worked_millis() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: user and system time are the 12th and 13th field.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks * 1000 / TICKS
}

/// The most memory that the process has held, in bytes; 0 where the system does not tell.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}
