//! Wording: how well does a small language model of one model's texts predict another model's texts?
//!
//! Where nothing but text is to be had, no model tells how probable it finds a text. A stand-in does: a
//! byte n-gram model estimated from all that the reader wrote, which reads what the author wrote. It is
//! the likelihood measure with the reader's distribution estimated from samples, so it needs many
//! samples, and it sees only what [`ORDER`] bytes of context show.
//!
//! For context length j, with c(h b) how often byte b followed context h, c(h) their sum over b and T(h) the
//! number of different bytes seen behind h, probabilities are interpolated from the shortest context up:
//!
//! ```text
//! p_j(b | h) = (c(h b) + T(h) p_{j-1}(b | h')) / (c(h) + T(h))      p_{-1} = 1/256
//! ```
//!
//! h' being h without its first byte; a context never seen leaves p as it is. Source: Witten and Bell, *IEEE
//! Transactions on Information Theory* 37 (1991) 1085-1094, method C; in its interpolated form Chen and
//! Goodman, *Computer Speech and Language* 13 (1999) 359-393, section 2.6. The beginning of a text is a
//! context of its own; the end is not predicted, since the longest answer cuts it off.
//!
//! A cell is minus the mean number of bits a byte over all samples of one probe. The reader has seen the
//! answers to that probe as well, its own ones; no text is read by a model made from it. A model without
//! texts reads nothing.
//!
//! Every window of [`ORDER`] + 1 bytes that occurs anywhere gets a number once, and a reader the
//! probability of each: time grows with the different windows times models and with bytes times pairs,
//! memory with both. At most [`MAX_BYTES`] of a sample are read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use ndarray::Array3;
use rayon::prelude::*;

use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;

/// Bytes of context.
const ORDER: usize = 4;
/// Bytes read of one sample.
const MAX_BYTES: usize = 4096;
/// Stands before a text; one more than the largest byte.
const EDGE: u64 = 256;
/// Bits of a packed symbol.
const BITS: usize = 9;

/// Has every row read every column, and every column every row.
pub(super) fn wording(
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &dyn Fn(&str, &str) -> bool,
) -> [Affinity; 2] {
    let sides = rows.iter().chain(columns);
    let members: BTreeMap<&str, &Fingerprint> = sides.map(|s| (s.id, s.print)).collect();
    let probes: BTreeSet<&str> = members
        .values()
        .flat_map(|print| print.texts.keys().map(String::as_str))
        .collect();
    let probes: Vec<&str> = probes.into_iter().collect();
    let shelf = Shelf::new(&members);
    // By reader the author, and the place of what it gives: direction, row and column.
    let mut by_reader: BTreeMap<&str, Vec<(&str, [usize; 3])>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        for (k, column) in columns.iter().enumerate() {
            if exists(row.id, column.id) {
                let mut reads = |reader, author, place| {
                    by_reader.entry(reader).or_default().push((author, place));
                };
                reads(row.id, column.id, [0, i, k]);
                reads(column.id, row.id, [1, i, k]);
            }
        }
    }
    // One reader's probabilities at a time: together they are larger than all that was written.
    let read = |(reader, pairs): (&str, Vec<(&str, [usize; 3])>)| {
        let Some(bits) = shelf.bits(reader) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for (author, place) in pairs {
            for (t, probe) in probes.iter().enumerate() {
                if let Some(text) = shelf.books[author].get(probe) {
                    values.push((place, t, -text.mean(&bits)));
                }
            }
        }
        values
    };
    let values: Vec<Vec<([usize; 3], usize, f64)>> = by_reader.into_par_iter().map(read).collect();
    let nothing = || Array3::from_elem((rows.len(), columns.len(), probes.len()), f64::NAN);
    let mut cells = [nothing(), nothing()];
    for ([direction, i, k], t, value) in values.into_iter().flatten() {
        cells[direction][[i, k, t]] = value;
    }
    let probes: Vec<String> = probes.into_iter().map(str::to_owned).collect();
    let [forth, back] = cells;
    let table = |measure, cells| Affinity::new(measure, rows, columns, probes.clone(), cells);
    [
        table(Measure::Wording, forth),
        table(Measure::WordingReverse, back),
    ]
}

/// All texts, as numbers of their windows.
struct Shelf<'a> {
    /// The same windows seen through contexts of each length, the shortest first.
    orders: Vec<Order>,
    /// By model and probe, all samples together. No probe without a byte.
    books: BTreeMap<&'a str, BTreeMap<&'a str, Text>>,
}

/// Which windows a text has, and how often.
struct Text(Vec<(u32, u32)>);

impl Text {
    fn new(mut windows: Vec<u32>) -> Option<Self> {
        windows.sort_unstable();
        let same = windows.chunk_by(|a, b| a == b);
        let counts: Vec<(u32, u32)> = same.map(|w| (w[0], whole(w.len()))).collect();
        (!counts.is_empty()).then_some(Self(counts))
    }

