//! Someone else's electricity.

use std::iter;

use flow::Duration;

use super::{Attack, Occasion, Plot, lair};
use crate::activity::{Activity, Plan};
use crate::benign::names;
use crate::network::{Host, Site};
use crate::random::Random;
use crate::scene::Scene;
use crate::tcp::{Connection, Script, Turn};

/// One workstation that mines.
pub(super) fn plots(attack: Attack, scene: &Scene, mut occasion: Occasion) -> Vec<Plot> {
    let host = scene.network.insider(attack as usize).clone();
    let site = lair(attack, "pool.hoopoe.example");
    let mut plan = Plan::default();
    let start = names::lookup(&mut plan, &scene.network, &mut occasion.random, &host, &site, occasion.start);
    plan.start(start, mine(scene, &host, &site, Occasion { start, ..occasion }));
    Plot::whole(attack, vec![host.v4.into()], vec![site.v4.into()], plan.activity())
}

/// One connection for all the time: jobs from the pool, shares from the miner, a sign of life every minute.
fn mine(scene: &Scene, host: &Host, site: &Site, occasion: Occasion) -> Activity {
    let Occasion { start, room, mut random } = occasion;
    let ends = (host.endpoint(), scene.network.outside(site.v4.into()));
    let script = stratum(random.fork(), room);
    Connection { script, ..Connection::new(ends, (random.port(), 3_333), start, Vec::new()) }.activity(random)
}

fn stratum(mut random: Random, room: Duration) -> Script {
    let quick = Duration::from_millis(2);
    let worker = hexadecimal(&mut random, 8);
    let wallet = format!("4{}", hexadecimal(&mut random, 47));
    let login = format!(
        "{{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{{\"login\":\"{wallet}\",\"pass\":\"x\",\"agent\":\
         \"XMRig/6.21.0 (Windows NT 10.0; Win64; x64) libuv/1.44.2 msvc/2019\",\"algo\":[\"rx/0\",\"cn/r\"]}}}}\n"
    );
    let mut job = job(&mut random);
    let welcome = format!(
        "{{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{{\"id\":\"{worker}\",\"job\":{},\"status\":\"OK\"}}}}\n",
        job.1
    );
    let opening = [Turn::ask(quick, login), Turn::answer(quick, welcome)];
    let (mut left, mut id) = (room, 1);
    let work = iter::from_fn(move || {
        let pause = random.wait(Duration::from_secs(21)).min(Duration::from_secs(60)).min(room / 20);
        left = left.checked_sub(pause)?;
        id += 1;
        Some(match random.within(0..5) {
            0 => {
                job = self::job(&mut random);
                let told = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"job\",\"params\":{}}}\n", job.1);
                vec![Turn::answer(pause, told)]
            }
            1 => {
                let alive = format!(
                    "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"keepalived\",\"params\":{{\"id\":\"{worker}\"}}}}\n"
                );
                vec![Turn::ask(pause, alive), Turn::answer(quick, accepted(id, "KEEPALIVED"))]
            }
            _ => {
                let share = format!(
                    "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{{\"id\":\"{worker}\",\"job_id\":\
                     \"{}\",\"nonce\":\"{}\",\"result\":\"{}\",\"algo\":\"rx/0\"}}}}\n",
                    job.0,
                    hexadecimal(&mut random, 4),
                    hexadecimal(&mut random, 32)
                );
                vec![Turn::ask(pause, share), Turn::answer(quick, accepted(id, "OK"))]
            }
        })
    });
    Box::new(opening.into_iter().chain(work.flatten()))
}

/// A job and its name.
fn job(random: &mut Random) -> (String, String) {
    let name = hexadecimal(random, 7);
    let blob = hexadecimal(random, 76);
    let seed = hexadecimal(random, 32);
    let text = format!(
        "{{\"blob\":\"{blob}\",\"job_id\":\"{name}\",\"target\":\"b88d0600\",\"height\":3089{:03},\"seed_hash\":\"{seed}\",\
         \"algo\":\"rx/0\"}}",
        random.within(0..1_000)
    );
    (name, text)
}

fn accepted(id: u32, status: &str) -> String {
    format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{{\"status\":\"{status}\"}}}}\n")
}

fn hexadecimal(random: &mut Random, bytes: usize) -> String {
    random.bytes(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
