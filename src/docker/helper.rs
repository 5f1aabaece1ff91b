//! A short-lived container of our image, which answers one question from where it is.

use std::path::PathBuf;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, ListContainersOptions, RemoveContainerOptions,
};
use futures_util::StreamExt;

use super::inside::{self, Answer, Interface, Link, Question};
use super::{Details, DockerError, Engine, OUR_IMAGE, OUR_PROGRAM};

/// The label of all such containers.
const HELPER: &str = "metawrk=helper";
/// Seconds after which one that was made, and not started, never will be.
const STILLBORN_AFTER: i64 = 60;

/// The longest patience of a question, and a container's start.
const ANSWER: Duration = Duration::from_secs(20);

/// Where a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Among the peers on a network.
    Network(&'a str),
    /// In a container's own name space.
    Beside(&'a str),
    /// On the engine's machine, with the right to switch its links.
    Host,
}

impl Engine {
    /// Asks `question` in a container of our image.
    ///
    /// # Errors
    /// Where the engine has no such image, or the container gives no answer.
    pub async fn ask(&self, place: Place<'_>, question: &Question) -> Result<Answer, DockerError> {
        let failed = |why: String| DockerError::Refused {
            doing: "answer in a container of",
            on: OUR_IMAGE.to_owned(),
            why,
            status: None,
        };
        let text = serde_json::to_string(question).map_err(|e| failed(e.to_string()))?;
        let network_mode = match place {
            Place::Network(network) => network.to_owned(),
            Place::Beside(container) => format!("container:{container}"),
            Place::Host => "host".to_owned(),
        };
        let host = HostConfig {
            auto_remove: Some(true),
            network_mode: Some(network_mode),
            cap_add: Some(vec!["NET_ADMIN".to_owned()]).filter(|_| place == Place::Host),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(OUR_IMAGE.to_owned()),
            entrypoint: Some(vec![OUR_PROGRAM.to_owned()]),
            cmd: Some(vec!["inside".to_owned(), text]),
            attach_stdout: Some(true),
            labels: HELPER.split_once('=').map(|(name, value)| [(name.to_owned(), value.to_owned())].into()),
            host_config: Some(host),
            ..Default::default()
        };
        let made = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = made.map_err(DockerError::refused("create", format!("a container of {OUR_IMAGE}")))?.id;
        let told = tokio::time::timeout(ANSWER, self.listen_and_start(&id)).await;
        let told = told.unwrap_or_else(|_| Err(failed(format!("no answer in {ANSWER:?}"))));
        if told.is_err() {
            // One that never started, or does not end, is not removed by its end.
            let _ = self.remove(&id).await;
        }
        let told = told?;
        serde_json::from_str(&told).map_err(|e| failed(format!("`{}` is no answer: {e}", told.trim())))
    }

    /// Removes what a process that was killed never came to start: all others are removed by their end.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn sweep(&self) -> Result<(), DockerError> {
        let filters = [("label", HELPER), ("status", "created")];
        let filters = filters.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).into();
        let all = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let listed = self.docker.list_containers(Some(all)).await;
        let old = jiff::Timestamp::now().as_second() - STILLBORN_AFTER;
        for helper in listed.map_err(DockerError::refused("list", "its containers"))? {
            if let (Some(id), Some(created)) = (helper.id, helper.created)
                && created < old
            {
                self.remove(&id).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let force = RemoveContainerOptions { force: true, ..Default::default() };
        let removed = self.docker.remove_container(id, Some(force)).await;
        removed.map_err(DockerError::refused("remove", "a helper"))
    }

    /// All that it writes until its end.
    async fn listen_and_start(&self, id: &str) -> Result<String, DockerError> {
        let options = AttachContainerOptions { stdout: true, stderr: true, stream: true, ..Default::default() };
        let attached = self.docker.attach_container(id, Some(options)).await;
        let mut attached = attached.map_err(DockerError::refused("attach to", "a helper"))?;
        self.start(id).await?;
        let mut told = Vec::new();
        while let Some(output) = attached.output.next().await {
            told.extend_from_slice(output.map_err(DockerError::refused("read", "a helper"))?.as_ref());
        }
        Ok(String::from_utf8_lossy(&told).into_owned())
    }

    /// The host side of each of the container's links, with the MAC address of its own side.
    ///
    /// # Errors
    /// As of [`Self::ask`], where this process can't look for itself.
    pub async fn links(&self, container: &Details) -> Result<Vec<(String, Link)>, DockerError> {
        let root = PathBuf::from(format!("/proc/{}/root/sys/class/net", container.pid));
        let near = self.is_near().then(|| inside::interfaces(&root).ok()).flatten();
        let there = match near {
            Some(there) => there,
            None => match self.ask(Place::Beside(&container.id), &Question::Interfaces).await? {
                Answer::Interfaces(there) => there,
                other => return Err(strange("interfaces", &other)),
            },
        };
        let links = there.into_iter().filter(|Interface { index, peer, .. }| index != peer);
        Ok(links.map(|i| (i.mac, Link { index: i.peer, peer: i.index })).collect())
    }

    /// Which of the links are up; `None` for those that are no more.
    ///
    /// # Errors
    /// As of [`Self::links`].
    pub async fn links_up(&self, links: &[Link]) -> Result<Vec<Option<bool>>, DockerError> {
        if self.is_near()
            && let Ok(up) = inside::look(links)
        {
            return Ok(up);
        }
        self.ask_for_links(&Question::Links { links: links.to_vec() }).await
    }

    /// Switches the links on or off; gives what [`Self::links_up`] does.
    ///
    /// # Errors
    /// As of [`Self::links`].
    pub async fn switch_links(&self, links: &[Link], up: bool) -> Result<Vec<Option<bool>>, DockerError> {
        if self.is_near() && inside::switch(links, up).is_ok() {
            return self.links_up(links).await;
        }
        self.ask_for_links(&Question::Switch { links: links.to_vec(), up }).await
    }

    async fn ask_for_links(&self, question: &Question) -> Result<Vec<Option<bool>>, DockerError> {
        match self.ask(Place::Host, question).await? {
            Answer::Links(up) => Ok(up),
            other => Err(strange("links", &other)),
        }
    }

    /// Whether this process may do itself what such a container could.
    fn is_near(&self) -> bool {
        self.is_local() && rustix::process::geteuid().is_root()
    }
}

fn strange(what: &str, answer: &Answer) -> DockerError {
    let why = match answer {
        Answer::Failed(why) => why.clone(),
        other => format!("{other:?}"),
    };
    DockerError::Refused { doing: "tell of", on: format!("the {what} of a container"), why, status: None }
}
