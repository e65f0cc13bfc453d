//! `lapwing features`: the sets of features, and which of them each source can give.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Flow, Time};
use meter::{Link, Meter, Settings};
use source::Batch;
use source::format::{FORMATS, Format};

/// Print the features that Lapwing computes of a flow: name, unit and meaning.
///
/// A source that does not tell what a feature needs leaves it missing; `--source` shows which features it can give.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing features
  lapwing features --features kdd --source zeek
  lapwing features --markdown > features.md")]
pub(crate) struct Arguments {
    /// The set of features.
    #[arg(long, value_name = "SET", default_value = Set::Lapwing.name(), value_parser = set_parser())]
    features: Set,
    /// Print only the features that this source can give: `capture`, or a format of flow logs.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print all sets with the sources of each feature as Markdown: the content of docs/features.md.
    #[arg(long, conflicts_with_all = ["features", "source"])]
    markdown: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.markdown {
        print!("{}", markdown());
        return Ok(());
    }
    let set = FeatureSet::of(arguments.features);
    let given = arguments.source.as_deref().map(|name| given_by(name, &set)).transpose()?;
    let mut table = crate::output::table(&["feature", "unit", "meaning"]);
    let features = set.features().iter();
    let mut count = 0;
    for feature in features.filter(|feature| given.as_ref().is_none_or(|given| given.contains(feature.name))) {
        table.add_row([feature.name, feature.unit, feature.meaning]);
        count += 1;
    }
    println!("{table}");
    if let Some(name) = &arguments.source {
        eprintln!("{name} gives {count} of the {} features of {}", set.features().len(), arguments.features.name());
    }
    Ok(())
}

/// Reads the name of a set.
pub(crate) fn set_parser() -> impl TypedValueParser<Value = Set> {
    PossibleValuesParser::new(Set::ALL.map(|set| clap::builder::PossibleValue::new(set.name()).help(set.what())))
        .map(|name| Set::from_name(&name).unwrap_or(Set::Lapwing))
}

/// The settings of a meter that counts what the set needs.
pub(crate) fn meter_settings(set: Set, settings: Settings) -> Settings {
    let settings = match set.profile() {
        Some(profile) => settings.with_profile(profile),
        None => settings,
    };
    Settings { content: set == Set::Kdd, ..settings }
}

/// The features of the set that a source can give.
fn given_by(source: &str, set: &FeatureSet) -> Result<BTreeSet<&'static str>> {
    if source == CAPTURE {
        return Ok(present(set, &metered(set.set())));
    }
    let Some(format) = FORMATS.iter().find(|format| format.name == source) else {
        let names: Vec<_> = [CAPTURE].into_iter().chain(FORMATS.iter().map(|format| format.name)).collect();
        bail!("no source is called `{source}`; there are {}", names.join(", "));
    };
    Ok(present(set, &decoded(format)))
}

/// The features with a value in any of these flows.
fn present(set: &FeatureSet, flows: &[Flow]) -> BTreeSet<&'static str> {
    let table = set.table(flows, &mut Hosts::default());
    let features = set.features().iter().zip(table.columns());
    features.filter(|(_, column)| (0..flows.len()).any(|row| column.is_present(row))).map(|(it, _)| it.name).collect()
}

/// The flows of a format's sample. It comes again every minute for a while, because some features need a past.
fn decoded(format: &Format) -> Vec<Flow> {
    let (mut decoder, mut batch) = ((format.decoder)(), Batch::default());
    decoder.begin();
    for message in (format.sample)() {
        decoder.decode(&message, &mut batch);
    }
    decoder.finish(&mut batch);
    let shift = |time: Time, minutes: u32| time + flow::Duration::from_secs(60) * minutes;
    let again = |flow: &Flow, minutes| Flow {
        start: shift(flow.start, minutes),
        end: shift(flow.end, minutes),
        conversation_start: shift(flow.conversation_start, minutes),
        ..flow.clone()
    };
    (0..REPEATS).flat_map(|minutes| batch.flows.iter().map(move |flow| again(flow, minutes))).collect()
}

