//! What topics may be like after what was acknowledged of a storm of admin requests.

use std::collections::{BTreeMap, BTreeSet};

use super::requests::{Change, Outcome};

/// A topic that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: i32,
    /// Its `retention.ms`, if it was set.
    pub retention: Option<i64>,
    /// The replicas of partitions that were moved.
    pub replicas: BTreeMap<i32, Vec<i32>>,
}

/// Topics by name. A name of which a request's outcome is not known is not used again: what it asks for may be
/// done at any time until the end.
#[derive(Default)]
pub struct Model {
    /// What is known of names that are in use.
    known: BTreeMap<String, Option<Topic>>,
    /// What the others may be like.
    open: BTreeMap<String, [Option<Topic>; 2]>,
    made: usize,
}

impl Model {
    /// A name to do something with: one of those in use, the `choice`th, of which there are `count`.
    pub fn name(&mut self, choice: usize, count: usize) -> String {
        while self.known.len() < count {
            self.known.insert(format!("storm-{}", self.made), None);
            self.made += 1;
        }
        let mut names = self.known.keys();
        names.nth(choice % count).expect("so many").clone()
    }

    /// What is known of a name that is in use.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.known[name].as_ref()
    }

    /// A change was asked for.
    pub fn note(&mut self, name: &str, change: &Change, outcome: Outcome) {
        let before = self.known[name].clone();
        let after = applied(before.clone(), change);
        match outcome {
            Outcome::Refused => {}
            Outcome::Done => {
                self.known.insert(name.to_owned(), after);
            }
            Outcome::Unknown => {
                self.known.remove(name);
                self.open.insert(name.to_owned(), [before, after]);
            }
        }
    }

    /// All names, and how many of them are open.
    pub fn counts(&self) -> (usize, usize) {
        (self.known.len() + self.open.len(), self.open.len())
    }

    /// What is wrong with these topics, by name, which are all that there are.
    pub fn complaints(&self, seen: &BTreeMap<String, Topic>) -> Vec<String> {
        let mut complaints = Vec::new();
        let known = self.known.iter().map(|(name, it)| (name, vec![it]));
        let open = self
            .open
            .iter()
            .map(|(name, them)| (name, them.iter().collect()));
        for (name, allowed) in known.chain(open) {
            let found = seen.get(name);
            if !allowed.iter().any(|it| agree(it.as_ref(), found)) {
                complaints.push(format!("{name} is {found:?}, and may be {allowed:?}"));
            }
        }
        let all: BTreeSet<&String> = self.known.keys().chain(self.open.keys()).collect();
        let invented = seen.keys().filter(|name| !all.contains(name));
        complaints.extend(invented.map(|name| format!("nobody made {name}")));
        complaints
    }
}

fn applied(topic: Option<Topic>, change: &Change) -> Option<Topic> {
    if let Change::Create { partitions, .. } = change {
        return Some(topic.unwrap_or(Topic {
            partitions: *partitions,
            ..Topic::default()
        }));
    }
    let mut topic = topic?;
    match change {
        Change::Delete => return None,
        Change::Grow { partitions } => topic.partitions = *partitions,
        Change::Keep { retention } => topic.retention = Some(*retention),
        Change::Move {
            partition,
            replicas,
        } => {
            topic.replicas.insert(*partition, replicas.clone());
        }
        Change::Create { .. } | Change::DeleteRecords { .. } | Change::Elect { .. } => {}
    }
    Some(topic)
}

/// Whether what was found is what is allowed; of replicas only those that were asked for are.
fn agree(allowed: Option<&Topic>, found: Option<&Topic>) -> bool {
    let (Some(allowed), Some(found)) = (allowed, found) else {
        return allowed.is_none() && found.is_none();
    };
    let mut moved = allowed.replicas.iter();
    allowed.partitions == found.partitions
        && allowed.retention == found.retention
        && moved.all(|(partition, replicas)| found.replicas.get(partition) == Some(replicas))
}

#[test]
fn the_model_takes_either_outcome_of_what_is_not_known_and_no_other() {
    let topic = |partitions| Topic {
        partitions,
        ..Topic::default()
    };
    let mut model = Model::default();
    let name = model.name(0, 1);
    let create = Change::Create {
        partitions: 2,
        replicas: 3,
    };
    model.note(&name, &create, Outcome::Done);
    let grow = |partitions| Change::Grow { partitions };
    model.note(&name, &grow(4), Outcome::Refused);
    let mut seen = BTreeMap::from([(name.clone(), topic(2))]);
    assert!(model.complaints(&seen).is_empty());
    seen.insert(name.clone(), topic(4));
    assert_eq!(model.complaints(&seen).len(), 1, "it was refused");

    model.note(&name, &grow(4), Outcome::Unknown);
    assert!(model.complaints(&seen).is_empty());
    seen.insert(name.clone(), topic(3));
    assert_eq!(model.complaints(&seen).len(), 1);
    assert_eq!(model.complaints(&BTreeMap::new()).len(), 1, "it is lost");
    assert_ne!(model.name(0, 1), name);
    seen.insert("storm-9".to_owned(), topic(1));
    assert_eq!(model.complaints(&seen).len(), 2, "one nobody made");
}
