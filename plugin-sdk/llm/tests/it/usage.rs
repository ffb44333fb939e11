use penstock_llm::usage::{TokenCount, Usage};

fn read(object: &str) -> Usage {
    Usage::read(object.as_bytes()).expect(object)
}

fn count(tokens: u64) -> Option<TokenCount> {
    Some(TokenCount(tokens))
}

#[test]
fn openais_usage_is_read_whole() {
    let usage = read(
        r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
        "prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":4,"audio_tokens":5,"other":{}},
        "completion_tokens_details":{"reasoning_tokens":6,"audio_tokens":7,"accepted_prediction_tokens":1}}"#,
    );
    let expected = Usage {
        prompt: count(10),
        completion: count(20),
        total: count(30),
        cached: count(3),
        cache_write: count(4),
        reasoning: count(6),
        audio_in: count(5),
        audio_out: count(7),
    };
    assert_eq!(usage, expected);
}

#[test]
fn other_providers_places_are_known_and_openais_win() {
    assert_eq!(
        read(r#"{"prompt_cache_hit_tokens":3,"prompt_cache_miss_tokens":1}"#).cached,
        count(3)
    );
    assert_eq!(read(r#"{"num_cached_tokens":3}"#).cached, count(3));
    assert_eq!(read(r#"{"cached_tokens":3}"#).cached, count(3));
    assert_eq!(
        read(r#"{"cached_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}"#).cached,
        count(2)
    );
    assert_eq!(read(r#"{"prompt_tokens_details":{"cached_tokens":2,"cache_creation_input_tokens":8},"cached_tokens":3}"#).cache_write, count(8));
    assert_eq!(
        read(r#"{"reasoning_tokens":3,"citation_tokens":1}"#).reasoning,
        count(3)
    );
    assert_eq!(
        read(r#"{"input_tokens":3,"output_tokens":4}"#).completion,
        count(4)
    );
}

#[test]
fn the_details_of_responses_and_realtime_sessions_are_read() {
    for (prompt, completion) in [
        ("input_tokens_details", "output_tokens_details"),
        ("input_token_details", "output_token_details"),
    ] {
        let usage = read(&format!(
            r#"{{"{prompt}":{{"cached_tokens":1,"audio_tokens":2}},"{completion}":{{"audio_tokens":3,"reasoning_tokens":4}}}}"#
        ));
        let details = (usage.cached, usage.audio_in, usage.audio_out, usage.reasoning);
        assert_eq!(details, (count(1), count(2), count(3), count(4)));
    }
}

#[test]
fn what_is_no_count_is_none() {
    for value in [
        "null",
        "-1",
        "1.5",
        "\"12\"",
        "[1]",
        "{}",
        "true",
        "1e300",
        "99999999999999999999",
        "-0.5",
    ] {
        let usage = read(&format!(r#"{{"prompt_tokens":{value},"total_tokens":1}}"#));
        assert_eq!((usage.prompt, usage.total), (None, count(1)), "{value}");
    }
    for (value, tokens) in [
        ("12.0", 12),
        ("1.2e1", 12),
        ("0", 0),
        ("-0.0", 0),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(
            read(&format!(r#"{{"prompt_tokens":{value}}}"#)).prompt,
            count(tokens),
            "{value}"
        );
    }
    assert_eq!(
        read(r#"{"prompt_tokens":1,"prompt_tokens_details":null,"completion_tokens_details":[]}"#).cached,
        None
    );
    for nothing in [
        "",
        "null",
        "[]",
        "{}",
        "{\"a\":1}",
        "{\"prompt_tokens\":1",
        "{\"prompt_tokens\":null}",
    ] {
        assert_eq!(Usage::read(nothing.as_bytes()), None, "{nothing}");
    }
}

#[test]
fn an_estimate_never_says_nothing_for_something() {
    assert_eq!(TokenCount::estimated(1), TokenCount(1));
    assert_eq!(TokenCount::estimated(9), TokenCount(3));
    assert_eq!(TokenCount::estimated(0), TokenCount(0));
}
