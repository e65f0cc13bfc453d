//! Datagrams over the loopback become flows.

mod exported;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use exported::{ANSWER, CALL, FIELDS, record, set, template, version_9, with_template};
use flow::Duration;
use source::format::netflow;
use source::transport::udp::{Listener, Settings};
use source::{Batch, Error, Source};

fn listener(addresses: &[&str], settings: Settings) -> (Listener, Arc<AtomicBool>) {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    (Listener::bind(&addresses, &netflow::FORMAT, settings, Arc::clone(&stop)).unwrap(), stop)
}

fn exporter(address: &str) -> UdpSocket {
    UdpSocket::bind((address, 0)).unwrap()
}

/// Reads until so many datagrams are received, then to the end.
fn read(listener: &mut Listener, stop: &AtomicBool, datagrams: u64) -> Batch {
    let mut batch = Batch::default();
    while listener.report().packets < datagrams {
        assert!(listener.read(&mut batch).unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    while listener.read(&mut batch).unwrap() {}
    batch
}

#[test]
fn datagrams_at_two_addresses_become_flows() {
    let (mut listener, stop) = listener(&["127.0.0.1:0", "127.0.0.2:0"], Settings::default());
    let [one, other] = listener.addresses()[..] else { panic!("two addresses") };
    exporter("127.0.0.1").send_to(&with_template(&[CALL]), one).unwrap();
    exporter("127.0.0.1").send_to(&with_template(&[ANSWER]), other).unwrap();
    let batch = read(&mut listener, &stop, 2);
    assert_eq!((batch.flows.len(), batch.flows[0].responder.packets), (1, Some(12)));
    assert_eq!((listener.report().packets, listener.report().skipped.len()), (2, 0));
}

#[test]
fn templates_belong_to_the_address_that_sent_them() {
    let (mut listener, stop) = listener(&["0.0.0.0:0"], Settings::default());
    let port = listener.addresses()[0].port();
    let data = version_9(2, 0, &[set(256, &record(&CALL))]);
    for (address, message) in [("127.0.0.1", with_template(&[])), ("127.0.0.2", data)] {
        exporter(address).send_to(&message, ("127.0.0.1", port)).unwrap();
    }
    let batch = read(&mut listener, &stop, 2);
    assert_eq!((batch.flows.len(), listener.report().skipped["data without a template"]), (0, 1));
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let settings = Settings { buffer_bytes: 1, wait: Duration::from_millis(50) };
    let (mut listener, stop) = listener(&["127.0.0.1:0"], settings);
    let (address, exporter) = (listener.addresses()[0], exporter("127.0.0.1"));
    for sequence in 0..100 {
        exporter.send_to(&version_9(sequence, 0, &[set(0, &template(256, FIELDS))]), address).unwrap();
    }
    let first = {
        let mut batch = Batch::default();
        listener.read(&mut batch).unwrap();
        listener.report().packets
    };
    assert!((1..100).contains(&first), "{first}");
    // The count comes with the next datagram.
    exporter.send_to(&version_9(100, 0, &[]), address).unwrap();
    read(&mut listener, &stop, first + 1);
    let dropped = listener.report().notes["datagrams dropped because they came faster than they were read"];
    assert_eq!(first + dropped, 100);
}

#[test]
fn an_address_in_use_is_told_with_advice() {
    let taken = exporter("127.0.0.1");
    let address = taken.local_addr().unwrap();
    let outcome = Listener::bind(&[address], &netflow::FORMAT, Settings::default(), Arc::default());
    let Err(error @ Error::Listen { .. }) = outcome else { panic!("it was bound") };
    assert!(error.to_string().contains("another program receives there"), "{error}");
}
