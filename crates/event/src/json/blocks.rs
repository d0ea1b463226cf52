//! The grammar of a whole container in blocks of sixty-four bytes: a bit for each byte, and the rules of RFC 8259 as
//! masks.
//!
//! The rule is that each token may follow the token before it. Masks tell that for all bytes of a block at once; only
//! brackets, escapes and the words `true`, `false` and `null` are looked at one by one. It says no more than yes: what
//! it does not pass, the scanner reads again and names what is wrong and where.

use super::Open;
use super::bytes::{BLOCK, Bytes};
use super::carry::{Next, Run, Shift, prefix_xor};

/// How long the container is with which the bytes begin, if one does and all in it is well-formed.
pub(super) fn container(bytes: &[u8], nesting_max: usize) -> Option<usize> {
    let mut pass = Pass::new(bytes, nesting_max);
    let (blocks, tail) = bytes.as_chunks();
    for block in blocks {
        if let Some(end) = pass.block(block)? {
            return Some(end);
        }
    }
    let mut last = [b' '; BLOCK];
    last.get_mut(..tail.len())?.copy_from_slice(tail);
    pass.block(&last)?
}

struct Pass<'a> {
    bytes: &'a [u8],
    /// Where the next block begins.
    at: usize,
    nesting_max: usize,
    open: Open,
    /// All ones when the block before ended within a string.
    in_string: u64,
    /// One when the next block's first byte has a backslash before it.
    escaped: u64,
    /// Where keys end.
    keys: Run,
    atoms: Shift,
    atom: Atoms,
    after_opening: Next,
    after_comma: Next,
    after_colon: Next,
    after_key: Next,
}

impl<'a> Pass<'a> {
    fn new(bytes: &'a [u8], nesting_max: usize) -> Self {
        Self {
            bytes,
            at: 0,
            nesting_max,
            open: Open::default(),
            in_string: 0,
            escaped: 0,
            keys: Run::default(),
            atoms: Shift::default(),
            atom: Atoms::default(),
            after_opening: Next::default(),
            after_comma: Next::default(),
            // What is begun with is a value, as after a colon.
            after_colon: Next::at_once(),
            after_key: Next::default(),
        }
    }

    /// Takes the next block. `None`: something in it is not well-formed. Else where the container ends, if it does.
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK]) -> Option<Option<usize>> {
        let bytes = Bytes::of(block);
        let start = self.at;
        self.at += BLOCK;

        // Strings: from the opening quote on, the closing one is no longer within.
        let escaped = self.escaped(bytes.backslash);
        let quotes = bytes.quote & !escaped;
        let within = prefix_xor(quotes) ^ self.in_string;
        self.in_string = (within.cast_signed() >> 63).cast_unsigned();
        let mut bad = bytes.control & (within | !bytes.line_blank);
        if escaped != 0 {
            bad |= self.bad_escapes(escaped & within, start);
        }
        if within == u64::MAX && quotes == 0 {
            return (bad == 0).then_some(None);
        }
        let string = quotes & within;

        let outside = !(within | quotes);
        let opening = bytes.opening & outside;
        let closing = bytes.closing & outside;
        let colon = bytes.colon & outside;
        let comma = bytes.comma & outside;
        let blank = (bytes.space | bytes.line_blank) & outside;
        let punctuation = opening | closing | colon | comma;
        let atoms = outside & !(punctuation | blank);
        let carried = self.atoms;
        let atom = atoms & !self.atoms.up(atoms);
        if atoms != 0 || carried != Shift::default() {
            bad |= self.atom.bad(&bytes, atoms, atom, self.bytes.get(start..)?);
        }

        let (in_object, end) = self.brackets(opening, closing, block)?;

        // What each token comes after. What comes after none of these comes after a value.
        let after_opening = self.after_opening.of(opening, blank);
        let after_comma = self.after_comma.of(comma, blank);
        let after_colon = self.after_colon.of(colon, blank);
        let first = after_opening | after_comma;
        let key_ends = self.keys.past(first & in_object & string, within);
        let after_key = self.after_key.of(key_ends, blank);
        let value = string | atom | opening;
        let after_value = (value | punctuation) & !(first | after_colon | after_key);
        bad |= first & !(string | closing & after_opening | value & !in_object)
            | after_colon & !value
            | after_key ^ colon
            | after_value & !(comma | closing);

        match end {
            Some(end) if bad & u64::MAX >> (63 - end) == 0 => Some(Some(start + end as usize + 1)),
            None if bad == 0 => Some(None),
            _ => None,
        }
    }

    /// The bytes that stand after a backslash which is not itself escaped.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        // Backslashes in a row escape each other in pairs; what a row of an odd length ends with escapes what follows.
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = backslashes & !self.escaped;
        let follows = backslashes << 1 | self.escaped;
        let odd_starts = backslashes & !EVEN & !follows;
        let (rows, overflow) = odd_starts.overflowing_add(backslashes);
        self.escaped = overflow.into();
        (EVEN ^ rows << 1) & follows
    }

    #[inline(always)]
    fn bad_escapes(&self, mut escaped: u64, start: usize) -> u64 {
        let mut bad = 0;
        while escaped != 0 {
            let at = escaped.trailing_zeros();
            let text = self.bytes.get(start + at as usize..).unwrap_or_default();
            let good = match text.first() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
                Some(b'u') => {
                    let digits = text.get(1..5).unwrap_or_default();
                    digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit)
                }
                _ => false,
            };
            bad |= u64::from(!good) << at;
            escaped &= escaped - 1;
        }
        bad
    }

    /// Which bytes stand directly in an object, and the bracket that ends the whole container. `None` when brackets
    /// don't match or are too many within each other.
    #[inline(always)]
    fn brackets(
        &mut self,
        opening: u64,
        closing: u64,
        block: &[u8; BLOCK],
    ) -> Option<(u64, Option<u32>)> {
        let mut before = self.open.in_object();
        let mut in_object = u64::from(before).wrapping_neg();
        let mut brackets = opening | closing;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            // The bit that a brace has and a square bracket has not.
            let brace = block.get(at as usize)? & 0x20 != 0;
            if opening >> at & 1 == 1 {
                if self.open.depth() >= self.nesting_max {
                    return None;
                }
                self.open.push(brace);
            } else {
                if brace != before {
                    return None;
                }
                self.open.pop();
                if self.open.depth() == 0 {
                    return Some((in_object, Some(at)));
                }
            }
            let after = self.open.in_object();
            in_object ^= u64::from(before != after).wrapping_neg() << at << 1;
            before = after;
            brackets &= brackets - 1;
        }
        Some((in_object, None))
    }
}

