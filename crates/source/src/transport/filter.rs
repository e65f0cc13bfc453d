//! Which packets a live capture takes: a part of tcpdump's filter language (pcap-filter(7)), and programs that tcpdump
//! compiled (`tcpdump -ddd`) for all the rest of it.
//!
//! The part is what filters before a detector are made of: protocols, hosts, networks, ports, and their combinations,
//! with tcpdump's meaning (`and` and `or` bind alike, from left to right; `host` takes ARP in, too). Programs ask the
//! kernel for the network header, so the same one serves every kind of link, and packets whose VLAN tag the kernel took
//! out.

use std::net::IpAddr;

/// An instruction of classic BPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// How many instructions are passed over where a test is true.
    pub if_true: u8,
    /// How many instructions are passed over where a test is false.
    pub if_false: u8,
    /// The operand.
    pub operand: u32,
}

impl Instruction {
    /// Takes the packet, but at most so many bytes of it.
    pub const fn accept(bytes: u32) -> Instruction {
        Instruction { code: RETURN, if_true: 0, if_false: 0, operand: bytes }
    }

    const fn new(code: u16, operand: u32) -> Instruction {
        Instruction { code, if_true: 0, if_false: 0, operand }
    }
}

/// Compiles a filter whose packets are kept up to `bytes`. Fails with what is wrong and what could stand there.
///
/// ```
/// let program = source::transport::filter::compile("tcp port 443 or udp port 443", 2048).unwrap();
/// assert!(program.len() > 10);
/// assert!(source::transport::filter::compile("port https", 2048).is_err());
/// ```
pub fn compile(expression: &str, bytes: u32) -> Result<Vec<Instruction>, String> {
    let words = words(expression)?;
    let mut parser = Parser { words: &words, depth: 0 };
    let filter = parser.expression()?;
    if let Some(word) = parser.words.first() {
        return Err(format!("`and`, `or` or the end must come before `{word}`"));
    }
    let mut program = Program::default();
    let (yes, no) = (program.label(), program.label());
    program.test(&filter, yes, no);
    program.place(yes);
    program.code.push(Code::Plain(Instruction::accept(bytes)));
    program.place(no);
    program.code.push(Code::Plain(Instruction::accept(0)));
    program.assemble()
}

/// Reads a program as `tcpdump -ddd` prints it: the number of its instructions, then each as four numbers. Packets are
/// kept up to `bytes`. Fails with the line that is wrong.
pub fn read(text: &str, bytes: u32) -> Result<Vec<Instruction>, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let count = lines.next().and_then(|line| line.parse::<usize>().ok());
    let count = count.ok_or("the first line must be the number of instructions, as `tcpdump -ddd` prints it")?;
    let mut program = Vec::new();
    for line in lines {
        let numbers: Vec<u32> = line.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
        let (&[code, if_true, if_false, operand], 4) = (&numbers[..], line.split_ascii_whitespace().count()) else {
            return Err(format!("`{line}` is no instruction: four numbers are"));
        };
        let (Ok(code), Ok(if_true), Ok(if_false)) = (code.try_into(), if_true.try_into(), if_false.try_into()) else {
            return Err(format!("`{line}` is no instruction: a number is too large"));
        };
        let operand = if code == RETURN { operand.min(bytes) } else { operand };
        program.push(Instruction { code, if_true, if_false, operand });
    }
    match program.len() {
        0 => Err("it has no instruction".to_owned()),
        MANY.. => Err(format!("it has more than the {} instructions that the kernel takes", MANY - 1)),
        length if length == count => Ok(program),
        length => Err(format!("the first line says {count} instructions, but {length} follow")),
    }
}

