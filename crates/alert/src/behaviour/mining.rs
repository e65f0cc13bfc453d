//! Crypto mining: an inside host that computes for a mining pool.
//!
//! Told by content where it is in the clear: Stratum and its kin (JSON calls such as `mining.subscribe`, `eth_submitLogin`,
//! `login` with a wallet), which nothing else speaks, so one conversation is enough and the false-alarm rate is that of the
//! reader. A node of a currency's own network (Bitcoin's greeting) is no pool: low.
//!
//! Told by behaviour where it is encrypted: conversations of ten minutes and more with an outside port that pools use, in
//! which both sides speak now and then in small messages (at least 20 each, 40 to 700 bytes on average, at most one a
//! second), as a pool hands out work and gets shares back. Chat does so, too, on other ports: low, and no technique.
//!
//! The subject is the miner, as the attacker, though it may be the victim of one; the pool is a peer.

use std::net::IpAddr;

use flow::{Application, Duration, Endpoint, Flow, Protocol, Time};

use super::destination::{self, Destination};
use super::load::Span;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Home, Role, Severity, Technique};

/// Watches who works for a pool.
pub(super) struct Miners {
    home: Home,
    pairs: Tracks<(IpAddr, IpAddr, u16), Work>,
}

/// One host's work for one pool.
#[derive(Default)]
struct Work {
    sign: Option<Sign>,
    flows: u64,
    messages: u64,
    span: Span,
}

/// What it is told by, the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Rhythm,
    Node,
    Stratum,
}

impl Miners {
    pub(super) fn new(home: &Home) -> Miners {
        Miners { home: home.clone(), pairs: Tracks::default() }
    }

    /// Miner and pool. A conversation that was silent for long may go on with a word of the pool, and be a flow from it.
    fn parties(&self, flow: &Flow) -> (Endpoint, Endpoint) {
        let (from, to) = (flow.key.originator, flow.key.responder);
        let is_from_outside = !self.home.contains(from.address) && self.home.contains(to.address);
        let is_from_lower = self.home.contains(from.address) == self.home.contains(to.address) && from.port < to.port;
        if is_from_outside || is_from_lower && !destination::opens(flow) { (to, from) } else { (from, to) }
    }
}

impl Weigh for Work {
    fn weight(&self) -> usize {
        1
    }
}

impl Watch for Miners {
    fn observe(&mut self, flow: &Flow) {
        let sign = match flow.application.as_deref() {
            Some(Application::Other(name)) if &**name == "stratum" => Sign::Stratum,
            Some(Application::Other(name)) if &**name == "bitcoin" => Sign::Node,
            _ if Destination::of(flow, &self.home).is_some() && has_rhythm_of_work(flow) => Sign::Rhythm,
            _ => return,
        };
        let (miner, pool) = self.parties(flow);
        let work = self.pairs.touch((miner.address, pool.address, pool.port), flow.end);
        work.sign = work.sign.max(Some(sign));
        work.flows += 1;
        let messages = |side: &flow::Side| side.detail.map_or(0, |detail| u64::from(detail.payload_packets));
        work.messages = work.messages.saturating_add(messages(&flow.originator));
        work.messages = work.messages.saturating_add(messages(&flow.responder));
        work.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.pairs.sorted().into_iter().filter_map(|(pair, work)| work.evidence(pair)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
    }
}

impl Work {
    fn evidence(&self, (miner, pool, port): (IpAddr, IpAddr, u16)) -> Option<Evidence> {
        let sign = self.sign?;
        let (severity, score, what) = match sign {
            Sign::Stratum => (Severity::High, 0.98, "mines for"),
            Sign::Node => (Severity::Low, 0.5, "is a node of Bitcoin's network, together with"),
            Sign::Rhythm => (Severity::Low, 0.4, "talks as miners do with"),
        };
        let length = self.span.end().since(self.span.start());
        let told_by = match sign {
            Sign::Stratum => "Stratum in the clear",
            Sign::Node => "greeting of a node",
            Sign::Rhythm => "port and rhythm",
        };
        Some(Evidence {
            behaviour: Behaviour::CryptoMining,
            subject: miner,
            hosts: hosts((miner, Role::Attacker), [pool], Role::Peer),
            start: self.span.start(),
            end: self.span.end(),
            severity,
            score,
            technique: (sign == Sign::Stratum).then_some(Technique::ComputeHijacking),
            flows: self.flows,
            summary: format!(
                "{miner} {what} {} ({told_by}), {} messages in {}",
                Endpoint::new(pool, port),
                grouped(self.messages),
                seconds(length),
            ),
            facts: Facts::from([
                ("told_by", Fact::Text(told_by.to_owned())),
                ("port", Fact::Count(port.into())),
                ("messages", Fact::Count(self.messages)),
                ("seconds", Fact::Number(length.as_secs_f64())),
            ]),
            examples: self.span.examples.clone(),
        })
    }
}

/// Whether a flow to a port that pools use goes on like work handed out and given back.
fn has_rhythm_of_work(flow: &Flow) -> bool {
    let duration = flow.duration();
    let is_steady = |side: &flow::Side| {
        let (Some(detail), Some(bytes)) = (side.detail, side.payload_bytes) else { return false };
        let messages = u64::from(detail.payload_packets);
        messages >= 20 && messages <= duration.as_secs() && (40..=700).contains(&(bytes / messages.max(1)))
    };
    flow.key.protocol == Protocol::Tcp
        && duration >= LEAST_DURATION
        && POOLS.contains(&flow.key.responder.port)
        && is_steady(&flow.originator)
        && is_steady(&flow.responder)
}

const LEAST_DURATION: Duration = Duration::from_secs(600);
/// Ports on which the large pools take miners, in the clear or encrypted, as their pages say.
const POOLS: [u16; 24] = [
    1314, 3032, 3256, 3333, 3334, 3335, 3336, 3357, 4444, 4445, 5555, 5556, 6666, 7777, 8008, 8888, 9000, 9999, 10001,
    10128, 14433, 14444, 20535, 45700,
];
