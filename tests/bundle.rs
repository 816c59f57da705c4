//! Bundles: what holds is read, what was touched is refused, and others' tools agree.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod bundle {
    mod again;
    pub(crate) mod bench;
    mod forged;
    mod live;
    mod mutated;
    mod redacted;
    mod sealed;
}

#[expect(dead_code, reason = "the tests of serve use the rest")]
#[path = "serve/server.rs"]
mod server;

use bundle::bench::{FIXTURE, failure, verify};
use parentage::bundle::{Bundle, Demand, Step, recompute};

#[test]
fn the_bundle_of_this_version_stays_readable() {
    assert_eq!(verify(FIXTURE.as_ref()).unwrap(), "undecided");
}

#[test]
fn the_steps_are_told_in_order() {
    let mut told = Vec::new();
    let mut tell = |step: Step, note: &str| told.push((step, note.to_owned()));
    let bundle = Bundle::at(FIXTURE)
        .check(&Demand::default(), &mut tell)
        .unwrap();
    recompute(&bundle, &mut tell).unwrap();
    let steps: Vec<Step> = told.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, Step::ALL);
    assert!(told.iter().all(|(_, note)| !note.is_empty()));
}

#[test]
fn what_is_no_bundle_is_refused_in_words() {
    let empty = tempfile::tempdir().unwrap();
    let error = verify(empty.path()).unwrap_err();
    assert_eq!(error.step, Step::Layout);
    assert!(failure(&error).contains("'bagit.txt' is missing"));
    assert!(failure(&verify("/no/such/place".as_ref()).unwrap_err()).contains("cannot read"));
}
