//! Plugins that ask a service: what a hook gets, what it cannot ask, and what is left of it when nobody waits any more.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use penstock_llm::openai::{self, Answer};
use penstock_plugin_host::{
    AnswerView, Call, Candidate, CapabilityTerms, EngineSettings, HttpError, HttpLimits, HttpResponse,
    HttpRule, HttpTerms, LoadError, LoadProblem, LoadSpec, Outbound, OutboundCall, OutboundFuture, Plugin,
    PluginEngine, PluginFault, PluginState, Ran, Refusal, RequestVerdict, ResponseVerdict, RouteVerdict,
    SetOf, Summary, Trips,
};

use crate::guests::{CHAT, calls, chat, spec, text};

const HOST: &str = "https://policy.example.org";
const URL: &str = "https://policy.example.org/check?x=1";

/// A service that the test plays: it keeps what it was asked, and answers in turn, or not yet.
#[derive(Default)]
struct Service {
    asked: Mutex<Vec<OutboundCall>>,
    answers: Mutex<VecDeque<Answered>>,
    under_way: Arc<AtomicUsize>,
}

enum Answered {
    Now(Result<&'static str, HttpError>),
    After(Duration, &'static str),
    Never,
}

/// One more call under way, until it is answered or dropped.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Outbound for Service {
    fn send(&self, call: OutboundCall) -> OutboundFuture {
        self.asked.lock().unwrap().push(call);
        let answered = self.answers.lock().unwrap().pop_front();
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(self.under_way.clone());
        Box::pin(async move {
            let _under_way = under_way;
            match answered.unwrap_or(Answered::Now(Ok("yes"))) {
                Answered::Now(answer) => answer.map(response),
                Answered::After(time, text) => {
                    tokio::time::sleep(time).await;
                    Ok(response(text))
                }
                Answered::Never => std::future::pending().await,
            }
        })
    }
}

fn response(text: &'static str) -> HttpResponse {
    let headers = [("x-from", "service")];
    HttpResponse {
        status: 200,
        headers: headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect(),
        body: text.into(),
    }
}

impl Service {
    fn answering(answers: impl IntoIterator<Item = Answered>) -> Arc<Service> {
        let service = Service::default();
        service.answers.lock().unwrap().extend(answers);
        Arc::new(service)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn bodies(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|call| String::from_utf8_lossy(&call.body).into_owned())
            .collect()
    }
}

fn engine(service: &Arc<Service>) -> PluginEngine {
    PluginEngine::new(EngineSettings {
        pool_instances: 16,
        outbound: Some(service.clone()),
        ..EngineSettings::default()
    })
    .expect("an engine")
}

fn terms() -> CapabilityTerms {
    CapabilityTerms {
        http: HttpTerms {
            rules: vec![Arc::new(HttpRule::parse(HOST).expect("a host"))],
            limits: HttpLimits::default(),
        },
        ..CapabilityTerms::default()
    }
}

fn asking(mode: &str, url: &str) -> LoadSpec {
    LoadSpec {
        component: calls(),
        settings: format!(r#"{{"mode":"{mode}","url":"{url}"}}"#),
        terms: terms(),
        ..spec(mode)
    }
}

fn load(service: &Arc<Service>, mode: &str) -> Arc<Plugin> {
    engine(service).load(asking(mode, URL)).expect("loads")
}

fn run<T>(hook: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(hook)
}

fn request(plugin: &Plugin, call: &mut Call) -> Ran<RequestVerdict> {
    run(plugin.on_request_waiting(call))
}

/// What the plugin answered in a provider's place.
fn said(ran: Ran<RequestVerdict>) -> String {
    match ran.result {
        Ok(RequestVerdict::Answer(reply)) => reply.text,
        other => panic!("no answer: {other:?}"),
    }
}

fn is_policy(refusal: &Refusal) -> bool {
    (refusal.status, refusal.code.as_str()) == (403, "policy")
}

const NO: Answered = Answered::Now(Ok("no"));
const YES: Answered = Answered::Now(Ok("yes"));

#[test]
fn every_hook_gets_what_a_service_says() {
    let service = Service::answering([NO, YES, Answered::Now(Ok("b")), NO, YES, NO]);
    let plugin = load(&service, "ask");
    let mut call = chat(CHAT);
    assert!(plugin.waits());
    assert!(matches!(request(&plugin, &mut call).result, Ok(RequestVerdict::Refuse(it)) if is_policy(&it)));
    assert_eq!(request(&plugin, &mut call).result, Ok(RequestVerdict::Proceed));
    let candidate = |provider: &str| Candidate {
        provider: provider.into(),
        model: "m".into(),
        weight: 1,
        input_price: None,
        output_price: None,
        in_flight: 0,
        first_byte_us: None,
        failures: 0,
    };
    let candidates = [candidate("a"), candidate("b")];
    let Ok(RouteVerdict::Order(order)) = run(plugin.on_route_waiting(&mut call, &candidates)).result else {
        panic!("no order");
    };
    assert_eq!(
        order.iter().map(|choice| choice.candidate).collect::<Vec<_>>(),
        [1]
    );
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"an answer"}}]}"#;
    let answer = Answer::read(openai::Operation::Chat, body.into()).expect("an answer");
    let mut view = AnswerView::json(answer);
    let ran = run(plugin.on_response_waiting(&mut call, &mut view));
    assert!(matches!(ran.result, Ok(ResponseVerdict::Refuse(it)) if is_policy(&it)));
    let mut state = PluginState::default();
    let ran = run(plugin.on_event_waiting(&mut call, text("abc"), &mut state));
    assert_eq!(ran.result.expect("an outcome").end, None);
    let ran = run(plugin.on_event_waiting(&mut call, text("def"), &mut state));
    assert!(
        ran.result
            .expect("an outcome")
            .end
            .is_some_and(|it| is_policy(&it))
    );
    let summary = Summary {
        ending: "refused",
        ..Summary::default()
    };
    assert_eq!(
        run(plugin.on_complete_waiting(&mut call, &summary)).result,
        Ok(())
    );
    assert_eq!(
        service.bodies(),
        [
            "be kind",
            "be kind",
            "a b",
            "an answer",
            "1 abc",
            "2 def",
            "refused"
        ]
    );
    assert_eq!(call.body.bytes().as_ref(), CHAT.as_bytes());
    let asked = service.asked.lock().unwrap();
    let first = &asked[0];
    assert_eq!(
        (
            &*first.host,
            &*first.authority,
            &*first.path,
            first.method.as_str()
        ),
        ("policy.example.org", "policy.example.org", "/check?x=1", "POST")
    );
}

