//! Tests of bodies in the buffer: places, room, drains. Framing itself is in the corpus.

use super::*;

fn reader(framing: BodyFraming) -> BodyReader {
    BodyReader::new(framing, &Limits::default()).unwrap()
}

fn head(fields: &str) -> Head {
    let bytes = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let mut head = Head::new();
    head.parse(bytes.as_bytes(), &Limits::default()).unwrap().unwrap();
    head
}

#[test]
fn a_length_says_what_is_missing() {
    let mut reader = reader(BodyFraming::Length(5));
    assert_eq!(reader.missing(), 5);
    let mut buf = b"head|he".to_vec();
    assert_eq!(reader.feed(&mut buf, 5), Ok(Progress::NeedMore));
    assert_eq!(reader.missing(), 3);
    buf.extend_from_slice(b"lloGET");
    assert_eq!(reader.feed(&mut buf, 5), Ok(Progress::Done { body: 5..10, next: 10 }));
    assert_eq!(reader.missing(), 0);
}

#[test]
fn no_body_is_done_at_once() {
    let mut buf = b"head|GET".to_vec();
    let done = Progress::Done { body: 5..5, next: 5 };
    assert_eq!(reader(BodyFraming::Empty).feed(&mut buf, 5), Ok(done));
}

#[test]
fn one_chunk_is_not_moved() {
    let mut buf = b"head|5\r\nhello\r\n0\r\n\r\nGET".to_vec();
    let before = buf.clone();
    let done = Progress::Done { body: 8..13, next: 20 };
    assert_eq!(reader(BodyFraming::Chunked).feed(&mut buf, 5), Ok(done));
    assert_eq!(buf, before);
}

#[test]
fn framing_does_not_pile_up() {
    let mut reader = reader(BodyFraming::Chunked);
    let mut buf = b"head|".to_vec();
    for sent in 1..=1000 {
        buf.extend_from_slice(b"1;extn\r\nx\r\n");
        match reader.feed(&mut buf, 5) {
            // 4,096 bytes of extensions are 819 times five.
            Ok(progress) if sent <= 819 => assert_eq!(progress, Progress::NeedMore),
            refused => {
                assert_eq!((sent, refused), (820, Err(Refusal::ChunkExtensionsTooLong)));
                return;
            }
        }
        // The first chunk keeps its place, the others close up behind it.
        assert_eq!(buf.len(), 5 + 8 + sent);
    }
    panic!("extensions without end were accepted");
}

#[test]
fn an_open_chunk_says_what_is_missing() {
    let mut reader = reader(BodyFraming::Chunked);
    let mut buf = b"a\r\n0123".to_vec();
    assert_eq!(reader.feed(&mut buf, 0), Ok(Progress::NeedMore));
    assert_eq!((reader.missing(), &buf[..]), (6, &b"a\r\n0123"[..]));
    buf.extend_from_slice(b"456789\r");
    assert_eq!(reader.feed(&mut buf, 0), Ok(Progress::NeedMore));
    assert_eq!((reader.missing(), buf.len()), (1, 13));
}

#[test]
fn body_bound_at_n_and_n_plus_1() {
    let limits = Limits { body_max: 10, ..Limits::default() };
    let too_large = BodyReader::new(BodyFraming::Length(11), &limits).map(|_| ());
    assert_eq!(too_large, Err(Refusal::BodyTooLarge));
    assert!(BodyReader::new(BodyFraming::Length(10), &limits).is_ok());
    let table: &[(&[u8], bool)] = &[
        (b"a\r\n", true),
        (b"b\r\n", false),
        (b"9\r\n012345678\r\n1\r\n", true),
        (b"9\r\n012345678\r\n2\r\n", false),
    ];
    for (bytes, accepted) in table {
        let mut reader = BodyReader::new(BodyFraming::Chunked, &limits).unwrap();
        let fed = reader.feed(&mut bytes.to_vec(), 0);
        let expected = if *accepted { Ok(Progress::NeedMore) } else { Err(Refusal::BodyTooLarge) };
        assert_eq!(fed, expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn decode_leaves_the_cutting_to_the_caller() {
    let mut reader = reader(BodyFraming::Chunked);
    let mut buf = *b"head|1\r\na\r\n2\r\nb";
    assert_eq!(reader.decode(&mut buf, 5), Ok(Step::NeedMore { keep: 10 }));
    assert_eq!(&buf[8..10], b"ab");
}

#[test]
fn a_buffer_cut_too_short_does_not_panic() {
    let mut reader = reader(BodyFraming::Chunked);
    reader.feed(&mut b"head|5\r\nhe".to_vec(), 5).unwrap();
    assert_eq!(reader.feed(&mut Vec::new(), 5), Ok(Progress::NeedMore));
}

#[test]
fn drain_passes_over_a_length_and_stores_nothing() {
    let mut drain =
        Drain::new(&head("Content-Length: 10\r\n"), false, 10, &Limits::default()).unwrap();
    let mut buf = b"head|0123".to_vec();
    assert_eq!(drain.feed(&mut buf, 5), Drained::NeedMore);
    assert_eq!(buf, b"head|");
    buf.extend_from_slice(b"456789GET");
    assert_eq!(drain.feed(&mut buf, 5), Drained::Done { next: 11 });
}

#[test]
fn drain_passes_over_chunks_within_its_budget() {
    let coded = b"3\r\nabc\r\n0\r\n\r\n";
    for (budget, passes) in [(13, true), (12, false)] {
        let head = head("Transfer-Encoding: chunked\r\n");
        let mut drain = Drain::new(&head, false, budget, &Limits::default()).unwrap();
        let mut buf = Vec::new();
        let mut answers = Vec::new();
        for byte in coded {
            buf.push(*byte);
            answers.push(drain.feed(&mut buf, 0));
            assert!(buf.len() <= 1);
        }
        let done = if passes { Drained::Done { next: 1 } } else { Drained::GiveUp };
        assert_eq!(answers.pop(), Some(done), "{budget}");
        assert!(answers.iter().all(|answer| *answer == Drained::NeedMore), "{budget}");
    }
}

#[test]
fn drain_gives_up_on_broken_chunks() {
    let head = head("Transfer-Encoding: chunked\r\n");
    let mut drain = Drain::new(&head, false, 100, &Limits::default()).unwrap();
    assert_eq!(drain.feed(&mut b"x\r\n".to_vec(), 0), Drained::GiveUp);
}

#[test]
fn drain_is_not_tried_where_it_cannot_work() {
    let limits = Limits::default();
    assert!(Drain::new(&head("Content-Length: 11\r\n"), false, 10, &limits).is_none());
    let waits = head("Content-Length: 1\r\nExpect: 100-continue\r\n");
    assert!(Drain::new(&waits, false, 10, &limits).is_none());
    assert!(Drain::new(&waits, true, 10, &limits).is_some());
    let mut nothing = Drain::new(&head(""), false, 0, &limits).unwrap();
    assert_eq!(nothing.feed(&mut b"head|GET".to_vec(), 5), Drained::Done { next: 5 });
}
