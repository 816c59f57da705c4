//! One worker owns the model and takes what is waiting together.
//!
//! Every turn it reads the passages that are waiting as one batch, lets samples join the ones that are
//! being written while there is room, and writes one token of each. So many clients cost little more
//! than one, and a short answer does not wait for a long one. Requests whose client has gone are given up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::{mpsc, oneshot};

use crate::model::ModelError;
use crate::model::local::{Drawing, Drawn, LocalModel, Passage, PassageRead, Writer};

/// Pieces of work that are taken from the queue before the first is done.
const AHEAD: usize = 256;
/// Tokens that are read in one turn, passages that are alike counted once; a longer one is read alone.
const TURN: usize = 2048;

/// A request's work.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) prompts: Vec<Work>,
    pub(super) reply: oneshot::Sender<Result<Vec<PassageRead>, String>>,
}

/// What is asked about one prompt.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) tokens: Vec<u32>,
    /// How many of the most probable tokens are named beside each token of the prompt; with nothing,
    /// the prompt's own probability is not asked.
    pub(super) read: Option<usize>,
    pub(super) drawings: Vec<Drawing>,
}

impl Work {
    /// Answers of one token are drawn where the prompt is read; longer ones are written.
    fn is_short(&self) -> bool {
        self.drawings.iter().all(|d| d.max_tokens <= 1)
    }

    fn passage(&self) -> Passage {
        Passage {
            tokens: self.tokens.clone(),
            from: self.read.map_or(self.tokens.len(), |_| 1),
            top: self.read.unwrap_or(0),
            drawings: if self.is_short() {
                self.drawings.clone()
            } else {
                Vec::new()
            },
        }
    }
}

/// A job in hand.
struct Open {
    job: Job,
    done: Vec<Half>,
    /// Passages and samples that are still to come.
    left: usize,
}

/// What is there of the answer about one prompt.
#[derive(Default)]
struct Half {
    read: PassageRead,
    written: Vec<Option<Drawn>>,
}

/// A prompt of a job.
type Place = (u64, usize);