#[test]
fn a_call_that_may_not_be_made_is_an_error_and_reaches_nobody() {
    let service = Service::answering([]);
    let engine = engine(&service);
    for (mode, url, error) in [
        ("say", "https://evil.test/", "not-allowed"),
        ("say", "http://policy.example.org/", "not-allowed"),
        ("say", "https://policy.example.org@evil.test/", "invalid"),
        ("say", "http://169.254.169.254/latest/meta-data", "not-allowed"),
        ("say", "no url", "invalid"),
        ("smuggle", URL, "invalid"),
        ("huge", URL, "too-large"),
    ] {
        let mut spec = asking(mode, url);
        spec.limits.output_bytes = 4 << 20;
        let plugin = engine.load(spec).expect("loads");
        assert_eq!(said(request(&plugin, &mut chat(CHAT))), error, "{mode} {url}");
    }
    assert_eq!(service.asked(), 0);
}

#[test]
fn a_hook_may_call_so_often_and_no_more() {
    let service = Service::answering([]);
    let plugin = load(&service, "many");
    let expected = "200 yes;200 yes;200 yes;200 yes;too-many;too-many;";
    for _ in 0..2 {
        assert_eq!(said(request(&plugin, &mut chat(CHAT))), expected);
    }
    assert_eq!(service.asked(), 8);
}

