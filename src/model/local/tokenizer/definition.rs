//! A tokenizer defined by the JSON of a `tokenizer.json`, run by the `tokenizers` library.
//!
//! The definition is untrusted: its size and its highest id are limited before anything is built,
//! and the library is called behind [`guard`].

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde_json::Value;

use super::{
    Reading, Start,
    error::TokenizerError,
    growth::Growth,
    vocabulary::{Kind, MAX_TOKENS, Speller, Spelling, Vocabulary, byte_token, is_markup},
};

/// Runs library code that may panic on a hostile definition (it indexes and unwraps freely) and
/// turns a panic into an error, so that a model's files cannot end the run.
fn guard<T>(step: &'static str, run: impl FnOnce() -> T) -> Result<T, TokenizerError> {
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

/// The library's tokenizers for the ways in which a text is read.
pub(super) struct Engine {
    /// Control tokens stay text, nothing is put in front.
    plain: tokenizers::Tokenizer,
    /// Control tokens are read, the definition's own prefix applies.
    markup: tokenizers::Tokenizer,
    /// Control tokens are read, nothing is put in front; absent when `markup` does the same.
    markup_inside: Option<tokenizers::Tokenizer>,
    prefix: Prefix,
    unknown: Option<u32>,
    growth: Growth,
}

impl Engine {
    /// Builds the engine and the vocabulary from a definition that came from `path`.
    pub(super) fn build(
        mut definition: Value,
        path: &Path,
    ) -> Result<(Self, Vocabulary), TokenizerError> {
        settle(&mut definition);
        let growth = Growth::of(&definition);
        growth.check_added(&definition)?;
        let spelling = spelling(&definition, path)?;
        let markup = parse(&definition, path)?;
        let (vocabulary, unknown) = read_vocabulary(&definition, &markup, spelling, path)?;

        let prefix = strip_prefix(&mut definition);
        let markup_inside = match prefix {
            Prefix::Nothing => None,
            _ => Some(parse(&definition, path)?),
        };
        hide_markup(&mut definition);
        let mut plain = parse(&definition, path)?;
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

fn parse(definition: &Value, path: &Path) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let bytes = serde_json::to_vec(definition).map_err(|source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    })?;
    guard("build a tokenizer", || {
        tokenizers::Tokenizer::from_bytes(&bytes)
    })?
    .map_err(|source| TokenizerError::Build {
        path: path.to_owned(),
        source,
    })
}

/// Removes what would cut, pad or randomise a text: none of it belongs to how a model reads.
fn settle(definition: &mut Value) {
    for key in ["truncation", "padding"] {
        definition[key] = Value::Null;
    }
    if let Some(model) = definition.get_mut("model").and_then(Value::as_object_mut) {
        model.insert("dropout".into(), Value::Null);
    }
}

fn spelling(definition: &Value, path: &Path) -> Result<Spelling, TokenizerError> {
    let steps: Vec<_> = ["normalizer", "pre_tokenizer", "decoder"]
        .iter()
        .flat_map(|part| steps(&definition[*part]))
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
        kind: definition["model"]["type"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned(),
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
    definition: &Value,
    tokenizer: &tokenizers::Tokenizer,
    spelling: Spelling,
    path: &Path,
) -> Result<(Vocabulary, Option<u32>), TokenizerError> {
    let byte_fallback = definition["model"]["byte_fallback"] == Value::Bool(true);
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
    let unknown = unknown_token(definition, tokenizer);
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
    Ok((vocabulary, unknown))
}

fn unknown_token(definition: &Value, tokenizer: &tokenizers::Tokenizer) -> Option<u32> {
    let model = &definition["model"];
    match model["unk_token"].as_str() {
        Some(text) => tokenizer.token_to_id(text),
        None => model["unk_id"]
            .as_u64()
            .and_then(|id| u32::try_from(id).ok()),
    }
}

/// Removes the step that puts a space before a text, and says which it was.
fn strip_prefix(definition: &mut Value) -> Prefix {
    let mut found = Prefix::Nothing;
    strip_step(&mut definition["normalizer"], &mut found);
    strip_step(&mut definition["pre_tokenizer"], &mut found);
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
fn hide_markup(definition: &mut Value) {
    let Some(tokens) = definition["added_tokens"].as_array_mut() else {
        return;
    };
    for token in tokens {
        if token["content"].as_str().is_some_and(is_markup) {
            token["special"] = true.into();
        }
    }
}
