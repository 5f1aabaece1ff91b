use std::process::ExitCode;

use metawrk::testbed;

// The testbed's role compose-post limits its memory, and keeps its own heap outside of that limit. For everything else, this
// is the system allocator.
#[global_allocator]
static HEAP: testbed::Heap = testbed::Heap;

fn main() -> ExitCode {
    metawrk::cli::metawrk()
}
