//! One model, from its recipe to its directory.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::Path;

use candle_core::Tensor;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokenizers::Tokenizer;

use crate::data::{Corpus, Mixture, Part, tokenizer};
use crate::loss::{CrossEntropy, Divergence};
use crate::model::Model;
use crate::recipe::{Course, Entry, Lineage, Recipe, Rewriting, Writing};
use crate::store::{self, Training};
use crate::{Options, Outcome, quantise, sample, surgery};

/// What randomness is drawn for; each has its own stream of the model's seed.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Weights = 1,
    Order = 2,
    Text = 3,
}

/// Losses at the end of a run.
#[derive(Debug, Clone, Copy)]
struct Losses {
    train: f64,
    held_out: Option<f64>,
}

/// Share of the steps in which the rate rises.
const WARM_UP: f64 = 0.05;
/// The rate at the end, as a share of the highest.
const FLOOR: f64 = 0.05;
/// Steps over which the final training loss is averaged.
const LAST: usize = 50;
/// Held-out sequences that are read.
const HELD_OUT: usize = 256;

/// Makes the model `id` below the output directory.
pub(crate) fn make(
    options: &Options,
    lineage: &Lineage,
    id: &str,
    log: &mut impl Write,
) -> Outcome<()> {
    let entry = lineage.entry(id)?;
    let partial = options.out.join(format!("{id}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    let mut training = Training {
        id,
        recipe_sha256: entry.digest(options.seed_offset)?,
        seed: None,
        steps: None,
        parameters: 0,
        text_tokens: None,
        train_loss: None,
        held_out_loss: None,
        cpu_seconds: None,
    };
    let base = entry.base.as_deref().unwrap_or_default();
    match &entry.recipe {
        Recipe::Quantise { quantisation } => {
            let (model, words) = finished(options, lineage, base)?;
            let name = Path::new(&entry.path).file_name().unwrap_or_default();
            quantise::write(&model, &words, *quantisation, id, &partial.join(name))?;
            training.parameters = parameters(&model)?;
        }
        Recipe::Prune { share } => {
            let (model, words) = finished(options, lineage, base)?;
            let model = surgery::pruned(&model, *share)?;
            store::save(&model, &words, &partial)?;
            training.parameters = parameters(&model)?;
        }
        Recipe::Merge { with } => {
            let (model, words) = finished(options, lineage, base)?;
            let model = surgery::mean(&model, &finished(options, lineage, with)?.0)?;
            store::save(&model, &words, &partial)?;
            training.parameters = parameters(&model)?;
        }
        Recipe::Real { course } | Recipe::Text { course, .. } | Recipe::Logits { course, .. } => {
            let mut course = course.clone();
            course.seed += options.seed_offset;
            course.steps = course.steps.min(options.max_steps.unwrap_or(usize::MAX));
            let words = tokenizer(course.tokenizer, &options.data)?;
            let (corpora, teacher) = material(options, lineage, entry, &course, &words, log)?;
            let start = match &entry.base {
                Some(base) => finished(options, lineage, base)?.0,
                None => Model::random(
                    course.shape.shape(),
                    &mut random(course.seed, Purpose::Weights),
                )?,
            };
            let (model, losses) = run(&start, &course, &corpora, teacher.as_ref(), id, log)?;
            store::save(&model, &words, &partial)?;
            training.seed = Some(course.seed);
            training.steps = Some(course.steps);
            training.parameters = parameters(&model)?;
            training.text_tokens = Some(corpora.iter().map(|part| part.corpus.len()).sum());
            training.train_loss = Some(losses.train);
            training.held_out_loss = losses.held_out;
        }
    }
    training.cpu_seconds = cpu_seconds();
    store::write_json(&partial.join("training.json"), &training)?;
    fs::rename(&partial, options.out.join(id))?;
    Ok(())
}

/// The texts to train on, and the teacher if its distributions are learned.
fn material(
    options: &Options,
    lineage: &Lineage,
    entry: &Entry,
    course: &Course,
    words: &Tokenizer,
    log: &mut impl Write,
) -> Outcome<(Vec<Part>, Option<Model>)> {
    let whole = |corpus| vec![Part { corpus, share: 1.0 }];
    let real = || -> Outcome<Corpus> {
        let name = entry.data.first().map(String::as_str).unwrap_or_default();
        let path = options.data.join(format!("{name}.txt"));
        Corpus::real(&path, words, course.length)
    };
    let mut written = |parent: &str, text: &Writing, rewritten: Option<&Rewriting>| {
        let (teacher, teacher_words) = finished(options, lineage, parent)?;
        let mut random = random(text.seed + options.seed_offset, Purpose::Text);
        let mut documents = sample::documents(&teacher, text, course.length, &mut random)?;
        if let Some(Rewriting { by, rate }) = rewritten {
            let (writer, its_words) = finished(options, lineage, by)?;
            if its_words.get_vocab(true) != teacher_words.get_vocab(true) {
                return Err(format!("'{by}' rewrites other tokens than '{parent}' wrote").into());
            }
            documents = sample::rewritten(&writer, &documents, *rate, &mut random)?;
        }
        let documents = sample::texts(&teacher_words, &documents)?;
        let corpus = Corpus::written(&documents, words, course.length)?;
        writeln!(log, "{}: {parent} wrote {} tokens", entry.id, corpus.len())?;
        Ok::<_, crate::Failure>((corpus, teacher))
    };
    Ok(match &entry.recipe {
        Recipe::Real { .. }
        | Recipe::Quantise { .. }
        | Recipe::Prune { .. }
        | Recipe::Merge { .. } => (whole(real()?), None),
        Recipe::Text {
            text,
            dose,
            rewritten,
            ..
        } => {
            let dose = dose.unwrap_or(1.0);
            let share = dose / entry.parents.len() as f64;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a number of tokens"
            )]
            let tokens = (text.tokens as f64 * share).ceil() as usize;
            let text = Writing {
                tokens,
                ..text.clone()
            };
            let mut parts = Vec::new();
            for parent in &entry.parents {
                let (corpus, _) = written(parent, &text, rewritten.as_ref())?;
                parts.push(Part { corpus, share });
            }
            if dose < 1.0 {
                parts.push(Part {
                    corpus: real()?,
                    share: 1.0 - dose,
                });
            }
            (parts, None)
        }
        Recipe::Logits { text, .. } => {
            let parent = entry.parents.first().map(String::as_str);
            let (corpus, teacher) = written(parent.unwrap_or_default(), text, None)?;
            (whole(corpus), Some(teacher))
        }
    })
}

