//! Lateral movement told by what is done: programs written to administrative shares of another host and started there
//! through its service manager or task scheduler, as PsExec and its kin do.
//!
//! Test: the acts ([`flow::Acts`]) of one host on another, over all of their sessions. Null model: a host administers
//! another one in this way with a chance of 1 in 1,000, whatever it does with the others; the p-value is the binomial
//! chance of as many among the hosts that it reaches by SMB or remote procedure calls. Who did so on three earlier days
//! administers the network and is left out, so that in the long run the false alarms are the first three days of each
//! administrator. What does not fit two acts together (a look at services, as monitors take) is no more than low.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flow::{Act, Acts, Application, Flow, Time};

use super::load::Span;
use super::scale::binomial_tail;
use super::tracks::{Tracks, Weigh};
use super::words::{hosts, list};
use super::{Behaviour, Watch};
use crate::{Evidence, Fact, Facts, Role, Severity, Technique};

/// Watches what hosts do on others by Windows' remote administration.
#[derive(Default)]
pub(super) struct RemoteActs {
    pairs: Tracks<(IpAddr, IpAddr), Visit>,
    /// The days on which a host administered others, which are kept in the long run.
    administrators: Tracks<IpAddr, Days>,
}

/// What one host did on another.
#[derive(Default)]
struct Visit {
    acts: Acts,
    flows: u64,
    span: Span,
}

/// Days, the latest ones.
#[derive(Default)]
struct Days(BTreeSet<i64>);

impl Weigh for Visit {
    fn weight(&self) -> usize {
        1
    }
}

impl Weigh for Days {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl Watch for RemoteActs {
    fn observe(&mut self, flow: &Flow) {
        let (Some(Application::Smb(acts) | Application::Dcerpc(acts)), false) =
            (flow.application.as_deref(), flow.key.originator.address == flow.key.responder.address)
        else {
            return;
        };
        let (caller, target) = (flow.key.originator.address, flow.key.responder.address);
        let visit = self.pairs.touch((caller, target), flow.end);
        if acts.is_empty() {
            return;
        }
        visit.acts = visit.acts.and(*acts);
        visit.flows += 1;
        visit.span.add(flow);
        if strength(visit.acts).is_some_and(|severity| severity >= Severity::Medium) {
            let days = &mut self.administrators.touch(caller, flow.end).0;
            days.insert(day(flow.start));
            while days.len() > MAX_DAYS {
                days.pop_first();
            }
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let pairs = self.pairs.sorted();
        let callers = pairs.chunk_by(|(a, _), (b, _)| a.0 == b.0);
        callers.flat_map(|pairs| self.of_caller(pairs)).collect()
    }

    fn forget(&mut self, before: Time) {
        self.pairs.forget(before);
    }
}

impl RemoteActs {
    /// What one caller did on each of its targets.
    fn of_caller(&self, pairs: &[((IpAddr, IpAddr), &Visit)]) -> Vec<Evidence> {
        let administered = pairs.iter().filter(|(_, visit)| strength(visit.acts).is_some()).count() as u64;
        let p_value = binomial_tail(administered, pairs.len() as u64, BENIGN_CHANCE);
        let found = pairs.iter().filter_map(|&((caller, target), visit)| {
            let severity = strength(visit.acts)?;
            let is_known = self.administrators.get(&caller).is_some_and(|days| days.before(visit.span.start()) >= 3);
            if is_known {
                return None;
            }
            let done: Vec<&str> = visit.acts.iter().map(Act::words).collect();
            let kin =
                if visit.acts.has(Act::ProgramPipes) || is_started(visit.acts) { " (as PsExec does)" } else { "" };
            let technique = match severity {
                Severity::Low | Severity::Info => None,
                _ if visit.acts.has(Act::AdministrativeShare) => Some(Technique::WindowsAdminShares),
                _ if visit.acts.has(Act::ServiceControl) => Some(Technique::ServiceExecution),
                _ => None,
            };
            let score = match severity {
                Severity::High => 0.95,
                Severity::Medium => 0.8,
                _ => 0.4,
            };
            Some(Evidence {
                behaviour: Behaviour::LateralMovement,
                subject: caller,
                hosts: hosts((caller, Role::Attacker), [target], Role::Victim),
                start: visit.span.start(),
                end: visit.span.end(),
                severity,
                score,
                technique,
                flows: visit.flows,
                summary: format!("On {target}, {caller} {}{kin}", joined(&done)),
                facts: Facts::from([
                    ("acts", list(done)),
                    ("hosts_administered", Fact::Count(administered)),
                    ("hosts_reached", Fact::Count(pairs.len() as u64)),
                    ("p_value", Fact::Number(p_value)),
                ]),
                examples: visit.span.examples.clone(),
            })
        });
        found.collect()
    }
}

impl Days {
    /// How many lie before the day of that time.
    fn before(&self, time: Time) -> usize {
        self.0.range(..day(time)).count()
    }
}

/// A program was written to another host and something there was told to start it.
fn is_started(acts: Acts) -> bool {
    let starts = [Act::ServiceControl, Act::TaskScheduler, Act::ManagementInstrumentation, Act::ComponentActivation];
    acts.has(Act::ProgramWritten) && acts.has(Act::AdministrativeShare) && starts.iter().any(|&act| acts.has(act))
}

/// How urgent such acts are on one host; `None` for what any host does.
fn strength(acts: Acts) -> Option<Severity> {
    let shares = acts.has(Act::AdministrativeShare);
    let commands =
        [Act::ServiceControl, Act::TaskScheduler, Act::ManagementInstrumentation].iter().filter(|&&act| acts.has(act));
    let commands = commands.count();
    match () {
        () if is_started(acts) || acts.has(Act::ProgramPipes) => Some(Severity::High),
        // Commands whose output is fetched from a share (smbexec, wmiexec, atexec); keys read through the registry.
        () if shares && (commands > 0 || acts.has(Act::Registry) || acts.has(Act::ProgramWritten)) => {
            Some(Severity::Medium)
        }
        () if acts.has(Act::ServiceControl) && acts.has(Act::Registry) => Some(Severity::Medium),
        () if commands > 0 => Some(Severity::Low),
        () => None,
    }
}

/// Several things in a row.
fn joined(done: &[&str]) -> String {
    match done {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        done => done.concat(),
    }
}

fn day(time: Time) -> i64 {
    time.nanoseconds().div_euclid(86_400_000_000_000)
}

/// One host in so many administers another, for all that is known beforehand.
const BENIGN_CHANCE: f64 = 0.001;
/// Days kept of an administrator.
const MAX_DAYS: usize = 8;

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Key, Protocol};

