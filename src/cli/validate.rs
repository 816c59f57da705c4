//! `parentage validate`: the tool held against models of known descent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::ExitCode;

use rayon::prelude::*;

use super::args::{Common, Validate};
use super::error::CliError;
use super::open::Target;
use super::progress::Progress;
use super::run::{Round, slug};
use super::write_whole;
use crate::evidence::{self, Recording};
use crate::fingerprint::Fingerprint;
use crate::passes::SecondPass;
use crate::population::{
    Case, Part, Population, Score, Thinning, read_scores, score, write_scores,
};
use crate::question::{Question, ask_all};

/// The scores of a population.
const SCORES_FILE: &str = "scores.jsonl";
/// What is taken away from every panel and battery, to see what it was worth.
const THINNINGS: [Thinning; 6] = [
    Thinning::None,
    Thinning::Controls(24),
    Thinning::Controls(12),
    Thinning::Controls(6),
    Thinning::Probes(100),
    Thinning::Probes(50),
];

pub(super) fn run(
    args: &Validate,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let (population, places) = Population::read(&args.population)?;
    let scores = if args.collect {
        let scores = Collecting::new(args, common, &population, &places)?.scores()?;
        write_whole(
            &args.out.join(SCORES_FILE),
            write_scores(&scores).as_bytes(),
        )?;
        scores
    } else {
        read_scores(&args.population.join(SCORES_FILE))?
    };
    let text = format!("{} scores\n", scores.len());
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// The models of a population, being asked.
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
        for (id, model) in places {
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

    /// Every case of both parts, in full and thinned.
    fn scores(&self) -> Result<Vec<Score>, CliError> {
        let order = self.round.battery.order(self.round.seed.0);
        let access = self.round.posing.access;
        let mut scores = Vec::new();
        for part in [Part::Fit, Part::Test] {
            let models: Vec<&String> = self.population.models(part).map(|m| &m.id).collect();
            let questions = ask_all(&self.round.battery, self.round.posing);
            let asked = models.iter().map(|id| ((*id).clone(), questions.clone()));
            let first = self.ask("asking ", &asked.collect())?;
            for source in self.population.sources(part) {
                let cases = self.population.cases(part);
                let cases: Vec<&Case> = cases.iter().filter(|c| c.source == *source).collect();
                let Some(case) = cases.first() else { continue };
                // Which case it is does not matter: the candidate parents are the source's.
                let panel = self.population.panel(case, Thinning::None);
                let second = SecondPass::new(&panel, &first, access);
                let asked = models.iter().map(|id| {
                    let again = second.questions(id, &self.round.battery, self.round.posing);
                    ((*id).clone(), [questions.clone(), again].concat())
                });
                let prints = self.ask("reading", &asked.collect())?;
                let progress = Progress::new("scoring", cases.len() * THINNINGS.len(), self.quiet);
                for thinning in THINNINGS {
                    let scored = cases.par_iter().map(|case| {
                        let scored =
                            score(self.population, case, thinning, access, &prints, &order);
                        progress.answered();
                        scored
                    });
                    scores.extend(scored.collect::<Vec<_>>());
                }
                progress.finish();
            }
        }
        Ok(scores)
    }

    /// Asks models their questions; gives what they answered to these, and to no others.
    fn ask(
        &self,
        stage: &'static str,
        asked: &BTreeMap<String, Vec<Question>>,
    ) -> Result<BTreeMap<String, Fingerprint>, CliError> {
        let place = |header: &evidence::Header| self.args.out.join("recordings").join(slug(header));
        let jobs = asked
            .iter()
            .map(|(id, questions)| (&self.targets[id], questions.clone()));
        let directories = self.round.ask(stage, &jobs.collect::<Vec<_>>(), &place)?;
        let read = |(id, questions): (&String, &Vec<Question>)| {
            let name = self.targets[id].name();
            let one = BTreeMap::from([(id.clone(), directories[name].clone())]);
            let mut recording: Recording = self
                .round
                .read(&one)?
                .remove(id)
                .unwrap_or_else(|| unreachable!("what was read is what was asked for"));
            let wanted: BTreeSet<&Question> = questions.iter().collect();
            recording.entries.retain(|e| wanted.contains(&e.question));
            Ok((
                id.clone(),
                Fingerprint::new(&recording, &self.round.battery),
            ))
        };
        asked.par_iter().map(read).collect()
    }
}
