//! What the tasks of one worker share: the schedule, the slots of its connections, its metrics. Workers share nothing
//! while they run.

mod assign;
mod conclude;
mod connection;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::connection_counts::ConnectionCounts;
use super::metrics::ThreadMetrics;
use super::requests::Requests;
use super::script_run::ScriptRun;
use super::slot::Slot;
use super::timestamp_mapper::{ReadTime, TimestampMapper};
use super::watch::WatchCount;
use crate::load::pacing::dispatcher::Dispatcher;
use crate::load::pacing::wake_flag::WakeFlag;
use crate::load::plan::{LoadPlan, WhenBusy};
use crate::load::transport::{CapturedResponse, LastTimestamp, Stream, Transport};
use crate::record::{Clock, ErrorCause, ErrorCauses, RequestRecord};
use crate::script::ScriptError;
use crate::units::Instant;

/// The shared state of one worker.
pub struct WorkerState {
    pub plan: LoadPlan,
    pub dispatcher: RefCell<Dispatcher>,
    pub requests: RefCell<Requests>,
    pub metrics: RefCell<ThreadMetrics>,
    /// Wakes the pacer.
    pub wake_flag: WakeFlag,
    /// All connections read into this buffer: one per worker needs less memory than one per connection.
    pub read_buffer: RefCell<Box<[u8]>>,
    pub connections: RefCell<ConnectionCounts>,
    pub watched: WatchCount,
    /// Why connections could not be made, and why attempts failed.
    pub causes: RefCell<ErrorCauses>,
    /// How often a request was sent again because the server did not process it.
    pub sent_again: Cell<u64>,
    /// Responses without a request. Each closes its connection.
    pub unsolicited: Cell<u64>,
    /// With HTTP/2: the lowest limit on the streams of a connection so far.
    pub fewest_streams: Cell<usize>,
    transport: Transport,
    thread: u16,
    clock: Cell<Clock>,
    timestamp_mapper: RefCell<TimestampMapper>,
    slots: RefCell<Vec<Slot>>,
    /// Slots that no connection uses.
    vacant: RefCell<Vec<usize>>,
    is_stopped: Cell<bool>,
    failure: RefCell<Option<ScriptError>>,
    /// The load may take over this state while the script runs.
    script_run: Arc<ScriptRun>,
    /// The request that the script is asked for.
    in_hand: Cell<Option<RequestRecord>>,
    /// The connection whose response the script gets, and when its end was read.
    answering: Cell<Option<(usize, ReadTime)>>,
    /// Requests that were never sent because of the script.
    pub script_unsent: Cell<u64>,
    /// Some requests that were never sent are not counted.
    pub has_uncounted: Cell<bool>,
}

const READ_BUFFER: usize = 64 * 1024;

impl WorkerState {
    pub fn new(
        plan: LoadPlan,
        thread: usize,
        transport: Transport,
        clock: Clock,
        requests: Requests,
        metrics: ThreadMetrics,
        script_run: Arc<ScriptRun>,
    ) -> WorkerState {
        WorkerState {
            dispatcher: RefCell::new(Dispatcher::new(&plan, thread)),
            fewest_streams: Cell::new(plan.streams),
            plan,
            requests: RefCell::new(requests),
            metrics: RefCell::new(metrics),
            wake_flag: WakeFlag::default(),
            read_buffer: RefCell::new(vec![0; READ_BUFFER].into_boxed_slice()),
            connections: RefCell::default(),
            watched: WatchCount::default(),
            causes: RefCell::default(),
            sent_again: Cell::new(0),
            unsolicited: Cell::new(0),
            transport,
            thread: thread as u16,
            clock: Cell::new(clock),
            timestamp_mapper: RefCell::default(),
            slots: RefCell::default(),
            vacant: RefCell::default(),
            is_stopped: Cell::new(false),
            failure: RefCell::new(None),
            script_run,
            in_hand: Cell::new(None),
            answering: Cell::new(None),
            script_unsent: Cell::new(0),
            has_uncounted: Cell::new(false),
        }
    }

