//! Who has told the password in the form: a session for each, known by a token in a cookie. A session ends by
//! itself when nobody has used it for a while, and when it is old.
//!
//! PURE: the time and chance are arguments.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// How many sessions there may be. One more takes the place of that which was not used for the longest.
const MOST: usize = 256;
/// How long a session lasts, and how long if nobody uses it.
const LIFE: Duration = Duration::from_secs(12 * 3_600);
const IDLE: Duration = Duration::from_secs(3_600);
/// How many notices of a session are kept.
const NOTICES: usize = 8;

/// The bytes of a token.
pub(in crate::web::pages) type Secret = [u8; 32];
/// What a token is known by: looking for it says nothing of others that are there.
type Digest = [u8; 32];

/// All sessions.
#[derive(Default)]
pub(in crate::web::pages) struct Sessions {
    all: BTreeMap<Digest, Session>,
}

struct Session {
    form_token: String,
    since: Instant,
    used: Instant,
    notices: VecDeque<(u64, String)>,
    next_notice: u64,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= LIFE
            || now.saturating_duration_since(self.used) >= IDLE
    }
}

impl Sessions {
    /// Begins a session whose tokens are made of chance; the first of them, for the cookie.
    pub(in crate::web::pages) fn begin(&mut self, chance: [Secret; 2], now: Instant) -> String {
        self.all.retain(|_, session| !session.is_over(now));
        while self.all.len() >= MOST {
            let oldest = self.all.iter().min_by_key(|(_, session)| session.used);
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else {
                break;
            };
            self.all.remove(&oldest);
        }
        let [cookie, form] = chance.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let session = Session {
            form_token: form,
            since: now,
            used: now,
            notices: VecDeque::new(),
            next_notice: 1,
        };
        self.all.insert(digest(&cookie), session);
        cookie
    }

    /// The token that forms of this session carry. Asking counts as use if somebody `uses` it.
    pub(in crate::web::pages) fn form_token(
        &mut self,
        cookie: &str,
        uses: bool,
        now: Instant,
    ) -> Option<String> {
        let session = self.live(cookie, now)?;
        if uses {
            session.used = now;
        }
        Some(session.form_token.clone())
    }

    /// Ends a session.
    pub(in crate::web::pages) fn end(&mut self, cookie: &str) {
        self.all.remove(&digest(cookie));
    }

    /// Keeps a sentence for the next page of a session; its number, if there is such a session.
    pub(in crate::web::pages) fn note(
        &mut self,
        cookie: &str,
        sentence: String,
        now: Instant,
    ) -> Option<u64> {
        let session = self.live(cookie, now)?;
        let number = session.next_notice;
        session.next_notice += 1;
        session.notices.push_back((number, sentence));
        if session.notices.len() > NOTICES {
            session.notices.pop_front();
        }
        Some(number)
    }

    /// The sentence with this number.
    pub(in crate::web::pages) fn notice(
        &mut self,
        cookie: &str,
        number: u64,
        now: Instant,
    ) -> Option<String> {
        let mut notices = self.live(cookie, now)?.notices.iter();
        let found = notices.find(|(kept, _)| *kept == number);
        found.map(|(_, sentence)| sentence.clone())
    }

    fn live(&mut self, cookie: &str, now: Instant) -> Option<&mut Session> {
        let session = self.all.get_mut(&digest(cookie));
        session.filter(|session| !session.is_over(now))
    }
}

fn digest(token: &str) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(sessions: &mut Sessions, number: u16, now: Instant) -> String {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        sessions.begin([bytes, [7; 32]], now)
    }

    fn is_there(sessions: &mut Sessions, cookie: &str, now: Instant) -> bool {
        sessions.form_token(cookie, false, now).is_some()
    }

    #[test]
    fn a_session_is_for_who_has_its_token() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let cookie = begin(&mut sessions, 1, now);

        assert!(is_there(&mut sessions, &cookie, now));
        assert!(!is_there(&mut sessions, "", now));
        assert!(!is_there(&mut sessions, &format!("{cookie}A"), now));
        sessions.end(&cookie);
        assert!(!is_there(&mut sessions, &cookie, now));
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let (mut sessions, mut now) = (Sessions::default(), Instant::now());
        let (used, idle) = (begin(&mut sessions, 1, now), begin(&mut sessions, 2, now));
        let step = IDLE - Duration::from_secs(1);
        let begun = now;

        now += step;
        assert!(sessions.form_token(&used, true, now).is_some());
        assert!(is_there(&mut sessions, &idle, now));
        now += step;
        assert!(!is_there(&mut sessions, &idle, now), "a look is no use");
        while now < begun + LIFE - step {
            assert!(sessions.form_token(&used, true, now).is_some());
            now += step;
        }
        assert!(sessions.form_token(&used, true, now).is_some());
        assert!(!is_there(&mut sessions, &used, begun + LIFE));
    }

    #[test]
    fn one_session_more_than_there_may_be_ends_the_one_that_was_idle_longest() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        let first = begin(&mut sessions, 0, now);
        let second = begin(&mut sessions, 1, now);
        for number in 2..256 {
            begin(&mut sessions, number, later);
        }
        sessions.form_token(&first, true, later);

        begin(&mut sessions, 256, later);

        assert_eq!(sessions.all.len(), MOST);
        assert!(is_there(&mut sessions, &first, later));
        assert!(!is_there(&mut sessions, &second, later));
    }

    #[test]
    fn a_few_notices_are_kept_for_each_session() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let cookie = begin(&mut sessions, 1, now);
        let numbers: Vec<u64> = (0..20)
            .filter_map(|it| sessions.note(&cookie, format!("done {it}"), now))
            .collect();

        assert_eq!(
            sessions.notice(&cookie, numbers[19], now),
            Some("done 19".to_owned())
        );
        assert_eq!(sessions.notice(&cookie, numbers[0], now), None);
        assert_eq!(sessions.note("other", String::new(), now), None);
    }
}
