//! Growing files, rotation, folders, and captures that overlap in time.

mod made;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow::{Duration, Flow};
use made::{Order, Packet, file, packets, pcap, pcapng, read};
use source::format::mapping::Mapping;
use source::transport::tail::{Name, Poll, Tail};
use source::{Batch, Follow, Input, Report, Settings, Source};

/// An empty folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("follow").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// What the tail gives until it gives nothing, with `|` where a file is over.
fn poll_all(tail: &mut Tail) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4];
    loop {
        match tail.poll(&mut buffer).unwrap() {
            Poll::Bytes(count) => text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            Poll::Nothing => return text,
            Poll::Over => text.push('|'),
        }
    }
}

#[test]
fn what_is_appended_is_read_as_it_comes() {
    let path = folder("append").join("log");
    let mut tail = Tail::new(&path, Name::Follow);
    assert_eq!(poll_all(&mut tail), "");
    append(&path, b"one two");
    assert_eq!(poll_all(&mut tail), "one two");
    append(&path, b" three");
    assert_eq!(poll_all(&mut tail), " three");
}

#[test]
fn the_rest_of_a_renamed_file_comes_before_the_next_one() {
    let path = folder("rename").join("log");
    append(&path, b"old");
    let mut tail = Tail::new(&path, Name::Follow);
    assert_eq!(poll_all(&mut tail), "old");
    fs::rename(&path, path.with_extension("1")).unwrap();
    append(&path.with_extension("1"), b", rest");
    append(&path, b"new");
    assert_eq!(poll_all(&mut tail), ", rest");
    // Written by somebody who did not notice the renaming yet.
    append(&path.with_extension("1"), b", last");
    assert_eq!(poll_all(&mut tail), ", last");
    assert_eq!(poll_all(&mut tail), "|new");
}

#[test]
fn a_truncated_file_is_read_from_its_start() {
    let path = folder("truncate").join("log");
    append(&path, b"first contents");
    let mut tail = Tail::new(&path, Name::Follow);
    assert_eq!(poll_all(&mut tail), "first contents");
    fs::write(&path, b"second").unwrap();
    assert_eq!(poll_all(&mut tail), "|second");
}

/// An input that is followed by hand.
struct Followed {
    input: Input,
    stop: Arc<AtomicBool>,
    batch: Batch,
}

impl Followed {
    fn new(paths: &[PathBuf]) -> Followed {
        Followed::with(paths, None)
    }

    fn with(paths: &[PathBuf], mapping: Option<Mapping>) -> Followed {
        let stop = Arc::new(AtomicBool::new(false));
        let follow = Follow { stop: Arc::clone(&stop), rest: Duration::ZERO, duration: None };
        let input = Input::follow(paths, Settings { mapping, ..Settings::default() }, follow).unwrap();
        Followed { input, stop, batch: Batch::default() }
    }

    /// Reads until nothing has come any more; the flows and packets so far.
    fn poll(&mut self) -> (usize, u64) {
        // Two looks: the first one after a rotation still waits for the rest of the old file.
        for _ in 0..2 {
            while {
                assert!(self.input.read(&mut self.batch).unwrap());
                !self.input.is_current()
            } {}
        }
        (self.batch.flows.len(), self.input.report().packets)
    }

    fn stop(mut self) -> (Vec<Flow>, Report) {
        self.stop.store(true, Ordering::Relaxed);
        while self.input.read(&mut self.batch).unwrap() {}
        (self.batch.flows, self.input.report())
    }
}

fn expected() -> Vec<Flow> {
    read(&[file("whole.pcap", &pcap(&packets(), Order::Little, true))]).unwrap().0
}

