//! What one figure gives the suspect and every control.

use crate::weigh::Standing;

/// How close the suspect and each control are to one candidate parent by one figure, larger being closer.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The suspect's.
    pub suspect: f64,
    /// The controls', by id.
    pub controls: Vec<(String, f64)>,
}

impl Scores {
    /// That of a control.
    pub fn control(&self, id: &str) -> Option<f64> {
        let found = self.controls.iter().find(|(control, _)| control == id);
        found.map(|(_, score)| *score)
    }

    /// Where the suspect stands among the controls.
    pub fn standing(&self) -> Standing {
        let controls = self.controls.iter().map(|(_, score)| *score);
        Standing::new(self.suspect, controls.collect())
    }
}
