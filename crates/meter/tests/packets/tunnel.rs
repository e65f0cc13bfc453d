//! Builds tunnels around packets.

use super::{At, ethernet, ipv4, ipv6};

/// The ends of every tunnel made here.
pub(crate) const LEFT: [u8; 4] = [192, 0, 2, 1];
pub(crate) const RIGHT: [u8; 4] = [192, 0, 2, 2];

/// An Ethernet frame with a UDP datagram of this payload.
pub(crate) fn udp_of(from: At, to: At, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        [from.1.to_be_bytes(), to.1.to_be_bytes(), (8 + payload.len() as u16).to_be_bytes(), [0; 2]].concat();
    bytes.extend(payload);
    ethernet(0x0800, &ipv4(from.0, to.0, 17, &bytes))
}

/// A VXLAN packet around an Ethernet frame.
pub(crate) fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    udp_of((LEFT, 55_555), (RIGHT, 4789), &vxlan_payload(vni, frame))
}

pub(crate) fn vxlan_payload(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0], &(vni << 8).to_be_bytes()[..], frame].concat()
}

/// A Geneve packet with options around what its protocol type announces.
pub(crate) fn geneve(vni: u32, protocol: u16, options: &[u8], carried: &[u8]) -> Vec<u8> {
    let header = [(options.len() / 4) as u8, 0];
    let payload = [&header, &protocol.to_be_bytes(), &(vni << 8).to_be_bytes()[..], options, carried].concat();
    udp_of((LEFT, 55_555), (RIGHT, 6081), &payload)
}

/// A GTP-U packet; `optional` are the bytes behind its first eight, which `flags` announce.
pub(crate) fn gtp(id: u32, flags: u8, optional: &[u8], packet: &[u8]) -> Vec<u8> {
    let length = (optional.len() + packet.len()) as u16;
    let payload = [&[0x30 | flags, 255], &length.to_be_bytes(), &id.to_be_bytes()[..], optional, packet].concat();
    udp_of((LEFT, 2152), (RIGHT, 2152), &payload)
}

/// A GRE packet; `optional` are the bytes behind its first four, which `flags` announce.
pub(crate) fn gre(flags: u16, protocol: u16, optional: &[u8], carried: &[u8]) -> Vec<u8> {
    let bytes = [&flags.to_be_bytes(), &protocol.to_be_bytes(), optional, carried].concat();
    ethernet(0x0800, &ipv4(LEFT, RIGHT, 47, &bytes))
}

/// A GRE packet with a key.
pub(crate) fn gre_key(key: u32, protocol: u16, carried: &[u8]) -> Vec<u8> {
    gre(0x2000, protocol, &key.to_be_bytes(), carried)
}

/// An IPv4 packet around another packet of IP.
pub(crate) fn in_ipv4(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(LEFT, RIGHT, if packet[0] >> 4 == 4 { 4 } else { 41 }, packet))
}

/// An IPv6 packet around another packet of IP.
pub(crate) fn in_ipv6(packet: &[u8]) -> Vec<u8> {
    ethernet(0x86dd, &ipv6(1, 2, if packet[0] >> 4 == 4 { 4 } else { 41 }, packet))
}

/// An Ethernet frame with these labels before what it carries.
pub(crate) fn mpls(labels: &[u32], carried: &[u8]) -> Vec<u8> {
    ethernet(0x8847, &label_stack(labels, carried))
}

pub(crate) fn label_stack(labels: &[u32], carried: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (position, label) in labels.iter().enumerate() {
        let bottom = u32::from(position + 1 == labels.len());
        bytes.extend((label << 12 | bottom << 8 | 64).to_be_bytes());
    }
    bytes.extend(carried);
    bytes
}

/// A PPPoE frame of a session, without the Ethernet header.
pub(crate) fn pppoe(session: u16, protocol: u16, carried: &[u8]) -> Vec<u8> {
    let length = carried.len() as u16 + 2;
    [&[0x11, 0], &session.to_be_bytes(), &length.to_be_bytes(), &protocol.to_be_bytes()[..], carried].concat()
}
