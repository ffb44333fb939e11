//! The response plugins of one call, in the chain's order: over a stream as it comes, or over a whole answer. No answer
//! passes a guard by: one that has only the other hook is driven through it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use penstock_llm::openai::{Answer, Kind, Role};
use penstock_plugin_host::{
    AnswerBody, AnswerView, Call, Delta, Edit, Hook, Piece, Plugin, PluginState, ResponseVerdict,
};

use crate::chain::{self, after_failure, micros, off_worker, off_worker_waiting};
use crate::exchange::{Exchange, Verdict};
use crate::fault::{Fault, Result};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::event::Event;
use crate::relay::stage::Stage;

/// A stream's way through the plugins.
#[derive(Debug)]
pub struct StreamGuard {
    stages: Vec<Stage>,
    waits: bool,
}

impl StreamGuard {
    pub fn new(chain: &[Arc<Plugin>]) -> Self {
        let stages: Vec<_> = chain.iter().filter_map(Stage::new).collect();
        Self {
            waits: stages.iter().any(Stage::waits),
            stages,
        }
    }

    /// What may go out of events that came together.
    pub fn push(&mut self, call: &mut Call, mut events: Vec<Event>) -> Result<Vec<Event>> {
        for stage in &mut self.stages {
            if events.is_empty() {
                break;
            }
            events = stage.push(call, events)?;
        }
        Ok(events)
    }

    /// What was still held when the stream ended.
    pub fn finish(&mut self, call: &mut Call) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for stage in &mut self.stages {
            events = if events.is_empty() {
                events
            } else {
                stage.push(call, events)?
            };
            events.extend(stage.finish(call)?);
        }
        Ok(events)
    }

    /// Whether some plugin may wait: then only the `*_waiting` functions let anything out.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// As [`push`](Self::push). Dropped half-way, the stream is over.
    pub async fn push_waiting(&mut self, call: &mut Call, mut events: Vec<Event>) -> Result<Vec<Event>> {
        for stage in &mut self.stages {
            if events.is_empty() {
                break;
            }
            events = stage.push_waiting(call, events).await?;
        }
        Ok(events)
    }

    /// As [`finish`](Self::finish).
    pub async fn finish_waiting(&mut self, call: &mut Call) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for stage in &mut self.stages {
            if !events.is_empty() {
                events = stage.push_waiting(call, events).await?;
            }
            events.extend(stage.finish_waiting(call).await?);
        }
        Ok(events)
    }

    /// Writes down what each plugin did.
    pub fn report(&self, exchange: &mut Exchange) {
        for stage in &self.stages {
            let (plugin, hook, ran) = stage.report();
            exchange.note_runs(plugin, hook, ran.verdict, ran.calls, ran.took);
        }
    }
}

/// Refuses a streamed call that some plugin could only have guarded unstreamed.
pub fn check_streamable(chain: &[Arc<Plugin>]) -> Result<()> {
    let cannot = |plugin: &&Arc<Plugin>| {
        let interests = plugin.interests();
        interests.wants(Hook::OnResponse) && !interests.wants(Hook::OnEvent) && !interests.buffer
    };
    let Some(plugin) = chain.iter().find(cannot) else {
        return Ok(());
    };
    let message = format!(
        "plugin `{}` checks whole answers only; send `stream: false`",
        plugin.name()
    );
    Err(Fault::caller(400, "stream_not_guardable", message).with_param("stream"))
}

/// Shows a whole answer to every plugin that wants it; the answer as they left it.
pub async fn whole(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    answer: Answer,
) -> std::result::Result<Result<Answer>, Stop> {
    let shown = guarded(down, exchange, AnswerView::json(answer)).await?;
    Ok(shown.and_then(|view| match view.body {
        AnswerBody::Json(answer) => Ok(answer),
        AnswerBody::Assembled(_) => Err(changed_form()),
    }))
}

/// The same for a body in a dialect that is not read: all of it is one text.
pub async fn text(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    text: String,
) -> std::result::Result<Result<String>, Stop> {
    let piece = Piece {
        choice: 0,
        role: Role::Assistant,
        kind: Kind::Text,
        text,
    };
    let shown = guarded(down, exchange, AnswerView::assembled(vec![piece])).await?;
    Ok(shown.and_then(|view| match view.body {
        AnswerBody::Assembled(pieces) => pieces
            .into_iter()
            .next()
            .map(|piece| piece.text)
            .ok_or_else(changed_form),
        AnswerBody::Json(_) => Err(changed_form()),
    }))
}

fn changed_form() -> Box<Fault> {
    Fault::ours(500, "internal", "an answer came back in another form")
}

/// The answer as the plugins leave it. While one of them waits, the caller is watched.
async fn guarded(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    view: AnswerView,
) -> std::result::Result<Result<AnswerView>, Stop> {
    if chain::waits(&exchange.snapshot.chain, &[Hook::OnResponse, Hook::OnEvent]) {
        // Boxed: what is rare must not make every answer's state larger.
        return down.wait(Box::pin(shown_to_all(exchange, view)).as_mut()).await;
    }
    Ok(shown_to_all(exchange, view).await)
}

