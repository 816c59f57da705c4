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
//! A window is a byte with the [`ORDER`] before it, the nearest one foremost, so that in a sorted list all bytes behind a
//! context stand side by side, whatever its length. What a model wrote is such a list, and what several authors wrote is
//! one as well: a reader goes through it once for each length of context, in step with its own. Time grows with the
//! different windows of all authors times readers and with bytes times pairs, memory with both. At most [`MAX_BYTES`] of
//! a sample are read.

use std::collections::{BTreeMap, BTreeSet};

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

/// The constants by name.
pub(super) fn constants() -> [(&'static str, f64); 2] {
    [
        ("wording.order", ORDER as f64),
        ("wording.max_bytes", MAX_BYTES as f64),
    ]
}

/// Has every row read every column, and every column every row.
pub(super) fn wording(
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &(dyn Fn(&str, &str) -> bool + Sync),
) -> [Affinity; 2] {
    let sides = rows.iter().chain(columns);
    let members: BTreeMap<&str, &Fingerprint> = sides.map(|s| (s.id, s.print)).collect();
    let probes: BTreeSet<&str> = members
        .values()
        .flat_map(|print| print.texts.keys().map(String::as_str))
        .collect();
    let probes: Vec<&str> = probes.into_iter().collect();
    let books = members.into_par_iter();
    let books: BTreeMap<&str, Book<'_>> = books.map(|(id, print)| (id, Book::new(print))).collect();
    let books =
        |sides: &[Side<'_>]| -> Vec<&Book<'_>> { sides.iter().map(|s| &books[s.id]).collect() };
    let (own, others) = (books(rows), books(columns));
    let exists = |row: usize, column: usize| exists(rows[row].id, columns[column].id);
    // One behind the other: both use all cores, and a shelf of many authors is large.
    let forth = read(&own, &others, &probes, &exists);
    let mut back = read(&others, &own, &probes, &|column, row| exists(row, column));
    back.swap_axes(0, 1);
    let probes: Vec<String> = probes.into_iter().map(str::to_owned).collect();
    let table = |measure, cells| Affinity::new(measure, rows, columns, probes.clone(), cells);
    [
        table(Measure::Wording, forth),
        table(Measure::WordingReverse, back),
    ]
}

/// What readers give to authors on each probe, [readers, authors, probes].
fn read(
    readers: &[&Book<'_>],
    authors: &[&Book<'_>],
    probes: &[&str],
    exists: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Array3<f64> {
    let shelf = Shelf::new(authors);
    // One reader's costs at a time: together they are larger than all that was written.
    let given = |(i, reader): (usize, &&Book<'_>)| -> Vec<f64> {
        let costs = shelf.costs(reader);
        let given = |(k, author): (usize, &&Book<'_>)| {
            let costs = costs.as_ref().filter(|_| exists(i, k));
            let costs = costs.map(|costs| shelf.of_author(k, costs));
            let mean = |probe: &&str| Some(-author.texts.get(probe)?.mean(costs.as_ref()?));
            let means = probes.iter().map(mean);
            means.map(|mean| mean.unwrap_or(f64::NAN)).collect()
        };
        let by_author: Vec<Vec<f64>> = authors.par_iter().enumerate().map(given).collect();
        by_author.concat()
    };
    let cells: Vec<Vec<f64>> = readers.par_iter().enumerate().map(given).collect();
    let mut cells = cells.into_iter().flatten();
    Array3::from_shape_simple_fn((readers.len(), authors.len(), probes.len()), || {
        cells.next().unwrap_or(f64::NAN)
    })
}

/// All that one model wrote.
struct Book<'a> {
    /// The different windows, in order.
    windows: Vec<u64>,
    /// How often each of them was written.
    counts: Vec<u32>,
    /// By probe, all samples together. No probe without a byte.
    texts: BTreeMap<&'a str, Text>,
}

/// The windows of its book that a text has, by place, in order, as often as it has them: each as the step from the one
/// before, in groups of seven bits. Most steps take one byte, and there is one for every byte that was written.
#[derive(Default)]
struct Text {
    steps: Vec<u8>,
    last: u32,
    all: u32,
}

/// The bit of a byte behind which a step goes on.
const MORE: u8 = 1 << 7;

impl Text {
    /// Adds a window that the text has so many times; none that stands before the last one.
    fn push(&mut self, place: u32, times: usize) {
        let mut step = place - self.last;
        while step >= u32::from(MORE) {
            self.steps.push(step.to_le_bytes()[0] | MORE);
            step >>= 7;
        }
        self.steps.push(step.to_le_bytes()[0]);
        self.steps.resize(self.steps.len() + times - 1, 0);
        self.last = place;
        self.all += whole(times);
    }

    /// The mean of what each window costs.
    fn mean(&self, costs: &[f64]) -> f64 {
        let (mut sum, mut place, mut times) = (0.0, 0, 0);
        let (mut step, mut shift) = (0, 0);
        for byte in &self.steps {
            step |= usize::from(byte & !MORE) << shift;
            shift += 7;
            if byte & MORE == 0 {
                if step > 0 {
                    sum += f64::from(times) * costs[place];
                    times = 0;
                }
                place += step;
                times += 1;
                (step, shift) = (0, 0);
            }
        }
        (sum + f64::from(times) * costs[place]) / f64::from(self.all)
    }
}

impl<'a> Book<'a> {
    fn new(print: &'a Fingerprint) -> Self {
        let mut written: Vec<(u64, u32)> = Vec::new();
        for (probe, texts) in (0..).zip(print.texts.values()) {
            let windows = texts.iter().flat_map(|text| slide(text));
            written.extend(windows.map(|window| (window, probe)));
        }
        // Keeps what is of one probe together, for it came so.
        radsort::sort_by_key(&mut written, |(window, _)| *window);
        let (mut windows, mut counts) = (Vec::new(), Vec::new());
        let mut texts: Vec<Text> = print.texts.values().map(|_| Text::default()).collect();
        for same in written.chunk_by(|a, b| a.0 == b.0) {
            for here in same.chunk_by(|a, b| a.1 == b.1) {
                texts[here[0].1 as usize].push(whole(windows.len()), here.len());
            }
            windows.push(same[0].0);
            counts.push(whole(same.len()));
        }
        windows.shrink_to_fit();
        counts.shrink_to_fit();
        for text in &mut texts {
            text.steps.shrink_to_fit();
        }
        let texts = print.texts.keys().map(String::as_str).zip(texts);
        Self {
            windows,
            counts,
            texts: texts.filter(|(_, text)| text.all > 0).collect(),
        }
    }
}

/// What some authors wrote.
struct Shelf {
    /// One a length of context, the shortest first.
    orders: Vec<Order>,
    /// By author, the places of its windows among all.
    authors: Vec<Vec<u32>>,
}

impl Shelf {
    fn new(authors: &[&Book<'_>]) -> Self {
        let all = authors.iter().flat_map(|book| &book.windows);
        let mut all: Vec<u64> = all.copied().collect();
        all.par_sort_unstable();
        all.dedup();
        all.shrink_to_fit();
        let places = |book: &&Book<'_>| {
            let mut rest = (0..).zip(&all);
            let place = |window| rest.find(|(_, other)| *other == window);
            let places = book.windows.iter().filter_map(place);
            places.map(|(place, _)| place).collect()
        };
        Self {
            authors: authors.par_iter().map(places).collect(),
            orders: Order::all(all),
        }
    }

    /// How many bits the last byte of each window costs a model of a book; `None` if that is empty.
    fn costs(&self, reader: &Book<'_>) -> Option<Vec<f64>> {
        if reader.windows.is_empty() {
            return None;
        }
        let orders = Order::all(reader.windows.clone());
        let mut counts = vec![reader.counts.clone()];
        for [shorter, order] in orders.array_windows().rev() {
            let mut fewer = vec![0; shorter.grams.len()];
            for (place, count) in order.shorter.iter().zip(&counts[counts.len() - 1]) {
                fewer[*place as usize] += count;
            }
            counts.push(fewer);
        }
        let mut probabilities = vec![1.0 / 256.0];
        for ((order, own), counts) in self.orders.iter().zip(&orders).zip(counts.iter().rev()) {
            probabilities = order.interpolate(&own.grams, counts, &probabilities);
        }
        Some(probabilities.into_iter().map(|p| -p.log2()).collect())
    }

    /// What is known of all windows, for those of one author.
    fn of_author(&self, author: usize, costs: &[f64]) -> Vec<f64> {
        let places = self.authors[author].iter();
        places.map(|place| costs[*place as usize]).collect()
    }
}

/// Windows with contexts of one length.
struct Order {
    /// A context and the byte behind it each, in order.
    grams: Vec<u64>,
    /// The place of each in the order before, where the context is shorter by the farthest byte.
    shorter: Vec<u32>,
}

impl Order {
    /// The same windows with contexts of every length, the shortest first.
    fn all(windows: Vec<u64>) -> Vec<Self> {
        let mut orders = Vec::new();
        let mut grams = windows;
        for _ in 0..ORDER {
            let (fewer, shorter) = shorten(&grams);
            orders.push(Self { grams, shorter });
            grams = fewer;
        }
        let shorter = vec![0; grams.len()];
        orders.push(Self { grams, shorter });
        orders.reverse();
        orders
    }

    /// Goes from the probabilities behind shorter contexts to those behind these, for a model that has seen some of
    /// them so many times.
    fn interpolate(&self, seen: &[u64], counts: &[u32], before: &[f64]) -> Vec<f64> {
        let before = self.shorter.iter().map(|place| before[*place as usize]);
        let mut probabilities: Vec<f64> = before.collect();
        let mut seen = seen.iter().copied().zip(counts.iter().copied()).peekable();
        let mut behind = Vec::new();
        let mut at = 0;
        for grams in self.grams.chunk_by(|a, b| context(*a) == context(*b)) {
            let this = context(grams[0]);
            let here = &mut probabilities[at..at + grams.len()];
            at += grams.len();
            while seen.next_if(|(gram, _)| context(*gram) < this).is_some() {}
            behind.clear();
            behind.extend(std::iter::from_fn(|| {
                seen.next_if(|(gram, _)| context(*gram) == this)
            }));
            // How many bytes were seen, and how many different ones.
            let bytes: u32 = behind.iter().map(|(_, count)| count).sum();
            let kinds = whole(behind.len());
            if bytes == 0 {
                continue;
            }
            let mut behind = behind.iter().peekable();
            for (gram, p) in grams.iter().zip(here) {
                while behind.next_if(|(other, _)| other < gram).is_some() {}
                let count = behind
                    .next_if(|(other, _)| other == gram)
                    .map_or(0, |(_, count)| *count);
                *p = (f64::from(count) + f64::from(kinds) * *p) / f64::from(bytes + kinds);
            }
        }
        probabilities
    }
}

/// The grams with a context shorter by its farthest byte, in order, and for each of those given its place among them.
fn shorten(grams: &[u64]) -> (Vec<u64>, Vec<u32>) {
    let shortened = |gram: u64| context(context(gram)) << BITS | (gram & ((1 << BITS) - 1));
    let byte = |gram: u64| usize::from(gram.to_le_bytes()[0]);
    let (mut fewer, mut places) = (Vec::new(), Vec::with_capacity(grams.len()));
    let (mut here, mut place) = (Vec::new(), [0; 256]);
    for grams in grams.chunk_by(|a, b| context(context(*a)) == context(context(*b))) {
        here.clear();
        here.extend(grams.iter().map(|gram| shortened(*gram)));
        here.sort_unstable();
        here.dedup();
        for (gram, i) in here.iter().zip(fewer.len()..) {
            place[byte(*gram)] = whole(i);
        }
        fewer.append(&mut here);
        places.extend(grams.iter().map(|gram| place[byte(*gram)]));
    }
    (fewer, places)
}

/// What stands before the last symbol.
fn context(gram: u64) -> u64 {
    gram >> BITS
}

/// A number of windows: they are held in memory, where four thousand million of them do not fit.
fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The bytes of a text, each packed with the [`ORDER`] before it: the nearest one first, itself last.
fn slide(text: &str) -> impl Iterator<Item = u64> {
    let edges = (0..ORDER).fold(0, |context, _| (context << BITS) | EDGE);
    let bytes = text.as_bytes().iter().take(MAX_BYTES);
    bytes.scan(edges, |context, byte| {
        let window = (*context << BITS) | u64::from(*byte);
        *context = (u64::from(*byte) << (BITS * (ORDER - 1))) | (*context >> BITS);
        Some(window)
    })
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

    /// The formula at the head of this file, counted afresh for every byte.
    fn by_the_formula(reader: &[&str], text: &str) -> f64 {
        let symbols = |text: &str| -> Vec<u64> {
            let bytes = text.bytes().map(u64::from);
            [EDGE; ORDER].into_iter().chain(bytes).collect()
        };
        let seen: Vec<Vec<u64>> = reader.iter().map(|text| symbols(text)).collect();
        let text = symbols(text);
        let mut bits = 0.0;
        for end in ORDER..text.len() {
            let mut p = 1.0 / 256.0;
            for length in 0..=ORDER {
                let context = &text[end - length..end];
                let mut behind: BTreeMap<u64, f64> = BTreeMap::new();
                for own in &seen {
                    for at in ORDER..own.len() {
                        if &own[at - length..at] == context {
                            *behind.entry(own[at]).or_default() += 1.0;
                        }
                    }
                }
                let (all, kinds) = (behind.values().sum::<f64>(), behind.len() as f64);
                if all > 0.0 {
                    let count = behind.get(&text[end]).copied().unwrap_or(0.0);
                    p = (count + kinds * p) / (all + kinds);
                }
            }
            bits -= p.log2();
        }
        bits / (text.len() - ORDER) as f64
    }

    #[test]
    fn many_readers_and_authors_at_once_agree_with_the_formula() {
        // Few letters, so that contexts of every length are shared by some and not by others.
        let mut state = 7_u32;
        let mut text = || -> String {
            let mut letter = |letters: &[char]| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                letters[(state >> 24) as usize % letters.len()]
            };
            let length = 1 + letter(&['0'; 1]) as usize % 7;
            let letters = [&['a', 'b', 'c'][..], &['a', 'b', 'é', ' ']][length % 2];
            (0..40 * length).map(|_| letter(letters)).collect()
        };
        let texts: Vec<[String; 3]> = (0..5).map(|_| [text(), text(), text()]).collect();
        let texts: Vec<[&str; 3]> = texts
            .iter()
            .map(|t| t.each_ref().map(String::as_str))
            .collect();
        let prints: Vec<Fingerprint> = texts
            .iter()
            .map(|[p, q, r]| print(&[("p", &[p, q]), ("q", &[r])]))
            .collect();
        let ids = ["a", "b", "c", "d", "e"];
        let sides: Vec<Side<'_>> = ids
            .into_iter()
            .zip(&prints)
            .map(|(id, print)| Side { id, print })
            .collect();
        let [forth, back] = wording(&sides, &sides[..2], &|row, column| row != column);
        for (i, row) in texts.iter().enumerate() {
            for (k, column) in texts[..2].iter().enumerate() {
                let found = [&forth, &back].map(|table| table.cells[[i, k, 1]]);
                if i == k {
                    assert!(found.iter().all(|cell| cell.is_nan()));
                    continue;
                }
                let expected = [
                    by_the_formula(row, column[2]),
                    by_the_formula(column, row[2]),
                ];
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found + expected).abs() < 1e-12,
                        "{i} {k}: {found} {expected}"
                    );
                }
            }
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
