//! The answers that the load balancer gives by itself.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

use super::body::{Body, full};

/// What a load balancer of AWS calls itself.
pub(crate) const SERVER_NAME: HeaderValue = HeaderValue::from_static("awselb/2.0");

/// The words that go with a status. Codes of AWS's own have none.
const fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Authorization Required",
        403 => "Forbidden",
        405 => "Not Allowed",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// The HTML that goes with a status.
fn html(status: u16) -> String {
    let title = format!("{status} {}", reason(status));
    let title = title.trim_end();
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
         <center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}

/// A page with its head, as bytes, after which the connection ends.
pub(crate) fn whole(status: u16) -> Vec<u8> {
    let body = html(status);
    let date = httpdate::fmt_http_date(SystemTime::now());
    format!(
        "HTTP/1.1 {status} {}\r\nServer: awselb/2.0\r\nDate: {date}\r\nContent-Type: text/html\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        reason(status),
        body.len()
    )
    .into_bytes()
}

/// A complete page.
pub(crate) fn page(status: u16) -> Response<Body> {
    answer(status, Some(HeaderValue::from_static("text/html")), html(status).into())
}

/// An answer with a body of somebody else's.
pub(crate) fn answer(
    status: u16,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(SERVER, SERVER_NAME);
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    let words = reason(status);
    if !words.is_empty() {
        response.extensions_mut().insert(ReasonPhrase::from_static(words.as_bytes()));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_lengths_that_were_captured_from_aws() {
        let rows = [
            (301, 134),
            (302, 110),
            (400, 122),
            (403, 118),
            (500, 142),
            (502, 122),
            (503, 162),
            (504, 132),
        ];
        for (status, length) in rows {
            assert_eq!(html(status).len(), length, "{status}");
        }
    }
}
