//! The loop that brings one sink what waits for it.

use alert::Severity;
use flow::Duration;

use super::outbox::{Outbox, Pending};
use super::{Backoff, Failure};

/// How a sink stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Alerts known to wait; there may be more in the outbox than are taken out at a time.
    pub queued: usize,
    /// Alerts taken since the start.
    pub sent: u64,
    /// Alerts that the receiver did not take, though it took later ones: they are not sent again.
    pub refused: u64,
    /// Tries that failed since the start.
    pub failed: u64,
    /// What went wrong last; `None` once something was taken again.
    pub last_error: Option<String>,
}

/// What a worker needs of the world; tests give it another one.
pub(super) struct Worker<'a, O: ?Sized, S, W, T> {
    pub(super) sink: &'a str,
    pub(super) least: Severity,
    pub(super) outbox: &'a O,
    /// Sends one alert.
    pub(super) send: S,
    /// Waits for news where no time is given, else for that time. Whether the work goes on.
    pub(super) wait: W,
    /// Is told how the sink stands.
    pub(super) tell: T,
    pub(super) backoff: Backoff,
    pub(super) state: State,
}

impl<O, S, W, T> Worker<'_, O, S, W, T>
where
    O: Outbox + ?Sized,
    S: FnMut(&Pending) -> Result<String, Failure>,
    W: FnMut(Option<Duration>) -> bool,
    T: FnMut(&State),
{
    /// Sends what waits, then waits for more, until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            let round = self.round();
            let pause = match round {
                Ok(true) => continue,
                Ok(false) => {
                    self.backoff.reset();
                    None
                }
                Err((reason, after)) => {
                    self.state.failed += 1;
                    self.state.last_error = Some(reason);
                    let wait = self.backoff.next();
                    Some(after.map_or(wait, |after| after.max(wait)))
                }
            };
            (self.tell)(&self.state);
            if !(self.wait)(pause) {
                return;
            }
        }
    }

    /// Sends one batch. Whether there may be more, or what went wrong and how long the receiver wants to be left alone.
    ///
    /// An alert that is refused is passed over only when the receiver takes one after it: where it takes none, the fault is
    /// not the alert's, and all of them wait.
    fn round(&mut self) -> Result<bool, (String, Option<Duration>)> {
        let batch = self.outbox.pending(self.sink, BATCH).map_err(of_the_store)?;
        self.state.queued = batch.iter().filter(|pending| pending.alert.severity >= self.least).count();
        (self.tell)(&self.state);
        let mut refusals: Vec<String> = Vec::new();
        for pending in &batch {
            if pending.alert.severity >= self.least {
                match (self.send)(pending) {
                    Ok(_) => {}
                    Err(Failure::Refused(reason)) => {
                        refusals.push(format!("alert {} was refused: {reason}", flow::printable(&pending.alert.id)));
                        if refusals.len() > MOST_REFUSED {
                            break;
                        }
                        continue;
                    }
                    Err(Failure::Later { reason, after }) => return Err((reason, after)),
                }
                self.state.sent += 1;
                self.state.queued = self.state.queued.saturating_sub(1 + refusals.len());
                self.state.refused += refusals.len() as u64;
                self.state.last_error = refusals.drain(..).next_back();
                self.backoff.reset();
            } else if !refusals.is_empty() {
                // What is not sent proves nothing about the receiver.
                continue;
            }
            self.outbox.delivered(self.sink, pending.change).map_err(of_the_store)?;
            (self.tell)(&self.state);
        }
        match refusals.pop() {
            Some(reason) => Err((reason, None)),
            None => Ok(!batch.is_empty()),
        }
    }
}

fn of_the_store(error: Box<dyn std::error::Error + Send + Sync>) -> (String, Option<Duration>) {
    (format!("the outbox: {error}"), None)
}

