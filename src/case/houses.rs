//! The candidate parents of a panel by house.

use std::collections::BTreeMap;

use crate::measure::open_text::Houses;
use crate::panel::{Member, Panel};

/// The houses of a panel when some candidate parents, all of one house, are asked about.
///
/// Models with one declared group are a house. An alternative without one is a house of its own, for all that is known
/// of it is that somebody named it as another candidate parent.
pub(super) fn houses<'a>(panel: &'a Panel, asked: &[&'a str]) -> Houses<'a> {
    let mut by_name: BTreeMap<(bool, &str), Vec<&str>> = BTreeMap::new();
    let candidates = std::iter::once(&panel.protected).chain(&panel.alternatives);
    for member in candidates {
        put(&mut by_name, member, &member.id);
    }
    for member in panel.controls.iter().filter(|m| m.group.is_some()) {
        put(&mut by_name, member, &member.id);
    }
    let of_asked = |house: &Vec<&str>| asked.iter().any(|id| house.contains(id));
    let (own, others): (Vec<_>, Vec<_>) = by_name.into_values().partition(of_asked);
    Houses {
        asked: asked.to_vec(),
        own: own.concat(),
        others,
    }
}

/// Adds a candidate parent to its house, once.
fn put<'a>(houses: &mut BTreeMap<(bool, &'a str), Vec<&'a str>>, member: &'a Member, id: &'a str) {
    let name = match &member.group {
        Some(group) => (true, group.as_str()),
        None => (false, id),
    };
    let house = houses.entry(name).or_default();
    if !house.contains(&id) {
        house.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Named;

    fn member(id: &str, group: Option<&str>) -> Member {
        let panel = Panel::new(&Named::default(), &[]);
        Member {
            id: id.to_owned(),
            model: id.to_owned(),
            group: group.map(str::to_owned),
            ..panel.protected
        }
    }

    #[test]
    fn groups_are_houses_and_named_alternatives_stand_alone() {
        let mut panel = Panel::new(&Named::default(), &[]);
        panel.protected = member("p", Some("g"));
        panel.alternatives = vec![member("twin", Some("g")), member("named", None)];
        panel.controls = vec![
            member("twin", Some("g")),
            member("far-1", Some("h")),
            member("far-2", Some("h")),
            member("plain", None),
        ];
        let found = houses(&panel, &["p"]);
        assert_eq!((found.asked, found.own), (vec!["p"], vec!["p", "twin"]));
        assert_eq!(found.others, [vec!["named"], vec!["far-1", "far-2"]]);
        let found = houses(&panel, &["named"]);
        assert_eq!(found.own, ["named"]);
        assert_eq!(found.others, [vec!["p", "twin"], vec!["far-1", "far-2"]]);
    }
}
