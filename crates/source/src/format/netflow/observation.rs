//! A record becomes the uniflow that it tells of: who, when, how much.

use std::net::IpAddr;

use flow::{Duration, Ended, Endpoint, Protocol, State, Time, Tunnel, TunnelKind};

use super::collector::Context;
use super::options::{Rate, Sampling};
use super::record::{Header, Record, address, ntp, scaled, unsigned};
use super::role::Role;
use crate::Batch;
use crate::format::uniflow::{Half, Observer, Opening, Uniflow, icmp};

/// The uniflow of a record. Fails with the reason why it tells of none.
pub(super) fn uniflow(record: &Record<'_>, context: &Context, batch: &mut Batch) -> Result<Uniflow, &'static str> {
    let mut fields = Fields::default();
    for (field, bytes) in record.fields() {
        fields.take(field.role, bytes);
    }
    if fields.firewall_event == Some(FLOW_CREATED) {
        return Err("firewall event of a connection opened, whose end is told later");
    }
    let [source, destination] = fields.addresses()?;
    let protocol = Protocol::from_number(fields.protocol.ok_or("record without a protocol")?);
    let (ports, icmp_opening) = fields.ports(protocol);
    let (start, end) = fields.times(record.header, context.options.started, batch);
    let rate = context.options.rate(&fields.sampling).or(Rate::of_header(record.header.sampling));
    let rate = rate.filter(|rate| rate.is_partial());
    let is_firewalls = fields.firewall_event.is_some_and(|event| event > 0);
    let mut uniflow = Uniflow {
        observer: Observer {
            exporter: context.number,
            ingress: fields.sampling.ingress.unwrap_or(0) as u32,
            egress: fields.egress,
            direction: fields.direction,
        },
        site: 0,
        source: Endpoint::new(source, ports[0]),
        destination: Endpoint::new(destination, ports[1]),
        protocol,
        start,
        end,
        sent: fields.sent(),
        reverse: fields.reverse(),
        opening: icmp_opening.or(fields.opening).or(is_firewalls.then_some(Opening::BySource)),
        is_sampled: rate.is_some(),
        denied: (fields.firewall_event == Some(FLOW_DENIED)).then_some(State::S0),
        ended: fields.ended(),
        vlan: fields.vlan,
        tunnel: fields.tunnel,
    };
    if let Some(rate) = rate {
        let halves = std::iter::once(&mut uniflow.sent).chain(&mut uniflow.reverse);
        halves.for_each(|half| half.scale(|count| rate.scale(count).unwrap_or(u64::MAX)));
        batch.note("records of sampled traffic, whose counts were scaled", 1);
    }
    uniflow.check()
}

/// What the fields of one record tell.
#[derive(Default)]
struct Fields {
    source4: Option<IpAddr>,
    source6: Option<IpAddr>,
    destination4: Option<IpAddr>,
    destination6: Option<IpAddr>,
    protocol: Option<u8>,
    source_port: u16,
    destination_port: u16,
    icmp: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: u8,
    bytes: [Option<u64>; 4],
    packets: [Option<u64>; 4],
    reverse: [Option<u64>; 2],
    responder: [Option<u64>; 2],
    flags: Option<u8>,
    reverse_flags: Option<u8>,
    egress: u32,
    direction: u8,
    opening: Option<Opening>,
    start: Option<Time>,
    end: Option<Time>,
    observed: Option<Time>,
    started: Option<Time>,
    start_uptime: Option<u32>,
    end_uptime: Option<u32>,
    start_delta: Option<u64>,
    end_delta: Option<u64>,
    duration: Option<Duration>,
    end_reason: u8,
    firewall_event: Option<u8>,
    vlan: Option<u16>,
    tunnel: Option<Tunnel>,
    sampling: Sampling,
}

impl Fields {
    #[inline]
    fn take(&mut self, role: Role, bytes: &[u8]) {
        let number = || unsigned(bytes);
        let byte = || bytes.last().copied();
        match role {
            Role::None => {}
            Role::Bytes => self.bytes[0] = number(),
            Role::BytesTotal => self.bytes[1] = number(),
            Role::BytesInitiator => self.bytes[2] = number(),
            Role::BytesPost => self.bytes[3] = number(),
            Role::Packets => self.packets[0] = number(),
            Role::PacketsTotal => self.packets[1] = number(),
            Role::PacketsInitiator => self.packets[2] = number(),
            Role::PacketsPost => self.packets[3] = number(),
            Role::ReversePackets => self.reverse[0] = number().max(self.reverse[0]),
            Role::ReverseBytes => self.reverse[1] = number().max(self.reverse[1]),
            Role::PacketsResponder => self.responder[0] = number(),
            Role::BytesResponder => self.responder[1] = number(),
            Role::Protocol => self.protocol = byte(),
            Role::Flags => self.flags = byte(),
            Role::FlagsMore => self.flags = byte().map(|more| self.flags.unwrap_or(0) | more),
            Role::ReverseFlags => self.reverse_flags = byte().map(|more| self.reverse_flags.unwrap_or(0) | more),
            Role::SourcePort => self.source_port = port(bytes).unwrap_or(self.source_port),
            Role::DestinationPort => self.destination_port = port(bytes).unwrap_or(self.destination_port),
            Role::Source4 => self.source4 = address(bytes),
            Role::Destination4 => self.destination4 = address(bytes),
            Role::Source6 => self.source6 = address(bytes),
            Role::Destination6 => self.destination6 = address(bytes),
            Role::IcmpTypeCode => self.icmp = number().map(|number| number as u16).filter(|number| *number > 0),
            Role::IcmpType => self.icmp_type = byte(),
            Role::IcmpCode => self.icmp_code = byte().unwrap_or(0),
            Role::Egress => self.egress = number().unwrap_or(0) as u32,
            Role::Direction => self.direction = byte().unwrap_or(0),
            Role::BiflowDirection => {
                self.opening = match byte() {
                    Some(1) => Some(Opening::BySource),
                    Some(2) => Some(Opening::ByDestination),
                    _ => None,
                }
            }
            Role::StartUptime => self.start_uptime = number().map(|number| number as u32),
            Role::EndUptime => self.end_uptime = number().map(|number| number as u32),
            Role::StartSeconds => self.start = time(bytes, 1_000_000_000).or(self.start),
            Role::EndSeconds => self.end = time(bytes, 1_000_000_000).or(self.end),
            Role::StartMilliseconds => self.start = time(bytes, 1_000_000).or(self.start),
            Role::EndMilliseconds => self.end = time(bytes, 1_000_000).or(self.end),
            Role::StartNtp => self.start = ntp(bytes).or(self.start),
            Role::EndNtp => self.end = ntp(bytes).or(self.end),
            Role::StartDelta => self.start_delta = number(),
            Role::EndDelta => self.end_delta = number(),
            Role::Duration => self.duration = number().map(Duration::from_millis),
            Role::DurationMicroseconds => self.duration = number().map(Duration::from_micros),
            Role::Observed => self.observed = time(bytes, 1_000_000).or(self.observed),
            Role::ObservedSeconds => self.observed = time(bytes, 1_000_000_000).or(self.observed),
            Role::ObservedNtp => self.observed = ntp(bytes).or(self.observed),
            Role::SystemInit => self.started = time(bytes, 1_000_000),
            Role::EndReason => self.end_reason = byte().unwrap_or(0),
            Role::FirewallEvent => self.firewall_event = byte(),
            Role::Vlan => {
                self.vlan = number().map(|number| number as u16 & 0xfff).filter(|vlan| *vlan > 0).or(self.vlan);
            }
            Role::Segment => self.tunnel = segment(bytes).or(self.tunnel),
            Role::Mpls => self.tunnel = label(bytes).or(self.tunnel),
            Role::SamplingInterval
            | Role::SamplingPacketInterval
            | Role::SamplingPacketSpace
            | Role::SamplingSize
            | Role::SamplingPopulation
            | Role::SamplerId
            | Role::Ingress => self.sampling.take(role, bytes),
        }
    }

    /// Source and destination. Of a record with room for both versions, the one that is filled.
    fn addresses(&self) -> Result<[IpAddr; 2], &'static str> {
        let pair = |source: Option<IpAddr>, destination: Option<IpAddr>| Some([source?, destination?]);
        let four = pair(self.source4, self.destination4);
        let six = pair(self.source6, self.destination6);
        let is_filled = |pair: &[IpAddr; 2]| pair.iter().any(|address| !address.is_unspecified());
        match four.filter(is_filled).or(six.filter(is_filled)) {
            Some(pair) => Ok(pair),
            None if four.or(six).is_some() => Err("record whose addresses are both empty"),
            None => Err("record without both addresses"),
        }
    }

    fn ports(&self, protocol: Protocol) -> ([u16; 2], Option<Opening>) {
        if !matches!(protocol, Protocol::Icmp | Protocol::Icmpv6) {
            return ([self.source_port, self.destination_port], None);
        }
        let [kind, code] = match (self.icmp_type, self.icmp) {
            (Some(kind), _) => [kind, self.icmp_code],
            (None, Some(both)) => both.to_be_bytes(),
            // Where there is no field for them, they stand in the destination's port (Cisco's version 5).
            (None, None) => self.destination_port.to_be_bytes(),
        };
        icmp(protocol, kind, code)
    }

    /// First and last packet. Absolute times are trusted first, then those relative to the exporter's start or to the
    /// message; where only a duration can be told, the flow ended when it was exported.
    fn times(&self, header: &Header, started: Option<Time>, batch: &mut Batch) -> (Time, Time) {
        let exported = header.exported;
        let uptime = |milliseconds: u32| match header.uptime {
            // Counts of 32 bits run over after 49.7 days, and a flow may end a little after the message's header is made.
            Some(now) => Some(later(exported, -i64::from(now.wrapping_sub(milliseconds) as i32) * 1_000_000)),
            None => Some(later(self.started.or(started)?, i64::from(milliseconds) * 1_000_000)),
        };
        let delta = |microseconds: u64| {
            later(exported, i64::try_from(microseconds).map_or(0, |number| number.saturating_mul(-1000)))
        };
        let start = self.start.or_else(|| self.start_uptime.and_then(uptime)).or(self.start_delta.map(delta));
        let end = self.end.or_else(|| self.end_uptime.and_then(uptime)).or(self.end_delta.map(delta));
        let end = end.or(self.observed);
        let relative = || {
            let milliseconds = self.end_uptime?.wrapping_sub(self.start_uptime?);
            Some(Duration::from_millis(milliseconds.into()))
        };
        let duration = self.duration.or_else(relative).unwrap_or_default().min(LONGEST);
        let (start, end) = match (start, end) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => (start, start + duration),
            (None, Some(end)) => (later(end, -(duration.as_nanos() as i64)), end),
            (None, None) => {
                batch.note("records without a time of their own, timed by their export", 1);
                (later(exported, -(duration.as_nanos() as i64)), exported)
            }
        };
        if start > end {
            batch.note("records that end before they start", 1);
        }
        (start, end.max(start))
    }

    fn sent(&self) -> Half {
        Half { packets: count(self.packets), bytes: count(self.bytes), flags: self.flags }
    }

    fn reverse(&self) -> Option<Half> {
        // Some routers have the responder's counts in the template of every flow, and never fill them.
        let is_told = self.firewall_event.is_some() || self.responder.iter().any(|count| *count > Some(0));
        let [packets, bytes] = [0, 1].map(|at| self.reverse[at].or(self.responder[at].filter(|_| is_told)));
        (packets.is_some() || bytes.is_some()).then_some(Half { packets, bytes, flags: self.reverse_flags })
    }

    fn ended(&self) -> Ended {
        match (self.end_reason, self.firewall_event) {
            (1, _) => Ended::Idle,
            (2, _) => Ended::Active,
            (3, _) => Ended::Closed,
            (4, _) => Ended::Input,
            (5, _) => Ended::Evicted,
            (_, Some(FLOW_DELETED | FLOW_DENIED)) => Ended::Closed,
            (_, Some(FLOW_UPDATE)) => Ended::Active,
            _ => Ended::Unknown,
        }
    }
}

