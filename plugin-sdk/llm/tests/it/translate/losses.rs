//! What recorded traffic loses on its way from each dialect to each other, as a list in `losses.txt`: a loss that comes or
//! goes is seen in review. `PENSTOCK_WRITE_LISTS=1` writes the list anew.

use std::collections::BTreeSet;
use std::path::Path;

use penstock_llm::model::{Codec, Losses};

use super::judge::generous;
use super::streams::{ENVELOPE, translated};
use super::table::{asked, codecs, recorded};
use crate::recorded::Recording;

#[test]
fn what_recorded_traffic_loses_is_listed() {
    let mut lost = BTreeSet::new();
    for (recording, from) in recorded() {
        for to in codecs().filter(|to| to.dialect() != from.dialect()) {
            add(&recording, from, to, &mut lost);
        }
    }
    if lost.is_empty() {
        // there are no recordings
        return;
    }
    let found = lost.into_iter().collect::<Vec<_>>().join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/translate/losses.txt");
    if std::env::var_os("PENSTOCK_WRITE_LISTS").is_some() {
        std::fs::write(&file, &found).expect("writable");
    }
    let listed = std::fs::read_to_string(&file).expect("the list");
    let (found, listed): (BTreeSet<_>, BTreeSet<_>) = (found.lines().collect(), listed.lines().collect());
    let more: Vec<_> = found.difference(&listed).collect();
    let fewer: Vec<_> = listed.difference(&found).collect();
    assert!(
        more.is_empty() && fewer.is_empty(),
        "not listed: {more:#?}\nlisted, but not lost: {fewer:#?}"
    );
}

fn add(recording: &Recording, from: &dyn Codec, to: &dyn Codec, lost: &mut BTreeSet<String>) {
    let way = format!("{} to {}", from.dialect().as_str(), to.dialect().as_str());
    if let Ok(read) = from.read_request(&recording.request, &asked(recording)) {
        list(&way, "request", &read.losses, lost);
        match to.write_request(&read.value, &generous("m")) {
            Ok(written) => list(&way, "request", &written.losses, lost),
            Err(refused) => {
                let param = without_numbers(refused.param.as_deref().unwrap_or_default());
                lost.insert(format!("{way}, request: {param} refused"));
            }
        }
    }
    if recording.status >= 400 {
        return;
    }
    if recording.is_stream() {
        let run = translated(from, to, &ENVELOPE, [&recording.response[..]]);
        list(&way, "stream", &run.losses, lost);
    } else if let Ok(read) = from.read_answer(&recording.response) {
        list(&way, "answer", &read.losses, lost);
        list(
            &way,
            "answer",
            &to.write_answer(&read.value, &ENVELOPE).losses,
            lost,
        );
    }
}

fn list(way: &str, what: &str, losses: &Losses, lost: &mut BTreeSet<String>) {
    for loss in losses.list() {
        let at = without_numbers(&loss.at);
        lost.insert(format!("{way}, {what}: {at} {}", loss.what.as_str()));
    }
}

/// `messages[2].content[0]` as `messages[].content[]`.
fn without_numbers(at: &str) -> String {
    let mut inside = false;
    let kept = |c: &char| {
        inside = match c {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        !(inside && c.is_ascii_digit())
    };
    at.chars().filter(kept).collect()
}
