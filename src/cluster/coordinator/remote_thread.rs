use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use super::server::Shared;
use crate::cluster::protocol::Call;
use crate::script::{PlainValue, ScriptError, ThreadHandle};

/// The script of a thread in another process, as the main script sees it.
pub struct RemoteThread {
    pub shared: Arc<Shared>,
    pub part: u16,
    pub load: usize,
    pub thread: usize,
    pub address: Cell<SocketAddr>,
}

impl RemoteThread {
    /// Sends a call, and waits for the answer. A part that is lost gives none.
    fn call(&self, call: Call, value: &PlainValue) -> Result<PlainValue, ScriptError> {
        let answer = self.shared.desk().call(self.part, self.load, self.thread, call, value);
        answer.recv().unwrap_or_else(|_| Err(ScriptError::Lua(format!("part {} has ended", self.part))))
    }
}

impl ThreadHandle for RemoteThread {
    fn get(&self, name: &str) -> Result<PlainValue, ScriptError> {
        self.call(Call::Get { name: name.to_owned() }, &PlainValue::Nil)
    }

    fn set(&self, name: &str, value: PlainValue) -> Result<(), ScriptError> {
        self.call(Call::Set { name: name.to_owned() }, &value).map(|_| ())
    }

    fn address(&self) -> SocketAddr {
        self.address.get()
    }

    fn set_address(&self, address: SocketAddr) {
        self.address.set(address);
        drop(self.shared.desk().call(self.part, self.load, self.thread, Call::Address { address }, &PlainValue::Nil));
    }

    fn stop(&self) {
        drop(self.shared.desk().call(self.part, self.load, self.thread, Call::Stop, &PlainValue::Nil));
    }
}
