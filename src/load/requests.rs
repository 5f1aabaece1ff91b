//! The bytes of the requests: one for all, or what the script returns, built ahead of time where it lets us.

use std::rc::Rc;

use crate::script::{ScriptError, Vm};

/// The bytes of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub bytes: Vec<u8>,
    /// A HEAD request: its response has no body.
    pub head: bool,
}

/// A thread's source of requests.
pub struct Requests {
    vm: Vm,
    /// The request of a script without a `request` function.
    fixed: Option<Rc<Payload>>,
    /// Built before it is due.
    next: Option<Rc<Payload>>,
    ahead: bool,
    /// Payloads whose request is over, to build in again.
    spare: Vec<Rc<Payload>>,
}

impl Requests {
    /// Builds the first request, which shows that the script makes requests at all.
    ///
    /// # Errors
    /// [`ScriptError`] where it doesn't.
    pub fn new(vm: Vm, ahead: bool) -> Result<Requests, ScriptError> {
        let ahead = ahead && !vm.wants_responses();
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

    /// The request that was built first, as long as it has not been sent.
    pub fn first(&self) -> Option<&Rc<Payload>> {
        self.fixed.as_ref().or(self.next.as_ref())
    }

    /// The request to send now.
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

    /// Builds the next request while nothing else is to be done.
    ///
    /// # Errors
    /// [`ScriptError`] where the script fails.
    pub fn prepare(&mut self) -> Result<(), ScriptError> {
        if self.ahead && self.fixed.is_none() && self.next.is_none() {
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
        inside.head = self.vm.request(&mut inside.bytes)?;
        Ok(payload)
    }
}
