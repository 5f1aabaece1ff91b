//! The list of all faults. To add one, write its file and add its line at the end of this one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::command::CommandFault;
use super::container::reachability::Reachability;
use super::container::{blackhole, disconnect, kill, memory_limit, pause, restart, stop, throttle};
use super::kept::{Inspected, KeptSpec, Machine, Snapshot, Target};
use super::keys::{self, InvalidKey};
use super::link::{LinkBandwidth, LinkCut, LinkDelay, LinkLoss, LinkSpec, ProxyFault};
use super::process::freeze;
use super::stress_cpu::StressCpu;
use super::surge::{LoadSpec, Surge};
use super::{CheckContext, Fault, FaultError, Spec};

/// A fault as a plan has it, by what it is done to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FaultSpec {
    /// On a link that ends with the run: the testbed's, or a proxy.
    Link(LinkFault),
    /// On the load: part of its plan.
    Load(LoadFault),
    /// On what outlives the run, so a keeper applies and removes it.
    Kept(KeptFault),
}

macro_rules! faults {
    (
        link { $($link:ident($link_spec:ty) = $link_kind:literal $(| $link_alias:literal)*,)* }
        load { $($load:ident($load_spec:ty) = $load_kind:literal,)* }
        kept { $($kept:ident($kept_spec:ty) = $kept_kind:literal,)* }
    ) => {
        /// A fault on a link that ends with the run.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum LinkFault {
            $(#[serde(rename = $link_kind $(, alias = $link_alias)*)] $link($link_spec),)*
        }

        /// A fault on the load.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum LoadFault {
            $(#[serde(rename = $load_kind)] $load($load_spec),)*
        }

        /// A fault that a keeper applies and removes.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum KeptFault {
            $(#[serde(rename = $kept_kind)] $kept($kept_spec),)*
        }

        /// The state of a target before a fault, as journals have it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "fault")]
        pub enum UndoRecord {
            $(#[serde(rename = $kept_kind)] $kept(<$kept_spec as KeptSpec>::Snapshot),)*
        }

        /// Every kind, with an example in TOML and the keys that only some kinds have.
        const KINDS: &[Kind] = &[
            $(Kind { name: $link_kind, example: <$link_spec>::example, keys: keys::names::<$link_spec> },)*
            $(Kind { name: $load_kind, example: <$load_spec>::example, keys: keys::names::<$load_spec> },)*
            $(Kind { name: $kept_kind, example: <$kept_spec>::example, keys: keys::names::<$kept_spec> },)*
        ];

        impl FaultSpec {
            /// Reads the keys of a `[[fault]]` table, without `kind`, `at` and `for`.
            ///
            /// # Errors
            /// The key that cannot be, and why.
            pub fn read(kind: &str, keys: &Table) -> Result<FaultSpec, InvalidKey> {
                match kind {
                    $($link_kind $(| $link_alias)* => {
                        keys::read::<$link_spec>($link_kind, keys, <$link_spec>::example(), kinds_with)
                            .map(|spec| FaultSpec::Link(LinkFault::$link(spec)))
                    })*
                    $($load_kind => {
                        keys::read::<$load_spec>($load_kind, keys, <$load_spec>::example(), kinds_with)
                            .map(|spec| FaultSpec::Load(LoadFault::$load(spec)))
                    })*
                    $($kept_kind => {
                        keys::read::<$kept_spec>($kept_kind, keys, <$kept_spec>::example(), kinds_with)
                            .map(|spec| FaultSpec::Kept(KeptFault::$kept(spec)))
                    })*
                    _ => Err(keys::unknown_kind(kind, &KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>())),
                }
            }
        }

        impl LinkFault {
            pub const fn kind(&self) -> &'static str {
                match self { $(LinkFault::$link(_) => $link_kind,)* }
            }

            pub fn spec(&self) -> &dyn LinkSpec {
                match self { $(LinkFault::$link(spec) => spec,)* }
            }
        }

        impl LoadFault {
            pub const fn kind(&self) -> &'static str {
                match self { $(LoadFault::$load(_) => $load_kind,)* }
            }

            pub fn spec(&self) -> &dyn LoadSpec {
                match self { $(LoadFault::$load(spec) => spec,)* }
            }
        }

        impl KeptFault {
            pub const fn kind(&self) -> &'static str {
                match self { $(KeptFault::$kept(_) => $kept_kind,)* }
            }

            pub fn spec(&self) -> &dyn Spec {
                match self { $(KeptFault::$kept(spec) => spec,)* }
            }

            /// Names the testbed's processes among its targets by their pids, which `pid_of` knows by component.
            pub fn resolve_components(&mut self, pid_of: &dyn Fn(&str) -> Option<u32>) {
                match self { $(KeptFault::$kept(spec) => spec.resolve_components(pid_of),)* }
            }

            fn container_mut(&mut self) -> Option<&mut String> {
                match self { $(KeptFault::$kept(spec) => spec.container_mut(),)* }
            }

            /// Finds the target, asks `admit` whether it may be touched, and takes its state. Changes nothing. With a
            /// `previous` record the same target is meant, and its peers are not asked again.
            ///
            /// # Errors
            /// Why the fault cannot be done to it.
            pub async fn snapshot(
                &self,
                machine: &Machine,
                previous: Option<&UndoRecord>,
                admit: impl Fn(&Target) -> Result<(), FaultError>,
            ) -> Result<UndoRecord, FaultError> {
                match self {
                    $(KeptFault::$kept(spec) => {
                        let previous = match previous {
                            Some(UndoRecord::$kept(snapshot)) => Some(snapshot),
                            _ => None,
                        };
                        let target = spec.find(machine, previous).await?;
                        admit(&target.target())?;
                        spec.snapshot(&target, previous).await.map(UndoRecord::$kept)
                    })*
                }
            }
        }

        impl UndoRecord {
            fn snapshot(&self) -> &dyn Snapshot {
                match self { $(UndoRecord::$kept(snapshot) => snapshot,)* }
            }

            /// From here on only what is left of the fault itself counts: not what a peer reaches of the target, nor
            /// whether it died meanwhile.
            pub(crate) fn ignore_condition(&mut self) {
                match self { $(UndoRecord::$kept(snapshot) => snapshot.ignore_condition(),)* }
            }
        }
    };
}

