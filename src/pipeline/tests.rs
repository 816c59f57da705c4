//! Whole jobs on made-up models.

use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::battery::Tier;
use crate::collect::CollectError;
use crate::evidence::Moment;
use crate::identity::ModelIdentity;
use crate::model::scripted::{Kin, Scripted, household};
use crate::model::{Abilities, Answer, Failure, Model, ModelError, Seed};
use crate::question::{Access, Question};
use crate::verdict::Finding;

const STRANGERS: u32 = 12;

fn request(suspect: &str, out: &Path) -> Request {
    let mut request = Request::new("parent", suspect, out);
    request.asking.tier = Some(Tier::Quick);
    request.asking.samples = 4;
    request.named.alternatives = vec!["sibling-1".to_owned()];
    request.named.controls = (1..=STRANGERS).map(|n| format!("stranger-{n}")).collect();
    request.given = household(Seed(7), 2, STRANGERS + 1).into_iter().collect();
    request
}

fn finding(suspect: &str, out: &Path) -> Finding {
    let comparison = compare(&request(suspect, out), &Unwatched).unwrap();
    comparison.report.finding
}

#[test]
fn the_child_alone_is_found() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(finding("child", out.path()), Finding::Distilled);
    // The one shares nothing with the parent, and the other shares data; neither has learned from anybody.
    for innocent in [
        format!("stranger-{}", STRANGERS + 1),
        "sibling-2".to_owned(),
    ] {
        let found = finding(&innocent, out.path());
        let accused = [Finding::Distilled, Finding::Family, Finding::Related];
        assert!(!accused.contains(&found), "{innocent}: {found:?}");
    }
}

#[test]
fn the_bundle_of_made_up_models_is_verified_and_their_report_does_not_depend_on_threads() {
    let out = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let reports = [1, 3].map(|jobs| {
        let out = out[usize::from(jobs == 3)].path();
        let mut request = request("child", out);
        request.engine.jobs = NonZeroUsize::new(jobs);
        let comparison = compare(&request, &Timeless).unwrap();
        let demand = crate::bundle::Demand::default();
        let bundle = crate::bundle::Bundle::at(&comparison.bundle);
        let checked = bundle.check(&demand, &mut |_, _| ()).unwrap();
        crate::bundle::recompute(&checked, &mut |_, _| ()).unwrap();
        comparison.write(out).unwrap();
        fs::read(out.join("report.json")).unwrap()
    });
    assert!(reports[0].len() > 10_000);
    assert!(reports[0] == reports[1]);
}

/// Somebody without a clock: the same answers give the same bytes.
struct Timeless;

