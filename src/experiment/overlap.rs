//! Faults of a plan that act on one target at the same time. A plan compares the names of targets; here the targets are
//! found, and one container or process may have several names.

use std::fmt;

use crate::fault::Target;
use crate::plan::PlannedFault;

/// Two faults that act on one target at the same time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Overlap {
    /// Their numbers in the plan, from 0.
    pub earlier: usize,
    pub later: usize,
    /// `container db`
    pub target: String,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overlap { earlier, later, target } = self;
        write!(f, "fault.{later}.at: overlaps fault.{earlier}, which is on the same {target}. Change at or for.")
    }
}

/// Refuses faults that act on one target at the same time. `targets` are those of each fault, in the order of the plan.
///
/// # Errors
/// The first such pair.
pub fn refuse_overlaps(faults: &[PlannedFault], targets: &[Vec<Target>]) -> Result<(), Overlap> {
    for (later, (new, new_targets)) in faults.iter().zip(targets).enumerate() {
        for (earlier, (old, old_targets)) in faults.iter().zip(targets).enumerate().take(later) {
            let shared = new_targets.iter().find(|new| old_targets.iter().any(|old| old.is_same(new)));
            if let Some(target) = shared
                && new.at < old.end()
                && old.at < new.end()
            {
                return Err(Overlap { earlier, later, target: target.to_string() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::config::{Overrides, parse};

    /// Pauses these containers from this second for 10 s.
    fn faults(all: &[(&str, u64)]) -> Vec<PlannedFault> {
        let pause = |(name, at): &(&str, u64)| {
            format!("[[fault]]\nkind = \"pause\"\ncontainer = \"{name}\"\nat = \"{at}s\"\nfor = \"10s\"\n")
        };
        let target = "url = \"http://x/\"\nengine = \"docker\"";
        let faults: String = all.iter().map(pause).collect();
        let text = format!("name = \"x\"\n[target]\n{target}\n[load]\nrate = 100\n{faults}");
        parse(&text, "x.toml", Path::new(""), &Overrides::default()).unwrap().faults().to_vec()
    }

    fn containers(ids: &[&str]) -> Vec<Target> {
        let target = |id: &&str| serde_json::json!({ "id": id, "name": format!("net-{id}-1") });
        ids.iter().map(|id| serde_json::from_value(target(id)).unwrap()).collect()
    }

    #[test]
    fn one_container_by_two_names_is_one_container() {
        let both = faults(&[("dbx", 15), ("awk_dbx_1", 20)]);
        let error = refuse_overlaps(&both, &[containers(&["a"]), containers(&["a"])]).unwrap_err();
        insta::assert_snapshot!(error, @"fault.1.at: overlaps fault.0, which is on the same container net-a-1. Change at or for.");
        assert_eq!(refuse_overlaps(&both, &[containers(&["a"]), containers(&["b"])]), Ok(()));
        let one_after_the_other = faults(&[("dbx", 15), ("awk_dbx_1", 25)]);
        assert_eq!(refuse_overlaps(&one_after_the_other, &[containers(&["a"]), containers(&["a"])]), Ok(()));
    }

    #[test]
    fn a_container_of_a_service_overlaps_the_whole_service() {
        let all = faults(&[("cache", 15), ("web", 16), ("net-web-2", 17)]);
        let targets = [containers(&["c"]), containers(&["w1", "w2"]), containers(&["w2"])];
        let error = refuse_overlaps(&all, &targets).unwrap_err();
        assert_eq!((error.earlier, error.later, error.target.as_str()), (1, 2, "container net-w2-1"));
    }
}
