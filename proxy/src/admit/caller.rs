//! Whose key it is, whether it still holds, and which models it may use. Decides on plain values; reads no clock.

use std::sync::Arc;

use crate::fault::{Fault, Result};
use crate::state::snapshot::{Caller, Model, Provider, Snapshot};

/// The caller of a presented key. Unknown and revoked keys get the same words, and no error repeats a key (PAIN Q03).
pub fn identify(snapshot: &Snapshot, presented: Option<&str>, now_ms: u64) -> Result<Arc<Caller>> {
    let Some(key) = presented else {
        let message = "no API key was sent; put it in `Authorization: Bearer <key>`";
        let missing = || Fault::caller(401, "missing_api_key", message);
        return snapshot.callers.without_key().cloned().ok_or_else(missing);
    };
    let caller = snapshot.callers.find(key);
    let caller =
        caller.ok_or_else(|| Fault::caller(401, "invalid_api_key", "the API key is not valid here"))?;
    match caller.expires_ms {
        Some(end) if end <= now_ms => Err(Fault::caller(
            401,
            "expired_api_key",
            "the API key is not valid here any more",
        )),
        _ => Ok(caller.clone()),
    }
}

/// The model a call asks for, if there is one and the caller may use it. A model that is not allowed and one that does
/// not exist are told apart only to those who may know.
pub fn permit(snapshot: &Snapshot, caller: &Caller, asked: &str) -> Result<Arc<Model>> {
    if !caller.may_use(asked) {
        let message = "this API key may not use the model; `GET /v1/models` lists those it may";
        return Err(Fault::caller(403, "model_not_allowed", message).with_param("model"));
    }
    match snapshot.models.find(asked) {
        Some(model) => Ok(model.clone()),
        None => {
            let message = "there is no such model here; `GET /v1/models` lists those there are";
            Err(Fault::caller(404, "model_not_found", message).with_param("model"))
        }
    }
}

/// The same for a call that names its provider by a raw path: `provider/model` or the plain model must be allowed.
pub fn permit_via(caller: &Caller, provider: &Arc<Provider>, asked: &str) -> Result<Arc<Model>> {
    permit_raw(caller, provider, std::slice::from_ref(&asked))?;
    Ok(Arc::new(Model::via(provider, asked)))
}

/// A raw call may be made if every model it names is allowed; one that names none, if the whole provider is.
pub fn permit_raw(caller: &Caller, provider: &Provider, models: &[impl AsRef<str>]) -> Result<()> {
    let name = &provider.name;
    let allowed = match models {
        [] => caller.may_use(&format!("{name}/")),
        models => models.iter().all(|model| {
            caller.may_use(model.as_ref()) || caller.may_use(&format!("{name}/{}", model.as_ref()))
        }),
    };
    if allowed {
        return Ok(());
    }
    let message =
        format!("this API key may not make this call to `{name}`; it needs `{name}/*` or the model's name");
    Err(Fault::caller(403, "model_not_allowed", message).with_param("model"))
}

/// The models a caller may use, as it should see them listed.
pub fn visible<'s>(snapshot: &'s Snapshot, caller: &'s Caller) -> impl Iterator<Item = &'s Arc<Model>> {
    snapshot
        .models
        .iter()
        .filter(|model| caller.may_see(&model.pattern))
}
