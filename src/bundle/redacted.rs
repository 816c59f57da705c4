//! Checking a redacted copy: what is shown is what was sealed, and what is withheld is counted.
//!
//! ```text
//! bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt   the copy's own
//! data/redaction.json          why something is withheld, and how many pieces of each file
//! data/case.jsonl ...          the pieces (see [`super::piece`]), one a line: shown, or withheld
//! data/sealed/commitments.txt  what the seal says of every file of pieces
//! data/sealed/tagmanifest-sha256.txt(.sig, .tsr)   what was signed, the signature, its time stamp
//! ```
//!
//! A line is `{"commitment":"C","salt":"S","open":PIECE}`, C being SHA-256 over the bytes of S and those of
//! PIECE as they stand there; or `{"commitment":"C"}` where the piece is withheld.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bag::{self, Kind, Layout};
use super::check::{Demand, Step};
use super::commit::{self, Commitments, Gathering, bytes_of, commitment};
use super::error::{
    ChainError, CompletenessError, DisclosureError, PlanError, SignatureError, StepError,
    VerifyError,
};
use super::form::{
    COMMITMENTS_FILE, FORMAT, MANIFEST_FILE, MAX_WHOLE, Plan, RECORDINGS, REDACTION_FILE, SEALED,
    TAG_MANIFEST_FILE,
};
use super::log::{Event, Log};
use super::payload::{bounds, hold, tags};
use super::piece::{BATTERY, CASE, CasePiece, Found, LOG};
use super::{seal, stamp};
use crate::battery::{Battery, Probe};
use crate::digest;
use crate::evidence::Header;
use crate::marks::store::Outcome;
use crate::question::{Question, ask};
use crate::response::Response;

/// Characters of a reason at most; the rest is cut.
const MAX_REASON: usize = 1000;

/// What whoever made the copy says of it. It is not under the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redaction {
    /// [`FORMAT`].
    pub(super) format: u32,
    /// Why something is withheld.
    pub(super) reason: String,
    /// Pieces withheld, by file.
    pub(super) withheld: BTreeMap<String, u64>,
}

/// A redacted copy that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactedCopy {
    path: PathBuf,
}

/// How much of something is withheld.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Withheld.
    pub withheld: u64,
    /// All there are.
    pub of: u64,
}

/// What a redacted copy shows that was checked up to completeness. Its verdict cannot be drawn again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// The finding, as sealed.
    pub found: Found,
    /// The report as text, where it is shown.
    pub figures: Option<String>,
    /// Why something is withheld, by the word of whoever made the copy.
    pub reason: String,
    /// Probes.
    pub probes: Share,
    /// Records.
    pub records: Share,
}

/// Hears of one piece after the other; of nothing where it is withheld.
type TakeOpened<'a> = &'a mut dyn FnMut(u64, Option<&[u8]>) -> Result<(), StepError>;

/// The pieces of a small file; nothing for those withheld.
type Opened = Vec<Option<Vec<u8>>>;

/// A recording as far as it is shown.
struct Shown {
    header: Header,
    records: Share,
    /// Keys of the questions shown, sorted.
    asked: Vec<u128>,
    /// How many records answer a question otherwise than an earlier one; line and probe of the first.
    twice: Option<(usize, u64, String)>,
}

/// All pieces, none of which has been changed since its commitment was made.
struct Open {
    case: Opened,
    battery: Opened,
    log: Opened,
    recordings: BTreeMap<String, Shown>,
    /// Length of all files of the copy.
    bytes: u64,
}

impl RedactedCopy {
    /// Whether a directory is meant to be a redacted copy.
    pub fn is_at(path: &Path) -> bool {
        path.join(SEALED).is_dir()
    }

