//! Plots as SVG: one element each, with a title and a description, in a fixed set of inks, on whole
//! coordinates, so that the same facts give the same bytes. Only this module knows the plotting library.
//!
//! A plot stands alone in light colours. Inside the page [`themed`] puts the page's own variables in the
//! place of the inks, so that it follows light and dark.

mod all;
mod axis;
mod bets;
mod calibration;
mod families;
mod frame;
mod heat;
mod lr_curve;
#[cfg(test)]
pub(super) mod ruler;
mod standing;

pub use all::plots;
pub use bets::bets;
pub use calibration::{ece, tippett};
pub use families::families;
pub use heat::heat;
pub use lr_curve::lr_curve;
pub use standing::standing;

use plotters::prelude::{DrawingBackend, RGBAColor, RGBColor, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont as _, TextStyle};

use crate::printable::visible;

/// Size of text and height of a line of a list, in user units.
const SIZE: i32 = 13;
const ROW: i32 = 20;

/// The colours of plots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Text,
    Quiet,
    Line,
    Suspect,
    Control,
    Band,
    More,
    Less,
}

impl Ink {
    const ALL: [Self; 8] = [
        Self::Text,
        Self::Quiet,
        Self::Line,
        Self::Suspect,
        Self::Control,
        Self::Band,
        Self::More,
        Self::Less,
    ];

    /// The colour on white.
    fn colour(self) -> RGBColor {
        match self {
            Self::Text => RGBColor(0x1b, 0x1b, 0x1c),
            Self::Quiet => RGBColor(0x55, 0x5a, 0x61),
            Self::Line => RGBColor(0xd3, 0xd7, 0xdc),
            Self::Suspect => RGBColor(0xb3, 0x26, 0x1e),
            Self::Control => RGBColor(0x37, 0x47, 0x50),
            Self::Band => RGBColor(0xc9, 0xd3, 0xd9),
            Self::More => RGBColor(0x0b, 0x57, 0xd0),
            Self::Less => RGBColor(0x9a, 0x46, 0x00),
        }
    }

    /// The variable of the page's style.
    fn variable(self) -> &'static str {
        match self {
            Self::Text => "--text",
            Self::Quiet => "--quiet",
            Self::Line => "--line",
            Self::Suspect => "--suspect",
            Self::Control => "--control",
            Self::Band => "--band",
            Self::More => "--more",
            Self::Less => "--less",
        }
    }
}

/// A plot with the page's variables in the place of its inks.
pub fn themed(plot: &str) -> String {
    Ink::ALL.iter().fold(plot.to_owned(), |plot, ink| {
        let RGBColor(r, g, b) = ink.colour();
        let fixed = format!("\"#{r:02X}{g:02X}{b:02X}\"");
        plot.replace(&fixed, &format!("\"var({})\"", ink.variable()))
    })
}

/// What a plot says of itself, for readers that do not see it: title and description.
pub fn alternative(plot: &str) -> String {
    let said = |tag: &str| {
        let (_, rest) = plot.split_once(&format!("<{tag}"))?;
        let (said, _) = rest.split_once('>')?.1.split_once("</")?;
        Some(unescaped(said))
    };
    let parts: Vec<String> = ["title", "desc"].into_iter().filter_map(said).collect();
    parts.join(". ")
}

/// Where a plot says what it is.
struct Heading<'a> {
    /// Unique in the page.
    id: &'a str,
    title: String,
    description: String,
}

/// Something to draw on; coordinates grow to the right and down.
struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// Draws a plot of a size.
fn draw(size: (i32, i32), heading: &Heading<'_>, paint: impl FnOnce(&mut Canvas<'_>)) -> String {
    let mut drawn = String::new();
    let extent = (size.0.unsigned_abs(), size.1.unsigned_abs());
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut drawn, extent),
    };
    paint(&mut canvas);
    // Writing to a string cannot fail, here and below.
    let _ = canvas.backend.present();
    drop(canvas);
    // The library's own opening tag has no room for a title.
    let body = drawn.split_once('>').map_or("", |(_, body)| body);
    let (width, height) = size;
    let Heading {
        id,
        title,
        description,
    } = heading;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-description\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\"><title id=\"{id}-title\">{}</title>\
         <desc id=\"{id}-description\">{}</desc>{body}",
        escaped(&visible(title)),
        escaped(&visible(description))
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Where a text stands about its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Right,
    Left,
    Middle,
    Upward,
}

