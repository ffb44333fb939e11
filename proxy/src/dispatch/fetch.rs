//! Media at URLs that callers name, fetched on their behalf: from where the configuration allows, from no address that only
//! this machine or its network can reach, within limits, and with nothing of the caller's but the URL.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use futures::future::join_all;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use penstock_llm::model::MediaKind;
use penstock_plugin_host::{HttpError, HttpRule, OutboundCall};
use tokio::sync::Semaphore;
use url::{Position, Url};

use crate::dispatch::outbound;
use crate::dispatch::sniff;
use crate::dispatch::upstream::{Upstream, Upstreams};
use crate::state::answer::{Interrupted, Source};
use crate::state::counters::{Counters, Held};
use crate::state::media::{Fetched, NotFetched, Note, WantedBytes};
use crate::state::snapshot::{Fetch, Limits};

/// Bytes as they came and as base64, as long as both are there.
const MEMORY_FACTOR: usize = 3;

/// A URL is one line of a log at most.
const LONGEST_URL: usize = 8 << 10;

/// Connections for media, apart from providers' and plugins', and places for those that are under way.
#[derive(Default)]
pub struct Fetcher {
    /// Made with the first fetch: it reads the system's certificates.
    upstreams: OnceLock<Arc<Upstreams>>,
    places: Places,
}

/// Places for fetches that are under way: as many as the configuration of the latest says.
struct Places {
    free: Semaphore,
    many: AtomicUsize,
}

/// One of a call's fetches, when it is over.
pub struct Outcome {
    pub wanted: WantedBytes,
    pub fetched: Result<Fetched, NotFetched>,
    pub note: Note,
    pub held: Option<Held>,
}

/// What all fetches of one call have to keep to together.
struct Call<'c> {
    terms: &'c Fetch,
    counters: &'c Counters,
    limits: &'c Limits,
    /// Bytes that may still come.
    left: AtomicUsize,
}

impl Fetcher {
    /// All at the same time, each once. `earlier` is what the call has fetched before: how many, and their bytes.
    pub async fn all(
        &self,
        wanted: Vec<WantedBytes>,
        earlier: (usize, usize),
        terms: &Fetch,
        limits: &Limits,
        counters: &Counters,
    ) -> Vec<Outcome> {
        let call = Call {
            terms,
            counters,
            limits,
            left: AtomicUsize::new(terms.call_bytes.saturating_sub(earlier.1)),
        };
        let places = terms.items.saturating_sub(earlier.0);
        let each = once_each(wanted).into_iter().enumerate();
        join_all(each.map(|(at, wanted)| self.one(wanted, at < places, &call))).await
    }

    async fn one(&self, wanted: WantedBytes, has_place: bool, call: &Call<'_>) -> Outcome {
        let begun = Instant::now();
        let url = parsed(&wanted.url);
        let host = url.as_ref().and_then(|url| url.host_str()).map(Into::into);
        let mut held = None;
        let fetched = match url {
            None => Err(NotFetched::NotAUrl),
            Some(_) if !has_place => Err(NotFetched::TooMany),
            Some(url) => {
                let work = self.fetch(url, wanted.kind, call, &mut held);
                // Boxed: what is rare must not make every call's state larger.
                let within = tokio::time::timeout(call.terms.deadline, Box::pin(work)).await;
                within.unwrap_or(Err(NotFetched::OutOfTime))
            }
        };
        let note = Note {
            field: wanted.field.clone(),
            what: "fetch",
            host,
            outcome: fetched.as_ref().map_or_else(|why| why.label(), |_| "fetched"),
            bytes: fetched.as_ref().map_or(0, |fetched| fetched.bytes),
            took: begun.elapsed(),
        };
        Outcome {
            wanted,
            held: held.filter(|_| fetched.is_ok()),
            fetched,
            note,
        }
    }

    /// Follows redirects, each of which is looked at like the first URL.
    async fn fetch(
        &self,
        mut url: Url,
        kind: MediaKind,
        call: &Call<'_>,
        held: &mut Option<Held>,
    ) -> Result<Fetched, NotFetched> {
        let place = self.places.of(call.terms.at_once).acquire().await;
        let _place = place.map_err(|_| NotFetched::OutOfTime)?;
        for _ in 0..=call.terms.redirects {
            let from = self.open(&url, call.terms).await?;
            match from.status() {
                200 => return taken(from, &url, kind, call, held).await,
                301 | 302 | 303 | 307 | 308 => {
                    let next = elsewhere(from.headers(), &url)?;
                    from.finish().await;
                    url = next;
                }
                status => return Err(NotFetched::Status(status)),
            }
        }
        Err(NotFetched::Redirects)
    }

