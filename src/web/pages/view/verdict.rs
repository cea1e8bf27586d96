//! Whether the cluster is well: one sentence, and the reasons for it, worst first.

use serde::Serialize;

use super::partitions::PartitionCounts;

/// How well it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::web::pages) enum Level {
    /// Nothing to do.
    #[default]
    Good,
    /// It works, and has less in reserve than it should.
    Warn,
    /// Something does not work.
    Bad,
}

/// The sentence and its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::web::pages) struct Verdict {
    pub(in crate::web::pages) level: Level,
    pub(in crate::web::pages) sentence: String,
    pub(in crate::web::pages) reasons: Vec<Reason>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::web::pages) struct Reason {
    pub(in crate::web::pages) level: Level,
    pub(in crate::web::pages) text: String,
    /// The page that tells more.
    pub(in crate::web::pages) link: &'static str,
}

/// What it is judged by.
#[derive(Clone, Debug, Default)]
pub(in crate::web::pages) struct Facts {
    pub(in crate::web::pages) partitions: PartitionCounts,
    /// Brokers that serve.
    pub(in crate::web::pages) serving: usize,
    pub(in crate::web::pages) fenced: Vec<i32>,
    pub(in crate::web::pages) draining: Vec<i32>,
    /// Brokers that should answer and have not.
    pub(in crate::web::pages) silent: Vec<i32>,
    /// Log directories with an error.
    pub(in crate::web::pages) failed_directories: Vec<(i32, String)>,
    /// Disks with hardly any room.
    pub(in crate::web::pages) full_disks: Vec<(i32, String)>,
    pub(in crate::web::pages) quorum: QuorumFacts,
    /// Groups that are dead.
    pub(in crate::web::pages) dead_groups: usize,
}

/// What is known of the metadata quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web::pages) enum QuorumFacts {
    /// Nobody was asked yet, or it has not answered once.
    #[default]
    Unknown,
    /// It did not say.
    Silent(String),
    /// Nobody leads it.
    Leaderless,
    /// It is led; these voters do not follow, of so many.
    Led { lagging: Vec<i32>, voters: usize },
}

impl Facts {
    /// The verdict.
    pub(in crate::web::pages) fn judge(&self) -> Verdict {
        let mut reasons = Vec::new();
        let mut add = |level, text: String, link| reasons.push(Reason { level, text, link });
        self.judge_partitions(&mut add);
        self.judge_brokers(&mut add);
        self.judge_quorum(&mut add);
        self.judge_groups(&mut add);
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        let level = reasons.first().map(|it| it.level).unwrap_or_default();
        Verdict {
            level,
            sentence: self.sentence(level, &reasons),
            reasons,
        }
    }

    fn sentence(&self, level: Level, reasons: &[Reason]) -> String {
        let bad = reasons.iter().filter(|it| it.level == Level::Bad).count();
        match level {
            Level::Good => format!(
                "All is well: {} {}, all in sync.",
                counted(self.serving, "broker", "serves", "serve"),
                counted(self.partitions.partitions, "partition", "", "").trim_end()
            ),
            Level::Warn => {
                "The cluster works, with less in reserve than it should have.".to_owned()
            }
            Level::Bad if bad == 1 => {
                format!("Something does not work: {}.", reasons[0].text)
            }
            Level::Bad => format!("{bad} things do not work."),
        }
    }

