//! What the first payload tells: protocol, names asked for, TLS hellos, requests. No name itself is a feature: it would be
//! learned by heart.

use super::{Feature, Value, number, or_missing};
use crate::{Application, Dns, Flow, Http, Moments, Tls, entropy};

pub(super) const FEATURES: &[Feature] = &[
    Feature {
        name: "application",
        unit: "category",
        meaning: "The protocol that the first payload shows, whatever the port; missing where it shows none.",
        value: Value::Category(
            || APPLICATIONS.iter().map(|&name| name.to_owned()).collect(),
            // ARP is told by its protocol.
            |flow| flow.application.as_deref().filter(|it| !matches!(it, Application::Arp(_))).map(position),
        ),
    },
    number("dns_queries", "count", "Names asked for; missing where no name server was talked with.", |flow| {
        or_missing(dns(flow).map(|dns| dns.queries.into()))
    }),
    number("dns_failures", "count", "Answers of a name server that told of an error.", |flow| {
        or_missing(dns(flow).map(|dns| dns.failures.into()))
    }),
    number("dns_no_such_name", "count", "Answers of a name server that there is no such name.", |flow| {
        or_missing(dns(flow).map(|dns| dns.no_such_name.into()))
    }),
    number("dns_name_length_mean", "bytes", "Mean length of the names asked for.", |flow| {
        or_missing(dns(flow).and_then(|dns| dns.lengths.mean()))
    }),
    number("dns_name_length_max", "bytes", "Length of the longest name asked for.", |flow| {
        or_missing(dns(flow).and_then(|dns| max(&dns.lengths)))
    }),
    number("dns_labels_max", "count", "Most labels of a name asked for.", |flow| {
        or_missing(dns(flow).and_then(|dns| max(&dns.labels)))
    }),
    number("dns_entropy_mean", "bit", "Mean Shannon entropy of the characters of the names asked for.", |flow| {
        or_missing(dns(flow).and_then(|dns| dns.entropy.mean()).map(|thousandths| thousandths / 1000.0))
    }),
    Feature {
        name: "tls_version",
        unit: "category",
        meaning: "The highest version of TLS that the client offers, over TCP or QUIC.",
        value: Value::Category(
            || VERSIONS.iter().map(|&(_, name)| name.to_owned()).collect(),
            |flow| {
                let version = tls(flow)?.version?;
                Some(VERSIONS.iter().position(|&(number, _)| number == version).unwrap_or(VERSIONS.len() - 1))
            },
        ),
    },
    number(
        "server_name_length",
        "bytes",
        "Length of the name of the server asked for; 0 where none is given.",
        |flow| or_missing(server_name(flow).map(|name| name.len() as f64)),
    ),
    number("server_name_entropy", "bit", "Shannon entropy of the characters of the server's name.", |flow| {
        or_missing(server_name(flow).filter(|name| !name.is_empty()).map(|name| entropy(name.as_bytes())))
    }),
    number("http_target_length", "bytes", "Length of the path and query of the first request, at most 256.", |flow| {
        or_missing(request(flow).map(|http| length(http.target.as_deref())))
    }),
    number(
        "user_agent_length",
        "bytes",
        "Length of what the client calls itself, at most 256; 0 for nothing.",
        |flow| or_missing(request(flow).map(|http| length(http.user_agent.as_deref()))),
    ),
    Feature {
        name: "http_status",
        unit: "category",
        meaning: "The class of the status of the first answer.",
        value: Value::Category(
            || STATUSES.iter().map(|&name| name.to_owned()).collect(),
            |flow| {
                let class = usize::from(http(flow)?.status? / 100).checked_sub(1)?;
                (class < STATUSES.len()).then_some(class)
            },
        ),
    },
];

fn position(application: &Application) -> usize {
    let name = application.name();
    APPLICATIONS.iter().position(|&known| known == name).unwrap_or(APPLICATIONS.len() - 1)
}

fn dns(flow: &Flow) -> Option<&Dns> {
    match flow.application.as_deref()? {
        Application::Dns(dns) => Some(dns),
        _ => None,
    }
}

fn tls(flow: &Flow) -> Option<&Tls> {
    match flow.application.as_deref()? {
        Application::Tls(tls) | Application::Quic(tls) => Some(tls),
        _ => None,
    }
}

