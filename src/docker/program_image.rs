//! A container image of this program: the executable, and the libraries that the system loads for it. Nothing is pulled or
//! built, and the same program gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::OUR_PROGRAM;

/// Libraries that older C libraries load on demand for DNS lookups. They are in the folder of the C library.
const FOR_NAMES: [&str; 3] = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
/// A DNS lookup without an answer ends soon, so that a name that is back is soon resolved.
const SHORT_LOOKUPS: &str = "RES_OPTIONS=timeout:1 attempts:1";

/// Where programs make temporary files.
const TEMPORARY: &str = "tmp";

/// Why the image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("cannot make the image: this program's file cannot be found. It may have been moved since its start")]
    Program(#[source] io::Error),
    #[error("cannot make the image: the libraries that this program needs cannot be listed")]
    Libraries(#[source] io::Error),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the image's archive")]
    Archive(#[from] io::Error),
}

/// This program as an archive for `docker load`, with all of `names` (`repository:tag`).
///
/// # Errors
/// [`ImageError`] names what is missing.
pub fn archive(names: &[String]) -> Result<Vec<u8>, ImageError> {
    let program = std::env::current_exe().map_err(ImageError::Program)?;
    let libraries = libraries(&program)?;
    let mut files = vec![(PathBuf::from(OUR_PROGRAM), program)];
    files.extend(libraries.iter().map(|library| (library.clone(), library.clone())));
    let layer = layer(&files)?;
    Ok(image(names, &layer, &config(&layer, &libraries))?)
}

/// The paths by which the program loads them, the loader included; none where it is linked statically.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>, ImageError> {
    // As ldd does. A program without a loader ignores the variable, and prints its version.
    let listed = Command::new(program).arg("--version").env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let mut libraries = listed_libraries(&String::from_utf8_lossy(&listed.map_err(ImageError::Libraries)?.stdout));
    let c = libraries.iter().find(|path| path.file_name().is_some_and(|name| name == "libc.so.6"));
    if let Some(folder) = c.and_then(|path| path.parent()).map(Path::to_owned) {
        libraries.extend(FOR_NAMES.map(|name| folder.join(name)).into_iter().filter(|path| path.exists()));
    }
    Ok(libraries)
}

/// `libc.so.6 => /lib/libc.so.6 (0x...)`, and for the loader `/lib64/ld-linux-x86-64.so.2 (0x...)`.
fn listed_libraries(text: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let found = line.split_once("=>").map_or(line, |(_, found)| found).trim();
        found.starts_with('/').then(|| PathBuf::from(found.rsplit_once(" (").map_or(found, |(path, _)| path)))
    };
    text.lines().filter_map(path).collect()
}

/// `files` as (path in the image, path on this machine), and their folders.
fn layer(files: &[(PathBuf, PathBuf)]) -> Result<Vec<u8>, ImageError> {
    let mut tar = tar::Builder::new(Vec::new());
    for (folder, mode) in folders(files.iter().map(|(to, _)| to.as_path())) {
        append_folder(&mut tar, &folder, mode)?;
    }
    for (to, from) in files {
        let bytes = std::fs::read(from).map_err(|source| ImageError::Read { path: from.clone(), source })?;
        append(&mut tar, to.strip_prefix("/").unwrap_or(to), &bytes)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, path, bytes)
}

/// The folders of the image with their modes. Folders that are not in a layer would be closed to all without special rights.
fn folders<'a>(files: impl Iterator<Item = &'a Path>) -> BTreeMap<PathBuf, u32> {
    let parents = files.flat_map(|file| file.ancestors().skip(1)).filter_map(|folder| folder.strip_prefix("/").ok());
    let parents = parents.filter(|folder| !folder.as_os_str().is_empty()).map(|folder| (folder.to_owned(), 0o755));
    // All users may write to it, and each deletes only their own files, as in every system.
    parents.chain([(PathBuf::from(TEMPORARY), 0o1777)]).collect()
}

fn append_folder(tar: &mut tar::Builder<Vec<u8>>, path: &Path, mode: u32) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(mode);
    tar.append_data(&mut header, path, io::empty())
}

