//! What a lost part leaves: its requests are still accounted for, exactly.

use super::meeting::BeatCounts;
use crate::load::plan::LoadPlan;
use crate::record::Account;
use crate::units::Instant;

/// How many requests of a part are due before `end`. `plan` is the plan of the part.
pub fn scheduled_requests(plan: &LoadPlan, end: Instant) -> u64 {
    (0..plan.threads).map(|thread| plan.schedule(thread).count_before(end)).sum()
}

/// The requests of a part that was lost, by its last beat. What was in flight then is unanswered, and all that was not sent
/// by then is unsent. What the part sent between its last beat and its loss is not known, and counts as unsent.
///
/// The latencies of its answered requests are lost with it. A beat tells neither retries nor the kinds of errors nor which
/// requests were abandoned: each request counts as one attempt, and only those without an end as lower bounds.
pub fn account_of_lost(scheduled: u64, last: &BeatCounts) -> Account {
    // A part can't have sent more than was due, whatever it says.
    let sent = last.sent.min(scheduled);
    let answered = last.answered.min(sent);
    let failed = last.failed.min(sent - answered);
    let mut account = Account { scheduled: sent, answered, failed, attempts: sent, ..Account::default() };
    account.unanswered = sent - answered - failed;
    account.lower_bounds = account.unanswered;
    account.with_error = account.failed + account.unanswered;
    account.add_unsent(scheduled - sent);
    account
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrivals::{ArrivalProcess, GeneratorPart, Profile};
    use crate::cluster::split::plan_of_part;
    use crate::load::plan::LoadSettings;
    use crate::units::Time;

    #[test]
    fn what_a_lost_part_had_still_to_send_is_unsent() {
        let beat = BeatCounts { sent: 40, answered: 30, failed: 3, send_lag: Time::ZERO };
        let account = account_of_lost(100, &beat);
        assert!(account.balances());
        assert_eq!((account.scheduled, account.answered, account.failed), (100, 30, 3));
        assert_eq!((account.unanswered, account.unsent, account.attempts), (7, 60, 40));
    }

    #[test]
    fn a_part_that_never_spoke_has_sent_nothing() {
        let account = account_of_lost(100, &BeatCounts::default());
        assert_eq!((account.scheduled, account.unsent, account.attempts), (100, 100, 0));
    }

    proptest! {
        #[test]
        fn any_beat_gives_an_account_that_balances(scheduled: u64, sent: u64, answered: u64, failed: u64) {
            let account = account_of_lost(scheduled, &BeatCounts { sent, answered, failed, send_lag: Time::ZERO });
            prop_assert!(account.balances());
            prop_assert_eq!(account.scheduled, scheduled);
        }

        /// What the parts have to send adds up to what one generator has, so that a lost part loses exactly its own.
        #[test]
        fn the_requests_of_all_parts_are_those_of_one_generator(
            of in 1u16..9, threads in 1usize..4, process in 0..4usize, profile in 0..3usize, end_ms in 0u64..4000,
        ) {
            let rate: Profile = ["700", "0..900@1s,30", "5@1s,0@1s,400"][profile].parse().unwrap();
            let arrivals =
                [ArrivalProcess::Fixed, ArrivalProcess::Exp, ArrivalProcess::Norm, ArrivalProcess::Zipf][process];
            let settings = LoadSettings { threads, connections: 64, arrivals, ..LoadSettings::new("http://h/", rate) };
            let (plan, end) = (LoadPlan::new(settings).unwrap(), Instant(end_ms * 1_000_000));
            let parts = (0..of).map(|index| plan_of_part(&plan, GeneratorPart { index, of }).unwrap());
            let sum: u64 = parts.map(|part| scheduled_requests(&part, end)).sum();
            prop_assert_eq!(sum, scheduled_requests(&plan, end));
        }
    }
}
