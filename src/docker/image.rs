use bollard::query_parameters::{ImportImageOptions, RemoveImageOptions};
use futures_util::StreamExt;

use super::{DockerError, Engine};

/// The image of this program, on engines that have it: for the roles of the testbed in containers, and for probes of a
/// container from its network.
pub const OUR_IMAGE: &str = concat!("metawrk:", env!("CARGO_PKG_VERSION"));

/// The path of the program in it.
pub const OUR_PROGRAM: &str = "/metawrk";

impl Engine {
    /// Loads images from an archive, as `docker load` does. Images that had their names before keep only their ids.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn load_image(&self, archive: Vec<u8>) -> Result<(), DockerError> {
        let options = ImportImageOptions { quiet: true, ..Default::default() };
        let mut steps = std::pin::pin!(self.docker.import_image(options, bollard::body_full(archive.into()), None));
        while let Some(step) = steps.next().await {
            step.map_err(DockerError::refused("load", "an image"))?;
        }
        Ok(())
    }

    /// # Errors
    /// Where the engine does not answer.
    pub async fn has_image(&self, name: &str) -> Result<bool, DockerError> {
        Ok(self.image_id(name).await?.is_some())
    }

    /// The id of an image (`sha256:...`), if the engine has it.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn image_id(&self, name: &str) -> Result<Option<String>, DockerError> {
        match self.docker.inspect_image(name).await.map_err(DockerError::refused("inspect", format!("image {name}"))) {
            Ok(image) => Ok(image.id),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// Where a container needs it, or it does not exist.
    pub async fn remove_image(&self, name: &str) -> Result<(), DockerError> {
        let removed = self.docker.remove_image(name, None::<RemoveImageOptions>, None).await;
        removed.map(|_| ()).map_err(DockerError::refused("remove", format!("image {name}")))
    }
}
