//! A thread for each sink.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use flow::Duration;

use super::worker::{State, Worker};
use super::{Backoff, Failure, Outbox, Pending, Sink};

/// The sinks at work. Each takes alerts out of the outbox in their order, on its own thread.
#[derive(Debug)]
pub struct Delivery {
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    name: String,
    shared: Arc<Shared>,
    bell: SyncSender<()>,
    /// Ends when the thread does.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

/// What a thread and its owner both see.
#[derive(Debug, Default)]
struct Shared {
    /// Send what waits, then end.
    stop: AtomicBool,
    /// Send no more.
    abandon: AtomicBool,
    state: Mutex<State>,
}

impl Delivery {
    /// Starts a thread for each sink; what waits in the outbox is sent at once. The seed is where the waits between tries
    /// get their chance from.
    pub fn start(sinks: Vec<Sink>, outbox: Arc<dyn Outbox>, seed: u64) -> std::io::Result<Delivery> {
        let threads = sinks.into_iter().zip(seed..).map(|(sink, seed)| Thread::start(sink, Arc::clone(&outbox), seed));
        Ok(Delivery { threads: threads.collect::<Result<_, _>>()? })
    }

    /// Says that there is something new in the outbox. It never blocks, and no call is lost.
    pub fn wake(&self) {
        for thread in &self.threads {
            thread.ring();
        }
    }

    /// How each sink stands, by its name.
    pub fn states(&self) -> Vec<(&str, State)> {
        self.threads.iter().map(|thread| (thread.name.as_str(), thread.shared.state())).collect()
    }

    /// Ends all sinks. What waits is still sent, as long as it goes well and for at most so long; the rest stays in the
    /// outbox. How each sink stood at the end.
    pub fn stop(self, at_most: Duration) -> Vec<(String, State)> {
        let deadline = Instant::now() + at_most;
        for thread in &self.threads {
            thread.shared.stop.store(true, Ordering::Release);
            thread.ring();
        }
        self.threads.into_iter().map(|thread| thread.join(deadline)).collect()
    }
}

impl Thread {
    fn start(mut sink: Sink, outbox: Arc<dyn Outbox>, seed: u64) -> std::io::Result<Thread> {
        let shared = Arc::new(Shared::default());
        // A bell that has rung and was not heard need not ring again.
        let (bell, heard) = mpsc::sync_channel(1);
        let (ending, ended) = mpsc::sync_channel(1);
        let name = sink.name.clone();
        let (own_name, least, own) = (name.clone(), sink.least, Arc::clone(&shared));
        let handle = Builder::new().name(format!("sink {name}")).spawn(move || {
            let _ending: SyncSender<()> = ending;
            let worker = Worker {
                sink: &own_name,
                least,
                outbox: outbox.as_ref(),
                send: |pending: &Pending| {
                    if own.abandon.load(Ordering::Acquire) {
                        return Err(Failure::later("the time to stop was over"));
                    }
                    sink.send(pending)
                },
                wait: |time| own.wait(&heard, time),
                tell: |state: &State| *own.state.lock().unwrap_or_else(PoisonError::into_inner) = state.clone(),
                backoff: Backoff::new(seed),
                state: State::default(),
            };
            worker.run();
        })?;
        Ok(Thread { name, shared, bell, ended, handle })
    }

    fn ring(&self) {
        // Full: it rings already. Closed: nobody is there to hear it.
        let _ = self.bell.try_send(());
    }

    /// Waits for the end, until the deadline; a thread that is still busy then is left to itself and sends no more.
    fn join(self, deadline: Instant) -> (String, State) {
        let left = deadline.saturating_duration_since(Instant::now());
        if matches!(self.ended.recv_timeout(left), Err(RecvTimeoutError::Disconnected)) {
            // A thread that panicked has told its state before.
            let _ = self.handle.join();
        } else {
            self.shared.abandon.store(true, Ordering::Release);
        }
        (self.name, self.shared.state())
    }
}

impl Shared {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the bell, or for a time through which the bell is not listened to unless it means the end. Whether the work
    /// goes on.
    fn wait(&self, bell: &Receiver<()>, time: Option<Duration>) -> bool {
        let Some(time) = time else {
            // What rang before the end was called is still done.
            return match bell.try_recv() {
                Ok(()) => true,
                Err(_) if self.stop.load(Ordering::Acquire) => false,
                Err(_) => bell.recv().is_ok(),
            };
        };
        let deadline = Instant::now() + time;
        loop {
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match bell.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
