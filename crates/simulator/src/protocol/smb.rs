//! File sharing (MS-SMB2): negotiation and login in the clear, then what is encrypted, or a session in the clear.

use flow::Duration;

use crate::content::Content;
use crate::protocol::ssh::Login;
use crate::random::Random;
use crate::tcp::{Side, Turn};

/// The port of file servers.
pub(crate) const PORT: u16 = 445;

/// The start of a session: negotiation and one login by NTLM.
pub(crate) fn login(random: &mut Random, user: &str, login: Login) -> Vec<Turn> {
    let session = u64::from(random.word());
    login_as(random, user, login, session)
}

fn login_as(random: &mut Random, user: &str, login: Login, session: u64) -> Vec<Turn> {
    let quick = Duration::from_micros(700);
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

/// A session in the clear: message after message, each with its answer.
pub(crate) struct Session {
    turns: Vec<Turn>,
    session: u64,
    id: u64,
    tree: u32,
    file: u8,
}

impl Session {
    /// Logs in.
    pub(crate) fn open(random: &mut Random, user: &str) -> Session {
        let session = u64::from(random.word());
        Session { turns: login_as(random, user, Login::Accepted, session), session, id: 2, tree: 0, file: 0 }
    }

    /// Connects to a share, such as `\\10.20.0.11\IPC$` (MS-SMB2 s.2.2.9).
    pub(crate) fn connect(&mut self, share: &str) {
        let path = wide(share);
        let [low, high] = (path.len() as u16).to_le_bytes();
        let kind = if share.ends_with("IPC$") { 2 } else { 1 };
        self.tree += 1;
        let ask = [&[9, 0, 0, 0, 72, 0, low, high][..], &path].concat();
        self.exchange(Command::TreeConnect, &ask, &[16, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 1, 0x1f, 0]);
    }

    /// Opens a file or a pipe by its name, or makes it (s.2.2.13).
    pub(crate) fn create(&mut self, name: &str) {
        let name = wide(name);
        let [low, high] = (name.len() as u16).to_le_bytes();
        self.file += 1;
        let mut ask = vec![57, 0, 0, 0, 2, 0, 0, 0];
        ask.extend([0; 16]);
        ask.extend([0x9f, 1, 0x12, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0x40, 0, 0, 0, 120, 0, low, high]);
        ask.extend([0; 8]);
        ask.extend(name);
        let mut answer = vec![89, 0, 0, 0, 1, 0, 0, 0];
        answer.extend([0; 48]);
        answer.extend([0x80, 0, 0, 0, 0, 0, 0, 0]);
        answer.extend(self.handle());
        answer.extend([0; 8]);
        self.exchange(Command::Create, &ask, &answer);
    }

    /// Writes these bytes and so much noise (s.2.2.21).
    pub(crate) fn write(&mut self, bytes: &[u8], noise: u64) {
        let length = bytes.len() as u32 + noise as u32;
        let mut ask = vec![49, 0, 112, 0];
        ask.extend(length.to_le_bytes());
        ask.extend([0; 8]);
        ask.extend(self.handle());
        ask.extend([0; 16]);
        ask.extend(bytes);
        let head = self.message(Command::Write, Way::Request, &ask, noise);
        let mut answer = vec![17, 0, 0, 0];
        answer.extend(length.to_le_bytes());
        answer.extend([0; 8]);
        let answer = self.message(Command::Write, Way::Response, &answer, 0);
        self.say(Content::Message { head, noise }, answer, Duration::from_micros(300));
    }

    /// Reads these bytes, which take that long to come (s.2.2.19).
    pub(crate) fn read(&mut self, bytes: &[u8], after: Duration) {
        let mut ask = vec![49, 0, 80, 0, 0, 0x10, 0, 0];
        ask.extend([0; 8]);
        ask.extend(self.handle());
        ask.extend([0; 17]);
        let mut answer = vec![17, 0, 80, 0];
        answer.extend((bytes.len() as u32).to_le_bytes());
        answer.extend([0; 8]);
        answer.extend(bytes);
        let ask = self.message(Command::Read, Way::Request, &ask, 0);
        let answer = self.message(Command::Read, Way::Response, &answer, 0);
        self.say(Content::from(ask), answer, after);
    }

    /// Writes to a pipe and reads what comes back, at once (s.2.2.31).
    pub(crate) fn transact(&mut self, asked: &[u8], answered: &[u8]) {
        let handle = self.handle();
        let control = [0x17, 0xc0, 0x11, 0];
        let mut ask = [&[57, 0, 0, 0][..], &control, &handle, &[120, 0, 0, 0]].concat();
        ask.extend((asked.len() as u32).to_le_bytes());
        ask.extend([0, 0, 0, 0, 120, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        ask.extend(asked);
        let mut answer = [&[49, 0, 0, 0][..], &control, &handle, &[112, 0, 0, 0, 0, 0, 0, 0, 112, 0, 0, 0]].concat();
        answer.extend((answered.len() as u32).to_le_bytes());
        answer.extend([0; 8]);
        answer.extend(answered);
        self.exchange(Command::Control, &ask, &answer);
    }

    /// Closes the file or pipe opened last (s.2.2.15).
    pub(crate) fn close(&mut self) {
        let ask = [&[24, 0, 0, 0, 0, 0, 0, 0][..], &self.handle()].concat();
        let mut answer = vec![60, 0];
        answer.resize(60, 0);
        self.exchange(Command::Close, &ask, &answer);
    }

    /// All that was said.
    pub(crate) fn turns(self) -> Vec<Turn> {
        self.turns
    }

    fn handle(&self) -> [u8; 16] {
        [self.file, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]
    }

    fn exchange(&mut self, command: Command, ask: &[u8], answer: &[u8]) {
        let ask = self.message(command, Way::Request, ask, 0);
        let answer = self.message(command, Way::Response, answer, 0);
        self.say(Content::from(ask), answer, Duration::from_micros(600));
    }

    fn message(&self, command: Command, way: Way, body: &[u8], noise: u64) -> Vec<u8> {
        let header = Header { command, way, id: self.id + 1, status: 0, tree: self.tree, session: self.session };
        header.message(body, noise)
    }

    fn say(&mut self, ask: Content, answer: Vec<u8>, after: Duration) {
        self.id += 1;
        self.turns.push(Turn { from: Side::Originator, after: Duration::from_micros(500), content: Some(ask) });
        self.turns.push(Turn::answer(after, answer));
    }
}

#[derive(Clone, Copy)]
enum Command {
    Negotiate = 0,
    SessionSetup = 1,
    TreeConnect = 3,
    Create = 5,
    Close = 6,
    Read = 8,
    Write = 9,
    Control = 11,
}

#[derive(Clone, Copy)]
enum Way {
    Request = 0,
    Response = 1,
}

/// What stands before every message (MS-SMB2 s.2.2.1.2).
struct Header {
    command: Command,
    way: Way,
    id: u64,
    status: u32,
    tree: u32,
    session: u64,
}

impl Header {
    /// The message under its transport's length, which counts so much noise after it.
    fn message(&self, body: &[u8], noise: u64) -> Vec<u8> {
        let mut bytes = (64 + body.len() as u32 + noise as u32).to_be_bytes().to_vec();
        bytes.extend([0xfe, b'S', b'M', b'B', 64, 0, 1, 0]);
        bytes.extend(self.status.to_le_bytes());
        bytes.extend([self.command as u8, 0, 1, 0, self.way as u8, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(self.id.to_le_bytes());
        bytes.extend([0xff, 0xfe, 0, 0]);
        bytes.extend(self.tree.to_le_bytes());
        bytes.extend(self.session.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend(body);
        bytes
    }
}

fn message(command: Command, way: Way, id: u64, status: u32, session: u64, body: &[u8]) -> Vec<u8> {
    Header { command, way, id, status, tree: 0, session }.message(body, 0)
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
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
