//! The 41 columns of KDD Cup 99 and NSL-KDD, under their names and in their order.
//!
//! The rules are those that the released tables obey, row by row, where re-implementations differ from them; the tests
//! check each on every row of KDDTrain+ and KDDTest+, and on ours. The windows reach over all connections together, not
//! over each host's: of the last 2 s, but no more than 511; and of the last 255. In no row of the tables do the
//! connections to the host and those to the service together make more than these.
//!
//! Connections count in the order in which they are given, which should be that of their ends, because how a connection
//! went is known only then; one that ended before the latest counts as at the latest. The window includes the connection
//! itself. Rates have two decimals, ties to even.
//!
//! What the tables hold that flows do not: an ICMP message is a connection of its own there, with duration 0 and nothing
//! back; here a query and its replies are one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::{Feature, Value};
use crate::{Content, Detail, Duration, Flow, Protocol, Side, State, Time};

pub(super) const FEATURES: &[Feature] = &[
    number("duration", "s", "Whole seconds between the first and the last packet.", |flow| {
        flow.duration().as_secs() as f32
    }),
    Feature {
        name: "protocol_type",
        unit: "category",
        meaning: "tcp, udp or icmp.",
        value: Value::Category(
            || PROTOCOLS.map(str::to_owned).to_vec(),
            |flow| match flow.key.protocol {
                Protocol::Tcp => Some(0),
                Protocol::Udp => Some(1),
                Protocol::Icmp | Protocol::Icmpv6 => Some(2),
                Protocol::Sctp | Protocol::Arp | Protocol::Other(_) => None,
            },
        ),
    },
    Feature {
        name: "service",
        unit: "category",
        meaning: "The service by the responder's port (ftp_data also by the originator's), of ICMP by the type.",
        value: Value::Category(
            || SERVICES.iter().map(|&name| name.to_owned()).collect(),
            |flow| admits(flow).then(|| usize::from(service(flow))),
        ),
    },
    Feature {
        name: "flag",
        unit: "category",
        meaning: "How the connection opened and closed; SF for UDP and ICMP.",
        value: Value::Category(
            || FLAGS.iter().map(|flag| flag.name().to_owned()).collect(),
            |flow| flag(flow).and_then(|flag| FLAGS.iter().position(|known| *known == flag)),
        ),
    },
    number("src_bytes", "bytes", "Payload bytes that the originator sent.", |flow| {
        payload(if is_answer_alone(flow) { &flow.responder } else { &flow.originator })
    }),
    number("dst_bytes", "bytes", "Payload bytes that the responder sent.", |flow| {
        payload(if is_answer_alone(flow) { &flow.originator } else { &flow.responder })
    }),
    number("land", "share", "1 where both ends are the same address and port, else 0.", |flow| {
        let key = &flow.key;
        f32::from(u8::from(key.protocol.has_ports() && key.originator == key.responder))
    }),
    number("wrong_fragment", "count", "IP fragments that no host can put together.", |flow| {
        detail(&flow.originator, |detail| detail.wrong_fragments)
            + detail(&flow.responder, |detail| detail.wrong_fragments)
    }),
    number("urgent", "count", "Packets with URG.", |flow| {
        detail(&flow.originator, |detail| detail.flags.urg) + detail(&flow.responder, |detail| detail.flags.urg)
    }),
    number(
        "hot",
        "count",
        "Sensitive actions in the content: a system directory entered, a program made or run.",
        |flow| content(flow, |content| content.hot),
    ),
    number("num_failed_logins", "count", "Failed logins.", |flow| content(flow, |content| content.num_failed_logins)),
    number("logged_in", "share", "1 where a login succeeded, else 0.", |flow| {
        content(flow, |content| u32::from(content.logged_in))
    }),
    number("num_compromised", "count", "Conditions of a compromise.", |flow| {
        content(flow, |content| content.num_compromised)
    }),
    number("root_shell", "share", "1 where a root shell was got, else 0.", |flow| {
        content(flow, |content| u32::from(content.root_shell))
    }),
    number("su_attempted", "share", "1 where `su root` was tried, else 0.", |flow| {
        content(flow, |content| u32::from(content.su_attempted))
    }),
    number("num_root", "count", "Accesses as root.", |flow| content(flow, |content| content.num_root)),
    number("num_file_creations", "count", "Files created.", |flow| content(flow, |content| content.num_file_creations)),
    number("num_shells", "count", "Shell prompts.", |flow| content(flow, |content| content.num_shells)),
    number("num_access_files", "count", "Operations on files that control access.", |flow| {
        content(flow, |content| content.num_access_files)
    }),
    number(
        "num_outbound_cmds",
        "count",
        "Outbound commands in an FTP session; 0 in every row of the tables.",
        |flow| content(flow, |content| content.num_outbound_cmds),
    ),
    number("is_host_login", "share", "1 where the login is of the host's own list, else 0.", |flow| {
        content(flow, |content| u32::from(content.is_host_login))
    }),
    number("is_guest_login", "share", "1 where the login is a guest's, else 0.", |flow| {
        content(flow, |content| u32::from(content.is_guest_login))
    }),
    window("count", "count", "Connections to the same host in 2 s, of the last 511, this one included.", |w| {
        w.recent.host.count as f32
    }),
    window("srv_count", "count", "Connections to the same service in 2 s, of the last 511.", |w| {
        w.recent.service.count as f32
    }),
    window("serror_rate", "share", "Share of `count` that failed after a SYN: S0, S1, S2, S3, SH.", |w| {
        w.error_rate(w.recent.host, |tally| tally.syn_errors)
    }),
    window("srv_serror_rate", "share", "Share of `srv_count` that failed after a SYN.", |w| {
        w.error_rate(w.recent.service, |tally| tally.syn_errors)
    }),
    window("rerror_rate", "share", "Share of `count` that was refused: REJ, RSTO, RSTR, RSTOS0.", |w| {
        w.error_rate(w.recent.host, |tally| tally.rejections)
    }),
    window("srv_rerror_rate", "share", "Share of `srv_count` that was refused.", |w| {
        w.error_rate(w.recent.service, |tally| tally.rejections)
    }),
    window("same_srv_rate", "share", "Share of `count` to the same service.", |w| {
        rate(w.recent.both, w.recent.host.count)
    }),
    window("diff_srv_rate", "share", "Distinct services among `count` over it; 0 where there is one.", |w| {
        distinct_rate(w.recent.host)
    }),
    window("srv_diff_host_rate", "share", "Distinct hosts among `srv_count` over it; 0 where there is one.", |w| {
        distinct_rate(w.recent.service)
    }),
    window("dst_host_count", "count", "Connections to the same host among the last 255, this one included.", |w| {
        w.last.host.count as f32
    }),
    window("dst_host_srv_count", "count", "Connections to the same service among the last 255.", |w| {
        w.last.service.count as f32
    }),
    window("dst_host_same_srv_rate", "share", "Share of `dst_host_count` to the same service.", |w| {
        rate(w.last.both, w.last.host.count)
    }),
    window(
        "dst_host_diff_srv_rate",
        "share",
        "Distinct services among `dst_host_count` over it; 0 where there is one.",
        |w| distinct_rate(w.last.host),
    ),
    window("dst_host_same_src_port_rate", "share", "Share of `dst_host_count` from the same port.", |w| {
        rate(w.last.same_port, w.last.host.count)
    }),
    window(
        "dst_host_srv_diff_host_rate",
        "share",
        "Distinct hosts among `dst_host_srv_count` over it; 0 where there is one.",
        |w| distinct_rate(w.last.service),
    ),
    window("dst_host_serror_rate", "share", "Share of `dst_host_count` that failed after a SYN.", |w| {
        w.error_rate(w.last.host, |tally| tally.syn_errors)
    }),
    window("dst_host_srv_serror_rate", "share", "Share of `dst_host_srv_count` that failed after a SYN.", |w| {
        w.error_rate(w.last.service, |tally| tally.syn_errors)
    }),
    window("dst_host_rerror_rate", "share", "Share of `dst_host_count` that was refused.", |w| {
        w.error_rate(w.last.host, |tally| tally.rejections)
    }),
    window("dst_host_srv_rerror_rate", "share", "Share of `dst_host_srv_count` that was refused.", |w| {
        w.error_rate(w.last.service, |tally| tally.rejections)
    }),
];