/// What a packet is asked.
enum Filter {
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    /// The EtherType.
    Link(u32),
    /// The protocol above IPv4 or IPv6, and which of the two.
    Above {
        protocol: u32,
        network: Network,
    },
    Address {
        side: Side,
        address: IpAddr,
        prefix: u32,
        network: Network,
    },
    Port {
        side: Side,
        first: u32,
        last: u32,
        protocols: &'static [u32],
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
    Either,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Any,
    Ip,
    Ip6,
    Arp,
}

/// The words of an expression; parentheses and signs are words.
fn words(expression: &str) -> Result<Vec<String>, String> {
    let mut spaced = expression.replace('(', " ( ").replace(')', " ) ").replace("&&", " and ").replace("||", " or ");
    spaced = spaced.replace('!', " not ");
    let words: Vec<String> = spaced.split_ascii_whitespace().map(str::to_owned).collect();
    match words.len() {
        0 => Err("a filter must say something: `tcp port 80`".to_owned()),
        1..=MANY_WORDS => Ok(words),
        _ => Err(format!("a filter of more than {MANY_WORDS} words is too long; give its program (tcpdump -ddd)")),
    }
}

struct Parser<'a> {
    words: &'a [String],
    depth: u32,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first().is_some_and(|next| next == word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    fn next(&mut self, expected: &str) -> Result<&str, String> {
        let (word, rest) = self.words.split_first().ok_or_else(|| format!("it ends where {expected} must come"))?;
        self.words = rest;
        Ok(word)
    }

    fn expression(&mut self) -> Result<Filter, String> {
        let mut filter = self.term()?;
        loop {
            if self.take("and") {
                filter = Filter::And(Box::new(filter), Box::new(self.term()?));
            } else if self.take("or") {
                filter = Filter::Or(Box::new(filter), Box::new(self.term()?));
            } else {
                return Ok(filter);
            }
        }
    }

    fn term(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("it is nested too deeply; give its program (tcpdump -ddd)".to_owned());
        }
        let filter = if self.take("not") {
            Filter::Not(Box::new(self.term()?))
        } else if self.take("(") {
            let filter = self.expression()?;
            if !self.take(")") {
                return Err("a `)` is missing".to_owned());
            }
            filter
        } else {
            self.primitive()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn primitive(&mut self) -> Result<Filter, String> {
        let protocols = ["ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6"];
        let protocol = protocols.into_iter().find(|protocol| self.take(protocol));
        let side = if self.take("src") {
            Some(Side::Source)
        } else if self.take("dst") {
            Some(Side::Destination)
        } else {
            None
        };
        let kinds = ["host", "net", "port", "portrange", "proto"];
        let kind = kinds.into_iter().find(|kind| self.take(kind));
        let network = match protocol {
            None => Network::Any,
            Some("ip") => Network::Ip,
            Some("ip6") => Network::Ip6,
            Some("arp") => Network::Arp,
            Some(_) if matches!(kind, Some("host" | "net" | "proto")) => {
                return Err(format!("`{}` has no hosts: join them by `and`", protocol.unwrap_or_default()));
            }
            Some(_) => Network::Any,
        };
        match (protocol, side, kind) {
            (Some(protocol), None, None) => Ok(alone(protocol)),
            (_, None, Some("proto")) if network != Network::Arp => {
                Ok(Filter::Above { protocol: self.number("a protocol's number", 255)?, network })
            }
            (_, side, Some(kind @ ("host" | "net"))) => self.address(kind, side.unwrap_or(Side::Either), network),
            (_, side, Some(kind @ ("port" | "portrange"))) => {
                let protocols: &[u32] = match protocol {
                    None => &[TCP, UDP, SCTP],
                    Some("tcp") => &[TCP],
                    Some("udp") => &[UDP],
                    Some("sctp") => &[SCTP],
                    Some(other) => return Err(format!("`{other}` has no ports")),
                };
                self.port(kind, side.unwrap_or(Side::Either), protocols)
            }
            _ => {
                let word = self.words.first().map_or("the end", String::as_str);
                Err(format!(
                    "`{word}` is not understood; what is: {}, src, dst, host, net, port, portrange, proto, and, or, not; \
                     for all of tcpdump's language give its program (tcpdump -ddd)",
                    protocols.join(", ")
                ))
            }
        }
    }

    fn address(&mut self, kind: &str, side: Side, network: Network) -> Result<Filter, String> {
        let word = self.next("an address")?;
        let (address, prefix) = match word.split_once('/') {
            Some((address, prefix)) if kind == "net" => (address, Some(prefix)),
            _ => (word, None),
        };
        let wrong = || format!("`{word}` is no {kind}: 192.0.2.1, 2001:db8::1, and of a net its length: 192.0.2.0/24");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None if kind == "net" => return Err(wrong()),
            None => bits,
            Some(prefix) => prefix.parse().ok().filter(|&prefix| prefix <= bits).ok_or_else(wrong)?,
        };
        let fits = match network {
            Network::Any => true,
            Network::Ip | Network::Arp => address.is_ipv4(),
            Network::Ip6 => address.is_ipv6(),
        };
        if fits { Ok(Filter::Address { side, address, prefix, network }) } else { Err(wrong()) }
    }

    fn port(&mut self, kind: &str, side: Side, protocols: &'static [u32]) -> Result<Filter, String> {
        if kind == "port" {
            let port = self.number("a port's number", 65_535)?;
            return Ok(Filter::Port { side, first: port, last: port, protocols });
        }
        let word = self.next("two ports")?;
        let ports = word.split_once('-').and_then(|(first, last)| {
            let [first, last] = [first, last].map(|port| port.parse::<u16>().ok());
            Some((u32::from(first?), u32::from(last?)))
        });
        let (one, other) = ports.ok_or_else(|| format!("`{word}` is no range of ports: 1-1024"))?;
        Ok(Filter::Port { side, first: one.min(other), last: one.max(other), protocols })
    }

    fn number(&mut self, what: &str, most: u32) -> Result<u32, String> {
        let word = self.next(what)?;
        let number = word.parse().ok().filter(|&number| number <= most);
        number.ok_or_else(|| format!("`{word}` is not {what}, 0 to {most}"))
    }
}

/// A protocol's name as a filter.
fn alone(protocol: &str) -> Filter {
    let above = |protocol, network| Filter::Above { protocol, network };
    match protocol {
        "ip" => Filter::Link(IPV4),
        "ip6" => Filter::Link(IPV6),
        "arp" => Filter::Link(ARP),
        "tcp" => above(TCP, Network::Any),
        "udp" => above(UDP, Network::Any),
        "sctp" => above(SCTP, Network::Any),
        "icmp" => above(1, Network::Ip),
        _ => above(58, Network::Ip6),
    }
}

/// Instructions whose jumps go to labels.
#[derive(Default)]
struct Program {
    code: Vec<Code>,
    /// Where each label is.
    places: Vec<usize>,
}

enum Code {
    Plain(Instruction),
    Jump(usize),
}

impl Program {
    fn label(&mut self) -> usize {
        self.places.push(0);
        self.places.len() - 1
    }

