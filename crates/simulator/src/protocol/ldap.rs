//! The directory (RFC 4511): a login and a few searches.

use flow::Duration;

use crate::content::Content;
use crate::protocol::ber::{integer, nested, octets, sequence, value};
use crate::random::Random;
use crate::tcp::Turn;

/// The port of directories.
pub(crate) const PORT: u16 = 389;

/// A login, searches for a user, goodbye.
pub(crate) fn session(random: &mut Random, user: &str) -> Vec<Turn> {
    let quick = Duration::from_millis(1);
    let done = |kind: u8, id| sequence(&[integer(id), nested(kind, &[value(10, &[0]), octets(b""), octets(b"")])]);
    let bind = nested(0x60, &[integer(3), octets(b""), value(0x80, b"")]);
    let mut turns = vec![Turn::ask(quick, sequence(&[integer(1), bind])), Turn::answer(quick, done(0x61, 1))];
    for id in 2..random.within(3..7) {
        let equals = nested(0xa3, &[octets(b"sAMAccountName"), octets(user.as_bytes())]);
        let search = [
            octets(b"DC=office,DC=example"),
            value(10, &[2]),
            value(10, &[0]),
            integer(0),
            integer(30),
            value(1, &[0]),
            equals,
            sequence(&[octets(b"memberOf")]),
        ];
        let groups: Vec<Vec<u8>> = (0..random.within(1..24))
            .map(|group| octets(format!("CN=Group {group},DC=office,DC=example").as_bytes()))
            .collect();
        let attribute = sequence(&[octets(b"memberOf"), nested(0x31, &groups)]);
        let entry =
            nested(0x64, &[octets(format!("CN={user},DC=office,DC=example").as_bytes()), sequence(&[attribute])]);
        turns.push(Turn::ask(quick, sequence(&[integer(id), nested(0x63, &search)])));
        turns.push(Turn::answer(quick, Content::from([sequence(&[integer(id), entry]), done(0x65, id)].concat())));
    }
    turns.push(Turn::ask(quick, sequence(&[integer(9), value(0x42, &[])])));
    turns
}
