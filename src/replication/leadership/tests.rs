//! Who is in sync, and when the leader asks for a change of that.

use super::*;

const LEADER: BrokerId = BrokerId(1);
const MAX_LAG: Duration = Duration::from_secs(30);

struct Script {
    leadership: Leadership,
    start: Instant,
    session: Arc<SessionClock>,
    high_watermark: Offset,
    end_offset: Offset,
}

impl Script {
    /// Broker 1 leads with followers 2 and 3, in an epoch that begins at offset 10.
    fn new(isr: &[i32]) -> Self {
        let start = Instant::now();
        let replicas = [1, 2, 3].map(BrokerId);
        let isr: Vec<_> = isr.iter().copied().map(BrokerId).collect();
        Self {
            leadership: Leadership::begin(LEADER, Offset(10), &replicas, &isr, start),
            start,
            session: Arc::new(SessionClock::new(start)),
            high_watermark: Offset(10),
            end_offset: Offset(10),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn append(&mut self, count: i64) {
        self.leadership.before_append(self.end_offset);
        self.end_offset = self.end_offset + count;
    }

    fn fetch(&mut self, seconds: u64, id: i32, end_offset: i64) {
        let fetch = FollowerFetch {
            id: BrokerId(id),
            end_offset: Offset(end_offset),
            log_start_offset: Offset(0),
            broker_epoch: 100,
            at: self.at(seconds),
            session: Some(Arc::clone(&self.session)),
        };
        self.leadership
            .fetched(&fetch, true, self.end_offset)
            .unwrap();
        self.advance(seconds);
    }

    fn advance(&mut self, seconds: u64) -> i64 {
        self.high_watermark = self.leadership.high_watermark(
            self.high_watermark,
            self.end_offset,
            2,
            (self.at(seconds), MAX_LAG),
        );
        self.high_watermark.0
    }

    fn shrink(&mut self, seconds: u64) -> Option<Vec<i32>> {
        let now = self.at(seconds);
        ids(self
            .leadership
            .propose_shrinking(self.end_offset, now, MAX_LAG))
    }

    fn expand(&mut self, id: i32) -> Option<Vec<i32>> {
        ids(self
            .leadership
            .propose_expansion(BrokerId(id), self.high_watermark))
    }
}

fn ids(proposal: Option<IsrProposal>) -> Option<Vec<i32>> {
    Some(proposal?.isr.iter().map(|(id, _)| id.0).collect())
}

#[test]
fn the_watermark_waits_for_all_in_sync_followers() {
    let mut script = Script::new(&[1, 2, 3]);
    script.append(5);
    script.fetch(1, 2, 15);
    assert_eq!(script.advance(1), 10);

    script.fetch(1, 3, 12);
    assert_eq!(script.advance(1), 12);
    script.fetch(2, 3, 15);
    assert_eq!(script.advance(2), 15);
}

#[test]
fn a_follower_that_stopped_fetching_is_dropped_after_the_lag() {
    let mut script = Script::new(&[1, 2, 3]);
    script.append(1);
    script.fetch(1, 2, 11);
    assert_eq!(script.shrink(30), None);

    assert_eq!(script.shrink(31), Some(vec![1, 2]));
    assert_eq!(script.shrink(31), None, "one proposal at a time");
}

#[test]
fn a_follower_without_anything_to_fetch_stays_in_sync() {
    let mut script = Script::new(&[1, 2]);
    script.fetch(1, 2, 10);

    assert_eq!(script.shrink(1_000), None);
}

#[test]
fn a_follower_of_a_busy_leader_is_caught_up_as_of_its_fetch_before() {
    let mut script = Script::new(&[1, 2]);
    for round in 1..100 {
        script.append(10);
        // It always has what the leader had one Fetch ago, and never all.
        script.fetch(round, 2, 10 * i64::try_from(round).unwrap());
    }

    assert_eq!(script.shrink(100), None);
}

#[test]
fn a_slow_follower_is_dropped_though_it_fetches() {
    let mut script = Script::new(&[1, 2]);
    for round in 1..40 {
        script.append(10);
        script.fetch(round, 2, 10 + i64::try_from(round).unwrap());
    }

    assert_eq!(script.shrink(40), Some(vec![1]));
}

#[test]
fn the_watermark_still_waits_for_those_that_the_controller_was_asked_to_drop() {
    let mut script = Script::new(&[1, 2, 3]);
    script.append(5);
    script.fetch(40, 2, 15);
    assert_eq!(script.shrink(41), Some(vec![1, 2]));
    assert_eq!(script.advance(41), 10);

    let decided = [1, 2].map(BrokerId);
    script.leadership.proposal_ended(Some(&decided));
    assert_eq!(script.advance(41), 15);
}

#[test]
fn a_follower_joins_when_it_has_the_watermark_and_the_start_of_the_epoch() {
    let mut script = Script::new(&[1, 2]);
    script.append(5);
    script.fetch(1, 2, 12);
    script.fetch(1, 3, 11);
    assert_eq!(script.expand(3), None, "below the high watermark, 12");

    script.fetch(2, 3, 12);
    assert_eq!(script.expand(3), Some(vec![1, 2, 3]));
    assert_eq!(script.leadership.maximal_isr_len(), 3);
}

#[test]
fn nobody_joins_with_less_than_the_epoch_began_with() {
    let mut script = Script::new(&[1, 2]);
    script.high_watermark = Offset(5);
    script.fetch(1, 3, 8);
    assert_eq!(script.expand(3), None);

    script.fetch(2, 3, 10);
    assert_eq!(script.expand(3), Some(vec![1, 2, 3]));
}

#[test]
fn a_follower_that_is_fenced_or_of_an_earlier_life_does_not_join() {
    let mut script = Script::new(&[1, 2]);
    script.fetch(1, 3, 10);
    script
        .leadership
        .set_eligible(|_, broker_epoch| broker_epoch == 101);

    assert_eq!(script.expand(3), None);
}

#[test]
fn a_proposed_member_counts_before_the_controller_has_agreed() {
    let mut script = Script::new(&[1, 2]);
    script.fetch(1, 3, 10);
    script.expand(3).unwrap();
    script.leadership.set_eligible(|_, _| false);
    script.append(5);
    script.fetch(40, 2, 15);

    assert_eq!(script.advance(1_000), 10);
    script.leadership.proposal_ended(None);
    assert_eq!(script.advance(1_000), 15);
}

#[test]
fn the_watermark_waits_for_one_that_is_about_to_join() {
    let mut script = Script::new(&[1, 2]);
    script.fetch(1, 3, 10);
    script.append(5);
    script.fetch(2, 2, 15);
    assert_eq!(script.advance(2), 10, "broker 3 was caught up a second ago");
    assert_eq!(script.advance(40), 15);
}

#[test]
fn an_idle_follower_is_caught_up_as_long_as_its_session_fetches() {
    let mut script = Script::new(&[1, 2]);
    script.fetch(1, 2, 10);
    script.session.touch(script.at(600));
    script.append(1);

    assert_eq!(script.shrink(630), None);
    assert_eq!(script.shrink(631), Some(vec![1]));
}

#[test]
fn a_stranger_is_no_follower() {
    let mut script = Script::new(&[1, 2]);
    let fetch = FollowerFetch {
        id: BrokerId(9),
        end_offset: Offset(10),
        log_start_offset: Offset(0),
        broker_epoch: 80,
        at: script.at(1),
        session: None,
    };

    assert_eq!(script.leadership.fetched(&fetch, true, Offset(10)), None);
}

#[test]
fn deleted_below_is_what_no_living_replica_has() {
    let mut script = Script::new(&[1, 2, 3]);
    script.fetch(1, 2, 10);
    let mut low = |alive: i32| {
        script.leadership.set_alive(|id| id.0 <= alive);
        script.leadership.low_watermark(Offset(7)).0
    };

    assert_eq!(low(1), 7);
    assert_eq!(low(2), 0);
    assert_eq!(low(3), -1);
}

#[test]
fn what_was_fetched_before_another_leaders_epoch_does_not_count_after_it() {
    let mut script = Script::new(&[1, 2]);
    script.append(5);
    script.fetch(1, 2, 15);
    script.append(5);
    assert_eq!(script.advance(1), 15);

    // In between another broker led, and may have had its followers cut all that they had.
    script
        .leadership
        .begin_epoch(script.end_offset, script.at(2));
    script.high_watermark = Offset(10);

    assert_eq!(script.advance(2), 10);
    assert_eq!(script.shrink(31), None, "it has the whole allowed lag");
    assert_eq!(script.shrink(33), Some(vec![1]));
}

#[test]
fn a_late_fetch_of_a_process_that_is_gone_says_nothing_of_the_next() {
    let mut script = Script::new(&[1, 2, 3]);
    script.append(5);
    script.fetch(1, 3, 15);
    let fetch = |broker_epoch, end_offset| FollowerFetch {
        id: BrokerId(2),
        end_offset: Offset(end_offset),
        log_start_offset: Offset(0),
        broker_epoch,
        at: script.at(2),
        session: None,
    };
    let (next, late) = (fetch(101, 11), fetch(100, 15));

    script.leadership.fetched(&next, true, script.end_offset);
    let grew = script.leadership.fetched(&late, true, script.end_offset);

    assert_eq!(grew, Some(false));
    assert_eq!(script.advance(2), 11);
    let known = script.leadership.followers().iter();
    let known = known.clone().find(|it| it.id == BrokerId(2)).unwrap();
    assert_eq!(known.broker_epoch, 101);
}