/// A finished model of the family and its tokenizer.
fn finished(options: &Options, lineage: &Lineage, id: &str) -> Outcome<(Model, Tokenizer)> {
    let course = lineage.course(id)?;
    let model = store::load(&options.out.join(id), course.shape.shape())?;
    Ok((model, tokenizer(course.tokenizer, &options.data)?))
}

fn run(
    start: &Model,
    course: &Course,
    parts: &[Part],
    teacher: Option<&Model>,
    id: &str,
    log: &mut impl Write,
) -> Outcome<(Model, Losses)> {
    let (model, variables) = start.trainable()?;
    let params = ParamsAdamW {
        lr: 0.0,
        beta2: 0.98,
        weight_decay: 0.1,
        ..Default::default()
    };
    let mut optimiser = AdamW::new(variables, params)?;
    let mut order = Mixture::new(parts, || random(course.seed, Purpose::Order));
    let mut recent = Vec::new();
    for step in 0..course.steps {
        optimiser.set_learning_rate(rate(course, step));
        let loss = learn(&model, teacher, course, &mut order, &mut optimiser)?;
        if !loss.is_finite() {
            return Err(format!("'{id}' diverged at step {step}").into());
        }
        recent.push(loss);
        if (step + 1) % 100 == 0 || step + 1 == course.steps {
            let last = mean(&recent[recent.len().saturating_sub(LAST)..]);
            writeln!(
                log,
                "{id}: step {} of {}, loss {last:.3}",
                step + 1,
                course.steps
            )?;
        }
    }
    let model = model.frozen()?;
    let train = mean(&recent[recent.len().saturating_sub(LAST)..]);
    // What the parents wrote comes first; a mixture's real text is left out of this figure.
    let held_out = held_out(&model, &parts[0].corpus, course.length)?;
    Ok((model, Losses { train, held_out }))
}

