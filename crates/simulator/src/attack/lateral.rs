//! From one infected machine to the others.

use flow::{Duration, Time};

use super::{Attack, Occasion, Plot};
use crate::activity::Activity;
use crate::content::Content;
use crate::network::{Host, Network};
use crate::protocol::ssh::Login;
use crate::protocol::{dcerpc, rdp, smb, ssh, winrm};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Turn};
use crate::wire::System;

/// The visits of one infected workstation.
pub(super) fn plots(attack: Attack, scene: &Scene, mut occasion: Occasion) -> Vec<Plot> {
    let network = &scene.network;
    let from = network.insider(attack as usize);
    let targets = match attack {
        Attack::Psexec => prey(network, from, 6, &mut occasion.random),
        _ => {
            let desks = network.workstations.iter().filter(|host| host.v4 != from.v4).cloned();
            let mut targets: Vec<Host> = desks.collect();
            occasion.random.shuffle(&mut targets);
            targets.truncate(9);
            targets.extend([&network.files, &network.domain, &network.terminal].map(Host::clone));
            targets
        }
    };
    let victims = targets.iter().map(|host| host.v4.into()).collect();
    let visit = if attack == Attack::Psexec { service } else { hop };
    Plot::whole(attack, vec![from.v4.into()], victims, visits(from, targets, visit, occasion))
}

/// So many Windows machines, workstations before servers.
pub(super) fn prey(network: &Network, from: &Host, count: usize, random: &mut Random) -> Vec<Host> {
    let windows = |host: &&Host| host.system == System::Windows && host.v4 != from.v4;
    let mut targets: Vec<Host> = network.workstations.iter().filter(windows).cloned().collect();
    random.shuffle(&mut targets);
    targets.truncate(count.saturating_sub(1));
    targets.push(network.files.clone());
    targets
}

/// One target after the other, a minute or two for each at most.
pub(super) fn visits(
    from: &Host,
    targets: Vec<Host>,
    visit: fn(&Host, &Host, &mut Random, Time) -> Activity,
    occasion: Occasion,
) -> Activity {
    let from = from.clone();
    occasion.steps(targets.len() as u64, Duration::from_secs(75), 0.4, move |random, time, index| {
        visit(&from, &targets[index as usize], random, time)
    })
}

/// A program copied to the target, made a service there and started; then orders through its pipe (PsExec).
pub(super) fn service(from: &Host, to: &Host, random: &mut Random, time: Time) -> Activity {
    let mut session = smb::Session::open(random, "administrator");
    session.connect(&format!("\\\\{}\\IPC$", to.v4));
    session.connect(&format!("\\\\{}\\ADMIN$", to.v4));
    session.create("PSEXESVC.exe");
    for _ in 0..6 {
        session.write(&[], 65_536);
    }
    session.close();
    session.create("svcctl");
    session.transact(&dcerpc::bind(&dcerpc::SERVICES), &dcerpc::bound("svcctl"));
    let handle = random.bytes(20);
    let name = dcerpc::text("PSEXESVC");
    let path = dcerpc::text("%SystemRoot%\\PSEXESVC.exe");
    // OpenSCManagerW, CreateServiceW, OpenServiceW, StartServiceW, QueryServiceStatus (MS-SCMR s.3.1.4).
    for (id, (operation, arguments)) in [
        (15, dcerpc::text(&to.v4.to_string())),
        (12, [&handle[..], &name, &name, &[0xff, 1, 0xf, 0, 0x10, 0, 0, 0, 3, 0, 0, 0], &path].concat()),
        (16, [&handle[..], &name].concat()),
        (19, [&handle[..], &[0; 8]].concat()),
        (6, handle.clone()),
        (6, handle.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        let id = id as u32 + 2;
        session
            .transact(&dcerpc::call(id, operation, &arguments), &dcerpc::result(id, &[&handle[..], &[0; 4]].concat()));
    }
    session.close();
    for pipe in ["PSEXESVC", "PSEXESVC-DESK-stdin", "PSEXESVC-DESK-stdout", "PSEXESVC-DESK-stderr"] {
        session.create(pipe);
    }
    session.write(b"cmd.exe", 0);
    for _ in 0..random.within(3..9) {
        let order = *random.pick(&ORDERS);
        session.write(order, 0);
        let answer = random.within(80..900);
        session.read(&Content::noise(1 << 20).bytes(u64::from(random.id()), answer), random.seconds(0.1..1.5));
    }
    session.close();
    let ends = (from.endpoint(), to.endpoint());
    Connection::new(ends, (random.port(), smb::PORT), time, session.turns()).activity(random.fork())
}

/// Whatever the target offers: WinRM on servers, a desktop on workstations with Windows, a shell on the others.
fn hop(from: &Host, to: &Host, random: &mut Random, time: Time) -> Activity {
    let (port, script) = match to.system {
        System::Windows if to.open.contains(&rdp::PORT) => {
            let mut script = rdp::login(random, "administrator", &format!("{}.office.example", to.name));
            for _ in 0..random.within(40..160) {
                script.push(Turn::ask(random.seconds(0.05..0.6), Content::Records(random.within(40..120))));
                script.push(Turn::answer(random.seconds(0.005..0.05), Content::Records(random.size(900, 1.2, 60_000))));
            }
            (rdp::PORT, script)
        }
        System::Windows => {
            let commands = random.within(4..10);
            (winrm::PORT, winrm::session(random, &to.v4.to_string(), commands))
        }
        _ => {
            let mut script = ssh::login(random, ssh::OPENSSH, &[(Duration::from_millis(900), Login::Accepted)]);
            let commands = random.within(2..6);
            script.extend(ssh::shell(random, commands));
            (ssh::PORT, script)
        }
    };
    Connection::new((from.endpoint(), to.endpoint()), (random.port(), port), time, script).activity(random.fork())
}

const ORDERS: [&[u8]; 4] =
    [b"whoami /all\r\n", b"net localgroup administrators\r\n", b"nltest /domain_trusts\r\n", b"tasklist /svc\r\n"];
