//! Tokenizers, and texts cut into sequences.
//!
//! A text is one long stream of tokens with the places where a sequence may start: the beginning
//! of each line of a real text, or of each document that a model wrote. A sequence is the special
//! first token and what follows the start, so that training agrees with what the tokenizer's own
//! post-processor does at inference.

use std::fs;
use std::path::Path;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer, TokenizerBuilder, TokenizerImpl};

use crate::Outcome;
use crate::recipe::TokenizerName;

/// Tokens of every tokenizer, the special ones included.
pub(crate) const VOCABULARY: usize = 1024;
/// The first token of every sequence.
pub(crate) const BOS: u32 = 0;
/// The token that would end a document; no model of the family was trained to write it.
pub(crate) const EOS: u32 = 1;
/// How the special tokens are spelt.
pub(crate) const SPECIAL: [&str; 2] = ["<|bos|>", "<|eos|>"];

/// Held out are the last of every so many blocks of so many tokens.
const BLOCK: usize = 4096;
const BLOCKS: usize = 32;

/// A text as tokens, with the places where sequences may start.
#[derive(Debug)]
pub(crate) struct Corpus {
    tokens: Vec<u32>,
    training: Vec<usize>,
    held_out: Vec<usize>,
    length: usize,
}

/// A text, and the share of the sequences that come from it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) corpus: Corpus,
    pub(crate) share: f64,
}

/// Endless training sequences from several texts, each drawn from one of them by its share.
#[derive(Debug)]
pub(crate) struct Mixture<'a> {
    parts: Vec<(Order<'a>, f64)>,
    random: ChaCha8Rng,
}

/// Endless training sequences in an order drawn anew at every pass.
#[derive(Debug)]
struct Order<'a> {
    corpus: &'a Corpus,
    starts: Vec<usize>,
    next: usize,
    random: ChaCha8Rng,
}

impl Corpus {
    /// A real text, for sequences of `length` tokens.
    pub(crate) fn real(path: &Path, tokenizer: &Tokenizer, length: usize) -> Outcome<Self> {
        let text = read(path)?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        Self::new(&lines, tokenizer, length, false)
    }

    /// Documents that a model wrote.
    pub(crate) fn written(
        documents: &[String],
        tokenizer: &Tokenizer,
        length: usize,
    ) -> Outcome<Self> {
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        Self::new(&documents, tokenizer, length, true)
    }

    fn new(
        pieces: &[&str],
        tokenizer: &Tokenizer,
        length: usize,
        documents: bool,
    ) -> Outcome<Self> {
        let mut tokens = Vec::new();
        let mut starts = Vec::new();
        for pieces in pieces.chunks(256) {
            for encoding in tokenizer.encode_batch_fast(pieces.to_vec(), false)? {
                if documents && !tokens.is_empty() {
                    tokens.push(BOS);
                }
                starts.push(tokens.len());
                tokens.extend_from_slice(encoding.get_ids());
            }
        }
        let is_held_out = |at: usize| (at / BLOCK) % BLOCKS == BLOCKS - 1;
        let (mut training, mut held_out) = (Vec::new(), Vec::new());
        for start in starts
            .into_iter()
            .filter(|start| start + length <= tokens.len())
        {
            match (is_held_out(start), is_held_out(start + length - 1)) {
                (true, true) => held_out.push(start),
                (false, false) => training.push(start),
                // A sequence across the border would show what is held out.
                _ => {}
            }
        }
        if training.is_empty() {
            return Err("a text is too short to train on".into());
        }
        Ok(Self {
            tokens,
            training,
            held_out,
            length,
        })
    }

    /// Tokens in all.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Up to `count` held-out sequences, evenly spread; a short text has none.
    pub(crate) fn held_out(&self, count: usize) -> Vec<u32> {
        let stride = self.held_out.len().div_ceil(count).max(1);
        let mut sequences = Vec::new();
        for &start in self.held_out.iter().step_by(stride) {
            self.push(start, &mut sequences);
        }
        sequences
    }