/// The configuration of the image, in the format of the OCI.
fn config(layer: &[u8], libraries: &BTreeSet<PathBuf>) -> String {
    let folders: BTreeSet<_> = libraries.iter().filter_map(|path| path.parent()?.to_str()).collect();
    let folders = folders.into_iter().collect::<Vec<_>>().join(":");
    let mut env = vec![SHORT_LOOKUPS.to_owned()];
    // The image has no cache of library folders for the loader.
    if !folders.is_empty() {
        env.push(format!("LD_LIBRARY_PATH={folders}"));
    }
    // The time is left out, so that the same program gives the same bytes.
    let created = "1970-01-01T00:00:00Z";
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": [OUR_PROGRAM],
            "Env": env,
            "Labels": { "org.opencontainers.image.version": env!("CARGO_PKG_VERSION") },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(layer))] },
        "history": [{ "created": created, "created_by": "metawrk image" }],
    });
    config.to_string()
}

/// As `docker save` writes an image: <https://github.com/moby/docker-image-spec>.
fn image(names: &[String], layer: &[u8], config: &str) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let config_name = format!("{}.json", sha256(config.as_bytes()));
    let manifest = json!([{ "Config": config_name, "RepoTags": names, "Layers": ["layer.tar"] }]).to_string();
    append(&mut tar, Path::new(&config_name), config.as_bytes())?;
    append(&mut tar, Path::new("layer.tar"), layer)?;
    append(&mut tar, Path::new("manifest.json"), manifest.as_bytes())?;
    tar.into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// This machine's architecture, by its name in the OCI (as in Go).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const LISTED: &str = "\tlinux-vdso.so.1 (0x00007ffc0f5f2000)\n\
                          \tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1)\n\
                          \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n\
                          \t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n";

    fn paths(texts: &[&str]) -> BTreeSet<PathBuf> {
        texts.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn libraries_are_those_that_the_loader_lists() {
        let found = listed_libraries(LISTED);
        let wanted =
            ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6"];
        assert_eq!(found, paths(&wanted));
        // A static program prints its version instead.
        assert_eq!(listed_libraries("metawrk 0.1.0\n"), paths(&[]));
    }

    #[test]
    fn an_image_holds_its_files_and_says_how_to_run_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("program"), "bytes").unwrap();
        let files = [(PathBuf::from(OUR_PROGRAM), dir.path().join("program"))];
        let layer = layer(&files).unwrap();
        let config = config(&layer, &listed_libraries(LISTED));
        let names = ["metawrk:1", "metawrk:latest"].map(str::to_owned);
        let made = image(&names, &layer, &config).unwrap();
        assert_eq!(made, image(&names, &super::layer(&files).unwrap(), &config).unwrap());

        let mut held = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(&*made).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            held.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&held["manifest.json"]).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&held[manifest[0]["Config"].as_str().unwrap()]).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["metawrk:1", "metawrk:latest"]));
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&held["layer.tar"])));
        assert_eq!(config["config"]["Env"][1], "LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/lib64");
        let mut layer = tar::Archive::new(&*held["layer.tar"]);
        let program = layer.entries().unwrap().map(Result::unwrap).find(|entry| entry.header().entry_type().is_file());
        let program = program.unwrap();
        assert_eq!((program.path().unwrap().as_ref(), program.size()), (Path::new("metawrk"), 5));
    }

    /// Engines close folders that they make themselves: a process without capabilities could not load its libraries.
    #[test]
    fn an_image_has_every_folder_with_its_mode() {
        let files = ["/metawrk", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(Path::new);
        let folders = folders(files.into_iter());
        let modes = [("lib", 0o755), ("lib/x86_64-linux-gnu", 0o755), ("lib64", 0o755), ("tmp", 0o1777)];
        assert_eq!(folders, modes.map(|(folder, mode)| (PathBuf::from(folder), mode)).into());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = layer(&[(PathBuf::from("/x"), PathBuf::from("/nowhere/x"))]).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nowhere/x: No such file"), "{error}");
    }

    #[test]
    fn hashes_are_sha_256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