#[test]
fn a_growing_capture_gives_its_packets_as_they_come_whole() {
    for bytes in [pcap(&packets(), Order::Big, true), pcapng(&packets(), Order::Little, 9)] {
        let path = folder("capture").join("growing.pcap");
        fs::write(&path, b"").unwrap();
        let mut followed = Followed::new(std::slice::from_ref(&path));
        let mut before = 0;
        for piece in bytes.chunks(101) {
            append(&path, piece);
            let packets = followed.poll().1;
            assert!(packets >= before && packets <= before + 3, "{packets} after {before}");
            before = packets;
        }
        let (flows, report) = followed.stop();
        assert_eq!((flows, report.packets, report.damage.len()), (expected(), 20, 0));
    }
}

#[test]
fn a_capture_that_is_rotated_goes_on_in_the_next_file() {
    let path = folder("rotated").join("ring.pcap");
    let packets = packets();
    append(&path, &pcap(&packets[..9], Order::Little, true));
    let mut followed = Followed::new(std::slice::from_ref(&path));
    assert_eq!(followed.poll().1, 9);
    fs::rename(&path, path.with_extension("old")).unwrap();
    append(&path, &pcapng(&packets[9..], Order::Big, 9));
    assert_eq!(followed.poll().1, 20);
    assert_eq!(followed.stop().0, expected());
}

#[test]
fn a_followed_log_waits_for_the_end_of_its_last_line() {
    let path = folder("lines").join("conn.log");
    let head = "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n";
    let line = |number: u32| {
        format!("{number}.5\tC{number}\t10.0.0.1\t{number}\t10.0.0.2\t80\ttcp\t1.0\t10\t20\tSF\t4\t200\t3\t180\n")
    };
    append(&path, head.as_bytes());
    let mut followed = Followed::new(std::slice::from_ref(&path));
    let (whole, cut) = (line(1001), line(1002));
    append(&path, whole.as_bytes());
    append(&path, &cut.as_bytes()[..30]);
    followed.poll();
    assert_eq!(followed.input.report().lines, 3);
    append(&path, &cut.as_bytes()[30..]);
    followed.poll();
    assert_eq!(followed.input.report().lines, 4);
    // Truncated in place, as logrotate's copytruncate does it; the next writer's last line has no end yet.
    fs::write(&path, head).unwrap();
    followed.poll();
    append(&path, line(1003).trim_end().as_bytes());
    followed.poll();
    let (flows, report) = followed.stop();
    assert_eq!((flows.len(), report.damage.len(), report.skipped.len()), (3, 0, 0));
}

#[test]
fn a_followed_table_gives_its_rows_as_they_come_whole() {
    let folder = folder("tables");
    let header = "start,source_ip,destination_ip,note\n";
    let csv = |n: u32| format!("170000000{n},192.0.2.{n},198.51.100.1,\"two\nlines\"\n");
    let json = |n: u32| {
        format!("{{\"start\":170000000{n},\"source_ip\":\"192.0.2.{n}\",\"destination_ip\":\"198.51.100.1\"}}\n")
    };
    let csv: Vec<String> = (1..7).map(csv).collect();
    let json: Vec<String> = (1..7).map(json).collect();
    for (name, text) in [("table.csv", header.to_owned() + &csv.concat()), ("table.json", json.concat())] {
        let path = folder.join(name);
        fs::write(&path, b"").unwrap();
        let mapping = Mapping {
            start: Some("start".to_owned()),
            originator_address: Some("source_ip".to_owned()),
            responder_address: Some("destination_ip".to_owned()),
            ..Mapping::default()
        };
        let mut followed = Followed::with(std::slice::from_ref(&path), Some(mapping));
        let mut before = 0;
        // Every end of a line ends a piece, also that within quotes.
        for piece in text.as_bytes().split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(23)) {
            append(&path, piece);
            let flows = followed.poll().0;
            assert!(flows >= before && flows <= before + 2, "{flows} after {before}");
            before = flows;
        }
        // A row that is none costs itself.
        append(&path, b"oops\n");
        followed.poll();
        let (flows, report) = followed.stop();
        let hosts: Vec<String> = flows.iter().map(|flow| flow.key.originator.address.to_string()).collect();
        assert_eq!(hosts, (1..7).map(|n| format!("192.0.2.{n}")).collect::<Vec<_>>(), "{report:?}");
        assert_eq!((report.lines, report.damage.len(), report.skipped.len()), (7, 0, 1), "{report:?}");
    }
}

