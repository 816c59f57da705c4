//! Which providers and servers this machine could ask, for who looks for what is missing.

use super::Provider;
use super::providers::PROVIDERS;

/// A provider or a kind of server, as the environment has it. No key is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// What stands before the first slash of an endpoint's name.
    pub name: &'static str,
    /// The address; `None` if nothing says it.
    pub url: Option<String>,
    /// Whether it usually runs on one's own machine and needs no key.
    pub local: bool,
    /// The variable that holds a key or names its file; `None` if none is set.
    pub key: Option<String>,
    /// The variables that could.
    pub variables: Vec<String>,
}

/// All of them.
pub fn survey(env: &dyn Fn(&str) -> Option<String>) -> Vec<Surveyed> {
    let is_set = |variable: &String| env(variable).is_some_and(|value| !value.trim().is_empty());
    let surveyed = |provider: &Provider| {
        let named = |ending: &str| -> Vec<String> {
            let stems = provider.stems.iter();
            stems.map(|stem| format!("{stem}_{ending}")).collect()
        };
        let variables = [named("API_KEY"), named("API_KEY_FILE")].concat();
        let given = named("BASE_URL").into_iter().find(is_set);
        Surveyed {
            name: provider.name,
            url: given
                .and_then(|variable| env(&variable))
                .or_else(|| provider.url.map(str::to_owned)),
            local: provider.local,
            key: variables.iter().find(|v| is_set(v)).cloned(),
            variables,
        }
    };
    PROVIDERS.iter().map(surveyed).collect()
}

/// The provider whose name a word is at most two edits from, if it is none itself; `None` if there is none.
pub fn nearest_provider(word: &str) -> Option<&'static str> {
    const EDITS: usize = 2;
    let names = PROVIDERS.iter().map(|provider| provider.name);
    let near = names.map(|name| (strsim::damerau_levenshtein(name, word), name));
    let (edits, name) = near.min()?;
    // A short word is near to everything.
    ((1..=EDITS).contains(&edits) && word.len() > 2 * EDITS).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_told_without_the_key() {
        let env = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-secret".to_owned()),
            "VLLM_BASE_URL" => Some("http://127.0.0.1:9".to_owned()),
            "XAI_API_KEY" => Some("  ".to_owned()),
            _ => None,
        };
        let found = survey(&env);
        let of = |name: &str| found.iter().find(|s| s.name == name).unwrap();
        assert_eq!(of("openai").key.as_deref(), Some("OPENAI_API_KEY"));
        assert_eq!(of("xai").key, None);
        assert_eq!(of("vllm").url.as_deref(), Some("http://127.0.0.1:9"));
        assert!(of("vllm").local && !of("openai").local);
        assert!(!format!("{found:?}").contains("sk-secret"));
    }

    #[test]
    fn a_provider_is_near_a_word_that_is_nearly_its_name() {
        assert_eq!(nearest_provider("opnai"), Some("openai"));
        assert_eq!(nearest_provider("antropic"), Some("anthropic"));
        assert_eq!(nearest_provider("openai"), None);
        assert_eq!(nearest_provider("xa"), None);
        assert_eq!(nearest_provider("Qwen"), None);
    }
}
