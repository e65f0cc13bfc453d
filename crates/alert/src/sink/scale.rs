//! How urgent and how sure, on the scales of others. Every format takes its numbers from here, and docs/outputs.md shows
//! them as a table.

use crate::{Alert, Severity};

/// The severity on the scales of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Elastic's `event.severity`, 0..=100: the values of Elastic Security's rules, and 1 for info.
    pub ecs: u8,
    /// OCSF's `severity_id`: 1 informational to 5 critical.
    pub ocsf: u8,
    /// OCSF's word for it.
    pub ocsf_name: &'static str,
    /// CEF's severity, 0..=10: up to 3 low, 6 medium, 8 high, then very high. LEEF's `sev` is the same.
    pub cef: u8,
    /// Syslog's severity, 0..=7, the lower the more urgent (RFC 5424 s.6.2.1): informational, notice, warning, error, critical.
    pub syslog: u8,
}

impl Scale {
    /// The severity on the scales of others.
    pub const fn of(severity: Severity) -> Scale {
        let (ecs, ocsf, ocsf_name, cef, syslog) = match severity {
            Severity::Info => (1, 1, "Informational", 1, 6),
            Severity::Low => (21, 2, "Low", 3, 5),
            Severity::Medium => (47, 3, "Medium", 5, 4),
            Severity::High => (73, 4, "High", 8, 3),
            Severity::Critical => (99, 5, "Critical", 10, 2),
        };
        Scale { ecs, ocsf, ocsf_name, cef, syslog }
    }
}

/// How much an alert matters, 0..=100: each severity has twenty points, of which the score takes its share. So a sure alert
/// stands above an unsure one of the same severity, and below all of the next.
pub fn risk(alert: &Alert) -> u8 {
    let floor = match alert.severity {
        Severity::Info => 0.0,
        Severity::Low => 20.0,
        Severity::Medium => 40.0,
        Severity::High => 60.0,
        Severity::Critical => 80.0,
    };
    (floor + 20.0 * alert.score.clamp(0.0, 1.0)).round() as u8
}

/// How sure, in whole percent.
pub fn confidence(alert: &Alert) -> u8 {
    (100.0 * alert.score.clamp(0.0, 1.0)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_urgent_is_more_urgent_on_every_scale() {
        let scales =
            [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical].map(Scale::of);
        for pair in scales.windows(2) {
            let [low, high] = pair else { unreachable!("windows of two") };
            assert!(low.ecs < high.ecs && low.ocsf < high.ocsf && low.cef < high.cef && low.syslog > high.syslog);
        }
    }
}
