//! How fast the local engine is.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo bench --bench engine -- MODEL [--runs N] [--samples N] [--only NAME] [--export FILE]
//! ```
//!
//! MODEL is a GGUF file or a Hugging Face directory. Every figure is printed as best and median of the
//! runs, as JSON lines that `scripts/bench.py` reads. `--export` writes the questions of the last round,
//! as rendered, with the answers to those that ask for probabilities, so that another engine can be
//! asked the same and be held to the same numbers.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use parentage::battery::{Battery, Pose, Tier};
use parentage::model::local::{LocalModel, Options};
use parentage::model::{Abilities, Answer, Model, Seed};
use parentage::question::{Access, Posing, Prompt, Question, Request, ask_all};
use parentage::response::Response;

/// Tokens of a long text.
const LENGTH: usize = 512;
/// Long texts scored in one call.
const TEXTS: usize = 4;
/// Samples written at once, and their length in tokens.
const LIVE: usize = 64;
const WRITTEN: usize = 32;

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Arguments {
    model: PathBuf,
    runs: usize,
    samples: usize,
    only: Option<String>,
    export: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Outcome<Self> {
        // Cargo adds `--bench`.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        let mut parsed = Self {
            model: PathBuf::new(),
            runs: 3,
            samples: 4,
            only: None,
            export: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--runs" => parsed.runs = value()?.parse()?,
                "--samples" => parsed.samples = value()?.parse()?,
                "--only" => parsed.only = Some(value()?),
                "--export" => parsed.export = Some(value()?.into()),
                _ => parsed.model = word.into(),
            }
        }
        if parsed.model.as_os_str().is_empty() || parsed.runs == 0 {
            return Err("usage: engine MODEL [--runs N] [--samples N] [--export FILE]".into());
        }
        Ok(parsed)
    }
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse()?;
    let runs = arguments.runs;
    let mut model = open(&arguments.model)?;
    let mut seconds = vec![];
    for _ in 0..runs {
        drop(model);
        let (taken, opened) = timed(|| open(&arguments.model))?;
        seconds.push(taken);
        model = opened;
    }
    print("load", "s", seconds);
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    if wanted("prefill") {
        for length in [64, LENGTH] {
            prefill(&model, length, runs)?;
        }
    }
    if wanted("score") {
        scoring(&model, runs)?;
    }
    if wanted("sample") {
        for live in [1, LIVE] {
            sampling(&model, live, runs)?;
        }
    }
    if wanted("read") {
        battery(&model, &arguments, "read", false)?;
    }
    if wanted("all") {
        battery(&model, &arguments, "all", true)?;
    }
    print("peak memory", "MB", vec![peak_memory()]);
    Ok(())
}

fn open(path: &Path) -> Outcome<LocalModel> {
    Ok(LocalModel::open("bench", path, Options::default())?)
}

/// Seconds that `work` takes, and what it gives.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark is about time; nothing else depends on it"
)]
fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(f64, T)> {
    let start = std::time::Instant::now();
    let value = work()?;
    Ok((start.elapsed().as_secs_f64(), value))
}

/// Prints best and median of a figure; of seconds and megabytes less is better, of rates more.
fn print(name: &str, unit: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    if unit.ends_with("/s") {
        values.reverse();
    }
    let (best, median) = (values[0], values[values.len() / 2]);
    println!(
        "{}",
        serde_json::json!({ "name": name, "unit": unit, "best": best, "median": median })
    );
}

fn ask(model: &LocalModel, questions: &[Question]) -> Outcome<Vec<Answer>> {
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    model.answer(questions, Seed(1), &mut |index, answer| {
        answers[index] = Some(answer);
        ControlFlow::Continue(())
    })?;
    answers
        .into_iter()
        .map(|answer| match answer {
            Some(answer) => match answer.response {
                Response::Unavailable { reason } => Err(reason.into()),
                _ => Ok(answer),
            },
            None => Err("a question was not answered".into()),
        })
        .collect()
}

fn raw(text: &str, request: Request) -> Question {
    Question {
        probe: "bench".to_owned(),
        variant: 0,
        prompt: Prompt {
            pose: Pose::Raw,
            text: text.to_owned(),
            lead: String::new(),
        },
        request,
    }
}

/// English of about as many words as asked for, never the same sentence twice.
fn words(count: usize, salt: usize) -> String {
    let subjects = ["The miller", "A sailor", "My aunt", "The old judge"];
    let verbs = ["counts", "remembers", "hides", "sells", "paints"];
    let objects = ["seven lamps", "the river", "a letter", "blue stones"];
    let places = ["in the harbour", "before dawn", "near the wall"];
    let mut text = String::new();
    for i in (0..).map(|i| i * 7 + salt) {
        if text.split_whitespace().count() >= count {
            break;
        }
        let (subject, verb) = (subjects[i % subjects.len()], verbs[i % verbs.len()]);
        let (object, place) = (objects[i / 3 % objects.len()], places[i / 5 % places.len()]);
        for word in [subject, verb, object, place] {
            text.push(' ');
            text.push_str(word);
        }
        text.push('.');
    }
    text
}

