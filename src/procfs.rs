//! Parses the files of `/proc/PID`. Almost every function takes the text of a file, and returns `None` if the text has no
//! such value.

/// A field of `status` in kB (`VmData`, `VmRSS`, ...), converted to bytes; also of `/proc/meminfo`.
pub fn status_bytes(status: &str, field: &str) -> Option<u64> {
    let kib: u64 = status_field(status, field)?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A field of `status` that is a plain number (`Threads`, ...).
pub fn status_number(status: &str, field: &str) -> Option<u32> {
    status_field(status, field)?.parse().ok()
}

/// Whether `status` says that the process ignores the signal with this number.
pub fn ignores_signal(status: &str, number: i32) -> bool {
    let mask = status_field(status, "SigIgn").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

fn status_field<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
}

/// The soft limit on the private data of a process (`RLIMIT_DATA`) from `limits`, in bytes. `None` also if unlimited.
pub fn data_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system CPU time from `stat` (fields 14 and 15), in clock ticks.
pub fn cpu_ticks(stat: &str) -> Option<u64> {
    stat_field(stat, 14)?.checked_add(stat_field(stat, 15)?)
}

/// How long the thread was ready to run and had no core, from `schedstat` (field 2), in ns.
pub fn core_wait_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().nth(1)?.parse().ok()
}

/// The start time of the process from `stat` (field 22), in clock ticks since boot. The pid and the start time together
/// identify a process.
pub fn start_ticks(stat: &str) -> Option<u64> {
    stat_field(stat, 22)
}

/// The start time of a process of this machine. `None` if it has ended.
pub fn start_ticks_of(pid: u32) -> Option<u64> {
    start_ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The state from `stat` (field 3): `R` runs, `S` sleeps, `T` is stopped, `Z` has ended.
pub fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The nice level from `stat` (field 19).
pub fn nice(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19 - 3)?.parse().ok()
}

/// The CPUs that a process may use, from `status`: `Cpus_allowed_list: 0-2,7`.
pub fn allowed_cpus(status: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in status_field(status, "Cpus_allowed_list")?.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

/// A number of `stat` by its position, from 1 as in proc(5).
fn stat_field(stat: &str, place: usize) -> Option<u64> {
    // The second field is the name of the program in parentheses. It may contain parentheses and blanks.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(place.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tmetawrk\nState:\tS (sleeping)\nVmPeak:\t  139008 kB\nVmRSS:\t    5120 kB\nVmData:\t    1304 kB\n\
         VmStk:\t     132 kB\nThreads:\t3\nSigQ:\t0/95872\n";

    #[test]
    fn ignored_signals_are_a_mask() {
        // As of a program that `nohup` starts: SIGHUP, and SIGPIPE by Rust.
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        let ignored = (1..64).filter(|&number| ignores_signal(status, number)).collect::<Vec<_>>();
        assert_eq!(ignored, [1, 13]);
        assert!(!ignores_signal("", 1));
    }

    #[test]
    fn status_gives_bytes_and_numbers() {
        assert_eq!(status_bytes(STATUS, "VmData"), Some(1304 * 1024));
        assert_eq!(status_bytes(STATUS, "VmRSS"), Some(5120 * 1024));
        assert_eq!(status_number(STATUS, "Threads"), Some(3));
    }

    #[test]
    fn a_value_that_status_lacks_is_none() {
        // A zombie has no memory lines.
        assert_eq!(status_bytes("Name:\tmetawrk\nState:\tZ (zombie)\n", "VmData"), None);
        assert_eq!(status_bytes(STATUS, "Vm"), None);
        assert_eq!(status_bytes("VmData:\tmuch kB\n", "VmData"), None);
        assert_eq!(status_number("", "Threads"), None);
    }

    #[test]
    fn allowed_cpus_are_listed_by_ranges() {
        assert_eq!(allowed_cpus("Cpus_allowed_list:\t0-2,7\n"), Some(vec![0, 1, 2, 7]));
        assert_eq!(allowed_cpus("Cpus_allowed_list:\t3\n"), Some(vec![3]));
        assert_eq!(allowed_cpus("Cpus_allowed_list:\t\n"), None);
    }

    #[test]
    fn the_soft_limit_is_taken() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max file size             unlimited            unlimited            bytes     \n\
                      Max data size             131346432            unlimited            bytes     \n";
        assert_eq!(data_limit(limits), Some(131_346_432));
        assert_eq!(data_limit(&limits.replace("131346432", "unlimited")), None);
        assert_eq!(data_limit(""), None);
    }

    #[test]
    fn the_wait_for_a_core_is_the_second_number() {
        assert_eq!(core_wait_ns("118000 3605707 1\n"), Some(3_605_707));
        assert_eq!((core_wait_ns("118000"), core_wait_ns("a b c")), (None, None));
    }

    #[test]
    fn cpu_and_start_are_found_after_any_name() {
        let stat = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 1021 0 0 0 37 5 0 0 20 0 2 0 123 142344192 1280 1844";
        assert_eq!((cpu_ticks(stat), start_ticks(stat)), (Some(42), Some(123)));
        assert_eq!(cpu_ticks("4242 (x) S 1 2"), None);
        assert_eq!(cpu_ticks(""), None);
        assert_eq!((nice(stat), nice(&stat.replace(" 20 0 2 ", " 0 -20 2 "))), (Some(0), Some(-20)));
        assert_eq!((state(stat), state("")), (Some('S'), None));
    }
}