#[test]
fn what_a_network_does_is_told_in_the_contracts_words() {
    use HttpError::{Broken, NotAllowed, Timeout, TooLarge, Unreachable};
    for (error, told) in [
        (Unreachable, "unreachable"),
        (Broken, "broken"),
        (TooLarge, "too-large"),
        (NotAllowed, "not-allowed"),
        (Timeout, "timeout"),
    ] {
        let service = Service::answering([Answered::Now(Err(error))]);
        // with a limit of its own, far below the operator's
        let plugin = load(&service, "hurry");
        assert_eq!(said(request(&plugin, &mut chat(CHAT))), told);
        assert_eq!(service.asked.lock().unwrap()[0].within, Duration::from_millis(30));
    }
}

#[test]
fn a_wait_over_the_operators_limit_ends_the_hook_and_does_not_trip_the_plugin() {
    let service = Service::answering((0..10).map(|_| Answered::Now(Err(HttpError::Timeout))));
    let mut spec = asking("say", URL);
    spec.limits.trips = Trips {
        count: 1,
        per: Duration::from_secs(3600),
    };
    let plugin = engine(&service).load(spec).expect("loads");
    let mut call = chat(CHAT);
    for _ in 0..3 {
        assert_eq!(request(&plugin, &mut call).result, Err(PluginFault::Waited));
    }
    assert_eq!(call.body.bytes().as_ref(), CHAT.as_bytes());
    assert_eq!(
        service.asked.lock().unwrap()[0].within,
        HttpLimits::default().wait
    );
}

#[test]
fn a_plugin_that_gives_up_has_no_verdict_and_is_asked_again() {
    let service = Service::answering([Answered::Now(Err(HttpError::Unreachable)), NO]);
    let mut spec = asking("ask", URL);
    spec.limits.trips.count = 1;
    let plugin = engine(&service).load(spec).expect("loads");
    let mut call = chat(CHAT);
    assert_eq!(request(&plugin, &mut call).result, Err(PluginFault::GaveUp));
    assert!(matches!(
        request(&plugin, &mut call).result,
        Ok(RequestVerdict::Refuse(_))
    ));
}

#[test]
fn waiting_is_not_computing_but_computing_after_a_wait_is_bounded() {
    let wait = || Answered::After(Duration::from_millis(200), "yes");
    let limited = |mode: &str| {
        let mut spec = asking(mode, URL);
        spec.limits.hook_time = Duration::from_millis(60);
        spec
    };
    let service = Service::answering([wait(), wait(), wait()]);
    let engine = engine(&service);
    let works = engine.load(limited("ask-then-work")).expect("loads");
    let ran = request(&works, &mut chat(CHAT));
    assert!(
        ran.micros >= 200_000,
        "the wait is part of the hook's time: {}",
        ran.micros
    );
    assert!(said(ran).starts_with("200 yes "));
    let spins = engine.load(limited("ask-then-spin")).expect("loads");
    assert_eq!(request(&spins, &mut chat(CHAT)).result, Err(PluginFault::Timeout));
    let traps = engine.load(limited("ask-then-trap")).expect("loads");
    assert!(matches!(
        request(&traps, &mut chat(CHAT)).result,
        Err(PluginFault::Trap(_))
    ));
}