    fn judge_partitions(&self, add: &mut impl FnMut(Level, String, &'static str)) {
        let counts = &self.partitions;
        let by_state = "/topics?sort=state&order=desc&internal=true";
        if counts.offline > 0 {
            let who = counted(counts.offline, "partition", "has", "have");
            add(
                Level::Bad,
                format!("{who} no leader: nobody reads or writes there"),
                by_state,
            );
        }
        // Those without a leader are told of above.
        let refusing = counts.under_min_isr.saturating_sub(counts.offline);
        if refusing > 0 {
            let who = counted(refusing, "partition", "has", "have");
            add(
                Level::Bad,
                format!(
                    "{who} fewer replicas in sync than min.insync.replicas: acks=all is refused"
                ),
                by_state,
            );
        }
        let behind =
            (counts.under_replicated).saturating_sub(counts.under_min_isr.max(counts.offline));
        if behind > 0 {
            let who = counted(behind, "partition", "lacks", "lack");
            let limit = match counts.at_min_isr {
                0 => String::new(),
                at_limit => format!(", of which {at_limit} can spare no other"),
            };
            add(
                Level::Warn,
                format!("{who} replicas in sync{limit}"),
                by_state,
            );
        }
    }

    fn judge_brokers(&self, add: &mut impl FnMut(Level, String, &'static str)) {
        if !self.fenced.is_empty() {
            add(
                Level::Warn,
                format!(
                    "{} away (fenced)",
                    named(&self.fenced, "broker", "is", "are")
                ),
                "/brokers",
            );
        }
        if !self.silent.is_empty() {
            let who = named(&self.silent, "broker", "has", "have");
            add(
                Level::Warn,
                format!("{who} not answered in time, so some numbers are missing"),
                "/brokers",
            );
        }
        if !self.draining.is_empty() {
            let who = named(&self.draining, "broker", "is", "are");
            add(Level::Warn, format!("{who} drained"), "/brokers");
        }
        for (id, path) in &self.failed_directories {
            add(
                Level::Bad,
                format!("log directory {path} of broker {id} is offline"),
                "/log-dirs",
            );
        }
        for (id, path) in &self.full_disks {
            add(
                Level::Warn,
                format!("the disk of {path} of broker {id} has less than a tenth of its room left"),
                "/log-dirs",
            );
        }
    }

    fn judge_quorum(&self, add: &mut impl FnMut(Level, String, &'static str)) {
        match &self.quorum {
            QuorumFacts::Unknown => {}
            QuorumFacts::Silent(why) => add(
                Level::Bad,
                format!("the metadata quorum does not answer ({why})"),
                "/quorum",
            ),
            QuorumFacts::Leaderless => add(
                Level::Bad,
                "the metadata quorum has no leader: nothing can be changed".to_owned(),
                "/quorum",
            ),
            QuorumFacts::Led { lagging, voters } if !lagging.is_empty() => {
                let spare = (voters.saturating_sub(1) / 2).saturating_sub(lagging.len());
                let who = named(lagging, "controller", "does", "do");
                let spare = match spare {
                    0 => "no other".to_owned(),
                    _ => format!("{spare} more"),
                };
                add(
                    Level::Warn,
                    format!("{who} not follow the metadata quorum, which can spare {spare}"),
                    "/quorum",
                );
            }
            QuorumFacts::Led { .. } => {}
        }
    }

    fn judge_groups(&self, add: &mut impl FnMut(Level, String, &'static str)) {
        if self.dead_groups > 0 {
            let who = counted(self.dead_groups, "group", "is", "are");
            add(Level::Warn, format!("{who} dead"), "/groups?sort=state");
        }
    }
}

/// `1 partition has`, `2 partitions have`.
fn counted(count: usize, what: &str, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {what} {one}"),
        _ => format!("{count} {what}s {several}"),
    }
}

/// `broker 1 is`, `brokers 1, 2 are`.
fn named(ids: &[i32], what: &str, one: &str, several: &str) -> String {
    let listed: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let listed = listed.join(", ");
    match ids.len() {
        1 => format!("{what} {listed} {one}"),
        _ => format!("{what}s {listed} {several}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Facts {
        Facts {
            partitions: PartitionCounts {
                partitions: 12,
                ..PartitionCounts::default()
            },
            serving: 3,
            quorum: QuorumFacts::Led {
                lagging: Vec::new(),
                voters: 3,
            },
            ..Facts::default()
        }
    }

    fn texts(facts: &Facts) -> Vec<(Level, String)> {
        let reasons = facts.judge().reasons.into_iter();
        reasons.map(|it| (it.level, it.text)).collect()
    }

    #[test]
    fn a_cluster_of_which_nothing_is_wrong_is_well() {
        let verdict = well().judge();

        assert_eq!(verdict.level, Level::Good);
        let sentence = "All is well: 3 brokers serve 12 partitions, all in sync.";
        assert_eq!(verdict.sentence, sentence);
        assert!(verdict.reasons.is_empty());
    }

    #[test]
    fn the_worst_reason_comes_first_and_makes_the_level() {
        let mut facts = well();
        facts.fenced = vec![2];
        facts.partitions.under_replicated = 5;
        facts.partitions.under_min_isr = 2;
        facts.partitions.offline = 1;

        let verdict = facts.judge();

        assert_eq!(verdict.level, Level::Bad);
        assert_eq!(verdict.sentence, "2 things do not work.");
        let levels: Vec<Level> = verdict.reasons.iter().map(|it| it.level).collect();
        assert_eq!(levels, [Level::Bad, Level::Bad, Level::Warn, Level::Warn]);
        assert!(
            verdict.reasons[0]
                .text
                .starts_with("1 partition has no leader")
        );
        assert!(verdict.reasons[1].text.starts_with("1 partition has fewer"));
        assert!(verdict.reasons[2].text.starts_with("3 partitions lack"));
        assert_eq!(verdict.reasons[3].text, "broker 2 is away (fenced)");
    }

    #[test]
    fn one_thing_that_does_not_work_is_the_sentence() {
        let mut facts = well();
        facts.quorum = QuorumFacts::Leaderless;

        let sentence = facts.judge().sentence;

        let expected = "Something does not work: the metadata quorum has no leader: nothing can be \
                        changed.";
        assert_eq!(sentence, expected);
    }

    /// A change for the worse, how bad that is, and a part of its sentence.
    type Case = (fn(&mut Facts), Level, &'static str);

    #[test]
    fn each_thing_that_is_wrong_is_a_reason() {
        let cases: [Case; 8] = [
            (
                |it| it.silent = vec![1, 3],
                Level::Warn,
                "brokers 1, 3 have not answered in time",
            ),
            (
                |it| it.draining = vec![3],
                Level::Warn,
                "broker 3 is drained",
            ),
            (
                |it| it.failed_directories = vec![(2, "/d".into())],
                Level::Bad,
                "log directory /d of broker 2 is offline",
            ),
            (
                |it| it.full_disks = vec![(2, "/d".into())],
                Level::Warn,
                "less than a tenth",
            ),
            (|it| it.dead_groups = 1, Level::Warn, "1 group is dead"),
            (
                |it| it.quorum = QuorumFacts::Silent("no answer".into()),
                Level::Bad,
                "the metadata quorum does not answer (no answer)",
            ),
            (
                |it| {
                    it.quorum = QuorumFacts::Led {
                        lagging: vec![2],
                        voters: 5,
                    };
                },
                Level::Warn,
                "controller 2 does not follow the metadata quorum, which can spare 1 more",
            ),
            (
                |it| {
                    it.partitions.under_replicated = 4;
                    it.partitions.at_min_isr = 4;
                },
                Level::Warn,
                "4 partitions lack replicas in sync, of which 4 can spare no other",
            ),
        ];
        for (spoil, level, text) in cases {
            let mut facts = well();
            spoil(&mut facts);
            let found = texts(&facts);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].0, level, "{text}");
            assert!(found[0].1.contains(text), "{text}: {found:?}");
        }
    }
}
