//! Alerts of any content in every format: one line each that no terminal obeys, and JSON where it should be.
#![no_main]

use alert::Alert;
use alert::sink::{Format, Observer, Occasion, syslog};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(alert) = serde_json::from_slice::<Alert>(data) else { return };
    let observer = Observer { host: alert.summary.clone() };
    for format in Format::ALL {
        for occasion in [Occasion::First, Occasion::Confirmed] {
            let line = format.write(&alert, occasion, &observer);
            // Tabs part the attributes of LEEF.
            assert!(line.chars().all(|letter| flow::is_plain(letter) || (letter == '\t' && format == Format::Leef)));
            assert!(!format.is_json() || serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|value| value.is_object()));
        }
        assert!(syslog::message(format, &alert, Occasion::First, &observer).len() <= syslog::LONGEST);
    }
    alert::page::report("report", &[&alert], &alert::page::Account::default());
});
