//! Every hook and every capability.

use std::cell::RefCell;

wit_bindgen::generate!({
    inline: "
        package test:hostile;
        world guest {
            import penstock:plugin/log@0.1.0;
            import penstock:plugin/metrics@0.1.0;
            import penstock:plugin/clock@0.1.0;
            import penstock:plugin/random@0.1.0;
            import penstock:plugin/kv@0.1.0;
            import penstock:plugin/counters@0.1.0;
            import penstock:plugin/catalogue@0.1.0;
            import penstock:plugin/tokenizer@0.1.0;
            import penstock:plugin/expr@0.1.0;
            import penstock:plugin/match@0.1.0;
            import penstock:plugin/cache@0.1.0;
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

use exports::penstock::plugin::lifecycle::{self, Hooks, Interests, Kinds};
use exports::penstock::plugin::on_event::{self, Delta, Edit, Outcome};
use exports::penstock::plugin::{on_complete, on_request, on_response, on_route};
use penstock::plugin::types::{Answer, Call, EditError, Refusal, Reply, Role};
use penstock::plugin::cache::{self, Scope, Space};
use penstock::plugin::{catalogue, clock, counters, expr, kv, log, match_, metrics, random, tokenizer};

struct Guest;
export!(Guest);

thread_local! {
    /// What `configure` has put aside for the hooks.
    static KEPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl lifecycle::Guest for Guest {
    fn configure(settings: String) -> Result<Interests, String> {
        crate::set_mode(&settings);
        let all = Interests { hooks: Hooks::from_bits_retain(0x1f), kinds: Kinds::from_bits_retain(0xff), buffer: false };
        match crate::mode().as_str() {
            "configure-error" => Err("mode: takes any word but this one".to_owned()),
            "configure-long-error" => Err("x".repeat(100_000)),
            "configure-trap" => {
                crate::trap();
                Ok(all)
            }
            "configure-loop" => {
                crate::spin();
                Ok(all)
            }
            "configure-grow" => {
                crate::misbehave("grow");
                Ok(all)
            }
            "expr" | "expr-slow" | "expr-forged" => {
                for source in EXPRESSIONS {
                    let handle = expr::compile(source, &["tags".to_owned()])?;
                    if source == EXPRESSIONS[0] {
                        crate::HANDLE.set(handle);
                    }
                }
                Ok(all)
            }
            // what the operator wrote
            "expr-of" => expr::compile(&crate::text_setting("expr"), &["tags".to_owned()]).map(|_| all),
            "expr-many" => {
                for number in 0..1000 {
                    expr::compile(&format!("{number} == 1"), &[])?;
                }
                Ok(all)
            }
            "match" | "match-forged" | "match-forever" | "match-answer" => {
                let words = ["secret".to_owned(), "my secret".to_owned()];
                crate::HANDLE.set(match_::compile(&words, true)?);
                Ok(all)
            }
            "match-empty" => match_::compile(&["a".to_owned(), String::new()], false).map(|_| all),
            // another one for each instance
            "expr-late" => {
                let number = counters::take("started", 1, u64::MAX, 0).unwrap_or(0);
                expr::compile(&format!("{number} == 1"), &[]).map(|_| all)
            }
            "hoard" => {
                KEPT.set(vec![1; 3 << 20]);
                Ok(all)
            }
            "hoard-too-much" => {
                KEPT.set(vec![1; 40 << 20]);
                Ok(all)
            }
            "fill" => {
                take_all_memory();
                Ok(all)
            }
            "keep-settings" => {
                KEPT.set(settings.into_bytes());
                Ok(all)
            }
            "seeded" | "asks" => {
                KEPT.set(random::next().to_string().into_bytes());
                Ok(all)
            }
            "tells" => {
                log::write(log::Level::Info, "configured");
                metrics::add("configured", 1);
                Ok(all)
            }
            // another mind each time
            "moody" if counters::take("started", 1, 1, 0).is_none() => Ok(Interests { kinds: Kinds::TEXT, ..all }),
            // starts once, and never again
            "once" if counters::take("started", 1, 1, 0).is_none() => Err("once was enough".to_owned()),
            "only-text" => Ok(Interests { kinds: Kinds::TEXT, hooks: Hooks::ON_EVENT, ..all }),
            "idle" => Ok(Interests { hooks: Hooks::empty(), ..all }),
            _ => Ok(all),
        }
    }
}

impl on_request::Guest for Guest {
    fn handle(call: &Call) -> on_request::Verdict {
        use on_request::Verdict;
        let mode = crate::mode();
        crate::misbehave(&mode);
        if let Some(text) = crate::lie(&mode) {
            return Verdict::Answer(Reply { text });
        }
        let answer = |text: String| Verdict::Answer(Reply { text });
        match mode.as_str() {
            "echo" => {
                redact(call);
                Verdict::Proceed
            }
            "report" => answer(report(call)),
            "headers" => answer(headers(call)),
            "remember" => answer(crate::SEEN.get().to_string()),
            "keep-settings" | "seeded" => {
                answer(KEPT.with_borrow(|kept| String::from_utf8_lossy(kept).into_owned()))
            }
            "hoard" => {
                answer(KEPT.with_borrow(|kept| kept.iter().map(|byte| u64::from(*byte)).sum::<u64>()).to_string())
            }
            "huge-reply" => answer("x".repeat(4 << 20)),
            "refuse" => {
                Verdict::Refuse(Refusal { status: 200, code: "c".repeat(1000), message: "é".repeat(10_000) })
            }
            "edit-then-trap" => {
                redact(call);
                crate::trap();
                Verdict::Proceed
            }
            "edit-then-loop" => {
                redact(call);
                crate::spin();
                Verdict::Proceed
            }
            "edit-too-much" => {
                for _ in 0..1000 {
                    let _ = call.add_message(0, Role::System, &"x".repeat(10_000));
                }
                Verdict::Proceed
            }
            "edit-what-is-not-there" => answer(format!(
                "{:?} {:?} {:?}",
                call.replace_text(9999, "x"),
                call.set("/model", "\"other\""),
                call.set("/temperature", "{not json"),
            )),
            "host-calls" => {
                for _ in 0..1_000_000 {
                    std::hint::black_box(clock::now_ms());
                }
                Verdict::Proceed
            }
            "forge" => {
                let forged = unsafe { Call::from_handle(call.handle() + 7) };
                answer(forged.id())
            }
            "capabilities" => answer(use_capabilities()),
            "cache" => answer(use_cache(call)),
            "chatter" => {
                for i in 0..100 {
                    log::write(log::Level::Info, &format!("line {i}\nforged"));
                }
                Verdict::Proceed
            }
            "catalogue" => answer(offered(call)),
            "catalogue-forever" => {
                while std::hint::black_box(catalogue::models(call, 0)).models.len() < usize::MAX {}
                Verdict::Proceed
            }
            "catalogue-forged" => {
                let forged = unsafe { Call::from_handle(call.handle() + 7) };
                answer(format!("{:?}", catalogue::find(&forged, "gpt-4o")))
            }
            "tokens" => answer(format!(
                "{:?} {:?} {:?} {:?}",
                tokenizer::count_segment(call, 1, &call.model()),
                tokenizer::count_segment(call, 99, "gpt-4o"),
                tokenizer::count("my secret is \"secret\"", "gpt-4o"),
                tokenizer::count("my secret is \"secret\"", "claude"),
            )),
            // the slowest text there is, again and again
            "tokens-slow" => {
                let text = "-".repeat(500_000);
                let mut tokens = 0;
                let mut exact = true;
                for _ in 0..8 {
                    let tally = tokenizer::count(&text, "gpt-4o");
                    tokens = tokens.max(tally.tokens);
                    exact &= tally.exact;
                }
                answer(format!("{tokens} {exact}"))
            }
            "tokens-forever" => {
                while std::hint::black_box(tokenizer::count("a b c d e f", "gpt-4")).tokens > 0 {}
                Verdict::Proceed
            }
            "tokens-forged" => {
                let forged = unsafe { Call::from_handle(call.handle() + 7) };
                answer(format!("{:?}", tokenizer::count_segment(&forged, 0, "gpt-4o")))
            }
            "expr" => answer(format!(
                "{:?} {:?} {:?} {:?}",
                expr::test(call, crate::HANDLE.get(), r#"{"tags": ["a", "b"]}"#),
                expr::test(call, crate::HANDLE.get(), "{}"),
                expr::evaluate(call, crate::HANDLE.get() + 1, r#"{"tags": []}"#),
                expr::compile("1 + 1", &[]),
            )),
            "expr-forged" => answer(format!("{:?}", expr::test(call, 7777, ""))),
            // the most work that an evaluation is let do, and a bit more, again and again
            "expr-slow" => {
                let variables = |elements: usize| format!(r#"{{"tags": [{}]}}"#, vec!["1"; elements].join(","));
                let (most, more) = (variables(crate::setting("elements")), variables(20_000));
                let mut said = String::new();
                for _ in 0..crate::setting("times") {
                    said = format!("{:?}", expr::test(call, crate::HANDLE.get() + 2, &most));
                }
                answer(format!("{said} {:?}", expr::test(call, crate::HANDLE.get() + 2, &more)))
            }
            "match" => answer(format!(
                "{:?} {:?} {:?} {:?}",
                places(match_::find(crate::HANDLE.get(), "A SECRET secret", 10)),
                places(match_::find_in_call(call, crate::HANDLE.get(), 1, u32::MAX)),
                places(match_::find_in_call(call, crate::HANDLE.get(), 99, 10)),
                match_::compile(&["late".to_owned()], false),
            )),
            "match-forged" => answer(format!("{:?}", match_::find(7777, "secret", 1))),
            "match-forever" => {
                while !std::hint::black_box(match_::find(crate::HANDLE.get(), "secret", 1)).is_empty() {}
                Verdict::Proceed
            }
            "take" => answer(format!("{:?}", counters::take("k", 1, 2, 60_000))),
            "read" => {
                let length = call.length();
                let mut sum = 0u64;
                let mut offset = 0;
                while offset < length {
                    let window = call.read(offset, 65_536);
                    offset += window.len() as u64;
                    sum += window.iter().map(|byte| u64::from(*byte)).sum::<u64>();
                }
                answer(format!("{length} {sum} {}", call.read(u64::MAX, u32::MAX).len()))
            }
            _ => Verdict::Proceed,
        }
    }
}

const EXPRESSIONS: [&str; 3] = [
    r#"caller == "team-a" && streamed && operation == "chat" && header("X-Team") == "blue, red"
       && header("authorization") == null && "b" in tags"#,
    "{'model': model, 'twice': tags + tags}",
    "tags.all(a, tags.all(b, a == b))",
];

fn places(found: Vec<match_::Found>) -> Vec<(u32, u32, u32)> {
    found.iter().map(|it| (it.word, it.start, it.end)).collect()
}

fn take_all_memory() {
    #[cfg(target_arch = "wasm32")]
    while core::arch::wasm32::memory_grow(0, 1) != usize::MAX {}
}

fn redact(call: &Call) {
    for segment in call.segments() {
        let Some(text) = call.text(segment.index) else { continue };
        if text.contains("secret") {
            call.replace_text(segment.index, &text.replace("secret", "[x]")).expect("text can be replaced");
        }
    }
}

fn report(call: &Call) -> String {
    let segments: Vec<String> = (call.segments().iter())
        .map(|s| format!("{}:{:?}:{:?}:{:?}:{}", s.index, s.role, s.kind, s.provenance, s.length))
        .collect();
    format!(
        "{} {:?} {} {} {} {} {:?} {:?} {:?} {}",
        call.id(),
        call.operation(),
        call.model(),
        call.streamed(),
        call.caller(),
        call.generation(),
        segments,
        call.text(0),
        call.pointer("/temperature"),
        call.length(),
    )
}

/// Every model of the catalogue with its targets, then the model that the call asks for.
fn offered(call: &Call) -> String {
    let mut out = String::new();
    let mut start = Some(0);
    while let Some(from) = start {
        let page = catalogue::models(call, from);
        for name in page.models {
            out += &format!("{name} {};", targets(call, &name));
        }
        start = page.next;
    }
    out + &format!("{} {}", call.model(), targets(call, &call.model()))
}

fn targets(call: &Call, model: &str) -> String {
    let Some(targets) = catalogue::find(call, model) else { return "none".to_owned() };
    let shown = |it: &catalogue::Target| {
        format!("{}/{} {} {:?} {:?}", it.provider, it.model, it.weight, it.input_price, it.output_price)
    };
    targets.iter().map(shown).collect::<Vec<_>>().join(",")
}

fn headers(call: &Call) -> String {
    let names =
        ["x-team", "X-Team", "authorization", "Authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];
    names.iter().map(|name| format!("{:?};", call.header(name))).collect()
}

fn use_capabilities() -> String {
    log::write(log::Level::Warn, "noted");
    metrics::add("hits", 2);
    let stored = kv::put("k", &[1, 2, 3], 0);
    kv::put("gone", &[1], 0);
    kv::delete("gone");
    let differ = random::next() != random::next();
    format!("{} {} {:?} {:?} {}", clock::now_ms(), stored, kv::get("k"), kv::get("gone"), differ)
}

/// Shows what is there, then leaves the caller's name for each scope. The text of the request is the version.
fn use_cache(call: &Call) -> String {
    let version = call.text(0).unwrap_or_default();
    let space = |scope| Space { scope, version: version.clone() };
    let (own, common) = (space(Scope::Caller), space(Scope::Everyone));
    let found = [&own, &common].map(|space| cache::get(space, "k").map(|it| String::from_utf8_lossy(&it).into_owned()));
    let put = [&own, &common].map(|space| cache::put(space, "k", call.caller().as_bytes(), 0).map_err(|error| error.name()));
    cache::delete(&own, "other");
    format!("{found:?} {put:?}")
}

impl on_route::Guest for Guest {
    fn handle(_: &Call, candidates: Vec<on_route::Candidate>) -> Result<Vec<on_route::Choice>, Refusal> {
        let mode = crate::mode();
        crate::misbehave(&mode);
        let choose = |candidate: u32| on_route::Choice { candidate, reason: "r".repeat(1000) };
        match mode.as_str() {
            "route-nowhere" => Ok(vec![choose(99)]),
            "route-twice" => Ok(vec![choose(0), choose(0)]),
            "route-none" => Ok(vec![]),
            "route-refuse" => Err(Refusal { status: 429, code: "busy".into(), message: "later".into() }),
            // cheapest first, without those that fail
            _ => {
                let mut order: Vec<u32> = (0..candidates.len() as u32).collect();
                order.retain(|i| candidates[*i as usize].failures < 3);
                order.sort_by_key(|i| candidates[*i as usize].input_price);
                Ok(order.into_iter().map(choose).collect())
            }
        }
    }
}

impl on_response::Guest for Guest {
    fn handle(call: &Call, answer: &Answer) -> on_response::Verdict {
        use on_response::Verdict;
        let mode = crate::mode();
        crate::misbehave(&mode);
        if mode == "match-answer" {
            let found = places(match_::find_in_answer(answer, crate::HANDLE.get(), 0, 10));
            return Verdict::Refuse(Refusal { status: 403, code: "found".into(), message: format!("{found:?}") });
        }
        if mode == "catalogue-late" {
            answer.replace_text(0, &offered(call)).expect("text can be replaced");
        }
        for segment in answer.segments() {
            let Some(text) = answer.text(segment.index) else { continue };
            if text.contains("forbidden") {
                return Verdict::Refuse(Refusal { status: 403, code: "forbidden".into(), message: "no".into() });
            }
            if text.contains("secret") {
                match answer.replace_text(segment.index, &text.replace("secret", "[x]")) {
                    Err(EditError::ReadOnly) => metrics::add("read_only", 1),
                    made => made.expect("text can be replaced"),
                }
            }
        }
        if mode == "edit-then-trap" {
            crate::trap();
        }
        Verdict::Proceed
    }
}

impl on_event::Guest for Guest {
    fn handle(call: &Call, delta: Delta, state: Vec<u8>) -> Outcome {
        let mode = crate::mode();
        crate::misbehave(&mode);
        let nothing = || Outcome { edits: Vec::new(), hold: 0, state: None, end: None };
        let edit = |start: u32, end: u32| Edit { start, end, text: "x".to_owned() };
        if let Some(text) = crate::lie(&mode) {
            return Outcome { edits: vec![Edit { start: 0, end: 0, text }], ..nothing() };
        }
        let all = delta.window.len() as u32;
        match mode.as_str() {
            "echo" => guard(&delta, &state),
            "outside" => Outcome { edits: vec![edit(0, all + 1)], ..nothing() },
            "overlap" => Outcome { edits: vec![edit(0, 2), edit(1, 3)], ..nothing() },
            "unsorted" => Outcome { edits: vec![edit(2, 3), edit(0, 1)], ..nothing() },
            "split-char" => Outcome { edits: vec![edit(1, 2)], ..nothing() },
            "hold-split-char" => Outcome { hold: 1, ..nothing() },
            "hold-everything" => Outcome { hold: all, ..nothing() },
            "hold-more" => Outcome { hold: all + 1, ..nothing() },
            "state-too-big" => Outcome { state: Some(vec![0; 100_000]), ..nothing() },
            "many-edits" => Outcome { edits: (0..200_000).map(|_| edit(0, 0)).collect(), ..nothing() },
            "edit-late" => {
                if let Err(EditError::ReadOnly) = call.add_message(0, Role::User, "x") {
                    metrics::add("read_only", 1);
                }
                nothing()
            }
            "end" => Outcome {
                edits: vec![edit(5000, 4000)],
                hold: 999_999,
                end: Some(Refusal { status: 403, code: "leak".into(), message: "stopped".into() }),
                ..nothing()
            },
            _ => nothing(),
        }
    }
}

/// Replaces `secret`, holding back what may become one; the state counts the events of the stream.
fn guard(delta: &Delta, state: &[u8]) -> Outcome {
    const SECRET: &str = "secret";
    let window = delta.window.as_str();
    let edits: Vec<Edit> = (window.match_indices(SECRET))
        .map(|(at, found)| Edit { start: at as u32, end: (at + found.len()) as u32, text: "[x]".into() })
        .collect();
    let free = edits.last().map_or(0, |edit| edit.end as usize);
    let hold = (1..SECRET.len()).rev().find(|n| window[free..].ends_with(&SECRET[..*n])).unwrap_or(0);
    let seen = state.first().copied().unwrap_or(0) + 1;
    Outcome { edits, hold: if delta.last { 0 } else { hold as u32 }, state: Some(vec![seen]), end: None }
}

impl on_complete::Guest for Guest {
    fn handle(_: &Call, summary: on_complete::Summary) {
        crate::misbehave(&crate::mode());
        metrics::add(&format!("ended_{}", summary.ending), summary.completion_tokens.unwrap_or(1));
    }
}
