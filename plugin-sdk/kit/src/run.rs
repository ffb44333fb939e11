//! Runs a plugin's cases in the real host, with reused and with fresh instances, and judges what comes out. Streams are run whole, cut in two at every place, and
//! by single characters: all have to give one text, and no cut may let out what the text does not begin with.

use std::fmt;
use std::path::Path;

use penstock_plugin_host::{Hook, Plugin};
use serde_json::Value;

use crate::adapters;
use crate::build::build;
use crate::cases::{Case, Cases, Expect, Input, body};
use crate::drive::{
    Arrival, Bench, Channel, Observed, answer, assembled, call, complete, is_fault, request, route, stream,
};
use crate::error::KitError;
use crate::folder::Folder;
use crate::ways::{Way, in_both};

/// Streams longer than this are not cut at every place but at so many, evenly spread.
const MOST_CUTS: usize = 400;

/// What a plugin's cases came to. Prints a line for each.
#[derive(Debug)]
pub struct Report {
    /// In the file's order.
    pub results: Vec<CaseResult>,
}

/// One case.
#[derive(Debug)]
pub struct CaseResult {
    /// As in the file.
    pub name: String,
    /// What was not as expected.
    pub failure: Option<String>,
}

impl Report {
    /// How many cases were as expected.
    pub fn passed(&self) -> usize {
        self.results
            .iter()
            .filter(|result| result.failure.is_none())
            .count()
    }

    /// How many were not.
    pub fn failed(&self) -> usize {
        self.results.len() - self.passed()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.results {
            match &result.failure {
                None => writeln!(f, "ok    {}", result.name)?,
                Some(why) => writeln!(
                    f,
                    "FAIL  {}\n      {}",
                    result.name,
                    why.replace('\n', "\n      ")
                )?,
            }
        }
        Ok(())
    }
}

/// Builds the folder and runs `tests/cases.yaml`.
pub fn test(folder: &Path) -> Result<Report, KitError> {
    let built = build(folder, None)?;
    let folder = Folder::open(folder)?;
    let component =
        std::fs::read(&built.path).map_err(|error| KitError::file("cannot read", &built.path, &error))?;
    if folder.is_adapter()? {
        return adapters::test(&folder, component);
    }
    let cases = Cases::read(&folder.cases())?;
    let mut bench = Bench::new(component.into(), folder.capabilities()?, cases.all_services())?;
    let results = cases.cases.iter().map(|case| CaseResult {
        name: case.name.clone(),
        failure: in_both(|way| judged(&mut bench, &cases, case, way)).err(),
    });
    Ok(Report {
        results: results.collect(),
    })
}

fn judged(bench: &mut Bench, cases: &Cases, case: &Case, way: Way) -> Result<(), String> {
    let invalid = case.expect.verdict.as_deref() == Some("invalid");
    let plugin = match bench.plugin(&cases.settings(case), way) {
        Ok(_) if invalid => return Err("the settings were taken, but should be refused".to_string()),
        Ok(plugin) => plugin,
        Err(error) if invalid => return contains("the error", &error, case.expect.message.as_deref()),
        Err(error) => return Err(error),
    };
    bench.play(cases.services(case));
    for step in &case.before {
        for _ in 0..step.times {
            observed(&plugin, step.input()).map_err(|why| format!("before: {why}"))?;
        }
    }
    if let Some(channels) = &case.stream {
        let channel = |shape: &crate::cases::ChannelShape| {
            Ok(Channel {
                choice: shape.choice,
                kind: shape.kind()?,
                text: shape.text.clone(),
            })
        };
        let channels: Vec<Channel> = channels.iter().map(channel).collect::<Result<_, String>>()?;
        return every_cut(&plugin, &mut call(case.input())?, &channels, &case.expect);
    }
    match observed(&plugin, case.input()) {
        Err(fault) if case.expect.verdict.as_deref() == Some("fault") && is_fault(&fault) => {
            contains("the fault", &fault, case.expect.message.as_deref())
        }
        observed => agrees(&observed?, &case.expect),
    }
}

/// Calls the hook that the input is for.
fn observed(plugin: &Plugin, input: Input<'_>) -> Result<Observed, String> {
    let mut call = call(input)?;
    if let Some(candidates) = input.candidates {
        route(plugin, &mut call, candidates)
    } else if let Some(value) = input.answer {
        answer(plugin, &mut call, input.call, body(value))
    } else if let Some(shape) = input.summary {
        complete(plugin, &mut call, &shape.summary())
    } else {
        request(plugin, &mut call)
    }
}

/// One case's stream in every way that it can arrive, and as a whole answer.
fn every_cut(
    plugin: &Plugin,
    call: &mut penstock_plugin_host::Call,
    channels: &[Channel],
    expect: &Expect,
) -> Result<(), String> {
    let expected = expected_texts(expect);
    let mut run = |arrivals: &[Arrival<'_>], how: &dyn fmt::Display| {
        let mut early = |at: usize, sent: &str| match expected.get(at) {
            Some(whole) if !whole.starts_with(sent) => Err(format!("let out {sent:?}, expected {whole:?}")),
            _ => Ok(()),
        };
        let observed = stream(plugin, call, channels, arrivals, &mut early);
        observed
            .and_then(|observed| agrees(&observed, expect))
            .map_err(|why| format!("{how}: {why}"))
    };
    if !plugin.interests().buffer {
        run(&interleaved(channels, |text| vec![text]), &"whole")?;
        run(&interleaved(channels, by_character), &"by single characters")?;
        let longest = channels
            .iter()
            .map(|channel| channel.text.len())
            .max()
            .unwrap_or(0);
        for cut in (1..longest).step_by(longest.div_ceil(MOST_CUTS).max(1)) {
            run(
                &interleaved(channels, |text| in_two(text, cut)),
                &format_args!("cut at byte {cut}"),
            )?;
        }
    }
    if plugin.interests().wants(Hook::OnResponse) {
        let observed =
            assembled(plugin, call, channels).map(|observed| as_stream(plugin, channels, observed))?;
        agrees(&observed, expect).map_err(|why| format!("as a whole answer: {why}"))?;
    }
    Ok(())
}