    /// A copy at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Goes through the steps up to completeness, as [`super::Bundle::check`] does for a whole bundle. The
    /// last step cannot be gone: the verdict needs what is withheld.
    ///
    /// # Errors
    ///
    /// At the first step that fails.
    pub fn check(
        self,
        demand: &Demand,
        told: &mut dyn FnMut(Step, &str),
    ) -> Result<Disclosed, VerifyError> {
        let at = |step| move |source: StepError| VerifyError { step, source };
        let layout = bag::layout(&self.path, Kind::Redacted);
        let layout = layout.map_err(|e| at(Step::Layout)(e.into()))?;
        let files = layout.files.len();
        told(
            Step::Layout,
            &format!("{files} files of a redacted copy, none beside them"),
        );
        self.digests(&layout).map_err(at(Step::Digests))?;
        let listed = layout.payload.len();
        told(Step::Digests, &format!("SHA-256 of {listed} files"));
        let open = self.open(&layout).map_err(at(Step::Chain))?;
        let (shown, all) = open.shown();
        let note =
            format!("{shown} of {all} pieces shown, each the sealed one at its place; no chain is");
        told(Step::Chain, &note);
        let note = self
            .signature(&layout, demand)
            .map_err(|e| at(Step::Signature)(e.into()))?;
        told(Step::Signature, &note);
        let (case, note) = open.plan().map_err(at(Step::Plan))?;
        told(Step::Plan, &note);
        let redaction = self.redaction().map_err(at(Step::Completeness))?;
        let (disclosed, note) = case
            .complete(&open, &redaction)
            .map_err(at(Step::Completeness))?;
        told(Step::Completeness, &note);
        Ok(disclosed)
    }

    fn digests(&self, layout: &Layout) -> Result<(), StepError> {
        tags(&self.path)?;
        layout.payload.par_iter().try_for_each(|(file, listed)| {
            let found = digest::of_file(&self.path.join(file));
            let (found, _) = found.map_err(|source| super::DigestError::Read {
                file: file.clone(),
                source,
            })?;
            hold(file, MANIFEST_FILE, listed, found)
        })?;
        Ok(bag::oxum(layout)?)
    }

    /// The commitments as listed under the seal.
    fn commitments(&self) -> Result<Commitments, StepError> {
        let file = format!("{SEALED}/{COMMITMENTS_FILE}");
        let bytes = bag::whole(&self.path, &file, MAX_WHOLE)?;
        Ok(commit::parse(&bytes).map_err(|line| DisclosureError::List { file, line })?)
    }

    fn open(&self, layout: &Layout) -> Result<Open, StepError> {
        let commitments = self.commitments()?;
        let is_pieces =
            |file: &&String| file.starts_with("data/") && file.strip_suffix(".jsonl").is_some();
        let found = layout.files.keys().filter(is_pieces);
        let unknown = found.clone().find(|file| !commitments.contains_key(*file));
        let mut listed = commitments.keys();
        if let Some(file) = unknown.or_else(|| listed.find(|f| !layout.files.contains_key(*f))) {
            return Err(DisclosureError::Unknown {
                file: file.chars().take(200).collect(),
                commitments: format!("{SEALED}/{COMMITMENTS_FILE}"),
            }
            .into());
        }
        let recordings = found.filter(|file| file.starts_with(RECORDINGS));
        let recordings: Vec<&String> = recordings.collect();
        let recordings: Vec<(String, Shown)> = recordings
            .par_iter()
            .map(|file| {
                let number = file.trim_start_matches(RECORDINGS).trim_matches('/');
                let number = number.trim_end_matches(".jsonl");
                Ok((number.to_owned(), self.recording(file, &commitments)?))
            })
            .collect::<Result<_, StepError>>()?;
        Ok(Open {
            case: self.small(CASE, &commitments)?,
            battery: self.small(BATTERY, &commitments)?,
            log: self.small(LOG, &commitments)?,
            recordings: recordings.into_iter().collect(),
            bytes: layout.files.values().sum(),
        })
    }

    /// Goes through the pieces of a file, each opened, and holds them all against what was sealed.
    fn each(
        &self,
        file: &str,
        commitments: &Commitments,
        take: TakeOpened<'_>,
    ) -> Result<(), StepError> {
        let mut gathering = Gathering::default();
        bag::each_line(&self.path, file, &mut |n, line| {
            let place = |make: fn(String, u64) -> DisclosureError| make(file.to_owned(), n + 1);
            let line = Line::parse(line)
                .ok_or_else(|| place(|file, line| DisclosureError::Line { file, line }))?;
            if !line.holds() {
                return Err(place(|file, line| DisclosureError::Piece { file, line }).into());
            }
            gathering.push(&line.commitment);
            take(n, line.open.map(|(_, piece)| piece))
        })?;
        let (found, sealed) = (gathering.pieces(), commitments.get(file));
        let file = file.to_owned();
        match sealed {
            Some(sealed) if sealed.pieces != found => Err(DisclosureError::Count {
                file,
                found,
                sealed: sealed.pieces,
            }
            .into()),
            Some(sealed) if *sealed == gathering.end() => Ok(()),
            _ => Err(DisclosureError::Commitments { file }.into()),
        }
    }

