//! Alerts over time: a row for each behaviour, a bar for each alert, as urgent as its colour.

use maud::{Markup, html};

use super::{moment, plain};
use crate::sink::title;
use crate::{Alert, Behaviour};

/// The picture; what it shows stands in the list of alerts, too.
pub(super) fn picture(alerts: &[&Alert]) -> Markup {
    let (Some(start), Some(end)) =
        (alerts.iter().map(|alert| alert.start).min(), alerts.iter().map(|alert| alert.end).max())
    else {
        return html! {};
    };
    // A second at least, so that a moment has a place.
    let span = end.since(start).as_secs_f64().max(1.0);
    let place = |time: flow::Time| LEFT + WIDTH * (time.since(start).as_secs_f64() / span).min(1.0);
    let mut rows: Vec<Behaviour> = alerts.iter().map(|alert| alert.behaviour).collect();
    rows.sort_unstable();
    rows.dedup();
    let height = ROW * rows.len() as f64;
    let ticks = (0..=TICKS).map(|tick| {
        let share = f64::from(tick) / f64::from(TICKS);
        let time = start + flow::Duration::from_secs_f64(span * share);
        (LEFT + WIDTH * share, time.to_string())
    });
    let is_long = span > 86_400.0;
    // The least urgent first, so that none hides one that is more urgent.
    let marks = alerts.iter().take(MOST_MARKS).rev();
    html! {
        figure {
            figcaption { "Each bar is an alert, from its first flow to its last." }
            svg class="timeline" viewBox=(format!("0 0 {} {}", LEFT + WIDTH + 40.0, height + 34.0)) role="img"
                aria-label="Alerts over time" {
                @for (row, behaviour) in rows.iter().enumerate() {
                    @let y = ROW * row as f64;
                    line class="grid" x1=(LEFT) x2=(LEFT + WIDTH) y1=(y + ROW) y2=(y + ROW) {}
                    text class="label" x=(LEFT - 10.0) y=(y + ROW / 2.0 + 4.0) text-anchor="end" { (title(*behaviour)) }
                }
                @for (x, time) in ticks {
                    line class="grid" x1=(x) x2=(x) y1="0" y2=(height) {}
                    text x=(x) y=(height + 14.0) text-anchor="middle" { (time.get(11..19).unwrap_or_default()) }
                    @if is_long {
                        text x=(x) y=(height + 28.0) text-anchor="middle" { (time.get(..10).unwrap_or_default()) }
                    }
                }
                @for alert in marks {
                    @let row = rows.iter().position(|row| *row == alert.behaviour).unwrap_or_default();
                    @let from = place(alert.start);
                    rect class=(format!("alert {}", alert.severity)) x=(format!("{from:.1}"))
                        y=(ROW * row as f64 + 7.0) width=(format!("{:.1}", (place(alert.end) - from).max(4.0)))
                        height=(ROW - 14.0) rx="2" {
                        title { (alert.severity) ": " (plain(&alert.summary)) ", " (moment(alert.start)) }
                    }
                }
            }
            ul class="key severities" {
                @for severity in super::SEVERITIES { li class=(severity) { span class="badge" { (severity) } } }
            }
        }
    }
}

/// Where the rows begin, how wide they are, and how high each is.
const LEFT: f64 = 150.0;
const WIDTH: f64 = 700.0;
const ROW: f64 = 30.0;
const TICKS: u32 = 5;
/// The most bars, the most urgent of all.
const MOST_MARKS: usize = 2000;