/// The worker's desk.
pub(super) struct Worker<'a> {
    model: &'a LocalModel,
    writer: Writer<'a>,
    open: BTreeMap<u64, Open>,
    /// The number of the next job, and of the next sample.
    next: u64,
    reads: VecDeque<Place>,
    /// Prompts with the number of their next sample.
    writes: VecDeque<(Place, usize)>,
    /// Samples that are being written.
    samples: BTreeMap<u64, (Place, usize)>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(model: &'a LocalModel) -> Self {
        Self {
            model,
            writer: model.writer(),
            open: BTreeMap::new(),
            next: 0,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            samples: BTreeMap::new(),
        }
    }

    /// Works until the queue is closed and everything is done.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        loop {
            if self.open.is_empty() {
                match queue.blocking_recv() {
                    Some(job) => self.accept(job),
                    None => return,
                }
            }
            while self.reads.len() + self.writes.len() < AHEAD {
                match queue.try_recv() {
                    Ok(job) => self.accept(job),
                    Err(_) => break,
                }
            }
            self.forget();
            self.read();
            self.begin();
            self.hand_over();
            if !self.writer.is_empty()
                && let Err(error) = self.writer.step()
            {
                self.fail_written(&error);
            }
        }
    }

    fn accept(&mut self, job: Job) {
        let number = self.number();
        let mut left = 0;
        let mut done = Vec::new();
        for (index, work) in job.prompts.iter().enumerate() {
            let mut half = Half::default();
            if work.read.is_some() || (work.is_short() && !work.drawings.is_empty()) {
                self.reads.push_back((number, index));
                left += 1;
            }
            if !work.is_short() {
                self.writes.push_back(((number, index), 0));
                half.written.resize(work.drawings.len(), None);
                left += work.drawings.len();
            }
            done.push(half);
        }
        self.open.insert(number, Open { job, done, left });
        self.settle(number, 0);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Gives up the jobs whose clients have gone.
    fn forget(&mut self) {
        let before = self.open.len();
        self.open.retain(|_, open| !open.job.reply.is_closed());
        if self.open.len() == before {
            return;
        }
        let open = &self.open;
        self.reads.retain(|(job, _)| open.contains_key(job));
        self.writes.retain(|((job, _), _)| open.contains_key(job));
        self.samples
            .retain(|_, ((job, _), _)| open.contains_key(job));
        let samples = &self.samples;
        self.writer.keep(&|mark| samples.contains_key(&mark));
    }

    /// Reads waiting passages, as many as make a turn.
    fn read(&mut self) {
        let mut places = Vec::new();
        let mut passages = Vec::new();
        let (mut known, mut tokens) = (BTreeSet::new(), 0);
        while let Some(place) = self.reads.front()
            && let Some(work) = self.open.get(&place.0).map(|o| &o.job.prompts[place.1])
        {
            if known.insert(&work.tokens) {
                tokens += work.tokens.len();
            }
            if tokens > TURN && !places.is_empty() {
                break;
            }
            places.push(*place);
            passages.push(work.passage());
            self.reads.pop_front();
        }
        if places.is_empty() {
            return;
        }
        match self.model.read_passages(&passages) {
            Ok(results) => {
                for ((job, index), result) in places.into_iter().zip(results) {
                    if let Some(open) = self.open.get_mut(&job) {
                        open.done[index].read = result;
                    }
                    self.settle(job, 1);
                }
            }
            Err(error) => self.fail(places.iter().map(|(job, _)| *job).collect(), &error),
        }
    }

    /// Lets waiting samples join while there is room; those of one prompt share its reading.
    fn begin(&mut self) {
        let mut starts: Vec<(&[u32], Vec<(u64, Drawing)>)> = Vec::new();
        let (mut planned, mut rows) = (Vec::new(), 0);
        while let Some((place, sample)) = self.writes.front_mut()
            && let Some(work) = self.open.get(&place.0).map(|o| &o.job.prompts[place.1])
        {
            let max_tokens = work.drawings[*sample].max_tokens;
            let tokens = work.tokens.len() + max_tokens;
            let room = self.writer.room(&planned, tokens);
            let known = starts.iter().position(|(prompt, drawings)| {
                *prompt == work.tokens.as_slice() && drawings[0].1.max_tokens == max_tokens
            });
            rows += known.map_or(work.tokens.len(), |_| 0);
            if room == 0 || (rows > TURN && !starts.is_empty()) {
                break;
            }
            let start = known.unwrap_or_else(|| {
                starts.push((&work.tokens, Vec::new()));
                starts.len() - 1
            });
            for _ in 0..room.min(work.drawings.len() - *sample) {
                self.next += 1;
                self.samples.insert(self.next, (*place, *sample));
                starts[start]
                    .1
                    .push((self.next, work.drawings[*sample].clone()));
                planned.push(tokens);
                *sample += 1;
            }
            if *sample < work.drawings.len() {
                break;
            }
            self.writes.pop_front();
        }
        if starts.is_empty() {
            return;
        }
        if let Err(error) = self.writer.begin(starts) {
            self.fail_written(&error);
        }
    }

    /// Hands over the samples that are complete.
    fn hand_over(&mut self) {
        for (mark, drawn) in self.writer.complete() {
            let Some(((job, index), sample)) = self.samples.remove(&mark) else {
                continue;
            };
            if let Some(open) = self.open.get_mut(&job) {
                open.done[index].written[sample] = Some(drawn);
            }
            self.settle(job, 1);
        }
    }

    /// Counts some pieces of a job as done, and replies when they were the last.
    fn settle(&mut self, job: u64, pieces: usize) {
        let Some(open) = self.open.get_mut(&job) else {
            return;
        };
        open.left -= pieces;
        if open.left > 0 {
            return;
        }
        if let Some(open) = self.open.remove(&job) {
            let answers = open.done.into_iter().map(|half| {
                let mut read = half.read;
                read.drawn.extend(half.written.into_iter().flatten());
                read
            });
            // A client that has gone needs no answer.
            let _ = open.job.reply.send(Ok(answers.collect()));
        }
    }

    /// The writer has lost what it was writing.
    fn fail_written(&mut self, error: &ModelError) {
        let samples = std::mem::take(&mut self.samples);
        self.fail(
            samples.into_values().map(|((job, _), _)| job).collect(),
            error,
        );
    }

    fn fail(&mut self, jobs: BTreeSet<u64>, error: &ModelError) {
        let mut what = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            what = format!("{what}: {error}");
            cause = error.source();
        }
        for job in &jobs {
            if let Some(open) = self.open.remove(job) {
                let _ = open.job.reply.send(Err(what.clone()));
            }
        }
        self.reads.retain(|(job, _)| !jobs.contains(job));
        self.writes.retain(|((job, _), _)| !jobs.contains(job));
        self.samples.retain(|_, ((job, _), _)| !jobs.contains(job));
        let samples = &self.samples;
        self.writer.keep(&|mark| samples.contains_key(&mark));
    }
}
