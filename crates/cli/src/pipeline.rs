//! Reading, metering and writing shared among threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Error, Result, anyhow, bail};
use flow::Flow;
use meter::{Meter, Packets};
use source::{Batch, Source};

use crate::input::Reader;
use crate::rows::Rows;

/// Does the work on so many threads: reading and decoding, keeping the flow table, and writing flows with their features.
/// Each of the three goes on in order and is done by one thread at a time, so the output does not hang on how many there
/// are. A free thread takes up what is closest to the output.
pub(crate) fn run(threads: usize, mut reader: Reader, writing: Rows) -> Result<(Reader, Rows)> {
    if threads == 1 {
        return run_alone(reader, writing);
    }
    let Some(table) = reader.split() else { bail!("only files can be shared among threads") };
    let metering = Metering { table, read: None, flows: Vec::new() };
    let bench = Bench {
        state: Mutex::new(State {
            reader: Some(Box::new(reader)),
            metering: Some(Box::new(metering)),
            writing: Some(Box::new(writing)),
            ..State::default()
        }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(STAGES) {
            scope.spawn(|| bench.work());
        }
        bench.work();
    });
    let state = bench.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = state.failure {
        return Err(failure);
    }
    match (state.reader, state.metering, state.writing) {
        (Some(mut reader), Some(metering), Some(writing)) => {
            reader.rejoin(&metering.table);
            Ok((*reader, *writing))
        }
        _ => bail!("a thread ended before its work"),
    }
}

/// Does it without handing anything over.
fn run_alone(mut reader: Reader, mut writing: Rows) -> Result<(Reader, Rows)> {
    let mut batch = Batch::default();
    let mut more = true;
    while more {
        more = reader.read(&mut batch)?;
        reader.show_progress();
        batch.flows = writing.write(std::mem::take(&mut batch.flows))?;
        batch.clear();
    }
    Ok((reader, writing))
}

/// Where the threads meet.
struct Bench {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is to be done. A stage that a thread is busy with is not there.
#[derive(Default)]
struct State {
    reader: Option<Box<Reader>>,
    read: VecDeque<Read>,
    all_read: bool,
    metering: Option<Box<Metering>>,
    metered: VecDeque<Vec<Flow>>,
    all_metered: bool,
    writing: Option<Box<Rows>>,
    failure: Option<Error>,
}

/// What one reading gave: packets, and flows of logs.
struct Read {
    packets: Packets,
    flows: Vec<Flow>,
    is_last: bool,
}

/// The flow table, and what it is to take in.
struct Metering {
    table: Meter,
    read: Option<Read>,
    flows: Vec<Flow>,
}

impl Bench {
    /// Works until nothing is left to do or a thread fails.
    fn work(&self) {
        let _alarm = Alarm(self);
        while let Some(task) = self.next() {
            let done = task.work();
            self.lock().put_back(done);
            self.changed.notify_all();
        }
    }

    /// Waits for something to do; `None` when all is done.
    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.is_over() {
                return None;
            }
            if let Some(task) = state.next() {
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the other threads when one is gone, whatever the reason: none shall wait for it.
struct Alarm<'a>(&'a Bench);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().failure = Some(anyhow!("a thread failed; please report this"));
        }
        self.0.changed.notify_all();
    }
}

/// A stage, with what it is to take in.
enum Task {
    Read(Box<Reader>),
    Meter(Box<Metering>),
    Write(Box<Rows>, Vec<Flow>),
}

/// A stage, with what it came to.
enum Done {
    Read(Box<Reader>, Result<Read>),
    Meter(Box<Metering>, Vec<Flow>, bool),
    Write(Box<Rows>, Result<()>),
}

impl Task {
    fn work(self) -> Done {
        match self {
            Task::Read(mut reader) => {
                let outcome = read(&mut reader);
                Done::Read(reader, outcome)
            }
            Task::Meter(mut metering) => {
                let (flows, is_over) = metering.step();
                Done::Meter(metering, flows, is_over)
            }
            Task::Write(mut writing, flows) => {
                let outcome = writing.write(flows).map(drop);
                Done::Write(writing, outcome)
            }
        }
    }
}

impl State {
    /// Whether nothing is left to do, or nothing shall be done.
    fn is_over(&self) -> bool {
        self.failure.is_some() || (self.all_metered && self.metered.is_empty() && self.writing.is_some())
    }

    /// What is ready and closest to the output.
    fn next(&mut self) -> Option<Task> {
        if let Some(writing) = self.writing.take_if(|_| !self.metered.is_empty()) {
            return Some(Task::Write(writing, self.metered.pop_front().unwrap_or_default()));
        }
        if self.metered.len() < WAITING
            && let Some(mut metering) =
                self.metering.take_if(|metering| metering.read.is_some() || !self.read.is_empty())
        {
            metering.read = metering.read.take().or_else(|| self.read.pop_front());
            return Some(Task::Meter(metering));
        }
        if self.read.len() < WAITING && !self.all_read {
            return self.reader.take().map(Task::Read);
        }
        None
    }

    fn put_back(&mut self, done: Done) {
        match done {
            Done::Read(reader, outcome) => {
                self.reader = Some(reader);
                match outcome {
                    Ok(read) => {
                        self.all_read = read.is_last;
                        self.read.push_back(read);
                    }
                    Err(error) => self.failure = Some(error),
                }
            }
            Done::Meter(metering, flows, is_over) => {
                self.metering = Some(metering);
                self.all_metered = is_over;
                if !flows.is_empty() {
                    self.metered.push_back(flows);
                }
            }
            Done::Write(writing, outcome) => {
                self.writing = Some(writing);
                self.failure = self.failure.take().or(outcome.err());
            }
        }
    }
}

/// Reads on and decodes.
fn read(reader: &mut Reader) -> Result<Read> {
    let mut batch = Batch::default();
    let more = reader.read(&mut batch)?;
    reader.show_progress();
    Ok(Read { packets: reader.decoded(), flows: batch.flows, is_last: !more })
}

impl Metering {
    /// Takes in what was read, some of it where many flows end. Gives the flows once they are worth a table, and tells
    /// whether they are the last ones.
    fn step(&mut self) -> (Vec<Flow>, bool) {
        let Some(read) = &mut self.read else { return (Vec::new(), false) };
        let mut is_over = false;
        let has_more = self.table.take(&mut read.packets, &mut self.flows, MOST_FLOWS)
            || (read.is_last && self.table.finish_some(&mut self.flows, MOST_FLOWS));
        if !has_more {
            self.flows.append(&mut read.flows);
            is_over = read.is_last;
            self.read = None;
        }
        if self.flows.len() < FLOWS_A_TABLE && !is_over {
            return (Vec::new(), false);
        }
        let room = Vec::with_capacity(self.flows.len());
        (std::mem::replace(&mut self.flows, room), is_over)
    }
}

/// Flows that the table gives at a time.
const MOST_FLOWS: usize = 4096;
/// Readings that wait for the table, and flows that wait to be written.
const WAITING: usize = 4;
const STAGES: usize = 3;
/// Flows that are worth handing over to be written.
const FLOWS_A_TABLE: usize = 512;
