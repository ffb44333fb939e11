//! `GET /v1/models` and `/v1/models/{id}` in OpenAI's shape (APIS.md 1.8).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::state::snapshot::Model;

/// The list of the models a caller may see.
pub fn list<'m>(models: impl Iterator<Item = &'m Arc<Model>>) -> Vec<u8> {
    let data: Vec<Value> = models.map(|model| one(model, &model.name)).collect();
    json!({ "object": "list", "data": data }).to_string().into_bytes()
}

/// One model, under the name it was asked for.
pub fn single(model: &Model, asked: &str) -> Vec<u8> {
    one(model, asked).to_string().into_bytes()
}

fn one(model: &Model, name: &str) -> Value {
    let owner = model
        .targets
        .first()
        .map_or("penstock", |target| &*target.provider.name);
    json!({ "id": name, "object": "model", "created": model.created, "owned_by": owner })
}
