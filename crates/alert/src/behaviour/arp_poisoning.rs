//! ARP poisoning: a machine answers, unasked and again and again, for an address that is another's.
//!
//! Test: answers that nobody asked for (RFC 826 has a question for each; RFC 5227 announcements name the same address
//! twice and count only where they go on for 20 s while another machine claims the address), by which one machine claims an address: at least five.
//! Null model: a host tells of a change unasked, once a change, Poisson with mean 1; five have a chance of 0.4 %, ten of
//! 1e-7. The machine must claim another address as well, which is its own, or the address must be claimed by another
//! machine in the same time. Or it asks in the name of an address that another machine claims in the same time, which no
//! proxy does. Two machines at one address, of which neither does so, are a mistake and told as info. Virtual machines'
//! addresses of routers (VRRP, HSRP, GLBP) are their own and left out.

use std::net::IpAddr;

use flow::{Application, Claim, Duration, Flow, Protocol, Time};

use super::load::Span;
use super::scale::poisson_tail;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, list, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// A hardware address (EUI-48).
type Machine = [u8; 6];

/// Watches which machine claims which address.
#[derive(Default)]
pub(super) struct Claimants {
    addresses: Tracks<IpAddr, Address>,
    /// The addresses that each machine claims.
    machines: Tracks<Machine, Addresses>,
}

/// Who claims one address.
#[derive(Default)]
struct Address(Vec<Holder>);

/// A machine's claim to one address.
struct Holder {
    machine: Machine,
    /// From when to when, in each conversation.
    times: Vec<(Time, Time)>,
    requests: u64,
    replies: u64,
    /// Replies that the other side had not asked for.
    unasked: u64,
    /// Replies to nobody but itself (RFC 5227 s.3).
    announced: u64,
    /// Whom it told so.
    told: Vec<IpAddr>,
    flows: u64,
    span: Span,
}

#[derive(Default)]
struct Addresses(Vec<IpAddr>);

impl Weigh for Address {
    fn weight(&self) -> usize {
        self.0.iter().map(|holder| 2 + holder.times.len()).sum()
    }
}

impl Weigh for Addresses {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl Watch for Claimants {
    fn observe(&mut self, flow: &Flow) {
        let (Protocol::Arp, Some(Application::Arp(arp))) = (flow.key.protocol, flow.application.as_deref()) else {
            return;
        };
        for claim in arp.claims.iter().filter(|claim| !is_virtual(claim.hardware)) {
            let address = IpAddr::V4(claim.address);
            let other = if flow.key.originator.address == address { flow.key.responder } else { flow.key.originator };
            let asked: u64 = arp
                .claims
                .iter()
                .filter(|one| IpAddr::V4(one.address) == other.address)
                .map(|one| u64::from(one.requests))
                .sum();
            let held = &mut self.machines.touch(claim.hardware, flow.end).0;
            if held.len() < MAX_ADDRESSES && !held.contains(&address) {
                held.push(address);
            }
            let holders = &mut self.addresses.touch(address, flow.end).0;
            let position = holders.iter().position(|holder| holder.machine == claim.hardware);
            let position = position.unwrap_or_else(|| {
                if holders.len() < MAX_HOLDERS {
                    holders.push(Holder::of(claim.hardware));
                }
                holders.len() - 1
            });
            if holders[position].machine == claim.hardware {
                holders[position].add(flow, claim, other.address, asked);
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let addresses = self.addresses.sorted();
        addresses.iter().flat_map(|(address, holders)| self.of_address(*address, &holders.0)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.addresses.forget(before);
        self.machines.forget(before);
    }
}

impl Claimants {
    fn of_address(&self, address: IpAddr, holders: &[Holder]) -> Vec<Evidence> {
        let mut found: Vec<Evidence> = holders
            .iter()
            .filter_map(|holder| {
                let rivals: Vec<&Holder> = holders.iter().filter(|other| other.contests(holder)).collect();
                self.poisoning(address, holder, &rivals)
            })
            .collect();
        // Where both look alike, who says it more often is the one.
        found.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then(b.score.total_cmp(&a.score)).then(a.subject.cmp(&b.subject))
        });
        found.truncate(1);
        if found.is_empty() {
            found.extend(duplicate(address, holders));
        }
        found
    }

    fn poisoning(&self, address: IpAddr, holder: &Holder, rivals: &[&Holder]) -> Option<Evidence> {
        let own = self.machines.get(&holder.machine).and_then(|held| held.0.iter().find(|&&held| held != address));
        let unasked = holder.unasked + if rivals.is_empty() { 0 } else { holder.announced };
        let is_told = unasked >= UNASKED && (own.is_some() || !rivals.is_empty() && holder.unasked >= UNASKED);
        let is_asked_in_its_name = own.is_some() && !rivals.is_empty() && holder.requests >= ASKED;
        // The holder of an address says so, too, when it is contested; it has no other.
        let is_rightful = own.is_none() && rivals.iter().any(|rival| rival.first() >= holder.first());
        if !is_told && !is_asked_in_its_name || is_rightful {
            return None;
        }
        let is_contested = !rivals.is_empty();
        let p_value = poisson_tail(if is_told { unasked } else { holder.requests }, 1.0);
        let subject = own.copied().unwrap_or(address);
        let victims = holder.told.iter().copied().chain(std::iter::once(address)).filter(|&victim| victim != subject);
        let machines: Vec<String> = rivals.iter().map(|rival| words(rival.machine)).collect();
        let mut summary = format!("{} ", words(holder.machine));
        if let Some(own) = own {
            summary.push_str(&format!("({own}) "));
        }
        summary.push_str(&format!(
            "claimed the address {address} {} times in {}",
            grouped(holder.requests + holder.replies),
            seconds(holder.last().since(holder.first())),
        ));
        if is_told {
            summary.push_str(&format!(", {} of them in answers that nobody asked for", grouped(unasked)));
        }
        if is_contested {
            summary.push_str(&format!(", while {} claimed it too", machines.join(", ")));
        }
        Some(Evidence {
            behaviour: Behaviour::ArpPoisoning,
            subject,
            hosts: hosts((subject, Role::Attacker), victims, Role::Victim),
            start: holder.first(),
            end: holder.last(),
            severity: if is_contested && unasked >= 2 * UNASKED { Severity::High } else { Severity::Medium },
            score: (1.0 - p_value.sqrt()).clamp(0.0, 1.0),
            technique: Some(Technique::ArpCachePoisoning),
            flows: holder.flows,
            summary,
            facts: Facts::from([
                ("address", Fact::Text(address.to_string())),
                ("machine", Fact::Text(words(holder.machine))),
                ("other_machines", list(machines)),
                ("claims", Fact::Count(holder.requests + holder.replies)),
                ("answers_not_asked_for", Fact::Count(unasked)),
                ("told", list(&holder.told)),
                ("p_value", Fact::Number(p_value)),
            ]),
            examples: holder.span.examples.clone(),
        })
    }
}

impl Holder {
    fn of(machine: Machine) -> Holder {
        Holder {
            machine,
            times: Vec::new(),
            requests: 0,
            replies: 0,
            unasked: 0,
            announced: 0,
            told: Vec::new(),
            flows: 0,
            span: Span::default(),
        }
    }

