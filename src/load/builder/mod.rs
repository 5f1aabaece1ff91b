//! One load from a few lines of Rust.

mod error;
mod interval;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use error::RunError;
pub use interval::IntervalStatistics;
use interval::{IntervalSink, Intervals, lock};

use super::local::RECORD_DELAY;
use super::plan::{LoadPlan, LoadSettings, WhenBusy};
use super::result::LoadResult;
use super::run::PreparedLoad;
use crate::arrivals::{ArrivalProcess, Profile};
use crate::byte_text::ByteText;
use crate::record::Clock;
use crate::record::sink::{RecordSink, Recorder};
use crate::script::Script;
use crate::units::{Instant, Time};

/// A load on one URL, which [`Load::run`] generates.
///
/// ```no_run
/// # fn main() -> Result<(), metawrk::RunError> {
/// use std::time::Duration;
///
/// let result = metawrk::Load::new("http://127.0.0.1:8080/", 500.0) // requests/s
///     .connections(8)
///     .duration(Duration::from_secs(10))
///     .on_second(|second| println!("{second}"))
///     .run()?;
/// for percent in [50.0, 99.0, 99.9] {
///     if let Some(time) = result.latencies().response_time(percent) {
///         println!("p{percent} {time} from the due time");
///     }
/// }
/// println!("{} of {} answered", result.account().answered, result.account().scheduled);
/// # Ok(())
/// # }
/// ```
///
/// Without further calls a load is that of wrk2: 2 threads, 10 connections, 10 s, `GET` requests at equal gaps that wait
/// for a connection, and a timeout of 2 s that is only counted. It has no warm-up.
#[must_use = "a load does nothing until `run` is called"]
pub struct Load<'a> {
    settings: LoadSettings,
    sinks: Vec<Box<dyn RecordSink>>,
    callbacks: Vec<Callback<'a>>,
}

/// Is called with the statistics of each second, and decides whether the load goes on.
type Callback<'a> = Box<dyn FnMut(&IntervalStatistics) -> ControlFlow<()> + 'a>;

/// The zero of the load's clock is so far ahead of its start.
const LEAD: Time = Time::from_millis(1);

