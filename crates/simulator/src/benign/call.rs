//! Video calls: voice and pictures both ways, at a steady rate.

use flow::{Duration, Time};

use crate::activity::{Activity, Event, Pace, habit};
use crate::content::Content;
use crate::network::Host;
use crate::random::Random;
use crate::scene::Scene;
use crate::wire::{self, Endpoint};

/// People call each other, most of them through a service outside.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("calls {}", host.name));
    let pace = Pace::Working(Duration::from_secs(12 * 3_600));
    vec![habit(pace, random, scene.span(), move |random, time| {
        let colleague = random.pick(&network.workstations);
        let (to, port) = if random.chance(0.25) && colleague.v4 != host.v4 {
            (colleague.endpoint(), random.within(50_000..50_060))
        } else {
            (network.outside(network.sites[5 + 15 * random.within(0..4)].v4.into()), 3_478)
        };
        let length = random.near(Duration::from_secs(120), 0.6);
        call((host.endpoint(), to), (random.within(50_000..50_060), port), (time, time + length), random.fork())
    })]
}

/// RTP (RFC 3550) with its contents encrypted: voice every 20 ms each way, pictures in bursts of fragments.
fn call(ends: (Endpoint, Endpoint), ports: (u16, u16), span: (Time, Time), mut random: Random) -> Activity {
    let voice = Duration::from_millis(20);
    let sources = [random.word(), random.word()];
    let mut counters = [random.id(), random.id()];
    let mut frame = 0u64;
    let mut send = move |way: usize, kind: u8, length: usize| {
        counters[way] = counters[way].wrapping_add(1);
        let mut payload = vec![0x80, kind];
        payload.extend(counters[way].to_be_bytes());
        payload.extend((frame as u32).wrapping_mul(320).to_be_bytes());
        payload.extend((sources[way] ^ u32::from(kind)).to_be_bytes());
        frame += 1;
        payload.extend(Content::noise(1 << 40).bytes(frame * 389, length));
        let (from, to, ports) = if way == 0 { (ends.0, ends.1, ports) } else { (ends.1, ends.0, (ports.1, ports.0)) };
        Event::Packet(wire::udp(from, to, ports, &payload))
    };
    let mut now = span.0;
    let ticks = std::iter::from_fn(move || {
        let mut tick = vec![(now + random.seconds(0.0..0.004), send(0, 111, random.within(60..150)))];
        // The other side may be silent.
        if random.chance(0.85) {
            tick.push((now + random.seconds(0.004..0.009), send(1, 111, random.within(60..150))));
        }
        for (way, share) in [(0, 0.5), (1, 0.6)] {
            if random.chance(share) {
                tick.push((now + random.seconds(0.009..0.019), send(way, 96, random.within(500..1_150))));
            }
        }
        tick.sort_by_key(|event| event.0);
        now = now + voice;
        (now < span.1).then_some(tick)
    });
    Box::new(ticks.flatten())
}
