//! The messages that cross, and their version.

use crate::fault::BodyError;
use crate::model::{Answer, Error, Event, Events, Losses, Names, Request, Target};

use super::{Broken, Input, VERSION, Wire};

/// A request, and what is known of the model that it goes to.
pub fn write_request(request: &Request<'_>, target: &Target<'_>, out: &mut Vec<u8>) {
    out.push(VERSION);
    request.put(out);
    target.put(out);
}

/// # Errors
/// The bytes are no such message.
pub fn read_request(bytes: &[u8]) -> Result<(Request<'_>, Target<'_>), Broken> {
    whole(bytes)
}

/// A whole answer, and what was lost when it was read.
pub fn write_answer(answer: &Answer<'_>, losses: &Losses, out: &mut Vec<u8>) {
    out.push(VERSION);
    answer.put(out);
    losses.put(out);
}

/// # Errors
/// The bytes are no such message.
pub fn read_answer(bytes: &[u8]) -> Result<(Answer<'_>, Losses), Broken> {
    whole(bytes)
}

/// What some frames of a stream gave, and what was lost when they were read.
pub fn write_events(events: &[Event<'_>], losses: &Losses, out: &mut Vec<u8>) {
    out.push(VERSION);
    losses.put(out);
    super::bytes::put_list(events, out);
}

/// Adds the events to `into`, which is left as it was where the bytes are broken. That they are in the order which
/// [`Event`] demands is not checked: writers write a legal stream whatever they get.
///
/// # Errors
/// The bytes are no such message.
pub fn read_events<'a>(bytes: &'a [u8], into: &mut Events<'a>) -> Result<Losses, Broken> {
    let before = into.len();
    let read = events(bytes, into);
    if read.is_err() {
        into.truncate(before);
    }
    read
}

fn events<'a>(bytes: &'a [u8], into: &mut Events<'a>) -> Result<Losses, Broken> {
    let mut input = begun(bytes)?;
    let losses = Losses::take(&mut input)?;
    for _ in 0..input.items()? {
        into.push(Event::take(&mut input)?);
    }
    input.end().map(|()| losses)
}

/// An error that a provider sent.
pub fn write_error(error: &Error<'_>, out: &mut Vec<u8>) {
    out.push(VERSION);
    error.put(out);
}

/// # Errors
/// The bytes are no such message, or the status is none of an error.
pub fn read_error(bytes: &[u8]) -> Result<Error<'_>, Broken> {
    whole(bytes)
}

/// Why a request cannot be written in a dialect.
pub fn write_refusal(error: &BodyError, out: &mut Vec<u8>) {
    out.push(VERSION);
    error.put(out);
}

/// # Errors
/// The bytes are no such message.
pub fn read_refusal(bytes: &[u8]) -> Result<BodyError, Broken> {
    whole(bytes)
}

/// What a request lost when it was written.
pub fn write_losses(losses: &Losses, out: &mut Vec<u8>) {
    out.push(VERSION);
    losses.put(out);
}

/// # Errors
/// The bytes are no such message.
pub fn read_losses(bytes: &[u8]) -> Result<Losses, Broken> {
    whole(bytes)
}

/// Names of tools that had to change when a request was written: the host gives the calls of the answer their own back.
pub fn write_names(names: &Names, out: &mut Vec<u8>) {
    out.push(VERSION);
    names.put(out);
}

/// # Errors
/// The bytes are no such message.
pub fn read_names(bytes: &[u8]) -> Result<Names, Broken> {
    whole(bytes)
}

fn whole<'a, T: Wire<'a>>(bytes: &'a [u8]) -> Result<T, Broken> {
    let mut input = begun(bytes)?;
    let value = T::take(&mut input)?;
    input.end().map(|()| value)
}

fn begun(bytes: &[u8]) -> Result<Input<'_>, Broken> {
    let mut input = Input::new(bytes);
    match input.byte()? {
        VERSION => Ok(input),
        version => Err(Broken::Version(version)),
    }
}