/// The count of the first field that is filled: since the last record, of the whole flow, of the initiator, and that
/// of an exporter that counts where packets leave.
#[inline]
fn count(fields: [Option<u64>; 4]) -> Option<u64> {
    fields.iter().flatten().copied().find(|&count| count > 0).or_else(|| fields.iter().flatten().copied().next())
}

fn port(bytes: &[u8]) -> Option<u16> {
    // An exporter with fields for TCP's and UDP's ports fills those that apply.
    unsigned(bytes).map(|number| number as u16).filter(|&number| number > 0)
}

/// A time since 1970; zero stands for none.
fn time(bytes: &[u8], nanoseconds: i64) -> Option<Time> {
    unsigned(bytes).filter(|&number| number > 0).and_then(|number| scaled(number, nanoseconds))
}

fn later(time: Time, nanoseconds: i64) -> Time {
    Time::from_nanoseconds(time.nanoseconds().saturating_add(nanoseconds))
}

/// A virtual network (IANA 351): its type in the first byte, its number in the last four.
fn segment(bytes: &[u8]) -> Option<Tunnel> {
    let number = unsigned(bytes)?;
    let id = (number & 0x00ff_ffff) as u32;
    let kind = match number >> 56 {
        1 => TunnelKind::Vxlan,
        2 => TunnelKind::Gre,
        _ => return None,
    };
    (id > 0).then_some(Tunnel { kind, id })
}

/// The label on top of the stack (RFC 3032 s.2.1); those below 16 are no networks.
fn label(bytes: &[u8]) -> Option<Tunnel> {
    let id = match *bytes {
        [a, b, c, ..] => u32::from_be_bytes([0, a, b, c]) >> 4,
        _ => return None,
    };
    (id >= 16).then_some(Tunnel { kind: TunnelKind::Mpls, id })
}

/// Values of firewallEvent (IANA 233).
const FLOW_CREATED: u8 = 1;
const FLOW_DELETED: u8 = 2;
const FLOW_DENIED: u8 = 3;
const FLOW_UPDATE: u8 = 5;
/// A flow of more than a year is a mistake of its exporter.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
