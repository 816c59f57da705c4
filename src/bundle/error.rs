//! Why a bundle is refused: one type a step, one variant a reason, the file named in each.

use std::io;
use std::path::PathBuf;

use super::check::Step;
use crate::report::RenderError;

/// A step of the check failed.
#[derive(Debug, thiserror::Error)]
#[error("verification failed at step {} ({})", step.number(), step.name())]
pub struct VerifyError {
    /// The step.
    pub step: Step,
    /// What it found.
    #[source]
    pub source: StepError,
}

/// What a step found.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum StepError {
    /// The files themselves.
    Layout(#[from] LayoutError),
    /// Their digests.
    Digests(#[from] DigestError),
    /// The chains.
    Chain(#[from] ChainError),
    /// What a redacted copy shows.
    Disclosure(#[from] DisclosureError),
    /// The signature.
    Signature(#[from] SignatureError),
    /// The plan.
    Plan(#[from] PlanError),
    /// What was to be answered.
    Completeness(#[from] CompletenessError),
    /// A test of planted marks.
    Marks(#[from] super::MarksError),
    /// The verdict.
    Verdict(#[from] VerdictError),
    /// Its report.
    Render(#[from] RenderError),
}

/// The directory is no bag of the right form.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or directory cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A link.
    #[error("'{file}' is a symbolic link; a bundle holds files only")]
    Link {
        /// The link.
        file: String,
    },
    /// A socket, a device.
    #[error("'{file}' is neither a file nor a directory")]
    Special {
        /// The thing.
        file: String,
    },
    /// A directory without a file in it, which no manifest lists.
    #[error("'{file}' is an empty directory; a bundle holds files only")]
    Empty {
        /// The directory.
        file: String,
    },
    /// A name that some system would take for a path, or that hides.
    #[error("'{file}' has a name that a bundle's file must not have")]
    Name {
        /// The file as found.
        file: String,
    },
    /// Directories in directories without end.
    #[error("'{file}' lies too deep")]
    Depth {
        /// The directory.
        file: String,
    },
    /// More files than any bundle has.
    #[error("there are more than 100,000 files")]
    Files,
    /// A file that a bundle cannot do without.
    #[error("'{file}' is missing")]
    Missing {
        /// The file.
        file: String,
    },
    /// A file that no part of the form explains.
    #[error("'{file}' is no part of a bundle")]
    Foreign {
        /// The file.
        file: String,
    },
    /// A report for print, which not every build could make again.
    #[error(
        "'{file}' is no part of a bundle, which holds only what every build of the tool can check; \
         a PDF is made from it: parentage report BUNDLE --format pdf"
    )]
    Pdf {
        /// The file.
        file: String,
    },
    /// A file beyond all reason.
    #[error("'{file}' is {bytes} bytes long; at most {limit} are read")]
    TooLarge {
        /// The file.
        file: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file larger than all together are said to be.
    #[error(
        "'{file}' is {bytes} bytes long, where all files together are declared to have {declared}"
    )]
    Outgrown {
        /// The file.
        file: String,
        /// Its length.
        bytes: u64,
        /// What is declared.
        declared: u64,
    },
    /// Not the declaration of BagIt 1.0 in UTF-8.
    #[error("'{file}' does not declare BagIt 1.0 in UTF-8")]
    Declaration {
        /// The file.
        file: String,
    },
    /// Bag information of another shape.
    #[error("'{file}' is not written as this format writes it")]
    Information {
        /// The file.
        file: String,
    },
    /// A newer or older form.
    #[error(
        "'{file}' says format {found}; this version reads format {}",
        super::form::FORMAT
    )]
    Format {
        /// The file.
        file: String,
        /// The format found.
        found: u32,
    },
    /// A line of a manifest is not one.
    #[error("line {line} of '{file}' is no digest with a path")]
    ManifestLine {
        /// The manifest.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A path that would leave the bundle.
    #[error("line {line} of '{file}' has a path that leaves the bundle: '{path}'")]
    ManifestPath {
        /// The manifest.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The path, with what is not printable replaced.
        path: String,
    },
    /// A path stands twice, or out of order.
    #[error("line {line} of '{file}' repeats a path or is out of order")]
    ManifestOrder {
        /// The manifest.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A file is listed and not there.
    #[error("'{file}' is listed in '{manifest}' and missing")]
    Listed {
        /// The manifest.
        manifest: String,
        /// The file.
        file: String,
    },
    /// A line without an end, or without end.
    #[error("line {line} of '{file}' has no end within {limit} bytes")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The longest line that is read.
        limit: u64,
    },
    /// The secret of the salts is not one.
    #[error("'{file}' is no secret of 64 hexadecimal digits")]
    Secret {
        /// The file.
        file: String,
    },
    /// A redacted copy where a whole bundle is wanted.
    #[error("'{file}' makes this a redacted copy: it can be verified, and nothing else")]
    Redacted {
        /// The directory that tells.
        file: &'static str,
    },
    /// A file is there and not listed.
    #[error("'{file}' is not listed in '{manifest}'")]
    Unlisted {
        /// The manifest.
        manifest: String,
        /// The file.
        file: String,
    },
}

/// The pieces of a bundle could not be told apart.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A file cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The log's chain does not hold.
    #[error(transparent)]
    Log(#[from] ChainError),
    /// A recording's header is not one.
    #[error(transparent)]
    Header(#[from] crate::evidence::EvidenceError),
    /// Not JSON of the right form.
    #[error("'{file}' is not of the right form")]
    Parse {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A line of a recording that some other program wrote.
    #[error("line {line} of '{file}' does not begin with its number and its link")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
}

/// The bytes are not those that were listed.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// A file cannot be read.
    #[error("cannot read '{file}'")]
    Read {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The lengths declared are not those of the files.
    #[error(
        "'{file}' declares {declared} bytes in {declared_files} files; there are {bytes} in {files}"
    )]
    Oxum {
        /// The file.
        file: String,
        /// Bytes declared.
        declared: u64,
        /// Files declared.
        declared_files: u64,
        /// Bytes found.
        bytes: u64,
        /// Files found.
        files: u64,
    },
    /// Another digest.
    #[error("'{file}' has SHA-256 {found}; '{manifest}' says {listed}")]
    Differs {
        /// The file.
        file: String,
        /// The manifest.
        manifest: String,
        /// As listed.
        listed: String,
        /// As found.
        found: String,
    },
}

/// A chain is broken.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A recording's own check refused it.
    #[error("recording '{recording}' is damaged")]
    Recording {
        /// The recording's directory.
        recording: String,
        /// The cause.
        #[source]
        source: crate::evidence::EvidenceError,
    },
    /// The last line has no end.
    #[error("'{file}' ends in the middle of a line")]
    Torn {
        /// The file.
        file: String,
    },
    /// A line of the log is not one.
    #[error("line {line} of '{file}' is no event of the log")]
    Event {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A line of the log does not follow the one before.
    #[error("line {line} of '{file}' does not follow the line before it")]
    Link {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// The log says of a recording what its chain does not.
    #[error(
        "line {line} of '{file}': recording '{recording}' had {answers} answers with another head than its chain has there"
    )]
    Mark {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The recording.
        recording: String,
        /// The answers that it speaks of.
        answers: u64,
    },
    /// A recording goes on behind what the log says of it.
    #[error("recording '{recording}' has {found} answers; '{file}' ends it at {logged}")]
    End {
        /// The log.
        file: String,
        /// The recording.
        recording: String,
        /// Answers found.
        found: u64,
        /// Answers in the log's last word on it.
        logged: u64,
    },
    /// A recording shrinks in the log.
    #[error("line {line} of '{file}' takes answers from recording '{recording}'")]
    Shrinks {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The recording.
        recording: String,
    },
    /// A model has no recording, or a recording no model.
    #[error("'{file}' and the recordings disagree about '{recording}'")]
    Unknown {
        /// The log.
        file: String,
        /// The recording, or the model without one.
        recording: String,
    },
}

/// What a redacted copy shows is not what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureError {
    /// A line is neither a shown piece nor a stub.
    #[error("line {line} of '{file}' neither shows a piece nor withholds one")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// A shown piece, or its salt, is not the one that its commitment speaks of.
    #[error(
        "line {line} of '{file}' does not show the piece that was sealed: it does not open its commitment"
    )]
    Piece {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// Pieces were added or left out.
    #[error("'{file}' has {found} pieces; {sealed} were sealed")]
    Count {
        /// The file.
        file: String,
        /// Lines found.
        found: u64,
        /// As many as were committed to.
        sealed: u64,
    },
    /// Commitments were changed, or moved.
    #[error("the commitments in '{file}' are not the sealed ones, or stand in another order")]
    Commitments {
        /// The file.
        file: String,
    },
    /// A file without commitments, or commitments without a file.
    #[error("'{file}' and '{commitments}' disagree about which files there are")]
    Unknown {
        /// The file.
        file: String,
        /// The list of commitments.
        commitments: String,
    },
    /// More or less is withheld than whoever made the copy declared.
    #[error("'{file}' declares {declared} pieces of '{of}' withheld; {found} are")]
    Declared {
        /// The declaration.
        file: String,
        /// The file with the stubs.
        of: String,
        /// As declared.
        declared: u64,
        /// As found.
        found: u64,
    },
    /// A line of the commitments is not one.
    #[error("line {line} of '{file}' is no commitment")]
    List {
        /// The list.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// Not JSON of the right form.
    #[error("line {line} of '{file}' is not of the right form")]
    Parse {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A piece that no redacted copy withholds.
    #[error("'{file}' withholds the {what}, without which nothing can be checked")]
    Needed {
        /// The file.
        file: String,
        /// What is withheld.
        what: &'static str,
    },
    /// A record stands at another place than its number says.
    #[error("line {line} of '{file}' has number {n}")]
    Number {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The number found.
        n: u64,
    },
}

/// The seal does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A signature was demanded.
    #[error("'{file}' is missing: the bundle is not sealed, and a seal was demanded")]
    Missing {
        /// The signature file.
        file: String,
    },
    /// Half a seal.
    #[error("'{file}' is missing: the seal is not whole")]
    Half {
        /// The missing file.
        file: String,
    },
    /// Not a signature as `ssh-keygen -Y sign` writes it.
    #[error("'{file}' is no SSH signature")]
    Signature {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: ssh_key::Error,
    },
    /// More or other bytes than the signature needs.
    #[error("'{file}' is not written as a signature is written")]
    Form {
        /// The file.
        file: String,
    },
    /// Made for another purpose.
    #[error("'{file}' was made for namespace '{found}', not '{wanted}'")]
    Namespace {
        /// The file.
        file: String,
        /// Its namespace.
        found: String,
        /// The one that was expected.
        wanted: String,
    },
    /// The signature does not fit the manifest.
    #[error("'{file}' does not sign this bundle")]
    Bad {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: ssh_key::Error,
    },
    /// Somebody else signed.
    #[error("'{file}' is by {found}, who is not the signer demanded")]
    Foreign {
        /// The file.
        file: String,
        /// The key that signed.
        found: String,
    },
    /// The statement says something else than the bundle.
    #[error("'{file}' is not the statement about this bundle by the key that sealed it")]
    Statement {
        /// The file.
        file: String,
    },
    /// The statement's own signature is not by the key that sealed the bundle.
    #[error("the signature in '{file}' is not by the key that sealed the bundle")]
    Envelope {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: ssh_key::Error,
    },
    /// Salted commitments without the secret, or the other way round.
    #[error("'{file}' is missing: the commitments are not whole")]
    Uncommitted {
        /// The missing file.
        file: String,
    },
    /// The commitments are to something else than what the bundle holds.
    #[error("'{file}' does not commit to what this bundle holds: {of}")]
    Commitments {
        /// The commitments.
        file: String,
        /// The section that differs.
        of: String,
    },
    /// What the commitments are to cannot be read.
    #[error("cannot tell what '{file}' commits to")]
    Commit {
        /// The commitments.
        file: String,
        /// The cause.
        #[source]
        source: CommitError,
    },
    /// Commitments that the seal does not cover.
    #[error("'{file}' is not covered by the seal")]
    Uncovered {
        /// The commitments.
        file: String,
    },
    /// A time stamp of something else.
    #[error("'{file}' is no time stamp of this bundle")]
    Stamp {
        /// The file.
        file: String,
    },
}

/// The plan does not carry the case.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON of the right form.
    #[error("'{file}' is not of the right form")]
    Parse {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A newer or older form.
    #[error(
        "'{file}' has format {found}; this version reads format {}",
        super::form::FORMAT
    )]
    Format {
        /// The file.
        file: String,
        /// The format found.
        found: u32,
    },
    /// More than a case can be.
    #[error("'{file}' asks for more than a case can hold: {what}")]
    Excess {
        /// The file.
        file: String,
        /// What there is too much of.
        what: &'static str,
    },
    /// A time stamp that is of something else.
    #[error("'{file}' is no time stamp of the plan")]
    Stamp {
        /// The file.
        file: String,
    },
    /// Another version is said to have planned than to have finished, which no version does.
    #[error(
        "'{file}' says that version {planned} planned, and '{environment}' that it was {found}"
    )]
    Tool {
        /// The plan.
        file: String,
        /// The version there.
        planned: String,
        /// The other file.
        environment: String,
        /// The version there.
        found: String,
    },
    /// The plan says of its probes that they are published, or that they are not.
    #[error(
        "'{file}' says that the probes {}; they {}", said(*.planned), said(!*.planned)
    )]
    Published {
        /// The plan.
        file: String,
        /// What it says.
        planned: bool,
    },
    /// The log does not begin with the commitment.
    #[error("'{file}' does not begin with the plan: something was asked before it was committed")]
    NotFirst {
        /// The log.
        file: String,
    },
    /// The log commits to another plan.
    #[error(
        "line {line} of '{file}' commits to another plan than '{}'",
        super::form::PLAN_FILE
    )]
    Other {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// The log asks someone whom the plan does not know.
    #[error("line {line} of '{file}' names '{model}', which the plan does not")]
    Stranger {
        /// The log.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The model.
        model: String,
    },
    /// The battery is not the one of the plan.
    #[error("'{file}' is not the battery that the plan committed to")]
    Battery {
        /// The file.
        file: String,
    },
    /// The order is not the one that seed and battery give, or the log goes beyond it.
    #[error("'{file}' does not have the order of probes that its seed and the battery give")]
    Order {
        /// The file.
        file: String,
    },
    /// A recording was asked otherwise.
    #[error("recording '{recording}' was made with another {what} than the plan committed to")]
    Recording {
        /// The recording.
        recording: String,
        /// What differs.
        what: &'static str,
    },
    /// Two models of one id.
    #[error("'{file}' gives two models the id '{id}'")]
    Ids {
        /// The file.
        file: String,
        /// The id.
        id: String,
    },
}