    use super::*;

    fn session(day: i64, acts: &[Act]) -> Flow {
        let end = |last, port| Endpoint::new([10, 0, 0, last].into(), port);
        let key = Key { originator: end(1, 50_000), responder: end(2, 445), protocol: Protocol::Tcp };
        let time = Time::from_nanoseconds(day * 86_400_000_000_000);
        let application = Some(Box::new(Application::Smb(Acts::of(acts.iter().copied()))));
        Flow { application, ..Flow::between(key, time, time) }
    }

    fn found(flows: &[Flow]) -> Vec<(Severity, Option<Technique>)> {
        let mut watch = RemoteActs::default();
        flows.iter().for_each(|flow| watch.observe(flow));
        watch.evidence().iter().map(|one| (one.severity, one.technique)).collect()
    }

    #[test]
    fn a_program_written_and_started_in_two_sessions_is_lateral_movement() {
        let written = session(0, &[Act::AdministrativeShare, Act::ProgramWritten]);
        let started = session(0, &[Act::ServiceControl]);
        let shares = Some(Technique::WindowsAdminShares);
        assert_eq!(found(&[written.clone(), started.clone()]), [(Severity::High, shares)]);
        assert_eq!(found(&[written]), [(Severity::Medium, shares)]);
        assert_eq!(found(&[started]), [(Severity::Low, None)]);
    }

    #[test]
    fn a_file_share_and_a_look_at_the_registry_are_nothing() {
        assert_eq!(found(&[session(0, &[]), session(0, &[Act::ProgramWritten]), session(0, &[Act::Registry])]), []);
    }

    #[test]
    fn who_administers_for_days_is_left_out_from_the_fourth_day_on() {
        let acts = [Act::AdministrativeShare, Act::ServiceControl];
        let mut watch = RemoteActs::default();
        for day in 0..3 {
            watch.forget(session(day, &[]).start);
            watch.observe(&session(day, &acts));
            assert_eq!(watch.evidence().len(), 1);
        }
        watch.forget(session(3, &[]).start);
        watch.observe(&session(3, &acts));
        assert_eq!(watch.evidence().len(), 0);
    }
}
