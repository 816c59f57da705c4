//! What is counted in texts: words, runs of characters, skeletons, marks and layout.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::words::{BREAK, FUNCTION_WORDS, NONE, function_word, mark_shape, word_shape};

/// Characters of a sample beyond this are not read.
pub(super) const MAX_CHARS: usize = 4096;
/// Characters of a word beyond this are not kept: no word that is looked up is as long.
pub(super) const MAX_WORD: usize = 32;
/// Marks that stand for one another are counted as one.
const MARKS: &[&[char]] = &[
    &[','],
    &['.'],
    &[';'],
    &[':'],
    &['?'],
    &['!'],
    &['-', '‐', '‑', '–', '—', '―'],
    &['"', '“', '”', '„', '«', '»'],
    &['\'', '‘', '’'],
    &['(', ')', '[', ']', '{', '}'],
    &['/', '\\', '|'],
    &['*', '_'],
    &['#'],
    &['`', '~'],
    &['<', '>', '=', '+', '%', '&', '$', '@', '^'],
    &['\n'],
];

/// Two or three characters or shapes in a row, packed with the first one foremost. Two shapes have [`NONE`] for the third.
pub(super) type Run = u64;

/// Bits of a character or shape in a run.
pub(super) const BITS: usize = 21;

/// A run of these.
pub(super) fn run<T: Copy + Into<u32>>(of: [T; 3]) -> Run {
    of.into_iter()
        .fold(0, |run, one| run << BITS | u64::from(one.into()))
}

/// How often each of some things was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    seen: HashMap<u64, usize, RandomState>,
    /// What was seen until it was packed, in order, and how often: less than half as large.
    packed: (Vec<u64>, Vec<u32>),
    all: usize,
}

impl Counts {
    fn add(&mut self, key: u64) {
        *self.seen.entry(key).or_default() += 1;
        self.all += 1;
    }

    fn join(&mut self, other: &Self) {
        for (key, count) in other.counts() {
            *self.seen.entry(key).or_default() += count;
        }
        self.all += other.all;
    }

    /// Makes it small; nothing is added any more.
    fn pack(&mut self) {
        let mut seen: Vec<(u64, usize)> = self.counts().collect();
        seen.sort_unstable();
        let seen = seen.into_iter();
        self.packed = seen
            .map(|(key, count)| (key, u32::try_from(count).unwrap_or(u32::MAX)))
            .unzip();
        self.packed.0.shrink_to_fit();
        self.packed.1.shrink_to_fit();
        self.seen = HashMap::default();
    }

    fn count(&self, key: u64) -> usize {
        let (keys, counts) = &self.packed;
        match keys.binary_search(&key) {
            Ok(place) => counts[place] as usize,
            Err(_) => self.seen.get(&key).copied().unwrap_or(0),
        }
    }

    fn counts(&self) -> impl Iterator<Item = (u64, usize)> {
        let (keys, counts) = &self.packed;
        let counts = counts.iter().map(|count| *count as usize);
        let packed = keys.iter().copied().zip(counts);
        let seen = self.seen.iter().map(|(key, count)| (*key, *count));
        packed.chain(seen)
    }

    /// The share of a thing among all that were seen.
    pub(super) fn share(&self, key: u64) -> f64 {
        ratio(self.count(key), self.all)
    }

    /// What was seen.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> {
        self.counts().map(|(key, _)| key)
    }

    /// What was seen, each with its share.
    pub(super) fn shares(&self) -> impl Iterator<Item = (u64, f64)> {
        self.counts()
            .map(|(key, count)| (key, ratio(count, self.all)))
    }
}

/// What a text begins with.
#[derive(Debug, Clone, Copy)]
enum Start {
    Capital,
    Letter,
    Digit,
    Break,
    Space,
    Mark,
    ListItem,
    FunctionWord,
}

const STARTS: usize = Start::FunctionWord as usize + 1;

