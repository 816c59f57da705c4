//! What can be wrong with marks.

use std::io;
use std::path::PathBuf;

/// Marks could not be made, read or tested.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    /// A battery without choices.
    #[error("there are no choices: none of the probes asks 'choose'")]
    NoChoices,
    /// An absurd number of choices.
    #[error("there are {found} choices; at most 20,000 can be marked")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A choice is not usable.
    #[error("choice '{id}' {what}")]
    Choice {
        /// Its id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// More prompts were asked for than the templates make.
    #[error("the templates make {most} prompts, and {asked} were asked for")]
    TooManyPrompts {
        /// How many were asked for.
        asked: usize,
        /// How many there can be.
        most: usize,
    },
    /// The templates that ship with the tool cannot be read.
    #[error("the built-in templates cannot be read")]
    Templates(#[source] Box<toml::de::Error>),
    /// A channel's name is not usable.
    #[error(
        "channel '{name}' {what}; a name has 1 to 60 letters, digits, '-', '_' and '.', begins with a letter or digit, and stands once"
    )]
    Channel {
        /// The name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The marks have no such channel.
    #[error("the marks have no channel '{name}'; they have {known}")]
    NoChannel {
        /// The name asked for.
        name: String,
        /// The channels that there are.
        known: String,
    },
    /// A level that is no probability, or would convince nobody.
    #[error("the level {level} is not above 0 and at most 0.001")]
    Level {
        /// The level.
        level: f64,
    },
    /// A file could not be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("'{}' has {bytes} bytes; at most {limit} are read", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file is not of its form.
    #[error("'{}' is not of the form that it should have", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file has been written otherwise than this tool writes it.
    #[error("'{}' says the same in other bytes than the tool writes", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// A key file holds no key.
    #[error("'{}' holds no key: 64 lower-case hexadecimal digits and a line feed", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
    },
    /// Something is in the way.
    #[error("'{}' is there already; marks and tests are written into a new directory", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// A form of another version.
    #[error("the commitment has format {found}; this version reads format {expected}")]
    Format {
        /// The format found.
        found: u32,
        /// The format that is read.
        expected: u32,
    },
    /// A rule that this version does not know.
    #[error("the commitment names the rule '{found}'; this version knows '{expected}'")]
    Rule {
        /// The rule found.
        found: String,
        /// The rule that is known.
        expected: &'static str,
    },
    /// What is opened is not what was committed to.
    #[error("what is opened is not what was committed to: {what}")]
    Opening {
        /// What is wrong.
        what: String,
    },
    /// What a test wrote does not follow from its evidence.
    #[error("'{file}' is not what follows from the commitment, the keys and the answers")]
    Outcome {
        /// The file.
        file: &'static str,
    },
    /// A file stands where none should.
    #[error("'{file}' belongs to no test of marks")]
    Foreign {
        /// The file.
        file: String,
    },
    /// The recording of a case has none of the prompts.
    #[error("none of the {choices} prompts is in the recording, by their words")]
    NotAsked {
        /// How many prompts there are.
        choices: usize,
    },
}
