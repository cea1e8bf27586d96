//! What clients have used, by user and client id. Clients choose their ids, so the memory needs a bound:
//! values that are as good as new are forgotten, and where that is not enough, those that were not used for
//! the longest.

use std::collections::BTreeMap;

/// With fewer entries than this, none is looked at to be forgotten.
const FEW: usize = 1_000;
/// An estimate, on the generous side, of the bytes that an entry takes besides its names.
const ENTRY_BYTES: usize = 256;
/// When there is no room, this part of all entries goes at once: otherwise each newcomer would have all of
/// them looked at.
const FORGOTTEN_PART: usize = 4;

/// A value for each user and client id.
#[derive(Clone, Debug)]
pub(super) struct Usage<T> {
    users: BTreeMap<Box<str>, BTreeMap<Box<str>, Entry<T>>>,
    count: usize,
    /// The count of entries at which the next search for those to forget begins.
    sweep_at: usize,
    /// The bytes of all entries, with their names.
    bytes: usize,
    max_bytes: usize,
    /// Counts the uses of all entries: the clock by which an entry is the longest unused.
    uses: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    value: T,
    /// The value of `uses` when this entry was last used.
    used: u64,
}

impl<T> Usage<T> {
    /// An empty table, whose entries take about `max_bytes` at most.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            users: BTreeMap::new(),
            count: 0,
            sweep_at: FEW,
            bytes: 0,
            max_bytes,
            uses: 0,
        }
    }

    /// The value of a client, made by `make` if it has none. `is_new` tells which values of other clients
    /// are as good as new and may be forgotten.
    pub(super) fn of(
        &mut self,
        user: &str,
        client_id: &str,
        make: impl FnOnce() -> T,
        is_new: impl Fn(&T) -> bool,
    ) -> &mut T {
        self.uses += 1;
        let used = self.uses;
        let has = self
            .users
            .get(user)
            .is_some_and(|clients| clients.contains_key(client_id));
        if !has {
            let size = size_of_entry(user, client_id);
            // Clients choose their names, so the number of names that are remembered is bounded.
            self.make_room(size, is_new);
            let clients = self.users.entry(user.into()).or_default();
            let value = make();
            clients.insert(client_id.into(), Entry { value, used });
            self.count += 1;
            self.bytes += size;
        }
        let clients = self.users.get_mut(user);
        let entry = clients.and_then(|clients| clients.get_mut(client_id));
        let entry = entry.expect("it was there, or was just made");
        entry.used = used;
        &mut entry.value
    }

    fn make_room(&mut self, size: usize, is_new: impl Fn(&T) -> bool) {
        let is_full = self.bytes + size > self.max_bytes;
        if self.count >= self.sweep_at || is_full {
            self.keep(|entry| !is_new(&entry.value));
            // The next search comes when there are twice as many: so all searches together cost no more
            // than making the entries did.
            self.sweep_at = (self.count * 2).max(FEW);
        }
        if is_full {
            // Frees a part of the room at once, or each newcomer would have all entries looked at.
            let most = self.max_bytes - self.max_bytes / FORGOTTEN_PART;
            while self.bytes + size > most && self.count > 0 {
                self.forget_longest_unused();
            }
        }
    }

    fn forget_longest_unused(&mut self) {
        let entries = self.users.values().flat_map(BTreeMap::values);
        let mut used: Vec<u64> = entries.map(|entry| entry.used).collect();
        let (_, last_to_go, _) = used.select_nth_unstable(self.count / FORGOTTEN_PART);
        let last_to_go = *last_to_go;
        self.keep(|entry| entry.used > last_to_go);
    }

    fn keep(&mut self, is_kept: impl Fn(&Entry<T>) -> bool) {
        self.bytes = 0;
        self.count = 0;
        self.users.retain(|user, clients| {
            clients.retain(|_, entry| is_kept(entry));
            self.count += clients.len();
            self.bytes += clients
                .keys()
                .map(|id| size_of_entry(user, id))
                .sum::<usize>();
            !clients.is_empty()
        });
    }
}

fn size_of_entry(user: &str, client_id: &str) -> usize {
    ENTRY_BYTES + user.len() + client_id.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 16 << 20;

    #[test]
    fn what_is_as_good_as_new_is_forgotten_and_the_rest_stays() {
        let mut usage = Usage::new(ROOM);

        *usage.of("u", "busy", || 0, |value| *value == 0) = 7;
        for n in 0..10_000 {
            usage.of("u", &n.to_string(), || 0, |value| *value == 0);
        }

        assert!(usage.count <= FEW, "{}", usage.count);
        assert_eq!(*usage.of("u", "busy", || 0, |value| *value == 0), 7);
    }

    #[test]
    fn who_is_busy_is_kept_while_there_is_room() {
        let mut usage = Usage::new(ROOM);

        for n in 0..5_000 {
            usage.of("", &n.to_string(), || n, |_| false);
        }

        assert_eq!(usage.count, 5_000);
        assert_eq!(*usage.of("", "4999", || 0, |_| false), 4_999);
    }

    #[test]
    fn long_names_take_no_more_than_the_room_and_the_longest_unused_go_first() {
        const LONG: usize = 30_000;
        let mut usage = Usage::new(ROOM);
        let name = |n: i32| format!("{n:0LONG$}");

        for n in 1..=2_000 {
            *usage.of("u", "always", || 0, |_| false) += 1;
            usage.of("u", &name(n), || n, |_| false);
            assert!(usage.bytes <= ROOM, "{} bytes at {n}", usage.bytes);
        }

        assert_eq!(*usage.of("u", "always", || 0, |_| false), 2_000);
        assert_eq!(*usage.of("u", &name(2_000), || 0, |_| false), 2_000);
        assert_eq!(*usage.of("u", &name(1), || 0, |_| false), 0, "forgotten");
    }

    #[test]
    fn one_name_that_is_larger_than_the_room_is_kept_alone() {
        let mut usage = Usage::new(1_000);

        usage.of("u", "small", || 1, |_| false);
        usage.of("u", &"x".repeat(5_000), || 2, |_| false);

        assert_eq!(usage.count, 1);
    }
}
