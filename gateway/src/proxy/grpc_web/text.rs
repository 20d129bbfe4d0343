//! Bodies in Base64, in pieces that may each be padded.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The flag and the length before each message.
const HEAD: usize = 5;

/// It is not Base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadText;

/// Reads text as it comes.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// Letters of a group of four that is not complete.
    rest: Vec<u8>,
}

impl Decoder {
    /// Whether no group waits for its other letters.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// What this part of the text adds.
    pub(super) fn decode(&mut self, text: &[u8]) -> Result<Vec<u8>, BadText> {
        self.rest.extend_from_slice(text);
        let whole = self.rest.len() - self.rest.len() % 4;
        let mut out = Vec::with_capacity(whole / 4 * 3);
        let (mut groups, mut piece) = (self.rest.get(..whole).unwrap_or_default(), 0);
        // Padding ends a piece, behind which another may follow.
        while let Some(group) = groups.get(piece..piece + 4) {
            piece += 4;
            if group.ends_with(b"=") || piece == groups.len() {
                let (text, others) = groups.split_at(piece);
                STANDARD.decode_vec(text, &mut out).map_err(|_| BadText)?;
                (groups, piece) = (others, 0);
            }
        }
        self.rest.drain(..whole);
        Ok(out)
    }

    /// Nothing follows.
    pub(super) fn end(&self) -> Result<(), BadText> {
        if self.is_done() { Ok(()) } else { Err(BadText) }
    }
}

/// Writes messages; each is padded by itself, so that the other end has all of it at once.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// What has come of the head of the message under way.
    head: Vec<u8>,
    /// What of its content is to come, once the head is complete.
    left: u64,
    /// Bytes that do not fill a group of three.
    rest: Vec<u8>,
}

impl Encoder {
    /// The text of what can be written.
    pub(super) fn encode(&mut self, mut data: &[u8]) -> String {
        let mut out = String::with_capacity(data.len() / 3 * 4 + 8);
        while !data.is_empty() {
            let wanted = match HEAD - self.head.len() {
                0 => usize::try_from(self.left).unwrap_or(usize::MAX),
                missing => missing,
            };
            let (part, others) = data.split_at(wanted.min(data.len()));
            data = others;
            if self.head.len() < HEAD {
                self.head.extend_from_slice(part);
                if let [_, length @ ..] = &*self.head
                    && let Ok(length) = length.try_into()
                {
                    self.left = u32::from_be_bytes(length).into();
                }
            } else {
                self.left -= part.len() as u64;
            }
            self.rest.extend_from_slice(part);
            if self.head.len() == HEAD && self.left == 0 {
                out += &self.end();
            } else {
                let whole = self.rest.len() - self.rest.len() % 3;
                STANDARD.encode_string(self.rest.get(..whole).unwrap_or_default(), &mut out);
                self.rest.drain(..whole);
            }
        }
        out
    }

    /// The text of what is left of the message under way, which ends here.
    pub(super) fn end(&mut self) -> String {
        self.head.clear();
        self.left = 0;
        let text = STANDARD.encode(&self.rest);
        self.rest.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[0], &length[..], content].concat()
    }

    #[test]
    fn each_message_is_padded_by_itself() {
        let mut encoder = Encoder::default();
        let two = [message(b"a"), message(b"")].concat();
        assert_eq!(encoder.encode(&two), "AAAAAAFhAAAAAAA=");
        assert_eq!(encoder.encode(b"\x80\0\0"), "gAAA");
        assert_eq!(encoder.encode(b"\0"), "");
        assert_eq!(encoder.end(), "AA==");
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        for (text, fine) in
            [("AAAA", true), ("AA==AA==", true), ("A=AA", false), ("A", false), ("AA!A", false)]
        {
            let mut decoder = Decoder::default();
            let read = decoder.decode(text.as_bytes()).and_then(|_| decoder.end());
            assert_eq!(read.is_ok(), fine, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_stands_for_the_same_however_it_is_cut(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
            size in 1_usize..9,
        ) {
            let bytes: Vec<u8> = contents.iter().flat_map(|content| message(content)).collect();
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            let mut text: String = bytes.chunks(size).map(|part| encoder.encode(part)).collect();
            text += &encoder.end();
            let whole: String =
                contents.iter().map(|content| STANDARD.encode(message(content))).collect();
            prop_assert_eq!(&text, &whole);
            let mut read = Vec::new();
            for part in text.as_bytes().chunks(size) {
                read.extend(decoder.decode(part).unwrap());
            }
            prop_assert_eq!(decoder.end(), Ok(()));
            prop_assert_eq!(read, bytes);
        }
    }
}
