//! The whole family: what is missing, in order of descent, several at a time.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::recipe::{Entry, Lineage};
use crate::{Options, Outcome, data};

/// What decides whether a finished model is the one asked for.
#[derive(Deserialize)]
struct Finished {
    recipe_sha256: String,
}

/// Trains every model that is asked for and not yet there.
pub(crate) fn family(options: &Options, lineage: &Lineage, log: &mut impl Write) -> Outcome<()> {
    fs::create_dir_all(&options.out)?;
    copy_lineage(options)?;
    let mut ready = HashSet::new();
    let mut waiting = Vec::new();
    for entry in &lineage.models {
        if is_finished(options, entry)? {
            ready.insert(entry.id.as_str());
        } else if options.only.is_empty() || options.only.contains(&entry.id) {
            waiting.push(entry);
        }
    }
    for id in &options.only {
        lineage.entry(id)?;
    }
    writeln!(
        log,
        "{} models there, {} to make",
        ready.len(),
        waiting.len()
    )?;
    // Made here once, so that the workers need not race for them.
    for course in waiting.iter().filter_map(|entry| entry.recipe.course()) {
        data::tokenizer(course.tokenizer, &options.data)?;
    }
    let mut running: Vec<(&Entry, Child)> = Vec::new();
    let result = run(options, &mut ready, &mut waiting, &mut running, log);
    for (_, child) in &mut running {
        // Only after a failure is anything still running; its half-made model is of no use.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

fn run<'a>(
    options: &Options,
    ready: &mut HashSet<&'a str>,
    waiting: &mut Vec<&'a Entry>,
    running: &mut Vec<(&'a Entry, Child)>,
    log: &mut impl Write,
) -> Outcome<()> {
    while !(waiting.is_empty() && running.is_empty()) {
        let can_start = |entry: &&Entry| entry.ancestors().all(|id| ready.contains(id));
        while running.len() < options.jobs.max(1)
            && let Some(at) = waiting.iter().position(can_start)
        {
            let entry = waiting.remove(at);
            writeln!(log, "{}: begun", entry.id)?;
            running.push((entry, worker(options, entry)?));
        }
        if running.is_empty() {
            let ids: Vec<&str> = waiting.iter().map(|entry| entry.id.as_str()).collect();
            return Err(format!("ancestors are missing for: {}", ids.join(", ")).into());
        }
        thread::sleep(Duration::from_millis(50));
        let mut at = 0;
        while at < running.len() {
            let Some(status) = running[at].1.try_wait()? else {
                at += 1;
                continue;
            };
            let (entry, _) = running.remove(at);
            if !status.success() {
                return Err(format!("making '{}' failed ({status})", entry.id).into());
            }
            ready.insert(&entry.id);
            writeln!(
                log,
                "{}: done, {} left",
                entry.id,
                waiting.len() + running.len()
            )?;
        }
    }
    Ok(())
}

/// A process for one model on one thread: results then do not depend on how many run at once.
fn worker(options: &Options, entry: &Entry) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env("RAYON_NUM_THREADS", "1")
        .env("CANDLE_NUM_THREADS", "1");
    command.arg("--lineage").arg(&options.lineage);
    command
        .arg("--data")
        .arg(&options.data)
        .arg("--out")
        .arg(&options.out);
    command
        .arg("--seed-offset")
        .arg(options.seed_offset.to_string());
    if let Some(steps) = options.max_steps {
        command.arg("--max-steps").arg(steps.to_string());
    }
    Ok(command.arg("--worker").arg(&entry.id).spawn()?)
}

fn is_finished(options: &Options, entry: &Entry) -> Outcome<bool> {
    let path = options.out.join(&entry.id).join("training.json");
    if !path.exists() {
        return Ok(false);
    }
    let finished: Finished = serde_json::from_str(&fs::read_to_string(path)?)?;
    if finished.recipe_sha256 == entry.digest(options.seed_offset)? {
        return Ok(true);
    }
    let path = options.out.join(&entry.id);
    Err(format!(
        "'{}' was made by another recipe: remove it to make it anew",
        path.display()
    )
    .into())
}

/// Puts the lineage beside the family that it describes.
fn copy_lineage(options: &Options) -> Outcome<()> {
    let target = options.out.join("lineage.toml");
    if target.exists() && fs::canonicalize(&target)? == fs::canonicalize(&options.lineage)? {
        return Ok(());
    }
    let mut text = fs::read_to_string(&options.lineage)?;
    if options.seed_offset != 0 {
        let offset = options.seed_offset;
        text.insert_str(
            0,
            &format!("# Trained with {offset} added to every seed below.\n\n"),
        );
    }
    fs::write(target, text)?;
    Ok(())
}
