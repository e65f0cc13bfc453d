//! Secure shell (RFC 4253): banners and key exchange in the clear, the rest encrypted.

use flow::Duration;

use crate::content::Content;
use crate::random::Random;
use crate::tcp::Turn;

/// The port of secure shell servers.
pub(crate) const PORT: u16 = 22;

/// The banner of a person's client.
pub(crate) const OPENSSH: &str = "SSH-2.0-OpenSSH_9.6\r\n";
/// The banner of a common library, which guessing tools use.
pub(crate) const LIBSSH: &str = "SSH-2.0-libssh_0.10.6\r\n";

/// What becomes of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Refused,
    Accepted,
}

/// The start of a session: key exchange, then the passwords in turn, each typed after a while.
pub(crate) fn login(random: &mut Random, banner: &str, attempts: &[(Duration, Login)]) -> Vec<Turn> {
    let quick = Duration::from_millis(2);
    let keys = framed(30, &string(&random.bytes(32)));
    let host_key = [string(b"ssh-ed25519"), string(&random.bytes(32))].concat();
    let signature = [string(b"ssh-ed25519"), string(&random.bytes(64))].concat();
    let mut reply = framed(31, &[string(&host_key), string(&random.bytes(32)), string(&signature)].concat());
    reply.extend(framed(21, &[]));
    let mut turns = vec![
        Turn::ask(Duration::from_micros(300), banner),
        Turn::answer(Duration::from_millis(8), "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5\r\n"),
        Turn::ask(quick, algorithms(random)),
        Turn::answer(quick, algorithms(random)),
        Turn::ask(quick, keys),
        Turn::answer(Duration::from_millis(7), reply),
        Turn::ask(quick, framed(21, &[])),
        Turn::ask(quick, Content::noise(44)),
        Turn::answer(quick, Content::noise(44)),
        Turn::ask(quick, Content::noise(60)),
        Turn::answer(quick, Content::noise(52)),
    ];
    for &(typing, login) in attempts {
        turns.push(Turn::ask(typing, Content::noise(148)));
        // Servers make a wrong password wait, so that guessing takes time.
        turns.push(match login {
            Login::Refused => Turn::answer(random.seconds(1.6..2.6), Content::noise(52)),
            Login::Accepted => Turn::answer(random.seconds(0.01..0.05), Content::noise(28)),
        });
    }
    turns
}

/// Someone types and reads for that many commands.
pub(crate) fn shell(random: &mut Random, commands: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for _ in 0..commands {
        for _ in 0..random.within(3..14) {
            turns.push(Turn::ask(random.seconds(0.06..0.4), Content::noise(36)));
            turns.push(Turn::answer(Duration::from_micros(400), Content::noise(36)));
        }
        let output = random.size(900, 1.3, 60_000);
        turns.push(Turn::answer(random.seconds(0.01..0.3), Content::noise(output)));
        turns.push(Turn::ask(random.seconds(1.0..25.0), Content::noise(36)));
    }
    turns
}

fn algorithms(random: &mut Random) -> Vec<u8> {
    let lists = [
        "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group16-sha512",
        "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256",
        "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr",
        "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr",
        "umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512",
        "umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512",
        "none,zlib@openssh.com",
        "none,zlib@openssh.com",
        "",
        "",
    ];
    let mut body = random.bytes(16);
    for list in lists {
        body.extend(string(list.as_bytes()));
    }
    body.extend([0; 5]);
    framed(20, &body)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// A packet before encryption: its length a multiple of eight, at least four bytes of padding (RFC 4253 s.6).
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let unpadded = 4 + 1 + 1 + body.len();
    let padding = 4 + (8 - (unpadded + 4) % 8) % 8;
    let mut bytes = ((unpadded + padding - 4) as u32).to_be_bytes().to_vec();
    bytes.extend([padding as u8, kind]);
    bytes.extend(body);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}