/// Alerts taken out of the outbox at a time.
const BATCH: usize = 64;
/// So many alerts in a row may be refused and passed over.
const MOST_REFUSED: usize = 4;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Mutex;

    use alert::Alert;
    use alert::sink::Occasion;
    use flow::Time;

    use super::*;

    /// Changes in memory, and how far the sink has come.
    #[derive(Default)]
    struct Kept {
        changes: Mutex<Vec<Pending>>,
        taken: Mutex<u64>,
    }

    impl Kept {
        fn add(&self, severity: Severity) -> u64 {
            let mut changes = self.changes.lock().unwrap();
            let change = changes.len() as u64 + 1;
            let alert = Alert { severity, ..Alert::test(Time::from_nanoseconds(change as i64)) };
            changes.push(Pending { change, occasion: Occasion::First, alert });
            change
        }

        fn of(count: usize) -> Kept {
            let kept = Kept::default();
            (0..count).for_each(|_| {
                kept.add(Severity::High);
            });
            kept
        }
    }

    impl Outbox for Kept {
        fn pending(&self, _: &str, limit: usize) -> Result<Vec<Pending>, Box<dyn std::error::Error + Send + Sync>> {
            let taken = *self.taken.lock().unwrap();
            let changes = self.changes.lock().unwrap();
            Ok(changes.iter().filter(|pending| pending.change > taken).take(limit).cloned().collect())
        }

        fn delivered(&self, _: &str, change: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            *self.taken.lock().unwrap() = change;
            Ok(())
        }
    }

    /// Runs until there is nothing to do, or so many waits were waited. What was taken, the waits, and the state at the end.
    fn work(
        kept: &Kept,
        answer: impl Fn(u64, usize) -> Result<String, Failure>,
        patience: usize,
    ) -> (Vec<u64>, Vec<Duration>, State) {
        let (taken, waits, last) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()), RefCell::new(State::default()));
        let tries = RefCell::new(0);
        let worker = Worker {
            sink: "a",
            least: Severity::Medium,
            outbox: kept,
            send: |pending: &Pending| {
                let answer = answer(pending.change, *tries.borrow());
                *tries.borrow_mut() += 1;
                if answer.is_ok() {
                    taken.borrow_mut().push(pending.change);
                }
                answer
            },
            wait: |time: Option<Duration>| {
                waits.borrow_mut().extend(time);
                time.is_some() && waits.borrow().len() < patience
            },
            tell: |state: &State| *last.borrow_mut() = state.clone(),
            backoff: Backoff::new(1),
            state: State::default(),
        };
        worker.run();
        (taken.into_inner(), waits.into_inner(), last.into_inner())
    }

    fn later() -> Result<String, Failure> {
        Err(Failure::later("nobody is there"))
    }

    #[test]
    fn all_alerts_arrive_in_order_and_once_while_all_goes_well() {
        let kept = Kept::of(200);
        let (taken, waits, state) = work(&kept, |_, _| Ok(String::new()), 9);
        assert_eq!(taken, (1..=200).collect::<Vec<_>>());
        assert!(waits.is_empty());
        assert_eq!(state, State { sent: 200, ..State::default() });
    }

    #[test]
    fn a_sink_that_fails_gets_everything_later_and_in_order() {
        let kept = Kept::of(5);
        let (taken, waits, state) =
            work(&kept, |_, tries| if tries == 2 || (4..8).contains(&tries) { later() } else { Ok(String::new()) }, 99);
        assert_eq!(taken, [1, 2, 3, 4, 5]);
        assert_eq!(waits.len(), 5);
        // The waits double until something is taken, then start anew.
        assert!(waits[1] < Duration::from_secs(1) && waits[4] >= Duration::from_secs(4), "{waits:?}");
        assert_eq!((state.sent, state.failed, state.last_error), (5, 5, None));
    }

    #[test]
    fn a_receiver_that_wants_to_be_left_alone_is() {
        let kept = Kept::of(1);
        let ask = Failure::Later { reason: "503".to_owned(), after: Some(Duration::from_secs(40)) };
        let (_, waits, state) = work(&kept, |_, _| Err(ask.clone()), 1);
        assert_eq!(waits, [Duration::from_secs(40)]);
        assert_eq!((state.queued, state.last_error.as_deref()), (1, Some("503")));
    }

    #[test]
    fn less_urgent_alerts_are_passed_over() {
        let kept = Kept::default();
        for severity in [Severity::Low, Severity::Medium, Severity::Info] {
            kept.add(severity);
        }
        let (taken, ..) = work(&kept, |_, _| Ok(String::new()), 1);
        assert_eq!((taken, *kept.taken.lock().unwrap()), (vec![2], 3));
    }

    #[test]
    fn a_refused_alert_is_passed_over_when_a_later_one_is_taken() {
        let kept = Kept::of(3);
        let refuse = |change, _| if change == 2 { Err(Failure::Refused("422".to_owned())) } else { Ok(String::new()) };
        let (taken, waits, state) = work(&kept, refuse, 9);
        assert_eq!((taken, waits.len()), (vec![1, 3], 0));
        assert_eq!((state.sent, state.refused, state.queued), (2, 1, 0));
        assert!(state.last_error.is_some_and(|error| error.contains("422")));
    }

    #[test]
    fn a_receiver_that_refuses_everything_loses_nothing() {
        let kept = Kept::of(20);
        let (taken, waits, state) = work(&kept, |_, _| Err(Failure::Refused("400".to_owned())), 3);
        assert!(taken.is_empty() && waits.len() == 3 && *kept.taken.lock().unwrap() == 0);
        assert_eq!((state.refused, state.queued), (0, 20));
    }

    #[test]
    fn an_alert_that_comes_before_the_wait_is_not_missed() {
        let kept = Kept::of(1);
        let taken = RefCell::new(Vec::new());
        let worker = Worker {
            sink: "a",
            least: Severity::Info,
            outbox: &kept,
            send: |pending: &Pending| {
                taken.borrow_mut().push(pending.change);
                Ok(String::new())
            },
            // The bell that rang while the worker looked is heard by the wait.
            wait: |_| taken.borrow().len() < 4 && kept.add(Severity::Info) > 0,
            tell: |_: &State| {},
            backoff: Backoff::new(1),
            state: State::default(),
        };
        worker.run();
        assert_eq!(taken.into_inner(), [1, 2, 3, 4]);
    }
}
