//! The head of a request as bytes, before any parser sees it.
//!
//! Not by pingora's session, whose parser is lenient where a gateway must not be: it takes bare line
//! feeds, hides a `Content-Length` beside `Transfer-Encoding`, repairs request lines, and allows a
//! head of a megabyte. Here a head is checked line by line as it arrives, brought into one form, and
//! only then taken apart.

mod methods;

use self::methods::METHODS;
use super::refusal::Refusal;
use crate::edge::HeadLimits;
use bytes::{BufMut, BytesMut};
use http::{HeaderName, HeaderValue, Method, Uri, Version, header, request::Parts};

/// Where checking a head stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// First byte of the request line: empty lines before it are skipped.
    start: usize,
    /// First byte of the line that is not complete.
    line: usize,
    fields: usize,
    has_request_line: bool,
    length: Seen,
    encoding: Seen,
    host: Seen,
    odd_target: bool,
    old: Old,
}

/// What is known of HTTP/1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Old {
    /// It is not spoken.
    #[default]
    Refused,
    /// It would be.
    Taken,
    /// It is.
    Spoken,
}

/// What is known of a field that must not come twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    No,
    Once,
    Bad,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Read on.
    More,
    /// The head ends before this byte.
    Complete(usize),
}

impl Scan {
    /// The start of a head, which may be one of HTTP/1.0.
    pub(crate) fn new(takes_old: bool) -> Self {
        let old = if takes_old { Old::Taken } else { Old::Refused };
        Self { old, ..Self::default() }
    }

    /// Whether the request line has begun.
    pub(crate) fn has_begun(&self, bytes: &[u8]) -> bool {
        bytes.len() > self.start
    }

    /// Checks the lines that have become complete in `bytes`, which only grow between calls.
    pub(crate) fn advance(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<Progress, Refusal> {
        while let Some(line) = bytes.get(self.line..).and_then(first_line) {
            let (line, next) = (line, self.line + line.len() + 1);
            let Some(line) = line.strip_suffix(b"\r") else { return Err(Refusal::Malformed) };
            self.check_request_line(line.len(), limits)?;
            if next - self.start > limits.bytes {
                return Err(Refusal::HeadTooLarge);
            }
            self.line = next;
            match (line.is_empty(), self.has_request_line) {
                (true, false) => self.start = next,
                (true, true) => return self.end().map(|()| Progress::Complete(next)),
                (false, false) => self.request_line(line, limits)?,
                (false, true) => self.field(line, limits)?,
            }
        }
        self.check_request_line(bytes.len() - self.line, limits)?;
        let too_large = bytes.len() - self.start > limits.bytes;
        if too_large { Err(Refusal::HeadTooLarge) } else { Ok(Progress::More) }
    }

    /// Refuses a request line for its length alone.
    fn check_request_line(&self, length: usize, limits: HeadLimits) -> Result<(), Refusal> {
        let too_long = !self.has_request_line && limits.is_request_line_too_long(length);
        if too_long { Err(Refusal::TargetTooLong) } else { Ok(()) }
    }

    fn request_line(&mut self, line: &[u8], limits: HeadLimits) -> Result<(), Refusal> {
        let line = RequestLine::parse(line)?;
        if line.is_old {
            if self.old == Old::Refused {
                return Err(Refusal::Version);
            }
            self.old = Old::Spoken;
        }
        if line.target.len() > limits.target {
            return Err(Refusal::TargetTooLong);
        }
        self.has_request_line = true;
        self.odd_target =
            line.target.iter().any(|byte| needs_escape(*byte)) || !line.target.starts_with(b"/");
        Ok(())
    }

    fn field(&mut self, line: &[u8], limits: HeadLimits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        let (name, value) = split_field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host.see(true),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.length.see(is_length(value.trim_ascii()));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.encoding.see(value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.length != Seen::No && self.encoding != Seen::No {
            return Err(Refusal::LengthAndEncoding);
        }
        // It knows no encodings: whoever is behind us might take it at its word.
        if self.old == Old::Spoken && self.encoding != Seen::No {
            return Err(Refusal::Encoding);
        }
        let checks = [
            (self.encoding, Refusal::Encoding),
            (self.length, Refusal::Length),
            (self.host, Refusal::Host),
        ];
        match checks.into_iter().find(|(seen, _)| *seen == Seen::Bad) {
            Some((_, refusal)) => Err(refusal),
            None => Ok(()),
        }
    }
}

impl Seen {
    fn see(&mut self, good: bool) {
        *self = if good && *self == Self::No { Self::Once } else { Self::Bad };
    }
}

/// The three parts of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine<'a> {
    /// Known to be a token.
    pub(crate) method: &'a [u8],
    /// Visible ASCII, not empty.
    pub(crate) target: &'a [u8],
    /// Of HTTP/1.0.
    is_old: bool,
}

impl<'a> RequestLine<'a> {
    /// Takes a line without its end apart.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(Refusal::Malformed);
        };
        if !METHODS.contains(&method) || target.is_empty() || !target.is_ascii() {
            return Err(Refusal::Malformed);
        }
        if target.contains(&b'\t') {
            return Err(Refusal::Malformed);
        }
        if target.iter().any(u8::is_ascii_control) {
            return Err(Refusal::Characters);
        }
        match (words.next(), words.next()) {
            (Some(b"HTTP/1.1"), None) => Ok(Self { method, target, is_old: false }),
            (Some(b"HTTP/1.0"), None) => Ok(Self { method, target, is_old: true }),
            (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Err(Refusal::Version)
            }
            (None, None) => Err(Refusal::Version),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Authority (if the target is a URL) and path with query.
    fn split(self) -> Result<(Option<&'a [u8]>, &'a [u8]), Refusal> {
        let scheme = self.target.windows(3).position(|three| three == b"://");
        match (self.method, self.target) {
            (b"CONNECT", _) | (b"OPTIONS", b"*") => Err(Refusal::NoPath),
            (_, [b'/', ..]) => Ok((None, self.target)),
            (_, _) => match scheme.map(|end| self.target.split_at(end)) {
                Some((b"http", rest)) => split_url(rest.get(3..).unwrap_or_default()),
                Some((b"https", _)) => Err(Refusal::TargetHttps),
                Some((scheme, _)) if scheme.iter().all(u8::is_ascii_alphanumeric) => {
                    Err(Refusal::TargetScheme)
                }
                Some(_) | None => Err(Refusal::Target),
            },
        }
    }
}

/// `user@host:port/path?query` in two, without the user.
fn split_url(rest: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Refusal> {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    match path.first() {
        _ if host.is_empty() => Err(Refusal::Target),
        Some(b'?') => Err(Refusal::NoPath),
        Some(b'/') => Ok((Some(host), path)),
        Some(_) | None => Ok((Some(host), b"/")),
    }
}

/// The head in the form in which parsers agree on it: a path as target, the URL's authority as
/// `Host`, nothing that a URL must escape. Most heads are returned as they are.
pub(crate) fn canonical(head: BytesMut, scan: &Scan) -> Result<BytesMut, Refusal> {
    if !scan.odd_target && scan.start == 0 {
        return Ok(head);
    }
    let lines = head.get(scan.start..).unwrap_or_default();
    let line = first_line(lines).unwrap_or_default();
    let request = RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line))?;
    let (authority, path) = request.split()?;
    let mut out = BytesMut::with_capacity(head.len() + 64);
    out.put_slice(request.method);
    out.put_u8(b' ');
    for byte in path {
        put_escaped(*byte, &mut out);
    }
    out.put_slice(if request.is_old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    if let Some(authority) = authority {
        out.put_slice(b"host: ");
        out.put_slice(authority);
        out.put_slice(b"\r\n");
    }
    let fields = lines.get(line.len() + 1..).unwrap_or_default();
    for field in fields.split_inclusive(|byte| *byte == b'\n') {
        let is_host = field.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:"));
        if authority.is_none() || !is_host {
            out.put_slice(field);
        }
    }
    Ok(out)
}

/// Takes a head apart that has been checked and brought into form. Nothing is copied.
pub(crate) fn parse(head: BytesMut) -> Result<Parts, Refusal> {
    let head = head.freeze();
    let line = first_line(&head).unwrap_or_default();
    let request = RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line))?;
    let fragment = memchr::memchr(b'#', request.target).unwrap_or(request.target.len());
    let target = request.target.get(..fragment).unwrap_or_default();
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(request.method).map_err(|_| Refusal::Malformed)?;
    parts.uri = Uri::from_maybe_shared(head.slice_ref(target)).map_err(|_| Refusal::Target)?;
    parts.headers.reserve(16);
    let mut rest = head.get(line.len() + 1..).unwrap_or_default();
    while let Some(line) = first_line(rest).filter(|line| line.len() > 1) {
        rest = rest.get(line.len() + 1..).unwrap_or_default();
        let (name, value) = halves(line.strip_suffix(b"\r").unwrap_or(line))?;
        let name = HeaderName::from_bytes(name).map_err(|_| Refusal::Malformed)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value.trim_ascii()));
        parts.headers.append(name, value.map_err(|_| Refusal::Characters)?);
    }
    if request.is_old {
        age(&mut parts);
    }
    Ok(parts)
}

