use std::io;

use crate::load::plan::PlanError;
use crate::load::{LoadError, write_options};

/// Why a [`Load`](super::Load) has no result. Messages name the fields of [`LoadSettings`](crate::load::LoadSettings).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting is not possible. Nothing was sent.
    #[error("{}", with_settings(.0))]
    Plan(#[from] PlanError),
    /// The load did not start, or did not end normally.
    #[error("{}", with_settings(.0))]
    Load(#[from] LoadError),
    /// A record sink failed.
    #[error("cannot record requests: {0}")]
    Record(io::Error),
}

/// The message of `error`, with the names that settings have in Rust.
fn with_settings(error: &dyn std::error::Error) -> String {
    write_options(&error.to_string(), |option| match option {
        "cacert" => "`tls.authorities`".to_owned(),
        "cert" => "`tls.certificate`".to_owned(),
        "key" => "`tls.key`".to_owned(),
        "sni" => "`tls.server_name`".to_owned(),
        "verify" => "`tls.verify`".to_owned(),
        other => format!("`{}`", other.replace('-', "_")),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Load;

    fn error(load: Load<'_>) -> String {
        load.run().err().expect("an error").to_string()
    }

    #[test]
    fn errors_name_settings_as_rust_does() {
        let load = || Load::new("http://127.0.0.1:9/", 10.0);
        insta::assert_snapshot!(error(load().connections(1)), @"number of connections must be >= threads (1 < 2)");
        insta::assert_snapshot!(error(load().duration(Duration::ZERO)), @"`duration` must be above 0 and at most 8784h (a year), not 0s");
        insta::assert_snapshot!(error(load().settings(|s| s.max_connections = 1)), @"`max_connections` must be at least `connections`, not 1");
        insta::assert_snapshot!(error(load().settings(|s| s.tls.verify = true)), @"`tls.verify` needs an https URL: with http there is no certificate to verify. Write https, or leave it out");
        insta::assert_snapshot!(error(Load::new("nowhere", 10.0)), @"invalid URL: nowhere (no scheme). Write http://host:port/path or https://host:port/path");
    }
}
