//! Fetch sessions (KIP-227): how they begin, go on, change and end.

use broker::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, ForgottenTopic,
};
use broker::protocol::{ApiKey, Str};

use super::batches::good;
use super::fetch::{FIRST_BY_ID, asked, request, topics};
use super::pair::{Both, Pair};
use super::topics::{create, delete, topic, write};

type Wanted<'a> = &'a [(&'a str, Vec<FetchPartition>)];

/// The cases of one version.
pub fn compare(pair: &mut Pair, version: i16) {
    let mut session = Session {
        pair,
        version,
        ids: (0, 0),
    };
    session.begin(
        "a session begins",
        &[
            ("fetched", vec![asked(0, 0), asked(2, 0)]),
            ("fetched-empty", vec![asked(0, 0)]),
            ("absent", vec![asked(0, 0)]),
        ],
    );
    session.goes_on();
    session.changes();
    session.meets_wrong_epochs();
    session.ends();
    session.sees_a_topic_made_anew();
}

/// A session on each broker.
struct Session<'a> {
    pair: &'a mut Pair,
    version: i16,
    ids: (i32, i32),
}

impl Session<'_> {
    fn goes_on(&mut self) {
        self.ask("nothing changed", 1, &[], &[]);
        let ahead = ("fetched", vec![asked(0, 9)]);
        self.ask("a partition moves on", 2, &[ahead], &[]);
        self.ask("nothing is new", 3, &[], &[]);
        write(self.pair, "fetched-empty", 0, &good(1));
        self.ask("a record has come", 4, &[], &[]);
        self.ask("it is read again", 5, &[], &[]);
        // Each version adds a record.
        let end = i64::from(self.version) - 7 + 1;
        let passed = ("fetched-empty", vec![asked(0, end)]);
        self.ask("it is passed", 6, &[passed], &[]);
    }

    fn changes(&mut self) {
        self.ask(
            "another joins, one is forgotten",
            7,
            &[("fetched-too", vec![asked(0, 0), asked(1, 0)])],
            &[("fetched", &[2]), ("absent", &[0])],
        );
        let beyond = ("fetched-too", vec![asked(1, 5)]);
        self.ask("one out of range", 8, &[beyond], &[]);
        self.ask("it is still out of range", 9, &[], &[]);
        let unknown: [(&str, &[i32]); 2] = [("fetched", &[77]), ("strange", &[0])];
        self.ask("an unknown one is forgotten", 10, &[], &unknown);
        let absent = ("fetched", vec![asked(55, 0)]);
        self.ask("an unknown partition joins", 11, &[absent], &[]);
        self.ask("it is still unknown", 12, &[], &[]);
        self.ask(
            "one joins and is forgotten",
            13,
            &[("fetched", vec![asked(1, 0)])],
            &[("fetched", &[1]), ("fetched", &[55])],
        );
    }

    fn meets_wrong_epochs(&mut self) {
        self.ask("a repeated epoch", 13, &[], &[]);
        self.ask("an epoch ahead", 99, &[], &[]);
        self.ask("a negative epoch", -5, &[], &[]);
        self.ask("the right epoch after wrong ones", 14, &[], &[]);
        let other = if self.version >= FIRST_BY_ID { 12 } else { 13 };
        if self.pair.versions(ApiKey::Fetch).contains(&other) {
            let own = std::mem::replace(&mut self.version, other);
            self.ask("the other way to name topics", 15, &[], &[]);
            self.version = own;
            self.ask("back to the own way to name topics", 15, &[], &[]);
        }
    }

    fn ends(&mut self) {
        let some: Wanted<'_> = &[("fetched", vec![asked(0, 0)])];
        self.ask("the last epoch closes it", -1, some, &[]);
        self.ask("it is gone", 1, &[], &[]);
        self.ids = (123_456_789, 123_456_789);
        self.ask("a session that never was", 1, &[], &[]);
        self.ask("a new one in place of one that never was", 0, some, &[]);
        self.ask("a full fetch in place of one that never was", -1, some, &[]);
        self.begin("a session again", &[("fetched", vec![asked(0, 9)])]);
        let other = ("fetched", vec![asked(1, 9)]);
        self.ask("one in place of the other", 0, &[other], &[]);
        self.ask("the other is gone", 1, &[], &[]);
        self.begin("a session of nothing", &[]);
        self.ask("the session of nothing goes on", 1, &[], &[]);
    }

    /// The session goes on with what it was asked for: with ids, that is the topic that is gone.
    fn sees_a_topic_made_anew(&mut self) {
        let name = format!("anew-{}", self.version);
        create(self.pair, &[topic(&name, 1, &[])]);
        write(self.pair, &name, 0, &good(2));
        self.begin(
            "a session of a topic that will go",
            &[(&name, vec![asked(0, 0)])],
        );
        delete(self.pair, &name);
        self.ask("its topic is gone", 1, &[], &[]);
        self.ask("its topic is still gone", 2, &[], &[]);
        create(self.pair, &[topic(&name, 1, &[])]);
        write(self.pair, &name, 0, &good(1));
        self.ask("its topic was made anew", 3, &[], &[]);
        self.ask("its topic is another one", 4, &[], &[]);
    }

    fn begin(&mut self, case: &str, wanted: Wanted<'_>) {
        let both = self.pair.compare(case, self.version, |side| FetchRequest {
            session_epoch: 0,
            ..request(topics(side, wanted))
        });
        self.ids = session_ids(&both);
    }

    fn ask(&mut self, case: &str, epoch: i32, wanted: Wanted<'_>, forgotten: &[(&str, &[i32])]) {
        let ids = self.ids;
        let our_port = self.pair.ours.own.port;
        let case = format!("session: {case}");
        self.pair.compare(&case, self.version, |side| {
            let forgotten = forgotten.iter().map(|(name, partitions)| ForgottenTopic {
                topic: Str::from((*name).to_owned()),
                topic_id: side.own.topic_id(name),
                partitions: partitions.to_vec(),
            });
            let is_ours = side.own.port == our_port;
            FetchRequest {
                session_id: if is_ours { ids.0 } else { ids.1 },
                session_epoch: epoch,
                forgotten_topics_data: forgotten.collect(),
                ..request(topics(side, wanted))
            }
        });
    }
}

fn session_ids(both: &Both<FetchResponse>) -> (i32, i32) {
    let id = |answer: &Option<FetchResponse>| answer.as_ref().map_or(0, |it| it.session_id);
    (id(&both.ours), id(&both.apache))
}
