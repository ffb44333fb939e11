//! What ties a call to one account of one provider: the answer that it goes on from, which nobody else keeps (PAIN G02),
//! and encrypted thoughts, which nobody else can read (PAIN G01). Who owns what is asked of `state::owners`.

use std::collections::HashSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use penstock_llm::json::unescape;
use penstock_llm::model::{Dialect, Seal};
use penstock_llm::openai::{Operation, Request};
use penstock_plugin_host::CallBody;

use crate::dispatch::attempt::Failed;
use crate::dispatch::plan::{Plan, Step};
use crate::exchange::Exchange;
use crate::fault::{Fault, Result};
use crate::state::owners::{Owner, Owners};
use crate::state::snapshot::Credential;
use crate::state::unkept;

/// Where a call has to go, or had better.
#[derive(Debug, Default)]
pub struct Ties {
    /// Encrypted thoughts in the conversation, oldest first, and whose they are where that is known.
    seals: Vec<(Seal, Option<Owner>)>,
    /// Whose the answer is that the call goes on from.
    previous: Option<Owner>,
    /// A provider could not read thoughts that nobody knew were another's: none goes out any more.
    none_goes: bool,
}

/// Words that a conversation with encrypted thoughts has in any of the dialects: under their own name, marked, or marked
/// and in base64.
const TRACES: [&str; 3] = ["encrypted", "penstock/", "cGVuc3RvY2sv"];

impl Ties {
    /// Looks a call over.
    ///
    /// # Errors
    /// It goes on from an answer that is not known to be this caller's.
    pub fn of_call(exchange: &Exchange, owners: &Owners) -> Result<Self> {
        let Some(CallBody::Json(request)) = exchange.admitted.call.as_ref().map(|call| &call.body) else {
            return Ok(Self::default());
        };
        let Some(caller) = &exchange.admitted.caller else {
            return Ok(Self::default());
        };
        if request.operation() != Operation::Chat {
            return Ok(Self::default());
        }
        let previous = match previous(request) {
            Some(id) if unkept::is_marked(&id) => return Err(not_kept()),
            Some(id) => Some(owners.find(&caller.name, &id).ok_or_else(not_known)?),
            None => None,
        };
        let whose = |seal: Seal| (seal, owners.find(&caller.name, &name_of(seal)));
        Ok(Self {
            seals: seals(request).into_iter().map(whose).collect(),
            previous,
            none_goes: false,
        })
    }

    /// Leaves the tries that can be made, those that should be made first at the beginning.
    ///
    /// # Errors
    /// The answer that the call goes on from is kept where its model is not.
    pub fn bind(&self, plan: &mut Plan) -> Result<()> {
        if let Some(owner) = &self.previous {
            plan.keep(|step| is_at(step, owner));
            return match plan.is_empty() {
                true => Err(elsewhere()),
                false => Ok(()),
            };
        }
        if let Some(owner) = self.seals.iter().rev().find_map(|(_, owner)| owner.as_ref()) {
            plan.prefer(|step| is_at(step, owner));
        }
        Ok(())
    }

    /// The encrypted thoughts that cannot be read where a try goes.
    pub fn foreign_to(&self, step: &Step) -> HashSet<Seal> {
        let dialects = &step.planned.target.provider.dialects;
        let may_know = [Dialect::OpenAiResponses, Dialect::OpenAiChat];
        let may_know = may_know.iter().any(|dialect| dialects.contains(dialect));
        let is_foreign = |owner: &Option<Owner>| match owner {
            _ if self.none_goes => true,
            Some(owner) => !is_at(step, owner),
            None => !may_know,
        };
        let foreign = self.seals.iter().filter(|(_, owner)| is_foreign(owner));
        foreign.map(|(seal, _)| *seal).collect()
    }

    pub fn has_foreign_to(&self, step: &Step) -> bool {
        !self.seals.is_empty() && !self.foreign_to(step).is_empty()
    }

