//! Log probabilities of other dialects in Gemini's form (`logprobsResult`).

use crate::model::Json;
use crate::write::{Array, object};

/// `logprobsResult` of what an answer or a delta has, told by its form; none for forms that are not known.
pub(super) fn result<'j>(json: &'j Json<'_>) -> Option<Json<'j>> {
    if json.pointer("/chosenCandidates").is_some() || json.pointer("/topCandidates").is_some() {
        return Some(json.borrowed());
    }
    let content = json
        .pointer("/content")
        .filter(|content| content.get().starts_with('['))?;
    let tokens = content.elements();
    let mut out = Vec::new();
    object(&mut out, |object| {
        object.array("topCandidates", |array| {
            for token in &tokens {
                array.object(|object| {
                    object.array("candidates", |array| {
                        let top = token.pointer("/top_logprobs");
                        for token in top.as_ref().map(Json::elements).unwrap_or_default() {
                            candidate(&token, array);
                        }
                    });
                });
            }
        });
        object.array("chosenCandidates", |array| {
            tokens.iter().for_each(|token| candidate(token, array))
        });
    });
    Some(Json::checked(String::from_utf8_lossy(&out).into_owned()))
}

fn candidate(token: &Json<'_>, array: &mut Array<'_>) {
    array.object(|object| {
        object.json_if("token", token.pointer("/token").as_ref());
        object.json_if("logProbability", token.pointer("/logprob").as_ref());
    });
}
