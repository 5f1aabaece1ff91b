//! Switching a network interface, as `ip link set dev X up` does: rtnetlink(7).

use std::io;

use rustix::fd::OwnedFd;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK`
const REQUEST_AND_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;

/// Switches the interface of this name space with this index.
///
/// # Errors
/// Where there is no such interface, or this process lacks the right.
pub(super) fn switch(index: u32, up: bool) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let index = i32::try_from(index).map_err(io::Error::other)?;
    sendto(&socket, &request(index, up), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    answer(&socket)
}

/// A header (`nlmsghdr`) and the change (`ifinfomsg`): only the flag IFF_UP.
fn request(index: i32, up: bool) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &32_u32.to_ne_bytes());
    put(4, &RTM_NEWLINK.to_ne_bytes());
    put(6, &REQUEST_AND_ACK.to_ne_bytes());
    put(20, &index.to_ne_bytes());
    put(24, &(if up { IFF_UP } else { 0 }).to_ne_bytes());
    put(28, &IFF_UP.to_ne_bytes());
    bytes
}

fn answer(socket: &OwnedFd) -> io::Result<()> {
    let mut bytes = [0; 1024];
    let (length, _) = recv(socket, &mut bytes, RecvFlags::empty())?;
    let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
    let error = i32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
    match (length >= 20 && kind == NLMSG_ERROR, error) {
        (true, 0) => Ok(()),
        (true, error) => Err(io::Error::from_raw_os_error(-error)),
        (false, _) => Err(io::Error::other("the kernel sent an unexpected answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let error = switch(i32::MAX as u32, true).unwrap_err();
        // Without the right the kernel does not look for it.
        assert!(matches!(error.kind(), io::ErrorKind::PermissionDenied) || error.raw_os_error() == Some(19), "{error}");
        assert!(switch(u32::MAX, true).is_err());
    }
}