/// One step; returns its loss.
fn learn(
    model: &Model,
    teacher: Option<&Model>,
    course: &Course,
    order: &mut Mixture<'_>,
    optimiser: &mut AdamW,
) -> Outcome<f64> {
    let (inputs, targets) = split(&order.take(course.batch), course.length);
    let (loss, pull) = pull(model, teacher, &inputs, &targets, course.length)?;
    optimiser.backward_step(&pull)?;
    Ok(loss)
}

/// The loss on whole sequences, and a scalar that has the loss's gradients.
pub(crate) fn pull(
    model: &Model,
    teacher: Option<&Model>,
    inputs: &[u32],
    targets: &[u32],
    length: usize,
) -> candle_core::Result<(f64, Tensor)> {
    let hidden = model.hidden(inputs, length)?;
    // The head's gradient is made by hand: its logits are most of the memory of a step.
    let (states, embedding) = (hidden.detach(), model.embedding.detach());
    let logits = states.matmul(&embedding.t()?)?;
    let loss = match teacher {
        None => {
            let loss = CrossEntropy {
                targets,
                loss: Cell::new(0.0),
            };
            logits.inplace_op1(&loss)?;
            loss.loss.get()
        }
        Some(teacher) => {
            let wanted = teacher.logits(&teacher.hidden(inputs, length)?)?;
            let loss = Divergence::default();
            logits.inplace_op2(&wanted, &loss)?;
            loss.loss.get()
        }
    };
    let to_hidden = logits.matmul(&embedding)?;
    let to_embedding = logits.t()?.matmul(&states)?;
    let pull = (dot(&hidden, &to_hidden)? + dot(&model.embedding, &to_embedding)?)?;
    Ok((loss, pull))
}

fn dot(left: &Tensor, right: &Tensor) -> candle_core::Result<Tensor> {
    (left * right)?.sum_all()
}

/// Cross-entropy on held-out sequences, where there are any.
fn held_out(model: &Model, corpus: &Corpus, length: usize) -> Outcome<Option<f64>> {
    let mut losses = Vec::new();
    for sequences in corpus.held_out(HELD_OUT).chunks(8 * (length + 1)) {
        let (inputs, targets) = split(sequences, length);
        let logits = model.logits(&model.hidden(&inputs, length)?)?;
        let loss = CrossEntropy {
            targets: &targets,
            loss: Cell::new(0.0),
        };
        logits.inplace_op1(&loss)?;
        // The last chunk may be smaller.
        losses.extend(vec![loss.loss.get(); sequences.len() / (length + 1)]);
    }
    Ok((!losses.is_empty()).then(|| mean(&losses)))
}

/// Sequences as what is read and what should follow.
fn split(sequences: &[u32], length: usize) -> (Vec<u32>, Vec<u32>) {
    let rows = || sequences.chunks_exact(length + 1);
    let inputs = rows().flat_map(|row| &row[..length]).copied().collect();
    let targets = rows().flat_map(|row| &row[1..]).copied().collect();
    (inputs, targets)
}

/// A rise, then half a cosine down to the floor.
fn rate(course: &Course, step: usize) -> f64 {
    let warm_up = (course.steps as f64 * WARM_UP).max(1.0);
    let step = step as f64;
    let share = if step < warm_up {
        (step + 1.0) / warm_up
    } else {
        let done = (step - warm_up) / (course.steps as f64 - warm_up).max(1.0);
        FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    };
    course.learning_rate * share
}

fn random(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(purpose as u64);
    random
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn parameters(model: &Model) -> candle_core::Result<usize> {
    let mut count = 0;
    model.map(&mut |tensor| {
        count += tensor.elem_count();
        Ok(tensor.clone())
    })?;
    Ok(count)
}

/// Processor time of this process so far, where the system tells (Linux).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks: Vec<f64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse().ok())
        .collect();
    // User and system time, in hundredths of a second.
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / 100.0)
}
