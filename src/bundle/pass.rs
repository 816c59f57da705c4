//! One pass over a recording: its file's digest, its chain, what was asked, and its fingerprint, in
//! memory that does not grow with what was answered but by the fingerprint and 16 bytes a question.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::{ChainError, DigestError, LayoutError, StepError};
use super::form::{LOG_FILE, MAX_WHOLE, RECORDINGS};
use super::log::Mark;
use super::{Event, bag};
use crate::battery::{Ask, Battery};
use crate::digest;
use crate::evidence::{
    ANSWERS_FILE, Dates, EvidenceError, HEADER_FILE, Header, Lent, Scan, parse_header, scan_lines,
};
use crate::fingerprint::{Fingerprint, Taking};
use crate::question::{Posing, Prompt, Question, Request, pose};
use crate::sentinel::{self, Watch};

/// Read at once; a line longer than this is put together from several reads.
const BUFFER: usize = 1 << 18;

/// A recording as one pass saw it.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) header: Header,
    pub(super) answers: u64,
    pub(super) head: String,
    pub(super) print: Fingerprint,
    pub(super) dates: Dates,
    /// Keys of the questions asked.
    pub(super) asked: Keys,
    /// Length of the answers' file.
    pub(super) bytes: u64,
    /// Digests of the header's and the answers' files.
    pub(super) digests: [(String, String); 2],
    /// What is wrong with the chain; told after the digests have been held against the manifest.
    pub(super) chain: Result<(), ChainError>,
}

/// Keys of the questions in a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// All of them, sorted; one that was asked twice stands twice.
    pub(super) all: Vec<u128>,
    /// Those that a plan need not have asked for, sorted: sentinels, and readings for another panel.
    pub(super) beside: Vec<u128>,
}

/// What a recording may have beside the first questions of a plan.
struct Beside<'a> {
    posing: Posing,
    /// How probes that are read about are put, by probe.
    put: HashMap<&'a str, Prompt>,
    /// Those that sentinels repeat.
    sentinels: HashSet<&'a str>,
}

impl<'a> Beside<'a> {
    fn new(battery: &'a Battery, posing: Posing) -> Self {
        let probes = battery.probes.iter();
        // Nobody reads about closed questions: a score of theirs is an answer.
        let probes = probes.filter(|p| !matches!(p.ask, Ask::Choose { .. }));
        Self {
            posing,
            put: probes.map(|p| (p.id.as_str(), pose(p, posing))).collect(),
            sentinels: sentinel::probes(battery).map(|p| p.id.as_str()).collect(),
        }
    }

    /// Whether a question is a sentinel, or asks how probable texts are after the prompt of a probe, as readers of
    /// other panels are asked. Neither changes what was answered to the plan's.
    fn has<S: AsRef<str>>(&self, question: &Question<S>) -> bool {
        let probe = question.probe.as_ref();
        let (probe, asks) = if let Some(probe) = probe.strip_prefix(sentinel::PREFIX) {
            let asks = sentinel::is_asked(self.posing, &question.request);
            (probe, asks && self.sentinels.contains(probe))
        } else {
            let is_score = matches!(question.request, Request::Score { .. });
            (probe, is_score && question.variant == 0)
        };
        let Prompt { pose, text, lead } = &question.prompt;
        let is_put = |put: &Prompt| {
            put.pose == *pose && put.text == text.as_ref() && put.lead == lead.as_ref()
        };
        asks && self.put.get(probe).is_some_and(is_put)
    }
}

