//! Values that no reader wants: checked to the last byte and passed, however deep, without recursing.

use super::{Cursor, HIGHEST_MAX_DEPTH, JsonError, Span};

impl Cursor<'_> {
    /// Checks the next value, whatever it is, and says where it was.
    ///
    /// # Errors
    /// It is not valid JSON or nested too deeply.
    pub fn skip(&mut self) -> Result<Span, JsonError> {
        let first = self.peek()?;
        let start = self.at;
        if matches!(first, b'{' | b'[') {
            self.skip_nested()?;
        } else {
            self.scalar(first)?;
        }
        Ok(Span::new(start, self.at))
    }

    fn skip_nested(&mut self) -> Result<(), JsonError> {
        let outer = self.depth;
        let mut nesting = Nesting([0; HIGHEST_MAX_DEPTH / 64]);
        loop {
            let entered = match self.peek()? {
                b'{' => self.open_object(&mut nesting)?,
                b'[' => self.open_array(&mut nesting)?,
                first => self.scalar(first)?,
            };
            if !entered && !self.continues(outer, &nesting)? {
                return Ok(());
            }
        }
    }

    /// Steps to an object's first value; false where it is empty, and behind.
    #[inline]
    fn open_object(&mut self, nesting: &mut Nesting) -> Result<bool, JsonError> {
        self.enter()?;
        nesting.set(self.depth, true);
        let entered = self.more(b'}', &mut true)?;
        if entered {
            self.key()?;
        }
        Ok(entered)
    }

    #[inline]
    fn open_array(&mut self, nesting: &mut Nesting) -> Result<bool, JsonError> {
        self.enter()?;
        nesting.set(self.depth, false);
        self.more(b']', &mut true)
    }

    /// After a value: whether another one comes next inside what was entered since `outer`.
    #[inline]
    fn continues(&mut self, outer: usize, nesting: &Nesting) -> Result<bool, JsonError> {
        while self.depth > outer {
            let in_object = nesting.is_object(self.depth);
            if !self.more(if in_object { b'}' } else { b']' }, &mut false)? {
                continue;
            }
            if in_object {
                self.key()?;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// For each level, whether it is an object.
struct Nesting([u64; HIGHEST_MAX_DEPTH / 64]);

impl Nesting {
    /// `depth` counts from 1 and is at most `HIGHEST_MAX_DEPTH`, which `Cursor::enter` sees to.
    #[inline]
    fn set(&mut self, depth: usize, object: bool) {
        let (word, bit) = ((depth - 1) / 64, (depth - 1) % 64);
        self.0[word] = self.0[word] & !(1 << bit) | (u64::from(object) << bit);
    }

    #[inline]
    fn is_object(&self, depth: usize) -> bool {
        self.0[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1
    }
}
