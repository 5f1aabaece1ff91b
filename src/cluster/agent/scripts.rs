//! Calls of the main script, which runs at the coordinator, to the scripts of the threads of a part.

use std::sync::mpsc::{Sender, channel};

use tokio::sync::mpsc::UnboundedSender;

use crate::cluster::protocol::Call;
use crate::load::WorkerScript;
use crate::script::{PlainValue, ScriptError, ThreadHandle};

/// A call to the script of a thread.
pub struct ScriptCall {
    pub number: u64,
    pub load: usize,
    pub thread: usize,
    pub call: Call,
    /// The value to set, as bytes.
    pub value: Vec<u8>,
}

/// The answer to a call: its number, and a value or an error.
pub struct ScriptAnswer {
    pub number: u64,
    pub result: Result<PlainValue, ScriptError>,
}

/// Starts the thread that makes the calls, in their order. It blocks until each script has answered. It ends when the
/// returned sender is dropped.
///
/// # Errors
/// If the system has no thread for it.
pub fn start_calls(
    scripts: Vec<Vec<WorkerScript>>,
    answers: UnboundedSender<ScriptAnswer>,
) -> std::io::Result<Sender<ScriptCall>> {
    let (sender, calls) = channel::<ScriptCall>();
    let work = move || {
        for ScriptCall { number, load, thread, call, value } in calls {
            let script = scripts.get(load).and_then(|threads| threads.get(thread));
            let result = match script {
                Some(script) => make_call(script, call, &value),
                None => Err(ScriptError::Lua(format!("there is no thread {thread} of load {load}"))),
            };
            let _ = answers.send(ScriptAnswer { number, result });
        }
    };
    std::thread::Builder::new().name("script-calls".into()).spawn(work)?;
    Ok(sender)
}

fn make_call(script: &WorkerScript, call: Call, value: &[u8]) -> Result<PlainValue, ScriptError> {
    match call {
        Call::Get { name } => script.get(&name),
        Call::Set { name } => {
            let value = PlainValue::from_bytes(value).map_err(|error| ScriptError::Lua(error.to_string()))?;
            script.set(&name, value).map(|()| PlainValue::Nil)
        }
        Call::Address { address } => {
            script.set_address(address);
            Ok(PlainValue::Nil)
        }
        Call::Stop => {
            script.stop();
            Ok(PlainValue::Nil)
        }
    }
}
