//! VLAN tags (IEEE 802.1Q), stacked ones too (802.1ad, "QinQ").

use super::{Skip, u16_at};

/// Steps over the tags at `offset`: the EtherType behind them, where its payload starts, and the outer identifier.
pub(super) fn skip_tags(
    mut ethertype: u16,
    bytes: &[u8],
    mut offset: usize,
) -> Result<(u16, usize, Option<u16>), Skip> {
    let mut vlan = None;
    for _ in 0..MAX_TAGS {
        if !matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200) {
            break;
        }
        let control = u16_at(bytes, offset).ok_or(Skip::LinkCut)?;
        ethertype = u16_at(bytes, offset + 2).ok_or(Skip::LinkCut)?;
        vlan = vlan.or(Some(control & 0x0fff));
        offset += 4;
    }
    Ok((ethertype, offset, vlan))
}

/// Two are usual; more than four are no network that we know of.
const MAX_TAGS: usize = 4;
