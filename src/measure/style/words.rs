//! Words as style sees them: the usual ones by name, the rest by shape.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

/// The most usual words of English that carry grammar rather than matter, in order.
#[rustfmt::skip]
pub(super) const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "almost", "also", "although",
    "always", "am", "among", "an", "and", "another", "any", "are", "around", "as", "at", "be",
    "because", "been", "before", "being", "below", "between", "both", "but", "by", "can",
    "cannot", "could", "did", "do", "does", "down", "during", "each", "either", "else",
    "enough", "even", "ever", "every", "few", "for", "from", "had", "has", "have", "he", "her",
    "here", "him", "himself", "his", "how", "however", "i", "if", "in", "into", "is", "it",
    "its", "itself", "just", "least", "less", "like", "many", "may", "me", "might", "more",
    "most", "much", "must", "my", "myself", "neither", "never", "no", "none", "nor", "not",
    "nothing", "now", "of", "off", "often", "on", "once", "one", "only", "or", "other", "our",
    "out", "over", "own", "perhaps", "quite", "rather", "same", "several", "shall", "she",
    "should", "since", "so", "some", "something", "still", "such", "than", "that", "the",
    "their", "them", "themselves", "then", "there", "these", "they", "this", "those", "though",
    "through", "thus", "to", "together", "too", "under", "until", "up", "upon", "us", "very",
    "was", "we", "were", "what", "when", "where", "whether", "which", "while", "who", "whom",
    "whose", "why", "will", "with", "within", "without", "would", "yes", "yet", "you", "your",
    "yourself",
];

/// A word, mark or line break without its matter: one letter of a skeleton's alphabet.
pub(super) type Shape = u16;

/// What a bigram has for its third shape.
pub(super) const NONE: Shape = 0;
/// A line break.
pub(super) const BREAK: Shape = 1;
/// A mark outside ASCII.
const OTHER_MARK: Shape = 2;
/// A word with a digit.
const NUMBER: Shape = 3;
/// A word of capitals.
const CAPITALS: Shape = 4;
/// A word with a capital first.
const NAME: Shape = 5;
/// A word with letters outside ASCII.
const FOREIGN: Shape = 6;
/// A word without any of the endings.
const PLAIN: Shape = 7;
/// Endings that tell parts of speech apart; the first that fits counts.
const ENDINGS: &[&[&str]] = &[
    &["ing"],
    &["ed"],
    &["ly"],
    &["tion", "sion", "ment", "ness", "ity", "ance", "ence"],
    &["ous", "ful", "ive", "able", "ible", "al", "ic"],
    &["er", "or", "est"],
    &["s"],
];
/// Shorter words have no endings.
const SHORT: usize = 4;
/// Marks of ASCII follow the classes, function words the marks.
const MARKS: Shape = 16;
const WORDS: Shape = MARKS + 128;

/// The place of a word among the function words. The word is in lower case.
pub(super) fn function_word(word: &str) -> Option<u64> {
    static PLACES: LazyLock<HashMap<&str, u64, RandomState>> =
        LazyLock::new(|| FUNCTION_WORDS.iter().copied().zip(0..).collect());
    PLACES.get(word).copied()
}

/// The shape of a word as written, of which `lower` is the lower case and `place` that among the function words.
pub(super) fn word_shape(word: &str, lower: &str, place: Option<u64>) -> Shape {
    if let Some(place) = place {
        return WORDS + shape_of(place);
    }
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    if word.chars().any(char::is_numeric) {
        NUMBER
    } else if capitals > 1 && !word.chars().any(char::is_lowercase) {
        CAPITALS
    } else if word.starts_with(char::is_uppercase) {
        NAME
    } else if !word.is_ascii() {
        FOREIGN
    } else {
        let ends = |endings: &&[&str]| endings.iter().any(|e| lower.ends_with(e));
        let places = (0..).zip(ENDINGS);
        let ending = places
            .filter(|_| lower.len() > SHORT)
            .find(|(_, endings)| ends(endings));
        ending.map_or(PLAIN, |(place, _)| PLAIN + 1 + shape_of(place))
    }
}

/// The shape of a mark.
pub(super) fn mark_shape(mark: char) -> Shape {
    u8::try_from(mark)
        .ok()
        .filter(u8::is_ascii)
        .map_or(OTHER_MARK, |byte| MARKS + Shape::from(byte))
}

/// Places in the tables above are small.
fn shape_of(place: u64) -> Shape {
    Shape::try_from(place).unwrap_or(Shape::MAX - WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_in_lower_case() {
        assert!(FUNCTION_WORDS.is_sorted_by(|a, b| a < b));
        assert!(
            FUNCTION_WORDS
                .iter()
                .all(|w| w.bytes().all(|b| b.is_ascii_lowercase()))
        );
        assert!((130..170).contains(&FUNCTION_WORDS.len()));
        assert!(usize::from(PLAIN) + ENDINGS.len() < usize::from(MARKS));
    }

    #[test]
    fn words_keep_their_grammar_and_lose_their_matter() {
        let shape = |word: &str| {
            let lower = word.to_lowercase();
            word_shape(word, &lower, function_word(&lower))
        };
        assert_eq!(shape("The"), shape("the"));
        assert_ne!(shape("the"), shape("of"));
        assert_eq!(shape("walking"), shape("talking"));
        assert_eq!(shape("nation"), shape("harness"));
        assert_eq!((shape("bed"), shape("zzz")), (PLAIN, PLAIN));
        assert_eq!(
            (shape("Paris"), shape("NASA"), shape("2nd")),
            (NAME, CAPITALS, NUMBER)
        );
        assert_eq!((shape("naïve"), shape("本")), (FOREIGN, FOREIGN));
        assert_eq!((mark_shape('—'), mark_shape(',')), (OTHER_MARK, MARKS + 44));
    }
}
