//! What is to be embedded, and how.

use super::input::Input;
use super::task::Task;
use super::vector::Encoding;
use super::{Dialect, NO_SUCH};
use crate::model::{Extras, Losses, Number, Text};

/// A request, borrowed from the body that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The dialect that it was read from: whose `extras` these are.
    pub dialect: Dialect,
    /// Empty where the dialect has it in the path and the reader was not told.
    pub model: Text<'a>,
    pub inputs: Vec<Input<'a>>,
    /// The one input came as such, not in a list of one.
    pub single: bool,
    /// How many numbers are wanted.
    pub dimensions: Option<Number<'a>>,
    /// The forms that are wanted; empty where nothing was said, which is a list of floats.
    pub encodings: Vec<Encoding>,
    /// What the embeddings are for, where the inputs do not say so themselves.
    pub task: Option<Task<'a>>,
    pub truncate: Option<Truncate>,
    /// Whether the numbers are to be of length one (Titan).
    pub normalize: Option<bool>,
    pub user: Option<Text<'a>>,
    /// What the model has no field for, under its native name.
    pub extras: Extras<'a>,
}

/// Where inputs that are too long are cut.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Truncate {
    /// They are refused.
    Never,
    Start,
    End,
}

impl<'a> Request<'a> {
    pub fn new(dialect: Dialect, model: Text<'a>) -> Request<'a> {
        Request {
            dialect,
            model,
            inputs: Vec::new(),
            single: false,
            dimensions: None,
            encodings: Vec::new(),
            task: None,
            truncate: None,
            normalize: None,
            user: None,
            extras: Vec::new(),
        }
    }

    /// The same request for at most `most` inputs at a time (at least one), for providers that take no more.
    pub fn chunks(&self, most: usize) -> impl Iterator<Item = Request<'a>> {
        self.inputs.chunks(most.max(1)).map(|inputs| Request {
            inputs: inputs.to_vec(),
            ..self.without_inputs()
        })
    }

    fn without_inputs(&self) -> Request<'a> {
        Request {
            dialect: self.dialect,
            model: self.model.clone(),
            inputs: Vec::new(),
            single: self.single,
            dimensions: self.dimensions.clone(),
            encodings: self.encodings.clone(),
            task: self.task.clone(),
            truncate: self.truncate,
            normalize: self.normalize,
            user: self.user.clone(),
            extras: self.extras.clone(),
        }
    }

    /// What all inputs say of themselves alike is the request's.
    pub(super) fn gather(&mut self) {
        let Some(first) = self.inputs.first() else {
            return;
        };
        let task = first.task.clone();
        if task.is_some() && self.inputs.iter().all(|input| input.task == task) {
            self.task = task;
            for input in &mut self.inputs {
                input.task = None;
            }
        }
    }

    /// The one task that dialects have whose inputs say none of themselves.
    pub(super) fn one_task(&self, losses: &mut Losses) -> Option<&Task<'a>> {
        let own = self.inputs.iter().find_map(|input| input.task.as_ref());
        if own.is_some() {
            losses.changed(
                "task",
                "inputs are for different purposes: that of the first goes for all",
            );
        }
        own.or(self.task.as_ref())
    }

    pub(super) fn drop_titles(&self, losses: &mut Losses) {
        if self.inputs.iter().any(|input| input.title.is_some()) {
            losses.dropped("title", NO_SUCH);
        }
    }

    /// What dialects without these have to say of them.
    pub(super) fn drop_rest(&self, normalize: bool, truncate: bool, losses: &mut Losses) {
        // what is not told to is done by all
        if normalize && self.normalize == Some(false) {
            losses.dropped("normalize", NO_SUCH);
        }
        if truncate && self.truncate.is_some() {
            losses.dropped("truncate", NO_SUCH);
        }
        if self.user.is_some() {
            losses.dropped("user", NO_SUCH);
        }
    }

    /// Writes the members that only this dialect knows.
    pub(super) fn write_extras(&self, to: Dialect, body: &mut crate::write::Object<'_>, losses: &mut Losses) {
        for extra in &self.extras {
            match to == self.dialect {
                true => body.member(&extra.name, &extra.value),
                false => losses.dropped(extra.name.get().into_owned(), NO_SUCH),
            }
        }
    }

    /// Dialects that know nothing but lists of floats.
    pub(super) fn floats_alone(&self, losses: &mut Losses) {
        if self.encodings.iter().any(|encoding| !encoding.is_float()) {
            losses.dropped("encoding", "the provider gives floats alone");
        }
    }
}
