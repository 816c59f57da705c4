//! What tokens cost: a dated table with its sources, which a file of the user's overrides.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::HostedError;

const BUILT_IN: &str = include_str!("prices.toml");

/// The price of one model, or of all whose names begin alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The provider, as in the endpoint's name.
    pub provider: String,
    /// The model's name, to which a date may be added; with a `*` at its end, the beginning of names.
    pub model: String,
    /// USD for a million tokens read.
    pub input: f64,
    /// USD for a million tokens written, hidden ones included.
    pub output: f64,
    /// The day on which the source said so.
    pub as_of: String,
    /// Where it is said.
    pub source: String,
}

impl Price {
    /// USD for so many tokens.
    pub fn cost(&self, prompt: u64, completion: u64) -> f64 {
        (prompt as f64 * self.input + completion as f64 * self.output) / 1e6
    }

    /// How closely this price is about a model: not at all, or the length of what agrees.
    fn fit(&self, provider: &str, model: &str) -> Option<usize> {
        if self.provider != provider {
            return None;
        }
        if let Some(start) = self.model.strip_suffix('*') {
            return model.starts_with(start).then_some(start.len());
        }
        let rest = model.strip_prefix(self.model.as_str())?;
        (rest.is_empty() || is_date(rest)).then_some(usize::MAX)
    }
}

/// Whether `-2026-04-01` or `-20260401`: a version of the same model, at the same price.
fn is_date(rest: &str) -> bool {
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    rest.starts_with('-') && digits == 8 && rest.chars().all(|c| c == '-' || c.is_ascii_digit())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Price>,
}

/// Prices of models, most trusted table first.
#[derive(Debug, Clone)]
pub struct Prices {
    tables: Vec<Vec<Price>>,
}

impl Prices {
    /// The prices that come with this version.
    ///
    /// # Panics
    ///
    /// Never: a test reads the table.
    pub fn built_in() -> Self {
        match parse(Path::new("prices.toml"), BUILT_IN) {
            Ok(table) => Self {
                tables: vec![table],
            },
            Err(error) => unreachable!("a test reads the table: {error}"),
        }
    }

    /// Puts the prices of a file before those known so far.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds something else.
    pub fn with_file(mut self, path: &Path) -> Result<Self, HostedError> {
        let text = fs::read_to_string(path).map_err(|source| HostedError::PriceFile {
            path: path.to_owned(),
            source,
        })?;
        self.tables.insert(0, parse(path, &text)?);
        Ok(self)
    }

    /// The provider of a model of this very name; `None` if no price is known of one.
    pub fn provider_of(&self, model: &str) -> Option<&str> {
        let mut prices = self.tables.iter().flatten();
        let price = prices.find(|price| price.model == model)?;
        Some(&price.provider)
    }

    /// The price that is about a model most closely; `None` if none is known.
    pub fn of(&self, provider: &str, model: &str) -> Option<&Price> {
        self.tables.iter().find_map(|table| {
            let fits = |price: &&Price| price.fit(provider, model);
            table
                .iter()
                .filter(|price| fits(price).is_some())
                .max_by_key(fits)
        })
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Price>, HostedError> {
    let path = || PathBuf::from(path);
    let file: File = toml::from_str(text).map_err(|source| HostedError::PriceForm {
        path: path(),
        source,
    })?;
    let usable = |usd: f64| usd.is_finite() && usd >= 0.0;
    match file
        .price
        .iter()
        .find(|p| !usable(p.input) || !usable(p.output))
    {
        Some(price) => Err(HostedError::PriceValue {
            path: path(),
            model: price.model.clone(),
        }),
        None => Ok(file.price),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_price_has_a_day_and_a_source() {
        let prices = Prices::built_in();
        assert!(!prices.tables[0].is_empty());
        for price in &prices.tables[0] {
            let day: Vec<&str> = price.as_of.split('-').collect();
            assert_eq!(day.iter().map(|d| d.len()).collect::<Vec<_>>(), [4, 2, 2]);
            assert!(price.source.starts_with("https://"), "{price:?}");
            assert!(price.output >= price.input, "{price:?}");
        }
    }

    #[test]
    fn the_closest_name_wins_and_the_users_file_before_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prices.toml");
        let entry = |model: &str, input: u32| {
            format!(
                "[[price]]\nprovider = \"anthropic\"\nmodel = \"{model}\"\ninput = {input}\noutput = 9\nas_of = \"2026-01-01\"\nsource = \"contract\"\n"
            )
        };
        fs::write(
            &path,
            entry("claude*", 1) + &entry("claude-x*", 2) + &entry("claude-x-1", 3),
        )
        .unwrap();
        let prices = Prices::built_in().with_file(&path).unwrap();
        let input = |model| prices.of("anthropic", model).unwrap().input.to_string();
        assert_eq!(
            ["claude-y", "claude-x-2", "claude-x-1", "claude-opus-5"].map(input),
            ["1", "2", "3", "1"]
        );
        assert!(prices.of("elsewhere", "claude-x-1").is_none());
    }

    #[test]
    fn a_date_is_a_version_and_anything_else_another_model() {
        let prices = Prices::built_in();
        let known = |model| prices.of("openai", model).is_some();
        assert!(known("gpt-5.4") && known("gpt-5.4-2026-03-05") && known("gpt-5.4-20260305"));
        assert!(!known("gpt-5.4-pro") && !known("gpt-5.45") && !known("gpt-5.4-2"));
    }

    #[test]
    fn a_million_tokens_cost_what_is_written() {
        let price = Prices::built_in().of("anthropic", "claude-opus-5").cloned();
        let price = price.unwrap();
        assert!((price.cost(1_000_000, 1_000_000) - price.input - price.output).abs() < 1e-12);
    }

    #[test]
    fn a_price_that_is_none_is_refused() {
        for (text, form) in [
            (
                "[[price]]\nprovider = \"a\"\nmodel = \"b\"\ninput = -1\noutput = 1\nas_of = \"\"\nsource = \"\"",
                false,
            ),
            (
                "[[price]]\nprovider = \"a\"\nmodel = \"b\"\ninput = nan\noutput = 1\nas_of = \"\"\nsource = \"\"",
                false,
            ),
            ("[[price]]\nprovider = \"a\"\nmodel = \"b\"", true),
            ("prices = 1", true),
        ] {
            match parse(Path::new("p"), text) {
                Err(HostedError::PriceForm { .. }) => assert!(form, "{text}"),
                Err(HostedError::PriceValue { .. }) => assert!(!form, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