    async fn open(&self, url: &Url, terms: &Fetch) -> Result<Box<Upstream>, NotFetched> {
        let rule = rule(url, terms).ok_or(NotFetched::NotAllowed)?;
        let plain = OutboundCall::get(rule, url, terms.deadline, terms.item_bytes);
        let mut asked = plain.ok_or(NotFetched::NotAUrl)?;
        let agent = HeaderValue::from_static(concat!("penstock/", env!("CARGO_PKG_VERSION")));
        asked.headers.push((USER_AGENT, agent));
        asked.headers.push((ACCEPT, HeaderValue::from_static("*/*")));
        let upstreams = self.upstreams.get_or_init(Arc::default);
        let opened = outbound::open(upstreams, asked).await;
        opened.map_err(|error| match error {
            HttpError::NotAllowed => NotFetched::NotAllowed,
            HttpError::Timeout => NotFetched::OutOfTime,
            HttpError::Unreachable => NotFetched::Unreachable,
            _ => NotFetched::BrokenOff,
        })
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            free: Semaphore::new(0),
            many: AtomicUsize::new(0),
        }
    }
}

impl Places {
    /// The places, `wanted` in all. Where they get fewer, those that are taken go as soon as a later fetch finds them free.
    fn of(&self, wanted: usize) -> &Semaphore {
        let now = self.many.load(Ordering::Relaxed);
        if wanted > now {
            let grown = self
                .many
                .compare_exchange(now, wanted, Ordering::Relaxed, Ordering::Relaxed);
            // whoever else changed it has added places of its own
            if grown.is_ok() {
                self.free.add_permits(wanted - now);
            }
        } else if wanted < now {
            let gone = self.free.forget_permits(now - wanted);
            self.many.fetch_sub(gone, Ordering::Relaxed);
        }
        &self.free
    }
}

/// What allows a URL: a host of the list; where there is no list, any that is public, at the usual ports.
fn rule(url: &Url, terms: &Fetch) -> Option<Arc<HttpRule>> {
    if let Some(rules) = &terms.hosts {
        return rules.iter().find(|rule| rule.allows(url)).cloned();
    }
    // the port of the scheme is not in a URL that was read
    let is_usual = url.port().is_none_or(|port| matches!(port, 80 | 443));
    let rule = HttpRule::of_stranger(url, &[]).filter(|_| is_usual);
    rule.map(Arc::new)
}

/// A URL of the web, without a user: credentials are no business of a model's.
fn parsed(text: &str) -> Option<Url> {
    if text.len() > LONGEST_URL {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_of_the_web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let is_anybodys = url.username().is_empty() && url.password().is_none();
    (is_of_the_web && is_anybodys).then_some(url)
}

/// Where a redirect leads to. From https it never leads to plain text.
fn elsewhere(headers: &HeaderMap, from: &Url) -> Result<Url, NotFetched> {
    let place = headers.get(LOCATION).and_then(|place| place.to_str().ok());
    let next = place.and_then(|place| from.join(place).ok());
    let next = next.and_then(|next| parsed(next.as_str()));
    next.filter(|next| next.scheme() == "https" || from.scheme() == "http")
        .ok_or(NotFetched::Redirects)
}

/// The bytes, as far as every limit goes, and what they are.
async fn taken(
    mut from: Box<Upstream>,
    url: &Url,
    kind: MediaKind,
    call: &Call<'_>,
    held: &mut Option<Held>,
) -> Result<Fetched, NotFetched> {
    if from.headers().contains_key(CONTENT_ENCODING) {
        // nobody asked for it: a small body could become a large one
        return Err(NotFetched::WrongType);
    }
    let said = from
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|said| said.to_str().ok());
    let said = said.unwrap_or_default().to_owned();
    let mut bytes = BytesMut::new();
    while let Some(piece) = from.read().await.map_err(interrupted)? {
        if bytes.len() + piece.len() > call.terms.item_bytes {
            return Err(NotFetched::ItemTooLarge);
        }
        call.spend(piece.len(), held)?;
        bytes.extend_from_slice(&piece);
    }
    from.finish().await;
    let found = sniff::media(&bytes, &said, url.path(), kind).ok_or(NotFetched::WrongType)?;
    Ok(Fetched {
        media_type: found.media_type.into(),
        kind: found.kind,
        base64: STANDARD.encode(&bytes).into(),
        bytes: bytes.len(),
        name: name(url),
    })
}

impl Call<'_> {
    fn spend(&self, bytes: usize, held: &mut Option<Held>) -> Result<(), NotFetched> {
        let left = |left: usize| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .map_err(|_| NotFetched::CallTooLarge)?;
        let (memory, most) = (bytes * MEMORY_FACTOR, self.limits.body_memory_bytes);
        let fits = match held {
            Some(held) => held.grow(memory, most),
            None => {
                *held = self.counters.body_memory.take(memory, most);
                held.is_some()
            }
        };
        fits.then_some(()).ok_or(NotFetched::NoMemory)
    }
}

