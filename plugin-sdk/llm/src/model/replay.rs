//! A whole answer as the events that it would have been streamed: for callers that want a stream of a provider that has
//! none, and for answers kept from before.

use super::{Answer, Delta, Event, Start};

/// Every event of the answer, each part whole at its start.
pub fn replay<'a>(answer: &Answer<'a>, mut each: impl FnMut(Event<'a>)) {
    each(Event::Start(Box::new(Start {
        id: answer.id.clone(),
        model: answer.model.clone(),
        created: answer.created,
        service_tier: answer.service_tier.clone(),
        usage: answer.usage,
        extras: answer.extras.clone(),
    })));
    for choice in &answer.choices {
        let index = choice.index;
        for (part, content) in (0u32..).zip(&choice.parts) {
            each(Event::PartStart {
                choice: index,
                part,
                content: Box::new(content.clone()),
            });
            if part == 0
                && let Some(logprobs) = &choice.logprobs
            {
                let delta = Delta::Logprobs(logprobs.clone());
                each(Event::Delta {
                    choice: index,
                    part,
                    delta,
                });
            }
            each(Event::PartStop { choice: index, part });
        }
        if !choice.extras.is_empty() {
            each(Event::Extra {
                choice: Some(index),
                extras: choice.extras.clone(),
            });
        }
        each(Event::Stop {
            choice: index,
            stop: Box::new(choice.stop_or_end()),
        });
    }
    if let Some(usage) = answer.usage {
        each(Event::Usage(Box::new(usage)));
    }
    each(Event::Done);
}
