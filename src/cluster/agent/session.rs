//! A part, from its acceptance to its end. Everything that happens is an event of one loop.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::clock::{Measuring, PartClock};
use super::connection::Connection;
use super::load::{LoadEvent, LoadOrder, start_loads};
use super::rows::{RowsReader, create_spool};
use super::scripts::{ScriptAnswer, ScriptCall, start_calls};
use super::{AgentSettings, SILENCE};
use crate::arrivals::GeneratorPart;
use crate::cluster::bundle::{Bundle, DataFile, is_below_here};
use crate::cluster::clock::{ClockMeasurement, Exchange, PartInstant};
use crate::cluster::meeting::{Answer, BeatCounts, Message};
use crate::cluster::protocol::{FromPart, RecordsWanted, ToPart};
use crate::cluster::split::plan_of_part;
use crate::load::plan::LoadPlan;
use crate::load::{LiveCounters, LoadResult};
use crate::out::warn;
use crate::record::Clock;
use crate::record::sink::Recorder;
use crate::signals::Signals;

/// How often a part says that it is alive.
const BEAT: Duration = Duration::from_millis(250);
/// How often records are sent.
const PUMP: Duration = Duration::from_millis(50);

/// A plan that is arriving.
struct Arriving {
    bundle: Bundle,
    records: Option<RecordsWanted>,
    files: usize,
}

/// How far a part has come.
enum Stage {
    /// It waits for the plan and its files.
    Joined(Option<Arriving>),
    /// Its loads are prepared, run, or have ended.
    Loaded(mpsc::Sender<LoadOrder>),
    /// Its loads have ended. Their results are sent.
    Delivering(VecDeque<(usize, Vec<u8>)>),
    /// Everything was sent.
    Delivered,
}

/// Which measurement of the clock goes on.
enum ClockUse {
    None,
    Before(Measuring),
    After(Measuring),
}

/// A part of a load.
pub struct Session {
    connection: Connection,
    part: GeneratorPart,
    plan_hash: String,
    folder: PathBuf,
    clock: PartClock,
    measuring: ClockUse,
    before: Option<ClockMeasurement>,
    stage: Stage,
    has_started: bool,
    live: Vec<Arc<LiveCounters>>,
    rows: Option<RowsReader>,
    calls: Option<mpsc::Sender<ScriptCall>>,
    load_events: (UnboundedSender<LoadEvent>, UnboundedReceiver<LoadEvent>),
    script_answers: (UnboundedSender<ScriptAnswer>, UnboundedReceiver<ScriptAnswer>),
    signals: Signals,
    heard: Instant,
}

/// The session is over.
struct Over;

impl Session {
    /// # Errors
    /// If signals cannot be received.
    pub fn new(
        connection: Connection,
        part: GeneratorPart,
        settings: &AgentSettings,
        folder: PathBuf,
    ) -> io::Result<Session> {
        Ok(Session {
            connection,
            part,
            plan_hash: settings.plan_hash.clone(),
            folder,
            clock: PartClock { offset: settings.clock_offset },
            measuring: ClockUse::None,
            before: None,
            stage: Stage::Joined(None),
            has_started: false,
            live: Vec::new(),
            rows: None,
            calls: None,
            load_events: unbounded_channel(),
            script_answers: unbounded_channel(),
            signals: Signals::new()?,
            heard: Instant::now(),
        })
    }