#[test]
fn new_files_of_a_followed_folder_are_taken_up() {
    let folder = folder("spool");
    let packets = packets();
    append(&folder.join("b.pcap"), &pcap(&packets[..5], Order::Little, true));
    let mut followed = Followed::new(std::slice::from_ref(&folder));
    assert_eq!(followed.poll().1, 5);
    append(&folder.join(".hidden.pcap"), b"not finished");
    append(&folder.join("a.pcap"), &pcap(&packets[5..12], Order::Little, true));
    assert_eq!(followed.poll().1, 12);
    // A new name is no new file.
    fs::rename(folder.join("b.pcap"), folder.join("c.pcap")).unwrap();
    append(&folder.join("notes"), b"nothing to read here\n");
    append(&folder.join("d.pcap"), &pcap(&packets[12..], Order::Little, true));
    assert_eq!(followed.poll().1, 20);
    let (flows, report) = followed.stop();
    // What is nothing to read is named.
    assert_eq!((flows == expected(), report.damage.len()), (true, 1));
}

#[test]
fn captures_that_overlap_are_one_stream_in_the_order_of_time() {
    let packets = packets();
    let part = |start: usize| packets.iter().skip(start).step_by(3).cloned().collect::<Vec<Packet>>();
    let files = [
        file("part-2.pcap", &pcap(&part(2), Order::Little, true)),
        file("part-0.pcapng", &pcapng(&part(0), Order::Big, 9)),
        file("part-1.pcap", &pcap(&part(1), Order::Big, true)),
    ];
    let (flows, report) = read(&files).unwrap();
    assert_eq!((flows, report.packets, report.notes.len()), (expected(), 20, 0));
}

#[test]
fn packets_of_the_same_time_come_in_the_order_of_the_paths() {
    let (mut one, mut other) = (packets()[..2].to_vec(), packets()[2..4].to_vec());
    one.iter_mut().chain(&mut other).for_each(|packet| packet.0 = 1_000_000_000);
    let [one, other] = [one, other].map(|packets| pcap(&packets, Order::Little, true));
    let [first, second] = [file("tie-1.pcap", &one), file("tie-2.pcap", &other)];
    let flows = |paths: &[PathBuf]| -> Vec<u16> {
        read(paths).unwrap().0.iter().map(|flow| flow.key.originator.port).collect()
    };
    assert_eq!(flows(&[first.clone(), second.clone()]), [5000, 5001]);
    assert_eq!(flows(&[second, first]), [5001, 5000]);
}

#[test]
fn a_folder_is_read_as_the_files_in_it() {
    let folder = folder("rotation");
    for (number, packet) in packets().into_iter().enumerate() {
        append(&folder.join(format!("{:02}.pcap", 99 - number)), &pcap(&[packet], Order::Little, true));
    }
    fs::create_dir(folder.join("inside")).unwrap();
    let (flows, report) = read(&[folder]).unwrap();
    assert_eq!((flows, report.packets), (expected(), 20));
    assert!(matches!(&report.damage[..], [told] if told.contains("a folder inside it is left out")), "{report:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_rotation_is_not_open_all_at_once() {
    let folder = folder("long-rotation");
    let packet = packets().remove(0);
    for number in 0..300u64 {
        let packet = (packet.0 + number * 60_000_000_000, packet.1.clone());
        append(&folder.join(format!("{number:03}.pcap")), &pcap(&[packet], Order::Little, true));
    }
    let is_ours = |entry: fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|path| path.starts_with(&folder));
    let mut input = Input::open(std::slice::from_ref(&folder), Settings::default()).unwrap();
    let (mut batch, mut most) = (Batch::default(), 0);
    while input.read(&mut batch).unwrap() {
        most = most.max(
            fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|entry| is_ours(entry).then_some(())).count(),
        );
    }
    assert_eq!(input.report().packets, 300);
    assert!(most <= 2, "{most} files were open at once");
}
