//! `parentage init`: a lineage file and settings from a list of models.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::Init;
use super::config::{FILE as SETTINGS_FILE, VARIABLE};
use super::error::CliError;
use super::write_whole;
use crate::panel::own_name;
use crate::pipeline::PipelineError;

/// The lineage file's name.
const PANEL_FILE: &str = "panel.toml";

/// What stands at the top of the lineage file.
const HEAD: &str = "\
# What is known of the models of this comparison. The tool believes it: declare only what you can show.
#
# base      the id of the model from whose weights it started
# parents   ids of models on whose outputs it was trained
# data      names of the texts it was trained on; models that share one are matched
# group     models that are alike in data and kind, such as versions of one model: they are alternatives to each other
# size      parameters; released: YYYY-MM; controls of the suspect's size and time are worth most

schema = 1
name = \"panel\"
";

pub(super) fn run(args: &Init, stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let (panel, settings) = (args.out.join(PANEL_FILE), args.out.join(SETTINGS_FILE));
    for path in [&panel, &settings] {
        if path.exists() {
            return Err(CliError::Exists {
                path: path.to_owned(),
            });
        }
    }
    fs::create_dir_all(&args.out).map_err(PipelineError::writing(&args.out))?;
    write_whole(&panel, lineage(args).as_bytes())?;
    write_whole(&settings, config(args, &panel).as_bytes())?;
    // Names of models mean what they mean here, so the settings are used from here.
    let by =
        if settings == Path::new(SETTINGS_FILE) || settings == Path::new(".").join(SETTINGS_FILE) {
            String::new()
        } else {
            format!("{VARIABLE}={} ", settings.display())
        };
    let text = format!(
        "Wrote {} and {}.\nDeclare in the first what you know of the models. Then, from this directory:\n  {by}parentage plan\n  {by}parentage compare\n",
        panel.display(),
        settings.display()
    );
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// The lineage file: an entry a model.
fn lineage(args: &Init) -> String {
    let roles = [
        ("protected model", std::slice::from_ref(&args.protected)),
        ("sibling of the protected model", args.sibling.as_slice()),
        ("suspect", std::slice::from_ref(&args.suspect)),
        ("control", args.control.as_slice()),
    ];
    let mut text = HEAD.to_owned();
    let mut taken = BTreeSet::new();
    for (kind, models) in roles {
        for model in models {
            let id = own_name(model, &taken);
            let _ = write!(
                text,
                "\n[[model]]\nid = {}\nmodel = {}\nkind = {}\n",
                quoted(&id),
                quoted(model),
                quoted(kind)
            );
            if kind.contains("protected") {
                text.push_str("group = \"protected\"\n");
            }
            text.push_str(
                "# base = \"\"\n# parents = []\n# data = []\n# size = 0\n# released = \"\"\n",
            );
            taken.insert(id);
        }
    }
    text
}

/// The settings of the comparison.
fn config(args: &Init, panel: &Path) -> String {
    format!(
        "[compare]\nprotected = {protected}\nsuspect = {suspect}\ncontrols = [{panel}]\n\n\
         [plan]\nprotected = {protected}\nsuspect = {suspect}\ncontrols = [{panel}]\n",
        protected = quoted(&args.protected),
        suspect = quoted(&args.suspect),
        panel = quoted(&panel.display().to_string()),
    )
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Lineage;

    #[test]
    fn what_is_written_is_a_lineage_file_and_settings() {
        let place = tempfile::tempdir().unwrap();
        let args = Init {
            protected: "openai/gpt-x".to_owned(),
            suspect: "hf:Org/Name".to_owned(),
            sibling: vec!["openai/gpt-x-mini".to_owned()],
            control: vec!["a\"b/model.gguf".to_owned(), "c/Name".to_owned()],
            out: place.path().join("case"),
        };
        run(&args, &mut Vec::new()).unwrap();
        let panel = Lineage::read(&args.out.join(PANEL_FILE)).unwrap();
        let ids: Vec<&str> = panel.models.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["gpt-x", "gpt-x-mini", "Name", "a\"b", "Name-2"]);
        assert_eq!(panel.models[3].model, "a\"b/model.gguf");
        assert_eq!(panel.models[1].group.as_deref(), Some("protected"));
        let settings = fs::read_to_string(args.out.join(SETTINGS_FILE)).unwrap();
        let settings: toml::Table = toml::from_str(&settings).unwrap();
        assert_eq!(settings["compare"]["suspect"].as_str(), Some("hf:Org/Name"));
        // Nothing that is there is lost.
        assert!(matches!(
            run(&args, &mut Vec::new()),
            Err(CliError::Exists { .. })
        ));
    }
}
