use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{LaunchError, LaunchOrder, Launcher};

/// Parts get this long to end on their own.
const GRACE: Duration = Duration::from_secs(2);

/// Starts parts as processes of this machine.
#[derive(Debug)]
pub struct LocalLauncher {
    /// How many of the parts, the first ones. `None`: all.
    most: Option<u16>,
    children: Vec<Child>,
}

impl LocalLauncher {
    pub fn of_all_parts() -> LocalLauncher {
        LocalLauncher { most: None, children: Vec::new() }
    }

    /// Somebody else starts the other parts.
    pub fn of_part_0() -> LocalLauncher {
        LocalLauncher { most: Some(1), children: Vec::new() }
    }
}

impl Launcher for LocalLauncher {
    fn address(&mut self) -> Result<IpAddr, LaunchError> {
        Ok(Ipv4Addr::LOCALHOST.into())
    }

    fn launch(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        let program = find_program()?;
        for part in 0..order.parts.min(self.most.unwrap_or(order.parts)) {
            let mut command = Command::new(&program);
            command.args(order.arguments()).envs(order.environment()).stdin(Stdio::null());
            // The numbers of another launcher that started this process are not those of its parts.
            command.env("METAWRK_PART", part.to_string()).env("METAWRK_PARTS", order.parts.to_string());
            // A terminal sends Ctrl-C to the whole process group. The coordinator ends its parts itself.
            command.process_group(0);
            let child = command
                .spawn()
                .map_err(|error| LaunchError(format!("cannot start {}: {error}. Lower --parts", program.display())))?;
            self.children.push(child);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), LaunchError> {
        for (child, part) in self.children.iter_mut().zip(0..) {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(LaunchError(format!("the process of part {part} ended ({status}): see its message above")));
            }
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<(), LaunchError> {
        let deadline = Instant::now() + GRACE;
        for mut child in self.children.drain(..) {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            // It does nothing if the process has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(())
    }
}

impl Drop for LocalLauncher {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

/// The program `metawrk`: this one, or the one beside `wrk2`.
fn find_program() -> Result<PathBuf, LaunchError> {
    let own = std::env::current_exe().map_err(|error| LaunchError(format!("cannot find this program: {error}")))?;
    if own.file_name().is_none_or(|name| name != "wrk2") {
        return Ok(own);
    }
    let beside = own.with_file_name("metawrk");
    match beside.is_file() {
        true => Ok(beside),
        false => Err(LaunchError(format!(
            "there is no {}, which runs the parts. Install metawrk beside wrk2",
            beside.display()
        ))),
    }
}
