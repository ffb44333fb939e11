//! Searches a body that Penstock only passes on: bytes, perhaps not text, perhaps long, read window by window.

use crate::scan::{Scanner, State};

/// A window costs a copy into the guest; a few of them fit its memory at once.
const WINDOW_BYTES: u32 = 1 << 18;

/// The rule of the first secret; `read` gives the bytes at an offset, fewer only at the end.
pub fn first_secret(scanner: &Scanner, length: u64, read: impl Fn(u64, u32) -> Vec<u8>) -> Option<&str> {
    let (mut offset, mut held, mut state) = (0, String::new(), State::default());
    loop {
        let bytes = read(offset, WINDOW_BYTES);
        offset += bytes.len() as u64;
        let last = bytes.is_empty() || offset >= length;
        // what is no text becomes U+FFFD, which is part of no secret
        held.push_str(&String::from_utf8_lossy(&bytes));
        let found = scanner.scan(&held, last, state);
        if let Some(hit) = found.hits.first() {
            return Some(scanner.rule_name(hit));
        }
        if last {
            return None;
        }
        held = held.split_off(found.hold_from.unwrap_or(held.len()));
        state = found.state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_across_windows_and_among_bytes_that_are_no_text_is_found() {
        let scanner = Scanner::new(crate::rules::builtin(), "x").expect("the rules");
        let window = WINDOW_BYTES as usize;
        let key = format!("ghp_{}", "aB3dE5fG7hJ9".repeat(3));
        for at in [0, 5, window - 4, window - 1, window, 2 * window - 20] {
            let mut body = vec![0xff; at];
            body.extend_from_slice(key.as_bytes());
            body.extend(vec![0xc3; window]);
            let read = |offset: u64, length: u32| {
                let from = (offset as usize).min(body.len());
                body[from..(from + length as usize).min(body.len())].to_vec()
            };
            assert_eq!(
                first_secret(&scanner, body.len() as u64, read),
                Some("github"),
                "at {at}"
            );
        }
        assert_eq!(first_secret(&scanner, 0, |_, _| Vec::new()), None);
        assert_eq!(
            first_secret(&scanner, u64::MAX, |_, _| Vec::new()),
            None,
            "a length that is not kept"
        );
    }
}
