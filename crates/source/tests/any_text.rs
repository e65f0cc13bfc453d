//! Logs and tables of any content end without panic.

use proptest::prelude::*;
use source::Batch;
use source::format::FORMATS;
use source::format::mapping::TableFlows;
use source::format::rows::Rows;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_words_behind_a_good_start_end_without_panic(
        number in 0..FORMATS.len(),
        words in prop::collection::vec(
            prop_oneof!["[ -~]{0,12}", Just("\n".into()), Just("\t".into()), Just(",".into()), Just("192.0.2.1".into()),
                Just("ACCEPT".into()), Just("1700000000".into()), Just("-".into()), Just("{\"message\":\"".into())],
            0..200,
        ),
    ) {
        let format = &FORMATS[number];
        let text = words.join(" ").into_bytes();
        let (mut decoder, mut batch) = ((format.decoder)(), Batch::default());
        let (mut rest, mut message) = (text.as_slice(), Vec::new());
        decoder.begin();
        (format.sample)().iter().for_each(|message| decoder.decode(message, &mut batch));
        while (format.next_message)(&mut rest, &mut message, &mut batch) == Ok(true) {
            decoder.decode(&message, &mut batch);
            message.clear();
        }
        decoder.finish(&mut batch);
        prop_assert!(!batch.flows.is_empty());
    }

    #[test]
    fn every_row_of_a_session_table_is_a_flow_or_skipped_by_reason(cells in prop::collection::vec("[ !#-+.-:<-{}~]{0,14}", 8..80)) {
        let mut text = String::from("session_id,src_ip,dst_ip,protocol,port,bytes_sent,duration,packet_count\n");
        text.push_str("a,192.0.2.1,192.0.2.2,tcp,443,10,1,1\n");
        for row in cells.chunks_exact(8) {
            text.push_str(&row.join(","));
            text.push('\n');
        }
        let mut rows = Rows::of(text.into_bytes().into(), "memory".as_ref(), &[]).unwrap();
        let mut flows = TableFlows::of(rows.columns(), None).unwrap().unwrap();
        let mut batch = Batch::default();
        while let Some(row) = rows.next_row().unwrap() {
            flows.row(row, &mut batch);
        }
        let skipped: u64 = batch.skipped.values().chain(rows.skipped().values()).sum();
        prop_assert_eq!(batch.flows.len() as u64 + skipped, rows.count());
    }
}
