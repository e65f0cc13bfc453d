//! Payloads of any bytes: no parser of first payloads and log-ins panics, and what is told is printable and bounded.
//!
//! The input is a row of packets: which port and which side and whether the capture cut it (1 byte), a step in the stream
//! (1 byte, signed), length (1 byte), then so many bytes of payload.
#![no_main]

use flow::{Application, Flow, Time};
use libfuzzer_sys::fuzz_target;
use meter::{Link, Meter, Settings};

/// The sign of the number tells UDP.
const PORTS: [i32; 16] = [443, 80, 53, -53, -443, -5353, -7000, 7000, 21, 23, 25, 110, 143, 513, 514, 2323];

fuzz_target!(|data: &[u8]| {
    let mut meter = Meter::new(Settings { content: true, ..Settings::default() });
    let mut flows = Vec::new();
    let mut sequences = [[0u32; 2]; PORTS.len()];
    let mut rest = data;
    let mut time = 0;
    while let [kind, step, length, tail @ ..] = rest {
        let (payload, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let (number, from) = (usize::from(kind & 15), usize::from(kind >> 4 & 1));
        let sequence = &mut sequences[number][from];
        *sequence = sequence.wrapping_add_signed(i32::from(*step as i8) / 4);
        let packet = packet(PORTS[number], from, *sequence, payload);
        *sequence = sequence.wrapping_add(payload.len() as u32);
        let captured = if kind & 32 == 0 { packet.len() } else { packet.len() - payload.len() / 2 };
        time += 1_000_000;
        let time = Time::from_nanoseconds(time);
        meter.packet(Link::Ip, time, &packet[..captured], packet.len() as u32, &mut flows);
    }
    meter.finish(&mut flows);
    let counts = meter.counts();
    assert_eq!(counts.packets, flows.iter().filter_map(Flow::packets).sum::<u64>() + counts.skipped_packets());
    for flow in &flows {
        if let Some(application) = flow.application.as_deref() {
            check(application);
        }
    }
});

fn packet(port: i32, from: usize, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let (protocol, header_bytes) = if port > 0 { (6, 20) } else { (17, 8) };
    let length = (20 + header_bytes + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from as u8, 10, 0, 0, 1 - from as u8]);
    let ports = [40_000, port.unsigned_abs() as u16];
    packet.extend(ports[from].to_be_bytes());
    packet.extend(ports[1 - from].to_be_bytes());
    if port > 0 {
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    } else {
        packet.extend((length - 20).to_be_bytes());
        packet.extend([0, 0]);
    }
    packet.extend(payload);
    packet
}

fn check(application: &Application) {
    let texts: [Option<&str>; 4] = match application {
        Application::Dns(dns) => [Some(&dns.query), None, None, None],
        Application::Http(http) => {
            [Some(&http.method), http.host.as_deref(), http.target.as_deref(), http.user_agent.as_deref()]
        }
        Application::Tls(tls) | Application::Quic(tls) => {
            [tls.server_name.as_deref(), tls.protocol.as_deref(), tls.ja4.as_deref(), None]
        }
        Application::Other(name) => [Some(name), None, None, None],
        Application::Smb(_) | Application::Dcerpc(_) | Application::Dhcp(_) | Application::Arp(_) => [None; 4],
        Application::Echo(_) => [None; 4],
    };
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= 1016 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{text:?}");
    }
}