/// The connections lately seen: the part of the columns that one flow cannot tell. It keeps 766 connections at most.
///
/// ```
/// use flow::features::kdd::Windows;
/// assert_eq!(Windows::default().len(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Windows {
    latest: Option<Time>,
    recent: Window,
    last: Window,
}

/// What the windows hold of one connection's like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    recent: Counts,
    last: Counts,
    /// How the connection itself went is known.
    knows_state: bool,
}

impl Windows {
    /// Takes in one more connection and tells what surrounds it; `None` where KDD has no such connections.
    pub(super) fn observe(&mut self, flow: &Flow) -> Option<Surroundings> {
        if !admits(flow) {
            return None;
        }
        // The clock was set back: what was seen lately was not lately.
        if self.latest.is_some_and(|latest| latest.since(flow.end) >= CLOCK_STEP) {
            *self = Windows::default();
        }
        let now = self.latest.map_or(flow.end, |latest| latest.max(flow.end));
        self.latest = Some(now);
        while self.recent.oldest().is_some_and(|oldest| now.since(oldest.end) > RECENT) {
            self.recent.forget();
        }
        let state = flag(flow);
        let called = if is_answer_alone(flow) { flow.key.originator } else { flow.key.responder };
        let connection = Connection {
            end: now,
            host: called.address,
            service: service(flow),
            port: if flow.key.protocol.has_ports() { flow.key.originator.port } else { 0 },
            is_syn_error: state.is_some_and(|state| SYN_ERRORS.contains(&state)),
            is_rejection: state.is_some_and(|state| REJECTIONS.contains(&state)),
        };
        Some(Surroundings {
            recent: self.recent.observe(connection, MOST_RECENT),
            last: self.last.observe(connection, MOST_LAST),
            knows_state: state.is_some(),
        })
    }

