//! A finished plot read as with a ruler: by the numbers at its axes, and by nothing that drew it.

/// An attribute of the first element in some SVG.
fn attribute<'a>(svg: &'a str, name: &str) -> &'a str {
    let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0
}

/// The positions of an axis's first and last number, each with the number.
fn ends(svg: &str, anchor: &str, coordinate: &str) -> [(f64, f64); 2] {
    let texts = svg.split("<text ").skip(1).map(|t| format!(" {t}"));
    let numbers = texts.filter(|t| attribute(t, "text-anchor") == anchor);
    let numbers: Vec<(f64, f64)> = numbers
        .filter_map(|t| {
            let said = t.split_once('>')?.1.split_once('<')?.0;
            let number = said.trim().parse().ok()?;
            Some((attribute(&t, coordinate).parse().unwrap(), number))
        })
        .collect();
    [numbers[0], numbers[numbers.len() - 1]]
}

fn read(position: f64, [(a, low), (b, high)]: [(f64, f64); 2]) -> f64 {
    low + (high - low) * (position - a) / (b - a)
}

/// The values at a position.
pub(crate) fn values(svg: &str, (x, y): (f64, f64)) -> (f64, f64) {
    (
        read(x, ends(svg, "middle", "x")),
        read(y, ends(svg, "end", "y")),
    )
}

/// What two units of the drawing are across and up: no value is read closer.
pub(crate) fn blur(svg: &str) -> (f64, f64) {
    let (a, b) = (values(svg, (0.0, 0.0)), values(svg, (2.0, -2.0)));
    (b.0 - a.0, b.1 - a.1)
}

/// The middles of the diamonds, in the order in which they were drawn.
pub(crate) fn diamonds(svg: &str) -> Vec<(f64, f64)> {
    let drawn = svg.split("<polygon ").skip(1);
    drawn
        .map(|polygon| {
            let points = attribute(polygon, "points").split_whitespace();
            let points: Vec<(f64, f64)> = points
                .map(|point| {
                    let (x, y) = point.split_once(',').unwrap();
                    (x.parse().unwrap(), y.parse().unwrap())
                })
                .collect();
            let count = points.len() as f64;
            let sum = points
                .iter()
                .fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
            (sum.0 / count, sum.1 / count)
        })
        .collect()
}
