//! Measures an adapter in the real host, with inputs that the codec of its dialect writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use penstock_llm::model::{
    Answer, Asked, Choice, Codec, Content, Delta, Dialect, Envelope, Event, Part, Start, Stop, StopReason,
    Target, Text,
};
use penstock_plugin_host::{Adapter, Plugin, PluginState};

use crate::adapters::cases::Cases;
use crate::adapters::frames::{Frame, cut};
use crate::bench::{Input, Measured, measured, sample_body, started, text};
use crate::drive::Bench;
use crate::error::KitError;
use crate::folder::Folder;

/// Measures the component of a folder, with the settings at the head of `tests/cases.yaml`.
pub(crate) fn bench(folder: &Folder, component: Vec<u8>) -> Result<Vec<Measured>, KitError> {
    let settings = match folder.cases() {
        path if path.is_file() => Cases::read(&path)?.settings(None),
        _ => "{}".to_string(),
    };
    let mut bench = Bench::new(component.into(), folder.capabilities()?, std::iter::empty())?;
    let ways = started(&mut bench, &settings)?;
    let adapter =
        Adapter::of(&ways[0].1).ok_or_else(|| KitError::new("the component is no adapter".to_string()))?;
    measured(&bench, &settings, &ways, &inputs(&adapter))
}

/// A request of any dialect; answers and events of those that the kit can write.
fn inputs(adapter: &Adapter) -> Vec<Input> {
    let mut inputs = vec![Input {
        what: "encode, 2 KB chat",
        run: Box::new(encode),
    }];
    let Some(codec) = adapter.description().known().and_then(Dialect::codec) else {
        eprintln!(
            "answers are not measured: nobody here writes `{}`",
            adapter.description().dialect
        );
        return inputs;
    };
    let answer = codec
        .write_answer(&sample_answer(codec.dialect()), &envelope())
        .bytes;
    inputs.push(Input {
        what: "decode, 2 KB answer",
        run: Box::new(move |plugin| decode(plugin, &answer)),
    });
    let frames = cut(codec.framing(), sample_stream(codec));
    inputs.push(Input {
        what: "decode, one event of a stream",
        run: Box::new(move |plugin| event(plugin, &frames)),
    });
    inputs
}

fn adapter(plugin: &Arc<Plugin>) -> Result<Adapter, String> {
    Adapter::of(plugin).ok_or_else(|| "is no adapter".to_string())
}

fn encode(plugin: &Arc<Plugin>) -> Result<Duration, String> {
    let body = sample_body();
    let codec = Dialect::OpenAiChat.codec().ok_or("chat is not known")?;
    let read = codec.read_request(body.as_bytes(), &Asked::default());
    let read = read.map_err(|error| error.message)?;
    let adapter = adapter(plugin)?;
    let start = Instant::now();
    let ran = adapter.encode(&read.value, &Target::new("m"));
    let time = start.elapsed();
    match ran.result {
        Ok(Ok(_)) => Ok(time),
        Ok(Err(refusal)) => Err(refusal.message),
        Err(fault) => Err(format!("the adapter {fault}")),
    }
}

fn decode(plugin: &Arc<Plugin>, answer: &[u8]) -> Result<Duration, String> {
    let adapter = adapter(plugin)?;
    let start = Instant::now();
    let ran = adapter.answer(200, answer, |read| read.is_ok());
    let time = start.elapsed();
    match ran.result {
        Ok(true) => Ok(time),
        Ok(false) => Err("it read an error".to_string()),
        Err(fault) => Err(format!("the adapter {fault}")),
    }
}

/// The last frame of a stream that is under way.
fn event(plugin: &Arc<Plugin>, frames: &[Frame]) -> Result<Duration, String> {
    let adapter = adapter(plugin)?;
    let seen: Vec<_> = frames.iter().map(Frame::seen).collect();
    let (last, before) = seen.split_last().ok_or("the stream has no frames")?;
    let mut state = PluginState::default();
    let failed = |fault| format!("the adapter {fault}");
    adapter
        .stream(&mut state, before, false, |_, _| ())
        .result
        .map_err(failed)?;
    let start = Instant::now();
    let ran = adapter.stream(&mut state, &[*last], false, |events, _| events.len());
    let time = start.elapsed();
    ran.result.map(|_| time).map_err(failed)
}

fn sample_answer(dialect: Dialect) -> Answer<'static> {
    let mut choice = Choice::new(0);
    choice.parts.push(Part::new(Content::Text {
        text: Text::plain(text(1850)),
        citations: Vec::new(),
    }));
    choice.stop = Some(Stop::new(StopReason::End));
    let mut answer = Answer::new(dialect);
    answer.choices.push(choice);
    answer
}

/// A stream that has begun, with a delta of 54 bytes at its end.
fn sample_stream(codec: &dyn Codec) -> Vec<u8> {
    let mut writer = codec.stream_writer(&envelope());
    let piece = || Event::Delta {
        choice: 0,
        part: 0,
        delta: Delta::Text(Text::plain(
            "The quick brown fox jumps over the lazy dog, and then ",
        )),
    };
    let begun = Event::PartStart {
        choice: 0,
        part: 0,
        content: Box::new(Part::new(Content::Text {
            text: Text::plain(""),
            citations: Vec::new(),
        })),
    };
    let mut bytes = Vec::new();
    for event in [Event::Start(Box::new(Start::default())), begun, piece(), piece()] {
        writer.write(&event, &mut bytes);
    }
    bytes
}

fn envelope() -> Envelope<'static> {
    Envelope {
        id: "case-1",
        created: 1_767_225_600,
        model: "m",
        usage_asked: true,
        input_estimate: None,
        legacy_functions: false,
        repeated: None,
    }
}