/// What the list knows of a kind of fault.
struct Kind {
    name: &'static str,
    example: fn() -> &'static str,
    keys: fn() -> &'static [&'static str],
}

/// The kinds that have a key.
fn kinds_with(key: &str) -> Vec<&'static str> {
    KINDS.iter().filter(|kind| (kind.keys)().contains(&key)).map(|kind| kind.name).collect()
}

/// Every kind of fault with an example in TOML.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, (kind.example)()))
}

impl FaultSpec {
    /// Its name in plans, events and reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            FaultSpec::Link(fault) => fault.kind(),
            FaultSpec::Load(fault) => fault.kind(),
            FaultSpec::Kept(fault) => fault.kind(),
        }
    }

    pub fn spec(&self) -> &dyn Spec {
        match self {
            FaultSpec::Link(fault) => fault.spec(),
            FaultSpec::Load(fault) => fault.spec(),
            FaultSpec::Kept(fault) => fault.spec(),
        }
    }

    /// Its name in reports: `pause db`.
    pub fn label(&self) -> String {
        match self.spec().target().label() {
            Some(target) => format!("{} {target}", self.kind()),
            None => self.kind().to_owned(),
        }
    }

    /// Its name, and how much of it there is: `throttle db to 0.2 CPUs`.
    pub fn description(&self) -> String {
        match self.spec().size() {
            Some(size) => format!("{} {size}", self.label()),
            None => self.label(),
        }
    }

    /// Refuses a target that the plan does not have, and values that cannot be.
    ///
    /// # Errors
    /// The key, and what it can be.
    pub fn check(&self, context: &CheckContext) -> Result<(), InvalidKey> {
        self.spec().target().check(context)?;
        self.spec().check(context)
    }
}

impl KeptFault {
    /// This fault on each of its targets, which are then named by their ids: the name of a compose service means all its
    /// containers that run.
    ///
    /// # Errors
    /// Where there is no such container, or the name is ambiguous.
    pub async fn on_each(&self, machine: &Machine) -> Result<Vec<KeptFault>, FaultError> {
        let mut fault = self.clone();
        let Some(name) = fault.container_mut().cloned() else { return Ok(vec![fault]) };
        let failed = FaultError::new("find", format!("container {name}"), "Nothing was changed.");
        let found = machine.engine()?.find_all(&name).await.map_err(failed)?;
        let on = |id: String| {
            let mut fault = self.clone();
            fault.container_mut().into_iter().for_each(|container| container.clone_from(&id));
            fault
        };
        Ok(found.into_iter().map(|container| on(container.id)).collect())
    }

