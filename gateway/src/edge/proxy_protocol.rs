//! The PROXY header, versions 1 and 2, with which a connection may begin: who is at the other end of
//! the proxy that connects.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The longest header of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The longest of version 2 that is taken. Proxies send some dozens of bytes.
const LONGEST: usize = 4096;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const WORD: &[u8; 6] = b"PROXY ";

/// What has come of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not all of it.
    More,
    /// All of it, so many bytes.
    Complete(usize, Option<Ends>),
}

/// The two ends of a connection to a proxy. Headers without them stand for the proxy's own
/// connections, such as health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// It is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a PROXY header as its port requires")]
pub struct BadHeader;

/// Reads the header that `bytes` begin with.
pub fn parse(bytes: &[u8]) -> Result<Progress, BadHeader> {
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        version_2(rest)
    } else if let Some(rest) = bytes.strip_prefix(WORD) {
        version_1(rest)
    } else if SIGNATURE.starts_with(bytes) || WORD.starts_with(bytes) {
        Ok(Progress::More)
    } else {
        Err(BadHeader)
    }
}

fn version_1(rest: &[u8]) -> Result<Progress, BadHeader> {
    let room = LONGEST_LINE - WORD.len();
    let Some(end) = rest.iter().take(room).position(|byte| *byte == b'\n') else {
        return if rest.len() < room { Ok(Progress::More) } else { Err(BadHeader) };
    };
    let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(BadHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| BadHeader)?;
    let words: Vec<&str> = line.split(' ').collect();
    let ends = match words.as_slice() {
        ["UNKNOWN", ..] => None,
        ["TCP4", source, destination, from, to] => Some(Ends {
            source: end_of::<Ipv4Addr>(source, from)?,
            destination: end_of::<Ipv4Addr>(destination, to)?,
        }),
        ["TCP6", source, destination, from, to] => Some(Ends {
            source: end_of::<Ipv6Addr>(source, from)?,
            destination: end_of::<Ipv6Addr>(destination, to)?,
        }),
        _ => return Err(BadHeader),
    };
    Ok(Progress::Complete(WORD.len() + end + 1, ends))
}

fn end_of<A: FromStr + Into<IpAddr>>(address: &str, port: &str) -> Result<SocketAddr, BadHeader> {
    let address: A = address.parse().map_err(|_| BadHeader)?;
    let plain = port.bytes().all(|byte| byte.is_ascii_digit());
    let padded = port.len() > 1 && port.starts_with('0');
    let port = port.parse().ok().filter(|_| plain && !padded).ok_or(BadHeader)?;
    Ok(SocketAddr::new(address.into().to_canonical(), port))
}