/// Something planned is missing.
#[derive(Debug, thiserror::Error)]
pub enum CompletenessError {
    /// Questions without any record.
    #[error(
        "recording '{recording}' lacks {missing} planned questions, the first about probe '{probe}'"
    )]
    Unasked {
        /// The recording.
        recording: String,
        /// How many.
        missing: usize,
        /// The probe of the first.
        probe: String,
    },
    /// Questions that were answered more than once: the findings would rest on one of the answers.
    #[error(
        "recording '{recording}' has {records} records of questions that were answered otherwise already, the first in line {line}, about probe '{probe}'"
    )]
    Twice {
        /// The recording.
        recording: String,
        /// How many records are too many.
        records: usize,
        /// The line of the first.
        line: u64,
        /// The probe of the first.
        probe: String,
    },
    /// Records of questions that nobody planned to ask.
    #[error(
        "recording '{recording}' has {records} records of questions that the plan does not ask, the first in line {line}, about probe '{probe}'"
    )]
    Unplanned {
        /// The recording.
        recording: String,
        /// How many.
        records: usize,
        /// The line of the first.
        line: u64,
        /// The probe of the first.
        probe: String,
    },
    /// A recording that stands for protected model or suspect lacks most of what was to be asked.
    #[error(
        "the recording of '{recording}' lacks {missing} of {planned} planned questions, more than half: it cannot stand for the model; collect it again"
    )]
    Thin {
        /// The model.
        recording: String,
        /// How many have no record.
        missing: usize,
        /// Of how many.
        planned: usize,
    },
    /// The weight manifest is not the one of the recording.
    #[error("'{file}' does not list the weight files that the recording names")]
    Weights {
        /// The file.
        file: String,
    },
}