/// Takes from a request of HTTP/1.0 what it cannot mean: it is the last on its connection.
fn age(parts: &mut Parts) {
    parts.version = Version::HTTP_10;
    for name in [header::UPGRADE, header::EXPECT, header::TE] {
        parts.headers.remove(name);
    }
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// The bytes before the first line feed; `None` if there is none.
pub(super) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(..end))
}

/// Whether `line` is a well-formed header field.
pub(crate) fn is_field(line: &[u8]) -> bool {
    split_field(line).is_ok()
}

/// Name and value of a well-formed header field.
pub(super) fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let (name, value) = halves(line)?;
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        let characters = name.contains(&0);
        return Err(if characters { Refusal::Characters } else { Refusal::Malformed });
    }
    // All of it, since nearly always there is none: many bytes at once.
    let is_odd = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
    if value.iter().fold(false, |any, byte| any | is_odd(byte)) {
        return Err(Refusal::Characters);
    }
    Ok((name, value))
}

/// What is before the colon of a field, and what is behind it.
fn halves(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let colon = memchr::memchr(b':', line).ok_or(Refusal::Malformed)?;
    let (name, value) = line.split_at(colon);
    Ok((name, value.get(1..).unwrap_or_default()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii() && TOKEN >> byte & 1 == 1
}

/// A bit for each byte that names consist of.
const TOKEN: u128 = {
    let mut rest: &[u8] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~";
    let mut bits = 0;
    while let [first, others @ ..] = rest {
        bits |= 1 << *first;
        rest = others;
    }
    bits
};

fn is_length(value: &[u8]) -> bool {
    let number = std::str::from_utf8(value).ok().filter(|text| !text.starts_with('+'));
    number.is_some_and(|text| text.parse::<u64>().is_ok())
}

/// Bytes that clients send in a target although a URL cannot carry them.
fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

fn put_escaped(byte: u8, out: &mut BytesMut) {
    if needs_escape(byte) {
        out.put_slice(format!("%{byte:02X}").as_bytes());
    } else {
        out.put_u8(byte);
    }
}

#[cfg(test)]
mod tests;
