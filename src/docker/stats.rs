use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptions;
use futures_util::{Stream, StreamExt};

use super::{DockerError, Engine};

/// The resources that a container uses. `None` where the engine does not report a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory in bytes, as `docker stats` shows it.
    pub used: u64,
    /// Anonymous memory, in bytes.
    pub anonymous: Option<u64>,
    /// In bytes; `None` where there is no limit.
    pub limit: Option<u64>,
    pub threads: Option<u32>,
    /// User and system, in ns.
    pub cpu_ns: Option<u64>,
    /// Processes that the kernel killed because the memory was full.
    pub oom_kills: Option<u64>,
}

/// All memory except the file pages that the kernel would drop first, as `docker stats` shows it.
pub fn used_memory(usage: u64, inactive_file: Option<u64>) -> u64 {
    usage - inactive_file.filter(|inactive| *inactive < usage).unwrap_or(0)
}

impl Engine {
    /// The usage of a container, once a second; `None` while it does not run. Ends with the container, or the engine.
    pub fn stats(&self, container: &str) -> impl Stream<Item = Result<Option<Usage>, DockerError>> + Send + use<> {
        let on = format!("container {container}");
        let stats = self.docker.stats(container, Some(StatsOptions { stream: true, one_shot: false }));
        let memory = self.memory();
        stats.map(move |stats| {
            stats.map(|stats| Usage::of(stats, memory)).map_err(DockerError::refused("measure", &*on))
        })
    }
}

impl Usage {
    /// A container that is down has an answer too, without numbers. For one without a limit the engine reports all the
    /// `memory` of its machine as the limit.
    fn of(stats: ContainerStatsResponse, memory: Option<u64>) -> Option<Usage> {
        let ContainerMemoryStats { usage, stats: fields, limit, .. } = stats.memory_stats?;
        let fields = fields.unwrap_or_default();
        // Version 1 of control groups has both names, with and without the groups within.
        let either = |v1: &str, v2: &str| fields.get(v1).or_else(|| fields.get(v2)).copied();
        Some(Usage {
            used: used_memory(usage?, either("total_inactive_file", "inactive_file")),
            anonymous: either("total_rss", "anon"),
            limit: limit.filter(|limit| memory.is_none_or(|memory| *limit < memory)),
            threads: stats.pids_stats.and_then(|pids| pids.current?.try_into().ok()),
            cpu_ns: stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage),
            oom_kills: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Option<Usage> {
        Usage::of(serde_json::from_str(json).unwrap(), Some(8 << 30))
    }

    #[test]
    fn either_version_s_answer_is_what_docker_stats_shows() {
        let v1 = r#"{"memory_stats":{"usage":31457280,"limit":536870912,"stats":{"rss":1,"total_rss":7340032,
                     "inactive_file":5,"total_inactive_file":20971520}},
                     "pids_stats":{"current":2},"cpu_stats":{"cpu_usage":{"total_usage":438239264}}}"#;
        let v2 = r#"{"memory_stats":{"usage":31457280,"limit":536870912,"stats":{"anon":7340032,"inactive_file":20971520}},
                     "pids_stats":{"current":2},"cpu_stats":{"cpu_usage":{"total_usage":438239264}}}"#;
        let wanted = Usage {
            used: 10 << 20,
            anonymous: Some(7 << 20),
            limit: Some(512 << 20),
            threads: Some(2),
            cpu_ns: Some(438_239_264),
            oom_kills: None,
        };
        assert_eq!((usage(v1), usage(v2)), (Some(wanted), Some(wanted)));
    }

    #[test]
    fn an_answer_without_numbers_is_a_container_that_is_down() {
        assert_eq!(usage(r#"{"memory_stats":{},"pids_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0}}}"#), None);
        assert_eq!(usage("{}"), None);
    }

    #[test]
    fn all_the_memory_of_the_machine_is_no_limit() {
        let limit = |bytes: u64| {
            usage(&format!(r#"{{"memory_stats":{{"usage":1,"limit":{bytes},"stats":{{}}}}}}"#)).unwrap().limit
        };
        assert_eq!((limit(8 << 30), limit(4 << 30)), (None, Some(4 << 30)));
    }

    #[test]
    fn used_memory_is_never_below_nothing() {
        let cases = [(5, None), (5, Some(3)), (5, Some(5)), (5, Some(9))];
        assert_eq!(cases.map(|(usage, inactive)| used_memory(usage, inactive)), [5, 2, 5, 5]);
    }
}