    fn small(&self, file: &str, commitments: &Commitments) -> Result<Opened, StepError> {
        let mut pieces = Opened::new();
        self.each(file, commitments, &mut |_, piece| {
            pieces.push(piece.map(<[u8]>::to_vec));
            Ok(())
        })?;
        Ok(pieces)
    }

    fn recording(&self, file: &str, commitments: &Commitments) -> Result<Shown, StepError> {
        let (mut header, mut records) = (None, Share::default());
        let (mut asked, mut seen, mut twice) = (Vec::new(), HashMap::new(), None);
        self.each(file, commitments, &mut |n, piece| {
            let Some(at) = n.checked_sub(1) else {
                header = piece
                    .map(|piece| parse::<Header>(file, n, piece))
                    .transpose()?;
                return Ok(());
            };
            records.of += 1;
            let Some(piece) = piece else {
                records.withheld += 1;
                return Ok(());
            };
            let record: Record = parse(file, n, piece)?;
            if record.n != at {
                return Err(DisclosureError::Number {
                    file: file.to_owned(),
                    line: n + 1,
                    n: record.n,
                }
                .into());
            }
            let key = digest::key(&record.question);
            asked.push(key);
            let first: &mut Response = seen.entry(key).or_insert_with(|| record.response.clone());
            if !first.says_the_same(&record.response) {
                let probe = || record.question.probe.chars().take(200).collect();
                twice.get_or_insert_with(|| (0, n + 1, probe())).0 += 1;
            }
            Ok(())
        })?;
        asked.sort_unstable();
        let header = header.ok_or_else(|| DisclosureError::Needed {
            file: file.to_owned(),
            what: "header",
        })?;
        Ok(Shown {
            header,
            records,
            asked,
            twice,
        })
    }

    /// The step of the signature: it is over a list that has the commitments.
    fn signature(&self, layout: &Layout, demand: &Demand) -> Result<String, SignatureError> {
        let root = self.path.join(SEALED);
        let (_, note) = seal::check_signature(&root, demand)?;
        let commitments = digest::of_bytes(&seal::whole(&root, COMMITMENTS_FILE)?);
        let listed = bag::manifest(&root, TAG_MANIFEST_FILE).unwrap_or_default();
        if listed.get(COMMITMENTS_FILE) != Some(&commitments) {
            return Err(SignatureError::Uncovered {
                file: format!("{SEALED}/{COMMITMENTS_FILE}"),
            });
        }
        let sealed = layout.files.iter().filter_map(|(file, length)| {
            let file = file.strip_prefix(SEALED)?.strip_prefix('/')?;
            Some((file.to_owned(), *length))
        });
        let stamp = stamp::check(&root, &sealed.collect())?;
        Ok(format!("{note}{stamp}"))
    }

    fn redaction(&self) -> Result<Redaction, StepError> {
        let bytes = bag::whole(&self.path, REDACTION_FILE, MAX_WHOLE)?;
        let redaction: Redaction = parse(REDACTION_FILE, 0, &bytes)?;
        if redaction.format != FORMAT {
            return Err(PlanError::Format {
                file: REDACTION_FILE.to_owned(),
                found: redaction.format,
            }
            .into());
        }
        Ok(redaction)
    }
}

/// A record as it is shown; the wire's exchange is not looked at.
#[derive(Deserialize)]
struct Record {
    n: u64,
    question: Question,
    #[serde(rename = "rendered")]
    _rendered: String,
    response: Response,
}

/// A line of a file of pieces.
struct Line<'a> {
    commitment: [u8; commit::LENGTH],
    /// Salt and piece, where they are shown.
    open: Option<([u8; commit::LENGTH], &'a [u8])>,
}

impl<'a> Line<'a> {
    /// There is one way only to write a line.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let (commitment, rest) = digits(line.strip_prefix(b"{\"commitment\":\"")?)?;
        if rest == b"\"}" {
            let open = None;
            return Some(Self { commitment, open });
        }
        let (salt, rest) = digits(rest.strip_prefix(b"\",\"salt\":\"")?)?;
        let piece = rest.strip_prefix(b"\",\"open\":")?.strip_suffix(b"}")?;
        let open = Some((salt, piece));
        Some(Self { commitment, open })
    }

    fn holds(&self) -> bool {
        self.open
            .is_none_or(|(salt, piece)| commitment(&salt, piece) == self.commitment)
    }
}

