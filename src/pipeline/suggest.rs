//! What a name that means nothing may have been meant for.

use crate::model::hosted::{Prices, nearest_provider};

/// A name that would mean something: a hosted model under its provider, a provider written rightly, or a model of the
/// hub. `None` if nothing is near.
pub(super) fn meant(name: &str) -> Option<String> {
    if let Some(provider) = Prices::built_in().provider_of(name) {
        return Some(format!("{provider}/{name}"));
    }
    let (first, rest) = name.split_once('/')?;
    if let Some(provider) = nearest_provider(first) {
        return Some(format!("{provider}/{rest}"));
    }
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    (is_part(first) && is_part(rest)).then(|| format!("hf:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_a_name_that_means_something() {
        let meant = |name: &str| meant(name).unwrap_or_default();
        assert_eq!(meant("claude-opus-5"), "anthropic/claude-opus-5");
        assert_eq!(meant("opnai/gpt-x"), "openai/gpt-x");
        assert_eq!(meant("Qwen/Qwen3-8B"), "hf:Qwen/Qwen3-8B");
        for nothing in [
            "",
            "nothing",
            "./a/b",
            "a/b/c",
            "/a",
            "models/../x",
            "Org/ä",
        ] {
            assert_eq!(meant(nothing), "", "{nothing}");
        }
    }
}
