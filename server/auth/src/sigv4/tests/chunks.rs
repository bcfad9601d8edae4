//! Bodies in chunks: any split of the wire, any changed byte.

use bytes::Bytes;
use proptest::prelude::*;

use super::chunked::{ChunkError, Decoder};
use super::sign::chunked_body;
use super::*;

fn chunk_signer() -> ChunkSigner {
    let (_, chunks) =
        Sample::new("PUT", "/a", &[("host", "lake")]).sign("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
    chunks
}

type Decoded = Result<(Vec<u8>, Vec<(String, String)>), ChunkError>;

/// Decodes a body that arrives in pieces of a given size.
fn decode(
    signer: Option<ChunkSigner>,
    trailer: bool,
    announced: usize,
    wire: &[u8],
    piece: usize,
) -> Decoded {
    let mut decoder = Decoder::new(signer, trailer, announced as u64);
    let mut out = Vec::new();
    for piece in wire.chunks(piece.max(1)) {
        decoder.push(Bytes::copy_from_slice(piece), &mut out)?;
    }
    Ok((out.concat(), decoder.finish()?))
}

const TRAILER: &[(&str, &str)] = &[("x-amz-checksum-crc32", "AAAAAA==")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_split_gives_the_same_data(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..4),
        signed in any::<bool>(),
        trailer in any::<bool>(),
        piece in 1usize..60,
    ) {
        let trailer = trailer || !signed;
        let signer = signed.then(chunk_signer);
        let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let wire = chunked_body(signer.clone(), &slices, if trailer { TRAILER } else { &[] });
        let data = chunks.concat();
        let (decoded, trailers) =
            decode(signer, trailer, data.len(), &wire, piece).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(decoded, data);
        prop_assert_eq!(trailers.len(), usize::from(trailer));
    }

    #[test]
    fn any_changed_or_missing_byte_is_refused(position in 0usize..1000, cut in any::<bool>()) {
        let wire = chunked_body(Some(chunk_signer()), &[b"some data", b"and more of it"], TRAILER);
        let position = position % wire.len();
        let mut changed = wire.clone();
        if cut { changed.truncate(position) } else { changed[position] ^= 1 }
        let answer = decode(Some(chunk_signer()), true, 23, &changed, 7);
        // The last line end says nothing, nor does the return before a line feed.
        let harmless = position + 2 >= wire.len() || (!cut && wire[position] == b'\r');
        prop_assert!(answer.is_err() || harmless, "byte {position} of {:?}", String::from_utf8_lossy(&changed));
    }

    #[test]
    fn garbage_never_panics(wire in proptest::collection::vec(any::<u8>(), 0..300), signed in any::<bool>()) {
        let _ = decode(signed.then(chunk_signer), true, 10, &wire, 11);
    }
}

fn refusal(wire: &str, announced: usize) -> String {
    decode(None, true, announced, wire.as_bytes(), 5).expect_err("a bad body").to_string()
}

#[test]
fn bad_framing_is_named() {
    let malformed = "the chunked body is malformed: ";
    for (wire, rule) in [
        ("zz\r\n", "a chunk does not begin with its length in hexadecimal"),
        ("\r\n", "a chunk does not begin with its length in hexadecimal"),
        ("+3\r\nabc\r\n", "a chunk does not begin with its length in hexadecimal"),
        ("ffffffffffffffff\r\n", "a chunk does not begin with its length in hexadecimal"),
        ("3\r\nabcd\r\n0\r\n\r\n", "a chunk is longer than it says"),
        ("3\r\nabc\r\n0\r\nno colon\r\n\r\n", "a trailer has no ':'"),
        ("3\r\nabc\r\n0\r\n\r\nmore", "something follows its end"),
        (&format!("{}\r\n", "0".repeat(5000)), "a line of its framing is too long"),
    ] {
        assert_eq!(refusal(wire, 3), format!("{malformed}{rule}"), "{wire:?}");
    }
    assert_eq!(refusal("4\r\nabcd\r\n0\r\n\r\n", 3), "the body has 4 bytes, but 3 were announced");
    assert_eq!(refusal("2\r\nab\r\n0\r\n\r\n", 3), "the body has 2 bytes, but 3 were announced");
    assert_eq!(refusal("3\r\nab", 3), "the chunked body broke off after 2 bytes of data");
}

#[test]
fn nothing_stands_around_the_signature_of_a_trailer() {
    let wire = chunked_body(Some(chunk_signer()), &[b"abc"], TRAILER);
    let text = String::from_utf8(wire).expect("text");
    assert!(decode(Some(chunk_signer()), true, 3, text.as_bytes(), 99).is_ok());
    let start =
        text.find("x-amz-trailer-signature:").expect("a signature") + "x-amz-trailer-signature:".len();
    let end = start + text[start..].find('\r').expect("the line's end");
    for blank in [" ", "\t", "\u{b}", "\u{c}", "\u{a0}"] {
        for place in [start, end] {
            let mut changed = text.clone();
            changed.insert_str(place, blank);
            let answer = decode(Some(chunk_signer()), true, 3, changed.as_bytes(), 99);
            let refused = ChunkError::Mismatch { part: "the trailer".to_owned() };
            assert_eq!(answer, Err(refused), "{blank:?} at {place}");
        }
    }
}

#[test]
fn signed_bodies_need_their_signatures() {
    let unsigned = decode(Some(chunk_signer()), false, 3, b"3\r\nabc\r\n0\r\n\r\n", 99);
    assert_eq!(unsigned, Err(ChunkError::Malformed { rule: "a chunk has no chunk-signature" }));
    let wire = chunked_body(Some(chunk_signer()), &[b"abc"], &[]);
    let answer = decode(Some(chunk_signer()), true, 3, &wire, 99);
    assert_eq!(answer, Err(ChunkError::Malformed { rule: "its trailer has no x-amz-trailer-signature" }));
    let text = String::from_utf8(wire).expect("text");
    let swapped = text.replace("abc", "abd");
    let answer = decode(Some(chunk_signer()), false, 3, swapped.as_bytes(), 4);
    assert_eq!(answer, Err(ChunkError::Mismatch { part: "chunk 0".to_owned() }));
}
