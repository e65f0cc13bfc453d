//! Log-ins in clear text and what they tell: the content features of KDD'99.

use flow::{Content, Time};
use meter::{Link, Meter, Settings};

/// What a dialogue with that port tells. Each line starts with who sends it: `>` the client, `<` the server.
fn content(port: u16, lines: &[&[u8]]) -> Option<Content> {
    in_parts(port, lines, usize::MAX)
}

/// The same, in segments of so many bytes.
fn in_parts(port: u16, lines: &[&[u8]], segment_bytes: usize) -> Option<Content> {
    let mut meter = Meter::new(Settings { content: true, ..Settings::default() });
    let mut flows = Vec::new();
    let mut sequences = [7u32, 9];
    let mut time = 0;
    for line in lines {
        let (sender, text) = line.split_first().unwrap();
        let from = usize::from(*sender == b'<');
        for part in text.chunks(segment_bytes) {
            let packet = segment(from, port, sequences[from], part);
            time += 1_000_000;
            meter.packet(Link::Ip, Time::from_nanoseconds(time), &packet, packet.len() as u32, &mut flows);
            sequences[from] += part.len() as u32;
        }
    }
    meter.finish(&mut flows);
    assert_eq!(flows.len(), 1);
    flows.remove(0).content.map(|content| *content)
}

fn segment(from: usize, port: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((40 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, 6, 0, 0]);
    let ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
    packet.extend(ends[from]);
    packet.extend(ends[1 - from]);
    let ports = [1000u16, port];
    packet.extend(ports[from].to_be_bytes());
    packet.extend(ports[1 - from].to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}

const TELNET: [&[u8]; 13] = [
    b"<\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0login: ",
    b">\xff\xfb\x18bob\x7f\x7f\x7froot\r\0",
    b"<\r\nPassword: ",
    b">wrong\r\0",
    b"<\r\nLogin incorrect\r\nlogin: ",
    b">root\r\0",
    b"<\r\nPassword: ",
    b">right\r\0",
    b"<\r\nLast login: Mon Jan 1\r\nroot@host# ",
    b">cat /etc/shadow > /tmp/x\r\0",
    b"<\r\nroot@host# ",
    b">cd /etc; su -; ./a.out\r\0",
    b"<\r\nsh: su: not found\r\nroot@host# ",
];

fn telnet() -> Content {
    Content {
        // The log-in of root, a system directory, a program just made.
        hot: 3,
        num_failed_logins: 1,
        logged_in: true,
        num_compromised: 1,
        root_shell: true,
        su_attempted: true,
        num_root: 2,
        num_file_creations: 1,
        num_shells: 1,
        num_access_files: 1,
        is_host_login: true,
        ..Content::default()
    }
}

#[test]
fn a_session_of_root_over_telnet_is_told_in_full() {
    assert_eq!(content(23, &TELNET), Some(telnet()));
}

#[test]
fn it_does_not_matter_how_lines_are_cut_into_segments() {
    for bytes in 1..20 {
        assert_eq!(in_parts(23, &TELNET, bytes), Some(telnet()), "{bytes} bytes a segment");
    }
}

#[test]
fn a_guest_of_ftp_is_a_guest_and_an_upload_creates_a_file() {
    let told = content(
        21,
        &[
            b"<220 ready\r\n",
            b">USER anonymous\r\n",
            b"<331 any password\r\n",
            b">PASS a@b\r\n",
            b"<230-welcome\r\n230 in\r\n",
            b">STOR x\r\n",
            b"<550 x: No such file or directory\r\n",
            b">RETR /etc/passwd\r\n",
        ],
    );
    let expected = Content {
        hot: 1,
        logged_in: true,
        is_guest_login: true,
        num_file_creations: 1,
        num_compromised: 1,
        num_access_files: 1,
        ..Content::default()
    };
    assert_eq!(told, Some(expected));
}

#[test]
fn refusals_count_only_where_somebody_tried() {
    let told = content(
        21,
        &[b"<220 a\r\n", b">CWD /\r\n", b"<530 log in first\r\n", b">USER a\r\n", b">PASS b\r\n", b"<530 no\r\n"],
    );
    assert_eq!(told, Some(Content { num_failed_logins: 1, ..Content::default() }));
}

#[test]
fn every_service_tells_success_and_failure() {
    let success: [(u16, &[&[u8]]); 6] = [
        (25, &[b"<220 a\r\n", b">AUTH PLAIN AGEAYg==\r\n", b"<235 in\r\n"]),
        (110, &[b"<+OK a\r\n", b">USER a\r\n", b"<+OK\r\n", b">PASS b\r\n", b"<+OK in\r\n"]),
        (143, &[b"<* OK a\r\n", b">x1 LOGIN a b\r\n", b"<x1 OK in\r\n"]),
        (513, &[b">\0me\0you\0xterm/9600\0", b"<\0Last login: today\r\n"]),
        (514, &[b">0\0me\0you\0ls\0", b"<\0"]),
        (80, &[b">GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n", b"<HTTP/1.1 200 OK\r\n\r\n"]),
    ];
    for (port, lines) in success {
        let told = content(port, lines).unwrap();
        assert!(told.logged_in && told.num_failed_logins == 0, "port {port}: {told:?}");
    }
    let failure: [(u16, &[&[u8]]); 6] = [
        (25, &[b"<220 a\r\n", b">AUTH PLAIN AGEAYg==\r\n", b"<535 no\r\n"]),
        (110, &[b"<+OK a\r\n", b">USER a\r\n", b"<+OK\r\n", b">PASS b\r\n", b"<-ERR no\r\n"]),
        (143, &[b"<* OK a\r\n", b">x1 LOGIN a b\r\n", b"<x1 NO\r\n"]),
        (513, &[b">\0me\0you\0xterm/9600\0", b"<\0Password: ", b">guess\r", b"<\r\nLogin incorrect\r\n"]),
        (514, &[b">0\0me\0you\0ls\0", b"<\x01Permission denied.\n"]),
        (80, &[b">GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n", b"<HTTP/1.1 401 No\r\n\r\n"]),
    ];
    for (port, lines) in failure {
        let told = content(port, lines).unwrap();
        assert!(!told.logged_in && told.num_failed_logins == 1, "port {port}: {told:?}");
    }
}

#[test]
fn what_is_encrypted_tells_nothing() {
    assert_eq!(content(110, &[b">\x16\x03\x01\x00\x05\x01\r\nPASS b\r\n"]), None);
    let told = content(25, &[b"<220 a\r\n", b">STARTTLS\r\n", b"<220 go\r\n", b">AUTH PLAIN x\r\n", b"<235 in\r\n"]);
    assert_eq!(told, Some(Content::default()));
}

#[test]
fn other_services_are_not_looked_at() {
    assert_eq!(content(4000, &[b">USER root\r\n"]), None);
}

#[test]
fn nobody_looks_unless_asked() {
    let mut meter = Meter::new(Settings::default());
    let mut flows = Vec::new();
    let packet = segment(0, 21, 0, b"USER root\r\n");
    meter.packet(Link::Ip, Time::from_nanoseconds(0), &packet, packet.len() as u32, &mut flows);
    meter.finish(&mut flows);
    assert_eq!(flows[0].content, None);
}
