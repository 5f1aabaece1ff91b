//! What the kernel's texts under `/proc/PID` say. Pure: texts in, numbers out; `None` where a text does not say it.

/// A field of `status` that is given in kB (`VmData`, `VmRSS`, ...), in bytes.
pub fn status_bytes(status: &str, field: &str) -> Option<u64> {
    let kib: u64 = status_field(status, field)?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A field of `status` that is a plain number (`Threads`, ...).
pub fn status_number(status: &str, field: &str) -> Option<u32> {
    status_field(status, field)?.parse().ok()
}

fn status_field<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
}

/// The soft limit on a process's private data (`RLIMIT_DATA`) from `limits`, in bytes; `None` also where it is unlimited.
pub fn data_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max data size"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system CPU time from `stat` (fields 14 and 15), in clock ticks.
pub fn cpu_ticks(stat: &str) -> Option<u64> {
    stat_field(stat, 14)?.checked_add(stat_field(stat, 15)?)
}

/// When the process started from `stat` (field 22), in clock ticks since the machine did: with the process's number,
/// this tells it from any other.
pub fn start_ticks(stat: &str) -> Option<u64> {
    stat_field(stat, 22)
}

/// A number of `stat` by its place, counted from 1 as in proc(5).
fn stat_field(stat: &str, place: usize) -> Option<u64> {
    // The second field is the program's name in parentheses, which may hold anything, parentheses and blanks too.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(place.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tmetawrk\nState:\tS (sleeping)\nVmPeak:\t  139008 kB\nVmRSS:\t    5120 kB\nVmData:\t    1304 kB\n\
         VmStk:\t     132 kB\nThreads:\t3\nSigQ:\t0/95872\n";

    #[test]
    fn status_gives_bytes_and_numbers() {
        assert_eq!(status_bytes(STATUS, "VmData"), Some(1304 * 1024));
        assert_eq!(status_bytes(STATUS, "VmRSS"), Some(5120 * 1024));
        assert_eq!(status_number(STATUS, "Threads"), Some(3));
    }

    #[test]
    fn what_status_does_not_say_is_none() {
        // A zombie has no memory lines.
        assert_eq!(status_bytes("Name:\tmetawrk\nState:\tZ (zombie)\n", "VmData"), None);
        assert_eq!(status_bytes(STATUS, "Vm"), None);
        assert_eq!(status_bytes("VmData:\tmuch kB\n", "VmData"), None);
        assert_eq!(status_number("", "Threads"), None);
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
    fn cpu_and_start_are_found_behind_any_name() {
        let stat = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 1021 0 0 0 37 5 0 0 20 0 2 0 123 142344192 1280 1844";
        assert_eq!((cpu_ticks(stat), start_ticks(stat)), (Some(42), Some(123)));
        assert_eq!(cpu_ticks("4242 (x) S 1 2"), None);
        assert_eq!(cpu_ticks(""), None);
    }
}
