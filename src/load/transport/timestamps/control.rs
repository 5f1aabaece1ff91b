//! Finds the timestamp in the control messages of `recvmsg`. Pure.
//!
//! A control message is a header (`struct cmsghdr`: the length of header and data, a level and a type) and data, padded to
//! the size of a word. The data of `SCM_TIMESTAMPING` are three timespecs; the first is the software timestamp, and it is
//! zero if there is none.

use super::KernelTimestamp;

const WORD: usize = size_of::<usize>();
const HEADER: usize = size_of::<libc::cmsghdr>();
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The first software timestamp in `control`.
pub fn find_timestamp(mut control: &[u8]) -> Option<KernelTimestamp> {
    loop {
        let length = read_word(control, 0)?;
        let (level, kind) = (read_int(control, WORD)?, read_int(control, WORD + size_of::<i32>())?);
        let data = control.get(HEADER..length)?;
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) {
            return software_timestamp(data);
        }
        control = control.get(length.checked_next_multiple_of(WORD)?..)?;
    }
}

fn software_timestamp(data: &[u8]) -> Option<KernelTimestamp> {
    let (seconds, ns) = (read_word(data, 0)? as u64, read_word(data, WORD)? as u64);
    let is_valid = seconds > 0 && ns < NS_PER_SECOND;
    let timestamp = seconds.checked_mul(NS_PER_SECOND)?.checked_add(ns)?;
    is_valid.then_some(KernelTimestamp(timestamp))
}

fn read_word(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|word| usize::from_ne_bytes(*word))
}

fn read_int(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|int| i32::from_ne_bytes(*int))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(level: i32, kind: i32, data: &[usize]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len() * WORD).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(data.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    fn timestamping(seconds: usize, ns: usize) -> Vec<u8> {
        message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[seconds, ns, 0, 0, 0, 0])
    }

    #[test]
    fn the_software_timestamp_is_found() {
        let found = Some(KernelTimestamp(1_700_000_000_000_000_007));
        assert_eq!(find_timestamp(&timestamping(1_700_000_000, 7)), found);
        let mut after_others = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[]);
        after_others[..WORD].copy_from_slice(&(HEADER + 4).to_ne_bytes());
        after_others.extend([0; WORD]);
        after_others.extend(message(libc::IPPROTO_TCP, libc::SCM_TIMESTAMPING, &[1; 6]));
        after_others.extend(timestamping(1_700_000_000, 7));
        assert_eq!(find_timestamp(&after_others), found);
    }

    #[test]
    fn there_may_be_none() {
        assert_eq!(find_timestamp(&[]), None);
        assert_eq!(find_timestamp(&timestamping(0, 0)), None, "the kernel has none");
        assert_eq!(find_timestamp(&timestamping(1, 1_000_000_000)), None);
        assert_eq!(find_timestamp(&timestamping(usize::MAX, 0)), None);
        assert_eq!(find_timestamp(&message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[5])), None, "cut short");
        assert_eq!(find_timestamp(&message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[1])), None);
    }

    #[test]
    fn wrong_lengths_end_the_search() {
        for length in [0, 1, HEADER - 1, usize::MAX - 3, usize::MAX] {
            let mut bytes = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[1]);
            bytes[..WORD].copy_from_slice(&length.to_ne_bytes());
            bytes.extend(timestamping(5, 5));
            assert_eq!(find_timestamp(&bytes), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            words in prop::collection::vec(prop_oneof![any::<usize>(), 0..100usize], 0..20), cut in 0..8usize,
        ) {
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = find_timestamp(&bytes);
        }
    }
}