fn digits(bytes: &[u8]) -> Option<([u8; commit::LENGTH], &[u8])> {
    let (digits, rest) = bytes.split_at_checked(2 * commit::LENGTH)?;
    Some((bytes_of(std::str::from_utf8(digits).ok()?)?, rest))
}

fn parse<T: DeserializeOwned>(file: &str, n: u64, bytes: &[u8]) -> Result<T, DisclosureError> {
    serde_json::from_slice(bytes).map_err(|source| DisclosureError::Parse {
        file: file.to_owned(),
        line: n + 1,
        source,
    })
}

/// All of a file's pieces, where none may be withheld.
fn every<T: DeserializeOwned>(
    file: &str,
    pieces: &Opened,
    what: &'static str,
) -> Result<Vec<T>, StepError> {
    let all = (0..).zip(pieces).map(|(n, piece)| {
        let piece = piece.as_deref().ok_or_else(|| DisclosureError::Needed {
            file: file.to_owned(),
            what,
        })?;
        Ok(parse(file, n, piece)?)
    });
    all.collect()
}

/// What is shown, held against its plan.
struct Case {
    plan: Plan,
    log: Log,
    found: Found,
    figures: Option<String>,
    marks: Option<Outcome>,
    battery: Battery,
    probes: Share,
}

impl Open {
    /// Pieces shown, and all that there are.
    fn shown(&self) -> (u64, u64) {
        let small = [&self.case, &self.battery, &self.log];
        let all: u64 = small.iter().map(|pieces| pieces.len() as u64).sum();
        let hidden: u64 = small.iter().map(|pieces| withheld(pieces)).sum();
        // A recording's header is always shown.
        let add = |(shown, all): (u64, u64), of: &Shown| {
            let Share { withheld, of } = of.records;
            (shown + of + 1 - withheld, all + of + 1)
        };
        self.recordings.values().fold((all - hidden, all), add)
    }

    /// The step of the plan: it comes first in the log, and the recordings are its own.
    fn plan(&self) -> Result<(Case, String), StepError> {
        let case = self.case()?;
        let plan = &case.plan;
        bounds(plan, &case.battery, self.bytes)?;
        case.log.follows(plan, "")?;
        let last = case.log.last();
        for member in plan.panel.members() {
            let found = last.get(member.model.as_str());
            let found = found.and_then(|mark| Some((mark, self.recordings.get(&mark.recording)?)));
            let (mark, shown) = found.ok_or_else(|| ChainError::Unknown {
                file: LOG.to_owned(),
                recording: member.model.chars().take(200).collect(),
            })?;
            let imported = shown.header.identity.source.is_imported();
            let differs = [
                (shown.header.posing != plan.posing, "posing"),
                (!imported && shown.header.seed != plan.seed, "seed"),
            ];
            if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
                let recording = mark.recording.clone();
                return Err(PlanError::Recording { recording, what }.into());
            }
        }
        let before = case.log.before(&plan.panel.suspect.model);
        let note = if before > 0 {
            format!("committed; but {before} answers of the suspect are older")
        } else {
            "committed before the suspect was asked anything, as the sealed log says".to_owned()
        };
        Ok((case, note))
    }

    fn case(&self) -> Result<Case, StepError> {
        let (mut plan, mut found, mut figures, mut marks) = (None, None, None, None);
        for (n, piece) in (0..).zip(&self.case) {
            let Some(piece) = piece else { continue };
            match parse(CASE, n, piece)? {
                CasePiece::Plan(piece) => plan = Some(*piece),
                CasePiece::Finding(piece) => found = Some(piece),
                CasePiece::Figures(piece) => figures = Some(piece),
                CasePiece::Marks(piece) => marks = Some(*piece),
                CasePiece::Gates(_) | CasePiece::Environment(_) => {}
            }
        }
        let needed = |what| DisclosureError::Needed {
            file: CASE.to_owned(),
            what,
        };
        if plan.as_ref().is_some_and(|plan| plan.marks.is_some()) && marks.is_none() {
            return Err(needed("result of the planted marks").into());
        }
        let frame = self.battery.first().cloned().flatten();
        let frame = frame.ok_or_else(|| DisclosureError::Needed {
            file: BATTERY.to_owned(),
            what: "battery's name",
        })?;
        let mut battery: Battery = parse(BATTERY, 0, &frame)?;
        for (n, piece) in (0..).zip(&self.battery).skip(1) {
            if let Some(piece) = piece {
                battery.probes.push(parse::<Probe>(BATTERY, n, piece)?);
            }
        }
        Ok(Case {
            plan: plan.ok_or_else(|| needed("plan"))?,
            found: found.ok_or_else(|| needed("finding"))?,
            figures,
            marks,
            log: Log {
                events: every::<Event>(LOG, &self.log, "log")?,
                ..Log::default()
            },
            battery,
            probes: Share {
                withheld: withheld(&self.battery),
                of: self.battery.len() as u64 - 1,
            },
        })
    }
}

