//! One-way traffic: hosts that are heard by others and never by the sensor.
//!
//! A TCP segment that carries both payload and an acknowledgement proves that the other side spoke. Where nothing of it was
//! seen, the sensor is blind to one direction: asymmetric routing, a mirror port that copies one way only, a filter. Null
//! model: at most one conversation in twenty lacks a side by loss; binomial test over all conversations in which somebody
//! acknowledges payload, at 1e-6, and at least 20 of one host that is never heard. It is told once, about the host of most
//! such conversations: info, and no technique, because it says something of the sensor. What other behaviours say of
//! unanswered calls is then to be read with care.

use std::net::IpAddr;

use flow::{Flow, Protocol, Side, Time};

use super::load::Span;
use super::scale::{SIGNIFICANCE, binomial_tail};
use super::tracks::{Tracks, Weigh};
use super::words::{grouped, hosts};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity};

/// Watches who is never heard.
#[derive(Default)]
pub(super) struct OneWays {
    hosts: Tracks<IpAddr, Heard>,
}

/// Conversations of one host with somebody who hears it.
#[derive(Default)]
struct Heard {
    unheard: u64,
    all: u64,
    span: Span,
}

impl Weigh for Heard {
    fn weight(&self) -> usize {
        1
    }
}

impl Watch for OneWays {
    fn observe(&mut self, flow: &Flow) {
        if flow.key.protocol != Protocol::Tcp {
            return;
        }
        let sides = [
            (flow.key.originator.address, &flow.originator, &flow.responder),
            (flow.key.responder.address, &flow.responder, &flow.originator),
        ];
        for (host, own, other) in sides {
            if acknowledges(other) {
                let heard = self.hosts.touch(host, flow.end);
                heard.all += 1;
                if own.is_silent() {
                    heard.unheard += 1;
                    heard.span.add(flow);
                }
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let all = self.hosts.sorted();
        let conversations: u64 = all.iter().map(|(_, heard)| heard.all).sum();
        let unheard: u64 = all.iter().map(|(_, heard)| heard.unheard).sum();
        let p = binomial_tail(unheard, conversations, LOST);
        let mut mute: Vec<(u64, IpAddr, &Heard)> = all
            .into_iter()
            .filter(|(_, heard)| heard.unheard == heard.all && heard.unheard >= LEAST)
            .map(|(host, heard)| (heard.unheard, host, heard))
            .collect();
        mute.sort_unstable_by_key(|(unheard, host, _)| (std::cmp::Reverse(*unheard), *host));
        let Some(&(most, host, heard)) = mute.first().filter(|_| p <= SIGNIFICANCE) else { return Vec::new() };
        let others = mute.iter().skip(1).map(|(_, host, _)| *host);
        let more = if mute.len() > 1 { format!(", nor of {} other hosts", mute.len() - 1) } else { String::new() };
        vec![Evidence {
            behaviour: Behaviour::OneWay,
            subject: host,
            hosts: hosts((host, Role::Peer), others, Role::Peer),
            start: heard.span.start(),
            end: heard.span.end(),
            severity: Severity::Info,
            score: 0.3,
            technique: None,
            flows: unheard,
            summary: format!(
                "nothing that {host} says is seen, though others answer it in {} conversations{more}: the sensor is \
                 blind to one direction",
                grouped(most),
            ),
            facts: Facts::from([
                ("conversations_unheard", Fact::Count(unheard)),
                ("conversations", Fact::Count(conversations)),
                ("hosts_never_heard", Fact::Count(mute.len() as u64)),
                ("p_value", Fact::Number(p)),
            ]),
            examples: heard.span.examples.clone(),
        }]
    }

    fn forget(&mut self, before: Time) {
        self.hosts.forget(before);
    }
}

/// Whether the side sent payload and acknowledged what the other one said, so that it heard it.
fn acknowledges(side: &Side) -> bool {
    side.payload_bytes.is_some_and(|bytes| bytes > 0)
        && side.detail.is_some_and(|detail| detail.flags.ack >= 2 && detail.payload_packets >= 2)
}

/// The share of conversations that lack a side by loss, at most.
const LOST: f64 = 0.05;
/// Conversations of a host that is never heard.
const LEAST: u64 = 20;
