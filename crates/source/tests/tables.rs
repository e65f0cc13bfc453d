//! Tables that become flows, and tables of features.

mod shared;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flow::{Country, Protocol, State};
use libtest_mimic::{Failed, Trial};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use source::Batch;
use source::format::cic::Generation;
use source::format::mapping::{Mapping, TableFlows};
use source::format::rows::{Builder, Field, Kind, Profile, Rows};

type Own = fn() -> Result<(), Failed>;
type Public = fn(&Path) -> Result<(), Failed>;

fn main() {
    let own: [(&str, Own); 12] = [
        ("the_three_formats_give_the_same_rows", three_formats),
        ("a_parquet_file_is_streamed_row_group_by_row_group", row_groups),
        ("parquet_times_numbers_and_nulls_become_cells", parquet_types),
        ("a_parquet_file_cut_anywhere_is_an_error_or_shorter", parquet_cut),
        ("a_parquet_file_with_any_byte_changed_never_panics", parquet_changed),
        ("objects_within_objects_are_flattened_with_dots", nested),
        ("lines_that_are_no_objects_are_skipped_and_counted", bad_lines),
        ("infinite_numbers_and_nan_are_missing_and_counted", infinite),
        ("labels_of_kdd_99_lose_their_dot", dots),
        ("the_session_table_is_known", sessions),
        ("a_mapping_makes_flows_of_any_table", mapped),
        ("a_table_without_addresses_is_refused_with_advice", no_flows),
    ];
    let public: [(&str, &str, Public); 12] = [
        (
            "the_table_of_web_attacks_is_282_suspicious_flows",
            "aws-vpc-flow/CloudWatch_Traffic_Web_Attack.csv",
            web_attacks,
        ),
        ("argus_commas_89_flows", "netflow/slips-test3-mixed.binetflow", argus_3),
        ("argus_without_source_packets_394_flows", "netflow/slips-test4-malicious.binetflow", argus_4),
        ("argus_tabs_300_rows", "netflow/slips-test5-mixed.binetflow", argus_5),
        ("every_table_of_corrected_cic_ids2017_is_flows", "cic-ids2017-improved", cic_corrected),
        (
            "original_cic_ids2017_with_hidden_addresses_is_no_flows_but_a_table",
            "cic-ids2017-original-webattacks/web_attacks_balanced.csv.gz",
            cic_original,
        ),
        ("unsw_nb15_is_a_table", "unsw-nb15/UNSW_NB15_training-set.csv.gz", |path| table(path, 82_332, 45)),
        ("nsl_kdd_train_is_a_table", "nsl-kdd/KDDTrain+.txt.gz", |path| table(path, 125_973, 43)),
        ("nsl_kdd_twenty_percent_is_a_table", "nsl-kdd/KDDTrain+_20Percent.txt.gz", |path| table(path, 25_192, 43)),
        ("nsl_kdd_test_is_a_table", "nsl-kdd/KDDTest+.txt.gz", |path| table(path, 22_544, 43)),
        (
            "kaggle_intrusions_are_a_table",
            "kaggle-cybersecurity-intrusion/cybersecurity_intrusion_data.csv.gz",
            |path| table(path, 9_537, 11),
        ),
        ("monitor_demo_flows_are_a_table", "seed-monitor-demo-flows/demo_flows.csv.gz", |path| table(path, 5_000, 13)),
    ];
    let own = own.into_iter().map(|(name, check)| Trial::test(name, check));
    let public = public.into_iter().map(|(name, on, check)| shared::trial(name, on, check));
    shared::run(own.chain(public).collect());
}

fn same<T: PartialEq + Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} where {expected:?} is expected").into()) }
}

fn open(bytes: &[u8]) -> Result<Rows, source::Error> {
    Rows::of(bytes.to_vec().into(), "memory".as_ref(), &[])
}

/// The cells of all rows, as text.
fn cells(rows: &mut Rows) -> Result<Vec<Vec<String>>, source::Error> {
    let mut all = Vec::new();
    while let Some(row) = rows.next_row()? {
        all.push(row.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect());
    }
    Ok(all)
}

fn flows(bytes: &[u8], mapping: Option<&Mapping>) -> Result<Batch, Failed> {
    let mut rows = open(bytes)?;
    let mut flows = TableFlows::of(rows.columns(), mapping)?.ok_or("rows that are no flows")?;
    let mut batch = Batch::default();
    while let Some(row) = rows.next_row()? {
        flows.row(row, &mut batch);
    }
    flows.finish(&mut batch);
    Ok(batch)
}