/// The counts of some texts of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    texts: usize,
    chars: usize,
    words: usize,
    letters: usize,
    sentences: usize,
    lines: usize,
    blank_lines: usize,
    list_items: usize,
    capitals: usize,
    digits: usize,
    spaces: usize,
    controls: usize,
    foreign: usize,
    closed: usize,
    starts: [usize; STARTS],
    marks: [usize; MARKS.len()],
    function: Counts,
    pub(super) trigrams: Counts,
    pub(super) skeletons: Counts,
}

impl Tally {
    /// Counts one more text.
    pub(super) fn add(&mut self, text: &str) {
        let text: Vec<char> = text.chars().take(MAX_CHARS).collect();
        self.texts += 1;
        self.chars += text.len();
        for c in &text {
            self.character(*c);
        }
        self.layout(&text);
        self.runs(&text);
        self.skeletons(&text);
    }

    /// Counts what another has counted as well.
    pub(super) fn join(&mut self, other: &Self) {
        let Self {
            texts,
            chars,
            words,
            letters,
            sentences,
            lines,
            blank_lines,
            list_items,
            capitals,
            digits,
            spaces,
            controls,
            foreign,
            closed,
            starts,
            marks,
            function,
            trigrams,
            skeletons,
        } = other;
        self.texts += texts;
        self.chars += chars;
        self.words += words;
        self.letters += letters;
        self.sentences += sentences;
        self.lines += lines;
        self.blank_lines += blank_lines;
        self.list_items += list_items;
        self.capitals += capitals;
        self.digits += digits;
        self.spaces += spaces;
        self.controls += controls;
        self.foreign += foreign;
        self.closed += closed;
        each(&mut self.starts, starts);
        each(&mut self.marks, marks);
        self.function.join(function);
        self.trigrams.join(trigrams);
        self.skeletons.join(skeletons);
    }

    /// Makes it small; no text is counted any more.
    pub(super) fn pack(&mut self) {
        self.trigrams.pack();
        self.skeletons.pack();
    }

    /// Whether there is nothing to tell a style from.
    pub(super) fn is_empty(&self) -> bool {
        self.chars == 0
    }

    fn character(&mut self, c: char) {
        // Most characters are no mark.
        if !c.is_alphanumeric()
            && c != ' '
            && let Some(place) = MARKS.iter().position(|group| group.contains(&c))
        {
            self.marks[place] += 1;
        }
        self.letters += usize::from(c.is_alphabetic());
        self.capitals += usize::from(c.is_uppercase());
        self.digits += usize::from(c.is_numeric());
        self.spaces += usize::from(c.is_whitespace());
        self.controls += usize::from(c.is_control() && !c.is_whitespace());
        self.foreign += usize::from(!c.is_ascii() && c.is_alphabetic());
    }

    fn layout(&mut self, text: &[char]) {
        for line in text.split(|c| *c == '\n') {
            self.lines += 1;
            self.blank_lines += usize::from(line.iter().all(|c| c.is_whitespace()));
            self.list_items += usize::from(is_list_item(line));
        }
        let ends = |c: &char| matches!(c, '.' | '?' | '!');
        let last = text.iter().rev().find(|c| !c.is_whitespace());
        self.closed += usize::from(last.is_some_and(ends));
        let breaks = text
            .windows(2)
            .filter(|pair| ends(&pair[0]) && pair[1].is_whitespace());
        self.sentences += 1 + breaks.count();
        let mut begin = |start: Start| self.starts[start as usize] += 1;
        match text.first() {
            Some('\n') => begin(Start::Break),
            Some(c) if c.is_whitespace() => begin(Start::Space),
            Some(c) if c.is_uppercase() => begin(Start::Capital),
            Some(c) if c.is_alphabetic() => begin(Start::Letter),
            Some(c) if c.is_numeric() => begin(Start::Digit),
            Some(_) => begin(Start::Mark),
            None => {}
        }
        let first = text.iter().position(|c| !c.is_whitespace());
        let rest = first.map_or(&[][..], |at| &text[at..]);
        if is_list_item(rest) {
            begin(Start::ListItem);
        }
        let mut word = Word::default();
        word.read(rest.iter().take_while(|c| c.is_alphabetic()));
        if function_word(&word.lower).is_some() {
            begin(Start::FunctionWord);
        }
    }

