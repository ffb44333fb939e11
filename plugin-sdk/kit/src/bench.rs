//! Measures a plugin in the real host: time and memory of each hook that it wants, with ordinary inputs, with reused and with
//! fresh instances.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use penstock_llm::openai::{Answer, Operation};
use penstock_plugin_host::{
    AnswerView, Call, Candidate, Delta, Hook, Interests, Kind, Limits, Plugin, PluginState, Ran, Summary,
};

use crate::adapters;
use crate::build::build;
use crate::cases::{CallShape, Cases};
use crate::drive::{Bench, call_with};
use crate::error::KitError;
use crate::folder::Folder;
use crate::services::ready;
use crate::ways::Way;

/// Enough for a median that repeats, and for caches and pools to be warm.
const TIME_PER_INPUT: Duration = Duration::from_millis(300);
const MOST_RUNS: usize = 100_000;

/// A wasm page.
const PAGE_BYTES: usize = 65_536;

/// One hook with one input.
#[derive(Debug)]
pub struct Measured {
    /// The hook and the input.
    pub what: &'static str,
    /// How its instances live, in the word of a configuration.
    pub instances: &'static str,
    /// How often it ran.
    pub runs: usize,
    /// Time in the host's view: with the way into the sandbox and back.
    pub median: Duration,
    /// The fastest.
    pub min: Duration,
    /// The slowest, usually another process's fault.
    pub max: Duration,
    /// The least linear memory with which it runs. Not looked for with fresh instances: they need the same, and each guess
    /// would compile a snapshot.
    pub memory_bytes: Option<usize>,
}

/// Builds the folder and measures it, with the settings at the head of `tests/cases.yaml`.
pub fn bench(folder: &Path) -> Result<Vec<Measured>, KitError> {
    let built = build(folder, None)?;
    let folder = Folder::open(folder)?;
    let component =
        std::fs::read(&built.path).map_err(|error| KitError::file("cannot read", &built.path, &error))?;
    if folder.is_adapter()? {
        return adapters::bench(&folder, component);
    }
    let cases = match folder.cases() {
        path if path.is_file() => Cases::read(&path)?,
        _ => Cases::none(),
    };
    let settings = cases.common_settings();
    let mut bench = Bench::new(component.into(), folder.capabilities()?, cases.all_services())?;
    bench.play(&cases.http);
    let ways = started(&mut bench, &settings)?;
    let inputs = inputs(&ways[0].1.interests());
    measured(&bench, &settings, &ways, &inputs)
}

/// The lines that `penstock plugin bench` prints.
pub fn table(rows: &[Measured]) -> String {
    let mut out = format!(
        "{:<30} {:<9} {:>10} {:>10} {:>10} {:>10}\n",
        "", "instances", "median_us", "min_us", "max_us", "memory_kib"
    );
    for row in rows {
        let [median, min, max] = [row.median, row.min, row.max].map(|time| time.as_nanos() as f64 / 1000.0);
        let memory = row
            .memory_bytes
            .map_or(String::new(), |bytes| (bytes / 1024).to_string());
        // writing to a String does not fail
        let _ = writeln!(
            out,
            "{:<30} {:<9} {median:>10.2} {min:>10.2} {max:>10.2} {memory:>10}",
            row.what, row.instances
        );
    }
    out
}

type Run = Box<dyn Fn(&Arc<Plugin>) -> Result<Duration, String>>;

/// The plugin with other limits.
pub(crate) type Start<'b> = dyn Fn(Limits) -> Result<Arc<Plugin>, String> + 'b;

/// What is measured: one call, and how long it took.
pub(crate) struct Input {
    pub what: &'static str,
    pub run: Run,
}

fn inputs(interests: &Interests) -> Vec<Input> {
    let mut inputs = Vec::new();
    if interests.wants(Hook::OnRequest) {
        inputs.push(Input {
            what: "on-request, 2 KB chat",
            run: Box::new(|plugin| on_request(plugin)),
        });
    }
    if interests.wants(Hook::OnRoute) {
        inputs.push(Input {
            what: "on-route, 3 candidates",
            run: Box::new(|plugin| on_route(plugin)),
        });
    }
    if interests.wants(Hook::OnResponse) {
        inputs.push(Input {
            what: "on-response, 2 KB answer",
            run: Box::new(|plugin| on_response(plugin)),
        });
    }
    if interests.wants_kind(Kind::Text) {
        inputs.push(Input {
            what: "on-event, 10 bytes",
            run: Box::new(|plugin| on_event(plugin, 10)),
        });
        inputs.push(Input {
            what: "on-event, 200 bytes",
            run: Box::new(|plugin| on_event(plugin, 200)),
        });
    }
    if interests.wants(Hook::OnComplete) {
        inputs.push(Input {
            what: "on-complete",
            run: Box::new(|plugin| on_complete(plugin)),
        });
    }
    inputs
}

/// The plugin in each way of keeping instances.
pub(crate) type Ways = [(Way, Arc<Plugin>); 2];

/// Starts the plugin with the settings to measure with.
///
/// # Errors
/// It does not start with them, and where they are written.
pub(crate) fn started(bench: &mut Bench, settings: &str) -> Result<Ways, KitError> {
    let mut plugin = |way| {
        bench.plugin(settings, way).map_err(|why| {
            KitError::new(format!(
                "{why}\nput settings to measure with at the head of tests/cases.yaml: `settings: {{...}}`"
            ))
        })
    };
    let ways = [
        (Way::Reused, plugin(Way::Reused)?),
        (Way::Fresh, plugin(Way::Fresh)?),
    ];
    if let Some(Err(why)) = ways[1].1.snapshot() {
        eprintln!("fresh instances are configured one by one: {why}");
    }
    Ok(ways)
}

