//! A request read as the engine reads it, without a connection: for telling what would happen to it.

use super::{
    asked::{Asked, Origin},
    exchange::HEALTH,
    h1::{Decoded, Decoder},
    head::{self, Progress, Scan},
    made::AtEdge,
    refusal::Refusal,
};
use crate::edge::{Edge, HeadLimits, Trust};
use bytes::BytesMut;
use edgeway_core::request::{self, Made, Request, Scheme};
use http::{HeaderValue, request::Parts};
use std::{borrow::Cow, net::IpAddr};

/// A request that is in order.
#[derive(Debug)]
pub struct Preview {
    parts: Parts,
    asked: Asked,
    trust: Trust,
    peer: IpAddr,
}

/// In place of an id that is drawn for each request: one of the same form.
static SOME_ID: HeaderValue = HeaderValue::from_static("00000000-0000-4000-8000-000000000000");

/// A request that is answered before any route is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// Why, in the access log's words.
    pub reason: &'static str,
}

impl Preview {
    /// Reads the bytes of a head, as `peer` would send them over a connection of `scheme`;
    /// `trusted_hops` as in [`Trust`].
    pub fn new(
        head: &[u8],
        scheme: Scheme,
        peer: IpAddr,
        trusted_hops: usize,
    ) -> Result<Self, Refused> {
        let edge = Edge { trust: Trust::hops(trusted_hops), ..Edge::default() };
        read(head, Origin { scheme, peer, edge: &edge }).map_err(Refused::from)
    }

    /// As the table wants it.
    pub fn request(&self) -> Request<'_> {
        Request { made: Some(self), ..self.asked.request(&self.parts) }
    }

    /// Whether it asks for the gateway's health, which is told before any route is looked for.
    pub fn is_health_check(&self) -> bool {
        HEALTH.contains(&&*self.asked.path)
    }
}

impl request::Edge for Preview {
    fn made(&self, field: Made) -> Option<Cow<'_, [u8]>> {
        let Self { parts, asked, trust, peer } = self;
        let at_edge = AtEdge {
            asked,
            fields: &parts.headers,
            trust,
            peer: *peer,
            id: Some(&SOME_ID),
            certificate: None,
        };
        at_edge.made(field).map(|value| value.into_owned().into())
    }
}

/// A request with its body, and what follows it.
#[derive(Debug)]
pub struct Whole {
    /// The head.
    pub preview: Preview,
    /// The body, taken out of its framing.
    pub body: Vec<u8>,
    /// Bytes behind the request.
    pub rest: Vec<u8>,
}

impl Whole {
    /// Reads a request that arrives in `pieces`, over plain text; `None` if it is not complete.
    pub fn read<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Result<Option<Self>, Refused> {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let edge = Edge::default();
        let origin = Origin { scheme: Scheme::Http, peer, edge: &edge };
        whole(pieces.into_iter(), origin).map_err(Refused::from)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status().as_u16(), reason: refusal.details() }
    }
}

fn read(bytes: &[u8], origin: Origin<'_>) -> Result<Preview, Refusal> {
    let mut scan = Scan::default();
    match scan.advance(bytes, HeadLimits::default())? {
        Progress::Complete(end) => {
            preview(BytesMut::from(bytes.get(..end).unwrap_or_default()), &scan, origin)
        }
        Progress::More => Err(Refusal::Malformed),
    }
}

fn preview(head: BytesMut, scan: &Scan, origin: Origin) -> Result<Preview, Refusal> {
    let parts = head::parse(head::canonical(head, scan)?)?;
    let asked = Asked::new(&parts, origin)?;
    Ok(Preview { parts, asked, trust: origin.edge.trust.clone(), peer: origin.peer })
}

fn whole<'b>(
    mut pieces: impl Iterator<Item = &'b [u8]>,
    origin: Origin,
) -> Result<Option<Whole>, Refusal> {
    let (mut bytes, mut scan) = (BytesMut::new(), Scan::default());
    let end = loop {
        let Some(piece) = pieces.next() else { return Ok(None) };
        bytes.extend_from_slice(piece);
        if let Progress::Complete(end) = scan.advance(&bytes, HeadLimits::default())? {
            break end;
        }
    };
    let preview = preview(bytes.split_to(end), &scan, origin)?;
    let (mut decoder, mut body) = (Decoder::new(&preview.parts.headers), Vec::new());
    loop {
        match decoder.decode(&mut bytes).map_err(|_| Refusal::Body)? {
            Decoded::Part(part) => body.extend_from_slice(&part),
            Decoded::End => break,
            Decoded::More => match pieces.next() {
                Some(piece) => bytes.extend_from_slice(piece),
                None => return Ok(None),
            },
        }
    }
    let rest = pieces.fold(bytes.to_vec(), |mut rest, piece| {
        rest.extend_from_slice(piece);
        rest
    });
    Ok(Some(Whole { preview, body, rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(head: &str) -> Result<Preview, Refused> {
        Preview::new(head.as_bytes(), Scheme::Http, [127, 0, 0, 1].into(), 1)
    }

    #[test]
    fn a_request_is_read_as_the_engine_reads_it() {
        let preview =
            preview("GET /a/../b%41?q=1 HTTP/1.1\r\nHost: A.com\r\nX-Two: 1\r\nx-two:  2 \r\n\r\n")
                .unwrap();
        let request = preview.request();
        assert_eq!((request.method, request.authority), ("GET", "A.com"));
        assert_eq!((request.path, request.query), ("/bA", Some("q=1")));
        let two: Vec<_> = request.headers.get_all("x-two").iter().collect();
        assert_eq!(two, ["1", "2"]);
    }

    #[test]
    fn conditions_see_what_the_gateway_makes_of_fields() {
        let preview = preview("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: old\r\n\r\n").unwrap();
        let made = |field| preview.request().made.and_then(|edge| edge.made(field));
        assert_eq!(made(Made::ForwardedFor).as_deref(), Some(&b"127.0.0.1"[..]));
        assert_eq!(made(Made::RequestId).as_deref(), Some(SOME_ID.as_bytes()));
        assert_eq!(made(Made::ClientCertificate), None);
    }

    #[test]
    fn a_proxy_before_us_tells_the_scheme_and_a_health_check_is_known() {
        let fields = "Host: a\r\nX-Forwarded-Proto: https\r\n\r\n";
        let plain = preview(&format!("GET / HTTP/1.1\r\n{fields}")).unwrap();
        assert_eq!(plain.request().scheme, Scheme::Https);
        assert!(!plain.is_health_check());
        let check = format!("GET /.well-known/edgeway/health?x HTTP/1.1\r\n{fields}");
        assert!(preview(&check).unwrap().is_health_check());
    }

    #[test]
    fn a_request_ends_where_its_framing_says() {
        let bytes = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n0\r\n\r\nGET";
        for cut in 1..bytes.len() {
            let whole = Whole::read(bytes.chunks(cut)).unwrap().unwrap();
            assert_eq!((&*whole.body, &*whole.rest), (&b"abc"[..], &b"GET"[..]), "by {cut}");
        }
        assert!(Whole::read(bytes[..bytes.len() - 4].chunks(7)).unwrap().is_none());
        let odd = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        assert_eq!(Whole::read([&odd[..]]).unwrap_err().status, 400);
    }

    #[test]
    fn what_the_engine_refuses_is_refused() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 426),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
            ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n", 400),
        ] {
            assert_eq!(preview(head).unwrap_err().status, status, "{head:?}");
        }
    }
}
