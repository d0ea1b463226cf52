//! Seeded changes of a corpus' bytes, towards what parsers stumble over. Also used from other packages.

/// One of the cases with one to three changes.
pub(crate) fn mutate(cases: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = cases[random.below(cases.len())].clone();
    for _ in 0..=random.below(3) {
        change(&mut bytes, cases, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    const INSERTS: &[&[u8]] = &[
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b"\0",
        b":",
        b";",
        b",",
        b"\"",
        b"0",
        b"1",
        b"0x",
        b"+",
        b"\x0b",
        b"\x7f",
        b"\x80",
        b"chunked",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n",
        b"Connection: keep-alive\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"204",
        b"Expect: 100-continue\r\n",
        b"http://h",
        b"?",
        b"%",
        b"[",
        b"@",
    ];
    let at = random.below(bytes.len() + 1);
    let length = random.below(8).min(bytes.len() - at);
    match random.below(6) {
        0 => drop(bytes.drain(at..at + length)),
        1 => drop(bytes.splice(at..at, INSERTS[random.below(INSERTS.len())].iter().copied())),
        2 => drop(bytes.splice(at..at + length.min(1), [random.below(256) as u8])),
        3 => {
            let copy = bytes[at..at + length].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// xorshift64: the same seed gives the same bytes on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to `bound`, which is not among them.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}
