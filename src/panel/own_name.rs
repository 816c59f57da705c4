//! The name that a model brings along: what its report calls it.

use std::collections::BTreeSet;

/// Names of files that say nothing about the model in them.
const SAYS_NOTHING: [&str; 4] = ["model", "pytorch_model", "consolidated", "weights"];

/// The last part of a model's place that says something, told apart from the names that are taken.
///
/// `models/family/wordnet-1` is `wordnet-1`, `hf:Org/Name` is `Name`, `openai/gpt-x` is `gpt-x` and `a/model.gguf` is
/// `a`. A name that is taken already gets a number.
pub(crate) fn own_name(model: &str, taken: &BTreeSet<String>) -> String {
    let parts = model.split(['/', '\\']).rev();
    let mut named = parts.filter(|part| !matches!(*part, "" | "." | ".."));
    let last = named.next().unwrap_or(model);
    let stem = match last.rsplit_once('.') {
        Some((stem, "gguf" | "safetensors" | "bin" | "json")) if !stem.is_empty() => stem,
        _ => last,
    };
    let name = if SAYS_NOTHING.contains(&stem) {
        named.next().unwrap_or(stem)
    } else {
        stem
    };
    let name = name.strip_prefix("hf:").unwrap_or(name);
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_what_its_place_ends_with() {
        for (model, name) in [
            ("models/family/wordnet-1", "wordnet-1"),
            ("models/family/wordnet-1/", "wordnet-1"),
            ("./copy", "copy"),
            ("hf:Org/Name", "Name"),
            ("hf:gpt2", "gpt2"),
            ("openai/gpt-x.1", "gpt-x.1"),
            ("a/tiny-Q4_1.gguf", "tiny-Q4_1"),
            ("a/model.gguf", "a"),
            ("model.gguf", "model"),
            ("a/b/model/", "b"),
            ("..", ".."),
            ("", ""),
        ] {
            assert_eq!(own_name(model, &BTreeSet::new()), name, "{model}");
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let taken = ["a".to_owned(), "a-2".to_owned()].into();
        assert_eq!(own_name("x/a", &taken), "a-3");
    }
}
