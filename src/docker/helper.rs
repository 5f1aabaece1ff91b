//! A short-lived container of our image, which answers one probe request from its place.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, ListContainersOptions, RemoveContainerOptions,
};
use futures_util::StreamExt;

use super::interfaces::interfaces_of;
use super::probe::{self, Interface, Link, ProbeAnswer, ProbeRequest};
use super::{Details, DockerError, Engine, OUR_IMAGE, OUR_PROGRAM};

/// The label of all such containers.
const HELPER: (&str, &str) = ("metawrk", "helper");
/// A user and group without rights: `nobody`, on most systems.
const NOBODY: &str = "65534:65534";
/// Seconds after which a container that was made, and not started, will never start.
const ABANDONED_AFTER: i64 = 60;

/// The longest patience of a request, and a container's start.
const ANSWER: Duration = Duration::from_secs(20);

/// Where a probe request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbePlace<'a> {
    /// Among the peers on a network.
    Network(&'a str),
    /// In a container's own name space.
    Beside(&'a str),
    /// On the engine's machine, with the right to switch its links.
    Host,
}

impl Engine {
    /// Answers `request` in a container of our image.
    ///
    /// # Errors
    /// Where the engine has no such image, or the container gives no answer.
    pub async fn probe(&self, place: ProbePlace<'_>, request: &ProbeRequest) -> Result<ProbeAnswer, DockerError> {
        let failed = |why: String| DockerError::Refused {
            action: "answer a probe in a container of",
            target: OUR_IMAGE.to_owned(),
            why,
            status: None,
        };
        let text = serde_json::to_string(request).map_err(|e| failed(e.to_string()))?;
        let network_mode = match place {
            ProbePlace::Network(network) => network.to_owned(),
            ProbePlace::Beside(container) => format!("container:{container}"),
            ProbePlace::Host => "host".to_owned(),
        };
        let host = HostConfig {
            auto_remove: Some(true),
            network_mode: Some(network_mode),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(vec!["NET_ADMIN".to_owned()]).filter(|_| request.changes_links()),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            readonly_rootfs: Some(true),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(OUR_IMAGE.to_owned()),
            entrypoint: Some(vec![OUR_PROGRAM.to_owned()]),
            // The name that images of older builds know, too.
            cmd: Some(vec!["inside".to_owned(), text]),
            // The capability to switch links is root's alone.
            user: Some(NOBODY.to_owned()).filter(|_| !request.changes_links()),
            attach_stdout: Some(true),
            labels: Some([(HELPER.0.to_owned(), HELPER.1.to_owned())].into()),
            host_config: Some(host),
            ..Default::default()
        };
        let made = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = made.map_err(DockerError::refused("create", format!("a container of {OUR_IMAGE}")))?.id;
        let output = tokio::time::timeout(ANSWER, self.start_and_read(&id)).await;
        let output = output.unwrap_or_else(|_| Err(failed(format!("no answer in {ANSWER:?}"))));
        if output.is_err() {
            // A container that never started, or does not end, is not removed automatically.
            let _ = self.remove(&id).await;
        }
        let output = output?;
        serde_json::from_str(&output).map_err(|e| failed(format!("`{}` is no answer: {e}", output.trim())))
    }

    /// Removes helpers that a killed process made and never started: all others are removed when they end.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn sweep(&self) -> Result<(), DockerError> {
        let label = format!("{}={}", HELPER.0, HELPER.1);
        let filters = [("label", label), ("status", "created".to_owned())];
        let filters = filters.map(|(name, value)| (name.to_owned(), vec![value])).into();
        let all = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let listed = self.docker.list_containers(Some(all)).await;
        let old = jiff::Timestamp::now().as_second() - ABANDONED_AFTER;
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

    /// Starts it; all output until its end.
    async fn start_and_read(&self, id: &str) -> Result<String, DockerError> {
        let options = AttachContainerOptions { stdout: true, stderr: true, stream: true, ..Default::default() };
        let attached = self.docker.attach_container(id, Some(options)).await;
        let mut attached = attached.map_err(DockerError::refused("attach to", "a helper"))?;
        self.start(id).await?;
        let mut bytes = Vec::new();
        while let Some(output) = attached.output.next().await {
            bytes.extend_from_slice(output.map_err(DockerError::refused("read", "a helper"))?.as_ref());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The host side of each of the container's links, with the MAC address of its own side.
    ///
    /// # Errors
    /// As of [`Self::probe`], where this process lacks the rights to read them itself.
    pub async fn links(&self, container: &Details) -> Result<Vec<(String, Link)>, DockerError> {
        let own = self.has_rights().then(|| interfaces_of(container.pid).ok()).flatten();
        let there = match own {
            Some(there) => there,
            None => match self.probe(ProbePlace::Beside(&container.id), &ProbeRequest::Interfaces).await? {
                ProbeAnswer::Interfaces(there) => there,
                other => return Err(unexpected("interfaces", &other)),
            },
        };
        let links = there.into_iter().filter(|Interface { index, peer, .. }| index != peer);
        Ok(links.map(|i| (i.mac, Link { index: i.peer, peer: i.index })).collect())
    }

    /// Whether each link is up; `None` for a link that no longer exists.
    ///
    /// # Errors
    /// As of [`Self::links`].
    pub async fn links_up(&self, links: &[Link]) -> Result<Vec<Option<bool>>, DockerError> {
        if self.has_rights()
            && let Ok(up) = probe::link_states(links)
        {
            return Ok(up);
        }
        self.probe_links(&ProbeRequest::Links { links: links.to_vec() }).await
    }

    /// Switches the links on or off; gives what [`Self::links_up`] does.
    ///
    /// # Errors
    /// As of [`Self::links`].
    pub async fn switch_links(&self, links: &[Link], up: bool) -> Result<Vec<Option<bool>>, DockerError> {
        if self.has_rights() && probe::switch(links, up).is_ok() {
            return self.links_up(links).await;
        }
        self.probe_links(&ProbeRequest::Switch { links: links.to_vec(), up }).await
    }

    async fn probe_links(&self, request: &ProbeRequest) -> Result<Vec<Option<bool>>, DockerError> {
        match self.probe(ProbePlace::Host, request).await? {
            ProbeAnswer::Links(up) => Ok(up),
            other => Err(unexpected("links", &other)),
        }
    }

    /// Whether this process has the rights of such a container.
    fn has_rights(&self) -> bool {
        self.is_local() && rustix::process::geteuid().is_root()
    }
}

/// Whether a container with these labels is one of ours: no part of the system under test.
pub(super) fn is_helper(labels: Option<&HashMap<String, String>>) -> bool {
    labels.and_then(|labels| labels.get(HELPER.0)).is_some_and(|value| value == HELPER.1)
}

fn unexpected(what: &str, answer: &ProbeAnswer) -> DockerError {
    let why = match answer {
        ProbeAnswer::Failed(why) => why.clone(),
        other => format!("{other:?}"),
    };
    DockerError::Refused { action: "report", target: format!("the {what} of a container"), why, status: None }
}
