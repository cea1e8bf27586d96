//! Who is tried when, at moments that the tests make up.

use super::*;

const FIRST: Registration = (BrokerId(2), 20);
const SECOND: Registration = (BrokerId(3), 30);
/// How long a try takes here.
const TRY: Duration = Duration::from_millis(1);

/// Brokers and the time.
struct World {
    brokers: GoneBrokers,
    now: Instant,
}

impl World {
    /// These count, and have connections to a node that leads the quorum; their listeners were reached.
    fn well(registrations: &[Registration]) -> Self {
        let mut world = Self {
            brokers: GoneBrokers::default(),
            now: Instant::now(),
        };
        world.count(registrations);
        world.brokers.on_leader(true, world.now);
        for registration in registrations {
            world.brokers.on_connected(*registration, world.now);
            let reached = world.try_next(Listeners::Accept);
            assert_eq!(reached, (*registration, Verdict::Reached));
        }
        assert_eq!(world.brokers.next_start(), None);
        world
    }

    fn count(&mut self, registrations: &[Registration]) {
        let counted = registrations.iter().copied().collect();
        self.brokers.on_brokers(&counted, self.now);
    }

    /// Tries whoever is next, once that is due.
    fn try_next(&mut self, listeners: Listeners) -> (Registration, Verdict) {
        let due = self.brokers.next_start().expect("somebody is to be tried");
        self.now = self.now.max(due);
        let registration = self.brokers.start(self.now).expect("it is due");
        self.now += TRY;
        let verdict = self.brokers.on_tried(registration, listeners, self.now);
        (registration, verdict)
    }

    fn connect(&mut self, registration: Registration) {
        self.brokers.on_connected(registration, self.now);
    }

    fn disconnect(&mut self, registration: Registration) {
        self.brokers.on_disconnected(registration, self.now);
    }
}

#[test]
fn a_broker_whose_connection_ends_is_gone_when_its_listeners_refuse() {
    let mut world = World::well(&[FIRST]);
    let begun = world.now;

    world.disconnect(FIRST);
    let dying = [Listeners::Accept, Listeners::Close, Listeners::Silent];
    for listeners in dying {
        assert_eq!(world.try_next(listeners), (FIRST, Verdict::Open));
    }

    assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
    assert!(world.now < begun + Duration::from_millis(100));
    assert_eq!(world.brokers.next_start(), None, "it is being fenced");
}

#[test]
fn a_broker_with_a_connection_is_not_gone_though_its_listeners_refuse() {
    let mut world = World::well(&[FIRST]);
    world.connect(FIRST);

    // One of two connections ends, and nobody is tried.
    world.disconnect(FIRST);
    assert_eq!(world.brokers.next_start(), None);

    // The other one ends, and comes again while the broker is being tried.
    world.disconnect(FIRST);
    let tried = world
        .brokers
        .start(world.now)
        .expect("it has no connection");
    world.connect(FIRST);
    let verdict = world.brokers.on_tried(tried, Listeners::Refuse, world.now);
    assert_eq!(verdict, Verdict::Open);
    assert_eq!(world.brokers.next_start(), None);
}

#[test]
fn a_connection_that_ends_while_the_broker_is_tried_has_it_tried_again() {
    let mut world = World::well(&[FIRST]);
    world.disconnect(FIRST);
    let tried = world
        .brokers
        .start(world.now)
        .expect("it has no connection");
    world.connect(FIRST);
    world.disconnect(FIRST);

    let verdict = world.brokers.on_tried(tried, Listeners::Accept, world.now);

    assert_eq!(verdict, Verdict::Open);
    assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
}

#[test]
fn a_broker_whose_listeners_were_never_reached_is_not_gone() {
    let mut world = World::well(&[]);
    world.count(&[FIRST]);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let before = world.now;
        assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Open));
        pauses.push((world.now - before).as_millis());
    }

    assert_eq!(pauses, [1, 201, 401, 801, 1601, 3201, 6401, 10001, 10001]);
    assert_eq!(world.try_next(Listeners::Accept), (FIRST, Verdict::Reached));
    assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
}

#[test]
fn connections_are_counted_by_registration() {
    let newer = (FIRST.0, FIRST.1 + 1);
    let registered_again = || {
        let mut world = World::well(&[FIRST]);
        world.connect(newer);
        world.count(&[newer]);
        assert_eq!(world.try_next(Listeners::Accept), (newer, Verdict::Reached));
        world
    };

    // The end of the process before says nothing of this one.
    let mut world = registered_again();
    world.disconnect(FIRST);
    assert_eq!(world.brokers.next_start(), None);

    // Nor does a connection of it that is still there.
    let mut world = registered_again();
    world.disconnect(newer);
    assert_eq!(world.try_next(Listeners::Refuse), (newer, Verdict::Gone));
}

#[test]
fn a_registration_that_is_over_while_it_is_tried_is_forgotten() {
    let newer = (FIRST.0, FIRST.1 + 1);
    let mut world = World::well(&[FIRST]);
    world.disconnect(FIRST);
    let tried = world
        .brokers
        .start(world.now)
        .expect("it has no connection");
    world.connect(newer);
    world.count(&[newer]);

    let verdict = world.brokers.on_tried(tried, Listeners::Refuse, world.now);

    assert_eq!(verdict, Verdict::Open);
    assert_eq!(world.try_next(Listeners::Accept), (newer, Verdict::Reached));
    assert_eq!(world.brokers.next_start(), None);
}