    fn place(&mut self, label: usize) {
        self.places[label] = self.code.len();
    }

    fn plain(&mut self, code: u16, operand: u32) {
        self.code.push(Code::Plain(Instruction::new(code, operand)));
    }

    /// Goes on at one of the labels. The test itself can only jump 255 instructions far, so it chooses between two jumps.
    fn branch(&mut self, code: u16, operand: u32, yes: usize, no: usize) {
        self.code.push(Code::Plain(Instruction { code, if_true: 0, if_false: 1, operand }));
        self.code.push(Code::Jump(yes));
        self.code.push(Code::Jump(no));
    }

    fn test(&mut self, filter: &Filter, yes: usize, no: usize) {
        match filter {
            Filter::Not(inner) => self.test(inner, no, yes),
            Filter::And(one, other) => {
                let next = self.label();
                self.test(one, next, no);
                self.place(next);
                self.test(other, yes, no);
            }
            Filter::Or(one, other) => {
                let next = self.label();
                self.test(one, yes, next);
                self.place(next);
                self.test(other, yes, no);
            }
            Filter::Link(protocol) => self.link(*protocol, yes, no),
            Filter::Above { protocol, network } => self.above(*protocol, *network, yes, no),
            Filter::Address { side, address, prefix, network } => match address {
                IpAddr::V4(address) => self.ipv4(*side, address.to_bits(), *prefix, *network, yes, no),
                IpAddr::V6(address) => self.ipv6(*side, address.to_bits(), *prefix, yes, no),
            },
            Filter::Port { side, first, last, protocols } => self.port(*side, (*first, *last), protocols, yes, no),
        }
    }