/// Hashes whatever is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Goes once over a recording. Only what cannot be read at all is an error here.
pub(super) fn pass(
    root: &Path,
    name: &str,
    battery: &Battery,
    marks: &[(u64, &Mark)],
) -> Result<Passed, StepError> {
    let directory = format!("{RECORDINGS}/{name}");
    let header_file = format!("{directory}/{HEADER_FILE}");
    let answers_file = format!("{directory}/{ANSWERS_FILE}");
    let bytes = bag::whole(root, &header_file, MAX_WHOLE)?;
    let damaged = |source| ChainError::Recording {
        recording: name.to_owned(),
        source,
    };
    let (header, mark) =
        parse_header(&root.join(&directory), &bytes).map_err(|e| StepError::from(damaged(e)))?;

    let failed = |source| DigestError::Read {
        file: answers_file.clone(),
        source,
    };
    let path = root.join(&answers_file);
    let file = File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StepError::from(LayoutError::Missing {
            file: answers_file.clone(),
        }),
        _ => failed(source).into(),
    })?;
    let hashing = Hashing {
        inner: file,
        hasher: Sha256::new(),
        bytes: 0,
    };
    let mut reader = BufReader::with_capacity(BUFFER, hashing);
    let mut marked = Marked::new(name, &mark, marks);
    let (mut asked, beside) = (Keys::default(), Beside::new(battery, header.posing));
    let (mut sentinels, mut dates) = (Watch::default(), Dates::default());
    let mut taking = Taking::new(battery, usize::MAX);
    let scanned = scan_lines::<Lent>(&mut reader, &path, &mark, &mut |entry| {
        marked.see(entry.n, entry.previous.as_ref());
        let key = digest::key(&entry.question);
        asked.all.push(key);
        if beside.has(&entry.question) {
            asked.beside.push(key);
        }
        sentinels.see(&entry);
        dates.take(&entry);
        taking.take(&entry);
    });
    // What a broken chain left unread is part of the file all the same.
    loop {
        let rest = reader.fill_buf().map_err(failed)?.len();
        if rest == 0 {
            break;
        }
        reader.consume(rest);
    }
    let hashing = reader.into_inner();
    let (answers, head, chain) = conclude(scanned, hashing.bytes, marked, &answers_file, damaged);
    asked.all.sort_unstable();
    asked.beside.sort_unstable();
    let (stable, mut print) = (sentinels.stable(), taking.print());
    if stable < asked.all.len() && chain.is_ok() {
        // The model was changed while it was asked, which shows only at the end: once more, up to there.
        let file = File::open(&path).map_err(failed)?;
        let mut taking = Taking::new(battery, stable);
        let mut reader = BufReader::with_capacity(BUFFER, file);
        scan_lines::<Lent>(&mut reader, &path, &mark, &mut |entry| taking.take(&entry))
            .map_err(damaged)?;
        print = taking.print();
    }
    Ok(Passed {
        header,
        answers,
        head,
        print,
        dates,
        asked,
        bytes: hashing.bytes,
        digests: [
            (header_file, mark.clone()),
            (
                answers_file.clone(),
                digest::hex(&hashing.hasher.finalize()),
            ),
        ],
        chain,
    })
}

fn conclude(
    scanned: Result<Scan, EvidenceError>,
    bytes: u64,
    marked: Marked<'_>,
    file: &str,
    damaged: impl Fn(EvidenceError) -> ChainError,
) -> (u64, String, Result<(), ChainError>) {
    match scanned {
        Err(error) => (0, String::new(), Err(damaged(error))),
        Ok(scan) if scan.bytes != bytes => {
            let torn = ChainError::Torn {
                file: file.to_owned(),
            };
            (scan.lines, scan.head, Err(torn))
        }
        Ok(scan) => {
            let chain = marked.end(scan.lines, &scan.head);
            (scan.lines, scan.head, chain)
        }
    }
}

/// Holds the log's marks against the chain while it goes by.
struct Marked<'a> {
    name: &'a str,
    /// Line of the log and mark, by number of answers; the last entry first.
    open: Vec<(u64, &'a Mark)>,
    last: Option<u64>,
    wrong: Option<ChainError>,
}

impl<'a> Marked<'a> {
    fn new(name: &'a str, header: &str, marks: &[(u64, &'a Mark)]) -> Self {
        let mut open = marks.to_vec();
        let last = open.last().map(|(_, mark)| mark.answers);
        open.sort_by_key(|(line, mark)| std::cmp::Reverse((mark.answers, *line)));
        let mut marked = Self {
            name,
            open,
            last,
            wrong: None,
        };
        marked.hold(0, header);
        marked
    }

    /// An entry goes by whose `previous` is the head behind `n` answers.
    fn see(&mut self, n: u64, previous: &str) {
        if self.open.last().is_some_and(|(_, mark)| mark.answers <= n) {
            self.hold(n, previous);
        }
    }

    fn hold(&mut self, answers: u64, head: &str) {
        while let Some((line, mark)) = self.open.pop_if(|(_, mark)| mark.answers <= answers) {
            // Before there is a header there is no head either.
            let fits = match &mark.head {
                Some(marked) => mark.answers == answers && marked == head,
                None => mark.answers == 0,
            };
            if !fits && self.wrong.is_none() {
                self.wrong = Some(ChainError::Mark {
                    file: LOG_FILE.to_owned(),
                    line,
                    recording: self.name.to_owned(),
                    answers: mark.answers,
                });
            }
        }
    }

    fn end(mut self, answers: u64, head: &str) -> Result<(), ChainError> {
        self.hold(answers, head);
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let logged = self.last.unwrap_or(0);
        if logged != answers || !self.open.is_empty() {
            return Err(ChainError::End {
                file: LOG_FILE.to_owned(),
                recording: self.name.to_owned(),
                found: answers,
                logged,
            });
        }
        Ok(())
    }
}

/// The marks of each recording, each with its line of the log, in order.
pub(super) fn marks(events: &[Event]) -> BTreeMap<&str, Vec<(u64, &Mark)>> {
    let mut marks: BTreeMap<&str, Vec<(u64, &Mark)>> = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        if let Some(mark) = event.mark() {
            let of = marks.entry(mark.recording.as_str()).or_default();
            of.push((i as u64 + 1, mark));
        }
    }
    marks
}