    /// The network of its container that it is done on, if it names one.
    pub fn network(&self) -> Option<&str> {
        self.spec().network()
    }
}

impl UndoRecord {
    pub fn target(&self) -> Target {
        self.snapshot().target()
    }

    /// What the target's peers could reach.
    pub fn reachability(&self) -> Option<&Reachability> {
        self.snapshot().reachability()
    }

    /// For how long after the last request the engine may still carry it out.
    pub(crate) fn lateness(&self) -> Duration {
        self.snapshot().lateness()
    }

    /// Journals are not trusted: refuses what may not go into the paths of an engine's requests.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.target().check().and_then(|()| self.snapshot().check_paths())
    }

    /// The fault that it undoes.
    ///
    /// # Errors
    /// Where the engine of its container is not there.
    pub fn fault(&self, machine: &Machine) -> Result<Box<dyn Fault>, FaultError> {
        self.snapshot().fault(machine)
    }
}

// What it is called in Rust, its spec, and its kind in plans.
faults! {
    link {
        LinkCut(LinkCut) = "link-cut" | "link" | "cut-link",
        LinkDelay(LinkDelay) = "link-delay",
        LinkLoss(LinkLoss) = "link-loss",
        LinkBandwidth(LinkBandwidth) = "link-bandwidth",
        Proxy(ProxyFault) = "proxy",
    }
    load {
        Surge(Surge) = "surge",
    }
    kept {
        Disconnect(disconnect::Disconnect) = "disconnect",
        Blackhole(blackhole::Blackhole) = "blackhole",
        Pause(pause::Pause) = "pause",
        Kill(kill::Kill) = "kill",
        Stop(stop::Stop) = "stop",
        Restart(restart::Restart) = "restart",
        Throttle(throttle::Throttle) = "throttle",
        MemoryLimit(memory_limit::MemoryLimit) = "memory-limit",
        Freeze(freeze::Freeze) = "freeze",
        StressCpu(StressCpu) = "stress-cpu",
        Command(CommandFault) = "command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::TargetName;

    fn read(text: &str) -> Result<FaultSpec, InvalidKey> {
        let mut keys: Table = text.parse().unwrap();
        let kind = keys.remove("kind").unwrap();
        let _ = (keys.remove("at"), keys.remove("for"));
        FaultSpec::read(kind.as_str().unwrap(), &keys)
    }

    #[test]
    fn every_example_is_a_fault_of_its_kind_and_is_written_as_it_was_read() {
        for (kind, example) in examples() {
            let fault = read(example).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(fault.kind(), kind);
            assert_eq!(read(&toml::to_string(&fault).unwrap()).unwrap(), fault);
            if let FaultSpec::Kept(mut kept) = fault {
                // Else it would not be done on all containers of a service.
                let container = kept.container_mut().cloned().map(TargetName::Container);
                assert!(!matches!(kept.spec().target(), TargetName::Container(_)) || container.is_some(), "{kind}");
                let sent = serde_json::to_string(&kept).unwrap();
                assert_eq!(serde_json::from_str::<KeptFault>(&sent).unwrap(), kept, "{sent}");
            }
        }
    }

    #[test]
    fn the_cut_link_has_three_names_in_plans_and_one_in_reports() {
        for kind in ["link", "cut-link", "link-cut"] {
            assert_eq!(read(&format!("kind = '{kind}'")).unwrap().label(), "link-cut");
        }
    }

    #[test]
    fn faults_are_described_by_kind_target_and_size() {
        let all: Vec<_> = examples().map(|(_, example)| read(example).unwrap().description()).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        link-cut
        link-delay of 50ms each way
        link-loss of 10.0 %
        link-bandwidth of 50.0 KiB/s
        proxy on 127.0.0.1:15432 with a delay of 200ms each way
        surge of 4 times the load
        disconnect db
        blackhole db
        pause db
        kill db
        stop db
        restart db
        throttle db to 0.2 CPUs
        memory-limit db of 64.0 MiB
        freeze nginx
        stress-cpu db with 2 busy processes
        command tc qdisc add dev eth1 root netem delay 2...
        ");
    }
}
