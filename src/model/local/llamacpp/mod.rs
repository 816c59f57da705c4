//! llama.cpp as an engine, for GGUF files that the own decoder does not know, or where the user asks for it.
//!
//! It gives logits and nothing else: prompts are rendered, texts are cut into tokens and tokens are drawn as for the own
//! decoder, so a model has the same abilities either way. What it is built for is a cargo feature, `llamacpp`.
//!
//! | part | its concern |
//! | --- | --- |
//! | `header`, `formats` | a file's header, read and checked before llama.cpp sees the file |
//! | `engine` | loading, and what a context takes |
//! | `session` | a context: rows of tokens in, rows of logits out |
//! | `reading`, `passages`, `writing` | probabilities of texts, distributions at positions, samples |
//! | `vocabulary` | llama.cpp's own tokenizer, where a file's is not known here |
//! | `trial` | a process of its own that loads the file first, because llama.cpp ends the process on some files |
//! | `disabled` | a refusal, without the feature |
//!
//! Files are mapped by llama.cpp, not copied. Keys and values are f32 and attention is not fused, so that what is rounded
//! are the inputs of products with quantised or half weights alone; threads and the shapes of batches follow from the
//! questions, so the same questions have the same answers.

#[cfg(feature = "llamacpp")]
mod engine;
#[cfg(feature = "llamacpp")]
mod formats;
#[cfg(feature = "llamacpp")]
mod header;
#[cfg(feature = "llamacpp")]
mod passages;
#[cfg(feature = "llamacpp")]
mod reading;
#[cfg(feature = "llamacpp")]
mod session;
#[cfg(feature = "llamacpp")]
mod trial;
#[cfg(feature = "llamacpp")]
mod vocabulary;
#[cfg(feature = "llamacpp")]
mod writing;

#[cfg(not(feature = "llamacpp"))]
mod disabled;

#[cfg(not(feature = "llamacpp"))]
pub use disabled::trial_asked;
#[cfg(not(feature = "llamacpp"))]
pub(super) use disabled::{BUILT, Engine, Gguf, Vocabulary};
#[cfg(feature = "llamacpp")]
pub use trial::trial_asked;
#[cfg(feature = "llamacpp")]
pub(super) use {
    engine::{BUILT, Engine},
    header::Gguf,
    vocabulary::Vocabulary,
};