    /// Runs of three characters, white space of any length being one space.
    fn runs(&mut self, text: &[char]) {
        let mut chars: Vec<char> = Vec::with_capacity(text.len());
        for c in text {
            let c = if c.is_whitespace() { ' ' } else { *c };
            if c != ' ' || chars.last() != Some(&' ') {
                chars.push(c);
            }
        }
        for w in chars.windows(3) {
            self.trigrams.add(run([w[0], w[1], w[2]]));
        }
    }

    fn skeletons(&mut self, text: &[char]) {
        let (mut shapes, mut word) = (Vec::new(), Word::default());
        let mut at = 0;
        while at < text.len() {
            let length = word_length(&text[at..]);
            if length > 0 {
                word.read(&text[at..at + length]);
                self.words += 1;
                let place = function_word(&word.lower);
                if let Some(place) = place {
                    self.function.add(place);
                }
                shapes.push(word_shape(&word.written, &word.lower, place));
            } else if text[at] == '\n' {
                shapes.push(BREAK);
            } else if !text[at].is_whitespace() {
                shapes.push(mark_shape(text[at]));
            }
            at += length.max(1);
        }
        for w in shapes.windows(2) {
            self.skeletons.add(run([w[0], w[1], NONE]));
        }
        for w in shapes.windows(3) {
            self.skeletons.add(run([w[0], w[1], w[2]]));
        }
    }

    /// The features: relative frequencies and means, in the order that the selection fixes.
    pub(super) fn profile(&self, trigrams: &[Run], skeletons: &[Run]) -> Vec<f64> {
        let mut profile = Vec::new();
        for (place, _) in (0..).zip(FUNCTION_WORDS) {
            profile.push(ratio(self.function.count(place), self.words));
        }
        profile.extend(trigrams.iter().map(|key| self.trigrams.share(*key)));
        profile.extend(skeletons.iter().map(|key| self.skeletons.share(*key)));
        let of_chars = [
            self.capitals,
            self.digits,
            self.spaces,
            self.controls,
            self.foreign,
        ];
        let of_chars = self.marks.iter().chain(&of_chars);
        profile.extend(of_chars.map(|count| ratio(*count, self.chars)));
        let of_texts = self.starts.iter().chain([&self.closed, &self.chars]);
        profile.extend(of_texts.map(|count| ratio(*count, self.texts)));
        profile.extend([
            ratio(self.blank_lines, self.lines),
            ratio(self.list_items, self.lines),
            ratio(self.words, self.sentences),
            ratio(self.letters, self.words),
        ]);
        profile
    }
}

fn each(counts: &mut [usize], more: &[usize]) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// How many characters at the start are one word: letters and digits, with apostrophes between.
fn word_length(text: &[char]) -> usize {
    let within = |at: usize| text.get(at).is_some_and(|c| c.is_alphanumeric());
    let apostrophe = |at: usize| matches!(text.get(at), Some('\'' | '’'));
    let mut length = 0;
    while within(length) || (length > 0 && apostrophe(length) && within(length + 1)) {
        length += 1;
    }
    length
}

/// A word as written and in lower case, both cut. One is used for many words, whose letters then lie ready.
#[derive(Default)]
struct Word {
    written: String,
    lower: String,
}

impl Word {
    fn read<'a>(&mut self, letters: impl IntoIterator<Item = &'a char>) {
        self.written.clear();
        self.written.extend(letters.into_iter().take(MAX_WORD));
        if self.written.is_ascii() {
            self.lower.clone_from(&self.written);
            self.lower.make_ascii_lowercase();
        } else {
            self.lower = self.written.to_lowercase();
        }
    }
}

