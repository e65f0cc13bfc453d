//! Charts as SVG inside a page: axes, lines, bars, boxes, heat maps.
//!
//! Colours are classes, so that the page's style decides what they are by day and by night. What a chart shows is said in
//! its title and description, and never by colour alone.

use maud::{Markup, html};

use super::{count, short};

/// One axis of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    label: &'static str,
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// A line with a name, through points from left to right.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether the points are marked.
    pub(super) marked: bool,
}

/// The five numbers of a box: the ends of its whiskers, of the box, and the middle.
pub(super) struct Quartiles<'a> {
    pub(super) name: &'a str,
    /// Ascending; fewer than five where there is nothing to show.
    pub(super) values: &'a [f64],
}

impl Axis {
    /// An axis from `low` to `high`.
    pub(super) fn new(label: &'static str, low: f64, high: f64) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        Axis { label, low, high, logarithmic: false }
    }

    /// An axis of shares.
    pub(super) fn share(label: &'static str) -> Axis {
        Axis::new(label, 0.0, 1.0)
    }

    /// A logarithmic axis; `low` must be above 0, and smaller values are drawn there.
    pub(super) fn logarithmic(label: &'static str, low: f64, high: f64) -> Axis {
        Axis { label, low, high: if high > low { high } else { low * 10.0 }, logarithmic: true }
    }

    /// Where a value lies, 0..=1.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// The points of a straight line from one point to another, in enough steps that it is as bent on a logarithmic axis
    /// as it should be; the first point left out.
    fn between(&self, from: (f64, f64), to: (f64, f64)) -> Vec<(f64, f64)> {
        let (start, end) = (self.place(from.0), self.place(to.0));
        if !self.logarithmic || end - start < 0.02 {
            return vec![to];
        }
        let steps = (60.0 * (end - start)).ceil() as usize;
        let step = |turn: usize| {
            let place = start + (end - start) * turn as f64 / steps as f64;
            let across = self.low * (self.high / self.low).powf(place);
            let share = ((across - from.0) / (to.0 - from.0)).clamp(0.0, 1.0);
            (across, from.1 + share * (to.1 - from.1))
        };
        (1..=steps).map(step).collect()
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
            let step = ((last - first) / 6 + 1).max(1) as usize;
            return (first..=last).step_by(step).map(|power| 10f64.powi(power)).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let nice = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|nice| nice * magnitude >= rough).unwrap_or(10.0);
        let step = nice * magnitude;
        let first = (self.low / step).ceil();
        let ticks = (0..12).map(|turn| (first + f64::from(turn)) * step);
        ticks.take_while(|tick| *tick <= self.high + step * 1e-9).collect()
    }
}

/// Lines over a common pair of axes; `diagonal` draws what chance, or perfect calibration, would give.
pub(super) fn lines(title: &str, axes: [Axis; 2], lines: &[Line], diagonal: bool) -> Markup {
    let [x, y] = &axes;
    let path = |points: &[(f64, f64)]| {
        let mut path = String::new();
        for (turn, &point) in points.iter().enumerate() {
            let before = turn.checked_sub(1).and_then(|turn| points.get(turn));
            for (across, up) in before.map_or_else(|| vec![point], |before| x.between(*before, point)) {
                let (left, top) = at(x, y, across, up);
                path.push_str(&format!("{}{left:.1} {top:.1}", if path.is_empty() { "M" } else { "L" }));
            }
        }
        path
    };
    let described: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let body = html! {
        @if diagonal {
            path class="chance" d=(path(&[(x.low, x.low), (x.high, x.high)])) {}
        }
        @for (number, line) in lines.iter().enumerate() {
            path class={ "line " (series(number)) } d=(path(&line.points)) { title { (line.name) } }
            @if line.marked {
                @for &(across, up) in &line.points {
                    @let (left, top) = at(x, y, across, up);
                    circle class={ "mark " (series(number)) } cx=(px(left)) cy=(px(top)) r="3.5" {
                        title { (short(across)) ", " (short(up)) }
                    }
                }
            }
        }
    };
    let key = html! { @if lines.len() > 1 { (key(&described, Swatch::Line)) } };
    figure(title, &described.join(", "), frame(&axes, body), key)
}

