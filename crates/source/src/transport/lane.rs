//! One thread of a live capture.

use std::fs::File;
use std::io::BufWriter;
use std::sync::mpsc::SyncSender;

use flow::{Duration, Flow, Time};
use meter::{Link, Meter, Skip};

use super::live::{Delivery, PATIENCE_MILLISECONDS, Shared, clock};
use super::ring::{self, Condition, Frame, Ring, Statistics};
use crate::format::pcapng::{Packet, Writer};

/// Where captured packets are written.
pub(super) type Output = Writer<BufWriter<File>>;

/// The ports of a thread, one for each interface, and the meter of the conversations in them.
pub(super) struct Lane {
    thread: usize,
    ports: Vec<Port>,
    meter: Meter,
    output: Option<Output>,
    flows: Vec<Flow>,
    /// A packet with its tag put back.
    tagged: Vec<u8>,
    time: Time,
    /// An interface was down once. It may be gone meanwhile, which the kernel does not say by itself.
    is_troubled: bool,
    damage: Option<String>,
}

/// A ring and its interface.
struct Port {
    ring: Ring,
    /// The interface's place in the settings.
    number: usize,
    interface: String,
    /// Whether the ring is at a packet that was not taken yet.
    is_ready: bool,
    /// Packets shown a second time since that was told.
    repeated: u64,
}

impl Lane {
    pub(super) fn new(
        thread: usize,
        rings: Vec<Ring>,
        interfaces: &[String],
        meter: Meter,
        output: Option<Output>,
    ) -> Lane {
        let port = |(number, (ring, interface)): (usize, (Ring, &String))| Port {
            ring,
            number,
            interface: interface.clone(),
            is_ready: false,
            repeated: 0,
        };
        Lane {
            thread,
            ports: rings.into_iter().zip(interfaces).enumerate().map(port).collect(),
            meter,
            output,
            flows: Vec::new(),
            tagged: Vec::new(),
            time: Time::MIN,
            is_troubled: false,
            damage: None,
        }
    }

    /// Captures until it is time to stop.
    pub(super) fn run(mut self, shared: &Shared, sender: &SyncSender<Delivery>) {
        let mut told = Time::MIN;
        let mut end = None;
        loop {
            let now = clock();
            if end.is_none() && shared.is_over(now) {
                end = Some(now);
            }
            let taken = self.take(shared, now, end);
            let is_quiet = taken == 0;
            // What came before the end may still be on its way.
            if is_quiet && end.is_some_and(|end| now.since(end) > DELAY) || self.ports.is_empty() {
                break;
            }
            if is_quiet {
                self.wait(now, end);
            }
            if !self.flows.is_empty() || now.since(told) > TELL {
                told = now;
                if sender.send(self.delivery()).is_err() {
                    return;
                }
            }
        }
        self.meter.finish(&mut self.flows);
        self.flush();
        // Where nobody reads any more, nobody misses it.
        let _ = sender.send(self.delivery());
    }

    /// Takes the packets that are there, up to a bound, and none from after `end`; how many.
    fn take(&mut self, shared: &Shared, now: Time, end: Option<Time>) -> usize {
        for taken in 0..PACKETS_AT_ONCE {
            for port in &mut self.ports {
                port.is_ready = port.is_ready || port.ring.advance();
            }
            let ready = self.ports.iter().enumerate().filter(|(_, port)| port.is_ready);
            let earliest = ready.filter_map(|(at, port)| Some((port.ring.frame()?.time, at))).min();
            let Some((time, at)) = earliest else { return taken };
            // Only the others' packets can; alone, a ring is in order.
            let may_be_overtaken = !self.ports.iter().all(|port| port.is_ready) && now.since(time) < DELAY;
            if may_be_overtaken || end.is_some_and(|end| time > end) || !self.packet(at, shared) {
                return taken;
            }
            self.ports[at].is_ready = false;
        }
        PACKETS_AT_ONCE
    }

    /// Gives the meter the packet that the ring is at; `false` where no more may be taken.
    fn packet(&mut self, at: usize, shared: &Shared) -> bool {
        let Some(frame) = self.ports[at].ring.frame() else { return true };
        // The loopback interface shows each packet twice: sent and received.
        if frame.is_outgoing && frame.hardware == libc::ARPHRD_LOOPBACK {
            self.ports[at].repeated += 1;
            return true;
        }
        if !shared.may_take() {
            return false;
        }
        let (link, bytes, wire_bytes) = content(&frame, &mut self.tagged);
        self.time = self.time.max(frame.time);
        match link {
            Ok(link) => self.meter.packet(link, frame.time, bytes, wire_bytes, &mut self.flows),
            Err(skip) => self.meter.skip(skip),
        }
        if let Some(output) = &mut self.output {
            let packet = Packet {
                interface: &self.ports[at].interface,
                link: link_number(link),
                time: frame.time,
                wire_bytes: wire_bytes.max(bytes.len() as u32),
                bytes,
            };
            if let Err(error) = output.packet(&packet) {
                self.damage = Some(format!("the packets are not written any further: {error}"));
                self.output = None;
            }
        }
        true
    }

