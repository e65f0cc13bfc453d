//! The program as a user meets it: any input, its output and its exit status.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

/// A folder of its own for each test, below the one that Cargo gives to tests.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).expect("the tests' folder can be written");
    folder
}

fn lapwing(arguments: &[&str]) -> Output {
    lapwing_on_threads("2", arguments)
}

fn lapwing_on_threads(threads: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    // Not the detector that is active on this machine.
    command.env("LAPWING_STATE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-state"));
    command.env("RAYON_NUM_THREADS", threads).args(arguments).output().expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A quarter of an hour in a small office with these attacks.
fn capture(folder: &Path, attacks: &str) -> String {
    let path = folder.join("office.pcap").display().to_string();
    let made = lapwing(&["simulate", "-o", &path, "--hosts", "16", "--hours", "0.25", "--attacks", attacks]);
    assert!(made.status.success(), "{}", stderr(&made));
    path
}

#[test]
fn what_was_planted_is_written_beside_the_capture() {
    let folder = folder("planted");
    let [capture, labels] = ["office.pcap", "planted.csv"].map(|name| folder.join(name).display().to_string());
    let attacks = ["--hosts", "16", "--hours", "0.1", "--attacks", "campaign", "--snap", "96"];
    let made = lapwing(&[&["simulate", "-o", &capture, "--labels", &labels], &attacks[..]].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let labels = fs::read_to_string(labels).expect("the labels are there");
    assert_eq!(labels.lines().filter(|line| line.starts_with("campaign,")).count(), 6);
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_the_file() {
    let folder = folder("unreadable");
    let pcap_header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let inputs: [(&str, &[u8]); 6] = [
        ("empty.pcap", &[]),
        ("text.pcap", b"this is a shopping list\n"),
        ("noise.bin", &noise),
        ("cut-magic.pcap", &[0xd4, 0xc3]),
        ("no-packets.pcap", &pcap_header),
        ("bad.pcap.gz", &[0x1f, 0x8b, 8, 0, 1, 2, 3]),
    ];
    for (name, bytes) in inputs {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("the tests' folder can be written");
        for verb in ["scan", "flows"] {
            let output = lapwing(&[verb, &path.display().to_string()]);
            assert_eq!(output.status.code(), Some(1), "{verb} {name}: {}", stderr(&output));
            assert!(stderr(&output).contains(name) || name == "no-packets.pcap", "{verb} {name}: {}", stderr(&output));
            assert!(!stderr(&output).contains("panicked"), "{verb} {name}: {}", stderr(&output));
        }
    }
}

#[test]
fn an_empty_folder_and_a_missing_file_say_what_to_do() {
    let folder = folder("empty-folder");
    let output = lapwing(&["scan", &folder.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("without files"), "{}", stderr(&output));
    let output = lapwing(&["scan", &folder.join("missing.pcap").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("check the path"), "{}", stderr(&output));
}

#[test]
fn a_capture_cut_in_the_middle_is_read_up_to_there() {
    let folder = folder("cut");
    let whole = fs::read(capture(&folder, "syn-scan")).expect("the capture was written");
    let cut = folder.join("cut.pcap");
    fs::write(&cut, &whole[..whole.len() - 7]).expect("the tests' folder can be written");
    let output = lapwing(&["scan", "--json", &cut.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("cut.pcap is damaged after packet"), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("port-scan"));
}

#[test]
fn alerts_are_one_json_object_a_line_as_the_schema_says() {
    let folder = folder("schema");
    let path = capture(&folder, "syn-scan,icmp-sweep,arp-scan,spoofed-syn-flood,udp-flood,ntp-reflection,ssh-guessing");
    let output = lapwing(&["scan", "--json", "--threshold", "contamination=0.01", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alert.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("the schema is there")).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let text = String::from_utf8(output.stdout).expect("alerts are text");
    let alerts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert!(alerts.len() >= 7, "{text}");
    for alert in &alerts {
        let errors: Vec<String> = validator.iter_errors(alert).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {alert}");
    }
    let mut broken = alerts[0].clone();
    broken["severity"] = "urgent".into();
    assert!(!validator.is_valid(&broken), "the schema must refuse something");
}

#[test]
fn a_larger_contamination_lets_more_flows_be_unusual() {
    let folder = folder("contamination");
    let path = capture(&folder, "none");
    let unusual = |rule: &str| -> u64 {
        let output = lapwing(&["scan", &path, "--baseline", &path, "--json", "--threshold", rule]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).expect("alerts are text");
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        alerts.filter(|alert| alert["behaviour"] == "anomaly").filter_map(|alert| alert["flows"].as_u64()).sum()
    };
    let [few, many] = ["contamination=0.001", "contamination=0.05"].map(unusual);
    assert!(few < many, "{few} and {many}");
}

#[test]
fn a_budget_says_what_baseline_it_needs() {
    let folder = folder("budget");
    let path = capture(&folder, "none");
    let alone = lapwing(&["scan", &path, "--budget", "20/day"]);
    assert!(!alone.status.success() && stderr(&alone).contains("--baseline"), "{}", stderr(&alone));
    let short = lapwing(&["scan", &path, "--budget", "20/day", "--baseline", &path]);
    assert!(!short.status.success() && stderr(&short).contains("7 days"), "{}", stderr(&short));
}

#[test]
fn a_detector_taught_by_flows_recognises_what_it_was_taught_and_is_named_where_it_is_the_active_one() {
    let folder = folder("recognised");
    let path = capture(&folder, "ssh-guessing,syn-scan");
    let file = |name: &str| folder.join(name).display().to_string();
    let (table, detector, state) = (file("flows.csv"), file("flows.lapwing"), file("state"));
    let _ = fs::remove_dir_all(&state);
    assert!(lapwing(&["flows", &path, "-o", &table]).status.success());
    let label = |(row, line): (usize, &str)| match line.split(',').nth(2) {
        _ if row == 0 => format!("{line},label\n"),
        Some("203.0.113.7") => format!("{line},scan\n"),
        Some(originator) if originator.starts_with("203.0.113.") => format!("{line},guessing\n"),
        _ => format!("{line},benign\n"),
    };
    let text = fs::read_to_string(&table).expect("the table was written");
    fs::write(&table, text.lines().enumerate().map(label).collect::<String>()).expect("the folder can be written");
    let train = ["train", &table, "-m", "random-forest", "--set", "trees=20", "--classes", "kinds", "--drop", "ended"];
    let trained = lapwing(&[&train[..], &["-o", &detector]].concat());
    assert!(trained.status.success(), "{}", stderr(&trained));
    let named = lapwing(&["scan", &path, "--json", "--detector", &detector]);
    assert!(named.status.success(), "{}", stderr(&named));
    let alerts = String::from_utf8(named.stdout).expect("alerts are text");
    let alerts: Vec<Value> = alerts.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let recognised = |address: &str, attack: &str| {
        let of = alerts.iter().find(|of| of["behaviour"] == "recognised" && of["hosts"][0]["address"] == address);
        of.is_some_and(|of| of["summary"].as_str().is_some_and(|summary| summary.contains(attack)))
    };
    assert!(recognised("203.0.113.7", "scan") && !recognised("203.0.113.7", "guessing"), "{alerts:#?}");
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alert.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("the schema is there")).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    assert!(alerts.iter().all(|alert| validator.is_valid(alert)));
    // Flows of a simulated office are told apart by many a column alone.
    let activated = lapwing(&["activate", &detector, "--state", &state, "--allow", "giveaway"]);
    assert!(activated.status.success(), "{}", stderr(&activated));
    let active = lapwing(&["scan", &path, "--json", "--state", &state]);
    assert!(stderr(&active).contains("the active detector") && stderr(&active).contains("flows.lapwing"));
    let found = |output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout);
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        alerts.filter(|alert| alert["behaviour"] == "recognised").count()
    };
    assert_eq!(found(&active), alerts.iter().filter(|of| of["behaviour"] == "recognised").count());
    let without = lapwing(&["scan", &path, "--json", "--state", &state, "--no-detector"]);
    assert_eq!(found(&without), 0);
}

#[test]
fn a_detector_of_other_tables_cannot_scan_and_says_so() {
    let folder = folder("not-flows");
    let path = capture(&folder, "none");
    let file = |name: &str| folder.join(name).display().to_string();
    let (table, detector, state) = (file("table.csv"), file("table.lapwing"), file("state"));
    let _ = fs::remove_dir_all(&state);
    let row = |row: usize| format!("{},{}\n", row * 7 % 31, if row.is_multiple_of(5) { "scan" } else { "normal" });
    fs::write(&table, "heat,label\n".to_owned() + &(0..100).map(row).collect::<String>()).expect("it can be written");
    assert!(lapwing(&["train", &table, "-m", "majority", "-o", &detector, "--threshold", "0.5"]).status.success());
    let named = lapwing(&["scan", &path, "--detector", &detector]);
    assert!(!named.status.success() && stderr(&named).contains("`heat`"), "{}", stderr(&named));
    assert!(lapwing(&["activate", &detector, "--state", &state]).status.success());
    let active = lapwing(&["scan", &path, "--state", &state]);
    assert!(active.status.success() && stderr(&active).contains("it is not used here"), "{}", stderr(&active));
}

#[test]
fn a_capture_on_stdin_is_read_like_a_file() {
    let folder = folder("stdin");
    let path = capture(&folder, "syn-scan");
    let file = fs::File::open(&path).expect("the capture was written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    let piped = command.args(["scan", "-", "--json"]).stdin(file).output().expect("the program starts");
    assert_eq!(piped.stdout, lapwing(&["scan", &path, "--json"]).stdout);
    assert!(!piped.stdout.is_empty());
}

#[test]
fn flows_carry_their_community_id_where_asked() {
    let path = capture(&folder("community-id"), "syn-scan");
    let ids = |seed: &str| {
        let output = lapwing(&["flows", "--columns", "community-id", "--community-id-seed", seed, &path]);
        let text = String::from_utf8(output.stdout).expect("flows are text");
        assert_eq!(text.lines().next().and_then(|header| header.split(',').nth(5)), Some("community_id"));
        text.lines().skip(1).map(|line| line.split(',').nth(5).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let (plain, seeded) = (ids("0"), ids("1"));
    // ARP has none.
    assert!(plain.iter().all(|id| id.is_empty() || (id.starts_with("1:") && id.len() == 30)), "{plain:?}");
    assert!(plain.iter().any(|id| !id.is_empty()));
    assert_ne!(plain, seeded);
}

#[test]
fn parquet_holds_what_the_csv_says_with_nulls_for_what_is_missing() {
    let folder = folder("parquet");
    let capture = capture(&folder, "syn-scan,arp-scan");
    let [text, table] = ["flows.csv", "flows.parquet"].map(|name| folder.join(name).display().to_string());
    for output in [&text, &table] {
        let written = lapwing(&["flows", &capture, "--columns", "history,server-name", "-o", output]);
        assert!(written.status.success(), "{}", stderr(&written));
    }
    let mut rows = csv::Reader::from_path(&text).expect("the program wrote it");
    let names = rows.headers().expect("a line of names").clone();
    let file = fs::File::open(&table).expect("the program wrote it");
    let reader = SerializedFileReader::new(file).expect("it is Parquet");
    let mut missing = 0;
    let mut read = reader.get_row_iter(None).expect("it has rows");
    for row in rows.records() {
        let (row, there) = (row.expect("a row"), read.next().expect("as many rows").expect("a readable one"));
        for ((cell, name), (column, field)) in row.iter().zip(&names).zip(there.get_column_iter()) {
            assert_eq!(column, name);
            match field {
                Field::Null => missing += usize::from(cell.is_empty()),
                Field::Float(number) => assert_eq!(cell.parse(), Ok(*number), "{name}"),
                Field::Str(text) => assert_eq!(cell, text, "{name}"),
                Field::Long(nanoseconds) => {
                    assert_eq!(flow::Time::from_nanoseconds(*nanoseconds).to_string(), cell, "{name}");
                }
                other => panic!("{name} is {other:?}"),
            }
            assert_eq!(cell.is_empty(), matches!(field, Field::Null), "{name}");
        }
    }
    assert!(read.next().is_none() && missing > 0);
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = folder("threads");
    let path = capture(&folder, "syn-scan,http-flood");
    for arguments in
        [vec!["scan", "--json", "--threshold", "contamination=0.01", &path], vec!["flows", &path], vec!["scan", &path]]
    {
        let [one, two] = ["1", "2"].map(|threads| lapwing_on_threads(threads, &arguments));
        assert!(one.status.success(), "{}", stderr(&one));
        assert_eq!(one.stdout, two.stdout, "{arguments:?}");
    }
}

#[test]
fn a_detector_is_trained_saved_evaluated_and_scores() {
    let folder = folder("detector");
    let file = |name: &str| folder.join(name).display().to_string();
    let mut table = String::from("duration,protocol,bytes,label\n");
    for row in 0..600 {
        let (bytes, label) = if row % 5 == 0 { (9000 + row, "exfiltration") } else { (100 + row % 90, "normal") };
        table.push_str(&format!("{}.5,{},{bytes},{label}\n", row % 7, if row % 3 == 0 { "udp" } else { "tcp" }));
    }
    fs::write(file("table.csv"), &table).expect("the tests' folder can be written");
    let trained = [1, 2].map(|threads| {
        let detector = file(&format!("{threads}.lapwing"));
        let method = ["--method", "random-forest", "--label", "label", "--allow", "giveaway"];
        let table = file("table.csv");
        let arguments = [&["train", &table, "-o", &detector], &method[..]].concat();
        let output = lapwing_on_threads(&threads.to_string(), &arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read(&detector).expect("the detector was saved")
    });
    assert!(trained[0] == trained[1], "one thread and two give different detectors");

    let output = lapwing(&["evaluate", &file("1.lapwing"), &file("table.csv"), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice::<Value>(&output.stdout).expect("figures are JSON");

    let output = lapwing(&["score", &file("1.lapwing"), &file("table.csv"), "-o", &file("scored.csv")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let scored = fs::read_to_string(file("scored.csv")).expect("the scores were written");
    assert_eq!(scored.lines().count(), 601);
    let output = lapwing(&["score", &file("1.lapwing"), &file("table.csv"), "--scores-only"]);
    let alone = String::from_utf8(output.stdout).expect("scores are text");
    assert!(alone.starts_with("row,score,alarm\n1,") && alone.lines().count() == 601, "{alone}");
    let behind = |line: &str| line.splitn(5, ',').nth(4).map(str::to_owned);
    assert_eq!(
        scored.lines().nth(7).and_then(behind),
        alone.lines().nth(7).and_then(|line| line.split_once(',')).map(|line| line.1.to_owned())
    );

    fs::write(file("other.csv"), "duration,bytes\n1,2\n").expect("the tests' folder can be written");
    let output = lapwing(&["score", &file("1.lapwing"), &file("other.csv"), "-o", &file("no.csv")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("protocol"), "the missing column is named: {}", stderr(&output));

    let mut broken = trained[0].clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    fs::write(file("broken.lapwing"), broken).expect("the tests' folder can be written");
    let output = lapwing(&["score", &file("broken.lapwing"), &file("table.csv"), "-o", &file("no.csv")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("broken.lapwing"), "{}", stderr(&output));
}

#[test]
fn every_verb_has_help_with_what_it_is_for() {
    let learning = ["train", "evaluate", "compare", "audit", "profile", "tune", "describe", "score"];
    let others = ["scan", "flows", "simulate", "features", "demo", "completions"];
    for verb in learning.into_iter().chain(others) {
        let output = lapwing(&[verb, "--help"]);
        assert!(output.status.success(), "{verb}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: lapwing"), "{verb}");
    }
}

#[test]
fn the_features_are_listed_with_unit_and_meaning() {
    let output = lapwing(&["features"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["bytes_per_second", "packets_per_second", "byte_ratio", "failed_share_1m"] {
        assert!(text.contains(name), "{name} is missing from {text}");
    }
}

#[test]
fn flows_are_the_same_bytes_on_any_number_of_threads() {
    let capture = capture(&folder("threads"), "syn-scan");
    let [one, two, many] = ["1", "2", "9"].map(|threads| lapwing(&["flows", "--threads", threads, "-v", &capture]));
    assert!(one.status.success() && one.stdout.len() > 10_000, "{}", stderr(&one));
    assert!(one.stdout == two.stdout && two.stdout == many.stdout);
    assert_eq!((stderr(&one), stderr(&two)), (stderr(&two), stderr(&many)));
}

#[test]
fn an_output_that_cannot_be_written_ends_every_thread() {
    let capture = capture(&folder("full-disk"), "syn-scan");
    let output = lapwing(&["flows", "--threads", "3", &capture, "-o", "/dev/full"]);
    assert!(!output.status.success());
}

#[test]
fn a_mapping_makes_flows_of_any_table() {
    let folder = folder("mapping");
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("sessions.csv"), "when,client,server,up\n1700000000.123456789,192.0.2.1,198.51.100.2,42\n").unwrap();
    let output = lapwing(&["flows", &path("sessions.csv")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("[mapping]"), "{}", stderr(&output));
    let mapping =
        "start = 'when'\noriginator-address = 'client'\nresponder-address = 'server'\noriginator-bytes = 'up'\n";
    fs::write(path("site.toml"), format!("[mapping]\n{mapping}")).unwrap();
    let output = lapwing(&["flows", &path("sessions.csv"), "--config", &path("site.toml")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\n2023-11-14T22:13:20.123456789Z,"), "{text}{}", stderr(&output));
    fs::write(path("site.toml"), "[mapping]\nstrat = 'when'\n").unwrap();
    let output = lapwing(&["flows", &path("sessions.csv"), "--config", &path("site.toml")]);
    assert!(stderr(&output).contains("site.toml") && stderr(&output).contains("strat"), "{}", stderr(&output));
}

#[test]
fn fields_of_flow_logs_without_a_header_can_be_told() {
    let path = folder("vpc-fields").join("flow.log").display().to_string();
    fs::write(&path, "192.0.2.1 198.51.100.2 50000 443 6 7 800 1700000000 1700000060\n").unwrap();
    let site = folder("vpc-fields-site").join("site.toml").display().to_string();
    let fields = "srcaddr dstaddr srcport dstport protocol packets bytes start end";
    fs::write(&site, format!("[vpc]\nfields = '{fields}'\n")).unwrap();
    let output = lapwing(&["flows", &path, "--source", "vpc", "--config", &site]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\n2023-11-14T22:13:20.000000000Z,2023-11-14T22:14:20"), "{text}{}", stderr(&output));
    // With a word that shows what it is, it need not be said.
    let path = folder("vpc-fields").join("more.log").display().to_string();
    fs::write(&path, "192.0.2.1 198.51.100.2 50000 443 6 7 800 1700000000 1700000060 ACCEPT\n").unwrap();
    let output = lapwing(&["flows", &path]);
    assert!(stderr(&output).contains("[vpc]") && stderr(&output).contains("--config"), "{}", stderr(&output));
    fs::write(&site, format!("[vpc]\nfields = '{fields} action'\n")).unwrap();
    let output = lapwing(&["flows", &path, "--config", &site]);
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 2, "{}", stderr(&output));
}

/// A line of Zeek's conn.log.
fn conn_line(number: u8) -> String {
    format!("170000000{number}.0\tC{number}\t192.0.2.{number}\t50000\t198.51.100.1\t443\ttcp\n")
}

#[test]
fn a_followed_log_gives_its_flows_as_they_are_written() {
    let path = folder("follow").join("conn.log");
    let header = "#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n";
    fs::write(&path, format!("{header}{}", conn_line(1))).unwrap();
    // It ends by itself where the flow never comes.
    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["flows", "--follow", "--duration", "3s"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(",192.0.2.1,")), "the first flow did not come");
    let mut log = fs::OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(conn_line(2).as_bytes()).unwrap();
    assert!(lines.any(|line| line.contains(",192.0.2.2,")), "the second flow did not come");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("2 flows"), "{}", stderr(&output));
}

#[test]
fn what_an_exporter_sends_becomes_flows() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["flows", "--listen", "127.0.0.1:0", "--duration", "2s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.split([' ', ';']).nth(2).expect("it says where it listens");
    // NetFlow version 5 with a record of each direction.
    let mut message = vec![0, 5, 0, 2];
    message.extend([1_000_000u32, 1_700_000_000, 0, 0, 0].map(u32::to_be_bytes).concat());
    for (from, to) in
        [(([192, 0, 2, 7], 50_000u16), ([198, 51, 100, 1], 443)), (([198, 51, 100, 1], 443), ([192, 0, 2, 7], 50_000))]
    {
        message.extend([from.0, to.0, [0; 4], [0, 1, 0, 2]].concat());
        message.extend([10u32, 1000, 990_000, 999_000].map(u32::to_be_bytes).concat());
        message.extend([from.1, to.1].map(u16::to_be_bytes).concat());
        message.extend([0, 0x1b, 6, 0, 0, 0, 0, 0, 24, 24, 0, 0]);
    }
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&message, address).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().filter(|line| line.contains(",192.0.2.7,198.51.100.1,")).count(), 1, "{text}");
}

#[test]
fn a_capture_of_export_traffic_says_how_to_read_it() {
    let path = folder("exports").join("exports.pcap").display().to_string();
    let mut payload = vec![0, 5, 0, 1];
    payload.extend([1u32, 1_700_000_000, 0, 0, 0].map(u32::to_be_bytes).concat());
    payload.extend([0; 48]);
    let length = payload.len() as u16;
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    packet.extend((28 + length).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0xc3, 0x50, 8, 7]);
    packet.extend((8 + length).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    let mut capture = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let captured = packet.len() as u32;
    capture.extend([1_700_000_000, 0, captured, captured].map(u32::to_le_bytes).concat());
    capture.extend(packet);
    fs::write(&path, capture).unwrap();
    let output = lapwing(&["flows", &path]);
    assert!(stderr(&output).contains("--source netflow"), "{}", stderr(&output));
    let output = lapwing(&["flows", "--source", "netflow", &path]);
    assert!(!stderr(&output).contains("--source netflow"), "{}", stderr(&output));
}

#[test]
fn an_input_without_flows_says_how_to_learn_why() {
    let path = folder("no-flows").join("files.log").display().to_string();
    fs::write(&path, "#path\tfiles\n#fields\tts\tfuid\n1\tF1\n").unwrap();
    for verb in ["flows", "scan"] {
        let output = lapwing(&[verb, &path]);
        assert!(stderr(&output).contains("no flow in the input; -v says why"), "{verb}: {}", stderr(&output));
        let output = lapwing(&[verb, "-v", &path]);
        assert!(stderr(&output).contains("1 lines of Zeek's files.log"), "{verb}: {}", stderr(&output));
    }
}

#[test]
fn names_of_files_do_not_steer_the_terminal() {
    let path = folder("steering").join("a\u{1b}[2J.pcap").display().to_string();
    fs::write(&path, "nothing\n").unwrap();
    let output = lapwing(&["flows", &path]);
    assert!(stderr(&output).contains("a\\u{1b}[2J.pcap") && !stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
}

#[test]
fn a_readme_beside_captures_is_passed_over_in_one_short_line() {
    let folder = folder("beside");
    let path = capture(&folder, "none");
    fs::write(folder.join("README.md"), "# Captures\n").unwrap();
    fs::write(folder.join("more.log"), "#path\tconn\n").unwrap();
    let output = lapwing(&["flows", &folder.display().to_string(), "-o", "-"]);
    assert!(output.status.success(), "{path}: {}", stderr(&output));
    let line = stderr(&output).lines().find(|line| line.contains("README.md")).map(str::to_owned);
    assert!(line.is_some_and(|line| line.contains("passed over") && line.len() < 300), "{}", stderr(&output));
    assert!(stderr(&output).contains("packets and 1 lines read"), "{}", stderr(&output));
}

#[test]
fn alerts_are_printed_in_every_format_and_as_a_page() {
    let folder = folder("formats");
    let path = capture(&folder, "syn-scan");
    let page = folder.join("report.html").display().to_string();
    for format in ["json", "ecs", "ocsf", "stix", "chat", "cef", "leef"] {
        let output = lapwing(&["scan", &path, "--least", "medium", "--format", format, "--html", &page]);
        assert!(output.status.success(), "{format}: {}", stderr(&output));
        let line = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        match format {
            "cef" => assert!(line.starts_with("CEF:0|Lapwing|"), "{line}"),
            "leef" => assert!(line.starts_with("LEEF:2.0|Lapwing|"), "{line}"),
            _ => assert!(serde_json::from_str::<Value>(&line).is_ok_and(|value| value.is_object()), "{line}"),
        }
    }
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("Port scan") && page.contains("T1046") && page.contains("The anomaly voice"));
}

#[test]
fn sinks_are_listed_and_tested() {
    let folder = folder("sinks");
    let (config, log) = (folder.join("lapwing.toml"), folder.join("alerts.jsonl"));
    let _ = fs::remove_file(&log);
    let file = format!("[[sink]]\nname = 'log'\nkind = 'file'\naddress = '{}'\n", log.display());
    fs::write(&config, &file).unwrap();
    let config_name = config.display().to_string();
    let output = lapwing(&["sinks", "--config", &config_name]);
    assert!(output.status.success() && !log.exists(), "nothing is sent unless asked for");
    let output = lapwing(&["sinks", "--config", &config_name, "--test"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let line: Value = serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
    assert!(line["summary"].as_str().is_some_and(|summary| summary.starts_with("TEST")));

    let closed = std::net::TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap();
    fs::write(&config, format!("{file}[[sink]]\nname = 'gone'\nkind = 'syslog-tcp'\naddress = '{closed}'\n")).unwrap();
    let output = lapwing(&["sinks", "--config", &config_name, "--test"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("ok: ") && shown.contains("FAILED: ") && stderr(&output).contains("1 of 2 sinks"),
        "{shown}"
    );
    fs::write(&config, "").unwrap();
    assert!(stderr(&lapwing(&["sinks", "--config", &config_name])).contains("has no [[sink]]"));
}