fn version_2(rest: &[u8]) -> Result<Progress, BadHeader> {
    // What is wrong is refused as soon as it is there.
    let is_local = match rest.first() {
        None => return Ok(Progress::More),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(BadHeader),
    };
    let [_, family, high, low, rest @ ..] = rest else { return Ok(Progress::More) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let whole = SIGNATURE.len() + 4 + length;
    if whole > LONGEST {
        return Err(BadHeader);
    }
    let Some(body) = rest.get(..length) else { return Ok(Progress::More) };
    let ends = match family {
        _ if is_local => None,
        // Unspecified, and sockets that are files: nobody whose address could be told.
        0x00 | 0x31 => None,
        0x11 => Some(addresses::<4, Ipv4Addr>(body)?),
        0x21 => Some(addresses::<16, Ipv6Addr>(body)?),
        _ => return Err(BadHeader),
    };
    // What follows the addresses is for others.
    Ok(Progress::Complete(whole, ends))
}

fn addresses<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(
    body: &[u8],
) -> Result<Ends, BadHeader> {
    let (source, rest) = body.split_first_chunk::<N>().ok_or(BadHeader)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or(BadHeader)?;
    let [a, b, c, d, ..] = *rest else { return Err(BadHeader) };
    let end = |address: &[u8; N], port| {
        let address: IpAddr = A::from(*address).into();
        SocketAddr::new(address.to_canonical(), u16::from_be_bytes(port))
    };
    Ok(Ends { source: end(source, [a, b]), destination: end(destination, [c, d]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    fn ends(source: &str, destination: &str) -> Ends {
        Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn headers_tell_both_ends() {
        let four = ends("1.2.3.4:5555", "10.0.0.1:443");
        let six = ends("[2001:db8::1]:65535", "[::1]:0");
        let body_4 = [1, 2, 3, 4, 10, 0, 0, 1, 0x15, 0xb3, 1, 0xbb];
        let mut body_6 = [0; 36];
        body_6[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        (body_6[15], body_6[31], body_6[32], body_6[33]) = (1, 1, 0xff, 0xff);
        let with_more = [&body_4[..], &[0xea, 0, 1, b'x']].concat();
        for (bytes, expected) in [
            (b"PROXY TCP4 1.2.3.4 10.0.0.1 5555 443\r\n".to_vec(), Some(four)),
            (b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n".to_vec(), Some(six)),
            (b"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:10.0.0.1 5555 443\r\n".to_vec(), Some(four)),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 what ever\r\n".to_vec(), None),
            (v2(0x21, 0x11, &body_4), Some(four)),
            (v2(0x21, 0x11, &with_more), Some(four)),
            (v2(0x21, 0x21, &body_6), Some(six)),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &body_4), None),
            (v2(0x21, 0x00, b"abc"), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let complete = Ok(Progress::Complete(bytes.len(), expected));
            assert_eq!(parse(&[&bytes[..], b"GET"].concat()), complete, "{bytes:?}");
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(Progress::More), "{cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"proxy TCP4 1.2.3.4 10.0.0.1 5555 443\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5555 443\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5555\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5555 443 1\r\n",
            b"PROXY TCP4  1.2.3.4 10.0.0.1 5555 443\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 +5555 443\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 05555 443\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 65536 443\r\n",
            b"PROXY TCP4 1.2.3.256 10.0.0.1 1 443\r\n",
            b"PROXY TCP4 ::1 ::1 1 443\r\n",
            b"PROXY TCP6 1.2.3.4 10.0.0.1 1 443\r\n",
            b"PROXY UDP4 1.2.3.4 10.0.0.1 1 443\r\n",
            b"PROXY \r\n",
            b"\r\n\r\n\0\r\nQUIX",
            b"\r\n\r\n\0\r\nQUIT\n\x11",
            b"\r\n\r\n\0\r\nQUIT\n\x22",
        ] {
            assert_eq!(parse(bytes), Err(BadHeader), "{bytes:?}");
        }
        assert_eq!(parse(&v2(0x21, 0x11, &[0; 11])), Err(BadHeader));
        assert_eq!(parse(&v2(0x21, 0x21, &[0; 35])), Err(BadHeader));
        assert_eq!(parse(&v2(0x21, 0x12, &[0; 12])), Err(BadHeader));
        assert_eq!(parse(&v2(0x21, 0x11, &[0; LONGEST])), Err(BadHeader));
        assert_eq!(parse(&[&WORD[..], &[b'x'; LONGEST_LINE]].concat()), Err(BadHeader));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(
            start in prop_oneof![Just(&b""[..]), Just(&WORD[..]), Just(&SIGNATURE[..])],
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &bytes].concat();
            if let Ok(Progress::Complete(length, _)) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
            }
        }

        #[test]
        fn both_versions_say_the_same(
            source in any::<[u8; 4]>(), destination in any::<[u8; 4]>(),
            from in any::<u16>(), to in any::<u16>(),
        ) {
            let expected = Ends {
                source: (source, from).into(),
                destination: (destination, to).into(),
            };
            let (a, b) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
            let line = format!("PROXY TCP4 {a} {b} {from} {to}\r\n");
            let body = [&source[..], &destination, &from.to_be_bytes(), &to.to_be_bytes()].concat();
            for bytes in [line.into_bytes(), v2(0x21, 0x11, &body)] {
                let complete = Progress::Complete(bytes.len(), Some(expected));
                prop_assert_eq!(parse(&bytes), Ok(complete));
            }
        }
    }
}