async fn shown_to_all(exchange: &mut Exchange, mut view: AnswerView) -> Result<AnswerView> {
    let snapshot = exchange.snapshot.clone();
    for plugin in &snapshot.chain {
        let Some(call) = &mut exchange.admitted.call else {
            break;
        };
        let interests = plugin.interests();
        let (hook, shown) = if interests.wants(Hook::OnResponse) {
            (Hook::OnResponse, show_whole(plugin, call, &mut view).await)
        } else if interests.wants(Hook::OnEvent) {
            (Hook::OnEvent, show_texts(plugin, call, &mut view).await)
        } else {
            continue;
        };
        exchange.note_runs(plugin, hook, shown.verdict, 1, shown.took);
        shown.result?;
    }
    Ok(view)
}

/// What one plugin made of a whole answer.
struct Shown {
    verdict: Verdict,
    took: Duration,
    result: Result<()>,
}

async fn show_whole(plugin: &Arc<Plugin>, call: &mut Call, view: &mut AnswerView) -> Shown {
    let length = match &view.body {
        AnswerBody::Json(answer) => answer.bytes().len(),
        AnswerBody::Assembled(_) => 0,
    };
    let ran = if plugin.waits() {
        Box::pin(off_worker_waiting(length, plugin.on_response_waiting(call, view))).await
    } else {
        off_worker(length, || plugin.on_response(call, view))
    };
    let (verdict, result) = match ran.result {
        Ok(ResponseVerdict::Proceed) if ran.edited => (Verdict::Edit, Ok(())),
        Ok(ResponseVerdict::Proceed) => (Verdict::Proceed, Ok(())),
        Ok(ResponseVerdict::Refuse(refusal)) => {
            (Verdict::Refuse, Err(Fault::refused(plugin.name(), refusal)))
        }
        Err(fault) => after_failure(plugin, &fault),
    };
    Shown {
        verdict,
        took: micros(ran.micros),
        result,
    }
}

/// Drives a plugin that knows only streams over the texts of a whole answer, each as one channel that is over.
async fn show_texts(plugin: &Arc<Plugin>, call: &mut Call, view: &mut AnswerView) -> Shown {
    let mut shown = Shown {
        verdict: Verdict::Proceed,
        took: Duration::ZERO,
        result: Ok(()),
    };
    let mut state = PluginState::default();
    for (index, choice, kind) in texts(view) {
        let text = text_of(view, index);
        if text.is_empty() || !plugin.interests().wants_kind(kind) {
            continue;
        }
        let channel = u32::try_from(index).unwrap_or(u32::MAX);
        let delta = Delta {
            channel,
            choice,
            kind,
            window: &text,
            fresh: 0,
            last: true,
        };
        let ran = if plugin.waits() {
            let asked = plugin.on_event_waiting(call, delta, &mut state);
            Box::pin(off_worker_waiting(text.len(), asked)).await
        } else {
            off_worker(text.len(), || plugin.on_event(call, delta, &mut state))
        };
        shown.took += micros(ran.micros);
        let (verdict, result) = match ran.result {
            Ok(outcome) => match outcome.end {
                Some(refusal) => (Verdict::Refuse, Err(Fault::refused(plugin.name(), refusal))),
                None if outcome.edits.is_empty() => (Verdict::Proceed, Ok(())),
                None => (
                    Verdict::Edit,
                    put_back(plugin, view, index, edited(&text, &outcome.edits)),
                ),
            },
            Err(fault) => after_failure(plugin, &fault),
        };
        shown.verdict = shown.verdict.max(verdict);
        shown.result = result;
        if shown.result.is_err() {
            break;
        }
    }
    shown
}

/// Place, choice and kind of each text.
fn texts(view: &AnswerView) -> Vec<(usize, u32, Kind)> {
    match &view.body {
        AnswerBody::Json(answer) => answer
            .segments()
            .iter()
            .enumerate()
            .map(|(index, text)| (index, text.choice, text.kind))
            .collect(),
        AnswerBody::Assembled(pieces) => pieces
            .iter()
            .enumerate()
            .map(|(index, piece)| (index, piece.choice, piece.kind))
            .collect(),
    }
}

fn text_of(view: &AnswerView, index: usize) -> String {
    match &view.body {
        AnswerBody::Json(answer) => answer.text(index).map(Cow::into_owned),
        AnswerBody::Assembled(pieces) => pieces.get(index).map(|piece| piece.text.clone()),
    }
    .unwrap_or_default()
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(&text[at..edit.start as usize]);
        out.push_str(&edit.text);
        at = edit.end as usize;
    }
    out.push_str(&text[at..]);
    out
}

fn put_back(plugin: &Plugin, view: &mut AnswerView, index: usize, text: String) -> Result<()> {
    let misfit = || Fault::plugin_failed(plugin.name(), &"its edit does not fit into the answer");
    match &mut view.body {
        AnswerBody::Json(answer) => answer.replace_text(index, &text).map_err(|_| misfit()),
        AnswerBody::Assembled(pieces) => {
            pieces.get_mut(index).ok_or_else(misfit)?.text = text;
            Ok(())
        }
    }
}
