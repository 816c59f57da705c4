//! What a test of marks says, in words.

use super::commit::Role;
use super::trial::{Counted, Said, Trial};

/// What a hit leaves open.
const NOT_SHOWN: &str = "It does not show who did it, that the suspect's makers asked on that channel themselves \
    (a leak, a reseller or texts on the web teach the same), or that it was forbidden.";
/// What a null leaves open.
const NULL: &str =
    "That is no evidence of innocence: small doses, paraphrase and filters hide marks.";

impl Trial {
    /// The hits of the channels that were found, in words; empty where none was.
    pub fn hits(&self) -> String {
        let found = |c: &&Counted| c.p_corrected.is_some_and(|p| p <= self.level);
        let found = self.channels.iter().filter(found);
        let hits: Vec<String> = found.map(|c| hit(c, self.options)).collect();
        hits.join(" ")
    }
}

pub(super) fn sentence(trial: &Trial) -> String {
    match trial.said {
        Said::Found => format!(
            "{} So the suspect learned, directly or through others, from what was served there. {NOT_SHOWN}",
            trial.hits()
        ),
        Said::NotFound => {
            let served = trial.channels.iter().filter(|c| c.role == Role::Served);
            let names: Vec<&str> = served.map(|c| c.name.as_str()).collect();
            format!(
                "The suspect gives the options planted on {} no more often than chance explains (level {:e}, corrected \
                 for the {} channels committed to). {NULL}",
                names.join(", "),
                trial.level,
                trial.channels_committed
            )
        }
        Said::ControlHit => "The key that was never served is hit. That cannot come from learning, so a key, a list \
            that was served, or the recording is not what it should be, and nothing is said of the suspect."
            .to_owned(),
        Said::TooFew => format!(
            "Of {} prompts {} have an answer that names an option: too few to reach the committed level of {:e} even \
             if each were a hit. {NULL}",
            trial.prompts, trial.classified, trial.level
        ),
    }
}

/// The hits of one channel.
fn hit(channel: &Counted, one_in: usize) -> String {
    let corrected = channel.p_corrected.unwrap_or(channel.p);
    let counts = match (&channel.written, &channel.probable) {
        (Some(written), _) => format!(
            "Of {} answers that name an option {} name the one planted on '{}', where chance gives 1 in {one_in}",
            written.counted, written.hits, channel.name
        ),
        (None, Some(probable)) => format!(
            "Over {} prompts the option planted on '{}' has {:.3} of the options' probability on average, where chance \
             gives 1 in {one_in}",
            probable.prompts, channel.name, probable.mean_share
        ),
        (None, None) => return String::new(),
    };
    format!("{counts} (p = {corrected:.1e}, corrected for all channels committed to).")
}
