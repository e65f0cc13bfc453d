//! Who called whom, and how the conversation opened and closed, from the TCP flags that were seen of each side.

use flow::features::ports;
use flow::{Flow, Protocol, State};

/// What Suricata saw of a TCP conversation beside its counts.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// All flags of each side, the originator's first; `None` where they are not told.
    pub(super) flags: [Option<u8>; 2],
    /// Only the originator sent anything.
    pub(super) is_one_way: bool,
}

impl Seen {
    /// Whether Suricata did not follow the TCP conversation, of whose flags it then tells nothing.
    fn is_untracked(&self) -> bool {
        self.flags.iter().flatten().all(|&flags| flags == 0)
    }
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

/// Puts the originator first. Suricata names the sender of the first packet the client, though it may be the answer to
/// one that the capture lacks: the well-known port is the one that was called, as the meter has it. Of TCP that is asked
/// only where Suricata did not see the opening.
pub(super) fn turn(flow: &mut Flow, seen: &mut Seen) {
    let is_open = match flow.key.protocol {
        Protocol::Tcp => seen.is_untracked(),
        protocol => protocol.has_ports(),
    };
    let [from, to] = [flow.key.originator.port, flow.key.responder.port].map(|port| ports::service(port).is_some());
    if is_open && from && !to && !flow.key.to_group() {
        std::mem::swap(&mut flow.key.originator, &mut flow.key.responder);
        std::mem::swap(&mut flow.originator, &mut flow.responder);
        seen.flags.reverse();
    }
}

/// The state in Zeek's terms. Of TCP it follows from the flags as in Zeek's scripts/base/protocols/conn/main.zeek, save
/// that their order is not known: where both sides reset, the responder is taken to have done it. `None` where no flags
/// are told, and where none was seen at all: Suricata writes 00 for a conversation whose opening it missed.
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
    if seen.is_untracked() {
        return None;
    }
    let flags = match seen.flags {
        [Some(originator), Some(responder)] => [originator, responder],
        [Some(originator), None] if seen.is_one_way => [originator, 0],
        _ => return None,
    };
    let both_opened = flags.iter().all(|flags| flags & SYN != 0);
    let both_closed = flags.iter().all(|flags| flags & FIN != 0);
    let phase = |side: usize| match (sent[side], flags[side]) {
        (false, _) => Silent,
        // A RST behind both FINs takes nothing back.
        _ if both_closed => Closed,
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
