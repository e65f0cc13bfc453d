//! Remote desktops (MS-RDPBCGR): the connection request in the clear, the rest over TLS.

use flow::Duration;

use crate::content::Content;
use crate::protocol::tls;
use crate::random::Random;
use crate::tcp::Turn;

/// The port of remote desktops.
pub(crate) const PORT: u16 = 3_389;

/// The start of a session: negotiation, TLS, and the credentials (CredSSP).
pub(crate) fn login(random: &mut Random, user: &str, server: &str) -> Vec<Turn> {
    let cookie = format!("Cookie: mstshash={user}\r\n");
    let length = (cookie.len() + 19) as u8;
    let mut request = vec![3, 0, 0, length, length - 5, 0xe0, 0, 0, 0, 0, 0];
    request.extend(cookie.as_bytes());
    request.extend([1, 0, 8, 0, 3, 0, 0, 0]);
    let confirm = vec![3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0x1f, 8, 0, 2, 0, 0, 0];
    let mut turns = vec![Turn::ask(Duration::from_millis(1), request), Turn::answer(Duration::from_millis(4), confirm)];
    turns.extend(tls::handshake(random, server));
    for (asked, answered) in [(90, 260), (620, 60)] {
        turns.push(Turn::ask(Duration::from_millis(6), Content::Records(asked)));
        turns.push(Turn::answer(Duration::from_millis(9), Content::Records(answered)));
    }
    turns
}
