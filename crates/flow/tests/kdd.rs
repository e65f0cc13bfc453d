//! The rules that the windows of KDD's columns obey: on every row of KDDTrain+ and KDDTest+, with the few that do not, and
//! on ours. The tables are in `data/nsl-kdd` of the folder that LAPWING_SHARED names, else of `shared` beside the
//! workspace; where they are absent the tests are shown as ignored.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flow::features::host::Hosts;
use flow::features::{FeatureSet, Set};
use flow::{Duration, Endpoint, Flow, Key, Protocol, State, Time, Values};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::{any, prop};
use proptest::test_runner::{Config, TestRunner};

fn main() {
    let arguments = Arguments::from_args();
    let folder = shared().join("data/nsl-kdd");
    let mut trials = vec![
        Trial::test("the_set_has_the_41_names_in_their_order", names),
        Trial::test("our_rows_obey_every_rule_and_the_definitions", ours),
        Trial::test("ties_are_rounded_to_the_even_digit", rounding),
    ];
    for (file, rows, exceptions) in [("KDDTrain+.txt.gz", 125_973, TRAIN), ("KDDTest+.txt.gz", 22_544, TEST)] {
        let path = folder.join(file);
        let is_missing = !path.is_file();
        let check = move || table(&path, rows, exceptions);
        trials.push(Trial::test(format!("every_row_of_{file}_obeys_the_rules"), check).with_ignored_flag(is_missing));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// What the rules speak of: the flag, and columns 23 to 41.
struct Row {
    flag: String,
    numbers: [f64; 19],
}

/// Host and service, their errors of both kinds, and shares, either of the last 2 s or of the last 255.
struct Side {
    host: f64,
    service: f64,
    /// SYN errors and rejections among the host's, the same among the service's.
    errors: [[f64; 2]; 2],
    same_service: f64,
    other_services: f64,
    other_hosts: f64,
    most: f64,
}

/// A rule, and whether a row obeys it.
type Rule = (&'static str, fn(&Row) -> bool);

/// The rows that break a rule: their counts are 0, as if the connection had not counted itself.
const TRAIN: &[(&str, usize)] = &[(COUNTS, 16), (SEVERAL, 16)];
const TEST: &[(&str, usize)] = &[(COUNTS, 2), (SEVERAL, 2)];

const COUNTS: &str = "counts are at least 1, and at most 511 of 2 s and 255 of the last";
const SEVERAL: &str = "where not all go to one service, the distinct services show";
const ONE_HOST: &str = "where the service has one host, its share is its count over the host's";

const RULES: &[Rule] = &[
    (COUNTS, |row| {
        row.sides().iter().all(|side| [side.host, side.service].iter().all(|count| (1.0..=side.most).contains(count)))
    }),
    ("the host's and the service's connections together are at most 511, and 255", |row| {
        row.sides().iter().all(|side| {
            let both = ((side.same_service + HALF) * side.host).floor().min(side.host);
            side.host + side.service - both <= side.most
        })
    }),
    ("the connection counts among the errors of its kind and of no other", |row| {
        let own = [row.is_syn_error(), row.is_rejection()];
        row.sides().iter().all(|side| {
            [side.host, side.service].iter().zip(side.errors).all(|(&count, rates)| {
                rates.iter().zip(own).all(|(&rate, own)| {
                    let (least, most) = if own { (1.0, count) } else { (0.0, count - 1.0) };
                    count == 0.0 || is_rate(rate, count, least, most)
                })
            })
        })
    }),
    ("no connection is an error of both kinds", |row| {
        row.sides().iter().all(|side| side.errors.iter().all(|[syn, rejected]| syn + rejected <= 1.0 + 2.0 * HALF))
    }),
    ("the share of the same service counts the connection", |row| {
        let is_sound = |side: &Side| is_rate(side.same_service, side.host, 1.0, side.host.min(side.service));
        row.sides().iter().all(|side| side.host == 0.0 || is_sound(side))
    }),
    ("the other services are whole and distinct", |row| {
        row.sides().iter().all(|side| is_distinct(side.other_services, side.host, side.least_both()))
    }),
    (SEVERAL, |row| {
        // Two of more than 400 are 0.00 of them.
        row.sides().iter().all(|s| s.same_service == 1.0 || s.other_services > 0.0 || s.host > 400.0)
    }),
    ("the other hosts are whole and distinct", |row| {
        row.sides().iter().all(|side| is_distinct(side.other_hosts, side.service, side.least_both()))
    }),
    (ONE_HOST, |row| {
        let [recent, _] = row.sides();
        let share = recent.service / recent.host.max(1.0);
        // Two of more than 400 are 0.00 of them.
        recent.other_hosts > 0.0 || recent.service > 400.0 || is_near(recent.same_service, share)
    }),
    ("a window full of one host has no other", |row| {
        let [_, last] = row.sides();
        last.host < 255.0 || (last.other_hosts == 0.0 && is_near(last.same_service, last.service / 255.0))
    }),
    ("the share of the same port counts the connection", |row| {
        let [_, last] = row.sides();
        last.host == 0.0 || is_rate(row.numbers[13], last.host, 1.0, last.host)
    }),
    ("rates have two decimals", |row| {
        let rates = (2..9).chain(11..19).map(|at| row.numbers[at] * 100.0);
        rates.into_iter().all(|percent| (percent - percent.round()).abs() < 1e-4)
    }),
];

impl Row {
    fn sides(&self) -> [Side; 2] {
        let n = &self.numbers;
        [
            Side {
                host: n[0],
                service: n[1],
                errors: [[n[2], n[4]], [n[3], n[5]]],
                same_service: n[6],
                other_services: n[7],
                other_hosts: n[8],
                most: 511.0,
            },
            Side {
                host: n[9],
                service: n[10],
                errors: [[n[15], n[17]], [n[16], n[18]]],
                same_service: n[11],
                other_services: n[12],
                other_hosts: n[14],
                most: 255.0,
            },
        ]
    }

    fn is_syn_error(&self) -> bool {
        ["S0", "S1", "S2", "S3", "SH"].contains(&self.flag.as_str())
    }

    fn is_rejection(&self) -> bool {
        ["REJ", "RSTO", "RSTR", "RSTOS0"].contains(&self.flag.as_str())
    }
}

impl Side {
    /// The fewest connections to the host and the service that make this share.
    fn least_both(&self) -> f64 {
        ((self.same_service - HALF) * self.host).ceil().max(1.0)
    }
}

/// Whether the rate, of two decimals, is that of a whole number from `least` to `most` over `count`.
fn is_rate(rate: f64, count: f64, least: f64, most: f64) -> bool {
    ((rate - HALF) * count).ceil().max(least) <= ((rate + HALF) * count).floor().min(most)
}

/// Whether the rate is 0 or that of two and more over `count`, of which `both` are one.
fn is_distinct(rate: f64, count: f64, both: f64) -> bool {
    rate == 0.0 || is_rate(rate, count, 2.0, count - both + 1.0)
}

fn is_near(rate: f64, exact: f64) -> bool {
    (rate - exact).abs() <= HALF
}

/// Half of the last decimal, and what a single-precision number lacks.
const HALF: f64 = 0.005_001;

/// The rules that rows break, with how many.
fn broken(rows: &[Row]) -> Vec<(&'static str, usize)> {
    let count = |(sentence, holds): &Rule| (*sentence, rows.iter().filter(|row| !holds(row)).count());
    RULES.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

fn table(path: &Path, count: usize, exceptions: &[(&str, usize)]) -> Result<(), Failed> {
    let mut rows = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(std::fs::File::open(path)?)).lines() {
        let line = line?;
        let cells: Vec<&str> = line.trim().split(',').collect();
        let mut numbers = [0.0; 19];
        for (number, cell) in numbers.iter_mut().zip(&cells[22..41]) {
            *number = cell.parse()?;
        }
        rows.push(Row { flag: cells[3].to_owned(), numbers });
    }
    let broken = broken(&rows);
    if rows.len() == count && broken == exceptions {
        return Ok(());
    }
    Err(format!("{} rows, {broken:?}", rows.len()).into())
}

fn names() -> Result<(), Failed> {
    let names: Vec<_> = FeatureSet::of(Set::Kdd).features().iter().map(|feature| feature.name).collect();
    let expected = "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot \
        num_failed_logins logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells \
        num_access_files num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate \
        rerror_rate srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count \
        dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate \
        dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate";
    if names == expected.split_whitespace().collect::<Vec<_>>() { Ok(()) } else { Err(format!("{names:?}").into()) }
}

/// Random connections among few hosts and services, sparse in time or a flood, against a plain count by the definitions.
fn ours() -> Result<(), Failed> {
    let connection = (0u8..6, 0usize..6, 0usize..13, 0u64..400, 0u16..4);
    let strategy = (prop::collection::vec(connection, 1..900), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 30, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |(connections, is_flood)| {
        let mut end = Time::from_nanoseconds(0);
        let make = |(host, service, state, wait, port): (u8, usize, usize, u64, u16)| {
            end = end + Duration::from_millis(if is_flood { wait / 100 } else { wait });
            flow(host, [21, 22, 23, 25, 80, 443][service], 1024 + port, State::ALL[state], end)
        };
        let flows: Vec<Flow> = connections.into_iter().map(make).collect();
        let table = FeatureSet::of(Set::Kdd).table(&flows, &mut Hosts::default());
        let rows: Vec<Row> = (0..flows.len()).map(|row| ours_at(&table, row)).collect();
        proptest::prop_assert_eq!(broken(&rows), vec![]);
        for (at, row) in rows.iter().enumerate() {
            let plain = plainly(&flows, at);
            let is_equal = row.numbers.iter().zip(plain).all(|(found, expected)| (found - expected).abs() < 1e-6);
            proptest::prop_assert!(is_equal, "row {at} is {:?}, not {plain:?}", row.numbers);
        }
        Ok(())
    });
    outcome.map_err(|error| error.to_string().into())
}

/// The nineteen numbers of one connection, counted over again from the definitions.
fn plainly(flows: &[Flow], at: usize) -> [f64; 19] {
    let now = &flows[at];
    let recent: Vec<&Flow> = flows[..=at].iter().rev().take(511).collect();
    let recent = recent.into_iter().filter(|flow| now.end.since(flow.end) <= Duration::from_secs(2)).collect();
    let last = flows[..=at].iter().rev().take(255).collect();
    let [recent, last] = [around(now, recent), around(now, last)];
    let mut numbers = [0.0; 19];
    // Of the last 255, the share of the same port stands before that of the other hosts.
    numbers[..8].copy_from_slice(&[&recent[..2], &recent[4..8], &recent[2..4]].concat());
    numbers[8] = recent[9];
    numbers[9..15].copy_from_slice(&[&last[..4], &last[8..10]].concat());
    numbers[15..].copy_from_slice(&last[4..8]);
    numbers
}

/// Host, service, same service, other services, four error rates, same port, other hosts.
fn around(now: &Flow, seen: Vec<&Flow>) -> [f64; 10] {
    let state = |flow: &Flow| match flow.state {
        Some(State::Rstrh) => State::Rstr,
        Some(State::Shr) => State::Sh,
        other => other.unwrap(),
    };
    let share = |flows: &[&Flow], is: &dyn Fn(&Flow) -> bool| {
        let part = flows.iter().filter(|flow| is(flow)).count();
        format!("{:.2}", part as f64 / flows.len() as f64).parse::<f64>().unwrap()
    };
    let distinct = |flows: &[&Flow]| {
        let count = flows.iter().map(|flow| flow.key.responder).collect::<HashSet<_>>().len();
        let rate = format!("{:.2}", count as f64 / flows.len() as f64).parse::<f64>().unwrap();
        if count > 1 { rate } else { 0.0 }
    };
    let is_syn = |flow: &Flow| matches!(state(flow), State::S0 | State::S1 | State::S2 | State::S3 | State::Sh);
    let is_refused = |flow: &Flow| matches!(state(flow), State::Rej | State::Rsto | State::Rstr | State::Rstos0);
    let [responder, port] = [now.key.responder, now.key.originator];
    let of_host = |flow: &&Flow| flow.key.responder.address == responder.address;
    let of_service = |flow: &&Flow| flow.key.responder.port == responder.port;
    let host: Vec<&Flow> = seen.iter().copied().filter(of_host).collect();
    let service: Vec<&Flow> = seen.iter().copied().filter(of_service).collect();
    [
        host.len() as f64,
        service.len() as f64,
        share(&host, &|flow| of_service(&flow)),
        distinct(&host),
        share(&host, &is_syn),
        share(&service, &is_syn),
        share(&host, &is_refused),
        share(&service, &is_refused),
        share(&host, &|flow| flow.key.originator.port == port.port),
        distinct(&service),
    ]
}

fn ours_at(table: &flow::Table, row: usize) -> Row {
    let mut numbers = [0.0; 19];
    for (number, column) in numbers.iter_mut().zip(&table.columns()[22..]) {
        let Values::Numbers(values) = &column.values else { panic!("{} is no number", column.name) };
        *number = values[row].into();
    }
    let Values::Categories(flags) = &table.column("flag").unwrap().values else { panic!("the flag is a category") };
    Row { flag: flags.name(row).unwrap().to_owned(), numbers }
}

fn flow(host: u8, service: u16, port: u16, state: State, end: Time) -> Flow {
    let endpoint = |last, port| Endpoint::new(std::net::Ipv4Addr::new(10, 0, 0, last).into(), port);
    let key = Key { originator: endpoint(200, port), responder: endpoint(host, service), protocol: Protocol::Tcp };
    Flow { state: Some(state), ..Flow::between(key, end, end) }
}

/// One failed connection of eight is 0.12 of them, three are 0.38.
fn rounding() -> Result<(), Failed> {
    for (failed, expected) in [(1, 0.12), (3, 0.38), (5, 0.62), (7, 0.88)] {
        let state = |at| if at < failed { State::S0 } else { State::SF };
        let flows: Vec<Flow> = (0..8).map(|at| flow(1, 80, 1024, state(at), Time::from_nanoseconds(at))).collect();
        let rate = ours_at(&FeatureSet::of(Set::Kdd).table(&flows, &mut Hosts::default()), 7).numbers[2];
        if (rate - expected).abs() > 1e-6 {
            return Err(format!("{failed} of 8 is {rate}").into());
        }
    }
    Ok(())
}

fn shared() -> PathBuf {
    std::env::var_os("LAPWING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}
