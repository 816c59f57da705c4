//! What the typesetter may see: one template, one file of facts, the fonts that are built in. There is no
//! other file, no package and no clock.

use std::collections::HashSet;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::layout::Abs;
use typst::syntax::{FileId, Source, VirtualRoot};
use typst::text::{Font, FontBook, FontVariations};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _, World};

/// The name by which a template reads the facts.
const FACTS: &str = "facts.json";

/// The font of texts; the others stand in for characters that it lacks.
const TEXT: &str = "Libertinus Serif";

/// Libertinus Serif, New Computer Modern and DejaVu Sans Mono.
pub(super) struct Fonts {
    book: LazyHash<FontBook>,
    faces: Vec<Font>,
    /// In any of them, and drawn by each that lists them.
    all: HashSet<char>,
    /// In every face of the font of texts.
    text: HashSet<char>,
}

impl Fonts {
    pub(super) fn built_in() -> Self {
        let files = typst_assets::fonts().map(Bytes::new);
        let faces: Vec<Font> = files.flat_map(Font::iter).collect();
        let (drawn, hollow): (Vec<_>, Vec<_>) = faces.iter().map(characters).unzip();
        let of_text = faces.iter().zip(&drawn);
        let of_text = of_text.filter(|(face, _)| face.info().family == TEXT);
        let text = of_text
            .map(|(_, drawn)| drawn.clone())
            .reduce(|a, b| &a & &b);
        // The typesetter gives up when the font that it turns to only lists a character.
        let hollow: HashSet<char> = hollow.into_iter().flatten().collect();
        Self {
            book: LazyHash::new(FontBook::from_fonts(&faces)),
            all: &drawn.into_iter().flatten().collect() - &hollow,
            text: text.unwrap_or_default(),
            faces,
        }
    }

    /// Whether a character that stands for itself can be set.
    pub(super) fn have(&self, c: char) -> bool {
        is_plain(c) && self.all.contains(&c)
    }

    /// Whether a mark can be set on a character; the typesetter joins only what one font has.
    pub(super) fn join(&self, base: char, mark: char) -> bool {
        self.text.contains(&base) && self.text.contains(&mark)
    }
}

/// The characters that a font draws, and those that it lists and does not draw.
fn characters(font: &Font) -> (HashSet<char>, HashSet<char>) {
    let as_is = FontVariations::default();
    let face = font
        .clone()
        .instantiate(font.info().variant, Abs::pt(10.0), &as_is);
    let drawn = |c: &char| face.ttf().glyph_index(*c).is_some_and(|glyph| glyph.0 != 0);
    let listed = font.info().coverage.iter().filter_map(char::from_u32);
    listed.partition(drawn)
}

/// Latin, Greek, Cyrillic and Armenian letters, punctuation and signs: what is written from left to right
/// one character after another, whatever else the fonts have.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='\u{58f}' | '\u{1d00}'..='\u{1dbf}' | '\u{1e00}'..='\u{20cf}'
        | '\u{2100}'..='\u{2cee}' | '\u{2cf2}'..='\u{2dff}' | '\u{fb00}'..='\u{fb06}' | '\u{fffd}'
        | '\u{1d400}'..='\u{1d7ff}' | '\u{1f000}'..='\u{1faff}')
}

/// Marks on what stands before them.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}')
}

/// A job for the typesetter.
pub(super) struct Desk {
    library: LazyHash<Library>,
    fonts: Fonts,
    template: Source,
    facts: Bytes,
}

impl Desk {
    pub(super) fn new(template: &str, facts: Vec<u8>, fonts: Fonts) -> Self {
        Self {
            library: LazyHash::new(Library::default()),
            fonts,
            template: Source::detached(template),
            facts: Bytes::new(facts),
        }
    }
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.fonts.book
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main() {
            Ok(self.template.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let path = id.get();
        let ours = matches!(path.root(), VirtualRoot::Project);
        if ours && path.vpath().get_without_slash() == FACTS {
            Ok(self.facts.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.faces.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
