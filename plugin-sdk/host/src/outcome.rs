//! Checks what `on-event` said about a window before anybody acts on it; acting on it is left to the gateway.

use crate::bindings::exports::penstock::plugin::on_event as wit;
use crate::fault::PluginFault;
use crate::limits::Limits;
use crate::verdict::{Delta, Edit, Outcome, Refusal};

/// The outcome and, where the plugin gave one, its new state; or which rule was broken.
pub fn checked(
    said: wit::Outcome,
    delta: &Delta<'_>,
    limits: &Limits,
) -> Result<(Outcome, Option<Vec<u8>>), PluginFault> {
    let state_bytes = said.state.as_ref().map_or(0, Vec::len);
    if state_bytes > limits.state_bytes as usize {
        return Err(PluginFault::OutputTooLarge);
    }
    // nothing of the window goes out, so neither edits nor a hold mean anything
    if let Some(refusal) = said.end {
        let end = Some(Refusal::from_guest(refusal));
        return Ok((
            Outcome {
                edits: Vec::new(),
                hold: 0,
                end,
            },
            said.state,
        ));
    }
    check_hold(said.hold, delta, limits)?;
    let edits = checked_edits(said.edits, delta.window, delta.window.len() - said.hold as usize)?;
    let written: usize = edits.iter().map(|edit| edit.text.len()).sum();
    if written.saturating_add(state_bytes) > limits.output_for(delta.window.len()) {
        return Err(PluginFault::OutputTooLarge);
    }
    Ok((
        Outcome {
            edits,
            hold: said.hold,
            end: None,
        },
        said.state,
    ))
}

fn check_hold(hold: u32, delta: &Delta<'_>, limits: &Limits) -> Result<(), PluginFault> {
    if hold == 0 {
        return Ok(());
    }
    if delta.last {
        return Err(PluginFault::BadOutcome("nothing can be held at the last delta"));
    }
    let Some(goes_out) = delta.window.len().checked_sub(hold as usize) else {
        return Err(PluginFault::BadOutcome("more is held than the window has"));
    };
    if hold > limits.hold_back_bytes {
        return Err(PluginFault::HoldBack);
    }
    if !delta.window.is_char_boundary(goes_out) {
        return Err(PluginFault::BadOutcome("what is held begins within a character"));
    }
    Ok(())
}

/// Edits of what goes out: what is held comes again with the next delta, unedited.
fn checked_edits(said: Vec<wit::Edit>, window: &str, goes_out: usize) -> Result<Vec<Edit>, PluginFault> {
    let mut free_from = 0;
    let mut edits = Vec::with_capacity(said.len());
    for wit::Edit { start, end, text } in said {
        let (from, to) = (start as usize, end as usize);
        if from > to || to > window.len() {
            return Err(PluginFault::BadOutcome("an edit lies outside of the window"));
        }
        if from < free_from {
            return Err(PluginFault::BadOutcome("edits overlap or are not sorted"));
        }
        if to > goes_out {
            return Err(PluginFault::BadOutcome("an edit reaches into what is held"));
        }
        if !window.is_char_boundary(from) || !window.is_char_boundary(to) {
            return Err(PluginFault::BadOutcome(
                "an edit begins or ends within a character",
            ));
        }
        free_from = to;
        edits.push(Edit { start, end, text });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use penstock_llm::openai::Kind;

    use super::*;

    fn delta(window: &str) -> Delta<'_> {
        Delta {
            channel: 0,
            choice: 0,
            kind: Kind::Text,
            window,
            fresh: 0,
            last: false,
        }
    }

    /// `start`, `end`, `text`
    type Said = (u32, u32, &'static str);

    fn said(edits: &[(u32, u32, &str)], hold: u32) -> wit::Outcome {
        let edits = edits.iter().map(|(start, end, text)| wit::Edit {
            start: *start,
            end: *end,
            text: (*text).into(),
        });
        wit::Outcome {
            edits: edits.collect(),
            hold,
            state: None,
            end: None,
        }
    }

    fn check(edits: &[(u32, u32, &str)], hold: u32) -> Result<Outcome, PluginFault> {
        checked(said(edits, hold), &delta("aé漢z"), &Limits::default()).map(|(outcome, _)| outcome)
    }

    #[test]
    fn edits_and_a_hold_in_order_are_taken_as_they_are() {
        // boundaries of "aé漢z" are 0 1 3 6 7
        let outcome = check(&[(0, 0, "x"), (0, 1, ""), (1, 3, "e"), (3, 3, "y")], 4).expect("all in order");
        assert_eq!((outcome.edits.len(), outcome.hold, outcome.end), (4, 4, None));
    }

    #[test]
    fn every_broken_rule_is_refused() {
        let everything: [(&[Said], u32); 9] = [
            (&[(0, 8, "")], 0),
            (&[(3, 1, "")], 0),
            (&[(u32::MAX, u32::MAX, "")], 0),
            (&[(0, 2, "")], 0),
            (&[(4, 6, "")], 0),
            (&[(0, 3, ""), (1, 3, "")], 0),
            (&[(3, 6, ""), (0, 1, "")], 0),
            (&[(6, 7, "")], 1),
            (&[], 8),
        ];
        for (edits, hold) in everything {
            assert!(
                matches!(check(edits, hold), Err(PluginFault::BadOutcome(_))),
                "{edits:?} {hold}"
            );
        }
        assert!(
            matches!(check(&[], 2), Err(PluginFault::BadOutcome(_))),
            "hold within a character"
        );
    }

    #[test]
    fn nothing_is_held_at_the_end_or_beyond_the_limit() {
        let last = Delta {
            last: true,
            ..delta("abc")
        };
        let limits = Limits {
            hold_back_bytes: 2,
            ..Limits::default()
        };
        assert!(matches!(
            checked(said(&[], 1), &last, &limits),
            Err(PluginFault::BadOutcome(_))
        ));
        assert_eq!(
            checked(said(&[], 3), &delta("abc"), &limits).err(),
            Some(PluginFault::HoldBack)
        );
        assert!(checked(said(&[], 2), &delta("abc"), &limits).is_ok());
    }

    #[test]
    fn too_much_text_or_state_is_refused() {
        let limits = Limits {
            output_bytes: 10,
            state_bytes: 4,
            ..Limits::default()
        };
        let long = "x".repeat(14);
        let result = checked(said(&[(0, 0, &long)], 0), &delta("abc"), &limits);
        assert_eq!(result.err(), Some(PluginFault::OutputTooLarge));
        let state = wit::Outcome {
            state: Some(vec![0; 5]),
            ..said(&[], 0)
        };
        assert_eq!(
            checked(state, &delta("abc"), &limits).err(),
            Some(PluginFault::OutputTooLarge)
        );
    }
}
