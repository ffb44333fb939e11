//! A guest that asks a service, in every hook: `{"mode": "...", "url": "...", "hooks": "..."}` says how, whom and where.

wit_bindgen::generate!({
    inline: "
        package test:calls;
        world guest {
            import penstock:plugin/http@0.1.0;
            export penstock:plugin/lifecycle@0.1.0;
            export penstock:plugin/on-request@0.1.0;
            export penstock:plugin/on-route@0.1.0;
            export penstock:plugin/on-response@0.1.0;
            export penstock:plugin/on-event@0.1.0;
            export penstock:plugin/on-complete@0.1.0;
        }
    ",
    path: "../../../../wit",
    generate_all,
});

use std::cell::RefCell;

use exports::penstock::plugin::lifecycle::{self, Hooks, Interests, Kinds};
use exports::penstock::plugin::on_event::{self, Delta, Outcome};
use exports::penstock::plugin::{on_complete, on_request, on_response, on_route};
use penstock::plugin::http::{self, Error, Header, Request, Response};
use penstock::plugin::types::{Answer, Call, Refusal, Reply, Role};

struct Guest;
export!(Guest);

thread_local! {
    static SETTINGS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A text among the settings, without a JSON parser.
fn setting(name: &str) -> Option<String> {
    SETTINGS.with_borrow(|settings| {
        let after = settings.split(&format!("\"{name}\":\"")).nth(1)?;
        after.split('"').next().map(str::to_owned)
    })
}

impl lifecycle::Guest for Guest {
    fn configure(settings: String) -> Result<Interests, String> {
        crate::set_mode(&settings);
        SETTINGS.with_borrow_mut(|kept| *kept = settings);
        let hooks = match setting("hooks").as_deref() {
            Some("on-request") => Hooks::ON_REQUEST,
            Some("on-route") => Hooks::ON_ROUTE,
            Some("on-response") => Hooks::ON_RESPONSE,
            Some("on-event") => Hooks::ON_EVENT,
            Some("on-complete") => Hooks::ON_COMPLETE,
            _ => Hooks::from_bits_retain(0x1f),
        };
        if crate::mode() == "configure-asks" {
            return Err(said(ask("")));
        }
        let buffer = setting("buffer").is_some();
        Ok(Interests { hooks, kinds: Kinds::TEXT, buffer })
    }
}

fn request(body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        url: setting("url").unwrap_or_default(),
        headers: vec![Header { name: "content-type".to_owned(), value: "text/plain".to_owned() }],
        body: body.as_bytes().to_vec(),
        timeout_ms: 0,
    }
}

fn ask(body: &str) -> Result<Response, Error> {
    http::send(&request(body))
}

/// What a service said, or why it said nothing.
fn said(response: Result<Response, Error>) -> String {
    match response {
        Ok(Response { status, body, .. }) => format!("{status} {}", String::from_utf8_lossy(&body)),
        Err(error) => error.name().to_owned(),
    }
}

fn refusal() -> Refusal {
    Refusal { status: 403, code: "policy".to_owned(), message: "the service says no".to_owned() }
}

fn denies(response: Result<Response, Error>) -> bool {
    match response {
        Ok(response) => response.body == b"no",
        Err(_) => {
            http::give_up();
            unreachable!()
        }
    }
}

impl on_request::Guest for Guest {
    fn handle(call: &Call) -> on_request::Verdict {
        use on_request::Verdict;
        let answer = |text: String| Verdict::Answer(Reply { text });
        let text = call.text(0).unwrap_or_default();
        let mode = crate::mode();
        crate::misbehave(&mode);
        match mode.as_str() {
            "say" => answer(said(ask(&text))),
            "headers" => match ask(&text) {
                Ok(response) => answer(response.headers.iter().map(|it| format!("{}={};", it.name, it.value)).collect()),
                Err(error) => answer(error.name().to_owned()),
            },
            "hurry" => answer(said(http::send(&Request { timeout_ms: 30, ..request(&text) }))),
            "many" => answer((0..6).map(|_| said(ask(&text)) + ";").collect()),
            "huge" => answer(said(ask(&"x".repeat(1_500_000)))),
            "smuggle" => {
                let header = Header { name: "transfer-encoding".to_owned(), value: "chunked".to_owned() };
                answer(said(http::send(&Request { headers: vec![header], ..request(&text) })))
            }
            "own-credential" => {
                let header = Header { name: "Authorization".to_owned(), value: "Bearer guest".to_owned() };
                answer(said(http::send(&Request { headers: vec![header], ..request(&text) })))
            }
            "edit-then-ask" => {
                let _ = call.add_message(0, Role::System, "edited");
                answer(said(ask(&text)))
            }
            "ask-then-work" => {
                let reply = said(ask(&text));
                let mut sum = 0_u64;
                for turn in 0..100_000_u64 {
                    sum = std::hint::black_box(sum.wrapping_add(turn));
                }
                answer(format!("{reply} {sum}"))
            }
            "ask-then-spin" => {
                let _ = ask(&text);
                crate::spin();
                Verdict::Proceed
            }
            "ask-then-trap" => {
                let _ = ask(&text);
                crate::trap();
                Verdict::Proceed
            }
            _ if denies(ask(&text)) => Verdict::Refuse(refusal()),
            _ => Verdict::Proceed,
        }
    }
}

impl on_route::Guest for Guest {
    fn handle(_: &Call, candidates: Vec<on_route::Candidate>) -> Result<Vec<on_route::Choice>, Refusal> {
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.provider.as_str()).collect();
        let Ok(response) = ask(&names.join(" ")) else {
            http::give_up();
            unreachable!()
        };
        let chosen = String::from_utf8_lossy(&response.body).into_owned();
        let place = names.iter().position(|name| *name == chosen);
        let choice = |place| on_route::Choice { candidate: place as u32, reason: "asked".to_owned() };
        place.map(|place| vec![choice(place)]).ok_or_else(refusal)
    }
}

impl on_response::Guest for Guest {
    fn handle(_: &Call, answer: &Answer) -> on_response::Verdict {
        match denies(ask(&answer.text(0).unwrap_or_default())) {
            true => on_response::Verdict::Refuse(refusal()),
            false => on_response::Verdict::Proceed,
        }
    }
}

impl on_event::Guest for Guest {
    fn handle(_: &Call, delta: Delta, state: Vec<u8>) -> Outcome {
        let seen = state.first().copied().unwrap_or(0) + 1;
        let end = denies(ask(&format!("{seen} {}", delta.window))).then(refusal);
        Outcome { edits: Vec::new(), hold: 0, state: Some(vec![seen]), end }
    }
}

impl on_complete::Guest for Guest {
    fn handle(_: &Call, summary: on_complete::Summary) {
        let _ = ask(&summary.ending);
    }
}