/// Whether a line begins as an item of a list: a bullet or a number, and a space.
fn is_list_item(line: &[char]) -> bool {
    let start = line.iter().position(|c| *c != ' ').unwrap_or(line.len());
    let digits = line[start..]
        .iter()
        .take_while(|c| c.is_ascii_digit())
        .count();
    match line[start + digits..] {
        ['-' | '*' | '•', ' ', ..] => digits == 0,
        ['.' | ')', ' ', ..] => digits > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(texts: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for text in texts {
            tally.add(text);
        }
        tally
    }

    // Counted by hand.
    #[test]
    fn a_small_text_is_counted_as_a_reader_would() {
        let t = tally(&["The cat's here. It sat!\n\n- on 2 mats", "no"]);
        assert_eq!((t.texts, t.words, t.sentences), (2, 9, 4));
        assert_eq!((t.lines, t.blank_lines, t.list_items), (4, 1, 1));
        assert_eq!((t.capitals, t.digits, t.closed), (2, 1, 0));
        assert_eq!(t.marks[1] + t.marks[5], 2);
        assert_eq!(
            (
                t.starts[Start::Capital as usize],
                t.starts[Start::Letter as usize]
            ),
            (1, 1)
        );
        assert_eq!(t.starts[Start::FunctionWord as usize], 2);
        // the, here, it, on, no
        assert_eq!(t.function.all, 5);
        assert_eq!(t.trigrams.count(run(['T', 'h', 'e'])), 1);
        assert_eq!(t.trigrams.count(run(['!', ' ', '-'])), 1);
    }

    #[test]
    fn skeletons_are_shared_by_texts_of_other_matter() {
        let (a, b) = (
            tally(&["The dog of Rome barked."]),
            tally(&["The cat of Oslo jumped."]),
        );
        assert_eq!(a.skeletons, b.skeletons);
        assert_ne!(a.trigrams, b.trigrams);
        assert_ne!(a.skeletons, tally(&["The dog in Rome barked."]).skeletons);
    }

    #[test]
    fn joined_counts_are_those_of_all_texts() {
        let texts = [
            "The cat's here. It sat!\n\n- on 2 mats",
            "",
            "Nö, \u{0}(so)!",
        ];
        let mut joined = tally(&texts[..1]);
        joined.join(&tally(&texts[1..]));
        assert_eq!(joined, tally(&texts));
    }

    #[test]
    fn list_items_need_a_bullet_or_a_number_and_a_space() {
        let is = |line: &str| is_list_item(&line.chars().collect::<Vec<_>>());
        assert!(is("- a") && is("  * a") && is("12. a") && is("3) a"));
        assert!(!is("") && !is("-a") && !is(". a") && !is("1 a") && !is("3- a") && !is("1."));
    }

    #[test]
    fn profiles_have_one_length_and_no_holes() {
        let trigrams = [run(['a', 'b', 'c'])];
        let skeletons = [run([1, 2, NONE])];
        let texts = [
            "",
            "\u{202e}\u{0}\u{7f}",
            "本日は晴天なり。",
            "a b",
            "\n\n\n",
            "''''",
        ];
        let lengths: Vec<usize> = texts
            .map(|text| {
                let profile = tally(&[text]).profile(&trigrams, &skeletons);
                assert!(profile.iter().all(|x| x.is_finite()), "{text:?}");
                profile.len()
            })
            .to_vec();
        assert!(lengths.iter().all(|n| *n == lengths[0]));
        assert!(tally(&["", ""]).is_empty() && !tally(&["", " "]).is_empty());
    }

    #[test]
    fn long_texts_are_read_to_a_limit() {
        let long = "a".repeat(1 << 20);
        let t = tally(&[&long, &"b ".repeat(1 << 20)]);
        assert_eq!(t.chars, 2 * MAX_CHARS);
        assert_eq!(t.trigrams.count(run(['a'; 3])), MAX_CHARS - 2);
    }
}
