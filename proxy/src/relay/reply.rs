//! An answer that a plugin gave in a provider's place, in the caller's dialect. Response plugins see it like any other.

use bytes::Bytes;
use penstock_llm::model::{
    self, Answer as ModelAnswer, Choice, Codec, Dialect, Part, Stop as ModelStop, StopReason, Text,
};
use penstock_llm::openai::write::{self, Envelope};
use penstock_llm::openai::{Answer, Operation};

use crate::exchange::{Ending, Exchange, Terms};
use crate::fault::{Fault, Result};
use crate::relay::downstream::{Downstream, Stop};
use crate::relay::{guard, whole};
use crate::state::answer::Head;
use crate::state::unkept;

/// Writes the reply, streamed or not, as the caller asked for it.
pub async fn relay(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    terms: Terms,
    text: &str,
) -> std::result::Result<(), Stop> {
    let operation = terms.operation.unwrap_or(Operation::Chat);
    let text = match guarded(down, exchange, operation, text).await? {
        Ok(text) => text,
        Err(fault) => return whole::refuse(down, exchange, &fault).await,
    };
    let model = exchange.admitted.model.clone().unwrap_or_default();
    let id = exchange.accepted.id.clone();
    let created = exchange.accepted.at_ms / 1000;
    let envelope = Envelope {
        operation,
        id: &id,
        created,
        model: &model,
    };
    let streamed = exchange.admitted.streamed;
    let body: Bytes = match (terms.dialect.codec(), streamed) {
        (Some(codec), _) if terms.dialect != Dialect::OpenAiChat => {
            in_dialect(codec, &envelope, &text, streamed)
        }
        (_, true) => write::answer_events(&envelope, &text, false),
        (_, false) => write::answer_body(&envelope, &text).into(),
    };
    let head = match streamed {
        true => Head::event_stream(terms.dialect),
        false => Head::new(200, "application/json", Some(body.len() as u64)),
    };
    exchange.relayed.ending = Ending::Complete;
    down.head(&head).await?;
    down.end(body).await
}

/// The reply by way of the model, for dialects other than OpenAI's first.
fn in_dialect(codec: &dyn Codec, envelope: &Envelope<'_>, text: &str, streamed: bool) -> Bytes {
    let mut choice = Choice::new(0);
    choice.parts.push(Part::text(text));
    choice.stop = Some(ModelStop::new(StopReason::End));
    let mut answer = ModelAnswer::new(codec.dialect());
    answer.choices.push(choice);
    if codec.dialect() == Dialect::OpenAiResponses {
        answer.id = Some(Text::plain(unkept::marked(envelope.id)));
    }
    let envelope = model::Envelope {
        id: envelope.id,
        created: envelope.created,
        model: envelope.model,
        usage_asked: false,
        legacy_functions: false,
        repeated: None,
        input_estimate: None,
    };
    if !streamed {
        return codec.write_answer(&answer, &envelope).bytes.into();
    }
    let (mut writer, mut out) = (codec.stream_writer(&envelope), Vec::new());
    model::replay(&answer, |event| writer.write(&event, &mut out));
    out.into()
}

/// The reply as the response plugins leave it.
async fn guarded(
    down: &mut Downstream<'_>,
    exchange: &mut Exchange,
    operation: Operation,
    text: &str,
) -> std::result::Result<Result<String>, Stop> {
    if !operation.generates() {
        let message = "a plugin answered a call that has no text for an answer";
        return Ok(Err(Fault::ours(500, "plugin_answer", message)));
    }
    let envelope = Envelope {
        operation,
        id: "",
        created: 0,
        model: "",
    };
    let answer = match Answer::read(operation, write::answer_body(&envelope, text).into()) {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error.into())),
    };
    let guarded = guard::whole(down, exchange, answer).await?;
    let text = |answer: Answer| {
        let text = answer.text(0).map(std::borrow::Cow::into_owned);
        text.unwrap_or_default()
    };
    Ok(guarded.map(text))
}
