//! Who may see the pages. On a loopback address everybody may: who is there is on this machine. On any other
//! they tell `admin.password`, by HTTP's own means or in a form (`pages/login`), and may guess a few times only.
//! Who wants to change something tells it wherever they are.

mod password;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::config::{AdminConfig, AdminPassword};
use password::{Verdict, Verifier};

/// How many wrong passwords an address may send at once, and how long it takes until it may send one more.
const GUESSES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(6);
/// How many addresses are remembered. Where more guess, none may until some are forgotten.
const ADDRESSES: usize = 4_096;

/// Where a connection goes, and where it comes from; `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    local: Option<IpAddr>,
    peer: Option<IpAddr>,
}

impl Ends {
    pub(super) fn of(socket: &TcpStream) -> Self {
        Self {
            local: socket.local_addr().ok().map(|it| it.ip().to_canonical()),
            peer: socket.peer_addr().ok().map(|it| it.ip().to_canonical()),
        }
    }

    /// Where it comes from.
    pub(super) fn peer(self) -> Option<IpAddr> {
        self.peer
    }

    fn are_loopback(self) -> bool {
        let is_loopback = |ip: Option<IpAddr>| ip.is_some_and(|ip| ip.is_loopback());
        is_loopback(self.local) && is_loopback(self.peer)
    }
}

/// Why the pages are not shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody has said what to ask for.
    NoPassword,
    /// What to ask for cannot be read.
    Unreadable,
    /// There is no password in the request, or a wrong one.
    Wrong,
    /// There were too many wrong ones: come again after so many seconds.
    TooMany(u64),
}

/// What is asked for.
enum Password {
    Unset,
    Unreadable,
    Is(Verifier),
}

/// Lets through who may see the pages.
pub(super) struct Gate {
    password: Password,
    guesses: Mutex<BTreeMap<IpAddr, Guesses>>,
}

/// Wrong passwords of an address. One is forgotten after each [`PAUSE`].
struct Guesses {
    count: u32,
    since: Instant,
    /// Passwords that are being looked at: they count as wrong until then.
    pending: u32,
}

