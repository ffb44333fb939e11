use bytes::Bytes;
use penstock_llm::openai::{EditError, Operation, Provenance, ReadLimits, Request, Role, Segment};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::make::{Dice, cases};
use crate::request::{chat, read, told};

fn body(request: &Request) -> &str {
    std::str::from_utf8(request.bytes()).expect("UTF-8")
}

const TWO: &str = r#"{"model":"m","messages":[{"role":"user","content":"one"}, {"role":"user","content":"t\u0077o"}],"n":1}"#;

#[test]
fn a_replaced_text_changes_its_literal_alone_and_later_reads_see_it() {
    let mut request = chat(TWO);
    assert_eq!(request.replace_text(0, "a \"longer\" text"), Ok(()));
    assert_eq!(request.replace_text(1, ""), Ok(()));
    assert_eq!(
        body(&request),
        TWO.replace(r#""one""#, r#""a \"longer\" text""#)
            .replace(r#""t\u0077o""#, "\"\"")
    );
    assert_eq!(
        (request.text(0).as_deref(), request.text(1).as_deref()),
        (Some("a \"longer\" text"), Some(""))
    );
    assert_eq!(
        request.pointer("/messages/0/content"),
        Some(&br#""a \"longer\" text""#[..])
    );
    assert_eq!(request.replace_text(2, "x"), Err(EditError::NotFound));
}

#[test]
fn media_have_no_text_to_replace() {
    let mut request = chat(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}"#,
    );
    assert_eq!(request.replace_text(0, "x"), Err(EditError::Invalid));
}

#[test]
fn arguments_that_are_an_object_stay_json() {
    let before = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":{"a":1}}}]}]}"#;
    let mut request = chat(before);
    assert_eq!(request.text(0).as_deref(), Some(r#"{"a":1}"#));
    for bad in ["not json", "", "null", "{\"a\":1", "1,2"] {
        assert_eq!(request.replace_text(0, bad), Err(EditError::Invalid), "{bad}");
    }
    assert_eq!(body(&request), before);
    assert_eq!(request.replace_text(0, r#" {"b":2} "#), Ok(()));
    assert_eq!(body(&request), before.replace(r#"{"a":1}"#, r#"{"b":2}"#));
    let deep = "[".repeat(125) + &"]".repeat(125);
    assert_eq!(request.replace_text(0, &deep), Err(EditError::Invalid));
    assert_eq!(request.replace_text(0, "\"{}\""), Ok(()));
    assert_eq!(request.text(0).as_deref(), Some("{}"));
}

#[test]
fn messages_are_added_with_their_comma() {
    let new = r#"{"role":"system","content":"x\n"}"#;
    let cases = [
        ("[]", 0, format!("[{new}]")),
        ("[ \n ]", 7, format!("[{new} \n ]")),
        (
            r#"[ {"role":"user"} ]"#,
            0,
            format!(r#"[ {new},{{"role":"user"}} ]"#),
        ),
        (
            r#"[ {"role":"user"} ]"#,
            1,
            format!(r#"[ {{"role":"user"}},{new} ]"#),
        ),
        (
            r#"[ {"role":"user"} ]"#,
            usize::MAX,
            format!(r#"[ {{"role":"user"}},{new} ]"#),
        ),
        (
            r#"[{"role":"a"},{"role":"b"}]"#,
            1,
            format!(r#"[{{"role":"a"}},{new},{{"role":"b"}}]"#),
        ),
    ];
    for (messages, position, expected) in cases {
        let mut request = chat(&format!(r#"{{"messages":{messages},"model":"m"}}"#));
        assert_eq!(request.add_message(position, Role::System, "x\n"), Ok(()));
        assert_eq!(
            body(&request),
            format!(r#"{{"messages":{expected},"model":"m"}}"#)
        );
        assert_eq!(request.segments().len(), 1);
        assert_eq!(
            (request.segments()[0].role, request.segments()[0].provenance),
            (Role::System, Provenance::Plugin)
        );
    }
    let mut request = chat(TWO);
    for role in [Role::Tool, Role::Other] {
        assert_eq!(request.add_message(0, role, "x"), Err(EditError::Invalid));
    }
}

#[test]
fn a_message_is_refused_where_a_fresh_read_would_refuse_it() {
    let limits = ReadLimits {
        max_segments: 3,
        ..ReadLimits::default()
    };
    let mut request = Request::read(Operation::Chat, TWO.into(), &limits).expect("two texts");
    assert_eq!(request.add_message(0, Role::User, "third"), Ok(()));
    let before = request.bytes().clone();
    assert_eq!(
        request.add_message(0, Role::User, "fourth"),
        Err(EditError::Invalid)
    );
    let flat = ReadLimits {
        max_depth: 2,
        ..ReadLimits::default()
    };
    let mut empty =
        Request::read(Operation::Chat, r#"{"model":"m","messages":[]}"#.into(), &flat).expect("flat");
    assert_eq!(empty.add_message(0, Role::User, "deep"), Err(EditError::Invalid));
    assert_eq!((request.bytes(), request.segments().len()), (&before, 3));
}

#[test]
fn what_plugins_added_stays_marked_while_other_edits_are_made() {
    let mut request = chat(TWO);
    let marks = |request: &Request| -> Vec<bool> {
        request
            .segments()
            .iter()
            .map(|segment| segment.provenance == Provenance::Plugin)
            .collect()
    };
    request.add_message(0, Role::System, "first").expect("fits");
    request
        .add_message(0, Role::System, "before first")
        .expect("fits");
    request.add_message(9, Role::User, "last").expect("fits");
    assert_eq!(marks(&request), [true, true, false, false, true]);
    request
        .replace_text(0, "a text that is longer than before")
        .expect("fits");
    request.replace_text(2, "").expect("fits");
    request.set("/n", "100000").expect("fits");
    request
        .set("/messages/-", r#"{"role":"user","content":"set"}"#)
        .expect("fits");
    assert_eq!(marks(&request), [true, true, false, false, true, false]);
    request.remove("/messages/2").expect("is there");
    request.remove("/messages/0").expect("is there");
    assert_eq!(marks(&request), [true, false, true, false]);
    request
        .set("/messages/0", r#"{"role":"user","content":"set"}"#)
        .expect("fits");
    assert_eq!(marks(&request), [false, false, true, false]);
}

#[test]
fn prompts_get_texts_before_and_behind() {
    let prompt = |request: &Request| request.text(0).map(|text| text.into_owned());
    let mut request = read(Operation::Completions, r#"{"prompt":"mid\u0064le","model":"m"}"#);
    request.add_message(0, Role::System, "\"top\"").expect("fits");
    request.add_message(1, Role::User, "end\n").expect("fits");
    assert_eq!(prompt(&request).as_deref(), Some("\"top\"\n\nmiddle\n\nend\n"));
    assert_eq!(
        body(&request),
        r#"{"prompt":"\"top\"\n\nmid\u0064le\n\nend\n","model":"m"}"#
    );
    let mut request = read(Operation::Completions, r#"{"prompt":"","model":"m"}"#);
    request.add_message(5, Role::User, "x").expect("fits");
    assert_eq!(prompt(&request).as_deref(), Some("x"));
    for (op, body) in [
        (Operation::Completions, r#"{"prompt":["a"],"model":"m"}"#),
        (Operation::Embeddings, r#"{"input":"a","model":"m"}"#),
        (Operation::Moderations, r#"{"input":"a","model":"m"}"#),
    ] {
        assert_eq!(
            read(op, body).add_message(0, Role::User, "x"),
            Err(EditError::Invalid)
        );
    }
}

#[test]
fn values_are_set_added_and_removed() {
    let set = |before: &str, path: &str, value: &str| {
        let mut request = chat(before);
        request.set(path, value).map(|()| body(&request).to_owned())
    };
    let remove = |before: &str, path: &str| {
        let mut request = chat(before);
        request.remove(path).map(|()| body(&request).to_owned())
    };
    let base = r#"{ "model":"m","messages":[], "a" : {"b":[1, 2]} ,"t":0.5 }"#;
    assert_eq!(set(base, "/t", " 1 "), Ok(base.replace("0.5", "1")));
    assert_eq!(set(base, "/a/b/1", "{}"), Ok(base.replace("2]", "{}]")));
    assert_eq!(set(base, "/a/b/-", "3"), Ok(base.replace("2]", "2,3]")));
    assert_eq!(
        set(base, "/a/c~1\"", "[]"),
        Ok(base.replace("2]}", "2],\"c/\\\"\":[]}"))
    );
    assert_eq!(
        set(base, "/new", "null"),
        Ok(base.replace("0.5", "0.5,\"new\":null"))
    );
    assert_eq!(remove(base, "/t"), Ok(base.replace(r#" ,"t":0.5"#, "")));
    assert_eq!(
        remove(base, "/a"),
        Ok(base.replace(r#""a" : {"b":[1, 2]} ,"#, ""))
    );
    assert_eq!(remove(base, "/a/b"), Ok(base.replace(r#""b":[1, 2]"#, "")));
    assert_eq!(remove(base, "/a/b/0"), Ok(base.replace("1, 2", "2")));
    assert_eq!(remove(base, "/a/b/1"), Ok(base.replace("1, 2", "1")));
    for nowhere in [
        "/x/y",
        "/a/b/2",
        "/a/b/01",
        "/t/x",
        "/messages/0/content",
        "no",
        "/a~7",
    ] {
        assert_eq!(set(base, nowhere, "1"), Err(EditError::NotFound), "{nowhere}");
        assert_eq!(remove(base, nowhere), Err(EditError::NotFound), "{nowhere}");
    }
    for bad in ["", "nope", "1,\"x\":2", "1}", "{\"a\":", "\"\n\""] {
        assert_eq!(set(base, "/t", bad), Err(EditError::Invalid), "{bad}");
    }
    assert_eq!(set(base, "/messages", "5"), Err(EditError::Invalid));
    assert_eq!(remove(base, "/messages"), Err(EditError::Invalid));
}

#[test]
fn no_edit_leaves_one_of_two_equal_keys_behind() {
    let double = r#"{"model":"m","messages":[],"user":{"k":1,"a":0,"\u006b":2,"b":0,"k":3}}"#;
    let mut request = chat(double);
    request.set("/user/k", "9").expect("is there");
    assert_eq!(
        request.pointer("/user"),
        Some(&br#"{"k":9,"a":0,"\u006b":9,"b":0,"k":9}"#[..])
    );
    request.remove("/user/k").expect("is there");
    assert_eq!(request.pointer("/user"), Some(&br#"{"a":0,"b":0}"#[..]));
    request
        .remove("/user/a")
        .and_then(|()| request.remove("/user/b"))
        .expect("are there");
    assert_eq!(request.pointer("/user"), Some(&b"{}"[..]));
}

#[test]
fn the_gateways_fields_are_read_only_however_they_are_named() {
    let mut request =
        chat(r#"{"m\u006fdel":"m","messages":[],"stream_options":{"include_usage":true},"stream":true}"#);
    let before = request.bytes().clone();
    for path in [
        "/model",
        "/stream",
        "/stream_options",
        "/stream_options/include_usage",
        "/model/x",
        "",
    ] {
        assert_eq!(request.set(path, "\"x\""), Err(EditError::ReadOnly), "{path}");
        assert_eq!(request.remove(path), Err(EditError::ReadOnly), "{path}");
    }
    assert_eq!(request.bytes(), &before);
}

#[test]
fn edits_do_not_pass_the_byte_limit() {
    let mut request = chat(TWO);
    request.set_byte_limit(TWO.len() + 3);
    assert_eq!(request.replace_text(0, "seventh"), Err(EditError::TooLarge));
    assert_eq!(request.add_message(0, Role::User, ""), Err(EditError::TooLarge));
    assert_eq!(request.set("/n", "12345"), Err(EditError::TooLarge));
    assert_eq!(body(&request), TWO);
    assert_eq!(request.replace_text(0, "sixsix"), Ok(()));
    assert_eq!(request.remove("/n"), Ok(()));
}

#[test]
fn the_usage_option_is_found_again_after_edits() {
    let mut request = chat(
        r#"{"messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":false},"stream":true,"model":"m"}"#,
    );
    request.replace_text(0, "a much longer text").expect("fits");
    let sent = request.outbound("n", true).into_bytes();
    assert_eq!(
        sent,
        r#"{"messages":[{"role":"user","content":"a much longer text"}],"stream_options":{"include_usage":true},"stream":true,"model":"n"}"#
    );
}

/// Segments but for their provenance, which a fresh read does not know.
fn without_provenance(request: &Request) -> Vec<Segment> {
    request
        .segments()
        .iter()
        .map(|segment| Segment {
            provenance: Provenance::Caller,
            ..*segment
        })
        .collect()
}

/// The range of `before` that is different in `after`.
fn changed<'t>(before: &'t [u8], after: &[u8]) -> &'t [u8] {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let most = before.len().min(after.len()) - start;
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take(most)
        .take_while(|(a, b)| a == b)
        .count();
    &before[start..before.len() - end]
}

fn one_edit(dice: &mut Dice, request: &mut Request) -> Result<(), EditError> {
    let before: Value = serde_json::from_slice(request.bytes()).expect("valid");
    let bytes = request.bytes().clone();
    let paths = [
        "/temperature",
        "/x_unknown",
        "/metadata",
        "/metadata/a",
        "/messages/0",
        "/messages/1/content",
        "/messages/-",
        "/metadata/0",
        "/metadata/c~1d",
        "/messages/0/x_unknown",
        "/prompt",
        "/fresh",
    ];
    let path = dice.pick(&paths);
    let mut expected = before.clone();
    let made = match dice.below(4) {
        0 => {
            let (index, text) = (dice.below(4), dice.text());
            let Some(segment) = request.segments().get(index).copied() else {
                return Ok(());
            };
            let made = request.replace_text(index, &text);
            if made.is_ok() && !segment.raw {
                assert_eq!(request.text(index).as_deref(), Some(&*text));
                assert_eq!(
                    &request.bytes()[..segment.span.start],
                    &bytes[..segment.span.start]
                );
                assert!(request.bytes().ends_with(&bytes[segment.span.end..]));
            }
            return made;
        }
        1 => {
            let value = dice.value(2);
            let made = request.set(path, &value);
            let value: Value = serde_json::from_str(&value).expect("valid");
            let (parent, last) = path.rsplit_once('/').expect("a pointer");
            let last = last.replace("~1", "/");
            match expected.pointer_mut(path) {
                Some(there) => *there = value,
                None => match expected.pointer_mut(parent) {
                    Some(Value::Array(list)) if last == "-" => list.push(value),
                    Some(Value::Object(members)) => drop(members.insert(last, value)),
                    _ => {}
                },
            }
            made
        }
        2 => {
            let gone = expected.pointer(path).cloned();
            let made = request.remove(path);
            let (parent, last) = path.rsplit_once('/').expect("a pointer");
            match expected.pointer_mut(parent) {
                Some(Value::Array(list)) if gone.is_some() => {
                    drop(list.remove(last.parse().expect("an index")))
                }
                Some(Value::Object(members)) => drop(members.remove(&last.replace("~1", "/"))),
                _ => {}
            }
            made
        }
        _ => {
            let (position, text) = (dice.below(5), dice.text());
            let made = request.add_message(position, Role::Developer, &text);
            match &mut expected {
                Value::Object(body) if body.contains_key("messages") => {
                    let list = body["messages"].as_array_mut().expect("checked");
                    list.insert(
                        position.min(list.len()),
                        json!({"role":"developer","content":text}),
                    );
                    assert!(
                        made.is_err() || changed(&bytes, request.bytes()).is_empty(),
                        "an insertion takes nothing away"
                    );
                }
                _ => return made,
            }
            made
        }
    };
    if made.is_ok() {
        let after: Value = serde_json::from_slice(request.bytes()).expect("valid");
        assert_eq!(
            after,
            expected,
            "{path}: {} -> {}",
            String::from_utf8_lossy(&bytes),
            body(request)
        );
    } else {
        assert_eq!(request.bytes(), &bytes);
    }
    made
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn after_any_edits_the_index_is_that_of_a_fresh_read(seed: u64) {
        let mut dice = Dice::new(seed);
        let (op, text) = match dice.below(4) {
            0 => (Operation::Completions, dice.prompt_request()),
            1 => (Operation::Embeddings, dice.input_request()),
            _ => (Operation::Chat, dice.chat_request()),
        };
        let mut request = read(op, &text);
        for _ in 0..6 {
            // an edit that is refused has changed nothing: judged with the rest below
            let _ = one_edit(&mut dice, &mut request);
            let fresh = Request::read(op, Bytes::clone(request.bytes()), &ReadLimits::default()).expect("still valid");
            prop_assert_eq!(without_provenance(&request), without_provenance(&fresh));
            prop_assert_eq!(told(&request), told(&fresh));
            prop_assert_eq!((request.model(), request.stream(), request.usage_asked()), (fresh.model(), fresh.stream(), fresh.usage_asked()));
            prop_assert_eq!(request.outbound("other", true).into_bytes(), fresh.outbound("other", true).into_bytes());
        }
    }
}
