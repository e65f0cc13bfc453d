//! Remote management of Windows (MS-WSMV): SOAP over HTTP, its body sealed by Kerberos.

use flow::Duration;

use crate::content::Content;
use crate::random::Random;
use crate::tcp::Turn;

/// The port of remote management.
pub(crate) const PORT: u16 = 5_985;

/// A login, then so many commands with what they print.
pub(crate) fn session(random: &mut Random, server: &str, commands: usize) -> Vec<Turn> {
    let quick = Duration::from_millis(2);
    let head = format!(
        "POST /wsman HTTP/1.1\r\nConnection: Keep-Alive\r\nUser-Agent: Microsoft WinRM Client\r\nHost: {server}:{PORT}\r\n"
    );
    let ticket = format!(
        "{head}Authorization: Kerberos {}\r\nContent-Length: 0\r\n\r\n",
        "YIIGhwYJKoZIhvcSAQICAQBuggZ2".repeat(60)
    );
    let mut turns = vec![
        Turn::ask(quick, ticket),
        Turn::answer(
            quick,
            "HTTP/1.1 200 \r\nWWW-Authenticate: Kerberos YIGZBgkqhkiG9xIBAgICAG+BiTCBhg==\r\nServer: Microsoft-HTTPAPI/2.0\r\nContent-Length: 0\r\n\r\n",
        ),
    ];
    // Make a shell, give the command, ask for its output.
    for asked in std::iter::once(1_900).chain((0..commands * 2).map(|_| 1_500)) {
        let asked = asked + random.within(0..400);
        let answered = random.size(1_400, 0.6, 40_000);
        turns.push(Turn::ask(random.seconds(0.05..4.0), sealed(&head, asked)));
        turns.push(Turn::answer(
            random.seconds(0.02..0.4),
            sealed("HTTP/1.1 200 \r\nServer: Microsoft-HTTPAPI/2.0\r\n", answered),
        ));
    }
    turns
}

fn sealed(head: &str, length: u64) -> Content {
    let kind =
        "multipart/encrypted;protocol=\"application/HTTP-Kerberos-session-encrypted\";boundary=\"Encrypted Boundary\"";
    let head = format!("{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    Content::Message { head: head.into_bytes(), noise: length }
}
