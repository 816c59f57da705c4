//! When an answer was written down.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Entry;

/// A moment: whole seconds since 1970-01-01 00:00:00 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// Now, by the clock of this machine; `None` if it stands before 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "a recording keeps when it was made; no result is computed from it"
    )]
    pub fn now() -> Option<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(Self(since.as_secs()))
    }

    /// From the date of an HTTP message (RFC 9110, section 5.6.7); `None` if it is not one or lies before 1970.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let since = httpdate::parse_http_date(text).ok()?;
        let since = since.duration_since(UNIX_EPOCH).ok()?;
        Some(Self(since.as_secs()))
    }
}

/// The last second of the year 9999, beyond which no date is written.
const LAST: u64 = 253_402_300_799;

/// As HTTP writes dates: `Sun, 06 Nov 1994 08:49:37 GMT`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_secs(self.0.min(LAST));
        f.write_str(&httpdate::fmt_http_date(UNIX_EPOCH + since))
    }
}

/// From one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Span {
    /// The first moment, in seconds since 1970-01-01 UTC.
    pub from: Moment,
    /// The last.
    pub to: Moment,
}

impl Span {
    /// From the first of some moments to the last; `None` if there are none.
    pub fn of(moments: impl IntoIterator<Item = Moment>) -> Option<Self> {
        let each = moments.into_iter().map(|at| Self { from: at, to: at });
        each.reduce(Self::join)
    }

    /// What covers both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            return write!(f, "on {}", self.from);
        }
        write!(f, "from {} to {}", self.from, self.to)
    }
}

/// When the answers of a recording were written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dates {
    /// From the first to the last that has a date, by the clock of the machine that asked.
    pub written: Option<Span>,
    /// The dates that servers put on their replies.
    pub server: Option<Span>,
    /// Answers without a date.
    pub undated: usize,
}

impl Dates {
    /// Those of some entries.
    pub fn of(entries: &[Entry]) -> Self {
        let mut dates = Self::default();
        for entry in entries {
            dates.take(entry);
        }
        dates
    }

    /// Takes an entry in.
    pub(crate) fn take<S>(&mut self, entry: &Entry<S>) {
        self.written = cover(self.written, Span::of(entry.at));
        self.undated += usize::from(entry.at.is_none());
        let calls = entry.exchange.iter().flat_map(|exchange| &exchange.calls);
        let replies = calls.filter_map(|call| Moment::from_http_date(call.headers.get("date")?));
        self.server = cover(self.server, Span::of(replies));
    }

    /// Those of both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            written: cover(self.written, other.written),
            server: cover(self.server, other.server),
            undated: self.undated + other.undated,
        }
    }
}

/// What covers both, of those that there are.
fn cover(a: Option<Span>, b: Option<Span>) -> Option<Span> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.join(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9110, section 5.6.7: one moment in its three forms.
    #[test]
    fn dates_of_http_are_read_and_written() {
        let moment = Moment(784_111_777);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Moment::from_http_date(text), Some(moment), "{text}");
        }
        assert_eq!(moment.to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Moment::from_http_date("yesterday"), None);
        assert_eq!(
            Moment::from_http_date("Thu, 01 Jan 1969 00:00:00 GMT"),
            None
        );
    }

    #[test]
    fn no_number_of_seconds_is_too_large_to_write() {
        assert_eq!(
            Moment(u64::MAX).to_string(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    #[test]
    fn a_span_covers_all_moments() {
        assert_eq!(Span::of([]), None);
        let span = Span::of([5, 3, 9].map(Moment)).unwrap();
        assert_eq!((span.from, span.to), (Moment(3), Moment(9)));
        assert_eq!(
            Span::of([Moment(0)]).unwrap().to_string(),
            "on Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
