//! The two ends of an alert, for formats that have one source and one destination.

use std::net::IpAddr;

use flow::{Key, Protocol};

use crate::{Alert, Role};

/// Who does it, to whom, over what: each only where there is exactly one. Many victims are no destination; the formats list
/// them elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) source: Option<IpAddr>,
    pub(super) source_port: Option<u16>,
    pub(super) destination: Option<IpAddr>,
    pub(super) destination_port: Option<u16>,
    pub(super) protocol: Option<Protocol>,
}

impl Parties {
    pub(super) fn of(alert: &Alert) -> Parties {
        let only = |role: Role| {
            let mut of_role = alert.hosts.iter().filter(|host| host.role == role).map(|host| host.address);
            of_role.next().filter(|_| of_role.next().is_none())
        };
        let has = |role: Role| alert.hosts.iter().any(|host| host.role == role);
        let (source, destination) = if has(Role::Attacker) || has(Role::Victim) {
            let peer = only(Role::Peer);
            let source = if has(Role::Attacker) { only(Role::Attacker) } else { peer };
            let destination = if has(Role::Victim) { only(Role::Victim) } else { peer };
            (source, destination)
        } else {
            of_peers(alert)
        };
        let keys = || alert.evidence.iter().flat_map(|evidence| &evidence.examples).map(|example| example.key);
        let between = |key: &Key| {
            source.is_none_or(|source| source == key.originator.address)
                && destination.is_none_or(|destination| destination == key.responder.address)
        };
        let port_of =
            |side: fn(Key) -> u16| common(keys().filter(|key| key.protocol.has_ports() && between(key)).map(side));
        Parties {
            source,
            source_port: source.and_then(|_| port_of(|key| key.originator.port)),
            destination,
            destination_port: destination.and_then(|_| port_of(|key| key.responder.port)),
            protocol: common(keys().map(|key| key.protocol)),
        }
    }
}

/// Of two hosts whose parts are not known, the one that opened the flow that is shown first is the source.
fn of_peers(alert: &Alert) -> (Option<IpAddr>, Option<IpAddr>) {
    let mut others = alert.hosts.iter().map(|host| host.address).filter(|address| *address != alert.subject);
    let other = others.next().filter(|_| others.next().is_none());
    let first = alert.evidence.iter().flat_map(|evidence| &evidence.examples).next();
    let is_called = first.is_some_and(|example| example.key.responder.address == alert.subject);
    if is_called { (other, Some(alert.subject)) } else { (Some(alert.subject), other) }
}

/// What all of them are, where they are all the same.
fn common<T: PartialEq + Copy>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.all(|item| item == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::tests::alert;
    use crate::{Host, Role};

    #[test]
    fn many_victims_are_no_destination() {
        let mut alert = alert();
        assert_eq!(Parties::of(&alert).destination, Some([10, 20, 0, 13].into()));
        alert.hosts.push(Host { address: [10, 20, 0, 14].into(), role: Role::Victim });
        let parties = Parties::of(&alert);
        assert_eq!((parties.source, parties.destination), (Some([203, 0, 113, 7].into()), None));
        assert_eq!(parties.destination_port, None);
    }

    #[test]
    fn of_two_peers_the_caller_is_the_source() {
        let mut alert = alert();
        alert.hosts.iter_mut().for_each(|host| host.role = Role::Peer);
        alert.subject = [10, 20, 0, 13].into();
        let parties = Parties::of(&alert);
        assert_eq!(parties.source, Some([203, 0, 113, 7].into()));
        assert_eq!(parties.destination_port, Some(22));
    }
}
