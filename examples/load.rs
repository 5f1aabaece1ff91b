//! A load from Rust: one line for each second, then percentiles of the response time.
//!
//! ```text
//! cargo run --release --example load -- http://127.0.0.1:8080/ 500
//! ```

use std::time::Duration;

use metawrk::{Load, RunError};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(rate)) = (args.next(), args.next()) else {
        return Err("write a URL and a rate, such as http://127.0.0.1:8080/ 500".into());
    };
    let text = measure(&url, rate.parse()?, Duration::from_secs(10))?;
    print!("{text}");
    Ok(())
}

/// Sends `rate` requests per second to `url`, and describes how long the responses took.
pub fn measure(url: &str, rate: f64, duration: Duration) -> Result<String, RunError> {
    let result = Load::new(url, rate)
        .connections(8)
        .duration(duration)
        .on_second(|second| eprintln!("{second}"))
        .stop_if(|second| second.account.scheduled > 0 && second.account.answered == 0)
        .run()?;
    let (account, latencies) = (result.account(), result.latencies());
    let mut text = format!("{} of {} requests were answered\n", account.answered, account.scheduled);
    for percent in [50.0, 90.0, 99.0, 99.9, 100.0] {
        if let Some(time) = latencies.response_time(percent) {
            text += &format!("{percent:>5} % {time:>10}\n");
        }
    }
    Ok(text)
}
