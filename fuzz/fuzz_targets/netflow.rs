//! Any bytes as a file of export messages, and as datagrams of two exporters, then the features of their flows.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use flow::Time;
use flow::features::FeatureSet;
use flow::features::host::Hosts;
use libfuzzer_sys::fuzz_target;
use source::Batch;
use source::format::Decoder;
use source::format::netflow::{FORMAT, NetFlow};

fuzz_target!(|data: &[u8]| {
    let (mut decoder, mut batch, mut message, mut bytes) = (NetFlow::default(), Batch::default(), Vec::new(), data);
    let mut number = 0;
    while (FORMAT.next_message)(&mut bytes, &mut message, &mut batch).unwrap() {
        decoder.decode(&message, &mut batch);
        let exporter = IpAddr::V4(Ipv4Addr::from_bits(number & 1));
        decoder.datagram(exporter, Time::from_nanoseconds(i64::from(number) * 1_000_000_000), &message, &mut batch);
        number += 1;
        message.clear();
    }
    decoder.finish(&mut batch);
    assert!(batch.flows.iter().all(|flow| flow.start <= flow.end && flow.conversation_start <= flow.start));
    assert_eq!(FeatureSet::lapwing().table(&batch.flows, &mut Hosts::default()).rows(), batch.flows.len());
});