/// Points of one series.
pub(super) fn points(title: &str, axes: [Axis; 2], points: &[(f64, f64, String)], best: &[(f64, f64)]) -> Markup {
    let [x, y] = &axes;
    let mut path = String::new();
    for (turn, &(across, up)) in best.iter().enumerate() {
        let (left, top) = at(x, y, across, up);
        path.push_str(&format!("{}{left:.1} {top:.1}", if turn == 0 { "M" } else { "L" }));
    }
    let body = html! {
        path class={ "line " (series(1)) } d=(path) {}
        @for (across, up, name) in points {
            @let (left, top) = at(x, y, *across, *up);
            circle class={ "mark " (series(0)) } cx=(px(left)) cy=(px(top)) r="3.5" { title { (name) } }
        }
    };
    figure(title, &format!("{} points", points.len()), frame(&axes, body), html! {})
}

/// Stacked bars of two sides over bins; `logarithmic` draws the heights on a logarithmic scale, side by side.
pub(super) fn histogram(
    title: &str,
    x: &'static str,
    edges: &[f64],
    counts: &[[u64; 2]],
    sides: [&str; 2],
    logarithmic: bool,
) -> Markup {
    let most = counts.iter().map(|bin| if logarithmic { bin[0].max(bin[1]) } else { bin[0] + bin[1] }).max();
    let most = most.unwrap_or(1).max(1) as f64;
    let height =
        if logarithmic { Axis::logarithmic("rows", 0.5, most * 1.2) } else { Axis::new("rows", 0.0, most * 1.05) };
    // Bars are equally wide whatever the scale of the bins; the ticks tell where they begin.
    let across = Axis::new(x, 0.0, counts.len() as f64);
    let axes = [across.clone(), height.clone()];
    let every = counts.len().div_ceil(5).max(1);
    let bars = html! {
        @for (place, bin) in counts.iter().enumerate() {
            @for side in 0..2 {
                @if bin[side] > 0 {
                    @let below = if side == 1 && !logarithmic { bin[0] } else { 0 };
                    @let (left, top) = at(&across, &height, place as f64, (below + bin[side]) as f64);
                    @let (right, bottom) = at(&across, &height, place as f64 + 1.0, below as f64);
                    @let part = if logarithmic { (right - left) / 2.0 } else { right - left };
                    @let left = if logarithmic && side == 1 { left + part } else { left };
                    rect class={ "bar " (series(side)) } x=(px(left + 0.5)) y=(px(top)) width=(px((part - 1.0).max(0.5)))
                        height=(px((bottom - top).max(0.5))) {
                        title { (sides[side]) ": " (count(bin[side])) " rows" (range(edges, place)) }
                    }
                }
            }
        }
        @for place in (0..edges.len()).step_by(every) {
            @let (left, bottom) = at(&across, &height, place as f64, 0.0);
            text class="tick" x=(px(left)) y=(px(bottom + 16.0)) text-anchor="middle" { (short(edges[place])) }
        }
    };
    let used: Vec<&str> =
        (0..2).filter(|&side| counts.iter().any(|bin| bin[side] > 0)).map(|side| sides[side]).collect();
    let key = html! { @if used.len() > 1 { (key(&used, Swatch::Bar)) } };
    figure(title, &format!("rows of {}", used.join(" and ")), bare_x(&axes, bars), key)
}