/// A whole answer is refused where a stream ends, and looked at where a stream would not be.
fn as_stream(plugin: &Plugin, channels: &[Channel], observed: Observed) -> Observed {
    let interests = plugin.interests();
    let wanted = interests.buffer || channels.iter().any(|channel| interests.wants_kind(channel.kind));
    let verdict = match observed.verdict {
        "refuse" => "end",
        "proceed" if !wanted => "none",
        other => other,
    };
    Observed { verdict, ..observed }
}

/// The channels' pieces in turn, each channel's end after its last piece.
fn interleaved<'a>(channels: &'a [Channel], pieces: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<Arrival<'a>> {
    let pieces: Vec<Vec<&str>> = channels.iter().map(|channel| pieces(&channel.text)).collect();
    let longest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..=longest).flat_map(|turn| (0..pieces.len()).map(move |at| (turn, at)));
    let arrival = |(turn, at): (usize, usize)| match pieces[at].get(turn) {
        Some(piece) => Some((at, Some(*piece))),
        None => (turn == pieces[at].len()).then_some((at, None)),
    };
    turns.filter_map(arrival).collect()
}

fn by_character(text: &str) -> Vec<&str> {
    text.char_indices()
        .map(|(at, character)| &text[at..at + character.len_utf8()])
        .collect()
}

fn in_two(text: &str, cut: usize) -> Vec<&str> {
    let (before, after) = text.split_at(text.floor_char_boundary(cut.min(text.len())));
    vec![before, after]
}

fn expected_texts(expect: &Expect) -> Vec<String> {
    expect
        .texts
        .clone()
        .or_else(|| expect.text.clone().map(|text| vec![text]))
        .unwrap_or_default()
}

/// The first thing that is not as expected.
fn agrees(observed: &Observed, expect: &Expect) -> Result<(), String> {
    same(
        "verdict",
        Some(&observed.verdict),
        expect.verdict.as_deref().as_ref(),
    )?;
    let refusal = observed.refusal.as_ref();
    same("status", refusal.map(|it| &it.status), expect.status.as_ref())?;
    same("code", refusal.map(|it| &it.code), expect.code.as_ref())?;
    contains(
        "the message",
        refusal.map_or("", |it| &it.message),
        expect.message.as_deref(),
    )?;
    same_body(observed, expect)?;
    let texts = expected_texts(expect);
    // what a stream had sent before it was ended depends on how it was cut
    if !texts.is_empty() && observed.verdict != "end" {
        let got = if observed.texts.is_empty() {
            &observed.asked
        } else {
            &observed.texts
        };
        same("text", Some(got), Some(&texts))?;
    }
    same("order", Some(&observed.order), expect.order.as_ref())?;
    same("reasons", Some(&observed.reasons), expect.reasons.as_ref())?;
    never(observed, expect)
}

pub(crate) fn same<T: PartialEq + fmt::Debug>(
    what: &str,
    got: Option<&T>,
    expected: Option<&T>,
) -> Result<(), String> {
    match expected {
        Some(expected) if got != Some(expected) => match got {
            Some(got) => Err(format!("{what}: got {got:?}\n{what}: expected {expected:?}")),
            None => Err(format!("{what}: there is none, expected {expected:?}")),
        },
        _ => Ok(()),
    }
}

pub(crate) fn contains(what: &str, got: &str, expected: Option<&str>) -> Result<(), String> {
    match expected {
        Some(expected) if !got.contains(expected) => {
            Err(format!("{what} is {got:?}, expected {expected:?} in it"))
        }
        _ => Ok(()),
    }
}

fn same_body(observed: &Observed, expect: &Expect) -> Result<(), String> {
    let Some(expected) = &expect.body else {
        return Ok(());
    };
    let Some(got) = &observed.body else {
        return Err("body: there is none".to_string());
    };
    if let Value::String(text) = expected {
        return same(
            "body",
            Some(&String::from_utf8_lossy(got).into_owned()),
            Some(text),
        );
    }
    let got: Value = serde_json::from_slice(got).map_err(|error| format!("body: no longer JSON: {error}"))?;
    same("body", Some(&got), Some(expected))
}

fn never(observed: &Observed, expect: &Expect) -> Result<(), String> {
    let body = observed
        .body
        .as_ref()
        .map(|body| String::from_utf8_lossy(body).into_owned());
    let message = observed.refusal.as_ref().map(|refusal| refusal.message.clone());
    let outputs: Vec<String> = observed
        .texts
        .iter()
        .cloned()
        .chain(body)
        .chain(message)
        .collect();
    match expect
        .never
        .iter()
        .find(|text| outputs.iter().any(|output| output.contains(*text)))
    {
        Some(text) => Err(format!("{text:?} came out")),
        None => Ok(()),
    }
}