    /// The number of the worker's thread, from 0.
    pub fn thread(&self) -> u16 {
        self.thread
    }

    /// Now, on the clock of the run.
    #[inline]
    pub fn now(&self) -> Instant {
        self.clock.get().now()
    }

    /// When bytes arrived that were read just now. Without a timestamp of their socket only the read is known.
    #[inline]
    pub fn read_time(&self, timestamp: Option<&LastTimestamp>) -> ReadTime {
        match timestamp {
            None => ReadTime::seen(self.now()),
            Some(last) => self.timestamp_mapper.borrow_mut().map(last.get(), &self.clock.get().read_wall()),
        }
    }

    /// Responses have kernel timestamps, if the kernel makes them.
    pub fn has_timestamps(&self) -> bool {
        self.transport.has_timestamps()
    }

    pub fn set_clock(&self, clock: Clock) {
        self.clock.set(clock);
        self.connections.borrow_mut().start();
    }

    /// Requests are in flight, and nothing is lost if their responses are read late: the kernel says when they arrived.
    #[inline]
    pub fn may_read_late(&self) -> bool {
        // With HTTP/2, a window of a stream may be exhausted until its connection reads.
        self.has_timestamps() && !self.plan.http2 && self.watched.is_zero() && self.metrics.borrow().in_flight > 0
    }

    /// Connects to `address`. Takes no longer than the plan's timeout.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let connected = tokio::time::timeout(self.plan.timeout.std(), self.transport.connect(address)).await;
        connected.unwrap_or_else(|_| Err(self.connect_timeout()))
    }

    /// No connection came up within the plan's timeout.
    pub fn connect_timeout(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {}", self.plan.timeout))
    }

    /// Counts a response without a request. Whatever follows it on its connection cannot be matched to a request.
    pub fn count_unsolicited(&self) {
        self.unsolicited.set(self.unsolicited.get() + 1);
        self.causes.borrow_mut().count(ErrorCause::Unsolicited, &"the server sent more responses than requests");
    }

    /// Builds the next request before it is due.
    pub fn prepare_request(&self) {
        if let Err(error) = self.requests.borrow_mut().prepare() {
            self.fail(error);
        }
    }

    /// Passes a response to the script whose end was read at `time`. It is that of the connection's first attempt.
    pub fn call_response(&self, id: usize, response: CapturedResponse, time: ReadTime) {
        let CapturedResponse { status, headers, body } = response;
        self.answering.set(Some((id, time)));
        let called = {
            let requests = self.requests.borrow();
            self.script_run.in_script(|| requests.vm().response(status, headers, body.bytes()))
        };
        self.answering.set(None);
        called.unwrap_or_else(|error| self.fail(error));
        self.check_script_stop(time.seen);
    }

    /// The connections that the plan keeps open on this worker; 0 with `open`, which opens them on demand.
    pub fn connections_planned(&self) -> u64 {
        match self.plan.when_busy {
            WhenBusy::Wait | WhenBusy::Pipeline => {
                self.plan.share(self.plan.connections, usize::from(self.thread)) as u64
            }
            WhenBusy::Open => 0,
        }
    }

    /// Ends arrivals if the script stopped its thread in its last call.
    pub fn check_script_stop(&self, now: Instant) {
        let stopped = self.requests.borrow().vm().is_stopped();
        if stopped {
            self.apply_script_stop(now);
        }
    }

    fn apply_script_stop(&self, now: Instant) {
        self.dispatcher.borrow_mut().stop(now);
        self.wake_flag.wake();
    }

    /// Ends arrivals at `now`.
    pub fn end_arrivals(&self, now: Instant) {
        self.dispatcher.borrow_mut().end_arrivals(now);
        self.wake_flag.wake();
    }

    /// Ends the run at once.
    pub fn stop(&self) {
        self.is_stopped.set(true);
        self.wake_flag.wake();
    }

    /// Ends the run at once because the script failed.
    pub fn fail(&self, error: ScriptError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.stop();
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }

    pub fn take_failure(&self) -> Option<ScriptError> {
        self.failure.borrow_mut().take()
    }
}
