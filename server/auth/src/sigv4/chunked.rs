//! Takes a body in chunked framing apart, and checks its signatures.
//!
//! ```text
//! <length in hex>[;chunk-signature=<64 hex>]\r\n<data>\r\n      … any number of these
//! 0[;chunk-signature=<64 hex>]\r\n
//! [name:value\r\n … [x-amz-trailer-signature:<64 hex>\r\n]]
//! \r\n
//! ```
//!
//! Data is handed on while its chunk still arrives, so that memory does not grow with the chunk; a
//! wrong signature shows at the chunk's end. Whoever takes the data keeps it invisible until
//! [`Decoder::finish`] has agreed.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::key::{ChunkSigner, signatures_equal};

/// The longest line of the framing, trailers included.
const LINE_BYTES_MAX: usize = 2048;

/// The most trailers; S3 knows one.
const TRAILERS_MAX: usize = 8;

/// The longest chunk that a header may announce: the largest object of one request.
const CHUNK_BYTES_MAX: u64 = 5 << 30;

/// A body is not what its framing or its signatures say.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChunkError {
    /// The framing cannot be read.
    #[error("the chunked body is malformed: {rule}")]
    Malformed {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A signature of a chunk or of the trailer does not match.
    #[error("the signature of {part} does not match what arrived")]
    Mismatch {
        /// `chunk N` (counted from 0) or `the trailer`.
        part: String,
    },
    /// The body ended early, or is longer or shorter than announced.
    #[error("the body has {actual} bytes, but {announced} were announced")]
    Length {
        /// What came, without the framing.
        actual: u64,
        /// What `x-amz-decoded-content-length` says.
        announced: u64,
    },
    /// The body broke off inside its framing.
    #[error("the chunked body broke off after {actual} bytes of data")]
    Truncated {
        /// What came, without the framing.
        actual: u64,
    },
}

/// Where the decoder is in the framing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In the line that begins a chunk.
    Header,
    /// In the data of a chunk, of which this much is still to come.
    Data(u64),
    /// In the line end after a chunk's data.
    DataEnd,
    /// In the trailers, or in the empty line that ends the body.
    Trailer,
    /// After the body.
    Done,
}

/// Takes one body apart. Feed it with [`push`](Self::push), then ask [`finish`](Self::finish).
#[derive(Debug)]
pub struct Decoder {
    signer: Option<ChunkSigner>,
    with_trailer: bool,
    announced: u64,
    state: State,
    line: Vec<u8>,
    digest: Sha256,
    chunk_signature: String,
    chunks: u64,
    decoded: u64,
    trailers: Vec<(String, String)>,
    trailer_signed: bool,
}

impl Decoder {
    /// A decoder for a body of `announced` bytes, framing not counted. With a signer, every chunk must
    /// carry its signature, and so must the trailer.
    pub fn new(signer: Option<ChunkSigner>, with_trailer: bool, announced: u64) -> Self {
        Decoder {
            signer,
            with_trailer,
            announced,
            state: State::Header,
            line: Vec::new(),
            digest: Sha256::new(),
            chunk_signature: String::new(),
            chunks: 0,
            decoded: 0,
            trailers: Vec::new(),
            trailer_signed: false,
        }
    }

    /// Takes the next bytes of the wire; appends the data in them to `out`. After an error the decoder
    /// is of no use.
    pub fn push(&mut self, mut input: Bytes, out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(take);
                    self.take_data(data, left, out)?;
                }
                State::Done => return Err(malformed("something follows its end")),
                State::Header | State::DataEnd | State::Trailer => {
                    if let Some(line) = self.take_line(&mut input)? {
                        self.read_line(&line)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that the body is complete; gives the trailers, names in lower case.
    pub fn finish(self) -> Result<Vec<(String, String)>, ChunkError> {
        // Some clients leave out the empty line at the end; a missing trailer is noticed by who needs it.
        let at_end = self.state == State::Trailer && self.line.is_empty();
        if self.state != State::Done && !at_end {
            return Err(ChunkError::Truncated { actual: self.decoded });
        }
        if self.signer.is_some() && self.with_trailer && !self.trailer_signed {
            return Err(malformed("its trailer has no x-amz-trailer-signature"));
        }
        if self.decoded != self.announced {
            return Err(ChunkError::Length { actual: self.decoded, announced: self.announced });
        }
        Ok(self.trailers)
    }

    /// A whole line without its end, if it is there; otherwise keeps what came.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<String>, ChunkError> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = input.split_to(end.map_or(input.len(), |end| end + 1));
        self.line.extend_from_slice(&taken);
        if self.line.len() > LINE_BYTES_MAX {
            return Err(malformed("a line of its framing is too long"));
        }
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|_| malformed("a line of its framing is not UTF-8"))
    }

