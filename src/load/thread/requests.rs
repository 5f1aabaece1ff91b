//! The bytes of the requests: one for all, or what the script returns, built ahead of time where it lets us.

use std::ops::Range;
use std::rc::Rc;

use crate::http1::PipelinedRequest;
use crate::load::plan::LoadPlan;
use crate::script::{Environment, ScriptError, Vm};

/// What a script returned: the bytes of one request, or of several that go out together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub bytes: Vec<u8>,
    /// The requests in it, one at least.
    pub parts: Vec<PipelinedRequest>,
    /// The script stopped its thread while it made this: nothing follows.
    pub last: bool,
}

/// One request of a payload.
#[derive(Clone, Debug)]
pub struct PayloadPart {
    pub payload: Rc<Payload>,
    pub part: usize,
}

impl PayloadPart {
    /// Each request of a payload.
    pub fn all(payload: &Rc<Payload>) -> impl Iterator<Item = PayloadPart> {
        (0..payload.parts.len()).map(|part| PayloadPart { payload: Rc::clone(payload), part })
    }

    /// Its own bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.payload.bytes[self.range()]
    }

    /// Where its own bytes are.
    pub fn range(&self) -> Range<usize> {
        let parts = &self.payload.parts;
        let start = self.part.checked_sub(1).and_then(|before| parts.get(before)).map_or(0, |part| part.end);
        start..parts.get(self.part).map_or(self.payload.bytes.len(), |part| part.end)
    }

    /// A HEAD request: its response has no body.
    pub fn is_head(&self) -> bool {
        self.payload.parts.get(self.part).is_some_and(|part| part.head)
    }
}

/// What a thread's script is told, and the main script with thread 0.
pub fn environment(plan: &LoadPlan, thread: usize) -> Environment<'_> {
    Environment {
        target: plan.target(),
        headers: &plan.headers,
        args: &plan.args,
        seed: plan.seed.wrapping_mul(1009).wrapping_add(u64::from(plan.number(thread))),
    }
}

/// A thread's source of requests.
pub struct Requests {
    vm: Vm,
    /// The request of a script without a `request` function.
    fixed: Option<Rc<Payload>>,
    /// Built before it is due.
    next: Option<Rc<Payload>>,
    ahead: bool,
    /// Payloads whose requests are over, to build in again.
    spare: Vec<Rc<Payload>>,
}

impl Requests {
    /// Builds the first request, which shows that the script makes requests at all.
    ///
    /// # Errors
    /// [`ScriptError`] where it doesn't.
    pub fn new(vm: Vm, ahead: bool) -> Result<Requests, ScriptError> {
        let ahead = ahead && !vm.wants_responses() && !vm.delays();
        let mut requests = Requests { vm, fixed: None, next: None, ahead, spare: Vec::new() };
        let first = requests.build()?;
        if requests.vm.is_fixed() {
            requests.fixed = Some(first);
        } else {
            requests.next = Some(first);
        }
        Ok(requests)
    }

    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// What was built first, as long as it has not been sent.
    pub fn first(&self) -> Option<&Rc<Payload>> {
        self.fixed.as_ref().or(self.next.as_ref())
    }

    /// What is to be sent now.
    ///
    /// # Errors
    /// [`ScriptError`] where the script fails.
    pub fn next(&mut self) -> Result<Rc<Payload>, ScriptError> {
        if let Some(fixed) = &self.fixed {
            return Ok(Rc::clone(fixed));
        }
        match self.next.take() {
            Some(next) => Ok(next),
            None => self.build(),
        }
    }

    /// There is something to build before it is due.
    pub fn are_built_ahead(&self) -> bool {
        self.ahead && self.fixed.is_none()
    }

    /// Builds what comes next while nothing else is to be done.
    ///
    /// # Errors
    /// [`ScriptError`] where the script fails.
    pub fn prepare(&mut self) -> Result<(), ScriptError> {
        if self.are_built_ahead() && self.next.is_none() && !self.vm.stopped() {
            self.next = Some(self.build()?);
        }
        Ok(())
    }

    /// Takes back what a finished request no longer needs.
    pub fn recycle(&mut self, payload: Rc<Payload>) {
        if self.fixed.is_none() && self.spare.len() < 64 && Rc::strong_count(&payload) == 1 {
            self.spare.push(payload);
        }
    }

    fn build(&mut self) -> Result<Rc<Payload>, ScriptError> {
        let mut payload = self.spare.pop().unwrap_or_default();
        let inside = Rc::make_mut(&mut payload);
        self.vm.request(&mut inside.bytes, &mut inside.parts)?;
        inside.last = self.vm.stopped();
        Ok(payload)
    }
}
