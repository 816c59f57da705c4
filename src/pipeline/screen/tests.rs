//! Screenings of made-up models.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::battery::Tier;
use crate::evidence::Recording;
use crate::identity::ModelIdentity;
use crate::model::scripted::{Kin, Scripted};
use crate::model::{Abilities, Answer, Model, ModelError, Seed};
use crate::pipeline::{CollectRequest, ControlsFrom, Request, Unwatched, collect, compare};
use crate::question::{Access, Question};
use crate::response::Response;
use crate::screening::Why;
use crate::verdict::Finding;

const SEED: Seed = Seed(7);
const STRANGERS: u32 = 14;

/// A student, two that learned from nobody but share the parent's data, and strangers, of whom it is asked whether
/// they learned from the parent or from one that is like it.
fn request(out: &Path, access: Access) -> ScreenRequest {
    let students = (1..=1).map(Kin::Student);
    let siblings = (3..=4).map(Kin::Sibling);
    let suspects: Vec<Kin> = students
        .chain(siblings)
        .chain((1..=STRANGERS).map(Kin::Stranger))
        .collect();
    let names = suspects.iter().map(|kin| kin.name()).collect();
    // With fewer than two other candidate parents no undeclared student is looked for among the controls.
    let protected = ["parent", "sibling-1", "sibling-2"];
    let protected = protected.map(|name| Protected::Model(name.to_owned()));
    let mut request = ScreenRequest::new(protected.to_vec(), Suspects::Named(names), out);
    request.asking.tier = Some(Tier::Quick);
    request.asking.samples = 4;
    request.asking.access = Some(access);
    let given = suspects
        .into_iter()
        .chain([Kin::Parent, Kin::Sibling(1), Kin::Sibling(2)]);
    request.given = given.map(|kin| Scripted::new(kin, SEED)).collect();
    request
}

fn found(screening: &Screening) -> Vec<(&str, &str)> {
    let found = screening.rows.iter().filter(|r| r.found);
    found
        .map(|r| (r.suspect.as_str(), r.protected.as_str()))
        .collect()
}

/// The comparison that a row's command asks for.
fn full_case(row: &Row, of: &ScreenRequest) -> Request {
    let value = |flag: &str| -> Vec<String> {
        let pairs = row.command.windows(2);
        pairs
            .filter(|w| w[0] == flag)
            .map(|w| w[1].clone())
            .collect()
    };
    let one = |flag: &str| value(flag).remove(0);
    assert_eq!(row.command[..2], ["parentage", "compare"]);
    let mut request = Request::new(&one("--protected"), &one("--suspect"), &of.out);
    request.named.alternatives = value("--alternative");
    request.named.family = row.command.iter().any(|word| word == "--family");
    request.controls = vec![ControlsFrom::File(one("--controls").into())];
    request.asking.tier = Some(Tier::Quick);
    assert_eq!(one("--tier"), "quick");
    request.asking.samples = one("--samples").parse().unwrap();
    request.asking.access = Some(match one("--access").as_str() {
        "text" => Access::Text,
        "top" => Access::Top,
        _ => Access::Scored,
    });
    request.asking.raw = row.command.iter().any(|word| word == "--raw");
    request.given = of.given.clone();
    request
}

/// Holds some rows against the comparisons that their commands ask for.
fn same_as_compared(screening: &Screening, of: &ScreenRequest, pairs: &[(&str, &str)]) {
    for (suspect, protected) in pairs {
        let mut rows = screening.rows.iter();
        let row = rows.find(|r| r.suspect == *suspect && r.protected == *protected);
        let row = row.unwrap();
        let full = compare(&full_case(row, of), &Unwatched).unwrap();
        let t = full.case.evidence.pooled.as_ref().and_then(|s| s.t);
        assert_eq!(row.finding, full.report.finding, "{suspect} {protected}");
        assert_eq!(row.controls, full.case.evidence.controls);
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            // Sums in another order differ by rounding.
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1e-12),
            (a, b) => a.is_none() && b.is_none(),
        };
        assert!(near(row.p, t.map(|t| t.p)), "{suspect}: {:?} {t:?}", row.p);
        assert!(near(row.t, t.map(|t| t.t)), "{suspect}: {:?} {t:?}", row.t);
        assert!(near(row.log10_lr, full.report.log10_lr), "{suspect}");
        assert!(row.p.is_some());
    }
}

