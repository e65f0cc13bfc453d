//! One line for people.

use std::fmt::Write;

use crate::{Alert, Behaviour, Evidence, Fact, Host, Role};

/// The alert as one line: `HIGH port-scan 203.0.113.7 -> 10.20.0.13 T1046 Network Service Discovery: what was seen (id ...)`.
pub(super) fn line(alert: &Alert) -> String {
    let mut line = format!("{} {}", alert.severity.to_string().to_uppercase(), alert.behaviour.name());
    let who = who(&alert.hosts);
    if !who.is_empty() {
        // Plain ASCII, for the oldest of syslog receivers.
        let _ = write!(line, " {}", who.replace('→', "->"));
    }
    if let Some(technique) = alert.technique {
        let _ = write!(line, " {} {}", technique.id(), technique.name());
    }
    let _ = write!(line, ": {} (id {})", flow::plain(&alert.summary), flow::plain(&alert.id));
    line
}

/// Who does what to whom: `10.0.0.1 → 10.0.0.2 and 5 more`.
pub fn who(hosts: &[Host]) -> String {
    let of = |role: Role| {
        let names: Vec<String> =
            hosts.iter().filter(|host| host.role == role).map(|host| host.address.to_string()).collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [one, other] => Some(format!("{one}, {other}")),
            // The list is bounded; the summary has the whole number.
            [one, ..] if hosts.len() >= Evidence::MAX_HOSTS => Some(format!("{one} and many more")),
            [one, rest @ ..] => Some(format!("{one} and {} more", rest.len())),
        }
    };
    match (of(Role::Attacker), of(Role::Victim), of(Role::Peer)) {
        (Some(attackers), Some(victims), _) => format!("{attackers} → {victims}"),
        (None, Some(victims), _) => format!("→ {victims}"),
        (Some(attackers), None, _) => attackers,
        (None, None, peers) => peers.unwrap_or_default(),
    }
}

/// What is going on, as a title: `Port scan`, `SYN flood`.
pub(crate) fn title(behaviour: Behaviour) -> String {
    let word = |(place, word): (usize, &str)| match word {
        "arp" | "dhcp" | "dns" | "http" | "icmp" | "smb" | "syn" | "tcp" | "udp" => word.to_uppercase(),
        word if place == 0 => {
            word.chars().next().into_iter().flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect()
        }
        word => word.to_owned(),
    };
    let words: Vec<String> = behaviour.name().split('-').enumerate().map(word).collect();
    words.join(" ")
}

/// The facts of evidence in a row: `silent=0 refused=997 first_ports=8305,57808`.
pub(super) fn facts(evidence: &Evidence) -> String {
    let facts: Vec<String> =
        evidence.facts.iter().map(|(name, fact)| format!("{}={}", flow::plain(name), value(fact))).collect();
    facts.join(" ")
}

/// A fact as text.
pub(crate) fn value(fact: &Fact) -> String {
    match fact {
        Fact::Count(count) => count.to_string(),
        Fact::Number(number) if *number != 0.0 && !(1e-4..1e15).contains(&number.abs()) => format!("{number:.3e}"),
        Fact::Number(number) => number.to_string(),
        Fact::Text(text) => flow::plain(text).into_owned(),
        Fact::List(items) => items.iter().map(|item| flow::plain(item)).collect::<Vec<_>>().join(","),
    }
}

/// At most so many bytes of a text, cut between letters and then ended by an ellipsis.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

#[cfg(test)]
pub(crate) mod tests {
    use flow::{Endpoint, Key, Protocol, Time};

    use super::*;
    use crate::{Example, Severity, Technique};

    /// Guessing at an SSH server, with one flow.
    pub(crate) fn alert() -> Alert {
        let (attacker, victim) = ([203, 0, 113, 7].into(), [10, 20, 0, 13].into());
        let (start, end) =
            (Time::from_nanoseconds(1_700_000_000_123_456_789), Time::from_nanoseconds(1_700_000_060_000_000_000));
        let hosts =
            vec![Host { address: attacker, role: Role::Attacker }, Host { address: victim, role: Role::Victim }];
        let key = Key {
            originator: Endpoint::new(attacker, 40_000),
            responder: Endpoint::new(victim, 22),
            protocol: Protocol::Tcp,
        };
        let example = Example { start, key, state: None, packets: Some(12), bytes: Some(2_400) };
        let summary = "203.0.113.7 tried 40 passwords at 10.20.0.13 port 22 (ssh) in 60 s".to_owned();
        let facts = [
            ("attempts", Fact::Count(40)),
            ("p_value", Fact::Number(1e-9)),
            ("service", Fact::Text("ssh".to_owned())),
            ("first_ports", Fact::List(vec!["22".to_owned()])),
        ];
        let evidence = Evidence {
            behaviour: Behaviour::PasswordGuessing,
            subject: attacker,
            hosts: hosts.clone(),
            start,
            end,
            severity: Severity::High,
            score: 0.975,
            technique: Some(Technique::PasswordGuessing),
            flows: 40,
            summary: summary.clone(),
            facts: facts.into(),
            examples: vec![example],
        };
        Alert {
            id: Alert::identifier(Behaviour::PasswordGuessing, attacker, start),
            subject: attacker,
            behaviour: Behaviour::PasswordGuessing,
            start,
            end,
            severity: Severity::High,
            score: 0.975,
            technique: Some(Technique::PasswordGuessing),
            hosts,
            flows: 40,
            summary,
            evidence: vec![evidence],
        }
    }

    #[test]
    fn a_line_says_how_urgent_what_who_and_why() {
        assert_eq!(
            line(&alert()),
            "HIGH password-guessing 203.0.113.7 -> 10.20.0.13 T1110.001 Password Guessing: 203.0.113.7 tried 40 passwords \
             at 10.20.0.13 port 22 (ssh) in 60 s (id 16e05010390e484a)"
        );
    }

    #[test]
    fn every_behaviour_has_a_title() {
        assert_eq!(title(Behaviour::SynFlood), "SYN flood");
        assert_eq!(title(Behaviour::PasswordGuessing), "Password guessing");
        assert!(Behaviour::ALL.into_iter().all(|behaviour| !title(behaviour).is_empty()));
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("Größe", 6), "Gr…");
        assert_eq!(cut("Größe", 7), "Größe");
    }
}
