//! The report in plain text.

use std::fmt::Write as _;

use crate::identity::AbilityStatus;

use super::{AccessReport, NAMES};

impl AccessReport {
    /// The report in plain text, one line an ability.
    pub fn render(&self) -> String {
        let mut out = format!("{}: {} at {}\n", self.name, self.dialect, self.url);
        let none = "not said".to_owned();
        let line = &mut out;
        let _ = writeln!(line, "asked for   {}", self.asked);
        let served = match self.all_served.as_slice() {
            [] => none.clone(),
            all => all.join(", then "),
        };
        let _ = writeln!(line, "served      {served}");
        let mark = self.fingerprint.as_ref().unwrap_or(&none);
        let _ = writeln!(line, "mark        {mark}");
        if let Some(upstream) = &self.upstream {
            let _ = writeln!(line, "upstream    {upstream}");
        }
        let sampling: Vec<String> = self
            .sampling
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let _ = writeln!(line, "sampling    {}\n", sampling.join(", "));
        let width = NAMES.iter().map(|name| name.len()).max().unwrap_or(0);
        for name in NAMES {
            let Some(ability) = self.abilities.get(name) else {
                continue;
            };
            let status = status(ability.status);
            let _ = writeln!(line, "{name:width$}  {status:16}  {}", ability.seen);
        }
        let _ = writeln!(line, "\ncan be asked: {}", self.can_be_asked());
        let counted = if self.usage.reported {
            ""
        } else {
            " (estimated)"
        };
        let _ = writeln!(
            line,
            "{} requests, {} tokens read, {} written{counted}",
            self.requests, self.usage.prompt, self.usage.completion
        );
        out
    }

    /// Whether the endpoint can be asked at all.
    pub fn is_empty(&self) -> bool {
        !self.model.chat && !self.model.raw
    }

    /// What to do about an endpoint that cannot be asked.
    pub fn advice(&self) -> String {
        let last = self.url.rsplit('/').next().unwrap_or_default();
        let versioned =
            last.starts_with('v') && last[1..].starts_with(|c: char| c.is_ascii_digit());
        if versioned {
            "look at what the check saw with `parentage probe`: the address, the model's name, the kind of server"
                .to_owned()
        } else {
            format!(
                "the address has no version; most servers answer below one, so try {}/v1",
                self.url.trim_end_matches('/')
            )
        }
    }

    fn can_be_asked(&self) -> String {
        let able = &self.model;
        let mut can = Vec::new();
        for (is, what) in [
            (able.chat, "chat turns"),
            (able.raw, "plain text"),
            (able.score, "the probability of given text"),
            (able.score_chat, "the same after a chat turn"),
        ] {
            if is {
                can.push(what.to_owned());
            }
        }
        if able.top > 0 {
            can.push(format!("the {} most probable next tokens", able.top));
        }
        if can.is_empty() {
            return "nothing".to_owned();
        }
        can.join("; ")
    }
}

fn status(status: AbilityStatus) -> &'static str {
    match status {
        AbilityStatus::Verified => "verified",
        AbilityStatus::Refused => "refused",
        AbilityStatus::SilentlyIgnored => "silently ignored",
        AbilityStatus::Untested => "untested",
    }
}
