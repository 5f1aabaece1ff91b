//! The engine of the environment: `DOCKER_HOST`, else the current context, else the default socket, as the docker client
//! chooses it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DockerError;

pub(super) const DEFAULT: &str = "unix:///var/run/docker.sock";

/// The part of `config.json` that is used here.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default, rename = "currentContext")]
    current: String,
}

/// A context's `meta.json`.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name")]
    name: String,
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Docker>,
}

#[derive(Deserialize)]
struct Docker {
    #[serde(default, rename = "Host")]
    host: String,
}

/// The engine's address, in an environment: `unix:///...` or `tcp://...`.
///
/// # Errors
/// [`DockerError::Context`] for a context that does not exist, [`DockerError::Unsupported`] for ssh and TLS.
pub(super) fn host(env: impl Fn(&str) -> Option<String>) -> Result<String, DockerError> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    let host = match set("DOCKER_HOST") {
        Some(host) => host,
        None => {
            let folder = set("DOCKER_CONFIG").map(PathBuf::from);
            let folder = folder.or_else(|| Some(Path::new(&set("HOME")?).join(".docker")));
            match set("DOCKER_CONTEXT").or_else(|| current(folder.as_deref()?)) {
                Some(name) if name != "default" => of_context(&name, folder.as_deref())?,
                _ => DEFAULT.to_owned(),
            }
        }
    };
    match set("DOCKER_TLS_VERIFY") {
        Some(_) if !host.starts_with("unix://") => Err(DockerError::Unsupported { host }),
        _ => parse_host(&host),
    }
}

/// The whole address, if it is supported.
///
/// # Errors
/// [`DockerError::Unsupported`] for all others.
pub(super) fn parse_host(host: &str) -> Result<String, DockerError> {
    match host.split_once("://") {
        Some(("unix", path)) if !path.is_empty() => Ok(host.to_owned()),
        Some(("tcp" | "http", rest)) if !rest.is_empty() => {
            let address = rest.trim_end_matches('/');
            // Colons in brackets are an address's own.
            let has_port = address.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            Ok(if has_port { format!("tcp://{address}") } else { format!("tcp://{address}:2375") })
        }
        _ => Err(DockerError::Unsupported { host: host.to_owned() }),
    }
}

fn current(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("config.json")).ok()?;
    let config: Config = serde_json::from_str(&text).ok()?;
    Some(config.current).filter(|name| !name.is_empty())
}

/// Contexts are in folders named by the hash of their names; the name is in a file there.
fn of_context(name: &str, folder: Option<&Path>) -> Result<String, DockerError> {
    let failed = |why: &str| DockerError::Context { name: name.to_owned(), why: why.to_owned() };
    let metas = folder.and_then(|folder| fs::read_dir(folder.join("contexts/meta")).ok());
    let meta = metas
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("meta.json")).ok())
        .filter_map(|text| serde_json::from_str::<Meta>(&text).ok())
        .find(|meta| meta.name == name);
    let docker = meta.ok_or_else(|| failed("it does not exist"))?.endpoints.docker;
    docker.map(|docker| docker.host).filter(|host| !host.is_empty()).ok_or_else(|| failed("it has no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_env(pairs: &[(&str, &str)]) -> Result<String, DockerError> {
        host(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    /// A home where the context `far` is current, and `lost` has no host.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta");
        for (folder, text) in [
            (
                "a",
                r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far.example:2375","SkipTLSVerify":false}}}"#,
            ),
            ("b", r#"{"Name":"lost","Endpoints":{"docker":{}}}"#),
            ("c", r#"{"Name":"ssh","Endpoints":{"docker":{"Host":"ssh://me@far.example"}}}"#),
            ("d", "no JSON"),
        ] {
            fs::create_dir_all(meta.join(folder)).unwrap();
            fs::write(meta.join(folder).join("meta.json"), text).unwrap();
        }
        fs::write(home.path().join(".docker/config.json"), r#"{"auths":{},"currentContext":"far"}"#).unwrap();
        home
    }

    #[test]
    fn the_host_of_the_environment_comes_first_then_its_context_then_the_current_one() {
        let home = home();
        let home = ("HOME", home.path().to_str().unwrap());
        let of = |more: &[(&str, &str)]| in_env(&[&[home], more].concat()).unwrap();
        assert_eq!(of(&[("DOCKER_HOST", "unix:///tmp/x.sock"), ("DOCKER_CONTEXT", "far")]), "unix:///tmp/x.sock");
        assert_eq!(of(&[("DOCKER_CONTEXT", "default")]), DEFAULT);
        assert_eq!(of(&[("DOCKER_HOST", "")]), "tcp://far.example:2375");
        assert_eq!(of(&[("DOCKER_CONFIG", "/nowhere")]), DEFAULT);
        assert_eq!(in_env(&[]), Ok(DEFAULT.to_owned()));
    }

    #[test]
    fn a_port_that_is_not_said_is_docker_s_own() {
        assert_eq!(in_env(&[("DOCKER_HOST", "tcp://far.example")]).unwrap(), "tcp://far.example:2375");
        assert_eq!(in_env(&[("DOCKER_HOST", "tcp://[::1]")]).unwrap(), "tcp://[::1]:2375");
        assert_eq!(in_env(&[("DOCKER_HOST", "tcp://[::1]:1/")]).unwrap(), "tcp://[::1]:1");
    }

    #[test]
    fn what_cannot_be_used_is_said_with_what_to_do() {
        let home = home();
        let home = ("HOME", home.path().to_str().unwrap());
        for context in ["absent", "lost"] {
            let error = in_env(&[home, ("DOCKER_CONTEXT", context)]).unwrap_err();
            assert!(matches!(&error, DockerError::Context { name, .. } if name == context), "{error}");
        }
        let unspoken = [
            in_env(&[home, ("DOCKER_CONTEXT", "ssh")]),
            in_env(&[("DOCKER_HOST", "tcp://far.example:2376"), ("DOCKER_TLS_VERIFY", "1")]),
            in_env(&[("DOCKER_HOST", "/var/run/docker.sock")]),
            in_env(&[("DOCKER_HOST", "unix://")]),
        ];
        for result in unspoken {
            assert!(matches!(result, Err(DockerError::Unsupported { .. })), "{result:?}");
        }
    }
}
