//! A process of its own that loads a file first.
//!
//! llama.cpp ends the process where a file breaks one of its assumptions, and says why only on standard error. So the
//! program starts itself anew with [`ASK`], lets that process load the file and run one token, and reads what it says.
//! What happens there happens again here, except for what depends on memory or on the time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

use super::engine::Engine;
use super::session::{Session, rows};
use crate::model::local::error::LocalError;

/// The first argument of the process.
const ASK: &str = "llamacpp-trial";
/// How much of what it says is read.
const MOST: usize = 256 << 10;
/// How much of that is passed on.
const WORDS: usize = 240;

/// Does the trial if that is what the process was started for: a program whose models may be tried calls this first.
pub fn trial_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ASK {
        return None;
    }
    let layers = arguments.next()?.to_str()?.parse().ok()?;
    let path = PathBuf::from(arguments.next()?);
    Some(match run(&path, layers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn run(path: &Path, gpu_layers: u32) -> Result<(), LocalError> {
    let engine = Engine::load_file(path, gpu_layers, true)?;
    let mut session = Session::new(&engine, 64, 2)?;
    let row: Vec<_> = rows(&[0], 0, 0, |_| true).collect();
    session.run(&row, &mut |_, _| {})
}

/// What was loaded so without a fault.
static SOUND: Mutex<BTreeSet<(PathBuf, u32)>> = Mutex::new(BTreeSet::new());

/// Has a process of its own load a file, once.
pub(super) fn load_elsewhere(path: &Path, gpu_layers: u32) -> Result<(), LocalError> {
    let key = (path.to_owned(), gpu_layers);
    let mut sound = SOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if !sound.contains(&key) {
        load_now(path, gpu_layers)?;
        sound.insert(key);
    }
    Ok(())
}

fn load_now(path: &Path, gpu_layers: u32) -> Result<(), LocalError> {
    let failed = |source| LocalError::Read {
        path: path.to_owned(),
        source,
    };
    let program = std::env::current_exe().map_err(failed)?;
    let arguments = [ASK.into(), OsString::from(gpu_layers.to_string())];
    let mut child = Command::new(program)
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = Vec::new();
    if let Some(mut stream) = child.stderr.take() {
        let mut piece = [0; 4096];
        // All is read, so that the process never waits for room; the end is kept.
        while let Ok(count) = stream.read(&mut piece) {
            if count == 0 {
                break;
            }
            said.extend_from_slice(&piece[..count]);
            if said.len() > 2 * MOST {
                said.drain(..said.len() - MOST);
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(LocalError::LlamaCpp {
        step: "load the file",
        what: cause(&String::from_utf8_lossy(&said)).unwrap_or_else(|| status.to_string()),
    })
}

/// The line that says why, without what a terminal would take for commands: names from the file may be in it.
fn cause(said: &str) -> Option<String> {
    let tells = |line: &&str| {
        ["error", "assert", "failed", "abort", "what():"]
            .iter()
            .any(|word| line.to_ascii_lowercase().contains(word))
    };
    // The first names the fault, and those behind it what could not be done therefore.
    let line = said.lines().find(tells)?;
    let plain: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(WORDS)
        .collect();
    Some(plain.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_first_line_that_tells_one() {
        let said =
            "loading\nload: error loading model: missing tensor '\u{1b}[31mx'\nfailed to load\n";
        assert_eq!(
            cause(said).unwrap(),
            "load: error loading model: missing tensor '[31mx'"
        );
        assert_eq!(cause("all well\n"), None);
    }
}