/// Boxes with whiskers, one under the other, on a common scale.
pub(super) fn boxes(title: &str, boxes: &[Quartiles<'_>]) -> Markup {
    let ends = boxes.iter().filter(|of| of.values.len() == 5);
    let low = ends.clone().map(|of| of.values[0]).fold(f64::INFINITY, f64::min);
    let high = ends.clone().map(|of| of.values[4]).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    // A scale of logarithms where values lie magnitudes apart and none is negative.
    let logarithmic = low >= 0.0 && high > 1000.0;
    let x = if logarithmic { Axis::logarithmic("value", low.max(0.5), high) } else { Axis::new("value", low, high) };
    let tall = 40.0;
    let height = boxes.len() as f64 * tall + BOTTOM + 8.0;
    let left = 92.0;
    let across = |value: f64| left + x.place(value) * (WIDTH - left - RIGHT);
    let body = html! {
        @for tick in x.ticks() {
            line class="grid" x1=(px(across(tick))) x2=(px(across(tick))) y1="4" y2=(px(height - BOTTOM)) {}
            text class="tick" x=(px(across(tick))) y=(px(height - BOTTOM + 16.0)) text-anchor="middle" { (short(tick)) }
        }
        @for (place, of) in boxes.iter().enumerate() {
            @let middle = 4.0 + tall * (place as f64 + 0.5);
            text class="tick" x=(px(left - 8.0)) y=(px(middle + 4.0)) text-anchor="end" { (of.name) }
            @if let [low, first, median, third, high] = *of.values {
                line class={ "line " (series(place)) } x1=(px(across(low))) x2=(px(across(high))) y1=(px(middle)) y2=(px(middle)) {}
                rect class={ "bar " (series(place)) } x=(px(across(first))) y=(px(middle - 11.0))
                    width=(px((across(third) - across(first)).max(1.0))) height="22" {
                    title {
                        (of.name) ": 5 % " (short(low)) ", quarter " (short(first)) ", median " (short(median))
                        ", three quarters " (short(third)) ", 95 % " (short(high))
                    }
                }
                line class="median" x1=(px(across(median))) x2=(px(across(median))) y1=(px(middle - 11.0)) y2=(px(middle + 11.0)) {}
            } @else {
                text class="tick" x=(px(left)) y=(px(middle + 4.0)) { "no rows" }
            }
        }
    };
    let names: Vec<&str> = boxes.iter().map(|of| of.name).collect();
    let svg = html! { svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" { (body) } };
    figure(title, &format!("boxes of {}", names.join(" and ")), svg, html! {})
}

/// A matrix of values -1..=1 as colours, with the text of each cell; a cell without a value stays empty.
pub(super) fn heat_map(
    title: &str,
    rows: &[String],
    columns: &[String],
    cell: impl Fn(usize, usize) -> Option<(f64, String)>,
) -> Markup {
    let longest = |names: &[String]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(LETTERS);
    let left = 12.0 + 6.2 * longest(rows) as f64;
    let top = 12.0 + 6.2 * longest(columns) as f64;
    let size = (560.0 / columns.len().max(1) as f64).clamp(16.0, 72.0);
    let tall = size.min(36.0);
    let (width, height) = (left + size * columns.len() as f64 + 8.0, top + tall * rows.len() as f64 + 8.0);
    let body = html! {
        @for (place, name) in columns.iter().enumerate() {
            @let middle = left + size * (place as f64 + 0.5) + 4.0;
            text class="tick" transform={ "translate(" (px(middle)) " " (px(top - 6.0)) ") rotate(-90)" } { (clip(name)) title { (name) } }
        }
        @for (down, name) in rows.iter().enumerate() {
            @let upper = top + tall * down as f64;
            text class="tick" x=(px(left - 6.0)) y=(px(upper + tall / 2.0 + 4.0)) text-anchor="end" { (clip(name)) title { (name) } }
            @for (across, column) in columns.iter().enumerate() {
                @if let Some((value, text)) = cell(down, across) {
                    @let begin = left + size * across as f64;
                    rect class=(if value < 0.0 { "cold" } else { "hot" }) x=(px(begin + 0.5)) y=(px(upper + 0.5))
                        width=(px(size - 1.0)) height=(px(tall - 1.0)) fill-opacity=(format!("{:.2}", value.abs().min(1.0) * 0.8)) {
                        title { (name) ", " (column) ": " (text) }
                    }
                    @if size >= 7.0 * text.chars().count() as f64 && tall >= 16.0 {
                        text class="cell" x=(px(begin + size / 2.0)) y=(px(upper + tall / 2.0 + 4.0)) text-anchor="middle" { (text) }
                    }
                }
            }
        }
    };
    let svg = html! {
        svg viewBox={ "0 0 " (px(width)) " " (px(height)) } style={ "max-width:" (px(width)) "px" } role="img" { (body) }
    };
    figure(title, &format!("{} rows, {} columns", rows.len(), columns.len()), svg, html! {})
}

/// A chart with its title, and what it shows in words for those who do not see it.
fn figure(title: &str, description: &str, svg: Markup, key: Markup) -> Markup {
    html! {
        figure role="group" aria-label={ (title) ": " (description) } {
            figcaption { (title) }
            (svg)
            (key)
        }
    }
}

/// How a key shows a colour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Swatch {
    Line,
    Bar,
}

/// What the colours and dashes stand for.
fn key(names: &[&str], swatch: Swatch) -> Markup {
    html! {
        ul class="key" {
            @for (number, name) in names.iter().enumerate() {
                li {
                    svg viewBox="0 0 24 10" width="24" height="10" aria-hidden="true" {
                        @if swatch == Swatch::Line {
                            line class={ "line " (series(number)) } x1="0" x2="24" y1="5" y2="5" {}
                        } @else {
                            rect class={ "bar " (series(number)) } width="24" height="10" {}
                        }
                    }
                    " " (name)
                }
            }
        }
    }
}

/// Axes, grid and labels around what is drawn.
fn frame(axes: &[Axis; 2], body: Markup) -> Markup {
    let [x, y] = axes;
    let ticks = html! {
        @for tick in x.ticks() {
            @let (left, _) = at(x, y, tick, y.low);
            line class="grid" x1=(px(left)) x2=(px(left)) y1=(TOP) y2=(px(HEIGHT - BOTTOM)) {}
            text class="tick" x=(px(left)) y=(px(HEIGHT - BOTTOM + 16.0)) text-anchor="middle" { (short(tick)) }
        }
    };
    bare_x(axes, html! { (ticks) (body) })
}

/// The same without ticks below.
fn bare_x(axes: &[Axis; 2], body: Markup) -> Markup {
    let [x, y] = axes;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
            @for tick in y.ticks() {
                @let (_, top) = at(x, y, x.low, tick);
                line class="grid" x1=(LEFT) x2=(px(WIDTH - RIGHT)) y1=(px(top)) y2=(px(top)) {}
                text class="tick" x=(px(LEFT - 6.0)) y=(px(top + 4.0)) text-anchor="end" { (short(tick)) }
            }
            (body)
            text class="label" x=(px((LEFT + WIDTH - RIGHT) / 2.0)) y=(px(HEIGHT - 6.0)) text-anchor="middle" { (x.label) }
            text class="label" transform={ "translate(13 " (px((TOP + HEIGHT - BOTTOM) / 2.0)) ") rotate(-90)" } text-anchor="middle" { (y.label) }
        }
    }
}

