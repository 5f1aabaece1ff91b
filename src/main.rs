use std::process::ExitCode;

use metawrk::testbed;

// One of the testbed's roles lives with a memory limit that its small allocations must not feel; the others pay a load.
#[global_allocator]
static HEAP: testbed::Heap = testbed::Heap;

fn main() -> ExitCode {
    metawrk::cli::metawrk()
}
