//! Path normalisation, as Istio's default (`BASE`) has Envoy do it.

mod normalisation;

pub use normalisation::{BadNormalisation, Normalisation};

use std::borrow::Cow;

/// Why a path is refused; the client gets 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath;

/// The path that is matched, logged and forwarded: dot segments resolved, unreserved escapes
/// decoded, `\` turned into `/`, what a URL cannot carry escaped; `//`, `%2F`, `%5C` and the case
/// of other escapes kept. NUL is refused, escaped or not, and so is what would not stay as it is if
/// it were normalised once more.
///
/// `path` has no query and no fragment. Borrowed when nothing changes.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if is_normal(path) {
        return Ok(path.into());
    }
    let out = normalised(path)?;
    // A lone `%` and what was decoded behind it may make an escape that was not there: `%2%65`.
    if has_lone_percent(path) && normalised(&out)? != out {
        return Err(BadPath);
    }
    Ok(Cow::Owned(out))
}

fn normalised(path: &str) -> Result<String, BadPath> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match first {
            b'/' | b'\\' => {
                out.push(b'/');
                segment_start(tail, &mut out)
            }
            b'%' => escape(rest, &mut out)?,
            b'\0' => return Err(BadPath),
            byte if must_be_escaped(*byte) => {
                push_escaped(*byte, &mut out);
                tail
            }
            byte => {
                out.push(*byte);
                tail
            }
        };
    }
    String::from_utf8(out).map_err(|_| BadPath)
}

/// Whether there is a `%` that begins no escape.
fn has_lone_percent(path: &str) -> bool {
    let begins_none = |after: &str| {
        let digits = after.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    path.split('%').skip(1).any(begins_none)
}

/// Whether `path` stays as it is.
fn is_normal(path: &str) -> bool {
    let bytes = path.as_bytes();
    let plain = bytes.iter().all(|b| !matches!(b, b'%' | b'\\') && !must_be_escaped(*b));
    plain && !bytes.windows(2).any(|pair| pair == b"/.")
}

/// After a slash that is already written: `.` vanishes, `..` takes the segment before with it.
fn segment_start<'p>(mut rest: &'p [u8], out: &mut Vec<u8>) -> &'p [u8] {
    while let Some(after_dot) = dot(rest) {
        if let Some(next) = segment_end(after_dot) {
            rest = next;
        } else if let Some(next) = dot(after_dot).and_then(segment_end) {
            out.pop();
            let parent = out.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            out.truncate(parent);
            if out.is_empty() {
                out.push(b'/');
            }
            rest = next;
        } else {
            break;
        }
    }
    rest
}

/// What follows a dot, written plainly or as `%2e`.
fn dot(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => Some(tail),
        _ => None,
    }
}

/// What follows the slash that ends a segment; empty at the end of the path.
fn segment_end(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [] => Some(bytes),
        [b'/' | b'\\', tail @ ..] => Some(tail),
        _ => None,
    }
}

fn escape<'p>(bytes: &'p [u8], out: &mut Vec<u8>) -> Result<&'p [u8], BadPath> {
    let decoded = match bytes {
        [_, high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
        _ => None,
    };
    let (written, tail) = bytes.split_at(if decoded.is_some() { 3 } else { 1 });
    match decoded {
        Some(0) => return Err(BadPath),
        Some(byte) if is_unreserved(byte) => out.push(byte),
        Some(_) | None => out.extend_from_slice(written),
    }
    Ok(tail)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^' | b' ')
        || !(0x20..0x7f).contains(&byte)
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_become_what_envoy_forwards() {
        for (path, expected) in [
            ("/foo", "/foo"),
            ("/", "/"),
            ("/./foo", "/foo"),
            ("/x/../foo", "/foo"),
            ("/foo/../x", "/x"),
            ("/b/..", "/"),
            ("/b/.", "/b/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a//../b", "/a/b"),
            ("/a/./../b/./c", "/b/c"),
            ("//foo", "//foo"),
            ("/a//b", "/a//b"),
            ("/a\\b", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/%66oo", "/foo"),
            ("/%7Euser", "/~user"),
            ("/foo%2Fbar", "/foo%2Fbar"),
            ("/a%2f..%2fb", "/a%2f..%2fb"),
            ("/%c3%A9", "/%c3%A9"),
            ("/%zz", "/%zz"),
            ("/a%2", "/a%2"),
            ("/a%", "/a%"),
            ("/.a", "/.a"),
            ("/..a/b", "/..a/b"),
            ("/a.b/c..", "/a.b/c.."),
            ("/a%2eb", "/a.b"),
            ("/p;v=1/../q", "/q"),
            ("/a[b]{c}|^\"<>`", "/a[b]%7Bc%7D%7C%5E%22%3C%3E%60"),
            ("/at@x:1+&=!$'()*,", "/at@x:1+&=!$'()*,"),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(expected), "{path}");
        }
        assert_eq!(normalise("/%00"), Err(BadPath));
        assert_eq!(normalise("/a%00b"), Err(BadPath));
        assert_eq!(normalise("/a\0b"), Err(BadPath));
        assert_eq!(normalise("/a/%2%65%2%65/b"), Err(BadPath));
    }

    proptest! {
        #[test]
        fn normalising_leaves_no_dot_segment_and_settles(path in "/([a./\\\\%2eEfF]{0,12})") {
            if let Ok(once) = normalise(&path) {
                let dotted = once.split('/').any(|segment| segment == "." || segment == "..");
                prop_assert!(!dotted, "{path} became {once}");
                prop_assert!(once.starts_with('/'));
                let twice = normalise(&once);
                prop_assert_eq!(twice.as_deref(), Ok(&*once), "{} became {}", path, once);
            }
        }

        #[test]
        fn long_runs_of_dots_are_no_burden(times in 1_usize..20_000) {
            let path = "/.".repeat(times);
            let normal = normalise(&path);
            prop_assert_eq!(normal.as_deref(), Ok("/"));
        }

        #[test]
        fn normalising_is_total(path in ".*") {
            let _ = normalise(&path);
        }
    }
}
