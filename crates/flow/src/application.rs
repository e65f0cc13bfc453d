//! What the first payload of a conversation tells without decrypting anything.

use crate::{Acts, Arp, Claim, Dhcp, Distinct, Lessor, Moments, registered_domain};

/// What the parties of a conversation speak, and what they say of it in the clear.
#[derive(Clone, Debug, PartialEq)]
pub enum Application {
    /// Domain names (RFC 1035), multicast DNS and LLMNR too. Boxed, because it is twice as large as the others.
    Dns(Box<Dns>),
    /// HTTP in the clear (RFC 9112).
    Http(Http),
    /// TLS over TCP (RFC 8446).
    Tls(Tls),
    /// QUIC (RFC 9000), whose first packet anyone can read.
    Quic(Tls),
    /// Another protocol, by the name that the source gives it.
    Other(Box<str>),
    /// Windows' file sharing ([MS-SMB], [MS-SMB2]) and what is done through it.
    Smb(Acts),
    /// Remote procedure calls ([MS-RPCE]) over TCP and what is done through them.
    Dcerpc(Acts),
    /// Addresses asked for and given (RFC 2131). Boxed, because it is larger than the others.
    Dhcp(Box<Dhcp>),
    /// Who has which address (RFC 826).
    Arp(Arp),
    /// Pings whose replies are none (RFC 792).
    Echo(Echo),
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
    /// Of these, answers that there is no such name (NXDOMAIN, RFC 1035 s.4.1.1).
    pub no_such_name: u32,
    /// Lengths of the names asked for, in bytes.
    pub lengths: Moments,
    /// Labels of the names asked for.
    pub labels: Moments,
    /// Shannon entropy of the characters of the names asked for, in thousandths of a bit.
    pub entropy: Moments,
    /// How many different names were asked for.
    pub names: Distinct<2>,
    /// How many registered domains they lie under; names that end in no top-level domain count as one.
    pub domains: Distinct<2>,
    /// Questions for records that can carry anything: [`Dns::carries_data`].
    pub data_questions: u32,
}

/// The echo replies of one conversation that do not give back what was asked, as RFC 792 has it and RFC 4443 s.4.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Replies whose data differ from those of the request of the same identifier and number.
    pub altered: u32,
}

/// The first request of a conversation. All parts are printable and of bounded length: longer ones are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// The method; empty where only the answer was seen.
    pub method: Box<str>,
    /// The host asked for, in lower case and without a port.
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
    /// The server that it wants (SNI, RFC 6066 s.3), in lower case.
    pub server_name: Option<Box<str>>,
    /// The highest version that it offers: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
    pub version: Option<u16>,
    /// The first application protocol that it offers (ALPN, RFC 7301).
    pub protocol: Option<Box<str>>,
    /// The client's fingerprint (JA4, the TLS client one); `None` where not the whole ClientHello was seen.
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
            Application::Smb(_) => "smb",
            Application::Dcerpc(_) => "dce_rpc",
            Application::Dhcp(_) => "dhcp",
            Application::Arp(_) => "arp",
            Application::Echo(_) => "echo",
        }
    }

    /// Bytes of memory that it takes beside itself.
    pub fn bytes(&self) -> usize {
        let of = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        match self {
            Application::Dns(dns) => size_of::<Dns>() + dns.query.len(),
            Application::Http(http) => http.method.len() + of(&http.host) + of(&http.target) + of(&http.user_agent),
            Application::Tls(tls) | Application::Quic(tls) => {
                of(&tls.server_name) + of(&tls.protocol) + of(&tls.ja4) + of(&tls.ja3)
            }
            Application::Other(name) => name.len(),
            Application::Smb(_) | Application::Dcerpc(_) => 0,
            Application::Dhcp(dhcp) => size_of::<Dhcp>() + dhcp.servers.capacity() * size_of::<Lessor>(),
            Application::Arp(arp) => arp.claims.capacity() * size_of::<Claim>(),
            Application::Echo(_) => 0,
        }
    }
}

impl Dns {
    /// Takes in one more question, whose name is text.
    pub fn ask(&mut self, name: &str, record_type: Option<u16>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let labels = if name.is_empty() { 0 } else { name.split('.').count() };
        self.ask_labels(&name, name.as_bytes(), labels, record_type);
    }

    /// Takes in one more question. `name` is its printable form; `bytes` are those of the name as sent, in lower case,
    /// with a dot between two labels: names that carry data in odd bytes are measured by these.
    pub fn ask_labels(&mut self, name: &str, bytes: &[u8], labels: usize, record_type: Option<u16>) {
        self.lengths.add(bytes.len() as u64);
        self.labels.add(labels as u64);
        self.entropy.add((entropy(bytes) * 1000.0).round() as u64);
        self.names.add(bytes);
        self.domains.add(registered_domain(name).unwrap_or_default().as_bytes());
        self.data_questions = self.data_questions.saturating_add(u32::from(record_type.is_some_and(Dns::carries_data)));
        if self.queries == 0 {
            self.query = name.into();
            self.record_type = record_type;
        }
        self.queries = self.queries.saturating_add(1);
    }

    /// Takes in what a later message of the same conversation told.
    pub fn append(&mut self, later: Dns) {
        if self.queries == 0 && (later.queries > 0 || self.query.is_empty()) {
            self.query = later.query;
            self.record_type = later.record_type;
        }
        self.queries = self.queries.saturating_add(later.queries);
        self.failures = self.failures.saturating_add(later.failures);
        self.no_such_name = self.no_such_name.saturating_add(later.no_such_name);
        self.lengths.append(&later.lengths);
        self.labels.append(&later.labels);
        self.entropy.append(&later.entropy);
        self.names.append(&later.names);
        self.domains.append(&later.domains);
        self.data_questions = self.data_questions.saturating_add(later.data_questions);
    }

    /// Whether records of that type can carry anything, and programs of people seldom ask for them: CNAME, NULL, MX, TXT,
    /// KEY, and those for private use (RFC 6895 s.3.1).
    pub const fn carries_data(record_type: u16) -> bool {
        matches!(record_type, 5 | 10 | 15 | 16 | 25 | 65_280..=65_534)
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

    #[test]
    fn messages_taken_in_one_by_one_or_together_tell_the_same() {
        let (mut together, mut first, mut second) = (Dns::default(), Dns::default(), Dns::default());
        first.ask("a.example", Some(1));
        second.ask("bb.example", Some(28));
        second.failures = 1;
        for (name, kind) in [("a.example", 1), ("bb.example", 28)] {
            together.ask(name, Some(kind));
        }
        together.failures = 1;
        first.append(second);
        assert_eq!(first, together);
    }

    #[test]
    fn a_question_seen_only_in_its_answer_names_the_conversation_until_a_question_comes() {
        let mut dns = Dns { query: "seen.in.answer".into(), failures: 1, ..Dns::default() };
        let mut question = Dns::default();
        question.ask("asked", Some(1));
        dns.append(question);
        assert_eq!((&*dns.query, dns.queries, dns.failures), ("asked", 1, 1));
    }
}
