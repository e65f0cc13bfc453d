//! What hosts say of addresses: who has one (ARP), who wants one and who gives it (DHCP).

use std::net::Ipv4Addr;

use crate::{Distinct, Time};

/// Who said to have which address (RFC 826), in the messages between two addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arp {
    /// Each sender, in the order of their first messages; at most [`Arp::MAX_CLAIMS`].
    pub claims: Vec<Claim>,
}

/// One sender of ARP messages: the address that it says is its own, and how often it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The address.
    pub address: Ipv4Addr,
    /// The hardware address that it is said to be at.
    pub hardware: [u8; 6],
    /// Times that it was said in a question.
    pub requests: u32,
    /// Times that it was said in an answer.
    pub replies: u32,
    /// When it was said first.
    pub first: Time,
    /// When it was said last.
    pub last: Time,
}

/// What was asked and given (RFC 2131) in the messages between two addresses: those of all clients without an address
/// are between the same two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// Messages of clients that look for a server (DISCOVER).
    pub discovers: u32,
    /// Messages of clients that want an address (REQUEST).
    pub requests: u32,
    /// Who asked for or was given an address.
    pub clients: Distinct<16>,
    /// Who offers addresses, by their first messages; at most [`Dhcp::MAX_SERVERS`].
    pub servers: Vec<Lessor>,
}

/// A server that gives addresses, and the way out that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lessor {
    /// Its own identifier (option 54).
    pub server: Ipv4Addr,
    /// The first router that it names (option 3).
    pub router: Option<Ipv4Addr>,
    /// The first name server that it names (option 6).
    pub name_server: Option<Ipv4Addr>,
    /// Addresses offered or confirmed (OFFER, ACK).
    pub offers: u32,
}

impl Arp {
    /// Two hosts, and another one that claims to be either.
    pub const MAX_CLAIMS: usize = 4;

    /// Takes in what a later message told.
    pub fn append(&mut self, later: Arp) {
        for claim in later.claims {
            let is_same = |known: &&mut Claim| (known.address, known.hardware) == (claim.address, claim.hardware);
            if let Some(known) = self.claims.iter_mut().find(is_same) {
                known.requests = known.requests.saturating_add(claim.requests);
                known.replies = known.replies.saturating_add(claim.replies);
                known.first = known.first.min(claim.first);
                known.last = known.last.max(claim.last);
            } else if self.claims.len() < Arp::MAX_CLAIMS {
                self.claims.push(claim);
            }
        }
    }
}

impl Dhcp {
    /// A network has two that share their work.
    pub const MAX_SERVERS: usize = 4;

    /// Takes in what a later message told.
    pub fn append(&mut self, later: Dhcp) {
        self.discovers = self.discovers.saturating_add(later.discovers);
        self.requests = self.requests.saturating_add(later.requests);
        self.clients.append(&later.clients);
        for lessor in later.servers {
            let name = |one: &Lessor| (one.server, one.router, one.name_server);
            if let Some(known) = self.servers.iter_mut().find(|known| name(known) == name(&lessor)) {
                known.offers = known.offers.saturating_add(lessor.offers);
            } else if self.servers.len() < Dhcp::MAX_SERVERS {
                self.servers.push(lessor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_one_sender_are_put_together_and_those_of_too_many_left_out() {
        let [first, last] = [Time::MIN; 2];
        let claim =
            |end| Claim { address: Ipv4Addr::LOCALHOST, hardware: [end; 6], requests: 0, replies: 1, first, last };
        let mut arp = Arp::default();
        for end in [1, 2, 1, 3, 4, 5] {
            arp.append(Arp { claims: vec![claim(end)] });
        }
        assert_eq!(arp.claims.iter().map(|claim| claim.replies).collect::<Vec<_>>(), [2, 1, 1, 1]);
    }
}