/// Every input in both ways, one below the other.
pub(crate) fn measured(
    bench: &Bench,
    settings: &str,
    ways: &Ways,
    inputs: &[Input],
) -> Result<Vec<Measured>, KitError> {
    let load: &Start = &|limits| bench.load("case", settings, Way::Reused, limits);
    let both = inputs
        .iter()
        .flat_map(|input| ways.iter().map(move |way| (input, way)));
    both.map(|(input, (way, plugin))| measured_in(*way, load, plugin, input))
        .collect()
}

fn measured_in(
    way: Way,
    load: &Start<'_>,
    plugin: &Arc<Plugin>,
    input: &Input,
) -> Result<Measured, KitError> {
    eprintln!("measuring {}, {} instances ...", input.what, way.word());
    let failed = |why: String| KitError::new(format!("{}: {why}", input.what));
    let mut times = Vec::new();
    let end = Instant::now() + TIME_PER_INPUT;
    while times.len() < MOST_RUNS && (Instant::now() < end || times.is_empty()) {
        times.push((input.run)(plugin).map_err(failed)?);
    }
    times.sort_unstable();
    let memory_bytes = match way {
        Way::Reused => Some(least_memory(load, &input.run).map_err(failed)?),
        Way::Fresh => None,
    };
    Ok(Measured {
        what: input.what,
        instances: way.word(),
        runs: times.len(),
        median: times[times.len() / 2],
        min: times[0],
        max: times[times.len() - 1],
        memory_bytes,
    })
}

/// The least limit under which the plugin starts and the hook runs, found by halving.
fn least_memory(load: &Start<'_>, run: &Run) -> Result<usize, String> {
    let runs = |pages: usize| {
        let limits = Limits {
            memory_bytes: pages * PAGE_BYTES,
            ..Limits::default()
        };
        load(limits).is_ok_and(|plugin| run(&plugin).is_ok())
    };
    let (mut too_few, mut enough) = (0, Limits::default().memory_bytes / PAGE_BYTES);
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if runs(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Ok(enough * PAGE_BYTES)
}

/// So many bytes of ordinary prose and code.
pub(crate) fn text(bytes: usize) -> String {
    const TEXT: &str = "The pump in hall 3 was serviced on Tuesday; its seal is fine. `let flow = sensor.read()?;` gives \
                        1.25 l/s, which is what the data sheet says. Ask the team if the valve should stay open! ";
    TEXT.chars().cycle().take(bytes).collect()
}

fn sample_call() -> Result<Call, String> {
    call_with(&CallShape::default(), Bytes::from(sample_body()))
}

/// A chat of about 2 KB.
pub(crate) fn sample_body() -> String {
    let message = |role: &str, content: String| serde_json::json!({"role": role, "content": content});
    let messages = [
        message("system", text(300)),
        message("user", text(1200)),
        message("user", text(350)),
    ];
    serde_json::json!({"model": "gpt-4o-mini", "messages": messages, "temperature": 0.2}).to_string()
}

fn on_request(plugin: &Plugin) -> Result<Duration, String> {
    let mut call = sample_call()?;
    timed(|| ready(plugin.on_request_waiting(&mut call)))
}

fn on_route(plugin: &Plugin) -> Result<Duration, String> {
    let candidate = |number: u32| Candidate {
        provider: format!("provider-{number}").into(),
        model: "gpt-4o-mini".into(),
        weight: number + 1,
        input_price: Some(150_000_000 * u64::from(number + 1)),
        output_price: Some(600_000_000),
        in_flight: number,
        first_byte_us: Some(200_000 + number),
        failures: 0,
    };
    let candidates: Vec<Candidate> = (0..3).map(candidate).collect();
    let mut call = sample_call()?;
    timed(|| ready(plugin.on_route_waiting(&mut call, &candidates)))
}

fn on_response(plugin: &Plugin) -> Result<Duration, String> {
    let body = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text(1850)}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 400, "total_tokens": 420},
    });
    let answer =
        Answer::read(Operation::Chat, Bytes::from(body.to_string())).map_err(|error| error.message)?;
    let mut view = AnswerView::json(answer);
    let mut call = sample_call()?;
    timed(|| ready(plugin.on_response_waiting(&mut call, &mut view)))
}

fn on_event(plugin: &Plugin, bytes: usize) -> Result<Duration, String> {
    let window = text(bytes);
    let delta = Delta {
        channel: 0,
        choice: 0,
        kind: Kind::Text,
        window: &window,
        fresh: 0,
        last: false,
    };
    let mut call = sample_call()?;
    let mut state = PluginState::default();
    timed(|| ready(plugin.on_event_waiting(&mut call, delta, &mut state)))
}

fn on_complete(plugin: &Plugin) -> Result<Duration, String> {
    let summary = Summary {
        status: 200,
        ending: "complete",
        attempts: 1,
        ..Summary::default()
    };
    let mut call = sample_call()?;
    timed(|| ready(plugin.on_complete_waiting(&mut call, &summary)))
}

fn timed<T>(run: impl FnOnce() -> Ran<T>) -> Result<Duration, String> {
    let start = Instant::now();
    let ran = run();
    let time = start.elapsed();
    ran.result
        .map(|_| time)
        .map_err(|fault| format!("the plugin {fault}"))
}