    /// How many connections both windows hold.
    pub fn len(&self) -> usize {
        self.recent.connections.len() + self.last.connections.len()
    }

    /// Whether the windows are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Surroundings {
    /// What is told of a flow that KDD does not know.
    fn error_rate(&self, tally: Tally, errors: fn(&Tally) -> u32) -> f32 {
        if self.knows_state { rate(errors(&tally), tally.count) } else { f32::NAN }
    }
}

/// Whether KDD knows such connections: TCP, UDP and ICMP.
pub(super) fn admits(flow: &Flow) -> bool {
    matches!(flow.key.protocol, Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6)
}

/// The last connections, and counts of those of one host, of one service, of both.
#[derive(Clone, Debug)]
struct Window {
    connections: VecDeque<Connection>,
    // Keyed at random against chosen collisions; nothing that comes out depends on it.
    hosts: HashMap<IpAddr, Tally, foldhash::fast::RandomState>,
    services: [Tally; SERVICES.len()],
    both: HashMap<(IpAddr, u8), u32, foldhash::fast::RandomState>,
    ports: HashMap<(IpAddr, u16), u32, foldhash::fast::RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    end: Time,
    host: IpAddr,
    service: u8,
    port: u16,
    is_syn_error: bool,
    is_rejection: bool,
}

/// Connections to one host or to one service.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u32,
    syn_errors: u32,
    rejections: u32,
    /// Distinct services of the host, or distinct hosts of the service.
    distinct: u32,
}

/// What a window holds of one connection's like.
#[derive(Clone, Copy, Debug)]
struct Counts {
    host: Tally,
    service: Tally,
    both: u32,
    same_port: u32,
}

impl Window {
    /// Takes in a connection, forgets the oldest beyond `most`, and counts.
    fn observe(&mut self, connection: Connection, most: usize) -> Counts {
        if self.connections.len() >= most {
            self.forget();
        }
        self.connections.push_back(connection);
        let both = self.both.entry((connection.host, connection.service)).or_default();
        *both += 1;
        let is_new = u32::from(*both == 1);
        let both = *both;
        let same_port = self.ports.entry((connection.host, connection.port)).or_default();
        *same_port += 1;
        let same_port = *same_port;
        let host = self.hosts.entry(connection.host).or_default();
        let service = &mut self.services[usize::from(connection.service)];
        for tally in [&mut *host, &mut *service] {
            tally.count += 1;
            tally.syn_errors += u32::from(connection.is_syn_error);
            tally.rejections += u32::from(connection.is_rejection);
            tally.distinct += is_new;
        }
        Counts { host: *host, service: *service, both, same_port }
    }

    fn oldest(&self) -> Option<&Connection> {
        self.connections.front()
    }

    fn forget(&mut self) {
        let Some(connection) = self.connections.pop_front() else { return };
        let is_last = drop_one(&mut self.both, (connection.host, connection.service));
        drop_one(&mut self.ports, (connection.host, connection.port));
        let service = &mut self.services[usize::from(connection.service)];
        let host = self.hosts.entry(connection.host).or_default();
        for tally in [&mut *host, service] {
            tally.count -= 1;
            tally.syn_errors -= u32::from(connection.is_syn_error);
            tally.rejections -= u32::from(connection.is_rejection);
            tally.distinct -= u32::from(is_last);
        }
        if host.count == 0 {
            self.hosts.remove(&connection.host);
        }
    }
}

impl Default for Window {
    fn default() -> Window {
        Window {
            connections: VecDeque::new(),
            hosts: HashMap::default(),
            services: [Tally::default(); SERVICES.len()],
            both: HashMap::default(),
            ports: HashMap::default(),
        }
    }
}

