//! `proxy`: a TCP proxy of ours in front of a service of the user is cut, slow, lossy or narrow.
//!
//! The proxy runs as long as the experiment. It is a process of its own that ends with the run, so nothing has to be undone
//! after a run that was killed: the traffic through it ends. A probe through the proxy shows the effect, whatever protocol
//! the service speaks, because the proxy itself sends the data of a probe back. That the system feels it is shown by its own
//! traffic: some of it must have met the fault.

use std::net::SocketAddr;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::cut::LinkCutFault;
use super::{LinkBandwidth, LinkDelay, LinkLoss, LinkSpec, PATIENCE, PAUSE, failed};
use crate::fault::{CheckContext, Fault, FaultError, InvalidKey, Spec, StepFuture, StepReport, TargetName};
use crate::testbed::LinkHandle;
use crate::units::{Time, exact_size};

/// A fault on what passes a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ProxyKeys", into = "ProxyKeys")]
pub struct ProxyFault {
    pub address: ProxyAddress,
    pub effect: ProxyEffect,
}

/// Where a proxy lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    pub listen: SocketAddr,
    /// `HOST:PORT` of the service.
    pub to: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProxyEffect {
    Cut(CutKind),
    Delay(LinkDelay),
    Loss(LinkLoss),
    Bandwidth(LinkBandwidth),
}

/// What a cut does to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutKind {
    /// They hang, as when the network is gone. What was sent is delivered afterwards.
    Hang,
    /// They are reset, also each new one, as when the service has died.
    Reset,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProxyKeys {
    listen: SocketAddr,
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<CutKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact_size::option")]
    bandwidth: Option<ByteSize>,
}

impl TryFrom<ProxyKeys> for ProxyFault {
    type Error = &'static str;

    fn try_from(keys: ProxyKeys) -> Result<ProxyFault, &'static str> {
        let ProxyKeys { listen, to, cut, delay, loss, bandwidth } = keys;
        let effects = [
            cut.map(ProxyEffect::Cut),
            delay.map(|delay| ProxyEffect::Delay(LinkDelay { delay })),
            loss.map(|loss| ProxyEffect::Loss(LinkLoss { loss })),
            bandwidth.map(|bandwidth| ProxyEffect::Bandwidth(LinkBandwidth { bandwidth })),
        ];
        let mut effects = effects.into_iter().flatten();
        match (effects.next(), effects.next()) {
            (Some(effect), None) => Ok(ProxyFault { address: ProxyAddress { listen, to }, effect }),
            (None, _) => Err("a proxy fault needs one of the keys `cut`, `delay`, `loss` and `bandwidth`"),
            (Some(_), Some(_)) => Err("`cut`, `delay`, `loss` and `bandwidth` exclude each other: set one of them"),
        }
    }
}

impl From<ProxyFault> for ProxyKeys {
    fn from(ProxyFault { address: ProxyAddress { listen, to }, effect }: ProxyFault) -> ProxyKeys {
        let none = ProxyKeys { listen, to, cut: None, delay: None, loss: None, bandwidth: None };
        match effect {
            ProxyEffect::Cut(cut) => ProxyKeys { cut: Some(cut), ..none },
            ProxyEffect::Delay(LinkDelay { delay }) => ProxyKeys { delay: Some(delay), ..none },
            ProxyEffect::Loss(LinkLoss { loss }) => ProxyKeys { loss: Some(loss), ..none },
            ProxyEffect::Bandwidth(LinkBandwidth { bandwidth }) => ProxyKeys { bandwidth: Some(bandwidth), ..none },
        }
    }
}

impl ProxyEffect {
    /// The spec of the same fault on the testbed's link. A cut has one that hangs.
    fn spec(&self) -> &dyn LinkSpec {
        match self {
            ProxyEffect::Cut(_) => &super::LinkCut {},
            ProxyEffect::Delay(delay) => delay,
            ProxyEffect::Loss(loss) => loss,
            ProxyEffect::Bandwidth(bandwidth) => bandwidth,
        }
    }
}

impl Spec for ProxyFault {
    fn example() -> &'static str {
        "kind = \"proxy\"\nlisten = \"127.0.0.1:15432\"\nto = \"127.0.0.1:5432\"\ndelay = \"200ms\"\nfor = \"20s\""
    }

    fn target(&self) -> TargetName {
        TargetName::Proxy(self.address.listen)
    }

    fn size(&self) -> Option<String> {
        let size = self.effect.spec().size().unwrap_or_default();
        Some(match self.effect {
            ProxyEffect::Cut(CutKind::Hang) => "cut: connections hang".to_owned(),
            ProxyEffect::Cut(CutKind::Reset) => "cut: connections are reset".to_owned(),
            ProxyEffect::Delay(_) => format!("with a delay {size}"),
            ProxyEffect::Loss(_) => format!("with a loss {size}"),
            ProxyEffect::Bandwidth(_) => format!("with a bandwidth {size}"),
        })
    }

    fn check(&self, context: &CheckContext) -> Result<(), InvalidKey> {
        let ProxyAddress { listen, to } = &self.address;
        if context.has_testbed {
            let why = "the [testbed] has a link of its own: use link-cut, link-delay, link-loss or link-bandwidth";
            return Err(InvalidKey::new("kind", why));
        }
        if listen.port() == 0 {
            return Err(InvalidKey::new("listen", "needs a port that the system can be told, not 0"));
        }
        let authority = to.parse::<http::uri::Authority>().ok();
        if authority.and_then(|authority| authority.port_u16()).is_none() {
            return Err(InvalidKey::new("to", "must be HOST:PORT of the service, such as \"127.0.0.1:5432\""));
        }
        if to.parse() == Ok(*listen) {
            return Err(InvalidKey::new("to", "must not be the address of the proxy itself"));
        }
        self.effect.spec().check(context)
    }
}

