use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{
    Answer, BeatCounts, ConnectionId, Join, MAX_NODE_NAME, Meeting, Member, Refusal, Stage, State, refused, shorten,
};
use crate::arrivals::GeneratorPart;
use crate::cluster::clock::CoordinatorInstant;

impl Meeting {
    pub(super) fn join(&mut self, now: CoordinatorInstant, from: ConnectionId, join: Join) -> Answer {
        match self.admit(from, &join) {
            Ok(index) => {
                let (counts, stage) = (BeatCounts::default(), Stage::Joined);
                let member = Member { connection: from, node: join.node, heard: now, clock: None, counts, stage };
                self.members[usize::from(index)] = Some(member);
                Answer::Accepted { part: GeneratorPart { index, of: self.settings.parts } }
            }
            Err(refusal) => refused(&refusal),
        }
    }

    /// Which part the sender becomes. A wrong token is told before anything else, so that a stranger learns nothing.
    fn admit(&self, from: ConnectionId, join: &Join) -> Result<u16, Refusal> {
        let (settings, of) = (&self.settings, self.settings.parts);
        require(is_same_secret(&join.token, &settings.token), || Refusal::Token)?;
        let version = || Refusal::Version { own: settings.version.clone(), other: shorten(&join.version) };
        require(join.version == settings.version, version)?;
        require(join.plan_hash == settings.plan_hash, || Refusal::Plan)?;
        require(is_node_name(&join.node), || Refusal::NodeName)?;
        if let Some(index) = self.find_member(from) {
            return Err(Refusal::JoinedTwice { index });
        }
        match &self.state {
            State::Gathering => {}
            State::Started { .. } => return Err(Refusal::Late),
            State::Stopped { because, .. } => return Err(Refusal::Stopped { because: because.clone() }),
        }
        let Some(wanted) = join.wanted else {
            let free = self.members.iter().position(Option::is_none);
            return free.map(|index| index as u16).ok_or(Refusal::Full { of });
        };
        let GeneratorPart { index, of: theirs } = wanted;
        require(theirs == of, || Refusal::Count { ours: of, theirs })?;
        require(index < of, || Refusal::Range { index, of })?;
        match &self.members[usize::from(index)] {
            Some(member) => Err(Refusal::Taken { index, node: member.node.clone() }),
            None => Ok(index),
        }
    }
}

fn require(holds: bool, refusal: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal()) }
}

/// The time that this takes does not depend on where the texts differ.
fn is_same_secret(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

fn is_node_name(name: &str) -> bool {
    (1..=MAX_NODE_NAME).contains(&name.len()) && !name.chars().any(char::is_control)
}
