//! Numbers, times, ports and hosts as people read them.

use std::net::IpAddr;

use flow::Duration;

use crate::{Evidence, Fact, Host, Role};

/// Hosts of one role, as many as evidence lists.
pub(crate) fn hosts(first: (IpAddr, Role), others: impl IntoIterator<Item = IpAddr>, role: Role) -> Vec<Host> {
    let others = others.into_iter().map(|address| Host { address, role });
    std::iter::once(Host { address: first.0, role: first.1 }).chain(others).take(Evidence::MAX_HOSTS).collect()
}

/// A few ports as a fact.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> Fact {
    Fact::List(items.into_iter().take(20).map(|item| item.to_string()).collect())
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in words: `20 ms`, `0.2 s`, `45 s`, `12 min`, `3.5 h`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 0.001 => "less than 1 ms".to_owned(),
        seconds if seconds < 0.1 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 10.0 => format!("{} s", (seconds * 10.0).round() / 10.0),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A port with the service that it is known for: `22 (ssh)`.
pub(crate) fn port_words(port: u16) -> String {
    flow::features::ports::service(port).map_or_else(|| port.to_string(), |service| format!("{port} ({service})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
