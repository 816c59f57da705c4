//! Settings from a file: flags go before the environment, that before the file, and the file before the defaults.
//!
//! A table of the file has the name of a command, its keys those of the command's long flags:
//!
//! ```toml
//! [compare]
//! samples = 16
//! controls = ["panel.toml"]
//! strict = true
//!
//! [marks.test]
//! channel = "api"
//! ```
//!
//! The file is the one that `PARENTAGE_CONFIG` names, or `parentage.toml` in the working directory. It is read into the
//! defaults of clap's own description of the commands, so that a value means there what it means as a flag.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

/// The file that is looked for.
pub(super) const FILE: &str = "parentage.toml";
/// The variable that names another.
pub(super) const VARIABLE: &str = "PARENTAGE_CONFIG";
/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("cannot read the settings '{}'", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the settings '{}' are longer than {MOST_BYTES} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error("the settings '{}' are not TOML", path.display())]
    Form {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("the settings '{}' name a command that there is not: '{command}'", path.display())]
    Command { path: PathBuf, command: String },
    #[error("the settings '{}' have '{key}' under '{command}', which has no flag --{key}", path.display())]
    Flag {
        path: PathBuf,
        command: String,
        key: String,
    },
    #[error("the settings '{}' have a value of '{key}' under '{command}' that no flag takes: {found}", path.display())]
    Value {
        path: PathBuf,
        command: String,
        key: String,
        found: &'static str,
    },
}

/// Settings that were read.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    table: Table,
}

impl Config {
    /// The settings of this run; `None` if there is no file.
    pub(super) fn find() -> Result<Option<Self>, ConfigError> {
        match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Self::read(Path::new(&path)).map(Some),
            None if Path::new(FILE).is_file() => Self::read(Path::new(FILE)).map(Some),
            None => Ok(None),
        }
    }

    /// Where they stand.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MOST_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > MOST_BYTES {
            return Err(ConfigError::TooLong {
                path: path.to_owned(),
            });
        }
        let table = toml::from_str(&text).map_err(|source| ConfigError::Form {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }

    /// The commands with the settings as their defaults.
    pub(super) fn over(&self, program: Command) -> Result<Command, ConfigError> {
        self.apply(program, "", &self.table)
    }

    fn apply(
        &self,
        mut command: Command,
        name: &str,
        table: &Table,
    ) -> Result<Command, ConfigError> {
        for (key, value) in table {
            let inner = match value {
                Value::Table(inner) => Some(inner),
                _ => None,
            };
            if let Some(inner) = inner {
                let whole = format!("{name} {key}").trim_start().to_owned();
                if command.find_subcommand(key).is_none() {
                    return Err(ConfigError::Command {
                        path: self.path.clone(),
                        command: whole,
                    });
                }
                let mut failed = None;
                command = command.mut_subcommand(key, |sub| {
                    let blank = sub.clone();
                    self.apply(sub, &whole, inner).unwrap_or_else(|error| {
                        failed = Some(error);
                        blank
                    })
                });
                match failed {
                    Some(error) => return Err(error),
                    None => continue,
                }
            }
            let flag = command.get_arguments().find(|a| a.get_long() == Some(key));
            let flag = flag.ok_or_else(|| ConfigError::Flag {
                path: self.path.clone(),
                command: name.to_owned(),
                key: key.clone(),
            })?;
            let id = flag.get_id().clone();
            let switch = is_switch(flag);
            let values = texts(value, switch).map_err(|found| ConfigError::Value {
                path: self.path.clone(),
                command: name.to_owned(),
                key: key.clone(),
                found,
            })?;
            command = command.mut_arg(id, |arg| {
                let arg = arg.required(false);
                // A switch that is off is one that is not given.
                if values.is_empty() {
                    arg
                } else {
                    arg.default_values(values)
                }
            });
        }
        Ok(command)
    }
}

/// Whether a flag takes no value.
fn is_switch(flag: &Arg) -> bool {
    matches!(flag.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// A value as it would be typed.
fn texts(value: &Value, switch: bool) -> Result<Vec<OsString>, &'static str> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(_) => Err("true and false are for flags without a value"),
        Value::Datetime(_) => Err("a date that is not between quotes"),
        Value::Array(_) | Value::Table(_) => Err("a list in a list"),
    };
    match (value, switch) {
        (Value::Boolean(true), true) => Ok(vec!["true".into()]),
        (Value::Boolean(false), true) => Ok(Vec::new()),
        (_, true) => Err("a flag without a value is true or false"),
        (Value::Array(values), false) => values.iter().map(|v| one(v).map(Into::into)).collect(),
        (value, false) => one(value).map(|text| vec![text.into()]),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::super::args::{Args, Command as Given};
    use super::*;

    fn config(text: &str) -> Config {
        Config {
            path: PathBuf::from(FILE),
            table: toml::from_str(text).unwrap(),
        }
    }

    fn parsed(text: &str, typed: &[&str]) -> Args {
        let command = config(text).over(Args::command()).unwrap();
        let typed = std::iter::once("parentage").chain(typed.iter().copied());
        let matches = command.try_get_matches_from(typed).unwrap();
        Args::from_arg_matches(&matches).unwrap()
    }

    const FULL: &str = r#"
        quiet = true
        [compare]
        protected = "a"
        controls = ["x.toml", "y.toml"]
        samples = 4
        strict = true
        [collect]
        samples = 9
    "#;

    #[test]
    fn the_file_stands_behind_flags_and_before_defaults() {
        let args = parsed(FULL, &["compare", "--suspect", "b", "--samples", "7"]);
        assert!(args.common.quiet);
        let Given::Compare(compare) = args.command else {
            panic!("{:?}", args.command);
        };
        let request = compare.request();
        // A required flag may stand in the file.
        assert_eq!(request.named.protected, "a");
        assert_eq!((request.asking.samples, request.strict), (7, true));
        assert_eq!(request.controls.len(), 2);
        let Given::Collect(collect) = parsed(FULL, &["collect", "m", "--out", "o"]).command else {
            panic!("another command");
        };
        assert_eq!(collect.request().asking.samples, 9);
        let typed = ["compare", "--suspect", "b", "--controls", "z.toml"];
        let Given::Compare(compare) = parsed(FULL, &typed).command else {
            panic!("another command");
        };
        assert_eq!(compare.request().controls.len(), 1);
    }

    #[test]
    fn what_means_nothing_is_named() {
        let wrong = |text: &str| {
            let error = config(text).over(Args::command()).unwrap_err();
            error.to_string()
        };
        assert!(wrong("[compair]\nsamples = 1").contains("'compair'"));
        assert!(wrong("[compare]\nsample = 1").contains("no flag --sample"));
        assert!(wrong("[compare]\nstrict = \"yes\"").contains("true or false"));
        assert!(wrong("[compare]\nsamples = true").contains("without a value"));
        assert!(wrong("[marks.tset]\nchannel = \"a\"").contains("'marks tset'"));
        // What has the wrong form for its flag is clap's to say.
        let command = config("[compare]\nsamples = \"many\"").over(Args::command());
        let typed = ["parentage", "compare", "--protected", "a", "--suspect", "b"];
        let error = command.unwrap().try_get_matches_from(typed).unwrap_err();
        assert!(error.to_string().contains("--samples"), "{error}");
    }

    #[test]
    fn a_switch_that_is_off_is_not_given() {
        let text = "[compare]\nprotected = \"a\"\nsuspect = \"b\"\nstrict = false";
        let Given::Compare(compare) = parsed(text, &["compare"]).command else {
            panic!("another command");
        };
        assert!(!compare.request().strict);
    }
}