#[test]
fn students_are_found_and_their_full_cases_have_the_same_figures() {
    let out = tempfile::tempdir().unwrap();
    let request = request(out.path(), Access::Scored);
    let screening = screen(&request, &Unwatched).unwrap();
    assert_eq!(
        found(&screening),
        [("student-1", "parent")],
        "{:?}",
        screening.rows
    );
    assert_eq!((screening.suspects, screening.tested), (17, 51));
    assert!(screening.rounds > 1 && screening.settled);
    // What was found is no control of the others, and of the other candidate parent it is one.
    let [parent, sibling, _] = &screening.protected[..] else {
        panic!("{:?}", screening.protected)
    };
    assert_eq!(parent.found, ["student-1"]);
    assert_eq!((parent.listed, sibling.listed), (16, 17));
    let listed = fs::read_to_string(&parent.controls).unwrap();
    assert!(!listed.contains("student-1") && listed.contains("stranger-14"));
    same_as_compared(
        &screening,
        &request,
        &[
            ("student-1", "parent"),
            ("stranger-3", "parent"),
            ("sibling-3", "parent"),
            ("student-1", "sibling-1"),
        ],
    );
    // What was answered is not asked again, and the same comes out.
    let told = Asked::default();
    let again = screen(&request, &told).unwrap();
    assert_eq!(again, screening);
    assert_eq!(told.0.load(Ordering::Relaxed), 0);
}

#[test]
fn by_text_alone_full_cases_have_the_same_figures_as_well() {
    let out = tempfile::tempdir().unwrap();
    let request = request(out.path(), Access::Text);
    let screening = screen(&request, &Unwatched).unwrap();
    assert_eq!(screening.posing.access, Access::Text);
    same_as_compared(
        &screening,
        &request,
        &[("student-1", "parent"), ("stranger-3", "parent")],
    );
}

#[test]
fn of_many_models_some_are_drawn_as_controls() {
    let out = tempfile::tempdir().unwrap();
    let mut request = request(out.path(), Access::Top);
    request.most_controls = 9;
    let screening = screen(&request, &Unwatched).unwrap();
    assert_eq!(screening.protected[0].listed, 9);
    let most = screening.rows.iter().map(|r| r.controls).max();
    assert_eq!(most, Some(9));
    let row = &screening.rows[0];
    same_as_compared(&screening, &request, &[(&row.suspect, &row.protected)]);
}

/// Answers that were newly given, by what notes say.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

impl Watch for Asked {
    fn see(&self, event: Event<'_>) {
        if let Event::Note(text) = event
            && let Some((answered, _)) = text.split_once(" answers, ")
            && let Some((_, count)) = answered.rsplit_once(' ')
        {
            self.0
                .fetch_add(count.parse::<usize>().unwrap(), Ordering::Relaxed);
        }
    }
}

/// A model that refuses every other question, or fails behind some answers.
struct Difficult {
    under: Scripted,
    identity: ModelIdentity,
    refuses: bool,
    fails_after: usize,
}

impl Difficult {
    fn new(kin: Kin, name: &str) -> Self {
        let under = Scripted::new(kin, SEED);
        let identity = ModelIdentity {
            name: name.to_owned(),
            source: under.identity().source.clone(),
        };
        Self {
            under,
            identity,
            refuses: false,
            fails_after: usize::MAX,
        }
    }
}

impl Model for Difficult {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn abilities(&self) -> Abilities {
        self.under.abilities()
    }

