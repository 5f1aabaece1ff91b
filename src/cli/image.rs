//! `metawrk image`: a container image of this program.

use crate::docker::{Engine, OUR_IMAGE, program_image};
use crate::out::say;

/// The arguments of `metawrk image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the image. By default, metawrk with this version and with latest as its tags
    #[arg(long, value_name = "NAME[:TAG]")]
    name: Option<String>,
}

/// Creates the image on the engine that the environment means.
///
/// # Errors
/// If the engine does not answer, or the files of this program cannot be read.
pub fn run(args: Args) -> anyhow::Result<()> {
    let names = match args.name {
        Some(name) => vec![name],
        None => vec![OUR_IMAGE.to_owned(), "metawrk:latest".to_owned()],
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::connect().await?;
        engine.load_image(program_image::archive(&names)?).await?;
        say(&format!("created {} on the Docker engine at {}\n", names.join(", "), engine.host()))
    })
}
