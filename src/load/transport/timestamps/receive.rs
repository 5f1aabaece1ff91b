//! The system calls that rustix lacks: asking for timestamps, and a read that returns them.

// SAFETY of this module: both calls get pointers to live values together with their sizes, and keep none of them.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::net::{AddressFamily, SocketType, socket};

use super::KernelTimestamp;
use super::control::find_timestamp;

/// Timestamps that software made when it received a segment, and no others.
const WANTED: libc::c_uint = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;

/// Room for the control messages of a read, in words. `SCM_TIMESTAMPING` takes 8.
const CONTROL_WORDS: usize = 16;

/// This kernel makes timestamps for TCP sockets.
pub fn are_available() -> bool {
    socket(AddressFamily::INET, SocketType::STREAM, None).is_ok_and(|socket| enable(socket.as_fd()).is_ok())
}

/// Asks for timestamps. The kernel begins to make them soon after, so the first reads may have none.
///
/// # Errors
/// The kernel has no timestamps.
pub fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let (wanted, size) = (WANTED, size_of_val(&WANTED) as libc::socklen_t);
    let wanted = (&raw const wanted).cast();
    // SAFETY: see the module.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPING, wanted, size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads into `buffer`. Returns how many of its bytes are initialized now, and the timestamp of the last segment among
/// them, if it has one.
///
/// # Errors
/// Those of `recvmsg`.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> io::Result<(usize, Option<KernelTimestamp>)> {
    let mut control = [0_usize; CONTROL_WORDS];
    let mut bytes = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: zeros are a valid `msghdr`, without a name, bytes or control messages.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut bytes, 1);
    (message.msg_control, message.msg_controllen) = ((&raw mut control).cast(), size_of_val(&control) as _);
    // SAFETY: see the module.
    let read = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    let control: &[u8] = bytemuck::cast_slice(&control);
    let timestamp = control.get(..message.msg_controllen as usize).and_then(find_timestamp);
    Ok((read, timestamp))
}