/// The verdict is not the one that the recordings give.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// Not JSON of the right form.
    #[error("'{file}' is not of the right form")]
    Parse {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Whether the two sides' weights are the same bytes is not what the recordings say.
    #[error(
        "'{file}' says of the two sides' weights what their digests in the recordings do not say"
    )]
    Identical {
        /// The gates.
        file: String,
    },
    /// Other thresholds or measures.
    #[error(
        "'{file}' commits to other rules than this build judges by ({differing}); nothing says that it was tampered with: the verdict can be recomputed with a build of its rules, of version {tool}"
    )]
    Rules {
        /// The file.
        file: String,
        /// The version that committed to them.
        tool: String,
        /// In what they differ.
        differing: String,
    },
    /// Ended before all was asked, without a reason.
    #[error(
        "'{file}' says that {probes} of {planned} probes sufficed, and no run ends before all are asked"
    )]
    Stopped {
        /// The log.
        file: String,
        /// Probes asked.
        probes: usize,
        /// Probes planned.
        planned: usize,
    },
    /// The log does not end in a verdict.
    #[error("'{file}' does not end with a verdict")]
    NoVerdict {
        /// The log.
        file: String,
    },
    /// The log's verdict has another digest.
    #[error("the verdict in '{log}' was drawn from another '{file}'")]
    Logged {
        /// The log.
        log: String,
        /// The file.
        file: String,
    },
    /// Other bytes come out.
    #[error("'{file}' is not what the recordings give: it differs from byte {at} (line {line}) on")]
    Differs {
        /// The file.
        file: String,
        /// The first differing byte, from 0.
        at: usize,
        /// Its line, from 1.
        line: usize,
    },
}

/// Whether probes ship with the tool, in words.
fn said(published: bool) -> &'static str {
    if published {
        "ship with the tool"
    } else {
        "do not ship with the tool"
    }
}
