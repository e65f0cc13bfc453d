//! Machines that find each other on the same wire: ARP, neighbour discovery, multicast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flow::{Duration, Time};

use crate::activity::{Activity, Pace, Plan, habit};
use crate::network::Host;
use crate::protocol::{dhcp, dns};
use crate::scene::Scene;
use crate::wire::{self, Arp, Endpoint, Mac, System};

/// What servers and printers say to find another, and the gateway to find them all.
pub(super) fn habits(scene: &Scene) -> Vec<Activity> {
    let mut habits = vec![gateway(scene), advertisements(scene), election(scene), takeovers(scene)];
    for host in scene.network.servers() {
        habits.extend(finding(scene, host));
    }
    habits.extend(scene.network.printers.iter().flat_map(|printer| desk(scene, printer)));
    habits
}

/// What a workstation or a printer says.
pub(super) fn desk(scene: &Scene, host: &Host) -> Vec<Activity> {
    finding(scene, host).chain([announcing(scene, host)]).collect()
}

fn finding(scene: &Scene, host: &Host) -> impl Iterator<Item = Activity> {
    [Some(resolving(scene, host)), host.v6.map(|_| soliciting(scene, host))].into_iter().flatten()
}

/// The two routers of the address that machines use for the branch agree which of them has it (RFC 9568 s.5).
fn election(scene: &Scene) -> Activity {
    let gateway = scene.network.gateway.clone();
    let random = scene.random("election");
    habit(Pace::Regular(Duration::from_secs(5)), random, scene.span(), move |random, time| {
        let from = gateway.endpoint().with_hop_limit(255);
        let mut body = vec![0x31, 20, 200, 1, 0x01, 0xf4, 0, 0];
        body.extend(SHARED.octets());
        let checksum = wire::transport_checksum(from.address, GROUP.into(), VRRP, &body);
        body[6..8].copy_from_slice(&checksum.to_be_bytes());
        let mut plan = Plan::default();
        plan.packet(time, wire::ip(from, Endpoint::group(GROUP.into()), VRRP, random.id(), &body));
        plan.activity()
    })
}

/// Now and then the other one takes it over, and says so to everyone: the same address at another machine, and no attack.
fn takeovers(scene: &Scene) -> Activity {
    let routers = [scene.network.gateway.mac, SPARE];
    let mut turn = 0;
    habit(Pace::Random(Duration::from_secs(5 * 3_600)), scene.random("takeovers"), scene.span(), move |_, time| {
        turn += 1;
        let router = (routers[turn % 2], SHARED);
        let mut plan = Plan::default();
        for repeat in 0..3 {
            // Gratuitous: a machine asks for the address that it says it has (RFC 5227 s.3).
            let told = time + Duration::from_millis(1_000) * repeat;
            plan.packet(told, wire::arp(Arp::Request, router, (wire::BROADCAST, SHARED)));
        }
        plan.activity()
    })
}

/// A machine refreshes what it knows of one it talks to.
fn resolving(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("resolving {}", host.name));
    habit(Pace::Random(Duration::from_secs(50)), random, scene.span(), move |random, time| {
        let other = match random.within(0..4) {
            0 => *random.pick(&network.servers()),
            1 => &network.files,
            _ => &network.gateway,
        };
        if other.v4 == host.v4 { Plan::default().activity() } else { resolve(&host, other, time) }
    })
}

fn resolve(asker: &Host, other: &Host, time: Time) -> Activity {
    let mut plan = Plan::default();
    let (here, there) = ((asker.mac, asker.v4), (other.mac, other.v4));
    plan.packet(time, wire::arp(Arp::Request, here, there));
    plan.packet(time + other.endpoint().latency, wire::arp(Arp::Reply, there, here));
    plan.activity()
}

/// The gateway looks for those whose packets it holds; now and then for someone who has left.
fn gateway(scene: &Scene) -> Activity {
    let network = scene.network.clone();
    habit(Pace::Random(Duration::from_secs(5)), scene.random("gateway"), scene.span(), move |random, time| {
        let gateway = &network.gateway;
        if random.chance(0.9) {
            return resolve(gateway, random.pick(&network.workstations), time);
        }
        let gone = Ipv4Addr::new(10, 20, 3, random.within(20..26));
        let mut plan = Plan::default();
        for attempt in 0..3 {
            let asked = time + Duration::from_millis(1_024) * attempt;
            plan.packet(asked, wire::arp(Arp::Request, (gateway.mac, gateway.v4), (wire::BROADCAST, gone)));
        }
        plan.activity()
    })
}