    /// Takes in a claim that was made to `other`, which asked so often.
    fn add(&mut self, flow: &Flow, claim: &Claim, other: IpAddr, asked: u64) {
        let is_announcement = flow.key.originator.address == flow.key.responder.address;
        let replies = u64::from(claim.replies);
        self.flows += 1;
        self.span.add(flow);
        self.requests += u64::from(claim.requests);
        self.replies += replies;
        if is_announcement {
            // Who takes an address over says so a few times at once.
            self.announced += if claim.last.since(claim.first) >= INSISTENT { replies } else { 0 };
        } else if replies > asked {
            self.unasked += replies - asked;
            if self.told.len() < MAX_TOLD && !self.told.contains(&other) {
                self.told.push(other);
            }
        }
        if self.times.len() < MAX_TIMES {
            self.times.push((claim.first, claim.last));
        }
    }

    fn first(&self) -> Time {
        self.times.iter().map(|time| time.0).min().unwrap_or(self.span.start())
    }

    fn last(&self) -> Time {
        self.times.iter().map(|time| time.1).max().unwrap_or(self.span.end())
    }

    /// Whether this machine claims the address while the other does.
    fn contests(&self, other: &Holder) -> bool {
        let overlaps = |&(start, end): &(Time, Time)| start <= other.last() && other.first() <= end;
        self.machine != other.machine && self.times.iter().any(overlaps)
    }
}

/// Two machines that claim one address in turns.
fn duplicate(address: IpAddr, holders: &[Holder]) -> Option<Evidence> {
    let often = |holder: &&Holder| holder.requests + holder.replies >= ASKED;
    let holder = holders
        .iter()
        .filter(often)
        .find(|holder| holders.iter().filter(often).any(|other| other.contests(holder) && holder.contests(other)))?;
    let machines: Vec<String> = holders.iter().map(|holder| words(holder.machine)).collect();
    Some(Evidence {
        behaviour: Behaviour::ArpPoisoning,
        subject: address,
        hosts: hosts((address, Role::Peer), [], Role::Peer),
        start: holder.first(),
        end: holder.last(),
        severity: Severity::Info,
        score: 0.2,
        technique: None,
        flows: holders.iter().map(|holder| holder.flows).sum(),
        summary: format!(
            "{} machines claimed the address {address} in the same time: {}",
            machines.len(),
            machines.join(", ")
        ),
        facts: Facts::from([("machines", list(machines))]),
        examples: holder.span.examples.clone(),
    })
}

/// The shared addresses of routers: VRRP (RFC 9568 s.7.3), HSRP, GLBP.
fn is_virtual(machine: Machine) -> bool {
    matches!(
        machine,
        [0, 0, 0x5e, 0, 1 | 2, _]
            | [0, 0, 0x0c, 0x07, 0xac, _]
            | [0, 0, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0, 0x07, 0xb4, ..]
    )
}

/// A hardware address as people write it.
pub(super) fn words(machine: Machine) -> String {
    machine.map(|byte| format!("{byte:02x}")).join(":")
}

/// Announcements over so long are no change of hands.
const INSISTENT: Duration = Duration::from_secs(20);
/// Answers that nobody asked for.
const UNASKED: u64 = 5;
/// Questions, or claims at all, in the name of a contested address.
const ASKED: u64 = 3;
/// Machines kept of one address.
const MAX_HOLDERS: usize = 8;
/// Addresses kept of one machine.
const MAX_ADDRESSES: usize = 32;
const MAX_TOLD: usize = 16;
const MAX_TIMES: usize = 64;

#[cfg(test)]
mod tests {
    use flow::{Arp, Endpoint, Key};

