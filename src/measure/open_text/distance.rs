//! How far models are from one another in what their answers begin with: for a tree, and no finding.

use ndarray::Array2;

use super::Written;
use crate::fingerprint::Fingerprint;
use crate::measure::{Measure, Side};

/// One less the correlation of the models' habits, 0 to 2, in the order given; 1 for models that have nothing in
/// common beyond what all have.
///
/// `None` with fewer than three models, or if one answered too few of the prompts that most did.
pub fn habit_distances(prints: &[&Fingerprint]) -> Option<Array2<f64>> {
    let names: Vec<String> = (0..prints.len()).map(|i| i.to_string()).collect();
    let sides = names.iter().zip(prints);
    let sides: Vec<Side<'_>> = sides.map(|(id, print)| Side { id, print }).collect();
    let written = Written::new(&sides);
    let name = |id: &str| -> &str {
        let place = id.parse::<usize>().ok();
        place.and_then(|i| names.get(i)).map_or("", String::as_str)
    };
    let gram = written
        .compare(Measure::Habits, &sides, &[], &name)?
        .gram
        .filter(|_| prints.len() > 2)?;
    let places: Vec<usize> = names.iter().map(|n| gram.place(n)).collect::<Option<_>>()?;
    let size = |i: usize| gram.values[[places[i], places[i]]];
    if (0..places.len()).any(|i| size(i) <= 0.0) {
        return None;
    }
    Some(Array2::from_shape_fn(
        (places.len(), places.len()),
        |(i, j)| {
            if i == j {
                return 0.0;
            }
            let r = gram.values[[places[i], places[j]]] / (size(i) * size(j)).sqrt();
            1.0 - r.clamp(-1.0, 1.0)
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(words: &[&str]) -> Fingerprint {
        let texts = words.iter().enumerate();
        Fingerprint {
            texts: texts
                .map(|(i, text)| (format!("q{i}"), vec![(*text).to_owned()]))
                .collect(),
            ..Fingerprint::default()
        }
    }

    #[test]
    fn who_begins_alike_is_near() {
        let one = print(&["Sure thing, a river", "Sure thing, a stone"]);
        let like = print(&["Sure thing, the river", "Sure thing, a bird"]);
        let far = print(&["I would say water", "I would say rock"]);
        let found = habit_distances(&[&one, &like, &far]).unwrap();
        assert!(found[[0, 1]] < found[[0, 2]] && found[[0, 1]] < found[[1, 2]]);
        assert_eq!((found[[0, 1]], found[[2, 2]]), (found[[1, 0]], 0.0));
        assert!(found.iter().all(|d| (0.0..=2.0).contains(d)));
        // In another order the same.
        let turned = habit_distances(&[&far, &one, &like]).unwrap();
        assert!((turned[[1, 2]] - found[[0, 1]]).abs() < 1e-12);
    }

    #[test]
    fn too_few_models_or_answers_have_no_distance() {
        let one = print(&["a b", "c d"]);
        assert_eq!(habit_distances(&[&one, &one]), None);
        assert_eq!(
            habit_distances(&[&one, &print(&["x", "y"]), &Fingerprint::default()]),
            None
        );
        // Nothing tells these apart, so nothing varies.
        assert_eq!(habit_distances(&[&one, &one, &one]), None);
    }
}
