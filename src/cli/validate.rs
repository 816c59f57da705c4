//! `parentage validate`: the tool held against models of known descent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use rayon::prelude::*;

use super::args::{Common, Validate};
use super::by_house;
use super::error::CliError;
use super::open::Target;
use super::progress::Progress;
use super::run::{Round, slug};
use super::write_whole;
use crate::direction::Likeness;
use crate::evidence::{self, Header};
use crate::fingerprint::Fingerprint;
use crate::identity::Served;
use crate::measure::Side;
use crate::panel::Declared;
use crate::passes::SecondPass;
use crate::population::{
    Asked, Case, DirectionScore, Houses, Part, Population, PopulationError, Score, Thinning,
    Triple, asked_as, read_directions, read_scores, score, score_directions, write_lines,
};
use crate::question::{Access, Question, ask_all};
use crate::report::validation as report;
use crate::validation::Validation;

/// Columns of the tables.
const WIDTH: u16 = 140;
/// The scores of a population.
const SCORES_FILE: &str = "scores.jsonl";
/// What is said of who learned from whom, at full access; a population need not have it.
const DIRECTIONS_FILE: &str = "directions.jsonl";
/// What is taken away from every panel and battery, to see what it was worth.
const THINNINGS: [Thinning; 4] = [
    Thinning::None,
    Thinning::Controls(12),
    Thinning::Controls(7),
    Thinning::Probes(50),
];

