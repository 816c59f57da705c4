//! The report as Markdown: the same facts in short tables, without plots.

use minijinja::{AutoEscape, Error, Output, State, Value};

use super::facts::Report;
use super::render::{Form, RenderError, render};

const TEMPLATES: &[(&str, &str)] = &[("report.md", include_str!("templates/report.md"))];

/// Renders the document.
///
/// # Errors
///
/// When the template does not fit the facts, which tests rule out.
pub fn document(report: &Report) -> Result<String, RenderError> {
    let form = Form {
        name: "Markdown",
        escape: AutoEscape::Custom("markdown".into()),
        write: markdown,
    };
    render(report, TEMPLATES, &form, Value::UNDEFINED)
}

fn markdown(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string();
    out.write_str(&if value.is_safe() {
        text
    } else {
        escaped(&text)
    })?;
    Ok(())
}

/// Text that stays text wherever it stands in a document: one line, no markup, no HTML, no table cell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str(" \u{23ce} "),
            '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    // Some readers make links of addresses.
    out.replace("://", ":\u{200d}//").replace("www.", "www\\.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped("a | b\n# <script>`x` [l](u) **b** _i_ & ![i](u)"),
            "a \\| b \u{23ce} \\# &lt;script&gt;\\`x\\` \\[l\\](u) \\*\\*b\\*\\* \\_i\\_ &amp; \\!\\[i\\](u)"
        );
    }
}
