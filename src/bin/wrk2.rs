use std::process::ExitCode;

fn main() -> ExitCode {
    metawrk::cli::wrk2()
}