/// The flows of a made-up capture: a call to a web server that is answered and closed, every minute, and a ping; then a
/// name asked for that is not there, and a client that greets a TLS server.
fn metered(set: Set) -> Vec<Flow> {
    let mut meter = Meter::new(meter_settings(set, Settings::default()));
    let mut flows = Vec::new();
    let mut send = |milliseconds: i64, packet: &[u8]| {
        let time = Time::from_nanoseconds(1_700_000_000_000_000_000 + milliseconds * 1_000_000);
        meter.packet(Link::Ip, time, packet, packet.len() as u32, &mut flows);
    };
    for minute in 0..i64::from(REPEATS) {
        let (time, port) = (minute * 60_000, 40_000 + minute as u16);
        // From the client or not, flags, sequence and acknowledgement, payload.
        let segments: [(bool, u8, u32, u32, usize); 8] = [
            (true, 0x02, 100, 0, 0),
            (false, 0x12, 500, 101, 0),
            (true, 0x10, 101, 501, 0),
            (true, 0x18, 101, 501, 80),
            (false, 0x18, 501, 181, 900),
            (false, 0x11, 1401, 181, 0),
            (true, 0x11, 181, 1402, 0),
            (false, 0x10, 1402, 182, 0),
        ];
        for (number, (is_client, flags, sequence, acknowledgement, payload)) in segments.into_iter().enumerate() {
            send(time + number as i64, &segment(is_client, port, flags, [sequence, acknowledgement], payload));
        }
        send(time + 20, &ipv4(true, 1, &[8, 0, 0, 0, 0, 1, 0, 1]));
    }
    let end = i64::from(REPEATS) * 60_000;
    send(end, &ipv4(true, 17, &datagram([50_000, 53], &name_query(0x0100))));
    send(end + 1, &ipv4(false, 17, &datagram([53, 50_000], &name_query(0x8183))));
    send(end + 2, &ipv4(true, 6, &tcp([50_001, 443], 0x18, [1, 1], &client_hello())));
    meter.finish(&mut flows);
    flows
}

fn segment(is_client: bool, port: u16, flags: u8, numbers: [u32; 2], payload: usize) -> Vec<u8> {
    let ports = if is_client { [port, 80] } else { [80, port] };
    let text: &[u8] =
        if is_client { b"GET / HTTP/1.1\r\nHost: www.example\r\n\r\n" } else { b"HTTP/1.1 200 OK\r\n\r\n" };
    let payload: Vec<u8> = text.iter().chain(std::iter::repeat(&b'x')).take(payload).copied().collect();
    ipv4(is_client, 6, &tcp(ports, flags, numbers, &payload))
}

fn tcp(ports: [u16; 2], flags: u8, numbers: [u32; 2], payload: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend([5 << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn datagram(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// A question for the address of a name (RFC 1035 s.4), or with other flags what answers it.
fn name_query(flags: u16) -> Vec<u8> {
    let mut bytes = vec![0, 1];
    bytes.extend(flags.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"\x03www\x07example\x00\x00\x01\x00\x01");
    bytes
}

/// A ClientHello (RFC 8446 s.4.1.2) with one suite, a server's name and one version.
fn client_hello() -> Vec<u8> {
    let mut extensions = b"\x00\x00\x00\x10\x00\x0e\x00\x00\x0bwww.example".to_vec();
    extensions.extend(b"\x00\x2b\x00\x03\x02\x03\x04");
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0]);
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![0x16, 3, 1];
    record.extend((4 + hello.len() as u16).to_be_bytes());
    record.extend([1, 0]);
    record.extend((hello.len() as u16).to_be_bytes());
    record.extend(hello);
    record
}

fn ipv4(is_client: bool, protocol: u8, carried: &[u8]) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let [from, to] = if is_client { [client, server] } else { [server, client] };
    let mut packet = vec![0x45, 0];
    packet.extend((20 + carried.len() as u16).to_be_bytes());
    packet.extend([0, 7, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(carried);
    packet
}

/// The sets as Markdown: a table a set, a row a feature, with the sources that give it.
fn markdown() -> String {
    let mut text = String::from(HEAD);
    for set in Set::ALL {
        let set = FeatureSet::of(set);
        let mut sources = vec![(CAPTURE, present(&set, &metered(set.set())))];
        sources.extend(FORMATS.iter().map(|format| (format.name, present(&set, &decoded(format)))));
        let counts: Vec<_> = sources.iter().map(|(name, given)| format!("{name} gives {}", given.len())).collect();
        text += &format!("\n## {}\n\n{}\n", set.set().name(), set.set().what());
        text += &format!("Of its {} features {}.\n\n", set.features().len(), counts.join(", "));
        text += "| feature | unit | meaning | given by |\n|---|---|---|---|\n";
        for feature in set.features() {
            let given: Vec<_> =
                sources.iter().filter(|(_, given)| given.contains(feature.name)).map(|(name, _)| *name).collect();
            text += &format!("| {} | {} | {} | {} |\n", feature.name, feature.unit, feature.meaning, given.join(", "));
        }
    }
    text
}

const HEAD: &str = "# Features

What each source gives, as told by a made-up record that fills every column the source has: `lapwing features --markdown`
writes this page, and a test keeps it true. Where nothing is given, the value is missing, never 0.
";
/// What captures and live traffic are called as a source.
const CAPTURE: &str = "capture";
/// So often the sample comes: enough for what needs a past.
const REPEATS: u32 = 40;