/// The last part of a URL's path, where it looks like a file's name.
fn name(url: &Url) -> Option<Box<str>> {
    let name = url[Position::BeforePath..Position::AfterPath]
        .rsplit('/')
        .next()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte);
    (name.contains('.') && name.len() <= 100 && name.bytes().all(is_plain)).then(|| name.into())
}

fn once_each(wanted: Vec<WantedBytes>) -> Vec<WantedBytes> {
    let mut once: Vec<WantedBytes> = Vec::with_capacity(wanted.len());
    for one in wanted {
        if once.iter().all(|other| other.url != one.url) {
            once.push(one);
        }
    }
    once
}

fn interrupted(error: Interrupted) -> NotFetched {
    match error {
        Interrupted::Silent => NotFetched::OutOfTime,
        // no adapter reads what is fetched
        Interrupted::Broken(_) | Interrupted::Adapter { .. } => NotFetched::BrokenOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(hosts: Option<&[&str]>) -> Fetch {
        let rules = |hosts: &[&str]| {
            let rule = |host: &&str| Arc::new(HttpRule::parse(host).unwrap());
            hosts.iter().map(rule).collect::<Vec<_>>()
        };
        Fetch {
            hosts: hosts.map(rules),
            ..Fetch::default()
        }
    }

    fn allows(terms: &Fetch, url: &str) -> bool {
        parsed(url).and_then(|url| rule(&url, terms)).is_some()
    }

    #[test]
    fn pain_q06_without_a_list_only_the_usual_ports_of_the_web_are_asked() {
        let anywhere = terms(None);
        for url in [
            "https://cdn.example.org/a.png",
            "http://cdn.example.org/a.png?b=c#d",
        ] {
            assert!(allows(&anywhere, url), "{url}");
        }
        for url in [
            "https://cdn.example.org:8443/",
            "http://cdn.example.org:22/",
            "https://user:password@cdn.example.org/",
            "https://user@cdn.example.org/",
            "ftp://cdn.example.org/a.png",
            "file:///etc/passwd",
            "gopher://cdn.example.org/",
            "data:image/png;base64,AAAA",
            "cdn.example.org/a.png",
        ] {
            assert!(!allows(&anywhere, url), "{url}");
        }
    }

    #[test]
    fn pain_q06_no_spelling_of_an_inner_address_is_reached() {
        let anywhere = terms(None);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[ff02::1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
        ] {
            let url = parsed(url).expect(url);
            let rule = rule(&url, &anywhere).expect("the port is usual");
            let host = url.host_str().unwrap().trim_matches(['[', ']']);
            assert!(!rule.may_reach(host.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn a_list_is_all_that_is_asked() {
        let listed = terms(Some(&["https://*.example.org", "http://10.0.0.7:8080"]));
        for url in ["https://cdn.example.org/a.png", "http://10.0.0.7:8080/a.png"] {
            assert!(allows(&listed, url), "{url}");
        }
        for url in [
            "https://example.org/",
            "http://cdn.example.org/",
            "https://cdn.example.org.evil.test/",
            "http://10.0.0.8:8080/",
            "https://evil.test/",
        ] {
            assert!(!allows(&listed, url), "{url}");
        }
    }

    #[test]
    fn a_redirect_is_looked_at_like_the_first_url() {
        let from = Url::parse("https://a.example.org/x/y.png").unwrap();
        let to = |place: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(place).unwrap());
            elsewhere(&headers, &from).map(String::from)
        };
        assert_eq!(to("z.png"), Ok("https://a.example.org/x/z.png".into()));
        assert_eq!(to("//b.example.org/"), Ok("https://b.example.org/".into()));
        for place in [
            "http://a.example.org/",
            "file:///etc/passwd",
            "https://user:password@a.example.org/",
        ] {
            assert_eq!(to(place), Err(NotFetched::Redirects), "{place}");
        }
        assert_eq!(elsewhere(&HeaderMap::new(), &from), Err(NotFetched::Redirects));
    }

    #[test]
    fn a_name_is_taken_where_it_looks_like_one() {
        let of = |url: &str| name(&Url::parse(url).unwrap());
        assert_eq!(
            of("https://a.test/b/report.pdf?token=secret").as_deref(),
            Some("report.pdf")
        );
        assert_eq!(of("https://a.test/b/"), None);
        assert_eq!(of("https://a.test/token"), None);
    }

    #[test]
    fn places_follow_a_change_of_the_configuration_up_and_down() {
        let places = Places::default();
        let first = places.of(2).try_acquire();
        let second = places.of(2).try_acquire();
        assert!(first.is_ok() && second.is_ok());
        assert!(places.of(2).try_acquire().is_err());
        let third = places.of(3).try_acquire();
        assert!(third.is_ok() && places.of(3).try_acquire().is_err());
        // those that are taken stay taken until they are given back
        assert!(places.of(1).try_acquire().is_err());
        drop((first, second, third));
        let only = places.of(1).try_acquire();
        assert!(only.is_ok() && places.of(1).try_acquire().is_err());
    }
}
