//! A tokenizer defined by the JSON of a `tokenizer.json`, run by the `tokenizers` library.
//!
//! The definition is untrusted: its size and its highest id are limited, and the library is called behind
//! [`guard`]. Vocabulary and merges, which are nearly all of it, are read once and shared by the tokenizers
//! for the ways in which a text is read.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerImpl,
};

use super::{
    Reading, Start,
    error::TokenizerError,
    growth::Growth,
    shared::Shared,
    vocabulary::{Kind, MAX_TOKENS, Speller, Spelling, Vocabulary, byte_token, is_markup},
};

/// The longest piece of a vocabulary with scores, in bytes. The library keeps one level of a tree for each byte and takes the
/// tree down level by level, on the stack. Published pieces have a few dozen.
const MAX_PIECE: usize = 4096;

/// Runs library code that may panic on a hostile definition (it indexes and unwraps freely) and
/// turns a panic into an error, so that a model's files cannot end the run.
pub(super) fn guard<T>(step: &'static str, run: impl FnOnce() -> T) -> Result<T, TokenizerError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| TokenizerError::Panicked { step })
}

/// What the definition does in front of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Nothing,
    /// A space, always.
    Space,
    /// A space unless the text begins with one.
    SpaceUnlessThere,
}

type Run = TokenizerImpl<
    Shared,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// A definition without its model: everything that is small.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub(super) added_tokens: Value,
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) post_processor: Value,
    pub(super) decoder: Value,
}

/// A model with what of its definition is asked later.
pub(super) struct Loaded {
    pub(super) model: ModelWrapper,
    pub(super) kind: String,
    pub(super) byte_fallback: bool,
    pub(super) unknown: Option<Unknown>,
}

/// What a model takes for text that it cannot spell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    Text(String),
    Id(u32),
}

/// Reads the text of a `tokenizer.json`.
pub(super) fn read(text: &str, path: &Path) -> Result<(Parts, Loaded), TokenizerError> {
    #[derive(Deserialize)]
    struct Definition<'a> {
        version: Option<String>,
        #[serde(default)]
        added_tokens: Value,
        #[serde(default)]
        normalizer: Value,
        #[serde(default)]
        pre_tokenizer: Value,
        #[serde(default)]
        post_processor: Value,
        #[serde(default)]
        decoder: Value,
        #[serde(borrow)]
        model: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: Option<String>,
        byte_fallback: Option<bool>,
        unk_token: Option<String>,
        unk_id: Option<u32>,
        continuing_subword_prefix: Option<String>,
    }
    let json = |source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    };
    let definition: Definition<'_> = serde_json::from_str(text).map_err(json)?;
    if definition.version.as_deref().is_some_and(|v| v != "1.0") {
        return Err(TokenizerError::Build {
            path: path.to_owned(),
            source: "a version other than 1.0".into(),
        });
    }
    let head: Head = serde_json::from_str(definition.model.get()).map_err(json)?;
    if let Some(prefix) = head.continuing_subword_prefix.filter(|p| !p.is_empty()) {
        check_merges(definition.model.get(), &prefix, path)?;
    }
    if !matches!(
        head.kind.as_deref(),
        Some("BPE" | "WordPiece" | "WordLevel")
    ) {
        check_pieces(definition.model.get(), path)?;
    }
    let model = guard("build a tokenizer", || {
        let text = definition.model.get();
        // The wrapper would hold the whole model as JSON values in between, many times its size.
        match head.kind.as_deref() {
            Some("BPE") => serde_json::from_str::<BPE>(text).map(ModelWrapper::from),
            _ => serde_json::from_str(text),
        }
    })?
    .map_err(json)?;
    let parts = Parts {
        added_tokens: definition.added_tokens,
        normalizer: definition.normalizer,
        pre_tokenizer: definition.pre_tokenizer,
        post_processor: definition.post_processor,
        decoder: definition.decoder,
    };
    let loaded = Loaded {
        model,
        kind: head.kind.unwrap_or_default(),
        byte_fallback: head.byte_fallback == Some(true),
        unknown: match (head.unk_token, head.unk_id) {
            (Some(text), _) => Some(Unknown::Text(text)),
            (None, id) => id.map(Unknown::Id),
        },
    };
    Ok((parts, loaded))
}

