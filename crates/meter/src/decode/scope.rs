//! In which network a packet's addresses mean something: the wire itself, or the inside of tunnels.

use std::hash::{Hash, Hasher};

use flow::{Tunnel, TunnelKind};

/// The tunnels that a packet came through. Two scopes are equal where their packets may belong to one conversation:
///
/// - The same addresses in another VNI, GRE key, ERSPAN or PPPoE session are other hosts.
/// - A GTP-U tunnel has another identifier in each direction (TS 29.281 s.5.1), so the identifier does not part.
/// - An MPLS label too, and the last hop before the edge takes it off (RFC 3031 s.3.16), so that one direction of a
///   conversation may be labelled and the other not: labels part nothing.
///
/// The innermost tunnel's kind in the upper 8 bits and its identifier in the next 32, as they will be reported; in the
/// lower 24 what is around it, mixed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope(u64);

impl Scope {
    /// On the wire, in no tunnel.
    pub(crate) const WIRE: Scope = Scope(0);

    /// In one tunnel.
    pub(super) fn of(kind: TunnelKind, id: u32) -> Scope {
        let kind = KINDS.iter().position(|&known| known == kind).map_or(0, |position| position as u64 + 1);
        Scope(kind << 56 | u64::from(id) << 24)
    }

    /// This scope, when all of it lies within another.
    pub(super) fn inside(self, outer: Scope) -> Scope {
        let around = outer.identity();
        if self.0 >> 56 == 0 {
            outer
        } else if around == 0 {
            self
        } else {
            let context = (around ^ (self.0 & CONTEXT).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            Scope(self.0 & !CONTEXT | context)
        }
    }

    /// The innermost tunnel.
    pub(crate) fn tunnel(self) -> Option<Tunnel> {
        let kind = *KINDS.get(((self.0 >> 56) as usize).checked_sub(1)?)?;
        Some(Tunnel { kind, id: (self.0 >> 24) as u32 })
    }

    /// The part that tells conversations apart.
    #[inline]
    fn identity(self) -> u64 {
        if self.0 == 0 {
            return 0;
        }
        match self.tunnel().map(|tunnel| tunnel.kind) {
            Some(TunnelKind::Mpls) => self.0 & CONTEXT,
            Some(TunnelKind::GtpU) => self.0 & !ID,
            _ => self.0,
        }
    }
}

impl PartialEq for Scope {
    #[inline]
    fn eq(&self, other: &Scope) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.identity());
    }
}

const KINDS: [TunnelKind; 8] = [
    TunnelKind::Gre,
    TunnelKind::Erspan,
    TunnelKind::Ip,
    TunnelKind::Vxlan,
    TunnelKind::Geneve,
    TunnelKind::Mpls,
    TunnelKind::Pppoe,
    TunnelKind::GtpU,
];
const CONTEXT: u64 = 0xff_ffff;
const ID: u64 = 0xffff_ffff << 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_tunnel_is_told_as_it_was_given() {
        for kind in KINDS {
            assert_eq!(Scope::of(kind, u32::MAX).tunnel(), Some(Tunnel { kind, id: u32::MAX }));
        }
        assert_eq!(Scope::WIRE.tunnel(), None);
    }

    #[test]
    fn the_same_network_within_another_tunnel_is_another_scope() {
        let [vxlan, gre] = [TunnelKind::Vxlan, TunnelKind::Gre].map(|kind| move |id| Scope::of(kind, id));
        assert_eq!(vxlan(5).inside(gre(1)), vxlan(5).inside(gre(1)));
        assert_ne!(vxlan(5).inside(gre(1)), vxlan(5).inside(gre(2)));
        assert_ne!(vxlan(5).inside(gre(1)), vxlan(5));
        assert_eq!(Scope::WIRE.inside(gre(1)), gre(1));
    }

    #[test]
    fn identifiers_that_differ_between_the_directions_do_not_part_a_conversation() {
        let [gtp, mpls] = [TunnelKind::GtpU, TunnelKind::Mpls].map(|kind| move |id| Scope::of(kind, id));
        assert_eq!(gtp(1), gtp(2));
        assert_ne!(gtp(1), Scope::WIRE);
        assert_eq!(mpls(100), Scope::WIRE);
        assert_eq!(mpls(100).inside(Scope::of(TunnelKind::Gre, 3)), mpls(200).inside(Scope::of(TunnelKind::Gre, 3)));
    }
}
