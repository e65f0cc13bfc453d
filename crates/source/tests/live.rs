//! Live capture, on pairs of virtual interfaces in a network namespace of the tests' own. Where a namespace cannot be
//! made (no Linux, no permission, no `ip` and `unshare`), the tests are shown as ignored.

#[cfg(target_os = "linux")]
mod made;

#[cfg(target_os = "linux")]
mod namespace {
    use std::num::NonZeroUsize;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use flow::features::FeatureSet;
    use flow::features::host::Hosts;
    use flow::{Duration, Ended, Flow};
    use libtest_mimic::{Arguments, Failed, Trial};
    use meter::Link;
    use source::format::packet::Capture;
    use source::transport::filter;
    use source::transport::live::{Live, Settings};
    use source::transport::ring::{self, Ring, Sender, Setup, Share};
    use source::{Batch, Input, Report, Source};

    use crate::made;

    pub(crate) fn main() {
        let arguments = Arguments::from_args();
        let is_inside = std::env::var_os(INSIDE).is_some();
        if !is_inside && let Some(code) = rerun_in_namespace() {
            std::process::exit(code);
        }
        let mut trials = Vec::new();
        let mut add = |name: &str, test: fn() -> Result<(), Failed>| {
            trials.push(Trial::test(name, test).with_ignored_flag(!is_inside));
        };
        add("live_flows_are_those_of_the_file_it_wrote_to_the_last_byte", written_packets_give_the_same_bytes);
        add("two_threads_find_the_same_conversations_as_one", threads_agree);
        add("packets_of_two_interfaces_are_one_conversation", two_interfaces);
        add("a_tag_that_the_kernel_took_out_is_put_back", tags);
        add("flows_of_a_quiet_link_end_without_another_packet", quiet_link);
        add("the_loopback_interface_shows_a_packet_once", loopback);
        add("packets_that_find_the_ring_full_are_counted", drops);
        add("a_filter_takes_what_tcpdump_takes", filters);
        add("a_missing_interface_is_told_with_those_that_there_are", missing_interface);
        add("a_missing_permission_is_told_with_what_to_do", missing_permission);
        add("once_open_it_needs_no_privilege", no_privilege);
        add("an_interface_that_goes_away_is_told_and_ends_the_capture", interface_gone);
        libtest_mimic::run(&arguments, trials).exit();
    }

    /// Runs the tests again as root of a namespace; `None` where there can be none.
    fn rerun_in_namespace() -> Option<i32> {
        let inside = |program: &std::ffi::OsStr, arguments: &mut dyn Iterator<Item = std::ffi::OsString>| {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--net", "--"]).arg(program).args(arguments).env(INSIDE, "1");
            command.status().ok()?.code()
        };
        let can = Command::new("unshare").args(["--map-root-user", "--net", "--", "ip", "link"]).output();
        if !can.is_ok_and(|output| output.status.success()) {
            return None;
        }
        inside(std::env::current_exe().ok()?.as_os_str(), &mut std::env::args_os().skip(1))
    }

    /// A pair of joined interfaces: what is sent through one comes in by the other.
    struct Pair {
        near: String,
        far: String,
    }

    impl Pair {
        fn new() -> Result<Pair, Failed> {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let pair = Pair { near: format!("near{number}"), far: format!("far{number}") };
            // No neighbour discovery between our packets.
            std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
            ip(&["link", "add", &pair.near, "type", "veth", "peer", "name", &pair.far])?;
            for name in [&pair.near, &pair.far] {
                ip(&["link", "set", name, "mtu", "65535", "up"])?;
            }
            Ok(pair)
        }

        fn sender(&self) -> Result<Sender, Failed> {
            Ok(Sender::open(ring::number(&self.near).ok_or("the interface was made")?)?)
        }

        fn settings(&self, packets: usize) -> Settings {
            Settings {
                interfaces: vec![self.far.clone()],
                ring_bytes: 32 << 20,
                packets: Some(packets as u64),
                drop_privileges: false,
                ..Settings::default()
            }
        }
    }

    fn ip(arguments: &[&str]) -> Result<(), Failed> {
        let output = Command::new("ip").args(arguments).output()?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
    }

    fn open(settings: &Settings) -> Result<Live, Failed> {
        Ok(Live::open(settings, Arc::new(AtomicBool::new(false)))?)
    }