    /// Whether the EtherType is this one.
    fn link(&mut self, protocol: u32, yes: usize, no: usize) {
        self.plain(LOAD_WORD, PROTOCOL);
        self.branch(IF_EQUAL, protocol, yes, no);
    }

    fn above(&mut self, protocol: u32, network: Network, yes: usize, no: usize) {
        let other = self.label();
        if network != Network::Ip6 {
            let next = self.label();
            self.link(IPV4, next, other);
            self.place(next);
            self.plain(LOAD_BYTE, NETWORK + 9);
            self.branch(IF_EQUAL, protocol, yes, no);
        }
        self.place(other);
        if network == Network::Ip {
            self.code.push(Code::Jump(no));
            return;
        }
        let (next, fragment, inner) = (self.label(), self.label(), self.label());
        self.link(IPV6, next, no);
        self.place(next);
        self.plain(LOAD_BYTE, NETWORK + 6);
        self.branch(IF_EQUAL, protocol, yes, fragment);
        // As tcpdump has it: behind a fragment header, too.
        self.place(fragment);
        self.branch(IF_EQUAL, 44, inner, no);
        self.place(inner);
        self.plain(LOAD_BYTE, NETWORK + 40);
        self.branch(IF_EQUAL, protocol, yes, no);
    }

    fn ipv4(&mut self, side: Side, address: u32, prefix: u32, network: Network, yes: usize, no: usize) {
        let (in_ip, other, in_arp, reverse) = (self.label(), self.label(), self.label(), self.label());
        self.link(IPV4, in_ip, other);
        self.place(in_ip);
        if network == Network::Arp {
            self.code.push(Code::Jump(no));
        } else {
            self.either(side, [12, 16], yes, no, |program, offset, yes, no| {
                program.bits(offset, address, prefix, yes, no);
            });
        }
        self.place(other);
        if network == Network::Ip {
            self.code.push(Code::Jump(no));
        } else if network == Network::Arp {
            self.link(ARP, in_arp, no);
        } else {
            self.link(ARP, in_arp, reverse);
        }
        self.place(reverse);
        self.link(REVERSE_ARP, in_arp, no);
        self.place(in_arp);
        self.either(side, [14, 24], yes, no, |program, offset, yes, no| {
            program.bits(offset, address, prefix, yes, no);
        });
    }

    fn ipv6(&mut self, side: Side, address: u128, prefix: u32, yes: usize, no: usize) {
        let next = self.label();
        self.link(IPV6, next, no);
        self.place(next);
        self.either(side, [8, 24], yes, no, |program, offset, yes, no| {
            for (number, shift) in [96, 64, 32, 0].into_iter().enumerate() {
                let next = program.label();
                let prefix = prefix.saturating_sub(32 * number as u32).min(32);
                program.bits(offset + 4 * number as u32, (address >> shift) as u32, prefix, next, no);
                program.place(next);
            }
            program.code.push(Code::Jump(yes));
        });
    }

