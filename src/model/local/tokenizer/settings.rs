//! What the small files beside a `tokenizer.json` say: begin and end tokens, the chat template.

use std::{fs::File, io::Read, path::Path};

use serde_json::Value;

use super::error::TokenizerError;

/// More than any of the small files has.
const SMALL_FILE: u64 = 16 << 20;

/// Special tokens and the chat template, as declared.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) bos: Declared,
    pub(super) end_texts: Vec<String>,
    pub(super) end_ids: Vec<u32>,
    pub(super) eos_text: Option<String>,
    pub(super) add_bos: Option<bool>,
    pub(super) chat_template: Option<String>,
}

/// How the begin token was declared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Declared {
    /// No file speaks of it.
    #[default]
    Unsaid,
    /// A file says that there is none.
    None,
    Text(String),
    Id(u32),
}

impl Settings {
    /// Reads whatever of the usual files is there.
    pub(super) fn read(directory: &Path) -> Result<Self, TokenizerError> {
        let mut settings = Self::default();
        // The first that speaks decides.
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            if let Some(file) = read_json(&directory.join(name))? {
                settings.add_tokenizer_file(&file);
            }
        }
        for name in ["generation_config.json", "config.json"] {
            if let Some(file) = read_json(&directory.join(name))? {
                settings.add_model_file(&file);
            }
        }
        if let Some(template) = read_text(&directory.join("chat_template.jinja"), SMALL_FILE)? {
            settings.chat_template = Some(template);
        }
        Ok(settings)
    }

    fn add_tokenizer_file(&mut self, file: &Value) {
        if self.bos == Declared::Unsaid {
            self.bos = match file.get("bos_token") {
                Some(Value::Null) => Declared::None,
                Some(token) => token_text(token).map_or(Declared::Unsaid, Declared::Text),
                None => Declared::Unsaid,
            };
        }
        for key in ["eos_token", "eot_token"] {
            if let Some(text) = file.get(key).and_then(token_text) {
                if key == "eos_token" && self.eos_text.is_none() {
                    self.eos_text = Some(text.clone());
                }
                self.end_texts.push(text);
            }
        }
        if self.add_bos.is_none() {
            self.add_bos = file["add_bos_token"].as_bool();
        }
        if self.chat_template.is_none() {
            self.chat_template = template_source(&file["chat_template"]);
        }
    }

    fn add_model_file(&mut self, file: &Value) {
        for file in [file, &file["text_config"]] {
            if self.bos == Declared::Unsaid
                && let Some(id) = token_id(&file["bos_token_id"])
            {
                self.bos = Declared::Id(id);
            }
            match &file["eos_token_id"] {
                Value::Array(ids) => self.end_ids.extend(ids.iter().filter_map(token_id)),
                id => self.end_ids.extend(token_id(id)),
            }
        }
    }
}

fn token_id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// A token is written as a string or as an object with its content.
fn token_text(token: &Value) -> Option<String> {
    let text = token.as_str().or_else(|| token["content"].as_str())?;
    Some(text.to_owned())
}

/// A template is a string or a list of named ones, of which `default` is the chat form.
fn template_source(value: &Value) -> Option<String> {
    let source = match value {
        Value::Array(list) => list
            .iter()
            .find(|entry| entry["name"] == "default")
            .and_then(|entry| entry["template"].as_str()),
        other => other.as_str(),
    }?;
    Some(source.to_owned())
}

/// Reads a JSON file, `None` when it is not there.
fn read_json(path: &Path) -> Result<Option<Value>, TokenizerError> {
    let Some(text) = read_text(path, SMALL_FILE)? else {
        return Ok(None);
    };
    parse_json(&text, path).map(Some)
}

pub(super) fn parse_json(text: &str, path: &Path) -> Result<Value, TokenizerError> {
    serde_json::from_str(text).map_err(|source| TokenizerError::Json {
        path: path.to_owned(),
        source,
    })
}

/// Reads a text file of at most `limit` bytes, `None` when it is not there.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<Option<String>, TokenizerError> {
    let read = |source| TokenizerError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let mut text = String::new();
    let count = file
        .take(limit + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    if count as u64 > limit {
        return Err(TokenizerError::FileTooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[(&str, &str)]) -> Settings {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Settings::read(directory.path()).unwrap()
    }

    #[test]
    fn every_file_adds_its_end_tokens() {
        let found = settings(&[
            (
                "tokenizer_config.json",
                r#"{"bos_token":null,"eos_token":{"content":"<e>"},"add_bos_token":false,
                    "chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#,
            ),
            (
                "special_tokens_map.json",
                r#"{"bos_token":"<late>","eos_token":"<e>"}"#,
            ),
            ("generation_config.json", r#"{"eos_token_id":[7,8]}"#),
            (
                "config.json",
                r#"{"bos_token_id":1,"text_config":{"eos_token_id":9}}"#,
            ),
        ]);
        assert_eq!(found.end_ids, [7, 8, 9]);
        assert_eq!(found.end_texts, ["<e>", "<e>"]);
        assert_eq!(found.eos_text.as_deref(), Some("<e>"));
        assert_eq!(found.add_bos, Some(false));
        assert_eq!(found.chat_template.as_deref(), Some("d"));
        // A stated null is a statement: it is not filled in from elsewhere.
        assert_eq!(found.bos, Declared::None);
    }

    #[test]
    fn a_template_file_beats_the_configuration() {
        let found = settings(&[
            ("tokenizer_config.json", r#"{"chat_template":"old"}"#),
            ("chat_template.jinja", "new"),
        ]);
        assert_eq!(found.chat_template.as_deref(), Some("new"));
    }

    #[test]
    fn oversized_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert!(matches!(
            read_text(&path, 4),
            Err(TokenizerError::FileTooLarge { limit: 4, .. })
        ));
        assert_eq!(read_text(&path, 5).unwrap().as_deref(), Some("12345"));
    }
}
