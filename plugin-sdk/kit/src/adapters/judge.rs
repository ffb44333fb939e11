//! Runs an adapter's cases in the real host and judges what comes out. Streams are run whole, frame by frame, and cut in two
//! at every frame: all have to give the same events.

use penstock_llm::json;
use penstock_llm::model::{
    Answer, Asked, Assembled, Assembler, BodyError, Codec, Dialect, Envelope, Error, ErrorKind, Event,
    Losses, Target,
};
use penstock_plugin_host::{Adapter, Encoded, PluginState};
use serde_json::Value;

use crate::adapters::cases::{Case, Cases, Expect};
use crate::adapters::frames::Frame;
use crate::cases::body;
use crate::drive::Bench;
use crate::error::KitError;
use crate::folder::Folder;
use crate::run::{CaseResult, Report, contains, same};
use crate::ways::{Way, in_both};

/// Of an answer in the caller's dialect, where the provider said none: 2026-01-01 00:00 UTC.
const CREATED: u64 = 1_767_225_600;

/// More than any case has.
const MOST_TEXT: usize = 16 << 20;

/// What came out.
#[derive(Debug, Default, PartialEq)]
struct Observed {
    verdict: &'static str,
    body: Vec<u8>,
    path: String,
    headers: Vec<(String, String)>,
    dropped: Vec<String>,
    status: Option<u16>,
    kind: Option<ErrorKind>,
    code: Option<String>,
    param: Option<String>,
    message: String,
}

/// Runs the cases of a folder whose component was built.
pub(crate) fn test(folder: &Folder, component: Vec<u8>) -> Result<Report, KitError> {
    let cases = Cases::read(&folder.cases())?;
    let mut bench = Bench::new(component.into(), folder.capabilities()?, std::iter::empty())?;
    let results = cases.cases.iter().map(|case| CaseResult {
        name: case.name.clone(),
        failure: in_both(|way| judged(&mut bench, &cases, case, folder, way)).err(),
    });
    Ok(Report {
        results: results.collect(),
    })
}

fn judged(bench: &mut Bench, cases: &Cases, case: &Case, folder: &Folder, way: Way) -> Result<(), String> {
    let invalid = case.expect.verdict.as_deref() == Some("invalid");
    let plugin = match bench.plugin(&cases.settings(Some(case)), way) {
        Ok(_) if invalid => return Err("the settings were taken, but should be refused".to_string()),
        Ok(plugin) => plugin,
        Err(error) if invalid => return contains("the error", &error, case.expect.message.as_deref()),
        Err(error) => return Err(error),
    };
    let adapter = Adapter::of(&plugin).ok_or("the component is no adapter")?;
    let speaks = &*adapter.description().dialect;
    if !folder.manifest.dialects.is_empty() && !folder.manifest.dialects.iter().any(|said| said == speaks) {
        return Err(format!(
            "it speaks `{speaks}`, which plugin.yaml does not name under `dialects`"
        ));
    }
    if let Some(request) = &case.request {
        agrees(&encoded(&adapter, case, &body(request))?, &case.expect)
    } else if let Some(answer) = &case.answer {
        agrees(&answered(&adapter, case, &body(answer))?, &case.expect)
    } else if let Some(error) = &case.error {
        agrees(&failed(&adapter, case, &body(error))?, &case.expect)
    } else {
        every_cut(&adapter, case)
    }
}

fn encoded(adapter: &Adapter, case: &Case, body: &[u8]) -> Result<Observed, String> {
    let read = case.codec()?.read_request(body, &Asked::default());
    let read = read.map_err(|error| format!("request: {error}"))?;
    let target = Target {
        stream: case.target.stream,
        maker: case.target.maker(),
        max_output: case.target.max_output,
        ..Target::new(&case.target.model)
    };
    let ran = adapter.encode(&read.value, &target);
    Ok(match ran.result.map_err(fault)? {
        Ok(encoded) => of_encoded(encoded),
        Err(refusal) => of_refusal(refusal),
    })
}

fn of_encoded(encoded: Encoded) -> Observed {
    let headers = encoded.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    Observed {
        verdict: "encoded",
        headers: headers.collect(),
        body: encoded.body,
        path: encoded.path,
        dropped: dropped(&encoded.losses),
        ..Observed::default()
    }
}

fn of_refusal(refusal: BodyError) -> Observed {
    Observed {
        verdict: "refuse",
        param: refusal.param,
        message: refusal.message,
        ..Observed::default()
    }
}

fn answered(adapter: &Adapter, case: &Case, body: &[u8]) -> Result<Observed, String> {
    let codec = case.codec()?;
    let ran = adapter.answer(case.status.unwrap_or(200), body, |read| match read {
        Ok(read) => of_answer(codec, &read.value, &read.losses),
        Err(error) => of_error(*error),
    });
    ran.result.map_err(fault)
}

fn of_answer(codec: &dyn Codec, answer: &Answer<'_>, losses: &Losses) -> Observed {
    Observed {
        verdict: "answer",
        body: codec.write_answer(answer, &envelope()).bytes,
        dropped: dropped(losses),
        ..Observed::default()
    }
}

fn failed(adapter: &Adapter, case: &Case, body: &[u8]) -> Result<Observed, String> {
    let native = case.native.as_deref();
    let ran = adapter.error(case.status.unwrap_or(500), native, body, of_error);
    ran.result.map_err(fault)
}