    fn read_all(source: &mut impl Source) -> Result<Vec<Flow>, Failed> {
        let mut batch = Batch::default();
        while source.read(&mut batch)? {}
        Ok(batch.flows)
    }

    fn read_file(path: &Path) -> Result<(Vec<Flow>, Report), Failed> {
        let mut input = Input::open(&[path.to_owned()], meter::Settings::default())?;
        Ok((read_all(&mut input)?, input.report()))
    }

    /// Ethernet frames, in the order in which they are sent.
    type Frames = Vec<Vec<u8>>;

    fn frames() -> Frames {
        made::packets().into_iter().map(|(_, frame)| frame).collect()
    }

    fn slices(frames: &[Vec<u8>]) -> Vec<&[u8]> {
        frames.iter().map(Vec::as_slice).collect()
    }

    /// Every feature of every flow, as bytes.
    fn features(flows: &[Flow]) -> Vec<u8> {
        format!("{:?}", FeatureSet::lapwing().table(flows, &mut Hosts::default())).into_bytes()
    }

    /// What of a flow does not hang on time.
    fn timeless(flows: &[Flow]) -> Vec<String> {
        let line = |flow: &Flow| {
            format!("{:?} {:?} {:?} {:?} {:?}", flow.key, flow.packets(), flow.bytes(), flow.state, flow.vlan)
        };
        let mut lines: Vec<String> = flows.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
    }