impl LinkSpec for ProxyFault {
    fn fault(&self, link: LinkHandle) -> Box<dyn Fault> {
        let effect: Box<dyn Fault> = match self.effect {
            ProxyEffect::Cut(kind) => Box::new(LinkCutFault { link: link.clone(), resets: kind == CutKind::Reset }),
            effect => effect.spec().fault(link.clone()),
        };
        Box::new(FaultOnProxy { link, effect })
    }

    fn proxy(&self) -> Option<&ProxyAddress> {
        Some(&self.address)
    }
}

/// The fault on the link, which counts only if the system meets it.
struct FaultOnProxy {
    link: LinkHandle,
    effect: Box<dyn Fault>,
}

/// Waits until some of the system's own traffic has met the fault.
async fn verify_met(link: &LinkHandle) -> Result<StepReport, FaultError> {
    const ACTION: &str = "verify the effect of";
    let start = Instant::now();
    loop {
        let met = link.count_met().await.map_err(|error| failed(link, ACTION, error.to_string()))?;
        if met > 0 {
            return Ok("the system's traffic meets it".into());
        }
        if start.elapsed() >= PATIENCE {
            let remedy = "Let the load, or the part of the system that calls the service, use the address in `listen`.";
            let why = format!("no traffic of the system passed it within {} s", PATIENCE.as_secs());
            return Err(FaultError::new(ACTION, link.name(), remedy)(why));
        }
        sleep(PAUSE).await;
    }
}

impl Fault for FaultOnProxy {
    fn kind(&self) -> &str {
        "proxy"
    }

    fn apply(&mut self) -> StepFuture<'_> {
        self.effect.apply()
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(async {
            let effect = self.effect.verify_applied().await?;
            Ok(effect.and(verify_met(&self.link).await?))
        })
    }

    fn remove(&mut self) -> StepFuture<'_> {
        self.effect.remove()
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        self.effect.verify_removed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &str) -> Result<ProxyFault, String> {
        let keys = format!("listen = '127.0.0.1:81'\nto = 'db:80'\n{keys}");
        toml::from_str::<ProxyFault>(&keys).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn one_effect_must_be_named() {
        assert!(read("").unwrap_err().contains("needs one of the keys"));
        assert!(read("cut = 'hang'\nloss = 0.1").unwrap_err().contains("exclude each other"));
        assert!(read("cut = true").is_err());
        for keys in ["cut = \"hang\"", "cut = \"reset\"", "delay = \"50ms\"", "loss = 0.1", "bandwidth = \"50KiB\""] {
            let fault = read(keys).unwrap();
            let text = toml::to_string(&fault).unwrap();
            assert!(text.contains(keys), "{text}");
            assert_eq!(toml::from_str::<ProxyFault>(&text).unwrap(), fault);
        }
    }

    #[test]
    fn effects_are_described() {
        let size = |keys| read(keys).unwrap().size().unwrap();
        let all = ["cut = 'hang'", "cut = 'reset'", "delay = '50ms'", "loss = 0.1", "bandwidth = '50KiB'"].map(size);
        insta::assert_snapshot!(all.join("\n"), @r"
        cut: connections hang
        cut: connections are reset
        with a delay of 50ms each way
        with a loss of 10.0 %
        with a bandwidth of 50.0 KiB/s
        ");
    }

    #[test]
    fn an_address_that_cannot_be_is_refused() {
        let context = CheckContext { lasts: Time::from_secs(9), rate: 1.0, has_testbed: false, has_engine: false };
        let check = |listen: &str, to: &str, context: &CheckContext| {
            let keys = format!("listen = '{listen}'\nto = '{to}'\ndelay = '1ms'");
            toml::from_str::<ProxyFault>(&keys).unwrap().check(context).unwrap_err().to_string()
        };
        let errors = [
            check("127.0.0.1:0", "db:80", &context),
            check("127.0.0.1:81", "db", &context),
            check("127.0.0.1:81", "127.0.0.1:81", &context),
            check("127.0.0.1:81", "db:80", &context),
            check("127.0.0.1:81", "db:80", &CheckContext { has_testbed: true, ..context }),
        ];
        insta::assert_snapshot!(errors.join("\n"), @r#"
        listen: needs a port that the system can be told, not 0
        to: must be HOST:PORT of the service, such as "127.0.0.1:5432"
        to: must not be the address of the proxy itself
        delay: must be between 10ms and 5s
        kind: the [testbed] has a link of its own: use link-cut, link-delay, link-loss or link-bandwidth
        "#);
    }
}
