use bollard::models::{
    NetworkAttachmentConfig, Secret, SecretSpec, Service, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated,
    TaskSpec, TaskSpecContainerSpec, TaskSpecContainerSpecFile, TaskSpecContainerSpecSecrets, TaskSpecPlacement,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum,
};
use bollard::query_parameters::{ListSecretsOptions, ListServicesOptions};

use crate::base64::encode_base64;
use crate::docker::{DockerError, Engine};

/// A service whose tasks run once, each on another node, on the node's own network.
///
/// It is a replicated service without restarts. Jobs of a swarm would be the obvious choice, but engine 20.10 runs a failed
/// task of a job twice, and leaves tasks running when the service is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRequest {
    /// Also the name of its secret.
    pub name: String,
    /// Name and value.
    pub label: (String, String),
    /// The name or the id of an image. With an id, nodes do not ask a registry.
    pub image: String,
    /// Arguments of the image's program.
    pub args: Vec<String>,
    /// `NAME=VALUE`. Values may have the templates of a swarm.
    pub env: Vec<String>,
    /// How many tasks. They have the slots 1 to this.
    pub tasks: u16,
    pub secret: ServiceSecret,
}

/// A file that only the tasks of a service can read, in `/run/secrets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSecret {
    pub file: String,
    pub content: String,
}

/// A service or secret of the swarm that has a given label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmService {
    pub name: String,
    /// The value of its label.
    pub label: String,
}

/// The file is read by root, as which the image runs.
const READ_BY_OWNER: u32 = 0o400;
/// In ns. A task is asked to end, and killed after this time.
const STOP_GRACE: i64 = 5_000_000_000;

impl Engine {
    /// Makes the secret and the service. If the service cannot be made, the secret is removed again.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn create_service(&self, request: &ServiceRequest) -> Result<(), DockerError> {
        let secret = SecretSpec {
            name: Some(request.name.clone()),
            labels: Some([request.label.clone()].into()),
            data: Some(encode_base64(request.secret.content.as_bytes())),
            ..Default::default()
        };
        let made = self.docker.create_secret(secret).await;
        let secret = made.map_err(DockerError::refused("create", format!("secret {}", request.name)))?.id;
        let made = self.docker.create_service(service_spec(request, secret), None).await;
        if let Err(error) = made.map_err(DockerError::refused("create", format!("service {}", request.name))) {
            // The error of the service says more than one of its secret.
            let _ = self.remove_service(&request.name).await;
            return Err(error);
        }
        Ok(())
    }

    /// Stops the tasks of a service, and removes it and its secret. What no longer exists is not an error.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn remove_service(&self, name: &str) -> Result<(), DockerError> {
        let service = self.docker.delete_service(name).await;
        let service = unless_gone(service.map_err(DockerError::refused("remove", format!("service {name}"))));
        let secret = self.docker.delete_secret(name).await;
        let secret = unless_gone(secret.map_err(DockerError::refused("remove", format!("secret {name}"))));
        service.and(secret)
    }

    /// All services with this label, and all that are gone and left a secret with it.
    ///
    /// # Errors
    /// Where the engine is no manager of a swarm.
    pub async fn services_with_label(&self, label: &str) -> Result<Vec<SwarmService>, DockerError> {
        let filters = || Some([("label".to_owned(), vec![label.to_owned()])].into());
        let services = ListServicesOptions { filters: filters(), ..Default::default() };
        let services = self.docker.list_services(Some(services)).await;
        let services = services.map_err(DockerError::refused("list", "the services of its swarm"))?;
        let secrets = self.docker.list_secrets(Some(ListSecretsOptions { filters: filters() })).await;
        let secrets = secrets.map_err(DockerError::refused("list", "the secrets of its swarm"))?;
        let services =
            services.into_iter().filter_map(|Service { spec, .. }| spec.map(|spec| (spec.name, spec.labels)));
        let secrets = secrets.into_iter().filter_map(|Secret { spec, .. }| spec.map(|spec| (spec.name, spec.labels)));
        let all = services.chain(secrets);
        let mut found: Vec<_> = all
            .filter_map(|(name, labels)| Some(SwarmService { name: name?, label: labels?.get(label)?.clone() }))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup();
        Ok(found)
    }
}

fn unless_gone(result: Result<(), DockerError>) -> Result<(), DockerError> {
    result.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })
}

fn service_spec(request: &ServiceRequest, secret_id: String) -> ServiceSpec {
    let file = TaskSpecContainerSpecFile {
        name: Some(request.secret.file.clone()),
        uid: Some("0".to_owned()),
        gid: Some("0".to_owned()),
        mode: Some(READ_BY_OWNER),
    };
    let secret = TaskSpecContainerSpecSecrets {
        file: Some(file),
        secret_id: Some(secret_id),
        secret_name: Some(request.name.clone()),
    };
    let container = TaskSpecContainerSpec {
        image: Some(request.image.clone()),
        args: Some(request.args.clone()),
        env: Some(request.env.clone()),
        secrets: Some(vec![secret]),
        stop_grace_period: Some(STOP_GRACE),
        capability_drop: Some(vec!["ALL".to_owned()]),
        ..Default::default()
    };
    let task = TaskSpec {
        container_spec: Some(container),
        restart_policy: Some(TaskSpecRestartPolicy {
            condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
            ..Default::default()
        }),
        placement: Some(TaskSpecPlacement { max_replicas: Some(1), ..Default::default() }),
        networks: Some(vec![NetworkAttachmentConfig { target: Some("host".to_owned()), ..Default::default() }]),
        ..Default::default()
    };
    let replicated = ServiceSpecModeReplicated { replicas: Some(request.tasks.into()) };
    ServiceSpec {
        name: Some(request.name.clone()),
        labels: Some([request.label.clone()].into()),
        task_template: Some(task),
        mode: Some(ServiceSpecMode { replicated: Some(replicated), ..Default::default() }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_runs_once_per_node_on_its_network_and_shows_no_secret() {
        let request = ServiceRequest {
            name: "metawrk-1".into(),
            label: ("metawrk.coordinator".into(), "10.0.0.1:7000".into()),
            image: "sha256:0123".into(),
            args: vec!["agent".into()],
            env: vec!["METAWRK_SLOT={{.Task.Slot}}".into()],
            tasks: 3,
            secret: ServiceSecret { file: "token".into(), content: "very secret".into() },
        };
        let spec = serde_json::to_string_pretty(&service_spec(&request, "s1".into())).unwrap();
        assert!(!spec.contains("very secret") && !spec.contains(&encode_base64(b"very secret")), "{spec}");
        insta::assert_snapshot!(spec);
    }
}