impl Guesses {
    fn at(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.since).as_secs() / PAUSE.as_secs();
        self.count
            .saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl Gate {
    /// The gate that the config asks for. It reads the password's file.
    pub(super) fn new(config: &AdminConfig) -> Self {
        let password = match (&config.admin_password, &config.admin_password_file) {
            (Some(password), _) => Password::Is(Verifier::new(password.clone())),
            (None, Some(file)) => read(file),
            (None, None) => Password::Unset,
        };
        Self {
            password,
            guesses: Mutex::default(),
        }
    }

    /// Whether a request may be answered that came on a connection with these ends.
    pub(super) fn check(
        &self,
        ends: Option<Ends>,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), Refused> {
        if ends.is_some_and(Ends::are_loopback) {
            return Ok(());
        }
        self.prove(ends, told_password(headers).as_deref(), now)
    }

    /// Whether somebody at these ends has told the password, wherever they are.
    pub(super) fn prove(
        &self,
        ends: Option<Ends>,
        told: Option<&str>,
        now: Instant,
    ) -> Result<(), Refused> {
        let verifier = match &self.password {
            Password::Unset => return Err(Refused::NoPassword),
            Password::Unreadable => return Err(Refused::Unreadable),
            Password::Is(verifier) => verifier,
        };
        let told = told.ok_or(Refused::Wrong)?;
        let peer = ends.and_then(|ends| ends.peer).map(network_of);
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.begin_guess(peer, now)?;
        let verdict = verifier.look_at(told);
        self.end_guess(peer, verdict, now);
        match verdict {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(Refused::Wrong),
            Verdict::Busy => Err(Refused::TooMany(1)),
        }
    }

    /// Counts a password of an address before it is looked at: who tells many at once has no more of them.
    fn begin_guess(&self, peer: IpAddr, now: Instant) -> Result<(), Refused> {
        let mut guesses = self.guesses.lock();
        guesses.retain(|_, it| it.pending > 0 || it.at(now) > 0);
        let is_full = guesses.len() >= ADDRESSES;
        let of_peer = match guesses.entry(peer) {
            Entry::Vacant(_) if is_full => return Err(Refused::TooMany(PAUSE.as_secs())),
            entry => entry.or_insert(Guesses {
                count: 0,
                since: now,
                pending: 0,
            }),
        };
        if of_peer.at(now) + of_peer.pending >= GUESSES {
            return Err(Refused::TooMany(PAUSE.as_secs()));
        }
        of_peer.pending += 1;
        Ok(())
    }

    fn end_guess(&self, peer: IpAddr, verdict: Verdict, now: Instant) {
        let mut guesses = self.guesses.lock();
        let Some(of_peer) = guesses.get_mut(&peer) else {
            return;
        };
        of_peer.pending = of_peer.pending.saturating_sub(1);
        if verdict == Verdict::Wrong {
            of_peer.count = of_peer.at(now) + 1;
            of_peer.since = now;
        }
    }
}

fn read(file: &str) -> Password {
    match std::fs::read_to_string(file) {
        Ok(text) => match text.lines().next().map(str::trim) {
            Some(line) if !line.is_empty() => match AdminPassword::parse(line) {
                Some(password) => Password::Is(Verifier::new(password)),
                None => {
                    tracing::error!(file, "admin.password.file holds no hash that is known here");
                    Password::Unreadable
                }
            },
            _ => {
                tracing::error!(file, "the first line of admin.password.file is empty");
                Password::Unreadable
            }
        },
        Err(error) => {
            tracing::error!(file, %error, "admin.password.file cannot be read");
            Password::Unreadable
        }
    }
}

/// Who has an address of IPv6 has many: a whole network counts as one.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// The password of a request; whatever name stands before it.
pub(super) fn told_password(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = told.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(coded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use axum::http::HeaderValue;

    fn gate(password: &str) -> Gate {
        Gate {
            password: Password::Is(Verifier::Clear(Secret::from(password))),
            guesses: Mutex::default(),
        }
    }

    fn ends(local: &str, peer: &str) -> Option<Ends> {
        let ip = |text: &str| Some(text.parse().unwrap());
        Some(Ends {
            local: ip(local),
            peer: ip(peer),
        })
    }

    fn told(pair: &str) -> HeaderMap {
        let text = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let value = HeaderValue::from_str(&text).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn far(last: u8) -> Option<Ends> {
        ends("10.0.0.1", &format!("10.0.1.{last}"))
    }

    #[test]
    fn on_loopback_nobody_is_asked() {
        let gate = gate("secret");
        let now = Instant::now();

        for local in ["127.0.0.1", "127.3.2.1", "::1"] {
            assert_eq!(
                gate.check(ends(local, local), &HeaderMap::new(), now),
                Ok(())
            );
        }
        let mixed = ends("127.0.0.1", "10.0.0.2");
        assert_eq!(
            gate.check(mixed, &HeaderMap::new(), now),
            Err(Refused::Wrong)
        );
        assert_eq!(
            gate.check(None, &HeaderMap::new(), now),
            Err(Refused::Wrong)
        );
    }

    #[test]
    fn elsewhere_the_password_opens_by_whatever_name() {
        let gate = gate("se:cret");
        let now = Instant::now();

        for pair in ["admin:se:cret", ":se:cret"] {
            assert_eq!(gate.check(far(1), &told(pair), now), Ok(()), "{pair}");
        }
        for pair in [
            "admin:",
            "admin:se",
            "admin:se:cre",
            "admin:se:crets",
            "se:cret",
            "admin:se:cretse:cret",
        ] {
            let checked = gate.check(far(2), &told(pair), now);
            assert_eq!(checked, Err(Refused::Wrong), "{pair}");
        }
    }

    #[test]
    fn without_a_password_nobody_is_let_in_from_elsewhere() {
        let gate = Gate {
            password: Password::Unset,
            guesses: Mutex::default(),
        };

        let checked = gate.check(far(1), &told("admin:"), Instant::now());

        assert_eq!(checked, Err(Refused::NoPassword));
    }

    #[test]
    fn an_address_may_guess_a_few_times_and_then_one_at_a_time() {
        let gate = gate("secret");
        let now = Instant::now();
        for _ in 0..GUESSES {
            let checked = gate.check(far(1), &told("a:wrong"), now);
            assert_eq!(checked, Err(Refused::Wrong));
        }

        let right = told("a:secret");
        assert_eq!(
            gate.check(far(1), &right, now),
            Err(Refused::TooMany(PAUSE.as_secs()))
        );
        assert_eq!(gate.check(far(2), &right, now), Ok(()));
        assert_eq!(gate.check(far(1), &right, now + PAUSE), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let gate = gate("secret");
        let now = Instant::now();
        for last in 0..GUESSES {
            let peer = format!("2001:db8::{last:x}");
            let _ = gate.check(ends("2001:db8::ff", &peer), &told("a:wrong"), now);
        }

        let next = ends("2001:db8::ff", "2001:db8::abcd");
        let checked = gate.check(next, &told("a:secret"), now);

        assert_eq!(checked, Err(Refused::TooMany(PAUSE.as_secs())));
    }
}