fn of_error(error: Error<'_>) -> Observed {
    Observed {
        verdict: "error",
        status: Some(error.status),
        kind: Some(error.kind),
        code: error.code.map(|code| code.get().into_owned()),
        param: error.param.map(|param| param.get().into_owned()),
        message: error.message.get().into_owned(),
        ..Observed::default()
    }
}

/// One case's stream in every way that its frames can come together.
fn every_cut(adapter: &Adapter, case: &Case) -> Result<(), String> {
    let frames: Vec<Frame> = case.stream.iter().flatten().map(Frame::of).collect();
    let whole = Streamed::of(adapter, case, &[&frames])?;
    agrees(&whole.observed, &case.expect).map_err(|why| format!("whole: {why}"))?;
    let singly: Vec<&[Frame]> = frames.chunks(1).collect();
    let mut ways = vec![("frame by frame".to_string(), singly)];
    for cut in 1..frames.len() {
        let (before, after) = frames.split_at(cut);
        ways.push((format!("cut behind frame {cut}"), vec![before, after]));
    }
    for (how, batches) in ways {
        let streamed = Streamed::of(adapter, case, &batches)?;
        same("events", Some(&streamed.events), Some(&whole.events)).map_err(|why| format!("{how}: {why}"))?;
        agrees(&streamed.observed, &case.expect).map_err(|why| format!("{how}: {why}"))?;
    }
    Ok(())
}

/// What a stream came to.
struct Streamed {
    /// As they are printed, to compare.
    events: Vec<String>,
    observed: Observed,
}

impl Streamed {
    fn of(adapter: &Adapter, case: &Case, batches: &[&[Frame]]) -> Result<Streamed, String> {
        let codec = case.codec()?;
        let dialect = adapter.description().known().unwrap_or(Dialect::OpenAiChat);
        let mut assembler = Assembler::new(dialect, MOST_TEXT);
        let (mut state, mut events, mut losses) = (PluginState::default(), Vec::new(), Losses::default());
        let mut push = |frames: &[Frame], last: bool| {
            let frames: Vec<_> = frames.iter().map(Frame::seen).collect();
            let ran = adapter.stream(
                &mut state,
                &frames,
                last,
                |said: penstock_llm::model::Events<'_>, lost| {
                    said.iter().for_each(|event: &Event<'_>| {
                        assembler.push(event);
                        events.push(format!("{event:?}"));
                    });
                    losses.append(lost);
                },
            );
            ran.result.map_err(fault)
        };
        for batch in batches {
            push(batch, false)?;
        }
        push(&[], true)?;
        let observed = match assembler.finish() {
            Assembled::Whole(answer) => of_answer(codec, &answer, &losses),
            Assembled::Broken(_, error) => of_error(error),
        };
        Ok(Streamed { events, observed })
    }
}

fn envelope() -> Envelope<'static> {
    Envelope {
        id: "case-1",
        created: CREATED,
        model: "asked-model",
        usage_asked: true,
        input_estimate: None,
        legacy_functions: false,
        repeated: None,
    }
}

fn dropped(losses: &Losses) -> Vec<String> {
    losses.names().iter().map(ToString::to_string).collect()
}

fn fault(fault: penstock_plugin_host::PluginFault) -> String {
    format!("the adapter {fault}")
}

/// The first thing that is not as expected.
fn agrees(observed: &Observed, expect: &Expect) -> Result<(), String> {
    same(
        "verdict",
        Some(&observed.verdict),
        expect.verdict.as_deref().as_ref(),
    )
    .map_err(|why| format!("{why} ({})", observed.message))?;
    same("path", Some(&observed.path), expect.path.as_ref())?;
    for (name, value) in &expect.headers {
        let there = observed.headers.iter().find(|(other, _)| other == name);
        same(name, there.map(|(_, value)| value), Some(value))?;
    }
    same("status", observed.status.as_ref(), expect.status.as_ref())?;
    same(
        "kind",
        observed.kind.map(kind_name).as_ref(),
        expect.kind.as_ref(),
    )?;
    same("code", observed.code.as_ref(), expect.code.as_ref())?;
    same("param", observed.param.as_ref(), expect.param.as_ref())?;
    contains("the message", &observed.message, expect.message.as_deref())?;
    same("dropped", Some(&observed.dropped), expect.dropped.as_ref())?;
    same_body(&observed.body, expect)?;
    let said = [
        String::from_utf8_lossy(&observed.body).as_ref(),
        &observed.message,
    ]
    .concat();
    match expect.never.iter().find(|text| said.contains(*text)) {
        Some(text) => Err(format!("{text:?} came out")),
        None => Ok(()),
    }
}

fn same_body(body: &[u8], expect: &Expect) -> Result<(), String> {
    let text = || String::from_utf8_lossy(body).into_owned();
    match &expect.body {
        None => {}
        Some(Value::String(expected)) => same("body", Some(&text()), Some(expected))?,
        Some(expected) => {
            let got: Value =
                serde_json::from_slice(body).map_err(|_| format!("body: not JSON: {}", text()))?;
            same("body", Some(&got), Some(expected))?;
        }
    }
    for (pointer, expected) in &expect.values {
        let there = json::pointer(body, pointer).map(|span| span.of(body));
        let got: Value = there
            .and_then(|value| serde_json::from_slice(value).ok())
            .unwrap_or(Value::Null);
        same(pointer, Some(&got), Some(expected)).map_err(|why| format!("{why}\nin {}", text()))?;
    }
    Ok(())
}

/// `RateLimit` as `rate-limit`.
fn kind_name(kind: ErrorKind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
