//! The network interfaces of a name space, as its sysfs shows them. The sysfs of another container is reached through the
//! root of one of its processes: what lies there is the container's, so no link leads out of that root, and only files
//! of a real sysfs count.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, open, openat2};
use serde::{Deserialize, Serialize};

/// A network interface, as sysfs shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    pub name: String,
    pub index: u32,
    /// The index of its other side, in that one's name space.
    pub peer: u32,
    pub mac: String,
}

/// Where a sysfs lists the interfaces.
pub(super) const SYSFS: &str = "/sys/class/net";
/// `SYSFS_MAGIC` of statfs(2).
const SYSFS_MAGIC: u64 = 0x6265_6572;
/// No value of an interface is longer, in bytes.
const LONGEST_VALUE: u64 = 256;

/// The interfaces of this process's name space.
pub(super) fn own_interfaces() -> Result<Vec<Interface>, String> {
    let entries = fs::read_dir(SYSFS).map_err(|e| format!("no interfaces at {SYSFS}: {e}"))?;
    let read = |name: &str, file: &str| fs::read_to_string(Path::new(SYSFS).join(name).join(file)).ok();
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| interface(&name, &read)).collect())
}

/// The interfaces of the name space of another container's process.
///
/// # Errors
/// Where they cannot be read, or are not in a sysfs.
pub(super) fn interfaces_of(pid: u32) -> Result<Vec<Interface>, String> {
    let path = format!("/proc/{pid}/root");
    let interfaces = Root::open(Path::new(&path)).and_then(|root| root.only(SYSFS_MAGIC).interfaces());
    interfaces.map_err(|e| format!("no interfaces at {path}{SYSFS}: {e}"))
}

/// `None` if it is not an interface: it was removed meanwhile, or is another kind of file.
fn interface(name: &str, read: &dyn Fn(&str, &str) -> Option<String>) -> Option<Interface> {
    let value = |file: &str| read(name, file).map(|text| text.trim().to_owned());
    Some(Interface {
        index: value("ifindex")?.parse().ok()?,
        peer: value("iflink")?.parse().ok()?,
        mac: value("address")?,
        name: name.to_owned(),
    })
}

/// The root directory of another process. Nothing outside of it is reached from it.
struct Root {
    root: OwnedFd,
    /// Files of other file systems are refused.
    file_system: Option<u64>,
}

impl Root {
    fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root { root: open(path, flags, Mode::empty())?, file_system: None })
    }

    fn only(self, file_system: u64) -> Root {
        Root { file_system: Some(file_system), ..self }
    }

    /// Opens a file or folder to read it, where it is of the kind `wanted`. Links are followed as the owner of the root would, so never out of it.
    fn open_within(&self, path: &str, wanted: FileType) -> io::Result<OwnedFd> {
        // A FIFO must not block.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != wanted {
            return Err(io::Error::other(format!("{path} is no {}", if wanted.is_dir() { "folder" } else { "file" })));
        }
        match self.file_system {
            Some(wanted) if fstatfs(&file)?.f_type as u64 != wanted => {
                Err(io::Error::other(format!("{path} is not in the kernel's file system")))
            }
            _ => Ok(file),
        }
    }

    fn read(&self, path: &str) -> io::Result<String> {
        let file = File::from(self.open_within(path, FileType::RegularFile)?);
        let mut text = String::new();
        file.take(LONGEST_VALUE).read_to_string(&mut text)?;
        Ok(text)
    }

    fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let entries = Dir::new(self.open_within(SYSFS, FileType::Directory)?)?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        let read = |name: &str, file: &str| self.read(&format!("{SYSFS}/{name}/{file}")).ok();
        Ok(names.filter(|name| !name.starts_with('.')).filter_map(|name| interface(&name, &read)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_interfaces_of_another_process_are_those_of_its_sysfs() {
        let own = own_interfaces().unwrap();
        assert!(own.iter().any(|interface| interface.name == "lo" && interface.index == 1), "{own:?}");
        assert_eq!(sorted(interfaces_of(std::process::id()).unwrap()), sorted(own));
        assert!(interfaces_of(u32::MAX).is_err());
    }

    fn sorted(mut all: Vec<Interface>) -> Vec<Interface> {
        all.sort_by_key(|interface| interface.index);
        all
    }

    /// A root with one interface `eth0`, which has these files.
    fn root(ifindex: impl FnOnce(&Path)) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let eth0 = folder.path().join("sys/devices/eth0");
        fs::create_dir_all(&eth0).unwrap();
        fs::create_dir_all(folder.path().join("sys/class/net")).unwrap();
        symlink("../../devices/eth0", folder.path().join("sys/class/net/eth0")).unwrap();
        fs::write(eth0.join("iflink"), "8\n").unwrap();
        fs::write(eth0.join("address"), "02:42:ac:11:00:02\n").unwrap();
        ifindex(&eth0.join("ifindex"));
        let root = Root::open(folder.path()).unwrap();
        (folder, root)
    }

    #[test]
    fn no_link_leads_out_of_the_root_and_nothing_blocks() {
        let (_kept, plain) = root(|path| fs::write(path, "7\n").unwrap());
        let wanted = Interface { name: "eth0".into(), index: 7, peer: 8, mac: "02:42:ac:11:00:02".into() };
        assert_eq!(plain.interfaces().unwrap(), [wanted]);

        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "7\n").unwrap();
        let climbing = format!("../../../../../../../../..{}", secret.display());
        for target in [secret.to_str().unwrap(), &climbing] {
            let (_kept, root) = root(|path| symlink(target, path).unwrap());
            assert_eq!(root.interfaces().unwrap(), [], "{target}");
        }
        // A FIFO without a writer would block for ever.
        let fifo = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        };
        assert_eq!(root(fifo).1.interfaces().unwrap(), []);
    }

    #[test]
    fn files_that_are_not_the_kernel_s_are_refused() {
        let (_kept, forged) = root(|path| fs::write(path, "7\n").unwrap());
        let error = forged.only(SYSFS_MAGIC).interfaces().unwrap_err();
        assert!(error.to_string().contains("not in the kernel's file system"), "{error}");
    }
}
