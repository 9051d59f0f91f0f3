//! What answers a question about two ends.

use super::divergence::Divergence;
use super::reason::Reason;
use crate::engine::{Decision, Trace};
use crate::net::{ConnectionSet, Family};

/// The answer to the whole question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// Every pair may connect on every port asked.
    Allowed,
    /// No pair may.
    Denied,
    /// Some may and some may not.
    Partly,
    /// None is known to be denied, and not all are known to be allowed.
    Undetermined,
}

impl Answer {
    /// The word that answers start with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Partly => "partly",
            Self::Undetermined => "undetermined",
        }
    }
}

/// What was asked, and everything that answers it.
#[derive(Clone, Debug)]
pub struct CanAnswer {
    /// The first end, as printed.
    pub source: String,
    /// The second end, as printed.
    pub destination: String,
    /// The port, as printed; `None` if none was given.
    pub port: Option<String>,
    /// The answer.
    pub answer: Answer,
    /// Pairs that have the same answer for the same reason.
    pub groups: Vec<Group>,
    /// How many pairs there are.
    pub pairs: usize,
    /// How many of them are allowed in full.
    pub allowed_pairs: usize,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Which ports of pods the ports of a Service are, where that is not plain.
    pub service_notes: Vec<String>,
    /// Whether an assumed pod address decided.
    pub assumed_address: bool,
}

/// Pairs that have the same answer for the same reason.
#[derive(Clone, Debug)]
pub struct Group {
    /// Their answer.
    pub answer: Answer,
    /// Sources, as printed, without repetition.
    pub sources: Vec<String>,
    /// Destinations, as printed, without repetition.
    pub destinations: Vec<String>,
    /// How many pairs.
    pub pairs: usize,
    /// The pair that stands for all of them: source and destination, as printed.
    pub example: [String; 2],
    /// What was asked, by number; everything if no port was given.
    pub asked: ConnectionSet,
    /// What of it is allowed.
    pub allowed: ConnectionSet,
    /// What of it cannot be said.
    pub unknown: ConnectionSet,
    /// The address family; `None` if the ends have none in common, or the pairs not the same.
    pub family: Option<Family>,
    /// Why, by direction.
    pub reasons: Vec<Reason>,
    /// The port that the reasons are about, where several were asked and not all are allowed.
    pub explained: Option<String>,
    /// The decision in full, for one of the pairs on one of the ports.
    pub trace: Option<Trace>,
    /// Where the CNI parts from what the policies declare, if it does.
    pub divergence: Option<Divergence>,
}

impl CanAnswer {
    /// Of how many pairs it cannot be said.
    fn undetermined_pairs(&self) -> usize {
        self.groups.iter().filter(|g| g.answer == Answer::Undetermined).map(|g| g.pairs).sum()
    }

    /// How many pairs are allowed in full, and of how many it cannot be said, in words.
    pub fn counts(&self) -> String {
        let allowed = format!("{} of {} pairs allowed", self.allowed_pairs, self.pairs);
        match self.undetermined_pairs() {
            0 => allowed,
            pairs => format!("{allowed}, {pairs} undetermined"),
        }
    }

    /// The decision as questions files print it: `partly` is a kind of denied.
    pub fn decision(&self) -> Decision {
        match self.answer {
            Answer::Allowed => Decision::Allowed,
            Answer::Denied | Answer::Partly => Decision::Denied,
            Answer::Undetermined => Decision::Unknown,
        }
    }
}
