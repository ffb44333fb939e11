//! An answer into the model, whichever of the forms it has.

use super::item;
use super::{Answer, Dialect, Ranked};
use crate::fault::{Fault, Within};
use crate::json::ValueKind;
use crate::model::{Error, ErrorKind, Json, Read, Usage, sum_of};
use crate::read::Reader;

const TEXT: &str = "a member is not a string";

pub(super) fn read(dialect: Dialect, body: &[u8]) -> Result<Read<Answer<'_>>, Box<Error<'_>>> {
    let read = Reader::whole(body, false, |reader| found(dialect, reader));
    let Read { value, losses } = read.map_err(|why| Box::new(Error::bad_answer(&why)))?;
    if let Some(value) = value {
        return Ok(Read { value, losses });
    }
    let says = |member: &str| crate::json::pointer(body, member).is_some();
    match says("/message") || says("/error") || says("/detail") {
        true => Err(Box::new(dialect.read_error(200, body))),
        false => Err(Box::new(Error::new(
            ErrorKind::BadAnswer,
            "the provider's answer has no results in it",
        ))),
    }
}

fn found<'a>(dialect: Dialect, reader: &mut Reader<'a>) -> Result<Option<Answer<'a>>, Fault> {
    let Some(mut members) = reader.object("the body is not a JSON object")? else {
        return Ok(None);
    };
    let mut answer = Answer {
        dialect,
        id: None,
        model: None,
        results: Vec::new(),
        usage: None,
        native_usage: None,
        extras: Vec::new(),
    };
    let mut any = false;
    while let Some(key) = reader.next(&mut members)? {
        match &*key {
            b"id" => answer.id = reader.text(TEXT)?,
            b"model" => answer.model = reader.text(TEXT)?,
            b"results" | b"data" if reader.kind()? == ValueKind::Array => {
                any = true;
                let name = if &*key == b"data" { "data" } else { "results" };
                results(reader, &mut answer.results).within(name)?;
            }
            b"usage" | b"meta" => {
                let usage = reader.json_or_null()?;
                answer.usage = usage.as_ref().and_then(usage_of).or(answer.usage);
                answer.native_usage = usage.or(answer.native_usage.take());
            }
            b"object" => reader.pass()?,
            _ => reader.extra(key, &mut answer.extras)?,
        }
    }
    Ok(any.then_some(answer))
}

fn results<'a>(reader: &mut Reader<'a>, results: &mut Vec<Ranked<'a>>) -> Result<(), Fault> {
    reader.each("results are not an array", |reader, _| {
        let Some(mut members) = reader.object("a result is not an object")? else {
            return Ok(());
        };
        let (mut index, mut score, mut document) = (None, None, None);
        while let Some(key) = reader.next(&mut members)? {
            match &*key {
                b"index" => index = reader.whole_number("an index is not a number")?,
                b"relevance_score" | b"score" => score = reader.number("a score is not a number")?.or(score),
                b"document" if matches!(reader.kind()?, ValueKind::String | ValueKind::Object) => {
                    document = Some(item::read(reader)?);
                }
                _ => reader.pass()?,
            }
        }
        results.push(Ranked {
            index: index.ok_or_else(|| Fault::missing("index", "is missing"))?,
            score: score.ok_or_else(|| Fault::missing("relevance_score", "is missing"))?,
            document,
        });
        Ok(())
    })
}

/// Tokens, and the searches that Cohere bills instead.
fn usage_of(usage: &Json<'_>) -> Option<Usage> {
    let count = |name: &str| usage.pointer(name).and_then(|count| count.as_u64());
    let counts = Usage {
        input: count("/prompt_tokens")
            .or(count("/total_tokens"))
            .or(count("/tokens/input_tokens"))
            .or(count("/billed_units/input_tokens")),
        total: count("/total_tokens"),
        search_units: sum_of(&[count("/billed_units/search_units").or(count("/search_units"))]),
        ..Usage::default()
    };
    (!counts.is_empty()).then_some(counts)
}
