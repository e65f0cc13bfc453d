//! What the first payload of a conversation tells without decrypting anything.

use crate::Moments;

/// What the parties of a conversation speak, and what they say of it in the clear.
#[derive(Clone, Debug, PartialEq)]
pub enum Application {
    /// Domain names (RFC 1035), multicast DNS too.
    Dns(Dns),
    /// HTTP in the clear (RFC 9112).
    Http(Http),
    /// TLS over TCP (RFC 8446).
    Tls(Tls),
    /// QUIC (RFC 9000), whose first packet anyone can read.
    Quic(Tls),
    /// Another protocol, by the name that the source gives it.
    Other(Box<str>),
}

/// The questions of one conversation with a name server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dns {
    /// The first name asked for, in lower case and without the last dot.
    pub query: Box<str>,
    /// Its record type (RFC 1035 s.3.2.2): 1 is A, 16 is TXT.
    pub record_type: Option<u16>,
    /// Questions seen.
    pub queries: u32,
    /// Answers that told of an error: NXDOMAIN and the like.
    pub failures: u32,
    /// Lengths of the names asked for, in bytes.
    pub lengths: Moments,
    /// Labels of the names asked for.
    pub labels: Moments,
    /// Shannon entropy of the characters of the names asked for, in thousandths of a bit.
    pub entropy: Moments,
}

/// The first request of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// The method.
    pub method: Box<str>,
    /// The host asked for.
    pub host: Option<Box<str>>,
    /// The path and query asked for.
    pub target: Option<Box<str>>,
    /// What the client calls itself.
    pub user_agent: Option<Box<str>>,
    /// The status of the first answer.
    pub status: Option<u16>,
}

/// What a client says before encryption starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The server that it wants (SNI, RFC 6066 s.3).
    pub server_name: Option<Box<str>>,
    /// The highest version that it offers: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
    pub version: Option<u16>,
    /// The first application protocol that it offers (ALPN, RFC 7301).
    pub protocol: Option<Box<str>>,
    /// The client's fingerprint (JA4, the TLS client one).
    pub ja4: Option<Box<str>>,
    /// The client's older fingerprint (JA3), where a log tells it.
    pub ja3: Option<Box<str>>,
}

impl Application {
    /// The protocol's name.
    pub fn name(&self) -> &str {
        match self {
            Application::Dns(_) => "dns",
            Application::Http(_) => "http",
            Application::Tls(_) => "tls",
            Application::Quic(_) => "quic",
            Application::Other(name) => name,
        }
    }
}

impl Dns {
    /// Takes in one more question.
    pub fn ask(&mut self, name: &str, record_type: Option<u16>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.lengths.add(name.len() as u64);
        self.labels.add(if name.is_empty() { 0 } else { name.split('.').count() as u64 });
        self.entropy.add((entropy(name.as_bytes()) * 1000.0).round() as u64);
        if self.queries == 0 {
            self.query = name.into();
            self.record_type = record_type;
        }
        self.queries = self.queries.saturating_add(1);
    }
}

/// Shannon entropy of bytes, in bits a byte; 0 for none.
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / total).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_equal_bytes_is_none_and_of_distinct_ones_most() {
        assert_eq!((entropy(b""), entropy(b"aaaa"), entropy(b"abcd")), (0.0, 0.0, 2.0));
    }

    #[test]
    fn the_first_question_is_kept_and_all_are_counted() {
        let mut dns = Dns::default();
        dns.ask("WWW.Example.org.", Some(1));
        dns.ask("a.b", Some(16));
        assert_eq!((&*dns.query, dns.record_type, dns.queries), ("www.example.org", Some(1), 2));
        assert_eq!((dns.labels.min(), dns.labels.max(), dns.lengths.sum()), (Some(2), Some(3), 18));
    }
}