    use super::*;

    const GATEWAY: [u8; 4] = [192, 168, 1, 1];
    const VICTIM: [u8; 4] = [192, 168, 1, 20];
    const ATTACKER: [u8; 4] = [192, 168, 1, 66];

    /// The messages between two addresses: who claims to be which, how often asking and how often answering.
    fn messages(second: u64, between: [[u8; 4]; 2], claims: &[([u8; 4], u8, u32, u32)]) -> Flow {
        let [originator, responder] = between.map(|address| Endpoint::new(address.into(), 0));
        let start = Time::from_nanoseconds(0) + Duration::from_secs(second);
        let claims = claims.iter().map(|&(address, last, requests, replies)| Claim {
            address: address.into(),
            hardware: [2, 0, 0, 0, 0, last],
            requests,
            replies,
            first: start,
            last: start + Duration::from_secs(30),
        });
        let application = Some(Box::new(Application::Arp(Arp { claims: claims.collect() })));
        let key = Key { originator, responder, protocol: Protocol::Arp };
        Flow { application, ..Flow::between(key, start, start + Duration::from_secs(30)) }
    }

    fn found(flows: &[Flow]) -> Vec<(IpAddr, Severity)> {
        let mut watch = Claimants::default();
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.subject, one.severity)).collect()
    }

    #[test]
    fn answers_that_nobody_asked_for_are_poisoning_and_those_that_were_are_not() {
        let own = messages(0, [ATTACKER, GATEWAY], &[(ATTACKER, 66, 1, 0), (GATEWAY, 1, 0, 1)]);
        let lies = messages(40, [GATEWAY, VICTIM], &[(GATEWAY, 66, 0, 15)]);
        assert_eq!(found(&[own.clone(), lies]), [(ATTACKER.into(), Severity::Medium)]);
        let answers = messages(40, [VICTIM, GATEWAY], &[(VICTIM, 20, 15, 0), (GATEWAY, 1, 0, 15)]);
        assert_eq!(found(&[own, answers]), []);
    }

    #[test]
    fn the_machine_that_lies_is_told_from_the_one_that_holds_the_address() {
        let own = messages(0, [ATTACKER, GATEWAY], &[(ATTACKER, 66, 1, 0), (GATEWAY, 1, 0, 1)]);
        let both = messages(40, [VICTIM, GATEWAY], &[(VICTIM, 20, 2, 0), (GATEWAY, 1, 0, 2), (GATEWAY, 66, 0, 15)]);
        assert_eq!(found(&[own, both]), [(ATTACKER.into(), Severity::High)]);
    }

    #[test]
    fn an_address_that_moves_is_announced_and_no_poisoning() {
        let held = messages(0, [VICTIM, GATEWAY], &[(VICTIM, 20, 3, 0), (GATEWAY, 1, 0, 3)]);
        let moved = messages(60, [GATEWAY, GATEWAY], &[(GATEWAY, 2, 0, 5)]);
        let own = messages(61, [[192, 168, 1, 3], VICTIM], &[([192, 168, 1, 3], 2, 1, 0)]);
        let answers = messages(100, [VICTIM, GATEWAY], &[(VICTIM, 20, 9, 0), (GATEWAY, 2, 0, 9)]);
        assert_eq!(found(&[held, moved, own, answers]), []);
    }

    #[test]
    fn two_machines_at_one_address_are_a_mistake() {
        let first = messages(0, [GATEWAY, VICTIM], &[(GATEWAY, 1, 4, 0), (VICTIM, 20, 0, 4)]);
        let second = messages(10, [GATEWAY, ATTACKER], &[(GATEWAY, 9, 4, 0), (ATTACKER, 66, 0, 4)]);
        assert_eq!(found(&[first, second]), [(GATEWAY.into(), Severity::Info)]);
    }
}