/// Refuses merges whose second part does not begin with the prefix of parts inside words: the library takes the prefix off by
/// its length, and would make text of bytes that are none.
fn check_merges(model: &str, prefix: &str, path: &Path) -> Result<(), TokenizerError> {
    #[derive(Deserialize)]
    struct Merges {
        #[serde(default)]
        merges: Vec<Value>,
    }
    let Merges { merges } = serde_json::from_str(model).map_err(|source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    })?;
    let fits = |merge: &Value| {
        let second = match merge {
            Value::String(text) => text.split_once(' ').map(|(_, second)| second),
            other => other[1].as_str(),
        };
        second.is_some_and(|second| second.starts_with(prefix))
    };
    if merges.iter().all(fits) {
        return Ok(());
    }
    Err(TokenizerError::Build {
        path: path.to_owned(),
        source: "a merge whose second part does not begin with its 'continuing_subword_prefix'"
            .into(),
    })
}

/// Refuses a vocabulary with scores that has a piece longer than [`MAX_PIECE`].
fn check_pieces(model: &str, path: &Path) -> Result<(), TokenizerError> {
    #[derive(Deserialize)]
    struct Pieces {
        #[serde(default)]
        vocab: Vec<(String, IgnoredAny)>,
    }
    // What is of another form is refused by the library.
    let pieces = serde_json::from_str(model).map_or(Vec::new(), |Pieces { vocab }| vocab);
    let longest = pieces.iter().map(|(piece, _)| piece.len()).max();
    match longest.filter(|longest| *longest > MAX_PIECE) {
        None => Ok(()),
        Some(longest) => Err(TokenizerError::Build {
            path: path.to_owned(),
            source: format!("a piece of {longest} bytes is over the limit of {MAX_PIECE}").into(),
        }),
    }
}

/// The library's tokenizers for the ways in which a text is read.
pub(super) struct Engine {
    /// Control tokens stay text, nothing is put in front.
    plain: Run,
    /// Control tokens are read, the definition's own prefix applies.
    markup: Run,
    /// Control tokens are read, nothing is put in front; absent when `markup` does the same.
    markup_inside: Option<Run>,
    prefix: Prefix,
    unknown: Option<u32>,
    growth: Growth,
}

impl Engine {
    /// Builds the engine and the vocabulary from a definition that came from `path`.
    pub(super) fn build(
        mut parts: Parts,
        mut loaded: Loaded,
        path: &Path,
    ) -> Result<(Self, Vocabulary), TokenizerError> {
        if let ModelWrapper::BPE(bpe) = &mut loaded.model {
            // What randomises a text is no part of how a model reads.
            bpe.dropout = None;
        }
        let growth = Growth::of(&parts.normalizer);
        growth.check_added(&parts.added_tokens)?;
        let spelling = spelling(&parts, &loaded.kind, path)?;
        let model = Shared::new(loaded.model);
        let markup = assemble(&parts, &model, path)?;
        let unknown = match loaded.unknown {
            Some(Unknown::Text(text)) => markup.token_to_id(&text),
            Some(Unknown::Id(id)) => Some(id),
            None => None,
        };
        let vocabulary = read_vocabulary(&markup, loaded.byte_fallback, unknown, spelling, path)?;

        let prefix = strip_prefix(&mut parts);
        let markup_inside = match prefix {
            Prefix::Nothing => None,
            _ => Some(assemble(&parts, &model, path)?),
        };
        hide_markup(&mut parts);
        let mut plain = assemble(&parts, &model, path)?;
        plain.set_encode_special_tokens(true);
        let engine = Self {
            plain,
            markup,
            markup_inside,
            prefix,
            unknown,
            growth,
        };
        Ok((engine, vocabulary))
    }