    /// The mean of what each window costs.
    fn mean(&self, costs: &[f64]) -> f64 {
        let counts = self.0.iter().map(|(window, n)| (*window, f64::from(*n)));
        let (sum, all) = counts.fold((0.0, 0.0), |(sum, all), (window, n)| {
            (sum + n * costs[window as usize], all + n)
        });
        sum / all
    }
}

/// Of every window, which context it ends with and which byte behind it.
#[derive(Default)]
struct Order {
    /// By number of the window, the number of the context and byte.
    grams: Vec<u32>,
    /// By number of the context and byte, that of the context.
    contexts: Vec<u32>,
    /// How many contexts there are.
    different: usize,
}

/// Numbers in the order in which things come.
#[derive(Default)]
struct Numbers(HashMap<u64, u32, RandomState>);

impl Numbers {
    fn of(&mut self, thing: u64) -> u32 {
        let next = whole(self.0.len());
        *self.0.entry(thing).or_insert(next)
    }
}

impl<'a> Shelf<'a> {
    fn new(members: &BTreeMap<&'a str, &'a Fingerprint>) -> Self {
        let read = |texts: &[String]| -> Vec<u64> { texts.iter().flat_map(|t| slide(t)).collect() };
        let own = |print: &&Fingerprint| {
            let texts = print.texts.values();
            let mut windows: Vec<u64> = texts.flat_map(|texts| read(texts)).collect();
            windows.sort_unstable();
            windows.dedup();
            windows
        };
        let own: Vec<Vec<u64>> = members.par_iter().map(|(_, print)| own(print)).collect();
        // Those that share the end of their context side by side, so that they find what they share near by.
        let mut windows = own.concat();
        windows.par_sort_unstable_by_key(|window| turned(*window));
        windows.dedup();
        let numbers: HashMap<u64, u32, RandomState> = windows.iter().copied().zip(0..).collect();
        let numbered =
            |texts: &[String]| Text::new(read(texts).iter().map(|w| numbers[w]).collect());
        let book = |(id, print): (&&'a str, &&'a Fingerprint)| {
            let texts = print.texts.iter();
            let texts = texts.filter_map(|(probe, texts)| Some((probe.as_str(), numbered(texts)?)));
            (*id, texts.collect())
        };
        Self {
            orders: (0..=ORDER)
                .into_par_iter()
                .map(|length| Order::new(&windows, length))
                .collect(),
            books: members.par_iter().map(book).collect(),
        }
    }

    /// How many bits each window's last byte costs a model of what one author wrote; nothing for who wrote
    /// nothing.
    fn bits(&self, author: &str) -> Option<Vec<f64>> {
        let book = self.books.get(author).filter(|book| !book.is_empty())?;
        let mut seen = vec![0; self.orders[ORDER].grams.len()];
        for (window, count) in book.values().flat_map(|text| &text.0) {
            seen[*window as usize] += count;
        }
        let mut probabilities = vec![1.0 / 256.0; seen.len()];
        for order in &self.orders {
            order.interpolate(&seen, &mut probabilities);
        }
        Some(probabilities.into_iter().map(|p| -p.log2()).collect())
    }
}

impl Order {
    fn new(windows: &[u64], length: usize) -> Self {
        let (mut grams, mut contexts) = (Numbers::default(), Numbers::default());
        let mut order = Self::default();
        for window in windows {
            let gram = last(*window, length + 1);
            let number = grams.of(gram);
            if number as usize == order.contexts.len() {
                order.contexts.push(contexts.of(gram >> BITS));
            }
            order.grams.push(number);
        }
        order.different = contexts.0.len();
        order
    }

    /// Goes from the probabilities behind shorter contexts to those behind these, for a model that has seen
    /// every window so many times.
    fn interpolate(&self, seen: &[u32], probabilities: &mut [f64]) {
        let mut counts = vec![0_u32; self.contexts.len()];
        for (gram, seen) in self.grams.iter().zip(seen) {
            counts[*gram as usize] += seen;
        }
        // How many bytes were seen behind each context, and how many different ones.
        let mut behind = vec![(0_u32, 0_u32); self.different];
        for (context, count) in self.contexts.iter().zip(&counts) {
            let (bytes, kinds) = &mut behind[*context as usize];
            *bytes += count;
            *kinds += u32::from(*count > 0);
        }
        for (gram, p) in self.grams.iter().zip(probabilities) {
            let (bytes, kinds) = behind[self.contexts[*gram as usize] as usize];
            if bytes > 0 {
                let count = f64::from(counts[*gram as usize]);
                *p = (count + f64::from(kinds) * *p) / f64::from(bytes + kinds);
            }
        }
    }
}

/// A number of windows: they are held in memory, where four thousand million of them do not fit.
fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The bytes of a text, each packed behind those before it.
fn slide(text: &str) -> impl Iterator<Item = u64> {
    let edges = (0..ORDER).fold(0, |window, _| (window << BITS) | EDGE);
    let bytes = text.as_bytes().iter().take(MAX_BYTES);
    bytes.scan(edges, |window, byte| {
        *window = last((*window << BITS) | u64::from(*byte), ORDER + 1);
        Some(*window)
    })
}