/// A file of `rows` rows: a count, a rate, a name that is missing in every third, a flag.
fn parquet(rows: usize, group: usize, compression: Compression) -> Result<Vec<u8>, Failed> {
    let schema = "message table { required int64 bytes; required double rate; optional binary service (UTF8); required boolean flag; }";
    let properties =
        WriterProperties::builder().set_compression(compression).set_statistics_enabled(EnabledStatistics::None);
    let mut file = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut file, Arc::new(parse_message_type(schema)?), Arc::new(properties.build()))?;
    let all: Vec<usize> = (0..rows).collect();
    for part in all.chunks(group) {
        let mut columns = writer.next_row_group()?;
        let mut column = columns.next_column()?.ok_or("no column")?;
        column.typed::<Int64Type>().write_batch(&part.iter().map(|&row| row as i64).collect::<Vec<_>>(), None, None)?;
        column.close()?;
        let mut column = columns.next_column()?.ok_or("no column")?;
        column.typed::<DoubleType>().write_batch(
            &part.iter().map(|&row| row as f64 / 4.0).collect::<Vec<_>>(),
            None,
            None,
        )?;
        column.close()?;
        let mut column = columns.next_column()?.ok_or("no column")?;
        let names: Vec<ByteArray> = part
            .iter()
            .filter(|row| **row % 3 != 0)
            .map(|row| if row % 2 == 0 { "dns" } else { "http" }.into())
            .collect();
        let levels: Vec<i16> = part.iter().map(|row| i16::from(row % 3 != 0)).collect();
        column.typed::<ByteArrayType>().write_batch(&names, Some(&levels), None)?;
        column.close()?;
        let mut column = columns.next_column()?.ok_or("no column")?;
        column.typed::<BoolType>().write_batch(&part.iter().map(|row| row % 2 == 0).collect::<Vec<_>>(), None, None)?;
        column.close()?;
        columns.close()?;
    }
    writer.close()?;
    Ok(file)
}

fn three_formats() -> Result<(), Failed> {
    let (mut csv, mut json) = (String::from("bytes,rate,service,flag\n"), String::new());
    for row in 0..50usize {
        let (rate, flag) = (row as f64 / 4.0, row % 2 == 0);
        let service = if row % 3 == 0 {
            ""
        } else if row % 2 == 0 {
            "dns"
        } else {
            "http"
        };
        let value = if service.is_empty() { "null".to_owned() } else { format!("\"{service}\"") };
        csv.push_str(&format!("{row},{rate},{service},{flag}\n"));
        json.push_str(&format!("{{\"bytes\":{row},\"rate\":{rate},\"service\":{value},\"flag\":{flag}}}\n"));
    }
    let expected = cells(&mut open(csv.as_bytes())?)?;
    same(&cells(&mut open(json.as_bytes())?)?, &expected)?;
    same(&cells(&mut open(&parquet(50, 50, Compression::UNCOMPRESSED)?)?)?, &expected)
}

fn row_groups() -> Result<(), Failed> {
    let file = parquet(5_000, 1_700, Compression::UNCOMPRESSED)?;
    let mut rows = open(&file)?;
    let all = cells(&mut rows)?;
    same((all.len(), rows.count()), (5_000, 5_000))?;
    same(all.iter().enumerate().all(|(row, cells)| cells[0] == row.to_string()), true)
}

fn parquet_types() -> Result<(), Failed> {
    let schema = "message table { required int64 at (TIMESTAMP_MILLIS); optional group deep { required int32 day (DATE); optional int32 port (UINT_16); } repeated int32 many; }";
    let mut file = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut file, Arc::new(parse_message_type(schema)?), properties)?;
    let mut columns = writer.next_row_group()?;
    let mut column = columns.next_column()?.ok_or("no column")?;
    column.typed::<Int64Type>().write_batch(&[1_700_000_000_500, 0], None, None)?;
    column.close()?;
    let mut column = columns.next_column()?.ok_or("no column")?;
    column.typed::<Int32Type>().write_batch(&[19_675], Some(&[1, 0]), None)?;
    column.close()?;
    let mut column = columns.next_column()?.ok_or("no column")?;
    column.typed::<Int32Type>().write_batch(&[65_535], Some(&[2, 0]), None)?;
    column.close()?;
    let mut column = columns.next_column()?.ok_or("no column")?;
    column.typed::<Int32Type>().write_batch(&[1, 2], Some(&[1, 1, 0]), Some(&[0, 1, 0]))?;
    column.close()?;
    columns.close()?;
    writer.close()?;
    let mut rows = open(&file)?;
    same(rows.columns().join(" "), "at deep.day deep.port".to_owned())?;
    let expected = [["2023-11-14T22:13:20.500Z", "2023-11-14", "65535"], ["1970-01-01T00:00:00Z", "", ""]];
    same(cells(&mut rows)?, expected.map(|row| row.map(str::to_owned).to_vec()).to_vec())
}