    pub(super) fn encode(
        &self,
        text: &str,
        start: Start,
        reading: Reading,
    ) -> Result<Vec<u32>, TokenizerError> {
        let lead = match (self.prefix, reading, start) {
            (Prefix::Space, Reading::Plain, Start::Document) if !text.is_empty() => " ",
            (Prefix::SpaceUnlessThere, Reading::Plain, Start::Document)
                if !text.is_empty() && !text.starts_with([' ', '\u{2581}']) =>
            {
                " "
            }
            _ => "",
        };
        let tokenizer = match (reading, start) {
            (Reading::Plain, _) => &self.plain,
            (Reading::Markup, Start::Document) => &self.markup,
            (Reading::Markup, Start::Inside) => self.markup_inside.as_ref().unwrap_or(&self.markup),
        };
        let text = format!("{lead}{text}");
        self.growth.check(text.len())?;
        guard("encode a text", || tokenizer.encode_fast(text, false))?
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|source| TokenizerError::Encode { source })
    }

    /// The token for text the vocabulary cannot spell.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Tokens the definition's own post-processor puts before a text.
    pub(super) fn leading_tokens(&self) -> Result<Vec<u32>, TokenizerError> {
        self.growth.check(1)?;
        let encode = |specials| {
            guard("encode a sample", || self.markup.encode_fast("a", specials))?
                .map(|encoding| encoding.get_ids().to_vec())
                .map_err(|source| TokenizerError::Encode { source })
        };
        let (bare, dressed) = (encode(false)?, encode(true)?);
        let place = dressed
            .windows(bare.len().max(1))
            .position(|window| window == bare)
            .unwrap_or(0);
        Ok(dressed[..place].to_vec())
    }
}

/// A tokenizer of parts around a shared model, as the library puts a whole definition together. What would
/// cut or pad a text is left out: none of it belongs to how a model reads.
fn assemble(parts: &Parts, model: &Shared, path: &Path) -> Result<Run, TokenizerError> {
    fn part<T: for<'de> Deserialize<'de>>(
        value: &Value,
        path: &Path,
    ) -> Result<Option<T>, TokenizerError> {
        let parsed = guard("build a tokenizer", || Option::<T>::deserialize(value))?;
        parsed.map_err(|source| TokenizerError::Json {
            path: path.to_owned(),
            source,
        })
    }
    let build = |source| TokenizerError::Build {
        path: path.to_owned(),
        source,
    };
    let normalizer: Option<NormalizerWrapper> = part(&parts.normalizer, path)?;
    let pre_tokenizer: Option<PreTokenizerWrapper> = part(&parts.pre_tokenizer, path)?;
    let post_processor: Option<PostProcessorWrapper> = part(&parts.post_processor, path)?;
    let decoder: Option<DecoderWrapper> = part(&parts.decoder, path)?;
    let added: Vec<AddedToken> = part(&parts.added_tokens, path)?.unwrap_or_default();
    guard("build a tokenizer", || {
        let mut run = Run::new(model.clone());
        run.with_normalizer(normalizer)?;
        run.with_pre_tokenizer(pre_tokenizer);
        run.with_post_processor(post_processor);
        run.with_decoder(decoder);
        run.add_tokens(added)?;
        Ok(run)
    })?
    .map_err(build)
}

fn spelling(parts: &Parts, kind: &str, path: &Path) -> Result<Spelling, TokenizerError> {
    let steps: Vec<_> = [&parts.normalizer, &parts.pre_tokenizer, &parts.decoder]
        .into_iter()
        .flat_map(steps)
        .collect();
    let has = |name: &str| steps.iter().any(|step| step["type"] == name);
    if has("ByteLevel") {
        return Ok(Spelling::ByteLevel);
    }
    let escapes_space = steps.iter().any(|step| {
        step["type"] == "Replace" && (step["content"] == "\u{2581}" || step["content"] == " ")
    });
    if has("Metaspace") || escapes_space {
        return Ok(Spelling::SentencePiece);
    }
    Err(TokenizerError::NotSpelled {
        path: path.to_owned(),
        kind: if kind.is_empty() { "unknown" } else { kind }.to_owned(),
    })
}

