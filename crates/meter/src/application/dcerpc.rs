//! Remote procedure calls ([MS-RPCE], [C706] s.12.6): the interfaces that a caller binds to.

use flow::{Act, Acts};

use super::bytes::Bytes;

/// What the interfaces of a BIND or ALTER_CONTEXT message are for; nothing where the bytes are no such message.
pub(super) fn acts(message: &[u8]) -> Acts {
    let mut acts = Acts::default();
    // Version 5, minor version, type, flags, then the form of numbers: little-endian.
    let [5, 0 | 1, 11 | 14, _, 0x10, ..] = *message else { return acts };
    let mut bytes = Bytes(message.get(24..).unwrap_or_default());
    let contexts = bytes.u8().unwrap_or(0).min(MAX_CONTEXTS);
    bytes.take(3);
    for _ in 0..contexts {
        let (Some([_, _, transfers, _]), Some(interface)) = (bytes.take(4), bytes.take(16)) else { break };
        if let Some(&(_, act)) = INTERFACES.iter().find(|(known, _)| known == interface) {
            acts = acts.with(act);
        }
        if bytes.take(4 + 20 * usize::from(*transfers)).is_none() {
            break;
        }
    }
    acts
}

/// An identifier as it is sent: its first three parts little-endian.
const fn sent(identifier: u128) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = identifier.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

const INTERFACES: &[([u8; 16], Act)] = &[
    (sent(0x367abb81_9844_35f1_ad32_98f038001003), Act::ServiceControl),
    // ATSvc, ITaskSchedulerService, SASec.
    (sent(0x1ff70682_0a51_30e8_076d_740be8cee98b), Act::TaskScheduler),
    (sent(0x86d35949_83c9_4044_b424_db363231fd0c), Act::TaskScheduler),
    (sent(0x378e52b0_c0a9_11cf_822d_00aa0051e40f), Act::TaskScheduler),
    (sent(0x338cd001_2244_31f1_aaaa_900038001003), Act::Registry),
    // IRemoteSCMActivator, IActivation.
    (sent(0x000001a0_0000_0000_c000_000000000046), Act::ComponentActivation),
    (sent(0x4d9f4ab8_7d1c_11cf_861e_0020af6e7c57), Act::ComponentActivation),
    // IWbemLevel1Login, IWbemServices.
    (sent(0xf309ad18_d86a_11d0_a075_00c04fb68820), Act::ManagementInstrumentation),
    (sent(0x9556dc99_828c_11cf_a37e_00aa003240c7), Act::ManagementInstrumentation),
];
/// Interfaces of one message that are looked at; callers bind to one, in two or three ways.
const MAX_CONTEXTS: u8 = 16;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A BIND to that interface.
    pub(in crate::application) fn bind(interface: u128) -> Vec<u8> {
        let head = [5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 0];
        [&head[..], &[1, 0, 0, 0], &[0, 0, 1, 0], &sent(interface), &[2, 0, 0, 0], &[0; 20]].concat()
    }

    #[test]
    fn a_bind_tells_its_interface_and_a_cut_one_nothing() {
        let message = bind(0x367abb81_9844_35f1_ad32_98f038001003);
        assert_eq!(acts(&message), Acts::of([Act::ServiceControl]));
        assert_eq!(acts(&bind(1)), Acts::default());
        for end in 0..48 {
            assert_eq!(acts(&message[..end]), Acts::default());
        }
    }
}