fn withheld(pieces: &Opened) -> u64 {
    pieces.iter().filter(|piece| piece.is_none()).count() as u64
}

impl Case {
    /// The step of completeness: everything is there or counted as withheld, and what is withheld is as
    /// much as was declared.
    fn complete(
        self,
        open: &Open,
        redaction: &Redaction,
    ) -> Result<(Disclosed, String), StepError> {
        let mut counts = BTreeMap::from([
            (CASE.to_owned(), withheld(&open.case)),
            (BATTERY.to_owned(), self.probes.withheld),
            (LOG.to_owned(), withheld(&open.log)),
        ]);
        let mut records = Share::default();
        for (number, shown) in &open.recordings {
            let Share { withheld, of } = shown.records;
            counts.insert(format!("{RECORDINGS}/{number}.jsonl"), withheld);
            records.withheld += withheld;
            records.of += of;
        }
        let of =
            |counts: &BTreeMap<String, u64>, file: &str| counts.get(file).copied().unwrap_or(0);
        let mut files = counts.keys().chain(redaction.withheld.keys());
        if let Some(file) = files.find(|f| of(&counts, f) != of(&redaction.withheld, f)) {
            return Err(DisclosureError::Declared {
                file: REDACTION_FILE.to_owned(),
                of: file.chars().take(200).collect(),
                declared: of(&redaction.withheld, file),
                found: of(&counts, file),
            }
            .into());
        }
        self.every_question(open)?;
        let Share { withheld, of } = self.probes;
        let mut note = format!(
            "withheld are {withheld} of {of} probes and {} of {} records, as many as are declared",
            records.withheld, records.of
        );
        if let Some(marks) = &self.marks {
            note += "; planted marks: ";
            note += marks.trial.said.words();
        }
        let disclosed = Disclosed {
            found: self.found,
            figures: self.figures,
            reason: redaction.reason.chars().take(MAX_REASON).collect(),
            probes: self.probes,
            records,
        };
        Ok((disclosed, note))
    }

    /// Recordings end where the log says, and no more questions about shown probes are missing than
    /// records are withheld. Of a run that could stop early it is not known which probes it came to.
    fn every_question(&self, open: &Open) -> Result<(), StepError> {
        let posing = self.plan.posing;
        let probes = if self.plan.stop_when_decided {
            &[][..]
        } else {
            &self.battery.probes
        };
        let mut first = Vec::new();
        for probe in probes {
            let questions = ask(probe, posing).into_iter();
            first.extend(questions.map(|q| (digest::key(&q), &probe.id)));
        }
        for (model, mark) in self.log.last() {
            let Some(shown) = open.recordings.get(&mark.recording) else {
                continue;
            };
            let (found, logged) = (shown.records.of, mark.answers);
            if found != logged {
                return Err(ChainError::End {
                    file: LOG.to_owned(),
                    recording: mark.recording.clone(),
                    found,
                    logged,
                }
                .into());
            }
            if let Some((records, line, probe)) = shown.twice.clone() {
                return Err(CompletenessError::Twice {
                    recording: mark.recording.clone(),
                    records,
                    line,
                    probe,
                }
                .into());
            }
            if self.plan.replayed.iter().any(|replayed| replayed == model) {
                continue;
            }
            let missing = |(key, _): &&(u128, &String)| shown.asked.binary_search(key).is_err();
            let mut missing = first.iter().filter(missing);
            let count = missing.clone().count();
            if let (Some((_, probe)), true) =
                (missing.next(), count as u64 > shown.records.withheld)
            {
                return Err(CompletenessError::Unasked {
                    recording: mark.recording.clone(),
                    probe: (*probe).clone(),
                    missing: count,
                }
                .into());
            }
        }
        Ok(())
    }
}
