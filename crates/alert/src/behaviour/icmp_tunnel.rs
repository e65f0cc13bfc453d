//! ICMP tunnelling: pings whose replies bring something else than what was asked.
//!
//! Null model: every reply gives back the data of its request (RFC 792, RFC 4443 s.4.2); a reply that does not is a fault,
//! with a chance of at most 0.01. Test: the replies of one host to another that match none of the latest requests, at
//! least so many in a minute, in an hour, in all, by binomial test against that chance at 1e-6, corrected for the pairs
//! of hosts that pinged so often. Any size and any number of monitors give back what was asked, so they stay quiet, and so
//! does the search for the path's MTU. A log of flows has no data: there the replies must differ in size from as many
//! requests, which is never so while they are copies.
//!
//! Requests alone can carry data out, too: where they vary in size more than the pings of people. From their moments
//! follows the least number of them that are not of the usual size; by binomial test against a chance of 0.02 that somebody
//! tries another one. Only where most are not answered: two monitors of different sizes get copies back.
//!
//! The subject is the one that asks, as the attacker; the one that answers is a peer.

use std::net::IpAddr;

use flow::{Application, Flow, Moments, Protocol, Time};

use super::load::Span;
use super::scale::{Crossing, SIGNIFICANCE, Scale, binomial_tail};
use super::timeline::Timeline;
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts, seconds};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches who pings whom.
#[derive(Default)]
pub(super) struct IcmpTunnels {
    pairs: Tracks<(IpAddr, IpAddr), Pings>,
}

/// One host's pings of another.
#[derive(Default)]
struct Pings {
    flows: u64,
    requests: u64,
    replies: u64,
    request_bytes: u64,
    reply_bytes: u64,
    /// Replies that give back something else, over time.
    altered: Timeline,
    /// IP lengths of the requests.
    lengths: Option<Moments>,
    /// All flows told of their sizes packet by packet.
    is_metered: bool,
    span: Span,
}

impl Weigh for Pings {
    fn weight(&self) -> usize {
        1 + self.altered.weight()
    }
}

impl Watch for IcmpTunnels {
    fn observe(&mut self, flow: &Flow) {
        let key = flow.key;
        let is_echo = matches!((key.protocol, key.originator.port), (Protocol::Icmp, 8) | (Protocol::Icmpv6, 128));
        if !is_echo || key.to_group() {
            return;
        }
        let pings = self.pairs.touch((key.originator.address, key.responder.address), flow.end);
        pings.flows += 1;
        let [requests, replies] = [&flow.originator, &flow.responder].map(|side| side.packets.unwrap_or(0));
        pings.requests = pings.requests.saturating_add(requests);
        pings.replies = pings.replies.saturating_add(replies);
        pings.request_bytes = pings.request_bytes.saturating_add(flow.originator.bytes.unwrap_or(0));
        pings.reply_bytes = pings.reply_bytes.saturating_add(flow.responder.bytes.unwrap_or(0));
        if let Some(detail) = flow.originator.detail {
            pings.is_metered = true;
            pings.lengths.get_or_insert_default().append(&detail.lengths);
        }
        let altered = match flow.application.as_deref() {
            Some(Application::Echo(echo)) => u64::from(echo.altered),
            // Copies of as many requests are as long as these.
            _ if flow.originator.detail.is_none() => altered_by_size(flow),
            _ => 0,
        };
        if altered > 0 {
            pings.altered.add(flow.start, flow.end, altered);
        }
        pings.span.add(flow);
    }

