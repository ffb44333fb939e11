//! Something that is valid for a while and got from elsewhere, kept so that those who need it do not wait while there is a
//! valid one: who has to fetch, who waits for whom, and when the next try may be. It fetches nothing itself.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A clock at the other side that is fast by this much must not make it refuse what is still valid here.
const SKEW_MS: u64 = 10_000;

/// What lives long is renewed this long before its end; what lives shorter, in the last quarter of its life.
const RENEW_BEFORE_MS: u64 = 5 * 60_000;

/// The rest after a failed try; doubled with each that follows.
const FIRST_REST_MS: u64 = 1_000;
const LONGEST_REST_MS: u64 = 60_000;

/// What was refused is renewed at once, but not again within this time: a refusal may have another reason.
const BETWEEN_REFUSALS_MS: u64 = 60_000;

/// Something with the time of its end. All times are milliseconds since 1970.
#[derive(Debug)]
pub struct Leased<T> {
    pub value: T,
    pub got_ms: u64,
    pub expires_ms: u64,
}

impl<T> Leased<T> {
    fn life_ms(&self) -> u64 {
        self.expires_ms.saturating_sub(self.got_ms)
    }

    fn is_valid(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms.saturating_sub(SKEW_MS.min(self.life_ms() / 10))
    }

    fn renew_ms(&self) -> u64 {
        self.expires_ms
            .saturating_sub(RENEW_BEFORE_MS.min(self.life_ms() / 4))
    }
}

/// Why nothing was got: a sentence without a secret, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub Arc<str>);

impl Unavailable {
    pub fn new(why: impl Into<Arc<str>>) -> Self {
        Self(why.into())
    }

    /// The one that is behind an error of a vendor's client. What the client says of it itself is not repeated: it may
    /// quote an answer.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let all = std::iter::successors(Some(error), |error| (*error).source());
        all.filter_map(|error| error.downcast_ref::<Self>())
            .next()
            .cloned()
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unavailable {}

type Outcome<T> = Result<Arc<Leased<T>>, Unavailable>;

/// Waits for the fetch that is under way.
#[derive(Debug)]
pub struct Waiting<T>(watch::Receiver<Option<Outcome<T>>>);

impl<T> Waiting<T> {
    pub async fn outcome(mut self) -> Outcome<T> {
        let told = self.0.wait_for(Option::is_some).await;
        told.ok()
            .and_then(|told| told.clone())
            .unwrap_or_else(|| Err(Unavailable::new("the fetch was given up")))
    }
}

/// The duty to fetch: of one at a time. Given up by being dropped.
#[derive(Debug)]
pub struct Errand<T>(watch::Sender<Option<Outcome<T>>>);

/// What there is for one who needs it.
#[derive(Debug)]
pub enum Found<T> {
    Valid(Arc<Leased<T>>),
    /// It is on its way.
    Wait(Waiting<T>),
    /// The last try failed, and it is too early for the next one.
    Rests(Unavailable),
}

/// The one place of one such thing.
#[derive(Debug)]
pub struct Lease<T> {
    current: ArcSwapOption<Leased<T>>,
    /// Somebody has asked since it was got.
    is_used: AtomicBool,
    desk: Mutex<Desk<T>>,
}

#[derive(Debug)]
struct Desk<T> {
    fetching: Option<watch::Receiver<Option<Outcome<T>>>>,
    failures: u32,
    failed: Option<Unavailable>,
    /// No try before this.
    rest_until_ms: u64,
    refused_ms: Option<u64>,
    /// What was there before: answers may still quote it.
    before: Option<Arc<Leased<T>>>,
}

impl<T> Default for Lease<T> {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            is_used: AtomicBool::new(false),
            desk: Mutex::new(Desk {
                fetching: None,
                failures: 0,
                failed: None,
                rest_until_ms: 0,
                refused_ms: None,
                before: None,
            }),
        }
    }
}

impl<T> Lease<T> {
    /// What there is, and the errand of fetching the next one if it is time and nobody does.
    pub fn look(&self, now_ms: u64) -> (Found<T>, Option<Errand<T>>) {
        self.is_used.store(true, Ordering::Relaxed);
        let current = self.current.load_full().filter(|it| it.is_valid(now_ms));
        match current {
            Some(current) if now_ms < current.renew_ms() => (Found::Valid(current), None),
            Some(current) => (Found::Valid(current), self.renew(now_ms)),
            None => self.fetched(now_ms),
        }
    }