    /// Waits for packets, and tells the meter that time has passed without any, unless the capture has ended.
    fn wait(&mut self, now: Time, end: Option<Time>) {
        self.is_troubled |= match ring::wait(self.ports.iter().map(|port| &port.ring), WAIT_MILLISECONDS) {
            Ok(is_troubled) => is_troubled,
            Err(error) => {
                self.damage = Some(format!("the capture cannot go on: {error}"));
                self.ports.clear();
                return;
            }
        };
        if self.is_troubled {
            self.look_after_rings();
        }
        let past = Time::from_nanoseconds(now.nanoseconds().saturating_sub(DELAY.as_nanos() as i64));
        if past > self.time && end.is_none() {
            self.time = past;
            self.meter.tick(past, &mut self.flows);
        }
        self.flush();
    }

    /// Lets go of the rings whose interface is gone.
    fn look_after_rings(&mut self) {
        let damage = &mut self.damage;
        self.ports.retain(|port| {
            let reason = match port.ring.condition() {
                Ok(Condition::Up | Condition::Down) => return true,
                Ok(Condition::Gone) => "it is gone".to_owned(),
                Err(error) => error.to_string(),
            };
            *damage = Some(format!("nothing is captured on {} any more: {reason}", port.interface));
            false
        });
    }

    fn flush(&mut self) {
        if let Some(Err(error)) = self.output.as_mut().map(Writer::flush) {
            self.damage = Some(format!("the packets are not written any further: {error}"));
            self.output = None;
        }
    }

    fn delivery(&mut self) -> Delivery {
        let statistics = |port: &mut Port| {
            let repeated = std::mem::take(&mut port.repeated);
            (port.number, Statistics { repeated, ..port.ring.statistics().unwrap_or_default() })
        };
        Delivery {
            thread: self.thread,
            flows: std::mem::take(&mut self.flows),
            time: self.time,
            counts: self.meter.counts(),
            statistics: self.ports.iter_mut().map(statistics).collect(),
            damage: self.damage.take(),
        }
    }
}

/// What the meter is to see of a frame: a tag that the kernel took out is put back; where the kernel has a link header of
/// its own kind (tunnels, PPP), the packet behind it.
fn content<'a>(frame: &Frame<'a>, tagged: &'a mut Vec<u8>) -> (Result<Link, Skip>, &'a [u8], u32) {
    match (frame.hardware, frame.vlan) {
        (libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK, Some(tag)) if frame.bytes.len() >= ADDRESSES => {
            tagged.clear();
            tagged.extend_from_slice(&frame.bytes[..ADDRESSES]);
            tagged.extend(tag);
            tagged.extend_from_slice(&frame.bytes[ADDRESSES..]);
            (Ok(Link::Ethernet), tagged, frame.wire_bytes.saturating_add(tag.len() as u32))
        }
        (libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK, _) => (Ok(Link::Ethernet), frame.bytes, frame.wire_bytes),
        _ if matches!(frame.protocol, IPV4 | IPV6) => {
            let bytes = frame.bytes.get(frame.link_bytes..).unwrap_or_default();
            (Ok(Link::Ip), bytes, frame.wire_bytes.saturating_sub(frame.link_bytes as u32))
        }
        _ => (Err(Skip::LinkUnknown), frame.bytes, frame.wire_bytes),
    }
}

/// The LINKTYPE number to write.
fn link_number(link: Result<Link, Skip>) -> u16 {
    match link {
        Ok(Link::Ethernet) => 1,
        Ok(_) => 101,
        // LINKTYPE_USER0: nobody reads it as what it is not.
        Err(_) => 147,
    }
}

/// Between two looks at the clock.
const PACKETS_AT_ONCE: usize = 4096;
/// At most so late a packet comes out of a ring: two waits for its block, and a busy machine.
const DELAY: Duration = Duration::from_millis(10 * PATIENCE_MILLISECONDS as u64);
const WAIT_MILLISECONDS: u16 = 100;
/// How often a thread says how far it is.
const TELL: Duration = Duration::from_millis(500);
/// The two addresses before an Ethernet frame's tag.
const ADDRESSES: usize = 12;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