/// The single steps of a normalizer, pre-tokenizer or decoder.
pub(super) fn steps(part: &Value) -> Vec<&Value> {
    ["normalizers", "pretokenizers", "decoders"]
        .iter()
        .find_map(|key| part.get(key)?.as_array())
        .map_or_else(|| vec![part], |list| list.iter().flat_map(steps).collect())
}

fn read_vocabulary(
    tokenizer: &Run,
    byte_fallback: bool,
    unknown: Option<u32>,
    spelling: Spelling,
    path: &Path,
) -> Result<Vocabulary, TokenizerError> {
    let added = tokenizer.get_added_tokens_decoder();
    let highest = tokenizer.get_vocab(true).into_values().max();
    let count = highest.map_or(0, |id| id as usize + 1);
    if count == 0 || count > MAX_TOKENS {
        return Err(TokenizerError::VocabularySize {
            path: path.to_owned(),
            found: count,
            limit: MAX_TOKENS,
        });
    }
    let speller = Speller::new(spelling);
    let mut vocabulary = Vocabulary::with_capacity(count);
    for id in 0..=highest.unwrap_or(0) {
        let Some(text) = tokenizer.id_to_token(id) else {
            vocabulary.push(&[], Kind::Absent);
            continue;
        };
        match (added.get(&id), byte_token(&text).filter(|_| byte_fallback)) {
            (Some(token), _) if token.special => vocabulary.push(text.as_bytes(), Kind::Control),
            _ if unknown == Some(id) => vocabulary.push(text.as_bytes(), Kind::Control),
            (Some(_), _) if spelling == Spelling::ByteLevel => {
                vocabulary.push(text.as_bytes(), Kind::Text);
            }
            (None, Some(byte)) => vocabulary.push(&[byte], Kind::Text),
            _ => vocabulary.push(&speller.bytes(&text), Kind::Text),
        }
    }
    Ok(vocabulary)
}

/// Removes the step that puts a space before a text, and says which it was.
fn strip_prefix(parts: &mut Parts) -> Prefix {
    let mut found = Prefix::Nothing;
    strip_step(&mut parts.normalizer, &mut found);
    strip_step(&mut parts.pre_tokenizer, &mut found);
    found
}

fn strip_step(step: &mut Value, found: &mut Prefix) {
    for key in ["normalizers", "pretokenizers"] {
        if let Some(list) = step.get_mut(key).and_then(Value::as_array_mut) {
            for step in list.iter_mut() {
                strip_step(step, found);
            }
            list.retain(|step| !step.is_null());
        }
    }
    match step["type"].as_str() {
        Some("Prepend") => {
            *found = Prefix::Space;
            *step = Value::Null;
        }
        Some("Metaspace") => {
            let never = step["prepend_scheme"] == "never" || step["add_prefix_space"] == false;
            if !never {
                *found = Prefix::SpaceUnlessThere;
            }
            step["prepend_scheme"] = "never".into();
            step["add_prefix_space"] = Value::Null;
        }
        Some("ByteLevel") if step["add_prefix_space"] == true => {
            *found = Prefix::SpaceUnlessThere;
            step["add_prefix_space"] = false.into();
        }
        _ => {}
    }
}

/// Marks added tokens shaped like markup as special, so that plain text never gives them.
fn hide_markup(parts: &mut Parts) {
    let Some(tokens) = parts.added_tokens.as_array_mut() else {
        return;
    };
    for token in tokens {
        if token["content"].as_str().is_some_and(is_markup) {
            token["special"] = true.into();
        }
    }
}
