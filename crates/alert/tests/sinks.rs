//! The formats of other systems: samples held in files (`make bless` rewrites them, and their diff is read), the published
//! schema of OCSF, and names that want to break out.

use std::fs;
use std::path::PathBuf;

use alert::sink::{Format, Observer, Occasion, syslog};
use alert::{Alert, Fact};
use proptest::prelude::*;
use serde_json::Value;

/// Guessing, a flood of IPv6, an anomaly, and what another detector reported under a hostile name.
fn alerts() -> Vec<Alert> {
    let lines = include_str!("golden/alerts.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a sample is an alert")).collect()
}

fn observer() -> Observer {
    Observer { host: "sensor.example".to_owned() }
}

fn hold(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    if std::env::var_os("LAPWING_BLESS").is_some() {
        fs::write(&path, text).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} differs; `make bless`, then read the diff:\n{text}", path.display());
}

fn lines(write: impl Fn(&Alert) -> String) -> String {
    alerts().iter().map(|alert| write(alert) + "\n").collect()
}

#[test]
fn each_format_is_the_golden_one() {
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Json) {
        let written = lines(|alert| format.write(alert, Occasion::First, &observer()));
        hold(&format!("{}.txt", format.name()), &written);
    }
}

#[test]
fn syslog_messages_are_the_golden_ones() {
    let of = |format| lines(|alert| syslog::message(format, alert, Occasion::First, &observer()));
    hold("syslog.txt", &[Format::Text, Format::Cef].map(of).concat());
}

#[test]
fn an_alert_as_json_is_read_back() {
    for alert in alerts() {
        let json = Format::Json.write(&alert, Occasion::First, &observer());
        assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), alert);
    }
}

#[test]
fn findings_obey_the_schema_of_ocsf() {
    let schema: Value = serde_json::from_str(include_str!("ocsf-2004.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    for alert in alerts() {
        for (occasion, kind) in [(Occasion::First, 200_401), (Occasion::Again, 200_402), (Occasion::Confirmed, 200_402)]
        {
            let finding: Value = serde_json::from_str(&Format::Ocsf.write(&alert, occasion, &observer())).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&finding).map(|error| format!("{error} at {}", error.instance_path)).collect();
            assert!(errors.is_empty(), "{errors:?}");
            assert_eq!(finding["type_uid"], kind);
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({"class_uid": 2004})), "the schema refuses what is no finding");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_breaks_out_of_its_line_or_its_field(name in hostile(), which in 0..4_usize) {
        let plain = &alerts()[which];
        let mut alert = plain.clone();
        (alert.id, alert.summary) = (name.clone(), name.clone());
        for evidence in &mut alert.evidence {
            evidence.summary.clone_from(&name);
            evidence.facts = [("text", Fact::Text(name.clone())), ("list", Fact::List(vec![name.clone()]))].into();
        }
        let hostile = Observer { host: name.clone() };
        for format in Format::ALL {
            let text = format.write(&alert, Occasion::Confirmed, &hostile);
            // Tabs part the attributes of LEEF; its test below counts them.
            let is_plain = |letter: char| flow::is_plain(letter) || (format == Format::Leef && letter == '\t');
            prop_assert!(text.chars().all(is_plain), "{format:?}: {text}");
            if format.is_json() {
                let read: Value = serde_json::from_str(&text).unwrap();
                prop_assert!(read.is_object());
            }
            let message = syslog::message(format, &alert, Occasion::First, &hostile);
            prop_assert!(message.chars().all(is_plain) && message.len() <= syslog::LONGEST, "{message}");
            prop_assert_eq!(structured(&message), structured(&syslog::message(format, plain, Occasion::First, &observer())));
        }
        for (format, fields) in [(Format::Cef, cef as fn(&str) -> Vec<String>), (Format::Leef, leef)] {
            let text = format.write(&alert, Occasion::First, &hostile);
            prop_assert_eq!(fields(&text), fields(&format.write(plain, Occasion::First, &observer())), "{}", text);
        }
        let read: Alert = serde_json::from_str(&Format::Json.write(&alert, Occasion::First, &hostile)).unwrap();
        prop_assert_eq!(read, alert);
    }
}

/// Names made of what the formats give a meaning to.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "\\",
            "=",
            "|",
            "]",
            "\"",
            "\n",
            "\r\n",
            "\t",
            "\u{1b}[2J",
            "\u{9b}",
            "\u{202e}",
            "\u{2028}",
            "\u{feff}",
            "\0",
            " a=b",
            "CEF:0|",
            "<!channel>",
            "@here",
            "sev=0",
            "{\"a\":1}",
            "é",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The fields of the header, how many there are, and the keys behind it.
fn cef(line: &str) -> Vec<String> {
    let (mut fields, mut key, mut keys, mut escaped) = (0, String::new(), Vec::new(), false);
    for letter in line.chars() {
        match letter {
            _ if escaped => {
                escaped = false;
                key.clear();
            }
            '\\' => escaped = true,
            '|' if fields < 7 => fields += 1,
            _ if fields < 7 => {}
            '=' => keys.push(std::mem::take(&mut key)),
            ' ' => key.clear(),
            letter => key.push(letter),
        }
    }
    keys.push(fields.to_string());
    keys
}

fn leef(line: &str) -> Vec<String> {
    let attributes = line.splitn(7, '|').last().unwrap_or_default().split('\t');
    attributes.map(|attribute| attribute.split('=').next().unwrap_or_default().to_owned()).collect()
}

/// The number of the words before the structured data, and its parameters' names.
fn structured(message: &str) -> Vec<String> {
    let (before, rest) = message.split_once('[').expect("a message has structured data");
    let (mut names, mut name, mut quoted, mut escaped) =
        (vec![before.split(' ').count().to_string()], String::new(), false, false);
    for letter in rest.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ']' => break,
            ' ' => name.clear(),
            '=' => names.push(std::mem::take(&mut name)),
            letter => name.push(letter),
        }
    }
    names
}