    /// The Ethernet frames of public captures; those made by hand where there are none.
    fn replayed() -> Result<Vec<(String, Frames)>, Failed> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let shared = std::env::var_os("LAPWING_SHARED").map_or_else(beside, PathBuf::from).join("data/pcaps");
        let mut captures = vec![("made".to_owned(), frames())];
        let mut paths: Vec<PathBuf> =
            shared.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| path.to_string_lossy().contains(".pcap")) {
            let mut capture = Capture::new(source::transport::file::open(&path)?.bytes)?;
            let mut frames = Vec::new();
            while let Ok(Some(record)) = capture.next_record() {
                // What can be sent: a whole header, and no more than an interface takes.
                if record.link == Ok(Link::Ethernet) && (60..65_000).contains(&record.bytes.len()) {
                    frames.push(record.bytes.to_vec());
                }
            }
            if !frames.is_empty() {
                captures.push((path.display().to_string(), frames));
            }
        }
        Ok(captures)
    }

    fn written_packets_give_the_same_bytes() -> Result<(), Failed> {
        for (number, (name, frames)) in replayed()?.into_iter().enumerate() {
            let pair = Pair::new()?;
            let path = folder().join(format!("written-{number}.pcapng"));
            let mut live = open(&Settings { write: Some(path.clone()), ..pair.settings(frames.len()) })?;
            let sender = pair.sender()?;
            let feed = std::thread::spawn(move || sender.send(&slices(&frames)));
            let flows = read_all(&mut live)?;
            feed.join().map_err(|_| "the sender panicked")??;
            let (expected, report) = read_file(&path)?;
            std::fs::remove_file(&path)?;
            if flows != expected || features(&flows) != features(&expected) {
                return Err(format!("{name}: {} flows live, {} from the file", flows.len(), expected.len()).into());
            }
            assert!(!flows.is_empty(), "{name}");
            assert_eq!(live.report(), report, "{name}");
            ip(&["link", "delete", &pair.near])?;
        }
        Ok(())
    }

    fn threads_agree() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let frames = frames();
        let mut one = open(&pair.settings(frames.len()))?;
        let mut two = open(&Settings { threads: NonZeroUsize::new(2).ok_or("two")?, ..pair.settings(frames.len()) })?;
        pair.sender()?.send(&slices(&frames))?;
        let [one, two] = [read_all(&mut one)?, read_all(&mut two)?];
        assert_eq!(one.len(), 10);
        assert_eq!(timeless(&two), timeless(&one));
        Ok(())
    }

    fn two_interfaces() -> Result<(), Failed> {
        let (one, other) = (Pair::new()?, Pair::new()?);
        let frames = frames();
        let interfaces = vec![one.far.clone(), other.far.clone()];
        let path = folder().join("two-interfaces.pcapng");
        let settings = Settings { interfaces, write: Some(path.clone()), ..one.settings(frames.len()) };
        let mut live = open(&settings)?;
        let senders = [one.sender()?, other.sender()?];
        // Questions come in by one, answers by the other, as a tap gives them.
        for (number, frame) in frames.iter().enumerate() {
            senders[number % 2].send(&[frame])?;
        }
        let flows = read_all(&mut live)?;
        assert_eq!(flows.len(), 10);
        assert!(flows.iter().all(|flow| flow.packets() == Some(2) && flow.start < flow.end));
        assert_eq!(read_file(&path)?.0, flows);
        Ok(())
    }

    fn tags() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let mut frame = frames()[0].clone();
        frame.splice(12..12, [0x81, 0x00, 0x20, 0x2a]);
        frame.resize(64, 0);
        let path = folder().join("tagged.pcapng");
        let mut live = open(&Settings { write: Some(path.clone()), ..pair.settings(1) })?;
        pair.sender()?.send(&[&frame])?;
        let flows = read_all(&mut live)?;
        assert_eq!(flows.iter().map(|flow| flow.vlan).collect::<Vec<_>>(), [Some(42)]);
        let bytes = std::fs::read(path)?;
        let mut capture = Capture::new(&bytes[..])?;
        let record = capture.next_record()?.ok_or("the packet was written")?;
        assert_eq!((record.bytes, record.wire_bytes), (&frame[..], 64));
        Ok(())
    }

    fn quiet_link() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let idle = Duration::from_millis(50);
        let meter = meter::Settings { idle, ..meter::Settings::default() };
        let mut live = open(&Settings { meter, packets: None, ..pair.settings(0) })?;
        pair.sender()?.send(&slices(&frames()[..2]))?;
        let mut batch = Batch::default();
        while batch.flows.is_empty() {
            live.read(&mut batch)?;
        }
        assert_eq!((batch.flows.len(), batch.flows[0].ended), (1, Ended::Idle));
        Ok(())
    }

    fn loopback() -> Result<(), Failed> {
        ip(&["link", "set", "lo", "up"])?;
        let settings = Settings {
            interfaces: vec!["lo".to_owned()],
            packets: Some(2),
            filter: Some(filter::compile("udp", 2048)?),
            drop_privileges: false,
            ..Settings::default()
        };
        let mut live = open(&settings)?;
        let [one, other] = ["127.0.0.1:0", "127.0.0.1:0"].map(std::net::UdpSocket::bind);
        let (one, other) = (one?, other?);
        one.send_to(&[1; 10], other.local_addr()?)?;
        one.send_to(&[2; 20], other.local_addr()?)?;
        let flows = read_all(&mut live)?;
        assert_eq!(flows.iter().map(|flow| flow.originator.payload_bytes).collect::<Vec<_>>(), [Some(30)]);
        // The kernel counts each of them twice.
        let packets = live.statistics().map(|(_, statistics)| statistics.packets - statistics.repeated);
        assert_eq!(packets.collect::<Vec<_>>(), [2]);
        Ok(())
    }

    fn setup(filter: Vec<filter::Instruction>) -> Setup {
        Setup { bytes: 2 << 20, patience_milliseconds: 20, promiscuous: true, filter, share: Share::All }
    }

    fn drops() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let number = ring::number(&pair.far).ok_or("the interface was made")?;
        let mut ring = Ring::open(number, &setup(filter::compile("ip", 65_535)?))?;
        let mut frame = frames()[0].clone();
        frame.resize(1514, 0);
        pair.sender()?.send(&vec![&frame[..]; 4000])?;
        let statistics = ring.statistics()?;
        let mut taken = 0;
        while taken < statistics.packets - statistics.dropped {
            if ring.advance() {
                taken += 1;
            } else {
                ring::wait(std::iter::once(&ring), 100)?;
            }
        }
        // How many fit depends on when the kernel closes a block: a block closed in haste is not full.
        assert_eq!(statistics.packets, 4000);
        assert!((1..4000).contains(&statistics.dropped), "{statistics:?}");
        assert!(!ring.advance(), "more packets than the kernel told of");
        Ok(())
    }

    fn filters() -> Result<(), Failed> {
        let tcpdump = |arguments: &[&str]| Command::new("tcpdump").args(arguments).output();
        if tcpdump(&["--version"]).is_err() {
            eprintln!("tcpdump is missing: nothing was compared");
            return Ok(());
        }
        let pair = Pair::new()?;
        let number = ring::number(&pair.far).ok_or("the interface was made")?;
        let sender = pair.sender()?;
        // The ring that was opened first is served last: what it has seen, the others have seen, too.
        let all = Ring::open(number, &setup(vec![filter::Instruction::accept(64)]))?;
        let mut rings = Vec::new();
        for expression in FILTERS {
            let output = tcpdump(&["-ddd", "-y", "EN10MB", expression])?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let theirs = filter::read(std::str::from_utf8(&output.stdout)?, 64)?;
            let open = |program| Ring::open(number, &setup(program));
            rings.push((expression, open(filter::compile(expression, 64)?)?, open(theirs)?));
        }
        for (name, frames) in replayed()? {
            sender.send(&slices(&frames))?;
            let mut seen = 0;
            while seen < frames.len() as u64 {
                ring::wait(std::iter::once(&all), 1)?;
                seen += all.statistics()?.packets;
            }
            for (expression, ours, theirs) in &rings {
                let [ours, theirs] = [ours.statistics()?.packets, theirs.statistics()?.packets];
                assert_eq!(ours, theirs, "{expression} of {} packets of {name}", frames.len());
            }
        }
        Ok(())
    }

    fn missing_interface() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let settings = Settings { interfaces: vec!["nosuch0".to_owned()], ..pair.settings(1) };
        let Err(error) = Live::open(&settings, Arc::default()) else { return Err("it was opened".into()) };
        let message = error.to_string();
        assert!(message.contains("nosuch0") && message.contains(&pair.far), "{message}");
        Ok(())
    }

    fn missing_permission() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let settings = pair.settings(1);
        // Capabilities belong to threads.
        let outcome = std::thread::spawn(move || {
            caps::clear(None, caps::CapSet::Effective).map_err(|error| error.to_string())?;
            Live::open(&settings, Arc::default()).map(drop).map_err(|error| error.to_string())
        });
        let Err(message) = outcome.join().map_err(|_| "it panicked")? else { return Err("it was opened".into()) };
        assert!(message.contains("setcap cap_net_raw"), "{message}");
        Ok(())
    }

    fn no_privilege() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let settings = Settings { drop_privileges: true, ..pair.settings(20) };
        let sender = pair.sender()?;
        let outcome = std::thread::spawn(move || {
            let mut live = Live::open(&settings, Arc::default()).map_err(|error| error.to_string())?;
            sender.send(&slices(&frames())).map_err(|error| error.to_string())?;
            let flows = read_all(&mut live).map_err(|error| format!("{error:?}"))?.len();
            let status = std::fs::read_to_string("/proc/thread-self/status").map_err(|error| error.to_string())?;
            Ok::<_, String>((flows, status))
        });
        let (flows, status) = outcome.join().map_err(|_| "it panicked")??;
        assert_eq!(flows, 10);
        for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(status.contains(line), "{line} in {status}");
        }
        Ok(())
    }

    fn interface_gone() -> Result<(), Failed> {
        let pair = Pair::new()?;
        let mut live = open(&Settings { packets: None, ..pair.settings(0) })?;
        pair.sender()?.send(&slices(&frames()))?;
        ip(&["link", "delete", &pair.near])?;
        let flows = read_all(&mut live)?;
        assert_eq!(flows.len(), 10);
        let damage = live.report().damage;
        assert!(damage.iter().any(|damage| damage.contains(&pair.far) && damage.contains("gone")), "{damage:?}");
        Ok(())
    }

    /// Says that the tests run in the namespace.
    const INSIDE: &str = "LAPWING_INSIDE_NAMESPACE";
    const FILTERS: &[&str] = &[
        "tcp",
        "udp or icmp",
        "not tcp",
        "arp",
        "ip6",
        "icmp6",
        "tcp port 80 or udp port 53",
        "not port 443",
        "src port 443",
        "dst portrange 1-1024",
        "host 192.168.1.1",
        "not (src host 192.168.1.1 or port 443)",
        "net 192.168.0.0/16 and not tcp",
        "src net 10.0.0.0/8",
        "dst net 192.168.1.0/25 or arp",
        "tcp and port 80 or udp",
        "arp host 192.168.1.1",
        "ip6 net fe80::/10",
        "ip6 host ff02::fb",
        "ip proto 1",
        "proto 17",
        "! ip && ! ip6",
        "tcp portrange 1024-65535 and not host 10.0.0.1",
        "net 0.0.0.0/0",
    ];
}

#[cfg(target_os = "linux")]
fn main() {
    namespace::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    let trial = libtest_mimic::Trial::test("live_capture_is_of_linux", || Ok(())).with_ignored_flag(true);
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), vec![trial]).exit();
}