    fn answer(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let few = &questions[..questions.len().min(self.fails_after)];
        self.under.answer(few, seed, &mut |index, mut answer| {
            if self.refuses && index % 2 == 0 {
                answer.response = Response::Refused {
                    reason: "I would rather not.".to_owned(),
                };
            }
            sink(index, answer)
        })?;
        if few.len() < questions.len() {
            return Err(ModelError::new(
                &self.identity.name,
                crate::model::Failure::Unfinished,
                std::io::Error::other("the line went dead"),
            ));
        }
        Ok(())
    }
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_goes_on() {
    let (out, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut request = request(out.path(), Access::Top);
    let plain = screen(&request, &Unwatched).unwrap();
    let mut add = |model: Difficult| request.given.add(Arc::new(model));
    add(Difficult::new(Kin::Student(1), "alias"));
    add(Difficult {
        refuses: true,
        ..Difficult::new(Kin::Stranger(77), "refuser")
    });
    add(Difficult {
        fails_after: 9,
        ..Difficult::new(Kin::Stranger(78), "breaks-off")
    });
    // A recording of another part of the battery.
    let other = elsewhere.path().join("other");
    let recorded: Recording = collect(
        &CollectRequest {
            model: "stranger-79".to_owned(),
            given: [Scripted::new(Kin::Stranger(79), SEED)]
                .into_iter()
                .collect(),
            asking: crate::pipeline::Asking {
                tier: Some(Tier::Standard),
                ..request.asking.clone()
            },
            engine: request.engine,
            endpoints: request.endpoints.clone(),
            out: other.clone(),
        },
        &Unwatched,
    )
    .unwrap();
    assert!(!recorded.entries.is_empty());
    // One that was cut off, and one that is not there.
    let broken = elsewhere.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("recording.json"), "{\"format\":").unwrap();
    fs::write(broken.join("answers.jsonl"), "").unwrap();
    let Suspects::Named(names) = &mut request.suspects else {
        panic!("named")
    };
    let more = [&other, &broken, &elsewhere.path().join("nowhere")];
    names.extend(more.map(|path| path.display().to_string()));
    names.extend(["alias", "refuser", "breaks-off"].map(str::to_owned));
    let screening = screen(&request, &Unwatched).unwrap();
    let why = |name: &str| {
        let of = screening.aside.iter().find(|a| a.model.ends_with(name));
        of.map(|a| (a.why, a.words.as_str()))
    };
    assert_eq!(screening.aside.len(), 6, "{:?}", screening.aside);
    assert_eq!(why("other").unwrap().0, Why::OtherQuestions);
    assert_eq!(why("broken").unwrap().0, Why::Unusable);
    assert_eq!(why("nowhere").unwrap().0, Why::Unusable);
    assert_eq!(why("refuser").unwrap().0, Why::Unanswered);
    let (unfinished, words) = why("breaks-off").unwrap();
    assert_eq!(unfinished, Why::Unfinished);
    assert!(words.contains("the line went dead"), "{words}");
    let (same, words) = why("alias").unwrap();
    assert_eq!(same, Why::Same);
    assert!(words.contains("'student-1'"), "{words}");
    // Nobody else is judged otherwise for it.
    assert_eq!(screening.rows, plain.rows);
}

#[test]
fn without_a_suspect_or_a_protected_model_there_is_nothing_to_screen() {
    let out = tempfile::tempdir().unwrap();
    let mut request = request(out.path(), Access::Text);
    request.suspects = Suspects::Named(vec!["nowhere".to_owned()]);
    let error = screen(&request, &Unwatched).unwrap_err();
    assert!(
        matches!(
            error,
            PipelineError::NothingLeft {
                what: "suspects",
                ..
            }
        ),
        "{error}"
    );
    request.suspects = Suspects::Named(Vec::new());
    let error = screen(&request, &Unwatched).unwrap_err();
    assert!(matches!(error, PipelineError::NoSuspects { .. }), "{error}");
    request.suspects = Suspects::Named(vec!["stranger-1".to_owned()]);
    request.protected = vec![Protected::House("none".to_owned())];
    let error = screen(&request, &Unwatched).unwrap_err();
    assert!(matches!(error, PipelineError::NoHouse { .. }), "{error}");
}

#[test]
fn a_plan_asks_nothing() {
    let out = tempfile::tempdir().unwrap();
    let request = request(out.path(), Access::Scored);
    let outlook = plan_screen(&request, false, &Unwatched).unwrap();
    assert_eq!(
        (outlook.models, outlook.pairs, outlook.requests),
        (20, 51, 0)
    );
    assert!(!out.path().join("recordings").exists());
}

#[test]
fn the_finding_of_a_stranger_is_no_descent() {
    let out = tempfile::tempdir().unwrap();
    let screening = screen(&request(out.path(), Access::Scored), &Unwatched).unwrap();
    let strangers = screening
        .rows
        .iter()
        .filter(|r| r.suspect.starts_with("stranger"));
    for row in strangers {
        assert!(
            !matches!(row.finding, Finding::Distilled | Finding::Family),
            "{row:?}"
        );
        assert!(row.q.unwrap() >= row.p.unwrap());
    }
}