fn parquet_cut() -> Result<(), Failed> {
    let file = parquet(40, 20, Compression::UNCOMPRESSED)?;
    for length in 0..file.len() {
        if let Ok(mut rows) = open(&file[..length]) {
            let _ = cells(&mut rows);
        }
    }
    Ok(())
}

fn parquet_changed() -> Result<(), Failed> {
    std::panic::set_hook(Box::new(|_| {}));
    let file = parquet(40, 20, Compression::UNCOMPRESSED)?;
    for place in 4..file.len() - 4 {
        for bits in [0x01, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[place] ^= bits;
            let Ok(mut rows) = open(&changed) else { continue };
            let mut read = 0;
            while let Ok(Some(row)) = rows.next_row() {
                row.for_each(drop);
                read += 1;
                if read > 10_000 {
                    break;
                }
            }
        }
    }
    let _ = std::panic::take_hook();
    Ok(())
}

fn nested() -> Result<(), Failed> {
    let mut rows =
        open(b"{\"a\":{\"b\":1,\"c\":{\"d\":\"x\\ny\"}},\"list\":[1,2]}\n\n{\"a\":{\"b\":2.5},\"late\":1}\n")?;
    same(rows.columns().join(" "), "a.b a.c.d late".to_owned())?;
    same(cells(&mut rows)?, [["1", "x\ny", ""], ["2.5", "", "1"]].map(|row| row.map(str::to_owned).to_vec()).to_vec())
}

fn bad_lines() -> Result<(), Failed> {
    let mut rows = open(b"{\"a\":1}\nnonsense\n{\"a\":\n[1]\n{\"a\":2}\n")?;
    same(cells(&mut rows)?.len(), 2)?;
    same(
        rows.skipped().iter().map(|(reason, count)| (*reason, *count)).collect(),
        vec![("line that is no JSON object", 3)],
    )
}

fn infinite() -> Result<(), Failed> {
    let mut rows = open(b"rate,bytes\nInfinity,1\nNaN,2\n3,4\n,5\n")?;
    let mut builder = Builder::new(vec![Field { name: "rate".into(), kind: Kind::Number }]);
    while rows.read(&mut builder, 10)? {}
    same((builder.rows(), builder.infinite()), (4, 2))
}

fn dots() -> Result<(), Failed> {
    let row = |label: &str| format!("0,tcp,http,SF,491{},{label}\n", ",0".repeat(36));
    let text = row("normal.") + &row("neptune.") + &row("normal.");
    let mut rows = open(text.as_bytes())?;
    same(rows.columns().len(), 42)?;
    let mut builder = Builder::new(vec![Field { name: "label".into(), kind: Kind::Label }]);
    while rows.read(&mut builder, 10)? {}
    same(builder.take().labels.map(|labels| labels.vocabulary), Some(vec!["normal".to_owned(), "neptune".to_owned()]))
}

fn sessions() -> Result<(), Failed> {
    let text = b"session_id,src_ip,dst_ip,protocol,port,bytes_sent,duration,packet_count\ns1,192.0.2.7,198.51.100.9,TCP,443,1200,1.5,9\ns2,192.0.2.7,nowhere,UDP,53,80,,1\n";
    let batch = flows(text, None)?;
    let flow = &batch.flows[0];
    same((flow.key.protocol, flow.key.responder.port, flow.id.as_deref()), (Protocol::Tcp, 443, Some("s1")))?;
    same((flow.originator.bytes, flow.originator.packets, flow.responder.bytes), (Some(1200), Some(9), None))?;
    same(flow.duration().as_millis(), 1500)?;
    same(batch.skipped.into_iter().collect(), vec![("no readable responder address", 1)])?;
    same(batch.notes.keys().any(|note| note.contains("without a time")), true)
}

fn mapped() -> Result<(), Failed> {
    let settings = r#"{"start": "when", "time-format": "%d.%m.%Y %H:%M", "duration": "ms", "duration-unit": "milliseconds",
        "originator-address": "client", "responder-address": "server", "protocol": "what", "responder-payload": "down",
        "state": "state", "label": "truth", "benign": "fine"}"#;
    let mapping: Mapping = serde_json::from_str(settings)?;
    let text = b"when;ms;client;server;what;down;state;truth\n14.11.2023 22:13;250;::ffff:192.0.2.7;198.51.100.9;HTTPS;4000;SF;Fine\n";
    let batch = flows(text, Some(&mapping))?;
    let flow = &batch.flows[0];
    same((flow.start.seconds(), flow.duration().as_millis(), flow.state), (1_699_999_980.0, 250, Some(State::SF)))?;
    same(flow.application.as_deref().map(|application| application.name().to_owned()), Some("https".to_owned()))?;
    same((flow.key.protocol, flow.responder.payload_bytes, flow.originator.bytes), (Protocol::Tcp, Some(4000), None))?;
    same(flow.label.as_ref().map(flow::Label::is_attack), Some(false))
}