/// Takes one off a count; true where it was the last.
fn drop_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32, foldhash::fast::RandomState>, key: K) -> bool {
    match counts.get_mut(&key) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        _ => counts.remove(&key).is_some(),
    }
}

/// Only an answer was seen, as in a flood of echo replies: ICMP's messages go one way in KDD, so it is the caller.
fn is_answer_alone(flow: &Flow) -> bool {
    matches!(flow.key.protocol, Protocol::Icmp | Protocol::Icmpv6) && flow.originator.is_silent()
}

/// The name that KDD has for how the connection went; `None` where that is not known.
fn flag(flow: &Flow) -> Option<State> {
    match (flow.key.protocol, flow.state) {
        (Protocol::Tcp, Some(State::Rstrh)) => Some(State::Rstr),
        (Protocol::Tcp, Some(State::Shr)) => Some(State::Sh),
        (Protocol::Tcp, state) => state,
        (Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6, _) => Some(State::SF),
        (Protocol::Sctp | Protocol::Arp | Protocol::Other(_), _) => None,
    }
}

fn payload(side: &Side) -> f32 {
    side.payload_bytes.map_or(f32::NAN, |bytes| bytes as f32)
}

/// What only a meter that saw each packet can tell; 0 of a side known to have sent nothing.
fn detail(side: &Side, count: fn(&Detail) -> u32) -> f32 {
    match &side.detail {
        Some(detail) => count(detail) as f32,
        None if side.is_silent() => 0.0,
        None => f32::NAN,
    }
}

fn distinct_rate(tally: Tally) -> f32 {
    if tally.distinct > 1 { rate(tally.distinct, tally.count) } else { 0.0 }
}

/// `part / whole` to two decimals as C prints it: the exact value of the quotient, ties to even.
fn rate(part: u32, whole: u32) -> f32 {
    let hundredfold = f64::from(part) / f64::from(whole.max(1)) * 100.0;
    let tie = (hundredfold.fract() - 0.5).abs();
    let rounded = if tie > 1e-9 {
        hundredfold.round()
    } else {
        let printed = format!("{:.2}", f64::from(part) / f64::from(whole.max(1)));
        printed.parse::<f64>().map_or(hundredfold, |printed| (printed * 100.0).round())
    };
    (rounded / 100.0) as f32
}

/// The position of the connection's service in `SERVICES`.
fn service(flow: &Flow) -> u8 {
    let [originator, responder] = [flow.key.originator.port, flow.key.responder.port];
    match flow.key.protocol {
        Protocol::Icmp => match originator {
            0 => const { code("ecr_i") },
            8 if is_answer_alone(flow) => const { code("ecr_i") },
            8 => const { code("eco_i") },
            3 if responder == 1 => const { code("urh_i") },
            3 if responder == 3 => const { code("urp_i") },
            5 => const { code("red_i") },
            11 => const { code("tim_i") },
            _ => const { code("oth_i") },
        },
        Protocol::Icmpv6 => match originator {
            129 => const { code("ecr_i") },
            128 if is_answer_alone(flow) => const { code("ecr_i") },
            128 => const { code("eco_i") },
            1 if responder == 3 => const { code("urh_i") },
            1 if responder == 4 => const { code("urp_i") },
            3 => const { code("tim_i") },
            137 => const { code("red_i") },
            _ => const { code("oth_i") },
        },
        Protocol::Udp => match responder {
            53 => const { code("domain_u") },
            69 => const { code("tftp_u") },
            123 => const { code("ntp_u") },
            port => unknown(port),
        },
        _ => match TCP_SERVICES[usize::from(responder)] {
            NONE if originator == 20 => const { code("ftp_data") },
            NONE => unknown(responder),
            known => known,
        },
    }
}

/// A port without a service of its own: of those that only the system may open, or another.
fn unknown(port: u16) -> u8 {
    if port < 1024 { const { code("private") } } else { const { code("other") } }
}

/// The position of that name in `SERVICES`; a build without it fails.
const fn code(name: &str) -> u8 {
    let mut position = 0;
    while position < SERVICES.len() {
        let (known, wanted) = (SERVICES[position].as_bytes(), name.as_bytes());
        let mut same = known.len() == wanted.len();
        let mut at = 0;
        while same && at < known.len() {
            same = known[at] == wanted[at];
            at += 1;
        }
        if same {
            return position as u8;
        }
        position += 1;
    }
    panic!("no such service")
}

const fn number(name: &'static str, unit: &'static str, meaning: &'static str, value: fn(&Flow) -> f32) -> Feature {
    Feature { name, unit, meaning, value: Value::Number(value) }
}

