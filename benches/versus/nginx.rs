//! nginx with one process, for comparisons over HTTPS and over HTTP/2.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::pin_to_core;

/// An nginx that runs until it is dropped.
pub struct Nginx {
    process: Child,
    /// Its configuration and its certificate.
    _folder: TempDir,
    pub https: String,
    /// HTTP/2 without TLS.
    pub http2: String,
}

impl Nginx {
    /// Starts `program` on `core`, and waits until it accepts connections.
    pub fn start(program: &std::ffi::OsStr, core: usize) -> io::Result<Nginx> {
        let folder = tempfile::tempdir()?;
        let [https, http2] = [free_address()?, free_address()?];
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("cert.pem"), identity.cert.pem())?;
        std::fs::write(path("key.pem"), identity.signing_key.serialize_pem())?;
        let at = folder.path().display();
        let mut config = std::fs::File::create(path("nginx.conf"))?;
        writeln!(
            config,
            "daemon off; master_process off; pid {at}/pid; error_log stderr; events {{ worker_connections 1024; }}
            http {{
                access_log off; keepalive_requests 1000000000; default_type text/plain;
                ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;
                server {{ listen {https} ssl; listen {http2} http2; location / {{ return 200 \"Hello, world!\"; }} }}
            }}"
        )?;
        let mut command = Command::new(program);
        command.arg("-c").arg(path("nginx.conf")).stderr(Stdio::null());
        // A process has the core of the thread that starts it.
        let started = std::thread::spawn(move || {
            pin_to_core(core);
            command.spawn()
        });
        let process = started.join().expect("a thread that only starts a program")?;
        let nginx =
            Nginx { process, _folder: folder, https: format!("https://{https}/"), http2: format!("http://{http2}/") };
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(http2).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} does not accept connections", program.display())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
