//! How a conversation opened and closed, from the TCP flags that were seen of each side.

use flow::{Flow, Protocol, State};

/// What Suricata saw of a TCP conversation beside its counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// All flags of each side, the originator's first; `None` where they are not told.
    pub(super) flags: [Option<u8>; 2],
    /// Only the originator sent anything.
    pub(super) is_one_way: bool,
}

/// What one side has shown in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Silent,
    /// It spoke, though the opening was not seen.
    Partial,
    SynSent,
    Established,
    Closed,
    Reset,
}

/// The state in Zeek's terms. Of TCP it follows from the flags as in Zeek's scripts/base/protocols/conn/main.zeek, save
/// that their order is not known: where both sides reset, the responder is taken to have done it. `None` where no flags
/// are told.
pub(super) fn of(flow: &Flow, seen: &Seen) -> Option<State> {
    use Phase::{Closed, Established, Partial, Reset, Silent, SynSent};
    let sent = [flow.originator.packets? > 0, flow.responder.packets? > 0];
    if flow.key.protocol != Protocol::Tcp {
        return Some(match sent {
            [true, true] => State::SF,
            [true, false] => State::S0,
            [false, true] => State::Shr,
            [false, false] => State::Oth,
        });
    }
    let flags = match seen.flags {
        [Some(originator), Some(responder)] => [originator, responder],
        [Some(originator), None] if seen.is_one_way => [originator, 0],
        _ => return None,
    };
    let both_opened = flags.iter().all(|flags| flags & SYN != 0);
    let phase = |side: usize| match (sent[side], flags[side]) {
        (false, _) => Silent,
        (_, flags) if flags & RST != 0 => Reset,
        (_, flags) if flags & FIN != 0 => Closed,
        _ if both_opened => Established,
        (_, flags) if flags & SYN != 0 => SynSent,
        _ => Partial,
    };
    let refused = flags[0] & SYN != 0 && flags[1] & SYN == 0;
    let was_silent = |phase| matches!(phase, Silent | Partial);
    Some(match [phase(0), phase(1)] {
        [SynSent | Reset, Reset] if refused => State::Rej,
        [originator, Reset] if was_silent(originator) => State::Rstrh,
        [_, Reset] => State::Rstr,
        [Reset, responder] if was_silent(responder) => State::Rstos0,
        [Reset, _] => State::Rsto,
        [Closed, Closed] => State::SF,
        [Closed, responder] if was_silent(responder) => State::Sh,
        [Closed, _] => State::S2,
        [originator, Closed] if was_silent(originator) => State::Shr,
        [_, Closed] => State::S3,
        [SynSent, Silent] => State::S0,
        [Established, Established] => State::S1,
        // A SYN-ACK that nobody was seen to ask for.
        [Silent, SynSent] => State::Shr,
        _ => State::Oth,
    })
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
