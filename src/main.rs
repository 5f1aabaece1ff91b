use clap::{Parser, Subcommand};
use metawrk::testbed;

// One of the testbed's roles lives with a memory limit that its small allocations must not feel; the others pay a load.
#[global_allocator]
static HEAP: testbed::Heap = testbed::Heap;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the testbed, or one of its parts
    Testbed(testbed::cli::TestbedArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Testbed(args) => testbed::cli::run(args),
    }
}
