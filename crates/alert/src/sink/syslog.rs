//! The syslog message around another format (RFC 5424).

use std::borrow::Cow;
use std::fmt::Write;

use super::scale::{Scale, confidence, risk};
use super::{Format, Observer, Occasion};
use crate::Alert;

/// The longest message, bytes: what every receiver of RFC 5424 over TLS should take (RFC 5425 s.4.3.1), and what common
/// receivers take by default.
pub const LONGEST: usize = 8192;

/// The alert as one syslog message that carries it in that format.
///
/// Beyond [`LONGEST`] bytes it tells less: the weakest evidence goes first, then the format gives way to one line of text,
/// and that is cut. The structured data always says who the alert is, so that the whole of it can be looked up.
pub fn message(format: Format, alert: &Alert, occasion: Occasion, observer: &Observer) -> String {
    let header = header(alert, observer);
    let room = LONGEST.saturating_sub(header.len());
    let mut shown = Cow::Borrowed(alert);
    loop {
        let payload = format.write(&shown, occasion, observer);
        if payload.len() <= room {
            // Parsers of the other formats know them by their first letter, which no mark may stand before.
            let mark = if format == Format::Text && !payload.is_ascii() { MARK } else { "" };
            if mark.len() + payload.len() <= room {
                return format!("{header}{mark}{payload}");
            }
        }
        match shown.evidence.len() {
            0 => {
                let text = super::text::line(alert);
                return format!("{header}{MARK}{}", super::text::cut(&text, room.saturating_sub(MARK.len())));
            }
            pieces => shown.to_mut().evidence.truncate(pieces / 2),
        }
    }
}

/// Everything before the message: `<PRI>1 TIME HOST APP PROCID MSGID [structured data] `.
fn header(alert: &Alert, observer: &Observer) -> String {
    let priority = FACILITY * 8 + Scale::of(alert.severity).syslog;
    // Syslog knows no more than microseconds.
    let time = alert.end.to_string();
    let time = time.get(..26).map_or_else(|| "-".to_owned(), |microseconds| format!("{microseconds}Z"));
    let of_names = |letter: &char| letter.is_ascii_alphanumeric() || ".-:_".contains(*letter);
    let host: String = observer.host.chars().filter(of_names).take(255).collect();
    let host = if host.is_empty() { "-" } else { &host };
    let mut header = format!("<{priority}>1 {time} {host} lapwing - {} [{ELEMENT}", alert.behaviour.name());
    let mut put = |name: &str, value: &str| {
        let value = super::text::cut(&flow::plain(value), 255);
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        let _ = write!(header, " {name}=\"{value}\"");
    };
    put("id", &alert.id);
    put("severity", &alert.severity.to_string());
    put("subject", &alert.subject.to_string());
    put("risk", &risk(alert).to_string());
    put("confidence", &confidence(alert).to_string());
    if let Some(technique) = alert.technique {
        put("technique", technique.id());
        put("tactic", technique.tactic().id());
    }
    put("flows", &alert.flows.to_string());
    put("start", &alert.start.to_string());
    put("end", &alert.end.to_string());
    header.push_str("] ");
    header
}

/// Security messages (RFC 5424 s.6.2.1): most receivers keep them apart, where few may read them.
const FACILITY: u8 = 10;
/// The structured data, under the enterprise number that is set aside for such names (RFC 5612).
const ELEMENT: &str = "lapwing@32473";
/// Says that the text is UTF-8 (RFC 5424 s.6.4).
const MARK: &str = "\u{feff}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;

    fn observer() -> Observer {
        Observer { host: "sensor 1\n".to_owned() }
    }

    #[test]
    fn a_message_has_the_form_of_rfc_5424() {
        let message = message(Format::Text, &alert(), Occasion::First, &observer());
        let start = "<83>1 2023-11-14T22:14:20.000000Z sensor1 lapwing - password-guessing [lapwing@32473 id=\"";
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains("technique=\"T1110.001\" tactic=\"TA0006\"") && message.contains("\"] HIGH password"));
    }

    #[test]
    fn text_beyond_ascii_has_a_mark_and_other_formats_have_none() {
        let mut alert = alert();
        alert.summary = "Größe".to_owned();
        let of = |format| message(format, &alert, Occasion::First, &observer());
        assert!(of(Format::Text).contains("] \u{feff}HIGH"));
        assert!(of(Format::Json).contains("] {") && of(Format::Cef).contains("] CEF:0"));
    }

    #[test]
    fn values_of_structured_data_are_escaped() {
        let mut alert = alert();
        alert.id = "a\"]\\".to_owned();
        assert!(header(&alert, &observer()).contains(r#" id="a\"\]\\" "#));
    }

    #[test]
    fn a_long_alert_tells_less_and_stays_whole() {
        let mut alert = alert();
        let one = alert.evidence[0].clone();
        alert.evidence = vec![one; 64];
        let message = message(Format::Json, &alert, Occasion::First, &observer());
        assert!(message.len() <= LONGEST);
        let (_, json) = message.split_once("] ").unwrap();
        let told: Alert = serde_json::from_str(json).unwrap();
        assert!(told.id == alert.id && told.evidence.len() == 8, "{}", told.evidence.len());
        alert.summary = "ß".repeat(10_000);
        let message = super::message(Format::Json, &alert, Occasion::First, &observer());
        assert!(message.len() <= LONGEST && message.contains("] \u{feff}HIGH") && message.ends_with("ß…"));
    }
}