/// What the content of a log-in in clear text tells; missing where nobody looked or it is no such log-in.
fn content(flow: &Flow, value: fn(&Content) -> u32) -> f32 {
    flow.content.as_ref().map_or(f32::NAN, |content| value(content) as f32)
}

const fn window(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    value: fn(&Surroundings) -> f32,
) -> Feature {
    Feature { name, unit, meaning, value: Value::Window(value) }
}

const RECENT: Duration = Duration::from_secs(2);
const MOST_RECENT: usize = 511;
const MOST_LAST: usize = 255;
/// Longer than any flow waits for its turn.
const CLOCK_STEP: Duration = Duration::from_secs(3600);

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "icmp"];
const FLAGS: [State; 11] = [
    State::SF,
    State::S0,
    State::S1,
    State::S2,
    State::S3,
    State::Rej,
    State::Rsto,
    State::Rstr,
    State::Rstos0,
    State::Sh,
    State::Oth,
];
const SYN_ERRORS: [State; 5] = [State::S0, State::S1, State::S2, State::S3, State::Sh];
const REJECTIONS: [State; 4] = [State::Rej, State::Rsto, State::Rstr, State::Rstos0];

#[rustfmt::skip]
/// The 70 services of NSL-KDD, and oth_i of KDD'99, which NSL-KDD has not.
const SERVICES: [&str; 71] = [
    "aol", "auth", "bgp", "courier", "csnet_ns", "ctf", "daytime", "discard", "domain", "domain_u", "echo", "eco_i",
    "ecr_i", "efs", "exec", "finger", "ftp", "ftp_data", "gopher", "harvest", "hostnames", "http", "http_2784",
    "http_443", "http_8001", "imap4", "IRC", "iso_tsap", "klogin", "kshell", "ldap", "link", "login", "mtp", "name",
    "netbios_dgm", "netbios_ns", "netbios_ssn", "netstat", "nnsp", "nntp", "ntp_u", "other", "pm_dump", "pop_2",
    "pop_3", "printer", "private", "red_i", "remote_job", "rje", "shell", "smtp", "sql_net", "ssh", "sunrpc", "supdup",
    "systat", "telnet", "tftp_u", "tim_i", "time", "urh_i", "urp_i", "uucp", "uucp_path", "vmnet", "whois", "X11",
    "Z39_50", "oth_i",
];

#[rustfmt::skip]
/// The service of each TCP port, by the names of the IANA registry and of the BSD services file. No port is known for
/// harvest and pm_dump, which 23 rows of the tables have.
const TCP_PORTS: [(u16, &str); 67] = [
    (80, "http"), (443, "http_443"), (25, "smtp"), (20, "ftp_data"), (21, "ftp"), (22, "ssh"), (23, "telnet"),
    (53, "domain"), (110, "pop_3"), (143, "imap4"), (79, "finger"), (113, "auth"), (119, "nntp"), (139, "netbios_ssn"),
    (137, "netbios_ns"), (138, "netbios_dgm"), (389, "ldap"), (111, "sunrpc"), (179, "bgp"), (5, "rje"), (7, "echo"),
    (9, "discard"), (11, "systat"), (13, "daytime"), (15, "netstat"), (37, "time"), (42, "name"), (43, "whois"),
    (57, "mtp"), (66, "sql_net"), (70, "gopher"), (71, "remote_job"), (72, "remote_job"), (73, "remote_job"),
    (74, "remote_job"), (77, "rje"), (84, "ctf"), (87, "link"), (95, "supdup"), (101, "hostnames"), (102, "iso_tsap"),
    (105, "csnet_ns"), (109, "pop_2"), (117, "uucp_path"), (150, "sql_net"), (175, "vmnet"), (194, "IRC"),
    (210, "Z39_50"), (245, "link"), (433, "nnsp"), (512, "exec"), (513, "login"), (514, "shell"), (515, "printer"),
    (520, "efs"), (530, "courier"), (540, "uucp"), (543, "klogin"), (544, "kshell"), (1911, "mtp"), (2784, "http_2784"),
    (5190, "aol"), (6000, "X11"), (6001, "X11"), (6667, "IRC"), (8001, "http_8001"), (6002, "X11"),
];

/// For each TCP port the position of its service in `SERVICES`, or `NONE`.
static TCP_SERVICES: [u8; 65536] = {
    let mut services = [NONE; 65536];
    let mut at = 0;
    while at < TCP_PORTS.len() {
        services[TCP_PORTS[at].0 as usize] = code(TCP_PORTS[at].1);
        at += 1;
    }
    services
};
const NONE: u8 = u8::MAX;
