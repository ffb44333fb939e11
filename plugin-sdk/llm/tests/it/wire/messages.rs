//! What crosses beside requests, answers and events; those are judged with every case in `translate/cases`.

use penstock_llm::model::{
    Asked, CacheMarks, ClaudeHost, Dialect, Losses, MAX_LOSSES, Maker, Names, ReasoningField,
    ReasoningSupport, Target, Text,
};
use penstock_llm::wire::{read_losses, read_names, write_losses, write_names};

use super::judge::{self, bytes};

#[test]
fn everything_that_is_known_of_a_target_crosses() {
    let request = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    let chat = Dialect::OpenAiChat.codec().expect("is written");
    let read = chat.read_request(request, &Asked::default()).expect("a request");
    let target = Target {
        stream: Some(true),
        ask_usage: false,
        maker: Some(Maker::Mistral),
        max_output: Some(u64::MAX),
        default_max_output: 1,
        reasoning: ReasoningSupport::Adaptive,
        reasoning_field: ReasoningField::Details,
        fetches_urls: false,
        system_anywhere: true,
        structured_output: false,
        cache_marks: CacheMarks::Breakpoint,
        cache_points: false,
        claude_host: ClaudeHost::Vertex,
        legacy_max_tokens: true,
        ..Target::new("gpt-\u{fc}")
    };
    judge::crosses(&read.value, &target);
    judge::crosses(&read.value, &Target::new(""));
}

#[test]
fn losses_cross_with_those_that_are_not_listed() {
    let mut losses = Losses::default();
    for at in 0..MAX_LOSSES + 7 {
        losses.changed(format!("messages[{at}]"), "is said otherwise");
    }
    let message = bytes(|out| write_losses(&losses, out));
    let crossed = read_losses(&message).expect("what was written");
    assert_eq!(crossed, losses);
    assert_eq!(crossed.unlisted(), 7);
}

#[test]
fn names_that_had_to_change_cross() {
    let mut names = Names::default();
    names.sent(&Text::plain("a tool \u{2603}"), 64, |c| c.is_ascii_alphanumeric());
    names.custom("free");
    let message = bytes(|out| write_names(&names, out));
    assert_eq!(read_names(&message), Ok(names));
}
