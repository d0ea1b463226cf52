//! The scanner: RFC 8259 grammar in one pass, without recursion and without a tree.
//!
//! It checks syntax only. Whether the bytes are UTF-8 is the caller's to check over the whole
//! span at once; all structure is ASCII, so a span never cuts a character.

use wide::u8x16;

use super::blocks::container;
use super::bytes::BLOCK;
use super::{Kind, NESTING_MAX, Open, Value};

/// Where and why the text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nesting_max: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte; values may hold `nesting_max` containers within each other.
    pub(crate) fn new(bytes: &'a [u8], nesting_max: usize) -> Self {
        Self { bytes, at: 0, nesting_max: nesting_max.min(NESTING_MAX) }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    fn error(&self, why: &'static str) -> Syntax {
        Syntax { at: self.at, why }
    }

    /// One value, which must start here.
    pub(crate) fn value(&mut self) -> Result<Value, Syntax> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.container().map(|()| Kind::Object)?,
            Some(b'[') => self.container().map(|()| Kind::Array)?,
            _ => self.scalar()?,
        };
        Ok(Value { kind, span: start..self.at })
    }

    /// Passes the opening bracket of an object whose members the caller walks.
    pub(crate) fn open_object(&mut self) -> Result<(), Syntax> {
        if self.eat(b'{') { Ok(()) } else { Err(self.error("expected an object")) }
    }

    /// The next member of the object being walked: its key (a string) and its value.
    pub(crate) fn member(&mut self, first: bool) -> Result<Option<(Value, Value)>, Syntax> {
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(None);
        }
        if !first {
            if !self.eat(b',') {
                return Err(self.error("expected a comma or the end of the object"));
            }
            self.skip_blanks();
        }
        let key = self.key()?;
        let value = self.value()?;
        Ok(Some((key, value)))
    }

    #[inline(always)]
    pub(crate) fn skip_blanks(&mut self) {
        // Most often there is none.
        if self.peek().is_some_and(|byte| byte > b' ') {
            return;
        }
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes the byte if it is next.
    #[inline(always)]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// A container and all in it: in blocks if they pass it, else token by token, for what is wrong.
    fn container(&mut self) -> Result<(), Syntax> {
        let rest = self.rest();
        // Below that it makes no difference.
        if rest.len() > 2 * BLOCK
            && let Some(length) = container(rest, self.nesting_max)
        {
            self.at += length;
            return Ok(());
        }
        self.containers()
    }

    /// A container token by token. A stack of bits instead of recursion: hostile nesting must
    /// not cost stack.
    pub(super) fn containers(&mut self) -> Result<(), Syntax> {
        let mut open = Open::default();
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    let is_object = bracket == b'{';
                    if open.depth() >= self.nesting_max {
                        return Err(self.error("containers are nested too deep"));
                    }
                    open.push(is_object);
                    self.at += 1;
                    self.skip_blanks();
                    if self.eat(if is_object { b'}' } else { b']' }) {
                        open.pop();
                    } else {
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            if !self.after_value(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Closes what ends here. Whether another value follows.
    #[inline(always)]
    fn after_value(&mut self, open: &mut Open) -> Result<bool, Syntax> {
        while open.depth() > 0 {
            self.skip_blanks();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_blanks();
                    if open.in_object() {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if open.in_object() => {}
                Some(b']') if !open.in_object() => {}
                _ => return Err(self.error("expected a comma or a closing bracket")),
            }
            self.at += 1;
            open.pop();
        }
        Ok(false)
    }

    /// A member's key with its colon, up to the value.
    #[inline(always)]
    fn key(&mut self) -> Result<Value, Syntax> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a member name in quotes"));
        }
        let kind = self.string()?;
        let key = Value { kind, span: start..self.at };
        self.skip_blanks();
        if !self.eat(b':') {
            return Err(self.error("expected a colon"));
        }
        self.skip_blanks();
        Ok(key)
    }

    #[inline(always)]
    fn scalar(&mut self) -> Result<Kind, Syntax> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends too early")),
        }
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Syntax> {
        if !self.rest().starts_with(word) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// What may follow a number is the caller's to check: `01` ends after the zero and fails there.
    #[inline(always)]
    fn number(&mut self) -> Result<Kind, Syntax> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let _signed = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    /// One digit or more.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), Syntax> {
        let rest = self.rest();
        // Without a loop for the usual number: where it ends cannot be foretold.
        let others = rest.first_chunk().map_or(0, |block| !digits(*block) & 0xffff);
        let count = match others {
            0 => rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len()),
            others => others.trailing_zeros() as usize,
        };
        self.at += count;
        if count == 0 { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    /// A string from its opening to past its closing quote.
    #[inline(always)]
    fn string(&mut self) -> Result<Kind, Syntax> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Kind::String { escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return Err(self.error("control character in a string")),
                None => return Err(self.error("the text ends inside a string")),
            }
        }
    }

    /// What follows a backslash. A surrogate without its other half is grammar, so it passes.
    fn escape(&mut self) -> Result<(), Syntax> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.rest().get(1..5).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(self.error("expected four hex digits"));
                }
                self.at += 5;
                Ok(())
            }
            _ => Err(self.error("unknown escape")),
        }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// How many bytes pass before a quote, a backslash or a control character. Sixteen at a time.
#[inline(always)]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    // Most strings end within the first sixteen.
    let found = bytes.first_chunk().map_or(0, |block| special_bytes(*block));
    if found != 0 { found.trailing_zeros() as usize } else { long_plain_run(bytes) }
}

fn long_plain_run(bytes: &[u8]) -> usize {
    let (blocks, tail) = bytes.as_chunks();
    for (at, block) in blocks.iter().enumerate() {
        let found = special_bytes(*block);
        if found != 0 {
            return at * 16 + found.trailing_zeros() as usize;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    blocks.len() * 16 + tail.iter().position(special).unwrap_or(tail.len())
}

/// A bit for each digit.
#[inline(always)]
fn digits(block: [u8; 16]) -> u32 {
    let block = u8x16::new(block) - u8x16::splat(b'0');
    block.min(u8x16::splat(9)).simd_eq(block).to_bitmask()
}

/// A bit for each byte that ends a plain run.
#[inline(always)]
fn special_bytes(block: [u8; 16]) -> u32 {
    let block = u8x16::new(block);
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    let special = control | block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\'));
    special.to_bitmask()
}