/// A window with the byte before its last one foremost, then the one before that, and its last one at the end.
fn turned(window: u64) -> u64 {
    let symbol = |back: usize| window >> (BITS * back) & ((1 << BITS) - 1);
    (1..=ORDER)
        .chain([0])
        .fold(0, |turned, back| (turned << BITS) | symbol(back))
}

/// The last symbols of a window.
fn last(window: u64, symbols: usize) -> u64 {
    window & ((1 << (BITS * symbols)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(texts: &[(&str, &[&str])]) -> Fingerprint {
        let owned = |t: &[&str]| t.iter().map(|t| (*t).to_owned()).collect();
        Fingerprint {
            texts: texts
                .iter()
                .map(|(probe, texts)| ((*probe).to_owned(), owned(texts)))
                .collect(),
            ..Fingerprint::default()
        }
    }

    /// The cell in which one model reads another.
    fn read(reader: &Fingerprint, author: &Fingerprint) -> Affinity {
        let side = |id, print| Side { id, print };
        let (rows, columns) = ([side("reader", reader)], [side("author", author)]);
        let [table, _] = wording(&rows, &columns, &|_, _| true);
        table
    }

    // scripts/make-wording-answers.py, NLTK 3.10.4.
    #[test]
    fn it_agrees_with_nltk() {
        let cats: &[&str] = &["the cat sat", "the hat"];
        let cases: [(&[&str], &[&str], f64); 3] = [
            (cats, &["that cat"], 1.561_094_785_693_780_5),
            (cats, &["the cat sat", "xyz"], 2.685_011_164_574_052_4),
            (&["aaaa"], &["é"], 12.321_928_094_887_362),
        ];
        for (reader, author, bits) in cases {
            let table = read(&print(&[("p", reader)]), &print(&[("p", author)]));
            let cell = table.cells[[0, 0, 0]];
            assert!((cell + bits).abs() < 1e-12, "{cell} {author:?}");
        }
    }

    #[test]
    fn the_reader_knows_all_that_it_wrote_and_each_probe_has_its_cell() {
        let reader = print(&[("p", &["the cat sat"]), ("q", &["the hat"])]);
        let author = print(&[("q", &["that cat", ""]), ("r", &["", ""]), ("s", &["xyz"])]);
        let table = read(&reader, &author);
        assert_eq!(table.probes, ["p", "q", "r", "s"]);
        let cells: Vec<f64> = table.cells.iter().copied().collect();
        // The order of texts does not matter, nor an empty one; no probe without a byte has a cell.
        assert!((cells[1] + 1.561_094_785_693_780_5).abs() < 1e-12);
        assert!(cells[0].is_nan() && cells[2].is_nan());
        // Every unigram costs more than an equal choice of 256 where none was seen.
        assert!(cells[3] < -8.0 && cells[3].is_finite());
    }

    #[test]
    fn reversed_the_column_reads_the_row() {
        let (a, b) = (print(&[("p", &["abab"])]), print(&[("p", &["abba"])]));
        let side = |id, print| Side { id, print };
        let (a, b) = ([side("a", &a)], [side("b", &b)]);
        let cells = |row: &[Side<'_>], column: &[Side<'_>]| {
            let tables = wording(row, column, &|_, _| true);
            let measures = [Measure::Wording, Measure::WordingReverse];
            assert_eq!(tables.each_ref().map(|t| t.measure), measures);
            tables.map(|t| t.cells[[0, 0, 0]])
        };
        let [forth, back] = cells(&a, &b);
        let [other, same] = cells(&b, &a);
        assert!((forth - same).abs() < 1e-15 && (back - other).abs() < 1e-15);
        assert!((forth - back).abs() > 1e-3);
    }

    #[test]
    fn who_wrote_nothing_reads_nothing_and_cells_may_not_exist() {
        let (silent, author) = (print(&[("p", &[""])]), print(&[("p", &["abc"])]));
        assert!(read(&silent, &author).cells[[0, 0, 0]].is_nan());
        assert!(read(&author, &silent).cells[[0, 0, 0]].is_nan());
        assert!(read(&Fingerprint::default(), &author).cells[[0, 0, 0]].is_nan());
        let side = [Side {
            id: "a",
            print: &author,
        }];
        for table in wording(&side, &side, &|row, column| row != column) {
            assert!(table.cells[[0, 0, 0]].is_nan());
        }
        for table in wording(&[], &[], &|_, _| true) {
            assert_eq!(table.cells.len(), 0);
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_text_is_read() {
        let long = "ab".repeat(MAX_BYTES);
        let (cut, whole) = (&long[..MAX_BYTES], format!("{}xyz", &long[..MAX_BYTES]));
        let bits = |text: &str| {
            read(&print(&[("p", &[text])]), &print(&[("p", &[text])])).cells[[0, 0, 0]]
        };
        assert!((bits(cut) - bits(&whole)).abs() < 1e-15);
        let last = format!("{}z", &long[..MAX_BYTES - 1]);
        assert!((bits(cut) - bits(&last)).abs() > 1e-3);
    }
}