/// A text of nearly `length` tokens, and its tokens: less what a prompt around it may take.
fn text_of(model: &LocalModel, length: usize, salt: usize) -> Outcome<(String, usize)> {
    let most = length - length / 16;
    let long = words(length, salt);
    let cut = |count| long.split(' ').take(count).collect::<Vec<_>>().join(" ");
    // A short piece tells how many words to take; a long one may then need fewer.
    let mut count = length / 10;
    let mut tokens = tokens_of(model, &cut(count))?;
    count = count * most / tokens;
    loop {
        let text = cut(count);
        tokens = tokens_of(model, &text)?;
        if tokens <= most {
            return Ok((text, tokens));
        }
        count = (count * most / tokens).min(count - 1);
    }
}

/// The tokens of a text; it must leave room in the model's context.
fn tokens_of(model: &LocalModel, text: &str) -> Outcome<usize> {
    let texts = vec![text.to_owned()];
    let answers = ask(model, &[raw("A", Request::Score { texts })])?;
    match &answers[0].response {
        Response::Scored { scores } => Ok(scores[0].tokens),
        _ => Err("no scores".into()),
    }
}

fn prefill(model: &LocalModel, length: usize, runs: usize) -> Outcome<()> {
    let (text, tokens) = text_of(model, length, 0)?;
    let question = [raw(&text, Request::Next { top: 32 })];
    let mut rates = vec![];
    for _ in 0..runs * 2 {
        let (seconds, _) = timed(|| ask(model, &question))?;
        rates.push(tokens as f64 / seconds);
    }
    print(&format!("prefill {length}"), "tokens/s", rates);
    Ok(())
}

fn scoring(model: &LocalModel, runs: usize) -> Outcome<()> {
    let mut questions = vec![];
    let mut total = 0;
    for salt in 0..TEXTS {
        let (text, tokens) = text_of(model, LENGTH, salt)?;
        total += tokens;
        let texts = vec![text];
        questions.push(raw(&format!("{salt}"), Request::Score { texts }));
    }
    let mut rates = vec![];
    for _ in 0..runs {
        let (seconds, _) = timed(|| ask(model, &questions))?;
        rates.push(total as f64 / seconds);
    }
    print(&format!("score {LENGTH}"), "tokens/s", rates);
    Ok(())
}

fn sampling(model: &LocalModel, live: usize, runs: usize) -> Outcome<()> {
    let (text, _) = text_of(model, 40, 3)?;
    let questions: Vec<Question> = (0..live)
        .map(|sample| {
            let max_tokens = WRITTEN;
            raw(&text, Request::Write { sample, max_tokens })
        })
        .collect();
    let mut rates = vec![];
    for _ in 0..runs {
        let (seconds, answers) = timed(|| ask(model, &questions))?;
        rates.push(written(&answers) as f64 / seconds);
    }
    print(&format!("sample {live}"), "tokens/s", rates);
    Ok(())
}

fn written(answers: &[Answer]) -> usize {
    let tokens = answers.iter().map(|answer| match &answer.response {
        Response::Text { tokens, .. } => *tokens,
        _ => 0,
    });
    tokens.sum()
}

/// The first pass over the quick tier, with or without written answers.
fn battery(model: &LocalModel, arguments: &Arguments, name: &str, write: bool) -> Outcome<()> {
    let battery = Battery::built_in("core-v1")?.select(Tier::Quick);
    let Abilities { chat, .. } = model.abilities();
    let mut questions = ask_all(
        &battery,
        Posing {
            chat,
            raw: true,
            access: Access::Scored,
            samples: arguments.samples,
            repeats: 0,
            top: 32,
        },
    );
    questions.retain(|q| write || !matches!(q.request, Request::Write { .. }));
    let mut probes: Vec<&str> = questions.iter().map(|q| q.probe.as_str()).collect();
    probes.dedup();
    let mut rates = vec![];
    let mut answers = vec![];
    for _ in 0..arguments.runs {
        let (seconds, given) = timed(|| ask(model, &questions))?;
        rates.push(probes.len() as f64 / seconds);
        answers = given;
    }
    print(&format!("battery {name}"), "probes/s", rates);
    match &arguments.export {
        Some(path) => export(path, &questions, &answers),
        None => Ok(()),
    }
}

fn export(path: &Path, questions: &[Question], answers: &[Answer]) -> Outcome<()> {
    let rows: Vec<serde_json::Value> = questions
        .iter()
        .zip(answers)
        .map(|(question, answer)| {
            serde_json::json!({
                "probe": question.probe,
                "rendered": answer.rendered,
                "request": question.request,
                "response": answer.response,
            })
        })
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    Ok(())
}

/// The most memory that the process has held, in megabytes; zero where the system does not say.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}