#[test]
fn a_hook_that_nobody_waits_for_ends_with_its_call_and_gives_the_request_back_as_it_was() {
    let service = Service::answering([YES, Answered::Never, YES]);
    let engine = engine(&service);
    let plugin = engine.load(asking("edit-then-ask", URL)).expect("loads");
    let mut call = chat(CHAT);
    assert_eq!(said(request(&plugin, &mut call)), "200 yes");
    let edited = call.body.bytes().clone();
    assert_ne!(edited.as_ref(), CHAT.as_bytes());
    let instances = engine.stats().instances;
    {
        let mut hook = pin!(plugin.on_request_waiting(&mut call));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(hook.as_mut().poll(&mut context), Poll::Pending));
        assert_eq!(service.under_way.load(Ordering::SeqCst), 1);
    }
    assert_eq!(
        service.under_way.load(Ordering::SeqCst),
        0,
        "the call ended with the hook"
    );
    assert_eq!(call.body.bytes(), &edited, "its edit is undone");
    assert_eq!((&*call.id, &*call.caller), ("req-1", "team-a"));
    assert_eq!(
        engine.stats().instances,
        instances - 1,
        "its instance is not used again"
    );
    assert_eq!(said(request(&plugin, &mut call)), "200 yes");
}

#[test]
fn hooks_beyond_those_that_may_wait_at_once_wait_their_turn() {
    let service = Service::answering([Answered::Never, YES]);
    let mut spec = asking("say", URL);
    spec.terms.http.limits.at_once = 1;
    let plugin = engine(&service).load(spec).expect("loads");
    let (mut one, mut other) = (chat(CHAT), chat(CHAT));
    let mut context = Context::from_waker(Waker::noop());
    let mut second = pin!(plugin.on_request_waiting(&mut other));
    {
        let mut first = pin!(plugin.on_request_waiting(&mut one));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert_eq!(service.asked(), 1);
    }
    assert_eq!(said(run(second)), "200 yes");
}

#[test]
fn an_operators_credential_is_sent_and_never_shown() {
    let service = Service::answering([]);
    let mut rule = HttpRule::parse(HOST).expect("a host");
    rule.headers.push((
        "authorization".parse().unwrap(),
        "Bearer operator".parse().unwrap(),
    ));
    let mut spec = asking("own-credential", URL);
    spec.terms.http.rules = vec![Arc::new(rule)];
    let plugin = engine(&service).load(spec).expect("loads");
    assert_eq!(said(request(&plugin, &mut chat(CHAT))), "200 yes");
    let asked = service.asked.lock().unwrap();
    let sent: Vec<_> = asked[0]
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(sent, [("authorization", "Bearer operator")]);
    drop(asked);
    let headers = load(&service, "headers");
    assert_eq!(said(request(&headers, &mut chat(CHAT))), "x-from=service;");
}

#[test]
fn a_plugin_that_waits_is_not_called_where_it_cannot() {
    let service = Service::answering([]);
    let plugin = load(&service, "say");
    let ran = plugin.on_request(&mut chat(CHAT));
    assert!(matches!(ran.result, Err(PluginFault::Trap(_))), "{ran:?}");
    assert_eq!(service.asked(), 0);
}

#[test]
fn settings_are_read_without_asking_anybody() {
    let service = Service::answering([]);
    let refused = engine(&service)
        .load(asking("configure-asks", URL))
        .expect_err("it refuses");
    assert_eq!(refused.problem, LoadProblem::Settings("not-allowed".to_owned()));
    assert_eq!(service.asked(), 0);
}

#[test]
fn http_that_is_not_granted_or_has_no_host_is_refused_with_the_line_to_add() {
    let service = Service::answering([]);
    let told = |engine: &PluginEngine, spec: LoadSpec| -> String {
        let refused: LoadError = engine.load(spec).expect_err("should not load");
        refused.to_string()
    };
    let mut without = asking("say", URL);
    without.grants = SetOf::EMPTY;
    let message = told(&engine(&service), without);
    assert!(
        message.contains(
            "grant it with `capabilities: [http]` and name the hosts it may call with `http: {hosts:"
        ),
        "{message}"
    );
    let mut to_nobody = asking("say", URL);
    to_nobody.terms = CapabilityTerms::default();
    let message = told(&engine(&service), to_nobody);
    assert!(
        message.contains("add `http: {hosts: [\"https://host\"]}`"),
        "{message}"
    );
    let message = told(&crate::guests::engine(), asking("say", URL));
    assert!(message.contains("nothing here makes calls"), "{message}");
}
