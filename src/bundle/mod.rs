//! The bundle: one case as a directory that stands alone, and how it is checked.
//!
//! A bundle is a [BagIt 1.0](https://www.rfc-editor.org/rfc/rfc8493) bag. Anybody can check its digests
//! with the tools of libraries and archives, and everything else with `parentage verify`:
//!
//! ```text
//! bagit.txt  bag-info.txt           what BagIt asks for; the format and the case; no clock
//! manifest-sha256.txt               SHA-256 of every file below data/
//! tagmanifest-sha256.txt            SHA-256 of the files above, and of the two below without .sig
//! tagmanifest-sha256.txt.sig        SSH signature of the line above, once sealed
//! statement.dsse.json               in-toto statement about the manifest in a DSSE envelope, once sealed
//! commitments.txt                   what the seal says of every piece, for redacted copies, once sealed
//! data/secret.txt                   what their salts are made of, once sealed
//! data/plan.json                    battery, panel, posing, seed and rules, committed before asking
//! data/log.jsonl                    what happened, hash-chained behind the plan
//! data/battery.json                 the probes asked
//! data/recordings/NAME/             every answer, hash-chained (see [`crate::evidence`])
//! data/weights/NAME.json            the weight files of a recorded model, in the OpenSSF manifest's shape
//! data/marks/                       a test of planted marks, where there is one (see [`crate::marks::store`])
//! data/gates.json                   what the gates saw in weights, which are not in the bundle
//! data/environment.json             tool, features, machine
//! data/results/report.json          the report
//! data/report/                      the report in other forms, but no PDF: not every build could check it
//! ```
//!
//! `form` has every file name, version and limit; writer and reader share it and nothing else.
//! A bundle that was merely found is a [`Bundle`]. [`Bundle::check`] goes through the [`Step`]s and
//! gives a [`CheckedBundle`], and only of that [`assess()`] makes a report. `compare` writes the plan
//! ([`Draft::begin`]), collects, and assesses what it reads back ([`Draft::finish`]), so a live run and
//! `verify` come to a verdict by the same function.
//!
//! [`Outline`] is what a case says of itself without any check, for lists and for runs under way.
//!
//! **Redacted copies.** A seal commits to every single piece of a bundle (`piece`: a record, a probe, an
//! event) by a salted digest (`commit`), so [`redact()`] can write a copy that withholds some of them
//! under the same signature; [`RedactedCopy`] checks one. Its form is described in `redacted`. The copy has
//! no digest by which a guess at what it withholds could be checked:
//!
//! - commitments: each has a salt of its own, which goes with the piece;
//! - the chains, the heads in the log, the battery's digest, the digests of files: left out, and so are names
//!   and orders that follow from them;
//! - the tag manifest, which was signed, has to stay. It lists the manifest, which covers the secret, the
//!   statement, which covers the manifest, and the bag's information, which tells the length of everything
//!   and so has a random line of its own: all three are digests of something that cannot be guessed.
//!
//! So the order of records, events and probes is that of the commitments, and whether the chain held rests
//! on the signature, as the finding does. Whoever has a copy can withhold more of it, which is counted, but
//! show nothing else. What is shown may tell of the rest by its content: how many records there are, which
//! text another probe has in common with it, and, where they are shown, figures made of all answers.
//!
//! **What a check can show.** The log says in which order things happened, by its chain. Who holds
//! all files can write another log, so the order is as good as the signature, and the date as good as a
//! time stamp of it. A signature is checked against the key that the reader trusts (`--signer`).

mod assess;
mod bag;
mod check;
mod commit;
mod complete;
mod detached;
mod diff;
mod draft;
mod error;
mod form;
mod log;
mod marks;
mod outline;
mod pass;
mod payload;
mod piece;
mod redact;
mod redacted;
mod seal;
mod stamp;

pub use assess::{Rendering, assess, recompute};
pub use bag::write_manifests;
pub use check::{Bundle, CheckedBundle, Demand, Step};
pub use commit::Secret;
pub use complete::Missing;
pub use detached::{
    FileSeal, FileSealError, check_file_seal, request_file_stamp, seal_file, seal_files,
    store_file_stamp,
};
pub use diff::{Change, Difference, difference};
pub use draft::{Draft, DraftError, Source};
pub use error::{
    ChainError, CommitError, CompletenessError, DigestError, DisclosureError, LayoutError,
    PlanError, SignatureError, StepError, VerdictError, VerifyError,
};
pub use form::{Environment, FORMAT, Plan};
pub use log::{Event, Mark};
pub use marks::{MARKS_NAMESPACE, MarksError, Tested, check_marks};
pub use outline::{Outline, Place, Stage};
pub use piece::Found;
pub use redact::{Choice, RedactError, redact};
pub use redacted::{Disclosed, RedactedCopy, Share};
pub use seal::{NAMESPACE, SealError, Signer, seal, take_back};
pub use stamp::{Stamp, stamp_request, store_stamp};
