use bollard::query_parameters::{ImportImageOptions, RemoveImageOptions};
use futures_util::StreamExt;

use super::{DockerError, Engine};

/// The image that holds this very program, on engines that were given it: for the testbed's roles in containers, and for
/// a peer that looks at a container from its network.
pub const OUR_IMAGE: &str = concat!("metawrk:", env!("CARGO_PKG_VERSION"));

/// Where the program is in it.
pub const OUR_PROGRAM: &str = "/metawrk";

impl Engine {
    /// Takes images from an archive, as `docker load` does; what had their names before keeps its id alone.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn load_image(&self, archive: Vec<u8>) -> Result<(), DockerError> {
        let options = ImportImageOptions { quiet: true, ..Default::default() };
        let mut told = std::pin::pin!(self.docker.import_image(options, bollard::body_full(archive.into()), None));
        while let Some(step) = told.next().await {
            step.map_err(DockerError::refused("load", "an image"))?;
        }
        Ok(())
    }

    /// # Errors
    /// Where the engine does not answer.
    pub async fn has_image(&self, name: &str) -> Result<bool, DockerError> {
        match self.docker.inspect_image(name).await.map_err(DockerError::refused("inspect", format!("image {name}"))) {
            Ok(_) => Ok(true),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// Where a container needs it, or there is none.
    pub async fn remove_image(&self, name: &str) -> Result<(), DockerError> {
        let removed = self.docker.remove_image(name, None::<RemoveImageOptions>, None).await;
        removed.map(|_| ()).map_err(DockerError::refused("remove", format!("image {name}")))
    }
}