#[test]
fn a_new_leader_tries_those_it_hears_nothing_of_until_it_does() {
    let mut world = World::well(&[FIRST, SECOND]);
    world.brokers.on_leader(false, world.now);
    world.disconnect(FIRST);
    world.disconnect(SECOND);
    for _ in 0..2 * TRIES {
        world.try_next(Listeners::Accept);
    }
    assert_eq!(world.brokers.next_start(), None, "another looks after them");

    world.brokers.on_leader(true, world.now);
    world.connect(FIRST);

    for _ in 0..2 * TRIES {
        assert_eq!(world.try_next(Listeners::Accept), (SECOND, Verdict::Open));
    }
    assert_eq!(world.try_next(Listeners::Refuse), (SECOND, Verdict::Gone));
}

#[test]
fn a_leader_that_is_not_active_yet_has_a_gone_broker_tried_and_fenced_again() {
    let mut world = World::well(&[FIRST]);
    world.disconnect(FIRST);
    for _ in 0..3 * TRIES {
        assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
        world.brokers.on_fenced(FIRST, false, world.now);
    }

    assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
    world.brokers.on_fenced(FIRST, true, world.now);
    world.count(&[]);
    assert_eq!(world.brokers.next_start(), None);
}

/// So many brokers as no cluster has.
const MANY: usize = 5_000;

fn many() -> Vec<Registration> {
    (0..MANY).map(|n| (BrokerId(n as i32 + 2), 7)).collect()
}

/// Who was tried when.
#[derive(Default)]
struct Load {
    starts: Vec<Instant>,
    tried: BTreeSet<Registration>,
    most_at_once: usize,
}

/// Lets time pass. Each try takes `delay`.
fn run(world: &mut World, span: Duration, delay: Duration, listeners: Listeners) -> Load {
    let end = world.now + span;
    let mut under_way: BTreeSet<(Instant, Registration)> = BTreeSet::new();
    let mut load = Load::default();
    while world.now < end {
        while let Some((ready, registration)) = under_way.first().copied()
            && ready <= world.now
        {
            under_way.remove(&(ready, registration));
            world.brokers.on_tried(registration, listeners, world.now);
        }
        while let Some(registration) = world.brokers.start(world.now) {
            load.starts.push(world.now);
            load.tried.insert(registration);
            under_way.insert((world.now + delay, registration));
        }
        load.most_at_once = load.most_at_once.max(under_way.len());
        world.now += Duration::from_millis(1);
    }
    for (_, registration) in under_way {
        world.brokers.on_tried(registration, listeners, world.now);
    }
    load
}

impl Load {
    /// The most tries within any second.
    fn most_a_second(&self) -> usize {
        let within = |start: &Instant| {
            let end = *start + Duration::from_secs(1);
            let from = self.starts.partition_point(|it| it < start);
            self.starts.partition_point(|it| *it < end) - from
        };
        self.starts.iter().map(within).max().unwrap_or(0)
    }
}

#[test]
fn thousands_of_brokers_that_nobody_has_heard_of_cost_a_bounded_number_of_connections() {
    let mut world = World::well(&[]);
    world.count(&many());
    let reached = run(&mut world, Duration::from_secs(6), TRY, Listeners::Accept);
    world.brokers.on_leader(false, world.now);
    world.brokers.on_leader(true, world.now);

    let unheard = run(&mut world, Duration::from_secs(20), TRY, Listeners::Accept);

    for load in [&reached, &unheard] {
        let most = load.most_a_second();
        assert!(most <= 1_051, "{most} tries within a second");
        assert!(load.most_at_once <= MAX_AT_ONCE);
        assert_eq!(load.tried.len(), MANY);
    }
    // They greet the new controller, and nobody is tried any more.
    for registration in many() {
        world.connect(registration);
    }
    assert_eq!(world.brokers.next_start(), None);
}

#[test]
fn a_connection_that_has_just_ended_comes_before_thousands_that_wait() {
    let mut world = World::well(&[FIRST]);
    let mut counted = many();
    counted.push(FIRST);
    world.count(&counted);
    for listeners in [Listeners::Accept, Listeners::Silent] {
        run(&mut world, Duration::from_secs(3), TRY, listeners);

        world.disconnect(FIRST);

        let begun = world.now;
        assert_eq!(world.try_next(Listeners::Accept), (FIRST, Verdict::Open));
        assert!(world.now <= begun + TRY + SPACING + BURST);
        world.connect(FIRST);
    }
}

#[test]
fn hosts_that_say_nothing_leave_half_of_the_places_to_others() {
    let mut world = World::well(&[FIRST]);
    let mut counted = many();
    counted.push(FIRST);
    world.count(&counted);
    // Each of them was tried once, and is tried for a second again by now.
    run(&mut world, Duration::from_secs(6), TRY, Listeners::Silent);
    let started = std::iter::from_fn(|| {
        world.now += SPACING;
        world.brokers.start(world.now)
    });
    assert_eq!(started.take(MAX_AT_ONCE).count(), MAX_SILENT);

    world.disconnect(FIRST);

    assert_eq!(world.try_next(Listeners::Refuse), (FIRST, Verdict::Gone));
}