    /// Runs the part to its end.
    pub async fn run(mut self) {
        let mut beat = tokio::time::interval(BEAT);
        let mut pump = tokio::time::interval(PUMP);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pump.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                message = self.connection.receive() => match message {
                    Some((message, body)) => {
                        self.heard = Instant::now();
                        self.handle_message(message, &body)
                    }
                    None => self.lose_coordinator("its connection was closed"),
                },
                Some(event) = self.load_events.1.recv() => self.handle_load(event),
                Some(answer) = self.script_answers.1.recv() => self.handle_answer(answer),
                _ = beat.tick() => self.beat(),
                _ = pump.tick() => self.pump(),
                signal = self.signals.next() => {
                    self.fail(&format!("it was ended by {}", signal.name()));
                    Err(Over)
                }
            };
            if step.is_err() {
                break;
            }
        }
        self.end().await;
    }

    /// Stops the loads, and lets the last messages leave.
    async fn end(self) {
        let Session { connection, stage, .. } = self;
        if let Stage::Loaded(orders) = &stage {
            let _ = orders.send(LoadOrder::Stop);
        }
        let deadline = tokio::time::Instant::now() + Duration::from_millis(500);
        while !connection.is_flushed() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn handle_message(&mut self, message: ToPart, body: &Arc<Vec<u8>>) -> Result<(), Over> {
        match message {
            ToPart::Answer(answer) => return self.handle_meeting(answer),
            ToPart::Plan { records, files } => {
                let bundle = Bundle { plans: Arc::clone(body), files: Vec::new() };
                self.stage = Stage::Joined(Some(Arriving { bundle, records, files }));
                self.begin_if_complete();
            }
            ToPart::File { path } => {
                if let Stage::Joined(Some(arriving)) = &mut self.stage {
                    arriving.bundle.files.push(DataFile { path, bytes: Arc::clone(body) });
                }
                self.begin_if_complete();
            }
            ToPart::Proceed => self.order(LoadOrder::Proceed),
            ToPart::Begin => {
                self.measuring = ClockUse::Before(Measuring::default());
                self.ask_clock();
            }
            ToPart::Call { number, load, thread, call } => {
                if let Some(calls) = &self.calls {
                    let _ = calls.send(ScriptCall { number, load, thread, call, value: body.to_vec() });
                }
            }
            ToPart::EndArrivals => self.order(LoadOrder::EndArrivals),
            ToPart::Hurry => self.order(LoadOrder::Hurry),
            ToPart::Leave => return Err(Over),
        }
        Ok(())
    }

    fn handle_meeting(&mut self, answer: Answer) -> Result<(), Over> {
        match answer {
            Answer::Clock { sent, arrived, answered } => {
                let received = self.clock.at(self.connection.arrived());
                self.note_exchange(Exchange { sent, arrived, answered, received });
            }
            Answer::Start { at } if !self.has_started => {
                let at = self.before.and_then(|before| before.to_part(at));
                match at.filter(|at| *at > self.clock.now()) {
                    Some(at) => self.start(at),
                    None => self.fail("the start had passed when it learned it"),
                }
            }
            // What was delivered stays, until the coordinator needs the scripts no more.
            Answer::Stop { .. } if matches!(self.stage, Stage::Delivered | Stage::Delivering(_)) => {}
            Answer::Stop { .. } if self.has_started => self.order(LoadOrder::Stop),
            Answer::Stop { .. } | Answer::Refused { .. } => return Err(Over),
            Answer::Start { .. } | Answer::GoOn | Answer::Accepted { .. } => {}
        }
        Ok(())
    }

    /// Prepares the loads if the plan and all its files have come.
    fn begin_if_complete(&mut self) {
        let Stage::Joined(Some(Arriving { bundle, files, .. })) = &self.stage else { return };
        if bundle.files.len() < *files {
            return;
        }
        let Stage::Joined(Some(arriving)) = std::mem::replace(&mut self.stage, Stage::Joined(None)) else { return };
        if let Err(why) = self.prepare(arriving) {
            self.fail(&why);
        }
    }

    fn prepare(&mut self, arriving: Arriving) -> Result<(), String> {
        let Arriving { bundle, records, .. } = arriving;
        // The coordinator knows the token. Whoever only took its address does not know this.
        if bundle.checksum() != self.plan_hash {
            return Err("the plan that it got is not the plan that it was started for".to_owned());
        }
        let plans: Vec<LoadPlan> = serde_json::from_slice(&bundle.plans).map_err(|error| error.to_string())?;
        let plans = plans.iter().map(|plan| plan_of_part(plan, self.part)).collect::<Result<_, _>>();
        let plans = plans.map_err(|error| error.to_string())?;
        write_files(&self.folder, &bundle.files).map_err(|error| format!("cannot write a data file: {error}"))?;
        std::env::set_current_dir(&self.folder).map_err(|error| format!("cannot use its folder: {error}"))?;
        let recorder = match records {
            Some(RecordsWanted { unsent }) => {
                let spool = create_spool(&self.folder, unsent);
                let (spool, reader) = spool.map_err(|error| format!("cannot keep records: {error}"))?;
                self.rows = Some(reader);
                Some(Recorder::start(vec![Box::new(spool)]).map_err(|error| error.to_string())?)
            }
            None => None,
        };
        let orders = start_loads(plans, recorder, self.load_events.0.clone()).map_err(|error| error.to_string())?;
        self.stage = Stage::Loaded(orders);
        Ok(())
    }

    fn handle_load(&mut self, event: LoadEvent) -> Result<(), Over> {
        match event {
            LoadEvent::Loaded { addresses, scripts } => {
                match start_calls(scripts, self.script_answers.0.clone()) {
                    Ok(calls) => self.calls = Some(calls),
                    Err(error) => self.fail(&error.to_string()),
                }
                self.connection.send(&FromPart::Loaded { addresses });
            }
            LoadEvent::Prepared => self.connection.send(&FromPart::Prepared),
            LoadEvent::Running(live) => self.live = live,
            LoadEvent::Finished(loads) => {
                self.stage = Stage::Delivering(results(loads));
                return self.pump();
            }
            LoadEvent::Failed(why) => self.fail(&why),
        }
        Ok(())
    }

    fn handle_answer(&mut self, answer: ScriptAnswer) -> Result<(), Over> {
        let ScriptAnswer { number, result } = answer;
        let is_ok = result.is_ok();
        let body = result.map_or_else(|error| error.to_string().into_bytes(), |value| value.to_bytes());
        self.connection.send_body(&FromPart::Called { number, is_ok }, body);
        Ok(())
    }

    fn order(&mut self, order: LoadOrder) {
        if let Stage::Loaded(orders) = &self.stage {
            // The thread may have ended.
            let _ = orders.send(order);
        }
    }

    fn start(&mut self, at: PartInstant) {
        self.has_started = true;
        let clock: Clock = self.clock.starting_at(at);
        self.order(LoadOrder::Start(clock));
    }

    fn beat(&mut self) -> Result<(), Over> {
        if self.heard.elapsed() > SILENCE {
            return self.lose_coordinator("it is silent");
        }
        let mut counts = BeatCounts::default();
        for live in &self.live {
            counts.sent += live.requests();
            counts.answered += live.answered();
            counts.failed += live.failed();
            counts.send_lag = counts.send_lag.max(live.take_send_lag());
        }
        self.connection.send(&FromPart::Meeting(Message::Beat { counts }));
        Ok(())
    }

    /// Sends records, and at the end the results, as long as there is room.
    fn pump(&mut self) -> Result<(), Over> {
        while self.connection.has_room() {
            match self.rows.as_mut().map_or(Ok(None), RowsReader::next_piece) {
                Ok(Some(bytes)) => {
                    self.connection.send_body(&FromPart::Rows, bytes);
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    self.fail(&format!("cannot read its records: {error}"));
                    return Ok(());
                }
            }
            let Stage::Delivering(results) = &mut self.stage else { return Ok(()) };
            match results.pop_front() {
                Some((load, result)) => self.connection.send_body(&FromPart::Result { load }, result),
                None => {
                    self.stage = Stage::Delivered;
                    self.measuring = ClockUse::After(Measuring::default());
                    self.ask_clock();
                }
            }
        }
        Ok(())
    }

    fn ask_clock(&self) {
        self.connection.send(&FromPart::Meeting(Message::Clock { sent: self.clock.now() }));
    }

    fn note_exchange(&mut self, exchange: Exchange) {
        let measured = match &mut self.measuring {
            ClockUse::None => return,
            ClockUse::Before(measuring) | ClockUse::After(measuring) => measuring.add(exchange),
        };
        let Some(measured) = measured else { return self.ask_clock() };
        match (std::mem::replace(&mut self.measuring, ClockUse::None), measured) {
            (ClockUse::Before(_), Some(clock)) => {
                self.before = Some(clock);
                self.connection.send(&FromPart::Meeting(Message::Ready { clock }));
            }
            (ClockUse::Before(_), None) => self.fail("its clock could not be measured"),
            (ClockUse::After(_), clock) => self.connection.send(&FromPart::Delivered { clock }),
            (ClockUse::None, _) => {}
        }
    }

    /// Tells the coordinator that this part cannot go on.
    fn fail(&mut self, why: &str) {
        self.order(LoadOrder::Stop);
        self.connection.send(&FromPart::Meeting(Message::Failed { why: why.to_owned() }));
    }

    fn lose_coordinator(&mut self, why: &str) -> Result<(), Over> {
        if !matches!(self.stage, Stage::Delivered) {
            warn(&format!("part {}: the coordinator is gone ({why}), so the load ends", self.part.index));
        }
        Err(Over)
    }
}

/// The results of all workers as JSON, with the numbers of their loads.
fn results(loads: Vec<LoadResult>) -> VecDeque<(usize, Vec<u8>)> {
    let workers = loads.into_iter().enumerate().flat_map(|(load, result)| {
        // A result has only keys that are strings, so this does not fail.
        result.threads.into_iter().map(move |worker| (load, serde_json::to_vec(&worker).unwrap_or_default()))
    });
    workers.collect()
}

fn write_files(folder: &Path, files: &[DataFile]) -> io::Result<()> {
    for DataFile { path, bytes } in files {
        if !is_below_here(Path::new(path)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path leads out of the folder of the part"));
        }
        let path = folder.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, &bytes[..])?;
    }
    Ok(())
}
