//! From the plan of a load to the plan of one of its parts.

use crate::arrivals::GeneratorPart;
use crate::load::plan::{LoadPlan, LoadSettings, PlanError};

/// The plan of one part: its requests ([`GeneratorPart`]), and its share of the connections and of their bound. The first
/// parts get the remainder.
///
/// # Errors
/// [`PlanError`] if there is no such part, or if it would have fewer connections than threads.
pub fn plan_of_part(plan: &LoadPlan, part: GeneratorPart) -> Result<LoadPlan, PlanError> {
    let plan = LoadPlan::new(LoadSettings { generator: part, ..plan.clone().into() })?;
    let (connections, max_connections) = (part.share(plan.connections), part.share(plan.max_connections));
    LoadPlan::new(LoadSettings { connections, max_connections, ..plan.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(threads: usize, connections: usize) -> LoadPlan {
        LoadPlan::new(LoadSettings { threads, connections, ..LoadSettings::new("http://h/", 100.0) }).unwrap()
    }

    #[test]
    fn connections_and_their_bound_are_divided() {
        let parts: Vec<LoadPlan> =
            (0..4).map(|index| plan_of_part(&plan(2, 10), GeneratorPart { index, of: 4 }).unwrap()).collect();
        assert_eq!(parts.iter().map(|part| part.connections).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(parts.iter().map(|part| part.max_connections).sum::<usize>(), 10_000);
        assert!(parts.iter().all(|part| part.threads == 2 && part.planned_rate() == 100.0));
    }

    #[test]
    fn the_only_part_has_the_whole_plan() {
        let plan = plan(2, 10);
        assert_eq!(plan_of_part(&plan, GeneratorPart::default()).unwrap(), plan);
    }

    #[test]
    fn a_part_that_cannot_be_is_refused() {
        let why = |index, of| plan_of_part(&plan(2, 10), GeneratorPart { index, of }).unwrap_err().to_string();
        insta::assert_snapshot!(why(5, 6), @"number of connections must be >= threads (1 < 2)");
        insta::assert_snapshot!(why(2, 2), @"`generator` must be below the number of generators, not 2");
        insta::assert_snapshot!(why(0, 0), @"`generator` must be below the number of generators, not 0");
    }
}