/// Numbers and words: runs of bytes outside strings that are neither blank nor punctuation.
#[derive(Default)]
struct Atoms {
    /// What the last word of the block before covers of the next.
    word: u64,
    after_word: Shift,
    after_minus: Shift,
    after_point: Shift,
    after_digit: Shift,
    after_zero: Shift,
    whole: Run,
    exponents: Exponents,
}

impl Atoms {
    /// The bytes of `atoms` that must not stand where they stand. `first` are those that begin one; `text` is what
    /// the block begins and what follows it.
    #[inline(always)]
    fn bad(&mut self, bytes: &Bytes, atoms: u64, first: u64, text: &[u8]) -> u64 {
        let minus = bytes.minus & atoms;
        let digits = bytes.digit & atoms;
        let (words, mut bad) = self.words(first & !(minus | digits), text);
        bad |= self.after_word.up(words) & atoms & !words;
        let numbers = atoms & !words;
        let point = bytes.point & numbers;
        // The whole part, which is what a point must end; nothing is added to a leading zero.
        let whole = digits & (first | self.after_minus.up(minus & first));
        let whole_ends = self.whole.past(whole, digits);
        bad |= point & !whole_ends;
        bad |= self.after_point.up(point | minus & first) & !digits;
        bad |= self.after_zero.up(whole & bytes.zero) & digits;
        let after_digit = self.after_digit.up(digits);
        let others = numbers & !(digits | point | minus & first);
        if others != 0 || self.exponents.pending() {
            let exponent = bytes.exponent & others;
            let sign = (minus | bytes.plus) & others;
            bad |= others & !(exponent | sign) | exponent & !after_digit;
            bad |= self.exponents.bad(exponent, sign, digits);
        }
        bad
    }

    /// What words cover, and where one should begin and does not.
    #[inline(always)]
    fn words(&mut self, mut first: u64, text: &[u8]) -> (u64, u64) {
        let (mut covered, mut bad) = (std::mem::take(&mut self.word), 0);
        while first != 0 {
            let at = first.trailing_zeros();
            let rest = text.get(at as usize..).unwrap_or_default();
            let letters: u64 = match rest.first_chunk() {
                Some(b"true" | b"null") => 0b1111,
                Some(b"fals") if rest.get(4) == Some(&b'e') => 0b1_1111,
                _ => 0,
            };
            bad |= u64::from(letters == 0) << at;
            covered |= letters << at;
            // In two steps, for a shift by all bits is none.
            self.word |= letters >> 1 >> (63 - at);
            first &= first - 1;
        }
        (covered, bad)
    }
}

/// Exponents of numbers, which are rare.
#[derive(Default)]
struct Exponents {
    after_mark: Shift,
    after_sign: Shift,
    digits: Run,
}

impl Exponents {
    fn pending(&self) -> bool {
        self.after_mark != Shift::default()
            || self.after_sign != Shift::default()
            || self.digits.pending()
    }

    /// The bytes that must not stand where they stand: a sign that is not the exponent's, no digit, two exponents.
    fn bad(&mut self, exponent: u64, sign: u64, digits: u64) -> u64 {
        let after_mark = self.after_mark.up(exponent);
        let after_sign = self.after_sign.up(sign);
        let starts = digits & (after_mark | after_sign);
        let ends = self.digits.past(starts, digits);
        sign & !after_mark | after_mark & !(digits | sign) | after_sign & !digits | ends & exponent
    }
}

#[cfg(test)]
mod tests;
