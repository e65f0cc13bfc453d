//! How the packets of a conversation were wrapped.

use std::fmt;

/// The innermost tunnel in which a conversation was seen.
///
/// GTP-U and MPLS have another identifier in each direction: there it is that of the first packet, and it does not
/// part conversations; the others' identifiers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tunnel {
    /// How it wraps packets.
    pub kind: TunnelKind,
    /// Which of its networks: VNI, TEID, GRE key or NVGRE subnet, ERSPAN or PPPoE session, innermost MPLS label; 0 where
    /// it has none.
    pub id: u32,
}

/// A way to wrap packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are the names of the protocols")]
pub enum TunnelKind {
    /// RFC 2784, RFC 2890; over it NVGRE (RFC 7637) and PPTP (RFC 2637).
    Gre,
    /// Frames that a switch mirrors over GRE (draft-foschiano-erspan).
    Erspan,
    /// IPv4 in IPv4 (RFC 2003), IPv6 in IPv4 (RFC 4213), either in IPv6 (RFC 2473).
    Ip,
    /// RFC 7348.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// RFC 3032.
    Mpls,
    /// RFC 2516.
    Pppoe,
    /// 3GPP TS 29.281, user plane.
    GtpU,
}

impl TunnelKind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            TunnelKind::Gre => "gre",
            TunnelKind::Erspan => "erspan",
            TunnelKind::Ip => "ip",
            TunnelKind::Vxlan => "vxlan",
            TunnelKind::Geneve => "geneve",
            TunnelKind::Mpls => "mpls",
            TunnelKind::Pppoe => "pppoe",
            TunnelKind::GtpU => "gtp-u",
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.id)
    }
}