    /// The errand of fetching, if it is time for it, nobody is on it and the last failure is long enough ago.
    pub fn renew(&self, now_ms: u64) -> Option<Errand<T>> {
        let mut desk = self.desk.lock();
        let current = self.current.load();
        let is_young = current.as_ref().is_some_and(|it| now_ms < it.renew_ms());
        let may = !is_young && desk.under_way().is_none() && now_ms >= desk.rest_until_ms;
        may.then(|| desk.begin())
    }

    fn fetched(&self, now_ms: u64) -> (Found<T>, Option<Errand<T>>) {
        let mut desk = self.desk.lock();
        // it may have come while the lock was waited for
        if let Some(current) = self.current.load_full().filter(|it| it.is_valid(now_ms)) {
            return (Found::Valid(current), None);
        }
        if let Some(fetching) = desk.under_way() {
            return (Found::Wait(Waiting(fetching)), None);
        }
        if let Some(failed) = desk.failed.clone().filter(|_| now_ms < desk.rest_until_ms) {
            return (Found::Rests(failed), None);
        }
        let errand = desk.begin();
        (Found::Wait(Waiting(errand.0.subscribe())), Some(errand))
    }

    /// What came of an errand, for all who wait. Gives the time until the next one is due.
    pub fn settle(
        &self,
        errand: Errand<T>,
        outcome: Result<Leased<T>, Unavailable>,
        now_ms: u64,
    ) -> Duration {
        let (outcome, due_ms) = {
            let mut desk = self.desk.lock();
            desk.fetching = None;
            match outcome {
                Ok(leased) => {
                    let leased = Arc::new(leased);
                    let before = self.current.swap(Some(leased.clone()));
                    desk.before = before.or(desk.before.take());
                    (desk.failures, desk.failed, desk.rest_until_ms) = (0, None, 0);
                    let due_ms = leased.renew_ms();
                    (Ok(leased), due_ms)
                }
                Err(why) => {
                    let rest_ms = FIRST_REST_MS << desk.failures.min(16);
                    desk.failures += 1;
                    desk.failed = Some(why.clone());
                    desk.rest_until_ms = now_ms + rest_ms.min(LONGEST_REST_MS);
                    (Err(why), desk.rest_until_ms)
                }
            }
        };
        self.is_used.store(false, Ordering::Relaxed);
        // those who waited may all have left
        let _ = errand.0.send(Some(outcome));
        Duration::from_millis(due_ms.saturating_sub(now_ms))
    }

    /// Somebody refused what was got. Whether it is worth trying again with what the next [`Lease::look`] finds.
    pub fn refused(&self, what: &Arc<Leased<T>>, now_ms: u64) -> bool {
        let mut desk = self.desk.lock();
        let current = self.current.load_full();
        if !current.is_some_and(|current| Arc::ptr_eq(&current, what)) {
            return true;
        }
        let is_early = |refused: u64| now_ms < refused.saturating_add(BETWEEN_REFUSALS_MS);
        if desk.refused_ms.is_some_and(is_early) {
            return false;
        }
        desk.refused_ms = Some(now_ms);
        desk.before = self.current.swap(None);
        true
    }

    /// Whether anybody has asked since the last errand.
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// What is there and what was there before, valid or not.
    pub fn known(&self) -> impl Iterator<Item = Arc<Leased<T>>> {
        let before = self.desk.lock().before.clone();
        self.current.load_full().into_iter().chain(before)
    }
}

impl<T> Desk<T> {
    /// The fetch under way; one that was given up is none.
    fn under_way(&self) -> Option<watch::Receiver<Option<Outcome<T>>>> {
        self.fetching
            .clone()
            .filter(|fetching| fetching.has_changed().is_ok())
    }

