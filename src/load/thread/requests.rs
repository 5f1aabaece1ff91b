//! The bytes of the requests: the same for all, or what the script returns. They are built ahead of time if the script
//! allows it.

use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::script_run::ScriptRun;
use crate::http1::PipelinedRequest;
use crate::load::plan::LoadPlan;
use crate::script::{Environment, ScriptError, Vm};

/// What one call of the script returned: the bytes of one request, or of several that are sent together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    pub bytes: Vec<u8>,
    /// The requests in it, at least one.
    pub parts: Vec<PipelinedRequest>,
    /// The address that the script wanted when it made the request; `None` for any.
    pub address: Option<SocketAddr>,
    /// The script stopped its thread in this call: no request follows.
    pub is_last: bool,
}

/// One request of a payload.
#[derive(Clone, Debug)]
pub struct PayloadPart {
    pub payload: Rc<Payload>,
    /// Its place among the parts, from 0.
    pub index: usize,
}

impl PayloadPart {
    /// The requests of a payload, in order.
    pub fn all(payload: &Rc<Payload>) -> impl Iterator<Item = PayloadPart> {
        (0..payload.parts.len()).map(|index| PayloadPart { payload: Rc::clone(payload), index })
    }

    /// The bytes of this request.
    pub fn bytes(&self) -> &[u8] {
        &self.payload.bytes[self.range()]
    }

    /// The range of these bytes in the payload.
    pub fn range(&self) -> Range<usize> {
        let parts = &self.payload.parts;
        let start = self.index.checked_sub(1).and_then(|before| parts.get(before)).map_or(0, |part| part.end);
        start..parts.get(self.index).map_or(self.payload.bytes.len(), |part| part.end)
    }

    /// Its method is idempotent (RFC 9110, 9.2.2): sent twice it has the same effect as sent once.
    pub fn is_idempotent(&self) -> bool {
        let method = self.bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        matches!(method, b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE")
    }

    /// A HEAD request: its response has no body.
    pub fn is_head(&self) -> bool {
        self.payload.parts.get(self.index).is_some_and(|part| part.is_head)
    }
}

/// The environment of a worker's script. The main script has that of thread 0. No two threads of all URLs and generators
/// have the same seed.
pub fn environment(plan: &LoadPlan, thread: usize) -> Environment<'_> {
    let number = u64::from(plan.generator.index) << 16 | u64::from(plan.number(thread));
    Environment {
        target: plan.target(),
        method: plan.method.as_deref(),
        body: plan.body.as_ref(),
        headers: &plan.headers,
        args: &plan.args,
        seed: plan.seed.wrapping_mul(1009).wrapping_add(number),
    }
}

/// The requests of a worker.
pub struct Requests {
    vm: Vm,
    /// The request of a script without a `request` function.
    fixed: Option<Rc<Payload>>,
    /// The next request, if it is built already.
    next: Option<Rc<Payload>>,
    /// Requests are built before they are due, unless they are fixed.
    builds_ahead: bool,
    /// Payloads whose requests are over. Their memory is used again.
    spare: Vec<Rc<Payload>>,
    /// The address of the first request.
    address: SocketAddr,
    /// The script has changed the address since.
    addresses_vary: bool,
    script_run: Arc<ScriptRun>,
}

/// The most payloads that are kept to be used again.
const MAX_SPARE: usize = 64;

impl Requests {
    /// Builds the first request.
    ///
    /// # Errors
    /// [`ScriptError`] if the script makes no request.
    pub fn new(vm: Vm, ahead: bool, script_run: Arc<ScriptRun>) -> Result<Requests, ScriptError> {
        let builds_ahead = ahead && !vm.has_response() && !vm.has_delay();
        let address = vm.address();
        let mut requests = Requests {
            address,
            addresses_vary: false,
            vm,
            fixed: None,
            next: None,
            builds_ahead,
            spare: Vec::new(),
            script_run,
        };
        let first = requests.build()?;
        (requests.address, requests.addresses_vary) = (requests.vm.address(), false);
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

    /// The first request, until it is sent.
    pub fn first(&self) -> Option<&Rc<Payload>> {
        self.fixed.as_ref().or(self.next.as_ref())
    }

    /// The next request to send.
    ///
    /// # Errors
    /// [`ScriptError`] if the script fails.
    pub fn next(&mut self) -> Result<Rc<Payload>, ScriptError> {
        if let Some(fixed) = &self.fixed {
            return Ok(Rc::clone(fixed));
        }
        match self.next.take() {
            Some(next) => Ok(next),
            None => self.build(),
        }
    }

    /// Requests go to different addresses, because the script has set `wrk.thread.addr` in its `request` function.
    #[inline]
    pub fn addresses_vary(&self) -> bool {
        self.addresses_vary
    }

    /// [`Requests::next`] has to call the script.
    #[inline]
    pub fn next_calls_script(&self) -> bool {
        self.fixed.is_none() && self.next.is_none()
    }

    /// Requests are built before they are due.
    pub fn are_built_ahead(&self) -> bool {
        self.builds_ahead && self.fixed.is_none()
    }

    /// Builds the next request, if requests are built ahead and it is not built yet.
    ///
    /// # Errors
    /// [`ScriptError`] if the script fails.
    pub fn prepare(&mut self) -> Result<(), ScriptError> {
        if self.are_built_ahead() && self.next.is_none() && !self.vm.is_stopped() {
            self.next = Some(self.build()?);
        }
        Ok(())
    }

    /// Takes back the payload of a request that is over.
    pub fn recycle(&mut self, payload: Rc<Payload>) {
        if self.fixed.is_none() && self.spare.len() < MAX_SPARE && Rc::strong_count(&payload) == 1 {
            self.spare.push(payload);
        }
    }

    fn build(&mut self) -> Result<Rc<Payload>, ScriptError> {
        let mut payload = self.spare.pop().unwrap_or_default();
        let content = Rc::make_mut(&mut payload);
        self.script_run.in_script(|| self.vm.request(&mut content.bytes, &mut content.parts))?;
        content.is_last = self.vm.is_stopped();
        if !self.vm.is_fixed() {
            let address = self.vm.address();
            content.address = Some(address);
            self.addresses_vary |= address != self.address;
        }
        Ok(payload)
    }
}