    fn read_line(&mut self, line: &str) -> Result<(), ChunkError> {
        match self.state {
            State::Header => self.begin_chunk(line),
            State::DataEnd if line.is_empty() => {
                self.state = State::Header;
                Ok(())
            }
            State::DataEnd => Err(malformed("a chunk is longer than it says")),
            _ => self.take_trailer(line),
        }
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), ChunkError> {
        let (length, extension) = line.split_once(';').unwrap_or((line, ""));
        let is_hex = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = if is_hex { u64::from_str_radix(length, 16).ok() } else { None };
        let length = length
            .filter(|length| *length <= CHUNK_BYTES_MAX)
            .ok_or_else(|| malformed("a chunk does not begin with its length in hexadecimal"))?;
        if self.signer.is_some() {
            let signature = extension
                .strip_prefix("chunk-signature=")
                .ok_or_else(|| malformed("a chunk has no chunk-signature"))?;
            self.chunk_signature = signature.to_owned();
        }
        let expected = self.decoded.saturating_add(length);
        if expected > self.announced {
            return Err(ChunkError::Length { actual: expected, announced: self.announced });
        }
        if length > 0 {
            self.state = State::Data(length);
            return Ok(());
        }
        self.state = State::Trailer;
        self.end_chunk()
    }

    fn take_data(&mut self, data: Bytes, left: u64, out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        if self.signer.is_some() {
            self.digest.update(&data);
        }
        let taken = data.len() as u64;
        self.decoded += taken;
        out.push(data);
        self.state = State::Data(left - taken);
        if left > taken {
            return Ok(());
        }
        self.state = State::DataEnd;
        self.end_chunk()
    }

    fn end_chunk(&mut self) -> Result<(), ChunkError> {
        let chunk = self.chunks;
        self.chunks += 1;
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let digest = hex::encode(self.digest.finalize_reset());
        if signatures_equal(&signer.next_chunk(&digest), &self.chunk_signature) {
            return Ok(());
        }
        Err(ChunkError::Mismatch { part: format!("chunk {chunk}") })
    }

    fn take_trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        if line.is_empty() {
            // In the signed form, an empty line may stand before the trailer's signature.
            let waiting = self.signer.is_some() && !self.trailers.is_empty() && !self.trailer_signed;
            if !waiting {
                self.state = State::Done;
            }
            return Ok(());
        }
        if !self.with_trailer {
            return Err(malformed("it has a trailer that its x-amz-content-sha256 does not announce"));
        }
        if self.trailer_signed || self.trailers.len() >= TRAILERS_MAX {
            return Err(malformed("it has too many trailers"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a trailer has no ':'"))?;
        // Only what HTTP calls white space is left out of what was signed.
        let blank = [' ', '\t'];
        let name = name.trim_matches(blank).to_ascii_lowercase();
        if name != "x-amz-trailer-signature" {
            self.trailers.push((name, value.trim_matches(blank).to_owned()));
            return Ok(());
        }
        // Nothing signs this line, so it is taken as it stands: a byte that was changed into a blank
        // must not pass.
        let Some(signer) = &self.signer else { return Ok(()) };
        let lines: String = self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        if !signatures_equal(&signer.trailer(&lines), value) {
            return Err(ChunkError::Mismatch { part: "the trailer".to_owned() });
        }
        self.trailer_signed = true;
        Ok(())
    }
}

fn malformed(rule: &'static str) -> ChunkError {
    ChunkError::Malformed { rule }
}