    fn begin(&mut self) -> Errand<T> {
        let (sender, receiver) = watch::channel(None);
        self.fetching = Some(receiver);
        Errand(sender)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn leased(name: &'static str, got_ms: u64, life_ms: u64) -> Leased<&'static str> {
        Leased {
            value: name,
            got_ms,
            expires_ms: got_ms + life_ms,
        }
    }

    fn failure() -> Unavailable {
        Unavailable::new("no")
    }

    /// What there is: its name, `wait` or `rests`; and whether an errand came with it, which is given up.
    fn look(lease: &Lease<&'static str>, now_ms: u64) -> (&'static str, bool) {
        let (found, errand) = lease.look(now_ms);
        let name = match found {
            Found::Valid(leased) => leased.value,
            Found::Wait(_) => "wait",
            Found::Rests(_) => "rests",
        };
        (name, errand.is_some())
    }

    fn filled(life_ms: u64) -> Lease<&'static str> {
        let lease = Lease::default();
        let (_, errand) = lease.look(0);
        lease.settle(errand.unwrap(), Ok(leased("a", 0, life_ms)), 0);
        lease
    }

    #[test]
    fn all_who_need_it_wait_for_one_fetch() {
        let lease = Lease::default();
        let (first, errand) = lease.look(0);
        let (second, none) = lease.look(1);
        assert!(none.is_none());
        lease.settle(errand.unwrap(), Ok(leased("a", 1, HOUR)), 1);
        for found in [first, second] {
            let Found::Wait(waiting) = found else {
                panic!("{found:?}")
            };
            let outcome = waiting.outcome().now_or_never().expect("it is there");
            assert_eq!(outcome.unwrap().value, "a");
        }
        assert_eq!(look(&lease, 2), ("a", false));
    }

    #[test]
    fn it_is_renewed_while_it_is_still_valid_and_waited_for_when_it_is_not() {
        let lease = filled(HOUR);
        assert_eq!(look(&lease, 55 * 60_000 - 1), ("a", false));
        let (found, errand) = lease.look(55 * 60_000);
        assert!(matches!(found, Found::Valid(_)) && errand.is_some());
        assert_eq!(look(&lease, 56 * 60_000), ("a", false), "one is enough");
        assert_eq!(look(&lease, HOUR - SKEW_MS - 1), ("a", false));
        assert_eq!(look(&lease, HOUR - SKEW_MS), ("wait", false));
    }

    #[test]
    fn what_lives_short_is_not_renewed_with_every_use() {
        let lease = filled(4_000);
        assert_eq!(look(&lease, 2_999), ("a", false));
        assert_eq!(look(&lease, 3_000), ("a", true));
        assert_eq!(look(&lease, 3_600), ("wait", true));
    }

    #[test]
    fn failures_rest_longer_and_longer_and_leave_what_is_valid() {
        let lease = filled(HOUR);
        let mut now = 55 * 60_000;
        for rest in [1_000, 2_000, 4_000, 8_000] {
            let errand = lease.look(now).1.unwrap();
            let due = lease.settle(errand, Err(failure()), now);
            assert_eq!(due.as_millis(), rest);
            assert_eq!(look(&lease, now + u64::try_from(rest).unwrap() - 1), ("a", false));
            now += u64::try_from(rest).unwrap();
        }
        now = 2 * HOUR;
        let errand = lease.look(now).1.unwrap();
        lease.settle(errand, Err(failure()), now);
        assert_eq!(look(&lease, now + 1), ("rests", false));
        for _ in 0..40 {
            let Some(errand) = lease.renew(now + LONGEST_REST_MS) else {
                break;
            };
            now += LONGEST_REST_MS;
            let due = lease.settle(errand, Err(failure()), now);
            assert!(due.as_millis() <= u128::from(LONGEST_REST_MS));
        }
    }

    #[test]
    fn a_fetch_that_was_given_up_is_begun_anew() {
        let lease = Lease::default();
        let (found, errand) = lease.look(0);
        drop(errand);
        let Found::Wait(waiting) = found else {
            panic!("{found:?}")
        };
        let outcome = waiting.outcome().now_or_never().expect("nobody will bring it");
        assert!(outcome.is_err());
        assert_eq!(look(&lease, 0), ("wait", true));
    }

    #[test]
    fn a_refusal_renews_once_in_a_while_and_not_what_was_renewed_already() {
        let lease = filled(HOUR);
        let Found::Valid(a) = lease.look(1).0 else {
            panic!("it is there")
        };
        assert!(lease.refused(&a, 1_000));
        let errand = lease.look(1_000).1.unwrap();
        lease.settle(errand, Ok(leased("b", 1_000, HOUR)), 1_000);
        assert!(lease.refused(&a, 2_000), "another has been got since");
        let Found::Valid(b) = lease.look(2_000).0 else {
            panic!("it is there")
        };
        assert!(!lease.refused(&b, 2_000));
        assert_eq!(look(&lease, 2_001), ("b", false));
        assert!(lease.refused(&b, 1_000 + BETWEEN_REFUSALS_MS));
        let known: Vec<_> = lease.known().map(|leased| leased.value).collect();
        assert_eq!(known, ["b"]);
    }
}