pub(super) fn run(
    args: &Validate,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let validation = if Houses::is_here(&args.population) {
        by_house(args, common)?
    } else {
        by_source(args, common)?
    };
    let facts = to_json(&validation)?;
    let page = args.out.join("validation.html");
    write_whole(&args.out.join("validation.json"), &facts)?;
    write_whole(&page, report::page(&validation)?.as_bytes())?;
    let text = if common.json {
        facts
    } else {
        let text = report::text(&validation, WIDTH);
        format!("{text}\nFor people {}\n", page.display()).into_bytes()
    };
    stdout.write_all(&text).map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Published models: fitted on all houses but the one that it is tried on.
fn by_house(args: &Validate, common: &Common) -> Result<Validation, CliError> {
    let houses = Houses::read(&args.population)?;
    let scores = match &args.recordings {
        Some(recordings) => {
            let scores = by_house::score(&houses, recordings, common.quiet)?;
            write_whole(&args.out.join(SCORES_FILE), write_lines(&scores).as_bytes())?;
            scores
        }
        None => read_scores(&args.population.join(SCORES_FILE))?,
    };
    Ok(Validation::by_house(&scores)?)
}

/// Models of known sources: fitted on some and tried on others.
fn by_source(args: &Validate, common: &Common) -> Result<Validation, CliError> {
    let (population, places) = Population::read(&args.population)?;
    // Before anything is asked, which may take hours.
    let other = args.fitted_on.as_deref();
    let fitted = other
        .map(|other| fitted_on(other, &population))
        .transpose()?;
    let (mut scores, mut directions) = if args.collect {
        let collecting = Collecting::new(args, common, &population, &places)?;
        let (scores, directions) = collecting.scores()?;
        let keep = |file, lines: String| write_whole(&args.out.join(file), lines.as_bytes());
        keep(SCORES_FILE, write_lines(&scores))?;
        if collecting.tells_directions() {
            keep(DIRECTIONS_FILE, write_lines(&directions))?;
        }
        (scores, directions)
    } else {
        let kept = |file| args.population.join(file);
        (
            read_scores(&kept(SCORES_FILE))?,
            read_directions(&kept(DIRECTIONS_FILE))?,
        )
    };
    if let Some((mut fitted, told)) = fitted {
        scores.retain(|s| s.part == Part::Test);
        let tried: BTreeSet<Access> = scores.iter().map(|s| s.access).collect();
        fitted.retain(|s| tried.contains(&s.access));
        scores.extend(fitted);
        directions.retain(|d| d.triple.part == Part::Test);
        directions.extend(told);
    }
    Ok(Validation::new(&scores, &directions)?)
}

/// The fitting part of another population, none of whose sources may be tried on in this one.
fn fitted_on(
    other: &Path,
    population: &Population,
) -> Result<(Vec<Score>, Vec<DirectionScore>), PopulationError> {
    let path = other.join(SCORES_FILE);
    let mut scores = read_scores(&path)?;
    scores.retain(|s| s.part == Part::Fit);
    let tried = population.sources(Part::Test);
    if let Some(both) = scores.iter().find(|s| tried.contains(&s.source)) {
        let what = format!("'{}' is fitted on there and tried on here", both.source);
        return Err(PopulationError::Split { path, what });
    }
    let mut directions = read_directions(&other.join(DIRECTIONS_FILE))?;
    directions.retain(|d| d.triple.part == Part::Fit);
    Ok((scores, directions))
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, CliError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| CliError::Output(e.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What models answered, and the bytes of their weight files.
type Answered = (BTreeMap<String, Fingerprint>, BTreeMap<String, u64>);

/// The parts whose cases are scored: what is fitted elsewhere needs no fitting part here.
fn parts(args: &Validate) -> &'static [Part] {
    if args.fitted_on.is_some() {
        &[Part::Test]
    } else {
        &[Part::Fit, Part::Test]
    }
}

/// The models of a population whose cases are scored, being asked.
struct Collecting<'a> {
    args: &'a Validate,
    quiet: bool,
    population: &'a Population,
    targets: BTreeMap<String, Target>,
    round: Round<'a>,
}

impl<'a> Collecting<'a> {
    fn new(
        args: &'a Validate,
        common: &Common,
        population: &'a Population,
        places: &[(String, String)],
    ) -> Result<Self, CliError> {
        let notes = Progress::new("fetching", 0, common.quiet);
        let mut targets = BTreeMap::new();
        let asked = parts(args).iter().flat_map(|part| population.models(*part));
        let asked: BTreeSet<&str> = asked.map(|m| m.id.as_str()).collect();
        for (id, model) in places.iter().filter(|(id, _)| asked.contains(id.as_str())) {
            // A recording may stand for a model, in a directory of its name.
            let recording = args.population.join(id);
            let model = if evidence::is_recording(&recording) {
                recording.to_string_lossy().into_owned()
            } else {
                model.clone()
            };
            let target = Target::here(&model, &args.engine, &mut |text| notes.note(text))?;
            targets.insert(id.clone(), target);
        }
        notes.finish();
        if args.served {
            for model in population.models(Part::Test) {
                for served in Served::ALL.into_iter().filter(|s| !s.is_plain()) {
                    let name = asked_as(&model.id, served);
                    if let Some(target) = targets[&model.id].served(&name, served) {
                        targets.insert(name, target);
                    }
                }
            }
        }
        let models: Vec<Target> = targets.values().cloned().collect();
        let (round, _) = Round::new(&args.asking, &args.engine, common.quiet, &models)?;
        Ok(Self {
            args,
            quiet: common.quiet,
            population,
            targets,
            round,
        })
    }

    /// The models of a part, and of the test part the suspects that are served otherwise.
    fn asked_of(&self, part: Part) -> Vec<String> {
        let served = self.population.models(part).flat_map(|m| {
            let all = Served::ALL.into_iter();
            all.map(|served| asked_as(&m.id, served))
        });
        served
            .filter(|name| self.targets.contains_key(name))
            .collect()
    }

    /// Whether directions are told: they are tried at full access.
    fn tells_directions(&self) -> bool {
        self.round.posing.access == Access::Scored
    }

    /// Whether a model reads what others wrote, or has when it was recorded. With less access nobody does, as in a
    /// comparison of models that all give no more.
    fn reads(&self, id: &str) -> bool {
        let target = &self.targets[id];
        let recorded = matches!(target, Target::Recording { .. });
        self.round.reads(target.name()) || recorded && self.round.posing.access == Access::Scored
    }

    /// Every case of the parts in full, and those of the test part thinned and with the suspect served otherwise;
    /// and every triple.
    fn scores(&self) -> Result<(Vec<Score>, Vec<DirectionScore>), CliError> {
        let access = self.round.posing.access;
        let (mut scores, mut directions) = (Vec::new(), Vec::new());
        for &part in parts(self.args) {
            let triples = self.population.triples(part);
            // What is fitted is fitted on full cases.
            let thinnings = if self.args.whole || part == Part::Fit {
                &THINNINGS[..1]
            } else {
                &THINNINGS
            };
            let models = self.asked_of(part);
            let questions = ask_all(&self.round.battery, self.round.posing);
            let asked = models.iter().map(|id| ((*id).clone(), questions.clone()));
            let first = self.ask("asking ", &asked.collect())?.0;
            for source in self.population.sources(part) {
                let cases = self.population.cases(part);
                let cases: Vec<&Case> = cases.iter().filter(|c| c.source == *source).collect();
                let Some(case) = cases.first() else { continue };
                // Which case it is does not matter: the candidate parents are the source's.
                let panel = self.population.panel(case, Thinning::None);
                let second = SecondPass::new(&panel, &first, access);
                let asked = models.iter().map(|id| {
                    let again = if self.reads(id) {
                        second.questions(id, &self.round.battery, self.round.posing)
                    } else {
                        Vec::new()
                    };
                    ((*id).clone(), [questions.clone(), again].concat())
                });
                let parents = self.population.parents(source).into_iter();
                let parents: Vec<&str> = parents.map(|p| p.id.as_str()).collect();
                let (prints, bytes) = self.ask("reading", &asked.collect())?;
                if self.tells_directions() {
                    let of = |t: &&Triple| t.source == *source;
                    let triples: Vec<Triple> = triples.iter().filter(of).cloned().collect();
                    let likeness = self.likeness(part, &prints);
                    directions.extend(score_directions(self.population, &triples, &likeness));
                }
                let order = self.round.battery.order(self.round.seed.0);
                let asked = Asked::new(access, order, prints, bytes, &parents);
                let fewer = thinnings.iter().filter_map(|thinning| match thinning {
                    Thinning::Probes(count) => Some((*thinning, asked.first(*count, &parents))),
                    Thinning::None | Thinning::Controls(_) => None,
                });
                let fewer: BTreeMap<Thinning, Asked> = fewer.collect();
                let plain = thinnings.iter().map(|thinning| (*thinning, Served::Plain));
                let served = Served::ALL.map(|served| (Thinning::None, served));
                let served = served.into_iter().filter(|(_, served)| !served.is_plain());
                for (thinning, served) in plain.chain(served) {
                    let asked = fewer.get(&thinning).unwrap_or(&asked);
                    // Recordings and endpoints cannot be served otherwise.
                    let answered =
                        |case: &&&Case| asked.prints.contains_key(&asked_as(&case.suspect, served));
                    let cases: Vec<&Case> = cases.iter().filter(answered).copied().collect();
                    let progress = Progress::new("scoring", cases.len(), self.quiet);
                    let scored = cases.par_iter().map(|case| {
                        let scored = score(self.population, case, thinning, served, asked);
                        progress.answered();
                        scored
                    });
                    scores.extend(scored.collect::<Vec<_>>());
                    progress.finish();
                }
            }
        }
        Ok((scores, directions))
    }

    /// All models of a part beside each other, asked like one another.
    fn likeness(&self, part: Part, prints: &BTreeMap<String, Fingerprint>) -> Likeness {
        let side = |model: &'_ Declared| {
            let (id, print) = prints.get_key_value(&model.id)?;
            Some(Side { id, print })
        };
        let sides: Vec<Side<'_>> = self.population.models(part).filter_map(side).collect();
        let columns: Vec<&str> = sides.iter().map(|s| s.id).collect();
        Likeness::new(&sides, &columns)
    }

    /// Asks models their questions; gives what they answered to these, and to no others, and the bytes of their
    /// weight files.
    fn ask(
        &self,
        stage: &'static str,
        asked: &BTreeMap<String, Vec<Question>>,
    ) -> Result<Answered, CliError> {
        let place = |header: &Header| self.args.out.join("recordings").join(slug(header));
        let jobs = asked
            .iter()
            .map(|(id, questions)| (&self.targets[id], questions.clone()));
        let jobs: Vec<(&Target, Vec<Question>)> = jobs.collect();
        let directories = self.round.ask(stage, &jobs, &place)?;
        let read = |(id, questions): (&String, &Vec<Question>)| {
            let directory = &directories[self.targets[id].name()];
            let one = BTreeMap::from([(id.clone(), directory.clone())]);
            let wanted: BTreeSet<&Question> = questions.iter().collect();
            let mut answers = Vec::new();
            for (_, mut recording) in self.round.read(&one)? {
                recording.entries.retain(|e| wanted.contains(&e.question));
                let bytes = recording.header.identity.source.bytes();
                let print = Fingerprint::new(&recording, &self.round.battery);
                answers.push((id.clone(), print, bytes));
            }
            Ok(answers)
        };
        let answers: Result<Vec<_>, CliError> = asked.par_iter().map(read).collect();
        let (mut prints, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (id, print, size) in answers?.into_iter().flatten() {
            bytes.extend(size.map(|size| (id.clone(), size)));
            prints.insert(id, print);
        }
        Ok((prints, bytes))
    }
}