fn http(flow: &Flow) -> Option<&Http> {
    match flow.application.as_deref()? {
        Application::Http(http) => Some(http),
        _ => None,
    }
}

/// The request, where it was seen and not its answer alone.
fn request(flow: &Flow) -> Option<&Http> {
    http(flow).filter(|http| !http.method.is_empty())
}

/// The name that a client asked for; empty where it asked without one.
fn server_name(flow: &Flow) -> Option<&str> {
    if let Some(tls) = tls(flow) {
        return tls.server_name.as_deref().or(tls.ja4.as_ref().map(|_| ""));
    }
    request(flow).map(|http| http.host.as_deref().unwrap_or_default())
}

fn length(text: Option<&str>) -> f64 {
    text.unwrap_or_default().len() as f64
}

fn max(moments: &Moments) -> Option<f64> {
    moments.max().map(|max| max as f64)
}

const APPLICATIONS: [&str; 22] = [
    "dns",
    "http",
    "tls",
    "quic",
    "ssh",
    "telnet",
    "ftp",
    "smtp",
    "pop3",
    "imap",
    "smb",
    "rdp",
    "vnc",
    "irc",
    "mqtt",
    "bittorrent",
    "rtsp",
    "sip",
    "stun",
    "dhcp",
    "ssdp",
    "other",
];
const VERSIONS: [(u16, &str); 6] =
    [(0x0300, "ssl3.0"), (0x0301, "tls1.0"), (0x0302, "tls1.1"), (0x0303, "tls1.2"), (0x0304, "tls1.3"), (0, "other")];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::features::{FeatureSet, host::Hosts};
    use crate::{Endpoint, Key, Protocol, Time, Values};

    /// The value of a feature of a flow of that application: a number, or a name.
    fn value(application: Option<Application>, feature: &str) -> String {
        let end = Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        let key = Key { originator: end, responder: end, protocol: Protocol::Tcp };
        let time = Time::from_nanoseconds(0);
        let flow = Flow { application: application.map(Box::new), ..Flow::between(key, time, time) };
        let table = FeatureSet::lapwing().table(&[flow], &mut Hosts::default());
        match &table.column(feature).unwrap().values {
            Values::Numbers(numbers) => numbers[0].to_string(),
            Values::Categories(category) => category.name(0).unwrap_or("missing").to_owned(),
        }
    }

    #[test]
    fn a_flow_without_application_misses_all() {
        for feature in FEATURES {
            assert!(["NaN", "missing"].contains(&&*value(None, feature.name)), "{}", feature.name);
        }
    }

    #[test]
    fn names_asked_for_are_described_not_named() {
        let mut dns = Dns::default();
        dns.ask("abcd.example", Some(1));
        dns.ask("ab", Some(1));
        dns.failures = 1;
        let dns = Some(Application::Dns(Box::new(dns)));
        let values = ["application", "dns_queries", "dns_failures", "dns_name_length_mean", "dns_labels_max"]
            .map(|feature| value(dns.clone(), feature));
        assert_eq!(values, ["dns", "2", "1", "7", "2"]);
    }

    #[test]
    fn a_hello_without_a_name_has_a_name_of_no_length() {
        let hello = |server_name: Option<&str>, ja4: Option<&str>| {
            let [server_name, ja4] = [server_name, ja4].map(|text| text.map(Box::from));
            Some(Application::Tls(Tls { server_name, ja4, version: Some(0x0304), ..Tls::default() }))
        };
        assert_eq!(value(hello(None, Some("t13i")), "server_name_length"), "0");
        assert_eq!(value(hello(None, None), "server_name_length"), "NaN");
        assert_eq!(value(hello(Some("abcd"), None), "server_name_entropy"), "2");
        assert_eq!(value(hello(None, None), "tls_version"), "tls1.3");
    }

    #[test]
    fn an_answer_alone_is_no_request() {
        let http = Some(Application::Http(Http { status: Some(404), ..Http::default() }));
        assert_eq!(value(http.clone(), "http_status"), "4xx");
        assert_eq!(value(http, "user_agent_length"), "NaN");
    }

    #[test]
    fn a_protocol_without_a_place_of_its_own_is_other() {
        assert_eq!(value(Some(Application::Other("gopher".into())), "application"), "other");
    }
}