/// Neighbour solicitation and advertisement (RFC 4861 s.4.3).
fn soliciting(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("soliciting {}", host.name));
    habit(Pace::Random(Duration::from_secs(70)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let other = if random.chance(0.6) { &network.gateway } else { &network.domain };
        let (Some(from), Some(to), Some(IpAddr::V6(target))) =
            (host.endpoint6(), other.endpoint6(), other.v6.map(IpAddr::from))
        else {
            return plan.activity();
        };
        if host.v4 == other.v4 {
            return plan.activity();
        }
        let [.., a, b, c] = target.octets();
        let [high, low] = [u16::from(a) | 0xff00, u16::from_be_bytes([b, c])];
        let group = Endpoint::group(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, high, low).into());
        let ask = [&target.octets()[..], &[1, 1], &host.mac].concat();
        let answer = [&target.octets()[..], &[2, 1], &other.mac].concat();
        plan.packet(time, wire::icmp(from.with_hop_limit(255), group, 135, 0, [0; 4], &ask));
        let answered = time + to.latency;
        plan.packet(answered, wire::icmp(to.with_hop_limit(255), from, 136, 0, [0x60, 0, 0, 0], &answer));
        plan.activity()
    })
}

/// The gateway says that it is the way out (RFC 4861 s.4.2).
fn advertisements(scene: &Scene) -> Activity {
    let gateway = scene.network.gateway.clone();
    let random = scene.random("advertisements");
    habit(Pace::Regular(Duration::from_secs(200)), random, scene.span(), move |_, time| {
        let from =
            gateway.endpoint().with_address(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into()).with_hop_limit(255);
        let everyone = Endpoint::group(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into());
        let times = [0, 0, 0, 0, 0, 0, 0, 0];
        let body = [&times[..], &[1, 1], &gateway.mac].concat();
        let mut plan = Plan::default();
        plan.packet(time, wire::icmp(from, everyone, 134, 0, [64, 0, 7, 8], &body));
        plan.activity()
    })
}

/// Windows looks for devices (SSDP), the others for printers (multicast DNS); some ask the whole wire about addresses.
fn announcing(scene: &Scene, host: &Host) -> Activity {
    let (network, host) = (scene.network.clone(), host.clone());
    let random = scene.random(&format!("announcing {}", host.name));
    habit(Pace::Random(Duration::from_secs(150)), random, scene.span(), move |random, time| {
        let mut plan = Plan::default();
        let from = host.endpoint();
        if host.system == System::Windows && random.chance(0.5) {
            let group = Endpoint::group(Ipv4Addr::new(239, 255, 255, 250).into());
            let port = random.port();
            for attempt in 0..4 {
                let asked = time + Duration::from_millis(1_000) * attempt;
                plan.packet(asked, wire::udp(from.with_hop_limit(1), group, (port, 1_900), SEARCH));
            }
        } else if host.system == System::Windows && random.chance(0.1) {
            let everyone = Endpoint::group(Ipv4Addr::BROADCAST.into());
            let inform = network.lease(host.mac, host.v4, random.word()).message(dhcp::Kind::Inform);
            plan.packet(time, wire::udp(from, everyone, dhcp::PORTS, &inform));
        } else {
            let question = dns::neighbour_question("_ipp._tcp.local");
            let groups =
                [IpAddr::from(Ipv4Addr::new(224, 0, 0, 251)), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb).into()];
            for (from, group) in [Some(from), host.endpoint6()].into_iter().flatten().zip(groups) {
                let from = from.with_hop_limit(255);
                plan.packet(time, wire::udp(from, Endpoint::group(group), (5_353, 5_353), &question));
            }
        }
        plan.activity()
    })
}

/// The address that two routers share, the spare one's own, and where they speak of it (RFC 9568).
const SHARED: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 2);
const SPARE: Mac = [0x00, 0x16, 0x3e, 0x20, 0x00, 0x02];
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const VRRP: u8 = 112;

const SEARCH: &[u8] = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\nST: \
upnp:rootdevice\r\n\r\n";