/// Interval at which a running load is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl<'a> Load<'a> {
    /// A load on `url` (`http` or `https`) at `rate` requests per second, or at a [`Profile`] for a rate that changes.
    pub fn new(url: impl Into<String>, rate: impl Into<Profile>) -> Load<'a> {
        Load::from(LoadSettings::new(url, rate))
    }

    /// The distribution of the gaps between requests. Default: all are equal.
    pub fn arrivals(self, process: ArrivalProcess) -> Self {
        self.settings(|settings| settings.arrivals = process)
    }

    /// The body of each request. The method is then POST, unless [`Load::method`] is called.
    pub fn body(self, body: impl Into<ByteText>) -> Self {
        let body = body.into();
        self.settings(|settings| {
            settings.body = Some(body);
            settings.method.get_or_insert_with(|| "POST".to_owned());
        })
    }

    /// Connections of all threads together, at least one for each thread. With [`WhenBusy::Open`], those that are open at
    /// the start.
    pub fn connections(self, count: usize) -> Self {
        self.settings(|settings| {
            settings.connections = count;
            settings.max_connections = settings.max_connections.max(count);
        })
    }

    /// Requests are due within this time.
    pub fn duration(self, duration: impl Into<Time>) -> Self {
        let duration = duration.into();
        self.settings(|settings| settings.duration = duration)
    }

    /// Adds a header to each request.
    pub fn header(self, name: impl Into<String>, value: impl Into<ByteText>) -> Self {
        let header = (name.into(), value.into());
        self.settings(|settings| settings.headers.push(header))
    }

    /// The method of each request. Default: GET.
    pub fn method(self, method: impl Into<String>) -> Self {
        let method = method.into();
        self.settings(|settings| settings.method = Some(method))
    }

    /// A Lua script with the API of wrk makes the requests. Its `done` function is not called: see
    /// [`LoadResult::run_done`].
    pub fn script(self, script: Script) -> Self {
        self.settings(|settings| settings.script = Some(script))
    }

    /// Threads of the generator. Each has its share of the connections and of the rate.
    pub fn threads(self, count: usize) -> Self {
        self.settings(|settings| settings.threads = count)
    }

    /// Requests that take longer count as errors. They are still waited for, unless
    /// [`OnTimeout::Abandon`](super::plan::OnTimeout::Abandon) is set. After the end of arrivals requests in flight have
    /// this time too, but no more than 2 s.
    pub fn timeout(self, timeout: impl Into<Time>) -> Self {
        let timeout = timeout.into();
        self.settings(|settings| (settings.timeout, settings.drain) = (timeout, settings.drain.min(timeout)))
    }

    /// The histograms leave out the requests that end in the first part of the load, of this length.
    pub fn warmup(self, warmup: impl Into<Time>) -> Self {
        let warmup = warmup.into();
        self.settings(|settings| settings.warmup = warmup)
    }

    /// What happens to a request that is due while all connections are busy. Default: it waits for one.
    pub fn when_busy(self, when_busy: WhenBusy) -> Self {
        self.settings(|settings| settings.when_busy = when_busy)
    }

    /// Changes any other setting: `.settings(|settings| settings.http2 = true)`.
    pub fn settings(mut self, change: impl FnOnce(&mut LoadSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Passes every record to `sink`, on a thread of its own: for example to a file that
    /// [`create_recording`](crate::record::create_recording) has created.
    pub fn sink(mut self, sink: Box<dyn RecordSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Calls `callback` with the statistics of each second of the load, about 0.3 s after its end, on the thread that calls
    /// [`Load::run`]. A slow callback does not delay the load. The remainder of the load is one more call.
    pub fn on_second(self, mut callback: impl FnMut(&IntervalStatistics) + 'a) -> Self {
        self.callback(move |second| {
            callback(second);
            ControlFlow::Continue(())
        })
    }

    /// Ends the load at once if `condition` holds after a second. Requests in flight then count as unanswered.
    pub fn stop_if(self, mut condition: impl FnMut(&IntervalStatistics) -> bool + 'a) -> Self {
        self.callback(move |second| if condition(second) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn callback(mut self, callback: impl FnMut(&IntervalStatistics) -> ControlFlow<()> + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Generates the load, and returns its result at the end. Blocks, so do not call it on a thread of an event loop.
    ///
    /// # Errors
    /// [`RunError`] if a setting is not possible, the target cannot be reached, a script fails, or a record cannot be written.
    pub fn run(self) -> Result<LoadResult, RunError> {
        let Load { settings, mut sinks, mut callbacks } = self;
        let plan = LoadPlan::new(settings)?;
        let intervals = Arc::new(Mutex::new(Intervals::new()));
        if !callbacks.is_empty() {
            sinks.push(Box::new(IntervalSink(Arc::clone(&intervals))));
        }
        let recorder = if sinks.is_empty() { None } else { Some(Recorder::start(sinks).map_err(RunError::Record)?) };
        let prepared = PreparedLoad::new(plan, recorder.as_ref().map(Recorder::senders))?;
        let clock = Clock::starting_in(LEAD);
        let mut running = prepared.start(clock);
        let control = running.control();
        // The lock is not held during a call: the sink must not wait for it.
        let mut call_back = |second: IntervalStatistics| {
            let ends = callbacks.iter_mut().filter_map(|callback| callback(&second).is_break().then_some(()));
            if ends.count() > 0 {
                control.stop();
            }
        };
        while !running.is_finished() {
            let over = clock.now().minus(RECORD_DELAY);
            while let Some(mut second) = lock(&intervals).take_before(over) {
                second.in_flight = running.live().iter().map(|live| live.in_flight()).sum();
                call_back(second);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let result = running.finish()?;
        recorder.map_or(Ok(()), Recorder::finish).map_err(RunError::Record)?;
        let ended = result.threads.iter().map(|thread| thread.ended).max().unwrap_or(Instant::START);
        while let Some(second) = lock(&intervals).take_rest(ended) {
            call_back(second);
        }
        match result.failure() {
            Some(error) => Err(RunError::Load(error.clone().into())),
            None => Ok(result),
        }
    }
}

impl From<LoadSettings> for Load<'_> {
    fn from(settings: LoadSettings) -> Self {
        Load { settings, sinks: Vec::new(), callbacks: Vec::new() }
    }
}
