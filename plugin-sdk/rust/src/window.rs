//! A window onto the text of one channel: what a guard reads, replaces and holds back.

use std::ops::Range;

use crate::{Edit, Kind};

/// The text of one channel that has not gone out yet.
///
/// Offsets are bytes of [`text`](TextWindow::text), as it was when the hook was called.
#[derive(Debug)]
pub struct TextWindow<'a> {
    text: String,
    fresh: usize,
    last: bool,
    kind: Kind,
    choice: u32,
    edits: Vec<Edit>,
    hold_from: Option<usize>,
    state: &'a [u8],
    next_state: Option<Vec<u8>>,
}

impl<'a> TextWindow<'a> {
    /// A window by hand; the SDK makes them for hooks, tests may make their own.
    pub fn new(
        kind: Kind,
        choice: u32,
        text: impl Into<String>,
        fresh: usize,
        last: bool,
        state: &'a [u8],
    ) -> Self {
        TextWindow {
            text: text.into(),
            fresh,
            last,
            kind,
            choice,
            edits: Vec::new(),
            hold_from: None,
            state,
            next_state: None,
        }
    }

    /// A whole text: one window, and the last.
    pub fn whole(kind: Kind, choice: u32, text: impl Into<String>) -> Self {
        TextWindow::new(kind, choice, text, 0, true, &[])
    }

    /// What was held back before, then the new text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the new text starts.
    pub fn fresh(&self) -> usize {
        self.fresh
    }

    /// The channel is over: nothing can be held any more.
    pub fn last(&self) -> bool {
        self.last
    }

    /// What the channel is made of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Which of the answer's choices the channel belongs to.
    pub fn choice(&self) -> u32 {
        self.choice
    }

    /// Puts `with` in the place of these bytes. Ranges must lie on character boundaries and must not overlap, otherwise
    /// the host treats the call as failed; any order is fine.
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        let (start, end) = (wire(range.start), wire(range.end));
        self.edits.push(Edit {
            start,
            end,
            text: with.into(),
        });
    }

    /// Keeps back everything from `offset` on: it comes again, as the beginning of this channel's next window. Moved
    /// down to a character boundary and up to the end of the last replacement; the host bounds how much may be held.
    /// Without effect on the last window.
    pub fn hold_from(&mut self, offset: usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        self.hold_from = Some(offset);
    }

    /// What this plugin remembered of this channel; empty at its beginning.
    pub fn state(&self) -> &[u8] {
        self.next_state.as_deref().unwrap_or(self.state)
    }

    /// Remembers bytes until this channel's next window. The host bounds all channels of a stream together to 64 KiB.
    pub fn set_state(&mut self, state: &[u8]) {
        if self.state() != state {
            self.next_state = Some(state.to_vec());
        }
    }

    /// The text with the replacements made, whatever is held; `None` where nothing was replaced.
    pub fn edited(&mut self) -> Option<String> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|edit| (edit.start, edit.end));
        let mut out = String::with_capacity(self.text.len());
        let mut from = 0;
        for edit in &self.edits {
            out.push_str(
                self.text
                    .get(from..edit.start as usize)
                    .expect("a range between character boundaries"),
            );
            out.push_str(&edit.text);
            from = edit.end as usize;
        }
        out.push_str(
            self.text
                .get(from..)
                .expect("a range between character boundaries"),
        );
        Some(out)
    }

    /// The new state where it changed.
    pub(crate) fn changed_state(&mut self) -> Option<Vec<u8>> {
        self.next_state.take()
    }

    /// The edits in order, and how many bytes at the end are held.
    pub(crate) fn outcome(mut self) -> (Vec<Edit>, u32) {
        self.edits.sort_by_key(|edit| (edit.start, edit.end));
        let after_edits = self.edits.last().map_or(0, |edit| edit.end as usize);
        let hold = match self.hold_from {
            Some(offset) if !self.last => self.text.len().saturating_sub(offset.max(after_edits)),
            _ => 0,
        };
        (self.edits, wire(hold))
    }
}

/// An offset as the contract carries it. Windows are far below 4 GiB; a larger value would be refused by the host.
fn wire(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