    /// Whether thoughts of before may go out at all, those that the caller's client dropped and the gateway kept among them.
    pub fn lets_thoughts_go(&self) -> bool {
        !self.none_goes
    }

    /// Whether a provider refused a call for thoughts that it cannot read, and the same call without them is worth a try.
    /// The second time it is not.
    pub fn take_refused(&mut self, failed: &Failed) -> bool {
        let is_refused = !self.none_goes && failed.status == Some(400) && names_thoughts(failed);
        self.none_goes |= is_refused;
        is_refused
    }
}

/// Under which name the owner of encrypted thoughts is remembered.
pub fn name_of(seal: Seal) -> String {
    format!("seal-{:016x}", seal.0)
}

/// The id of the answer that a call goes on from.
fn previous(request: &Request) -> Option<String> {
    if request.dialect() != Dialect::OpenAiResponses {
        return None;
    }
    let literal = request.pointer("/previous_response_id")?;
    literal.starts_with(b"\"").then(|| unescape(literal).into_owned())
}

fn seals(request: &Request) -> Vec<Seal> {
    if !has_traces(request.bytes()) {
        return Vec::new();
    }
    let read = request.in_model(&[]);
    read.map_or_else(|_| Vec::new(), |read| read.value.seals())
}

/// Every call is asked this: it must cost next to nothing.
fn has_traces(body: &[u8]) -> bool {
    static FINDERS: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| TRACES.map(Finder::new));
    FINDERS.iter().any(|finder| finder.find(body).is_some())
}

fn is_at(step: &Step, owner: &Owner) -> bool {
    let credential = step.credential.credential.as_ref().map(Credential::account);
    let same = match (credential, owner.credential) {
        (Some(one), Some(other)) => one.matches(&other),
        (one, other) => one.is_none() && other.is_none(),
    };
    same && step.planned.target.provider.name == owner.provider
}

fn names_thoughts(failed: &Failed) -> bool {
    let body = failed.fault.verbatim.as_ref().map(|verbatim| &verbatim.body[..]);
    let said = String::from_utf8_lossy(body.unwrap_or_default()).to_ascii_lowercase();
    let message = failed.fault.message.to_ascii_lowercase();
    let words = ["invalid_encrypted_content", "encrypted content"];
    words
        .iter()
        .any(|words| said.contains(words) || message.contains(words))
}

/// In one sentence whether it never was, is another key's, or was too long ago: nobody learns which. The code is the
/// API's own, by which clients know to send the whole conversation.
fn not_known() -> Box<Fault> {
    let message =
        "there is no such previous response of this API key here: send the whole conversation in `input`";
    Fault::caller(400, "previous_response_not_found", message).with_param("previous_response_id")
}

fn not_kept() -> Box<Fault> {
    let message = "the previous response was not kept: the provider of its model has no Responses API; send the whole \
        conversation in `input`";
    Fault::caller(400, "previous_response_not_found", message).with_param("previous_response_id")
}

fn elsewhere() -> Box<Fault> {
    let message = "the previous response is kept by a provider that does not serve this model, or by one of its keys that is \
        not configured any more: ask the model that gave it, or send the whole conversation in `input`";
    Fault::caller(400, "previous_response_not_found", message).with_param("previous_response_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_gone_on_from_in_responses_alone() {
        let read = |body: &'static str| {
            let form = penstock_llm::foreign::Form::of(Dialect::OpenAiResponses);
            Request::read_in(form, body.into(), &Default::default()).expect("a request")
        };
        let asked = read(r#"{"model":"m","input":"x","previous_response_id":"resp_\u0031"}"#);
        assert_eq!(previous(&asked).as_deref(), Some("resp_1"));
        assert_eq!(
            previous(&read(r#"{"model":"m","input":"x","previous_response_id":null}"#)),
            None
        );
        let chat =
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"previous_response_id":"resp_1"}"#;
        let chat = Request::read(Operation::Chat, chat.into(), &Default::default()).expect("a request");
        assert_eq!(previous(&chat), None);
    }
}