    fn port(&mut self, side: Side, (first, last): (u32, u32), protocols: &[u32], yes: usize, no: usize) {
        let (in_ip, other, in_ip6) = (self.label(), self.label(), self.label());
        let range = |program: &mut Program, yes: usize, no: usize| {
            let next = program.label();
            program.branch(IF_AT_LEAST, first, next, no);
            program.place(next);
            program.branch(IF_GREATER, last, no, yes);
        };
        self.link(IPV4, in_ip, other);
        self.place(in_ip);
        let whole = self.label();
        self.plain(LOAD_HALF, NETWORK + 6);
        // Later fragments have no ports.
        self.branch(IF_BITS, 0x1fff, no, whole);
        self.place(whole);
        self.one_of(NETWORK + 9, protocols, no);
        self.plain(LOAD_BYTE, NETWORK);
        self.plain(AND, 0x0f);
        self.plain(SHIFT_LEFT, 2);
        self.plain(TO_INDEX, 0);
        self.either(side, [0, 2], yes, no, |program, offset, yes, no| {
            program.plain(LOAD_HALF_AT_INDEX, NETWORK + offset);
            range(program, yes, no);
        });
        self.place(other);
        self.link(IPV6, in_ip6, no);
        self.place(in_ip6);
        self.one_of(NETWORK + 6, protocols, no);
        self.either(side, [40, 42], yes, no, |program, offset, yes, no| {
            program.plain(LOAD_HALF, NETWORK + offset);
            range(program, yes, no);
        });
    }

    /// Goes on where the byte is one of these.
    fn one_of(&mut self, offset: u32, protocols: &[u32], no: usize) {
        let found = self.label();
        self.plain(LOAD_BYTE, offset);
        for &protocol in protocols {
            let next = self.label();
            self.branch(IF_EQUAL, protocol, found, next);
            self.place(next);
        }
        self.code.push(Code::Jump(no));
        self.place(found);
    }

    /// Asks at the source's offset, the destination's, or both.
    fn either(
        &mut self,
        side: Side,
        [source, destination]: [u32; 2],
        yes: usize,
        no: usize,
        ask: impl Fn(&mut Program, u32, usize, usize),
    ) {
        match side {
            Side::Source => ask(self, source, yes, no),
            Side::Destination => ask(self, destination, yes, no),
            Side::Either => {
                let next = self.label();
                ask(self, source, yes, next);
                self.place(next);
                ask(self, destination, yes, no);
            }
        }
    }

    /// Whether the first bits of the word in the network header are those of `bits`.
    fn bits(&mut self, offset: u32, bits: u32, prefix: u32, yes: usize, no: usize) {
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        self.plain(LOAD_WORD, NETWORK + offset);
        self.plain(AND, mask);
        self.branch(IF_EQUAL, bits & mask, yes, no);
    }

    fn assemble(self) -> Result<Vec<Instruction>, String> {
        if self.code.len() >= MANY {
            return Err("it is too long for the kernel; make it shorter".to_owned());
        }
        let jump = |from: usize, label: usize| Instruction::new(JUMP, (self.places[label] - from - 1) as u32);
        let assembled = self.code.iter().enumerate().map(|(from, code)| match code {
            Code::Plain(instruction) => *instruction,
            Code::Jump(label) => jump(from, *label),
        });
        Ok(assembled.collect())
    }
}

const TCP: u32 = 6;
const UDP: u32 = 17;
const SCTP: u32 = 132;
const IPV4: u32 = 0x0800;
const ARP: u32 = 0x0806;
const REVERSE_ARP: u32 = 0x8035;
const IPV6: u32 = 0x86dd;
/// Where the kernel lets a program ask for the EtherType (SKF_AD_OFF + SKF_AD_PROTOCOL), and for the network header
/// (SKF_NET_OFF); linux/filter.h.
const PROTOCOL: u32 = 0xffff_f000;
const NETWORK: u32 = 0xfff0_0000;
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_AT_INDEX: u16 = 0x48;
const TO_INDEX: u16 = 0x07;
const AND: u16 = 0x54;
const SHIFT_LEFT: u16 = 0x64;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;
/// One more than the kernel takes (BPF_MAXINSNS).
const MANY: usize = 4097;
const MANY_WORDS: usize = 1024;
const MAX_DEPTH: u32 = 64;
