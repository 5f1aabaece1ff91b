//! The proxies that a plan's faults are done on. They run as long as the system under test is used.

use std::net::SocketAddr;

use futures_util::future::select_all;

use crate::fault::{FaultSpec, ProxyAddress};
use crate::plan::ExperimentPlan;
use crate::testbed::{LinkHandle, ProxyProcess, TestbedError};

/// The running proxies. They end when this is dropped.
#[derive(Default)]
pub struct Proxies(Vec<(SocketAddr, ProxyProcess)>);

impl Proxies {
    /// Starts the proxies of `plan`. Several faults may be on one.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn start(plan: &ExperimentPlan) -> Result<Proxies, TestbedError> {
        let mut proxies = Proxies::default();
        for ProxyAddress { listen, to } in proxy_addresses(plan) {
            if proxies.link(*listen).is_none() {
                proxies.0.push((*listen, ProxyProcess::start(*listen, to, None).await?));
            }
        }
        Ok(proxies)
    }

    /// The link that a proxy is.
    pub fn link(&self, listen: SocketAddr) -> Option<&LinkHandle> {
        self.0.iter().find(|(address, _)| *address == listen).map(|(_, proxy)| proxy.link())
    }

    /// Ends them. Another run may use their addresses then.
    pub async fn stop(self) {
        for (_, proxy) in self.0 {
            proxy.stop().await;
        }
    }

    /// Waits until a proxy ends unexpectedly: its name, and how it ended.
    pub async fn wait_for_death(&mut self) -> (String, String) {
        let ends = self.0.iter_mut().map(|(listen, proxy)| {
            let name = format!("proxy on {listen}");
            Box::pin(async move {
                match proxy.next_exit().await {
                    Some(exit) => (name, format!("{} {}", exit.status, exit.stderr)),
                    None => std::future::pending().await,
                }
            })
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() { std::future::pending().await } else { select_all(ends).await.0 }
    }
}

/// The proxies that faults of `plan` are on, one for each fault.
pub fn proxy_addresses(plan: &ExperimentPlan) -> impl Iterator<Item = &ProxyAddress> {
    plan.faults().iter().filter_map(|planned| match &planned.spec {
        FaultSpec::Link(fault) => fault.spec().proxy(),
        FaultSpec::Load(_) | FaultSpec::Kept(_) => None,
    })
}
