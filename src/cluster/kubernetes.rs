//! A manifest for Kubernetes: an Indexed Job whose pods are the parts of one load.

use std::fmt::Write as _;

/// What the manifest describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesJob {
    /// The name of all its objects.
    pub name: String,
    /// An image of this program, in a registry that the cluster reaches.
    pub image: String,
    pub parts: u16,
    /// The secret that the parts share.
    pub token: String,
    /// The arguments of `metawrk load`.
    pub args: Vec<String>,
    /// Files that the load reads, with their paths as in the arguments: relative, and below the working directory.
    pub files: Vec<(String, String)>,
}

/// The port of the coordinator, in a pod of its own network.
const PORT: u16 = 7100;
/// The folder in which the load runs.
const FOLDER: &str = "/load";

impl KubernetesJob {
    /// The YAML of a Secret, a headless Service, the Job, and a ConfigMap if there are files. Part 0 coordinates: it prints
    /// the report.
    pub fn manifest(&self) -> String {
        let KubernetesJob { image, parts, token, .. } = self;
        let name = quote(&self.name);
        let coordinator = format!("{0}-0.{0}:{PORT}", self.name);
        let args = ["load".to_owned(), "--join".to_owned(), coordinator].into_iter().chain(self.args.iter().cloned());
        let args: String = args.map(|arg| format!("            - {}\n", quote(&without_variables(&arg)))).collect();
        let (image, token) = (quote(image), quote(token));
        let (config_map, volumes, mounts) = self.files();
        format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: {name}
stringData:
  token: {token}
---
# Gives the pods names: the one of part 0 is the address of the coordinator.
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    job-name: {name}
  ports:
    - port: {PORT}
---
{config_map}apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {parts}
  parallelism: {parts}
  backoffLimit: 0
  template:
    spec:
      subdomain: {name}
      restartPolicy: Never
      # One part on each node.
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  job-name: {name}
      containers:
        - name: metawrk
          image: {image}
          args:
{args}          env:
            - name: METAWRK_PARTS
              value: \"{parts}\"
            - name: METAWRK_TOKEN
              valueFrom:
                secretKeyRef:
                  name: {name}
                  key: token
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]
{mounts}{volumes}"
        )
    }

    /// The ConfigMap with the files, the volume that it becomes, and where that is mounted.
    fn files(&self) -> (String, String, String) {
        if self.files.is_empty() {
            return Default::default();
        }
        let name = quote(&self.name);
        let mut map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n");
        let mut volumes = format!(
            "      volumes:\n        - name: files\n          configMap:\n            name: {name}\n            items:\n"
        );
        for (number, (path, content)) in self.files.iter().enumerate() {
            let _ = writeln!(map, "  file{number}: {}", quote(content));
            let _ = writeln!(volumes, "              - key: file{number}\n                path: {}", quote(path));
        }
        map.push_str("---\n");
        let mounts = format!(
            "          workingDir: {FOLDER}\n          volumeMounts:\n            - name: files\n              mountPath: {FOLDER}\n"
        );
        (map, volumes, mounts)
    }
}

/// A string of JSON is one of YAML too.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Kubernetes replaces `$(NAME)` in arguments by a variable, unless it is written as `$$(NAME)`.
fn without_variables(arg: &str) -> String {
    arg.replace("$(", "$$(")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> KubernetesJob {
        KubernetesJob {
            name: "metawrk".into(),
            image: "registry.example/metawrk:0.1.0".into(),
            parts: 8,
            token: "0123456789abcdef".into(),
            args: ["-R", "80k", "-s", "scripts/x.lua", "http://server/?a=$(b)"].map(str::to_owned).into(),
            files: vec![("scripts/x.lua".into(), "request = function()\n  return \"x\"\nend\n".into())],
        }
    }

    #[test]
    fn a_load_becomes_an_indexed_job_with_its_files() {
        insta::assert_snapshot!(job().manifest());
    }

    #[test]
    fn without_files_there_is_no_config_map() {
        let manifest = KubernetesJob { files: Vec::new(), ..job() }.manifest();
        assert!(!manifest.contains("ConfigMap") && !manifest.contains("volume"), "{manifest}");
    }

    #[test]
    fn texts_cannot_leave_their_place_in_the_manifest() {
        let hostile = KubernetesJob { args: vec!["\"\n---\nkind: Pod\n# '".into()], ..job() };
        assert_eq!(hostile.manifest().lines().filter(|line| line.starts_with("kind: ")).count(), 4);
    }
}