/// Where a pair of values lies in the picture.
fn at(x: &Axis, y: &Axis, across: f64, up: f64) -> (f64, f64) {
    (LEFT + x.place(across) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y.place(up) * (HEIGHT - TOP - BOTTOM))
}

fn range(edges: &[f64], place: usize) -> String {
    match (edges.get(place), edges.get(place + 1)) {
        (Some(from), Some(to)) => format!(", {} to {}", short(*from), short(*to)),
        _ => String::new(),
    }
}

fn series(number: usize) -> String {
    format!("s{}", number % SERIES)
}

fn clip(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;
/// As many colours the style knows.
const SERIES: usize = 8;
/// Longer names are cut.
const LETTERS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(Axis::share("x").ticks(), [0.0, 0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 1.0]);
        assert_eq!(Axis::logarithmic("x", 1e-4, 1.0).ticks().len(), 5);
        for (low, high) in [(0.0, 7.3), (-12.0, 9e6), (3.0, 3.0), (1e-9, 2e-9)] {
            let axis = Axis::new("x", low, high);
            let ticks = axis.ticks();
            assert!((2..=8).contains(&ticks.len()), "{low} {high} {ticks:?}");
            assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&axis.place(*tick))));
        }
    }

    #[test]
    fn a_straight_line_is_bent_on_a_logarithmic_axis() {
        let points = Axis::logarithmic("x", 1e-4, 1.0).between((0.0, 0.0), (0.1, 1.0));
        let (across, up) =
            points.iter().min_by(|one, other| (one.0 - 0.01).abs().total_cmp(&(other.0 - 0.01).abs())).unwrap();
        assert!((up - across / 0.1).abs() < 1e-9 && (across - 0.01).abs() < 2e-3, "{points:?}");
        assert!((points[points.len() - 1].0 - 0.1).abs() < 1e-12);
        assert_eq!(Axis::share("x").between((0.0, 0.0), (1.0, 1.0)), [(1.0, 1.0)]);
    }

    #[test]
    fn hostile_names_stay_text() {
        let names = ["<script>alert(1)</script>".to_owned()];
        let map = heat_map("map", &names, &names, |_, _| Some((0.5, "0.5".into()))).into_string();
        assert!(!map.contains("<script"), "{map}");
    }

    #[test]
    fn charts_of_nothing_are_drawn() {
        lines("none", [Axis::share("x"), Axis::share("y")], &[], true);
        boxes("none", &[Quartiles { name: "benign", values: &[] }]);
        histogram("none", "x", &[], &[], ["benign", "attack"], false);
        heat_map("none", &[], &[], |_, _| None);
        points("none", [Axis::new("x", 0.0, 0.0), Axis::share("y")], &[], &[]);
    }
}