impl Watch for Timeless {
    fn see(&self, _event: Event<'_>) {}

    fn clock(&self) -> fn() -> Option<Moment> {
        || None
    }
}

/// What was told of stages, with the steps that were said and done.
#[derive(Default)]
struct Told(Mutex<Vec<(Stage, usize, usize)>>);

impl Watch for Told {
    fn see(&self, event: Event<'_>) {
        let mut stages = self.0.lock().unwrap();
        match event {
            Event::Begun { stage, steps } => stages.push((stage, steps, 0)),
            Event::Advanced(steps) => stages.last_mut().unwrap().2 += steps,
            Event::Note(_) | Event::Fetched { .. } | Event::Ended => {}
        }
    }
}

#[test]
fn stages_do_as_many_steps_as_they_said() {
    let out = tempfile::tempdir().unwrap();
    let told = Told::default();
    compare(&request("child", out.path()), &told).unwrap();
    let stages = told.0.into_inner().unwrap();
    let names: Vec<Stage> = stages.iter().map(|(stage, _, _)| *stage).collect();
    assert_eq!(names, [Stage::Fetching, Stage::Asking, Stage::Reading]);
    for (stage, said, done) in &stages[1..] {
        assert!(*said > 1000 && said == done, "{stage:?} {said} {done}");
    }
}

/// Ends the work after so many answers.
struct EndsAfter(usize, AtomicUsize);

impl Watch for EndsAfter {
    fn see(&self, event: Event<'_>) {
        if let Event::Advanced(steps) = event {
            self.1.fetch_add(steps, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }

    fn clock(&self) -> fn() -> Option<Moment> {
        || None
    }
}

#[test]
fn what_was_ended_goes_on_to_the_same_report() {
    let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let request = |out: &Path| {
        let mut request = request("child", out);
        // Answers are numbered as they come.
        request.engine.jobs = NonZeroUsize::new(1);
        request
    };
    let ended = EndsAfter(2000, AtomicUsize::new(0));
    let error = compare(&request(one.path()), &ended).unwrap_err();
    assert!(
        matches!(
            &error,
            PipelineError::Collect {
                source: CollectError::Interrupted,
                ..
            }
        ),
        "{error:?}"
    );
    let resumed = compare(&request(one.path()), &Timeless).unwrap();
    let whole = compare(&request(two.path()), &Timeless).unwrap();
    assert!(resumed.report == whole.report);
}

/// A model of somebody else's that answers nothing.
struct Broke(ModelIdentity);

impl Model for Broke {
    fn identity(&self) -> &ModelIdentity {
        &self.0
    }

    fn abilities(&self) -> Abilities {
        Scripted::new(Kin::Parent, Seed(7)).abilities()
    }

    fn answer(
        &self,
        _questions: &[Question],
        _seed: Seed,
        _sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let error = ModelError::new(&self.0.name, Failure::Limit, "the account is empty");
        Err(error.with_hint(Some("fill it")))
    }
}

#[test]
fn anybody_s_model_fails_with_its_own_kind_and_advice() {
    let out = tempfile::tempdir().unwrap();
    let identity = Scripted::new(Kin::Parent, Seed(7)).identity().clone();
    let request = CollectRequest {
        model: "parent".to_owned(),
        given: [Broke(identity)].into_iter().collect(),
        asking: Asking::default(),
        engine: Engine::default(),
        endpoints: EndpointSettings::default(),
        out: out.path().join("recording"),
    };
    let PipelineError::Collect { model, source } = collect(&request, &Unwatched).unwrap_err()
    else {
        panic!("another error")
    };
    assert_eq!(model, "parent");
    let CollectError::Model(error) = source else {
        panic!("{source:?}")
    };
    assert_eq!(error.kind, Failure::Limit);
    assert_eq!(error.hint.as_deref(), Some("fill it"));
    assert_eq!(error.source.to_string(), "the account is empty");
}

#[test]
fn one_model_s_answers_stand_for_it() {
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().join("child");
    let child = request("child", out.path());
    let one = CollectRequest {
        model: "child".to_owned(),
        given: child.given.clone(),
        asking: child.asking.clone(),
        engine: child.engine,
        endpoints: child.endpoints.clone(),
        out: directory.clone(),
    };
    let recording = collect(&one, &Unwatched).unwrap();
    assert_eq!(recording.header.identity.name, "child");
    let mut replayed = request(directory.to_str().unwrap(), out.path());
    replayed.asking.access = Some(Access::Scored);
    let found = compare(&replayed, &Unwatched).unwrap().report;
    // It has read nothing, but its parent reads what it wrote.
    assert_eq!(found.finding, Finding::Distilled);
    assert_ne!(
        found.pooled,
        compare(&child, &Unwatched).unwrap().report.pooled
    );
}

#[test]
fn a_plan_says_what_is_possible_and_is_followed() {
    let out = tempfile::tempdir().unwrap();
    let request = request("child", out.path());
    let selection = Selection::new(&request, &Unwatched).unwrap();
    assert!(selection.public().is_empty());
    let outlook = plan(selection, false).unwrap();
    assert_eq!(outlook.models, 3 + STRANGERS as usize);
    assert!(outlook.costs.is_empty());
    let can = |finding| {
        let mut findings = outlook.findings.iter();
        findings.any(|reach| reach.finding == finding && reach.possible)
    };
    assert!(can(Finding::Distilled) && !can(Finding::WeightDerivative));
    let planned = outlook.draft.path().to_owned();
    drop(outlook);
    assert_eq!(compare(&request, &Unwatched).unwrap().bundle, planned);
}

#[test]
fn a_name_is_resolved_once() {
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().join("weights");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("x"), [0; 100]).unwrap();
    let name = directory.to_str().unwrap();
    let endpoints = endpoints::Endpoints::new(&EndpointSettings::default(), None).unwrap();
    let given = Given::default();
    let mut resolver = target::Resolver::new(Engine::default(), endpoints, &given, &Unwatched);
    let mut bytes = || match resolver.resolve(name).unwrap() {
        target::Target::Weights { bytes, .. } => bytes,
        other => panic!("{}", other.name()),
    };
    assert_eq!(bytes(), 100);
    fs::write(directory.join("y"), [0; 100]).unwrap();
    assert_eq!(bytes(), 100);
}

#[test]
fn an_unknown_family_and_a_suspect_of_unknown_size_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let mut family = request("child", out.path());
    family.named.family = true;
    let error = compare(&family, &Unwatched).unwrap_err();
    assert!(matches!(error, PipelineError::NoFamily { .. }), "{error:?}");
    let mut matched = request("child", out.path());
    matched.controls = vec![ControlsFrom::Matched];
    let error = compare(&matched, &Unwatched).unwrap_err();
    assert!(
        matches!(error, PipelineError::UnknownSize { .. }),
        "{error:?}"
    );
}
