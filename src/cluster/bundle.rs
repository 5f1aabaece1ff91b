//! What every part needs to know: the plans of the loads, and the files that their scripts open.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::input;
use crate::load::plan::{LoadPlan, LoadSettings};

/// A file that travels with a plan.
#[derive(Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Relative to the working directory.
    pub path: String,
    pub bytes: Arc<Vec<u8>>,
}

/// The most bytes of a data file.
pub const MAX_FILE: u64 = 1 << 30;

/// The certificate authorities of `--cacert` travel under this name.
const AUTHORITIES: &str = "metawrk-certificate-authorities.pem";

/// Why a plan cannot be sent to other machines.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{}: a part finds a data file by the same relative path as the script here. Name it relative to the working \
         directory, without `..`",
        path.display()
    )]
    Path { path: PathBuf },
    #[error(
        "a load with a client certificate cannot be sent by several generators: the private key would travel over the \
         network. Remove --cert, or use one generator"
    )]
    PrivateKey,
}

/// The plans of all loads, and the files of their scripts.
#[derive(Clone)]
pub struct Bundle {
    /// The plans as JSON.
    pub plans: Arc<Vec<u8>>,
    pub files: Vec<DataFile>,
}

impl fmt::Debug for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataFile({}, {} bytes)", self.path, self.bytes.len())
    }
}

impl DataFile {
    /// Reads a file for the parts.
    ///
    /// # Errors
    /// [`BundleError`] if it cannot be read, or its path has no meaning on another machine.
    pub fn read(path: &Path) -> Result<DataFile, BundleError> {
        let Some(name) = path.to_str().filter(|name| is_below_here(Path::new(name))) else {
            return Err(BundleError::Path { path: path.to_owned() });
        };
        Ok(DataFile { path: name.to_owned(), bytes: read(path, MAX_FILE)? })
    }
}

/// Whether a path leads to a file below the working directory.
pub fn is_below_here(path: &Path) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    path.components().all(is_plain) && path.file_name().is_some()
}

fn read(path: &Path, most: u64) -> Result<Arc<Vec<u8>>, BundleError> {
    let bytes = input::read_regular(path, most);
    bytes.map(Arc::new).map_err(|source| BundleError::Read { path: path.to_owned(), source })
}

impl Bundle {
    /// # Errors
    /// [`BundleError::Read`] if the certificate authorities of a plan cannot be read.
    pub fn new(plans: &[LoadPlan], mut files: Vec<DataFile>) -> Result<Bundle, BundleError> {
        let mut settings: Vec<LoadSettings> = plans.iter().cloned().map(LoadSettings::from).collect();
        // All loads have the same TLS settings.
        if settings.first().is_some_and(|first| first.tls.certificate.is_some()) {
            return Err(BundleError::PrivateKey);
        }
        if let Some(path) = settings.first().and_then(|first| first.tls.authorities.clone()) {
            let bytes = read(&path, input::MAX_CERTIFICATES)?;
            files.push(DataFile { path: AUTHORITIES.to_owned(), bytes });
            settings.iter_mut().for_each(|one| {
                (one.tls.verify, one.tls.authorities) = (true, Some(AUTHORITIES.into()));
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        // Settings have only keys that are strings, so this does not fail.
        Ok(Bundle { plans: Arc::new(serde_json::to_vec(&settings).unwrap_or_default()), files })
    }

    /// The SHA-256 of all of it.
    pub fn checksum(&self) -> String {
        let mut context = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_le_bytes());
            context.update(bytes);
        };
        add(&self.plans);
        for file in &self.files {
            add(file.path.as_bytes());
            add(&file.bytes);
        }
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::TlsSettings;

    fn plan(rate: f64) -> LoadPlan {
        LoadPlan::new(LoadSettings::new("http://h/", rate)).unwrap()
    }

    fn file(path: &str, bytes: &[u8]) -> DataFile {
        DataFile { path: path.into(), bytes: Arc::new(bytes.to_vec()) }
    }

    #[test]
    fn the_checksum_depends_on_plans_and_files_and_not_on_the_order_of_files() {
        let sum = |rate, files: &[DataFile]| Bundle::new(&[plan(rate)], files.to_vec()).unwrap().checksum();
        let (a, b) = (file("a", b"1"), file("b", b"2"));
        assert_eq!(sum(1.0, &[a.clone(), b.clone()]), sum(1.0, &[b.clone(), a.clone()]));
        let different = [
            sum(1.0, &[]),
            sum(2.0, &[]),
            sum(1.0, std::slice::from_ref(&a)),
            sum(1.0, &[a.clone(), b]),
            sum(1.0, &[file("a", b"2")]),
            sum(1.0, &[file("a1", b"")]),
        ];
        for (i, sum) in different.iter().enumerate() {
            assert!(sum.len() == 64 && !different[..i].contains(sum), "{i}");
        }
    }

    #[test]
    fn plans_come_back_from_json() {
        let bundle = Bundle::new(&[plan(1.0), plan(2.0)], vec![]).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<LoadPlan>>(&bundle.plans).unwrap(), [plan(1.0), plan(2.0)]);
    }

    #[test]
    fn certificate_authorities_travel_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "pem").unwrap();
        let tls = TlsSettings { verify: true, authorities: Some(path), ..TlsSettings::default() };
        let plan = LoadPlan::new(LoadSettings { tls, ..LoadSettings::new("https://h/", 1.0) }).unwrap();
        let bundle = Bundle::new(&[plan], vec![]).unwrap();
        assert_eq!((bundle.files[0].path.as_str(), &bundle.files[0].bytes[..]), (AUTHORITIES, &b"pem"[..]));
        let plans: Vec<LoadPlan> = serde_json::from_slice(&bundle.plans).unwrap();
        assert_eq!(plans[0].tls.authorities, Some(AUTHORITIES.into()));
    }

    #[test]
    fn only_files_below_the_working_directory_travel() {
        for (path, is) in [("a", true), ("./a/b", true), ("/a", false), ("../a", false), ("a/../b", false), ("", false)]
        {
            assert_eq!(is_below_here(Path::new(path)), is, "{path}");
        }
        assert!(matches!(DataFile::read(Path::new("/etc/hostname")), Err(BundleError::Path { .. })));
        let error = DataFile::read(Path::new("none/such")).err().unwrap().to_string();
        assert!(error.starts_with("cannot read none/such: "), "{error}");
    }
}
