//! The command line: arguments to settings, stages to exit codes.

mod again;
mod args;
mod battery;
mod collect;
mod compare;
mod config;
mod diff;
mod doctor;
mod error;
mod import;
mod init;
mod marks;
mod pages;
mod plan;
mod probe;
mod progress;
mod redact;
mod report;
mod schema;
mod screen;
mod screening;
mod seal;
mod serve;
mod settle;
mod tree;
mod validate;
mod verify;
mod view;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Args, Command, Format};
use config::{Config, ConfigError};
use error::CliError;
use screen::{Kind, Screen};

use crate::bundle::Rendering;
use crate::files;
use crate::model::local::trial_asked;
use crate::pipeline::{PipelineError, gates};

/// Sets `RAYON_NUM_THREADS` for this process by starting it anew, once.
///
/// Candle asks for the number of threads at every matrix product, and without the variable it finds out
/// by reading the system's processor files each time: on tiny models that took nine tenths of the time.
/// A process cannot safely change its own environment, so it replaces itself.
#[cfg(unix)]
fn settle_threads() {
    use std::os::unix::process::CommandExt as _;
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if let Ok(program) = std::env::current_exe() {
        // On success this does not return; on failure the work is merely slower.
        let _ = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, threads.to_string())
            .exec();
    }
}

#[cfg(not(unix))]
fn settle_threads() {}

/// Parses the arguments, runs the command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    if let Some(code) = trial_asked() {
        return code;
    }
    let settings = match Config::find() {
        Ok(settings) => settings,
        Err(error) => return ended(&error.into(), false),
    };
    let args = match parsed(settings.as_ref()) {
        Ok(args) => args,
        Err(Unusable::Typed(error)) => return misused(&error),
        Err(Unusable::Settings(error)) => return ended(&error.into(), false),
    };
    settle_threads();
    if let Some(settings) = &settings {
        // A directory that somebody else packed may hold a file of settings: no flag, and nothing in it, silences this.
        let mut stderr = Screen::new(io::stderr().lock(), Kind::Text);
        // Nothing is left to be done when standard error is closed.
        let _ = writeln!(
            stderr,
            "settings are taken from {}",
            settings.path().display()
        );
    }
    panic::set_hook(Box::new(|info| {
        // Nothing is left to be done when standard error is closed.
        let _ = tell_panic(info, &mut Screen::new(io::stderr().lock(), Kind::Text));
    }));
    let mut stdout = Screen::new(io::stdout().lock(), printed(&args));
    let result = match args.command {
        Command::Compare(compare) => compare::run(&compare, &args.common, &mut stdout),
        Command::Screen(screening) => screening::run(&screening, &args.common, &mut stdout),
        Command::Verify(verify) => verify::run(&verify, &args.common, &mut stdout),
        Command::Report(report) => report::run(&report, &args.common, &mut stdout),
        Command::Seal(seal) => seal::run(&seal, &args.common, &mut stdout),
        Command::Redact(redact) => redact::run(&redact, &args.common, &mut stdout),
        Command::Diff(diff) => diff::run(&diff, &args.common, &mut stdout),
        Command::Collect(collect) => collect::run(&collect, &args.common, &mut stdout),
        Command::Import(import) => import::run(&import, &args.common, &mut stdout),
        Command::Marks(marks) => marks::run(&marks, &args.common, &mut stdout),
        Command::Plan(plan) => plan::run(&plan, &args.common, &mut stdout),
        Command::Probe(probe) => probe::run(&probe, &args.common, &mut stdout),
        Command::Battery(battery) => battery::run(&battery, &args.common, &mut stdout),
        Command::Tree(tree) => tree::run(&tree, &args.common, &mut stdout),
        Command::Validate(validate) => validate::run(&validate, &args.common, &mut stdout),
        Command::Serve(serve) => serve::run(&serve, &args.common, &mut stdout),
        Command::View(view) => view::run(&view, &args.common, &mut stdout),
        Command::Schema => schema::run(&mut stdout),
        Command::Init(init) => init::run(&init, &mut stdout),
        Command::Doctor => doctor::run(&args.common, &mut stdout),
        Command::Completions(completions) => pages::completions(&completions, &mut stdout),
        Command::Man(man) => pages::man(&man, &mut stdout),
    };
    match result.and_then(|code| stdout.flush().map(|()| code).map_err(CliError::Output)) {
        Ok(code) => code,
        // A reader that closed the pipe has seen enough.
        Err(CliError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => ended(&error, args.common.json),
    }
}

/// Why there are no arguments.
enum Unusable {
    /// What was typed.
    Typed(Box<clap::Error>),
    /// The file of settings.
    Settings(ConfigError),
}

/// The arguments as typed, with settings behind them.
fn parsed(settings: Option<&Config>) -> Result<Args, Unusable> {
    let command = Args::command();
    let command = match settings {
        Some(settings) => settings.over(command).map_err(Unusable::Settings)?,
        None => command,
    };
    let matches = command.try_get_matches().map_err(Box::new);
    let mut matches = matches.map_err(Unusable::Typed)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|error| Unusable::Typed(Box::new(error)))
}

/// Says what ended the run, as JSON where that was asked for.
fn ended(error: &CliError, json: bool) -> ExitCode {
    let kind = if json { Kind::Json } else { Kind::Text };
    let mut stderr = Screen::new(io::stderr().lock(), kind);
    let said = if json {
        error.print_json(&mut stderr)
    } else {
        error.print(&mut stderr)
    };
    // Nothing is left to be done when standard error is closed as well.
    let _ = said.and_then(|()| stderr.flush());
    error.code()
}

/// What is said of a panic, those included that libraries are guarded against: its words may hold text from outside.
fn tell_panic(info: &PanicHookInfo<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{info}")?;
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        writeln!(out, "{trace}")?;
    }
    out.flush()
}

/// What a command prints on standard output.
fn printed(args: &Args) -> Kind {
    match &args.command {
        Command::Schema => Kind::Json,
        // Scripts of the program's own, which no text from outside is in.
        Command::Completions(_) => Kind::Bytes,
        _ if args.common.json => Kind::Json,
        Command::Report(report) => match report.format {
            Format::Held(Rendering::Json) => Kind::Json,
            Format::Held(_) | Format::Csv | Format::Brief => Kind::Text,
            Format::Pdf => Kind::Bytes,
        },
        _ => Kind::Text,
    }
}

/// Prints help, or what is wrong with the arguments: names among them may come from outside.
fn misused(error: &clap::Error) -> ExitCode {
    let shown = if error.use_stderr() {
        let mut stderr = Screen::new(io::stderr().lock(), Kind::Text);
        write!(stderr, "{}", error.render())
    } else {
        error.print()
    };
    // Nothing is left to be done when the output is closed.
    let _ = shown;
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PipelineError> {
    files::write_whole(path, bytes).map_err(PipelineError::writing(path))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn the_words_of_a_panic_do_nothing_on_a_terminal() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        panic::set_hook(Box::new(move |info| {
            let mut out = Vec::new();
            tell_panic(info, &mut Screen::new(&mut out, Kind::Text)).expect("a vector takes all");
            heard.lock().expect("it is held for a moment").push(out);
        }));
        let caught = panic::catch_unwind(|| panic!("\u{1b}[2Jok  7\u{202e}"));
        drop(panic::take_hook());
        assert!(caught.is_err());
        let said = said.lock().expect("it is held for a moment").concat();
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains("[2Jok  7\u{2039}U+202E\u{203a}"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}
