//! Whether JSON that comes in pieces is whole by now, told without keeping the pieces.

use crate::wire::record;

/// How far a JSON value has come. Nothing is checked but quotes, braces and brackets.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Balance {
    depth: u32,
    in_string: bool,
    escaped: bool,
    started: bool,
}

record!(Balance {
    depth,
    in_string,
    escaped,
    started
});

impl Balance {
    pub fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            self.byte(byte);
        }
    }

    /// Nothing but white space came so far.
    pub fn is_blank(&self) -> bool {
        !self.started
    }

    /// A value began and every string, array and object of it is closed.
    pub fn is_whole(&self) -> bool {
        self.started && self.depth == 0 && !self.in_string
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.started |= !byte.is_ascii_whitespace();
    }
}