    fn evidence(&self) -> Vec<Evidence> {
        let pairs: Vec<_> = self.pairs.sorted().into_iter().filter(|(_, pings)| pings.requests >= LEAST).collect();
        let tested = pairs.len() as f64;
        pairs.iter().filter_map(|((asker, answerer), pings)| pings.evidence(*asker, *answerer, tested)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
    }
}

impl Pings {
    fn evidence(&self, asker: IpAddr, answerer: IpAddr, tested: f64) -> Option<Evidence> {
        let altered = self.altered.total;
        let p = (binomial_tail(altered, self.replies.max(altered), FAULTY) * tested).min(1.0);
        let is_altered = p <= SIGNIFICANCE;
        let odd = self.odd_sizes();
        let p_odd = (binomial_tail(odd, self.requests, TRIED) * tested).min(1.0);
        let (crossing, severity, p, how) = match self.altered.crossing(&ALTERED).filter(|_| is_altered) {
            Some(crossing) => {
                let is_plain = crossing.count >= 3 * crossing.scale.least;
                let severity = if is_plain { Severity::High } else { Severity::Medium };
                (crossing, severity, p, format!("{} of the replies are no copies of the requests", grouped(altered)))
            }
            None => {
                let carried = self.request_bytes.saturating_sub(self.requests.saturating_mul(USUAL_BYTES));
                let is_varied = odd >= LEAST_ODD && p_odd <= SIGNIFICANCE && carried >= LEAST_CARRIED;
                if !is_varied || self.replies.saturating_mul(2) >= self.requests {
                    return None;
                }
                (
                    Crossing { scale: Scale::whole(LEAST_ODD), count: odd },
                    Severity::Medium,
                    p_odd,
                    format!("at least {} of the requests differ in size from the others, unanswered", grouped(odd)),
                )
            }
        };
        let bytes = self.request_bytes.saturating_add(self.reply_bytes);
        let length = self.span.end().since(self.span.start());
        let largest = self.lengths.and_then(|lengths| lengths.max()).unwrap_or(0);
        let mut facts = Facts::from([
            ("requests", Fact::Count(self.requests)),
            ("replies", Fact::Count(self.replies)),
            ("replies_altered", Fact::Count(altered)),
            ("requests_of_odd_size_at_least", Fact::Count(odd)),
            ("bytes_asked", Fact::Count(self.request_bytes)),
            ("bytes_answered", Fact::Count(self.reply_bytes)),
            ("window", Fact::Text(crossing.scale.name())),
            ("count_in_window", Fact::Count(crossing.count)),
            ("p_value", Fact::Number(p)),
        ]);
        if self.is_metered {
            facts.push("largest_request_bytes", Fact::Count(largest));
        }
        Some(Evidence {
            behaviour: Behaviour::IcmpTunnel,
            subject: asker,
            hosts: hosts((asker, Role::Attacker), [answerer], Role::Peer),
            start: self.span.start(),
            end: self.span.end(),
            severity,
            score: crossing.score(),
            technique: Some(Technique::NonApplicationLayerProtocol),
            flows: self.flows,
            summary: format!(
                "{asker} and {answerer} exchanged {} pings ({} bytes) in {}: {how}",
                grouped(self.requests),
                grouped(bytes),
                seconds(length),
            ),
            facts,
            examples: self.span.examples.clone(),
        })
    }

    /// The least number of requests that are not of the usual size. Were all but `k` of `n` of one size, their variance
    /// could be at most `k/n (1 - k/n)` of the square of their range.
    fn odd_sizes(&self) -> u64 {
        let Some(lengths) = self.lengths else { return 0 };
        let (Some(min), Some(max), Some(deviation)) = (lengths.min(), lengths.max(), lengths.deviation()) else {
            return 0;
        };
        let range = max.saturating_sub(min) as f64;
        if range == 0.0 {
            return 0;
        }
        let share = (1.0 - (1.0 - 4.0 * (deviation / range).powi(2)).max(0.0).sqrt()) / 2.0;
        (share * f64::from(lengths.count())).floor() as u64
    }
}

/// How many replies of a flow without data cannot be copies, at least by their size: none where replies are missing.
fn altered_by_size(flow: &Flow) -> u64 {
    let (Some(requests), Some(replies)) = (flow.originator.packets, flow.responder.packets) else { return 0 };
    let (Some(asked), Some(answered)) = (flow.originator.bytes, flow.responder.bytes) else { return 0 };
    // One reply at either end of the flow may be another flow's.
    let slack = 2 * (LARGEST_PACKET.min(asked.max(answered) / requests.max(1) * 2));
    if requests >= LEAST && requests == replies && asked.abs_diff(answered) > slack {
        (asked.abs_diff(answered) / LARGEST_PACKET).max(LEAST)
    } else {
        0
    }
}

/// Fewer pings are not looked at.
const LEAST: u64 = 10;
const ALTERED: [Scale; 3] = [Scale::within(60, 10), Scale::within(3600, 20), Scale::whole(40)];
/// The chance that a reply differs from its request by a fault.
const FAULTY: f64 = 0.01;
/// The chance that somebody tries another size.
const TRIED: f64 = 0.02;
const LEAST_ODD: u64 = 30;
/// Bytes of a ping as systems send it, from the IP header on.
const USUAL_BYTES: u64 = 84;
const LEAST_CARRIED: u64 = 10_000;
/// An Ethernet frame's.
const LARGEST_PACKET: u64 = 1500;
