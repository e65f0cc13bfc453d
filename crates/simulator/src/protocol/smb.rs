//! File sharing (MS-SMB2): negotiation and login in the clear, the rest encrypted.

use flow::Duration;

use crate::content::Content;
use crate::protocol::ssh::Login;
use crate::random::Random;
use crate::tcp::Turn;

/// The port of file servers.
pub(crate) const PORT: u16 = 445;

/// The start of a session: negotiation and one login by NTLM.
pub(crate) fn login(random: &mut Random, user: &str, login: Login) -> Vec<Turn> {
    let quick = Duration::from_micros(700);
    let session = u64::from(random.word());
    let status = match login {
        Login::Accepted => 0,
        Login::Refused => LOGON_FAILURE,
    };
    let done = match login {
        Login::Accepted => vec![9, 0, 0, 0, 72, 0, 0, 0, 0],
        Login::Refused => vec![9, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    let (guid, secret) = (random.bytes(16), random.bytes(8));
    vec![
        Turn::ask(quick, message(Command::Negotiate, Way::Request, 0, 0, 0, &negotiate(&guid))),
        Turn::answer(quick, message(Command::Negotiate, Way::Response, 0, 0, 0, &negotiated(&random.bytes(16)))),
        Turn::ask(quick, message(Command::SessionSetup, Way::Request, 1, 0, 0, &setup(&hello()))),
        Turn::answer(
            quick,
            message(Command::SessionSetup, Way::Response, 1, MORE_NEEDED, session, &challenge(&secret)),
        ),
        Turn::ask(quick, message(Command::SessionSetup, Way::Request, 2, 0, session, &setup(&proof(random, user)))),
        Turn::answer(
            random.seconds(0.001..0.006),
            message(Command::SessionSetup, Way::Response, 2, status, session, &done),
        ),
    ]
}

/// One encrypted message with so many bytes in it.
pub(crate) fn sealed(length: u64) -> Content {
    let mut head = vec![0];
    head.extend(&(length as u32 + 52).to_be_bytes()[1..]);
    head.extend([0xfd, b'S', b'M', b'B']);
    head.extend([0x5a; 32]);
    head.extend((length as u32).to_le_bytes());
    head.extend([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    Content::Message { head, noise: length }
}

#[derive(Clone, Copy)]
enum Command {
    Negotiate = 0,
    SessionSetup = 1,
}

#[derive(Clone, Copy)]
enum Way {
    Request = 0,
    Response = 1,
}

/// A message under its transport's length and the header of MS-SMB2 s.2.2.1.2.
fn message(command: Command, way: Way, id: u64, status: u32, session: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((64 + body.len()) as u32).to_be_bytes().to_vec();
    bytes.extend([0xfe, b'S', b'M', b'B', 64, 0, 1, 0]);
    bytes.extend(status.to_le_bytes());
    bytes.extend([command as u8, 0, 1, 0, way as u8, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(id.to_le_bytes());
    bytes.extend([0xff, 0xfe, 0, 0, 0, 0, 0, 0]);
    bytes.extend(session.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(body);
    bytes
}

fn negotiate(guid: &[u8]) -> Vec<u8> {
    [&[36, 0, 2, 0, 1, 0, 0, 0, 0x7f, 0, 0, 0][..], guid, &[0; 8], &[0x10, 2, 2, 3]].concat()
}

fn negotiated(guid: &[u8]) -> Vec<u8> {
    let limits = [0, 0, 0x80, 0].repeat(3);
    [&[65, 0, 1, 0, 2, 3, 0, 0][..], guid, &[0x2f, 0, 0, 0], &limits, &[0; 16], &[128, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn setup(token: &[u8]) -> Vec<u8> {
    let [low, high] = (token.len() as u16).to_le_bytes();
    [&[25, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 88, 0, low, high][..], &[0; 8], token].concat()
}

fn challenge(secret: &[u8]) -> Vec<u8> {
    let empty = [0, 0, 0, 0, 56, 0, 0, 0];
    let token =
        [b"NTLMSSP\0\x02\0\0\0", &empty[..], &[0x15, 0x82, 0x8a, 0x62], secret, &[0; 8], &empty, &VERSION].concat();
    let [low, high] = (token.len() as u16).to_le_bytes();
    [&[9, 0, 0, 0, 72, 0, low, high][..], &token].concat()
}

fn hello() -> Vec<u8> {
    let empty = [0, 0, 0, 0, 40, 0, 0, 0];
    [b"NTLMSSP\0\x01\0\0\0", &[0x97, 0x82, 8, 0xe2][..], &empty, &empty, &VERSION].concat()
}

/// The message that proves the password (MS-NLMP s.2.2.1.3).
fn proof(random: &mut Random, user: &str) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let values =
        [random.bytes(24), random.bytes(24), wide("OFFICE"), wide(user), wide("WORKSTATION"), random.bytes(16)];
    let mut header = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut payload = Vec::new();
    for value in values {
        let [low, high] = (value.len() as u16).to_le_bytes();
        header.extend([low, high, low, high]);
        header.extend((72 + payload.len() as u32).to_le_bytes());
        payload.extend(value);
    }
    header.extend([0x15, 0x82, 0x88, 0x62]);
    header.extend(VERSION);
    header.extend(payload);
    header
}

const MORE_NEEDED: u32 = 0xc000_0016;
const LOGON_FAILURE: u32 = 0xc000_006d;
const VERSION: [u8; 8] = [10, 0, 0x61, 0x4a, 0, 0, 0, 15];
