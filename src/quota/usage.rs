//! What clients have used, by user and client id. Ids are the clients' own choice, so what is as
//! good as new is forgotten: the memory is bounded by who was active lately.

use std::collections::BTreeMap;

/// Entries below which nobody looks for those to forget.
const FEW: usize = 1_000;

/// A value for each user and client id.
#[derive(Clone, Debug)]
pub(super) struct Usage<T> {
    users: BTreeMap<Box<str>, BTreeMap<Box<str>, T>>,
    count: usize,
    /// With so many entries it is time to forget some.
    sweep_at: usize,
}

impl<T> Default for Usage<T> {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            count: 0,
            sweep_at: FEW,
        }
    }
}

impl<T> Usage<T> {
    /// The value of a client, made if it has none. `is_new` tells which of the others are as good
    /// as new.
    pub(super) fn of(
        &mut self,
        user: &str,
        client_id: &str,
        make: impl FnOnce() -> T,
        is_new: impl Fn(&T) -> bool,
    ) -> &mut T {
        let has = self
            .users
            .get(user)
            .is_some_and(|clients| clients.contains_key(client_id));
        if !has {
            if self.count >= self.sweep_at {
                self.sweep(is_new);
            }
            let clients = self.users.entry(user.into()).or_default();
            clients.insert(client_id.into(), make());
            self.count += 1;
        }
        let clients = self.users.get_mut(user);
        let value = clients.and_then(|clients| clients.get_mut(client_id));
        value.expect("it was there, or was just made")
    }

    /// Costs no more than making the entries did: the next time is at twice what is left.
    fn sweep(&mut self, is_new: impl Fn(&T) -> bool) {
        for clients in self.users.values_mut() {
            clients.retain(|_, value| !is_new(value));
        }
        self.users.retain(|_, clients| !clients.is_empty());
        self.count = self.users.values().map(BTreeMap::len).sum();
        self.sweep_at = (self.count * 2).max(FEW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_good_as_new_is_forgotten_and_the_rest_stays() {
        let mut usage = Usage::default();

        *usage.of("u", "busy", || 0, |value| *value == 0) = 7;
        for n in 0..10_000 {
            usage.of("u", &n.to_string(), || 0, |value| *value == 0);
        }

        assert!(usage.count <= FEW, "{}", usage.count);
        assert_eq!(*usage.of("u", "busy", || 0, |value| *value == 0), 7);
    }

    #[test]
    fn who_is_busy_is_kept_however_many_there_are() {
        let mut usage = Usage::default();

        for n in 0..5_000 {
            usage.of("", &n.to_string(), || n, |_| false);
        }

        assert_eq!(usage.count, 5_000);
        assert_eq!(*usage.of("", "4999", || 0, |_| false), 4_999);
    }
}
