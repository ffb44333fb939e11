//! An answer of the model as a response.

use crate::model::{Answer, Choice, Content, Envelope, Extra, Text, Written};
use crate::write::object;

use super::output::Output;
use super::shell::{Shell, State, is_own};
use super::{NO_SUCH, stop};

pub(super) fn write(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Written {
    let mut written = Written::default();
    if answer.choices.len() > 1 {
        written.losses.dropped("choices[1]", "a response is one answer");
    }
    let none = Choice::new(0);
    let choice = answer.choices.first().unwrap_or(&none);
    let own = is_own(answer.dialect);
    let mut output = Output::new(envelope.id, false, own);
    for (part, content) in (0u32..).zip(&choice.parts) {
        output.part_start(part, content, &mut Vec::new());
        output.part_stop(part, &mut Vec::new());
    }
    output.close(&mut Vec::new());
    let losses = &mut written.losses;
    losses.append(std::mem::take(&mut output.losses));
    if choice.logprobs.is_some() {
        losses.dropped("logprobs", "its form differs from dialect to dialect");
    }
    for extra in answer.extras.iter().chain(&choice.extras).filter(|_| !own) {
        losses.dropped(extra.name.get().into_owned(), NO_SUCH);
    }
    // an answer that is yet to come says so itself
    let pending = crate::model::extra(&answer.extras, "status").and_then(|status| status.as_text());
    let pending = pending.filter(|_| own).map(|status| status.get().into_owned());
    let status = stop::status(&choice.stop_or_end(), losses);
    let extras: Vec<Extra<'_>> = answer
        .extras
        .iter()
        .filter(|extra| own && !extra.name.is("status"))
        .cloned()
        .collect();
    object(&mut written.bytes, |body| {
        let state = State {
            status: pending.as_deref().unwrap_or(status.word),
            reason: status.reason,
            error: None,
            output: &output.joined(),
            usage: answer.usage.as_ref(),
        };
        shell(answer, envelope).write(&state, &extras, body);
    });
    written
}

fn shell(answer: &Answer<'_>, envelope: &Envelope<'_>) -> Shell {
    let mut shell = Shell::new(envelope);
    if let Some(id) = &answer.id {
        shell.id = id.clone().into_owned();
    }
    if let Some(model) = &answer.model {
        shell.model = model.clone().into_owned();
    }
    shell.created = answer.created.unwrap_or(shell.created);
    shell.service_tier = answer.service_tier.clone().map(Text::into_owned);
    shell
}

/// Whether there is a call among the parts.
pub(super) fn any_calls(choice: &Choice<'_>) -> bool {
    choice
        .parts
        .iter()
        .any(|part| matches!(part.content, Content::ToolCall(_)))
}
