//! Options of a load on several generators. `load`, `wrk2` and `experiment` share them.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::cluster::launch::{MakeLauncher, Place, SwarmPlace};
use crate::cluster::meeting::OnLost;
use crate::cluster::{Cluster, DataFile, TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, Token};
use crate::input;
use crate::units::Time;

/// Several generators that send one load.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Several generators")]
pub struct PartOptions {
    /// Generate the load with several generators: local (processes of this machine), swarm (nodes of the Docker Swarm of
    /// this machine) or swarm://HOST[:PORT] (of another one)
    #[arg(long, value_name = "WHERE")]
    pub on: Option<Place>,

    /// Number of generators. Each has all threads, and its share of the rate and of the connections
    #[arg(short = 'N', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub parts: Option<u16>,

    /// Image of metawrk that the nodes of a swarm may pull from a registry [default: the one that metawrk image makes]
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,

    /// Address and port where the generators reach this program [default: a free port of the address that they reach]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = parse_listen)]
    pub listen: Option<(IpAddr, u16)>,

    /// All generators must be ready within this time. Otherwise nothing is sent, and the exit code is 2
    #[arg(long, value_name = "T", default_value = "30s")]
    pub join_timeout: Time,

    /// What to do if a generator is lost: stop the load, or go on without it
    #[arg(long, value_name = "HOW", value_enum, default_value = "stop")]
    pub on_lost: OnLost,

    /// Data file that the script opens. It travels to every generator. Can be repeated
    #[arg(long = "file", value_name = "PATH")]
    pub data_files: Vec<PathBuf>,
}

/// The most bytes of a file with a token.
const MAX_TOKEN: u64 = 4096;

impl PartOptions {
    /// The generators; `None` for the only one that this process is.
    ///
    /// # Errors
    /// If an option has no effect, or a data file cannot be read.
    pub fn resolve(&self) -> anyhow::Result<Option<Cluster>> {
        let Some(place) = self.on.clone() else {
            let is_used = self.parts.is_some() || self.listen.is_some() || self.image.is_some();
            if is_used || !self.data_files.is_empty() {
                bail!(
                    "--parts, --listen, --image and --file need --on, which says where the generators run. Add --on local."
                );
            }
            return Ok(None);
        };
        let place = match (place, &self.image) {
            (Place::Swarm(place), image) => Place::Swarm(SwarmPlace { image: image.clone(), ..place }),
            (place, None) => place,
            (place, Some(_)) => bail!("--image has no effect with --on {place}. Leave it out, or use --on swarm."),
        };
        let Some(parts) = self.parts else { bail!("--on {place} needs the number of generators. Add --parts N.") };
        Ok(Some(Cluster {
            parts,
            launcher: MakeLauncher::at(place),
            listen: self.listen.map_or((None, 0), |(address, port)| (Some(address), port)),
            token: token_of_environment()?,
            join_timeout: self.join_timeout,
            on_lost: self.on_lost,
            files: self.data_files()?,
        }))
    }

    /// The contents of the data files.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn data_files(&self) -> anyhow::Result<Vec<DataFile>> {
        Ok(self.data_files.iter().map(|path| DataFile::read(path)).collect::<Result<_, _>>()?)
    }
}

/// The token in the environment, if there is one.
///
/// # Errors
/// If the text is not a valid token.
pub fn token_of_environment() -> anyhow::Result<Option<Token>> {
    if let Some(text) = std::env::var_os(TOKEN_VARIABLE) {
        let token = Token::new(&text.to_string_lossy());
        return Ok(Some(token.with_context(|| format!("{TOKEN_VARIABLE} is not a valid token"))?));
    }
    let Some(path) = std::env::var_os(TOKEN_FILE_VARIABLE).map(PathBuf::from) else { return Ok(None) };
    let text = input::read_named_text(&path, MAX_TOKEN);
    let text = text.with_context(|| format!("cannot read {}, which {TOKEN_FILE_VARIABLE} names", path.display()))?;
    Ok(Some(Token::new(&text).with_context(|| format!("{} does not contain a valid token", path.display()))?))
}

/// `10.0.0.1`, `10.0.0.1:7100`, `::1` or `[::1]:7100`.
fn parse_listen(text: &str) -> Result<(IpAddr, u16), String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, 0));
    }
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok((address.ip(), address.port())),
        Err(_) => Err(format!("`{text}` is no IP address. Write 10.0.0.1 or 10.0.0.1:7100")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_or_none() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1:0")),
            ("10.0.0.1:7100", Some("10.0.0.1:7100")),
            ("::1", Some("[::1]:0")),
            ("[::1]:7100", Some("[::1]:7100")),
            ("node7", None),
            (":7100", None),
            ("10.0.0.1:x", None),
        ] {
            let parsed = parse_listen(text).ok();
            assert_eq!(
                parsed,
                expected.map(|text| text.parse::<std::net::SocketAddr>().unwrap()).map(|a| (a.ip(), a.port()))
            );
        }
    }
}
