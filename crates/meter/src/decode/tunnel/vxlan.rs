//! VXLAN (RFC 7348), with Cisco's group policy (draft-smith-vxlan-group-policy).

use flow::TunnelKind;

use super::{Carried, Inner, Payload, Scope};

pub(super) fn open<'a>(payload: &Payload<'a>) -> Option<Inner<'a>> {
    let &[flags, policy, group0, group1, vni0, vni1, vni2, reserved] = payload.bytes.first_chunk()?;
    let is_vxlan = match flags {
        VALID => (policy, group0, group1) == (0, 0, 0),
        // Apart from "do not learn" and "policy applied", the bits are reserved; the group is any number.
        VALID_WITH_GROUP => policy & !0x48 == 0,
        _ => false,
    };
    if !is_vxlan || reserved != 0 {
        return None;
    }
    let vni = u32::from_be_bytes([0, vni0, vni1, vni2]);
    payload.inner(8, Carried::Ethernet, Scope::of(TunnelKind::Vxlan, vni))
}

const VALID: u8 = 0x08;
const VALID_WITH_GROUP: u8 = 0x88;
