//! The pacer: the main loop of a worker. It sends each request when it is due, and waits in between.
//!
//! It knows the dispatcher and the connections only as a [`Workload`], and time only as a [`PacerTimer`], so that tests
//! run it on simulated time.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::dispatcher::{Action, Work};
use super::pool::Placement;
use super::spin::{SpinPolicy, Wait};
use super::timer::PacerTimer;
use super::wake_flag::{WaitFor, WakeFlag};
use crate::load::plan::Spin;
use crate::units::{Instant, Time};

/// What a pacer drives: the schedule and the connections of a worker.
pub trait Workload {
    /// The run ends now, even if requests are due or in flight.
    fn is_stopped(&self) -> bool;

    /// What to do at `now`.
    fn next_action(&self, now: Instant) -> Action;

    /// Sends a request at `now`.
    fn send(&self, work: Work, placement: Placement, now: Instant);

    /// Defers a request that is due by the delay that the script gives.
    fn delay(&self, work: Work);

    /// Some requests are in flight.
    fn has_in_flight(&self) -> bool;

    /// Requests are in flight, and nothing is lost if their responses are read late.
    fn may_read_late(&self) -> bool;

    /// Ends a wait of the pacer.
    fn wake_flag(&self) -> &WakeFlag;
}

/// Sends the requests of a workload, each when it is due.
pub struct Pacer<'a, W, T> {
    workload: &'a W,
    timer: &'a mut T,
    policy: SpinPolicy,
    slack: Time,
    /// The other tasks of the worker last had a chance to run at this instant.
    yielded_at: Instant,
    /// Requests were sent since the last wait.
    has_sent: bool,
}

/// The pacer sends requests for no longer than this before it lets the other tasks of the worker run.
const MAX_BURST: Time = Time::from_millis(1);

impl<'a, W: Workload, T: PacerTimer> Pacer<'a, W, T> {
    pub fn new(workload: &'a W, timer: &'a mut T, spin: Spin, slack: Time) -> Pacer<'a, W, T> {
        let policy = SpinPolicy::new(spin, slack);
        Pacer { workload, timer, policy, slack, yielded_at: Instant::START, has_sent: false }
    }

    /// Runs until nothing is left to send or to wait for, or until the workload is stopped.
    ///
    /// # Errors
    /// If the timer fails.
    pub async fn run(mut self) -> io::Result<()> {
        while !self.workload.is_stopped() {
            let now = self.timer.now();
            if now.since(self.yielded_at) > MAX_BURST {
                // With a script that takes longer than the gap between requests, a request is always due.
                tokio::task::yield_now().await;
                self.yielded_at = self.timer.now();
                continue;
            }
            match self.workload.next_action(now) {
                Action::Send(work, placement) => {
                    self.workload.send(work, placement, now);
                    self.has_sent = true;
                }
                Action::Delay(work) => self.workload.delay(work),
                Action::End => return Ok(()),
                Action::Drain(_) if !self.workload.has_in_flight() => return Ok(()),
                Action::Drain(until) | Action::Blocked(until) => self.wait(now, until, WaitFor::Connection).await?,
                Action::Wait(until) => self.wait(now, until, WaitFor::DueTime).await?,
            }
        }
        Ok(())
    }

    /// Waits until `until`, or shorter: the loop asks for the next action again in any case.
    async fn wait(&mut self, now: Instant, until: Instant, wait_for: WaitFor) -> io::Result<()> {
        if std::mem::take(&mut self.has_sent) {
            // The connections write first: setting the timer takes 8 us on a virtual machine.
            self.policy.charge(now);
            tokio::task::yield_now().await;
            self.yielded_at = now;
            return Ok(());
        }
        if wait_for == WaitFor::DueTime && self.slack > Time::ZERO && self.workload.may_read_late() {
            // Otherwise each response would wake the thread. The connections read before anything is sent.
            self.timer.block_until(until.min(now.plus(self.slack)));
            tokio::task::yield_now().await;
            self.yielded_at = self.timer.now();
            return Ok(());
        }
        self.workload.wake_flag().begin_wait(wait_for);
        match self.policy.choose_wait(now, until, wait_for == WaitFor::DueTime) {
            Wait::Spin => {
                // The other tasks run, and the runtime polls the sockets, before the clock is read again.
                tokio::task::yield_now().await;
                self.yielded_at = now;
                Ok(())
            }
            Wait::Sleep(at) => self.sleep(at).await,
        }
    }

    /// Sleeps until the timer fires or the wake flag is set.
    async fn sleep(&mut self, at: Instant) -> io::Result<()> {
        self.timer.set(at)?;
        let (flag, timer) = (self.workload.wake_flag(), &mut *self.timer);
        let fired = poll_fn(|cx| match flag.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(false)),
            Poll::Pending => timer.poll_fired(cx).map_ok(|()| true),
        })
        .await?;
        self.yielded_at = self.timer.now();
        // A timer that fires together with the wake flag is seen only after it is set again, and then seems to fire early.
        if fired && self.yielded_at >= at {
            self.policy.learn_latency(at, self.yielded_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