    /// Training sequences without end, in an order set by `random`.
    fn order(&self, random: ChaCha8Rng) -> Order<'_> {
        let starts = self.training.clone();
        Order {
            corpus: self,
            next: starts.len(),
            starts,
            random,
        }
    }

    /// Appends the sequence at `start`: one token more than its length, the last only predicted.
    fn push(&self, start: usize, sequences: &mut Vec<u32>) {
        sequences.push(BOS);
        sequences.extend_from_slice(&self.tokens[start..start + self.length]);
    }
}

impl<'a> Mixture<'a> {
    /// Sequences from `parts`, all drawn by streams of the same seed.
    pub(crate) fn new(parts: &'a [Part], random: impl Fn() -> ChaCha8Rng) -> Self {
        let orders = parts
            .iter()
            .map(|part| (part.corpus.order(random()), part.share));
        Self {
            parts: orders.collect(),
            random: random(),
        }
    }

    /// The next `count` sequences, end to end.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u32> {
        let mut sequences = Vec::new();
        for _ in 0..count {
            // One text alone draws nothing, so its order stays what it was before there were mixtures.
            let mut point: f64 = if self.parts.len() == 1 {
                0.0
            } else {
                self.random.random()
            };
            let last = self.parts.len() - 1;
            let chosen = self.parts[..last].iter().position(|(_, share)| {
                point -= share;
                point < 0.0
            });
            self.parts[chosen.unwrap_or(last)]
                .0
                .push_next(&mut sequences);
        }
        sequences
    }
}

impl Order<'_> {
    fn push_next(&mut self, sequences: &mut Vec<u32>) {
        if self.next == self.starts.len() {
            self.starts.shuffle(&mut self.random);
            self.next = 0;
        }
        self.corpus.push(self.starts[self.next], sequences);
        self.next += 1;
    }
}

/// The tokenizer of that name, trained once and kept beside the texts.
pub(crate) fn tokenizer(name: TokenizerName, data: &Path) -> Outcome<Tokenizer> {
    let path = data.join(format!("tokenizer-{}.json", name.name()));
    if !path.exists() {
        let mut text = String::new();
        for corpus in name.corpora() {
            text.push_str(&read(&data.join(format!("{corpus}.txt")))?);
        }
        let partial = data.join(format!("tokenizer-{}.partial", name.name()));
        fs::write(&partial, train_tokenizer(&text)?.to_string(false)?)?;
        fs::rename(&partial, &path)?;
    }
    Tokenizer::from_file(&path)
}

/// Byte-level BPE as GPT-2 has it, without its prefix space.
pub(crate) fn train_tokenizer(text: &str) -> Outcome<Tokenizer> {
    let byte_level = ByteLevel::new(false, false, true);
    let template = TemplateProcessing::builder()
        .try_single(format!("{} $A", SPECIAL[0]))?
        .try_pair(format!("{0} $A {0}:1 $B:1", SPECIAL[0]))?
        .special_tokens(vec![(SPECIAL[0], BOS)])
        .build()?;
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(VOCABULARY)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(SPECIAL.map(|word| AddedToken::from(word, true)).to_vec())
        .build();
    let mut tokenizer: TokenizerImpl<_, tokenizers::NormalizerWrapper, _, _, _> =
        TokenizerBuilder::new()
            .with_model(BPE::default())
            .with_pre_tokenizer(Some(byte_level))
            .with_post_processor(Some(template))
            .with_decoder(Some(byte_level))
            .build()?;
    tokenizer.train(&mut trainer, text.lines())?;
    let tokenizer: Tokenizer = tokenizer.to_string(false)?.parse()?;
    if tokenizer.get_vocab_size(true) != VOCABULARY {
        return Err(format!("the text is too small for {VOCABULARY} tokens").into());
    }
    Ok(tokenizer)
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|cause| {
        format!(
            "cannot read '{}' (scripts/nursery-data.sh makes it): {cause}",
            path.display()
        )
        .into()
    })
}
