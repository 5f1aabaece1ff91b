use std::io;

use tokio::runtime::Runtime;

/// An event loop for a thread that may already run another one, which would not allow a second.
#[derive(Debug)]
pub(super) struct EventLoop(Option<Runtime>);

impl EventLoop {
    /// # Errors
    /// If the system has no resources for it.
    pub(super) fn new() -> io::Result<EventLoop> {
        Ok(EventLoop(Some(tokio::runtime::Builder::new_current_thread().enable_all().build()?)))
    }

    /// Waits for `work`, which runs on a thread of its own.
    pub(super) fn wait_for<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        let joined = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for EventLoop {
    /// Does not wait, which another event loop on this thread would not allow.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_works_and_ends_inside_of_another_event_loop() {
        let event_loop = EventLoop::new().unwrap();
        assert_eq!(event_loop.wait_for(async { 1 }), 1);
        drop(event_loop);
    }
}