fn no_flows() -> Result<(), Failed> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("features.csv");
    std::fs::write(&path, "bytes,\u{1b}[2Jlabel\n5,normal\n6,attack\n")?;
    let message = source::Input::open(&[path], meter::Settings::default()).err().ok_or("it was opened")?.to_string();
    same(message.contains("lapwing train") && message.contains("mapping"), true)?;
    same(message.contains('\u{1b}'), false)
}

fn web_attacks(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((report.lines, batch.flows.len(), report.skipped.len()), (282, 282, 0))?;
    let flow = &batch.flows[0];
    same((flow.originator.country, flow.key.responder.port), (Country::from_code("AE"), 443))?;
    same((flow.originator.bytes, flow.responder.bytes, flow.packets()), (Some(5602), Some(12_990), None))?;
    let is_one = |flow: &flow::Flow| {
        flow.duration().as_secs() == 600
            && flow.key.protocol == Protocol::Tcp
            && flow.label.as_ref().is_some_and(|label| label.is_attack() && label.name() == "waf_rule")
    };
    same(batch.flows.iter().all(is_one), true)
}

fn argus_3(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.skipped.len(), report.lines), (89, 0, 90))?;
    let flow = &batch.flows[0];
    same((flow.state, flow.originator.packets, flow.responder.is_silent()), (Some(State::S0), Some(1), true))?;
    same(batch.flows.iter().all(|flow| flow.packets().is_some()), true)
}

fn argus_4(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.skipped.len(), report.lines), (394, 0, 395))?;
    let asked = batch.flows.iter().filter(|flow| flow.state == Some(State::S0) && flow.key.protocol == Protocol::Tcp);
    same(asked.count(), 218)?;
    // Without the source's packets both sides are unknown, unless one sent no bytes.
    let unknown = |flow: &&flow::Flow| flow.packets().is_none() && flow.bytes().is_some();
    same(batch.flows.iter().filter(unknown).count() > 100, true)
}

fn argus_5(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    // The header and 300 rows: the last one has no end of line, so that counting these ends gives 299.
    same(report.lines, 301)?;
    let expected = vec![("management record of Argus", 1), ("protocol that is not above IP", 1)];
    same(report.skipped.into_iter().collect(), expected)?;
    same(batch.flows.len(), 298)?;
    let attacks = batch.flows.iter().filter(|flow| flow.label.as_ref().is_some_and(flow::Label::is_attack));
    same(attacks.count() > 0, true)
}

fn cic_corrected(folder: &Path) -> Result<(), Failed> {
    let mut all = 0;
    for entry in
        std::fs::read_dir(folder)?.flatten().filter(|entry| entry.path().to_string_lossy().ends_with(".csv.gz"))
    {
        let (batch, report) = shared::read(&entry.path())?;
        same((report.skipped.len(), batch.flows.len() as u64), (0, report.lines))?;
        let is_benign = entry.path().to_string_lossy().contains("BENIGN");
        same(
            batch.flows.iter().all(|flow| flow.label.as_ref().is_some_and(|label| label.is_attack() != is_benign)),
            true,
        )?;
        same(Rows::open(&entry.path(), &[])?.generation(), Some(Generation::Corrected))?;
        all += batch.flows.len();
    }
    same(all, 33_718)
}

fn cic_original(path: &Path) -> Result<(), Failed> {
    let (batch, report) = shared::read(path)?;
    same((batch.flows.len(), report.lines), (0, 7_267))?;
    same(report.skipped.into_iter().collect(), vec![("no readable originator address", 7_267)])?;
    same(Rows::open(path, &[])?.generation(), Some(Generation::Original))?;
    table(path, 7_267, 84)
}

/// A table that is read whole, and is no flows.
fn table(path: &Path, rows: u64, columns: usize) -> Result<(), Failed> {
    let mut read = Rows::open(path, &[])?;
    let mut profile = Profile::default();
    profile.add(&mut read)?;
    same((profile.rows(), read.skipped().len(), read.columns().len()), (rows, 0, columns))
}
