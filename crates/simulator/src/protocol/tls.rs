//! Encrypted connections (RFC 8446): the handshake in the clear, the rest as records.

use flow::Duration;

use crate::content::Content;
use crate::random::Random;
use crate::tcp::Turn;

/// A request and its response: bytes each way, and how long the client thinks before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) after: Duration,
    pub(crate) asked: u64,
    pub(crate) answered: u64,
}

impl Request {
    /// A request that follows the last within that many seconds, of usual sizes: a question of some hundred bytes, an
    /// answer with this median.
    pub(crate) fn usual(random: &mut Random, within: f64, median: u64, most: u64) -> Request {
        Request {
            after: random.seconds(0.001..within),
            asked: random.within(180..900),
            answered: random.size(median, 1.3, most),
        }
    }
}

/// A session with a named server: handshake, requests, goodbye.
pub(crate) fn session(random: &mut Random, name: &str, requests: &[Request]) -> Vec<Turn> {
    let mut turns = handshake(random, name);
    for request in requests {
        turns.push(Turn::ask(request.after, Content::Records(request.asked)));
        turns.push(Turn::answer(random.seconds(0.002..0.06), Content::Records(request.answered)));
    }
    // Clients keep a connection for a while in case that they need it again.
    turns.push(Turn::ask(random.seconds(0.05..25.0), Content::Records(19)));
    turns
}

/// The handshake alone.
pub(crate) fn handshake(random: &mut Random, name: &str) -> Vec<Turn> {
    let certificates = random.within(2_400..4_600);
    let mut server = server_hello(random);
    server.extend([0x14, 3, 3, 0, 1, 1, 0x17, 3, 3]);
    server.extend((certificates as u16).to_be_bytes());
    let finished = [&[0x14, 3, 3, 0, 1, 1, 0x17, 3, 3, 0, 53][..], &random.bytes(53)].concat();
    vec![
        Turn::ask(random.seconds(0.000_1..0.002), client_hello(random, name)),
        Turn::answer(random.seconds(0.000_5..0.004), Content::Message { head: server, noise: certificates }),
        Turn::ask(random.seconds(0.000_5..0.003), finished),
    ]
}

fn client_hello(random: &mut Random, name: &str) -> Vec<u8> {
    // Names in the office and outside are shorter than 250 bytes, so the high bytes of these lengths are zero.
    let length = name.len() as u8;
    let server_name = [&[0, 0, 0, length + 5, 0, length + 3, 0, 0, length][..], name.as_bytes()].concat();
    let versions = [0, 43, 0, 5, 4, 3, 4, 3, 3];
    let groups = [0, 10, 0, 4, 0, 2, 0, 29];
    let signatures = [0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1];
    let protocols = [0, 16, 0, 14, 0, 12, 2, b'h', b'2', 8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1'];
    let key_share = [&[0, 51, 0, 38, 0, 36, 0, 29, 0, 32][..], &random.bytes(32)].concat();
    let mut extensions = [&server_name[..], &versions, &groups, &signatures, &protocols, &key_share].concat();
    // Browsers pad the message to 512 bytes (RFC 7685).
    let padding = 400usize.saturating_sub(extensions.len());
    extensions.extend([0, 21]);
    extensions.extend((padding as u16).to_be_bytes());
    extensions.resize(extensions.len() + padding, 0);

    let mut hello = vec![3, 3];
    hello.extend(random.bytes(32));
    hello.push(32);
    hello.extend(random.bytes(32));
    hello.extend([0, 8, 0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2f, 1, 0]);
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    handshake_record(1, &hello)
}

fn server_hello(random: &mut Random) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend(random.bytes(32));
    hello.push(32);
    hello.extend(random.bytes(32));
    hello.extend([0x13, 1, 0, 0, 46, 0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32]);
    hello.extend(random.bytes(32));
    handshake_record(2, &hello)
}

fn handshake_record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![0x16, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([kind, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}
