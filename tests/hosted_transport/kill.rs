//! Runs that are killed in the middle, and go on.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use parentage::evidence::Recording;
use parentage::response::Finish;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Where a killed run finds its server and its directory.
const URL: &str = "PARENTAGE_TEST_KILL_URL";
const DIRECTORY: &str = "PARENTAGE_TEST_KILL_DIRECTORY";
const KILLS: usize = 50;
const QUESTIONS: usize = 400;

/// The run that is killed: this test in a process of its own.
fn child(url: &str, directory: &Path) {
    let model = HostedModel::new(endpoint(url), brisk(), checked()).unwrap();
    record(&model, &questions(QUESTIONS), directory).unwrap();
}

fn start(peer: &Peer, directory: &Path) -> Child {
    let name = std::thread::current().name().unwrap().to_owned();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env(URL, peer.url())
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The whole recording holds every question once, with its own answer.
fn check(recording: &Recording) {
    let mut asked = BTreeSet::new();
    for entry in &recording.entries {
        assert!(
            asked.insert(entry.question.clone()),
            "twice: {:?}",
            entry.question
        );
        let Response::Text { text, finish, .. } = &entry.response else {
            panic!("{entry:?}");
        };
        assert_eq!((text, finish), (&expected(&entry.question), &Finish::Stop));
    }
    assert_eq!(asked, questions(QUESTIONS).into_iter().collect());
}

#[test]
fn runs_killed_at_any_moment_resume_to_the_same_recording() {
    if let (Ok(url), Ok(directory)) = (std::env::var(URL), std::env::var(DIRECTORY)) {
        return child(&url, Path::new(&directory));
    }
    let peer = Peer::start(|asked| Does::Dawdles(Duration::from_millis(2), answer_to(&asked)));
    let mut moments = ChaCha8Rng::seed_from_u64(1);
    let (mut kills, mut within, mut whole) = (0, 0, 0);
    while kills < KILLS {
        let directory = tempfile::tempdir().unwrap();
        loop {
            let mut run = start(&peer, directory.path());
            if kills < KILLS {
                std::thread::sleep(Duration::from_millis(moments.random_range(5..80)));
                run.kill().unwrap();
                kills += 1;
            }
            if run.wait().unwrap().success() {
                break;
            }
            let text = std::fs::read_to_string(directory.path().join("answers.jsonl"));
            let lines = text.map_or(0, |text| text.matches('\n').count());
            within += usize::from((1..QUESTIONS).contains(&lines));
        }
        check(&evidence::read(directory.path()).unwrap());
        whole += 1;
    }
    // Most kills must have met a run at work, or nothing was tested.
    assert!(
        within >= KILLS / 2,
        "{within} of {KILLS}, {whole} recordings"
    );
}
