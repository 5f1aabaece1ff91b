//! One fault on several targets: all containers of a scaled service.

use futures_util::future::join_all;

use super::{Fault, FaultError, StepFuture, StepReport};
use crate::units::Time;

/// A fault on several targets. Each step is done to all of them at the same time, and fails if it fails on one. It takes
/// effect when it does on the first target, and is removed when it is from the last.
pub struct FaultGroup {
    /// With the names of their targets; at least one.
    members: Vec<(String, Box<dyn Fault>)>,
}

impl FaultGroup {
    /// The only member itself where there is one.
    pub fn of(mut members: Vec<(String, Box<dyn Fault>)>) -> Box<dyn Fault> {
        match members.len() {
            1 => members.remove(0).1,
            _ => Box::new(FaultGroup { members }),
        }
    }

    /// `choose` is the time of the group, from those of the members that are known.
    async fn step(
        &mut self,
        step: impl Fn(&mut dyn Fault) -> StepFuture<'_>,
        choose: impl Fn(Vec<Option<Time>>) -> Option<Time>,
    ) -> Result<StepReport, FaultError> {
        let each = self.members.iter_mut().map(|(_, fault)| step(fault.as_mut()));
        let reports = join_all(each).await;
        let mut all = StepReport::default();
        let mut times = Vec::new();
        for ((name, _), report) in self.members.iter().zip(reports) {
            let StepReport { text, warnings, ago } = report?;
            let named = |text: String| format!("{name}: {text}");
            times.push(ago);
            let text = if text.is_empty() { text } else { named(text) };
            all = all.and(StepReport { text, warnings: warnings.into_iter().map(named).collect(), ago: None });
        }
        Ok(all.since(choose(times)))
    }
}

/// The longest ago; a member without a time is of now.
fn first(times: Vec<Option<Time>>) -> Option<Time> {
    times.into_iter().flatten().max()
}

/// The shortest ago, if none is of now.
fn last(times: Vec<Option<Time>>) -> Option<Time> {
    times.into_iter().collect::<Option<Vec<_>>>()?.into_iter().min()
}

impl Fault for FaultGroup {
    fn kind(&self) -> &str {
        self.members.first().map_or("", |(_, fault)| fault.kind())
    }

    fn apply(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(|fault| fault.apply(), first))
    }

    fn verify_applied(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(|fault| fault.verify_applied(), first))
    }

    fn remove(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(|fault| fault.remove(), last))
    }

    fn verify_removed(&mut self) -> StepFuture<'_> {
        Box::pin(self.step(|fault| fault.verify_removed(), last))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Says what it did, and when that came about. One that fails fails to be verified.
    struct Member {
        name: &'static str,
        ago: Option<u64>,
        fails: bool,
        done: Arc<Mutex<Vec<String>>>,
    }

    impl Member {
        fn step(&mut self, step: &'static str) -> StepFuture<'_> {
            self.done.lock().unwrap().push(format!("{step} {}", self.name));
            let (ago, fails) = (self.ago.map(Time::from_millis), self.fails && step == "verify");
            let failed = FaultError::new("verify a fault on", self.name, "");
            Box::pin(async move {
                match fails {
                    true => Err(failed("it is not on")),
                    false => Ok(StepReport::from("done").and(StepReport::warning("so what")).since(ago)),
                }
            })
        }
    }

    impl Fault for Member {
        fn kind(&self) -> &str {
            "kill"
        }
        fn apply(&mut self) -> StepFuture<'_> {
            self.step("apply")
        }
        fn verify_applied(&mut self) -> StepFuture<'_> {
            self.step("verify")
        }
        fn remove(&mut self) -> StepFuture<'_> {
            self.step("remove")
        }
        fn verify_removed(&mut self) -> StepFuture<'_> {
            self.step("verify removal of")
        }
    }

    type Done = Arc<Mutex<Vec<String>>>;

    fn group(members: &[(&'static str, Option<u64>, bool)]) -> (Box<dyn Fault>, Done) {
        let done = Done::default();
        let member = |&(name, ago, fails): &(&'static str, Option<u64>, bool)| {
            (name.to_owned(), Box::new(Member { name, ago, fails, done: Arc::clone(&done) }) as Box<dyn Fault>)
        };
        (FaultGroup::of(members.iter().map(member).collect()), Arc::clone(&done))
    }

    #[tokio::test]
    async fn it_takes_effect_on_the_first_and_is_removed_from_the_last() {
        let (mut web, done) =
            group(&[("web-1", Some(300), false), ("web-2", None, false), ("web-3", Some(500), false)]);
        web.apply().await.unwrap();
        let report = web.verify_applied().await.unwrap();
        assert_eq!(
            report.to_string(),
            "web-1: done; web-2: done; web-3: done; warning: web-1: so what; warning: web-2: so what; warning: web-3: so what"
        );
        assert_eq!(report.ago, Some(Time::from_millis(500)));
        web.remove().await.unwrap();
        assert_eq!(web.verify_removed().await.unwrap().ago, None);
        assert_eq!((web.kind(), done.lock().unwrap().len()), ("kill", 12));
        let (mut web, _) = group(&[("web-1", Some(300), false), ("web-3", Some(500), false)]);
        assert_eq!(web.verify_removed().await.unwrap().ago, Some(Time::from_millis(300)));
    }

    #[tokio::test]
    async fn a_step_that_fails_on_one_is_done_to_all_and_fails() {
        let (mut web, done) = group(&[("web-1", None, true), ("web-2", None, false)]);
        let error = web.verify_applied().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot verify a fault on web-1: it is not on");
        assert_eq!(*done.lock().unwrap(), ["verify web-1", "verify web-2"]);
    }

    #[tokio::test]
    async fn a_group_of_one_is_that_one() {
        let (mut db, _) = group(&[("db", None, false)]);
        assert_eq!(db.apply().await.unwrap().text, "done");
    }
}
