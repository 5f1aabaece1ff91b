use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::server::{Shared, serve};
use crate::cluster::launch::{LaunchError, LaunchOrder, Launcher};
use crate::out::warn;

/// How long parts may take to read that they are not needed any more.
const FAREWELL: Duration = Duration::from_millis(300);

/// The thread that serves the parts, and the launcher that has started them. Dropping it ends both: the parts are told to
/// leave, and the launcher removes what it started.
pub struct Host {
    pub shared: Arc<Shared>,
    launcher: Mutex<Box<dyn Launcher>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Serves the parts that connect to `listener`.
    ///
    /// # Errors
    /// If the system has no thread or event loop for it.
    pub fn start(listener: TcpListener, shared: Arc<Shared>, launcher: Box<dyn Launcher>) -> io::Result<Host> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let work = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = serve(listener, serving) => {}
                    // Whether it was sent or dropped: the host ends.
                    _ = ended => tokio::time::sleep(FAREWELL).await,
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("coordinator".into()).spawn(work)?;
        Ok(Host { shared, launcher: Mutex::new(launcher), end: Some(end), thread: Some(thread) })
    }

    /// Starts the parts.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        self.launcher.get_mut().unwrap_or_else(PoisonError::into_inner).launch(order)
    }

    /// Checks that no part has failed before it joined.
    ///
    /// # Errors
    /// [`LaunchError`] if one has.
    pub fn check(&self) -> Result<(), LaunchError> {
        self.launcher.lock().unwrap_or_else(PoisonError::into_inner).check()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        {
            let mut desk = self.shared.desk();
            desk.stop("the coordinator has ended".to_owned());
            desk.leave_all();
        }
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Err(error) = self.launcher.get_mut().unwrap_or_else(PoisonError::into_inner).remove() {
            warn(&error.to_string());
        }
    }
}