impl Canvas<'_> {
    fn line(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        let _ = self.backend.draw_line(from, to, &ink.colour());
    }

    fn thick_line(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        let style = ink.colour().stroke_width(2);
        let _ = self.backend.draw_line(from, to, &style);
    }

    /// A line of a width through points, as one element.
    fn path(&mut self, corners: &[(i32, i32)], ink: Ink, width: u32) {
        let style = ink.colour().stroke_width(width);
        let _ = self.backend.draw_path(corners.iter().copied(), &style);
    }

    /// A filled rectangle, `strength` 0 to 1 opaque.
    fn rectangle(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink, strength: f64) {
        // Two decimals keep the bytes short.
        let strength = (strength * 100.0).round() / 100.0;
        let colour: RGBAColor = ink.colour().mix(strength);
        let _ = self.backend.draw_rect(from, to, &colour, true);
    }

    fn ring(&mut self, at: (i32, i32), ink: Ink) {
        let style = ink.colour().stroke_width(2);
        let _ = self.backend.draw_circle(at, 4, &style, false);
    }

    fn diamond(&mut self, (x, y): (i32, i32), ink: Ink) {
        let corners = [(x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y)];
        let _ = self.backend.fill_polygon(corners, &ink.colour());
    }

    fn text(&mut self, text: &str, at: (i32, i32), side: Side, ink: Ink) {
        self.write(text, at, side, ink, FontStyle::Normal);
    }

    fn bold(&mut self, text: &str, at: (i32, i32), side: Side, ink: Ink) {
        self.write(text, at, side, ink, FontStyle::Bold);
    }

    fn write(&mut self, text: &str, at: (i32, i32), side: Side, ink: Ink, weight: FontStyle) {
        let anchor = match side {
            Side::Right | Side::Upward => HPos::Left,
            Side::Left => HPos::Right,
            Side::Middle => HPos::Center,
        };
        // The library divides sizes by this.
        let size = f64::from(SIZE) * 1.24;
        let font = ("sans-serif", size).into_font().style(weight);
        let font = if side == Side::Upward {
            font.transform(plotters::style::FontTransform::Rotate270)
        } else {
            font
        };
        let colour = ink.colour();
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        let _ = self.backend.draw_text(&visible(text), &style, at);
    }
}

/// About how wide a character is: wide ones take the size, latin ones little more than half of it.
fn advance(c: char) -> i32 {
    if c.is_ascii() { 7 } else { SIZE }
}

/// About how wide a name is, in user units.
fn width(name: &str) -> i32 {
    visible(name).chars().map(advance).sum()
}

/// A name cut to a width, in user units.
fn fit(name: &str, most: i32) -> String {
    let name = visible(name).replace(['\n', '\t'], " ");
    if width(&name) <= most {
        return name;
    }
    let mut used = SIZE;
    let kept = name.chars().take_while(|c| {
        used += advance(*c);
        used <= most
    });
    kept.collect::<String>() + "\u{2026}"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading() -> Heading<'static> {
        Heading {
            id: "x",
            title: "A <title> & more".to_owned(),
            description: "b\u{202e}c".to_owned(),
        }
    }

    fn plot() -> String {
        draw((100, 40), &heading(), |canvas| {
            for (i, ink) in (0..).zip(Ink::ALL) {
                canvas.line((0, i), (9, i), ink);
            }
            canvas.text("</text><script>\u{7}", (1, 2), Side::Left, Ink::Text);
            canvas.rectangle((0, 0), (5, 5), Ink::More, 0.123_456);
        })
    }

    #[test]
    fn a_plot_is_one_element_with_title_and_description() {
        let plot = plot();
        assert!(
            plot.starts_with("<svg xmlns=") && plot.ends_with("</svg>\n"),
            "{plot}"
        );
        assert_eq!(plot.matches("<svg").count(), 1);
        assert!(plot.contains("role=\"img\" aria-labelledby=\"x-title x-description\""));
        assert!(plot.contains(">A &lt;title&gt; &amp; more</title>"));
        assert!(plot.contains("\u{2039}U+202E\u{203a}"));
        assert!(plot.contains("opacity=\"0.12\""));
        let said = "A <title> & more. b\u{2039}U+202E\u{203a}c";
        assert_eq!(alternative(&plot), said);
        assert_eq!(alternative("<svg></svg>"), "");
    }

    #[test]
    fn names_cannot_leave_their_element() {
        assert!(!plot().contains("<script"));
        assert!(plot().contains("&lt;script&gt;\u{2039}U+0007\u{203a}"));
    }

    #[test]
    fn every_ink_has_a_variable_and_no_fixed_colour_is_left() {
        let themed = themed(&plot());
        for ink in Ink::ALL {
            assert!(
                themed.contains(&format!("\"var({})\"", ink.variable())),
                "{ink:?}"
            );
        }
        assert!(!themed.contains("\"#"), "{themed}");
    }

    #[test]
    fn long_names_are_cut_to_their_width() {
        assert_eq!(fit("sibling-1", 120), "sibling-1");
        let cut = fit(&"a".repeat(500), 120);
        assert!(
            cut.ends_with('\u{2026}') && cut.chars().count() < 18,
            "{cut}"
        );
        assert_eq!(fit("a\nb", 120), "a b");
    }
}
