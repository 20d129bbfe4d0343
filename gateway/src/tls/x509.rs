//! What a certificate says of its owner: subject, names and public key, out of its DER.
//!
//! Only certificates that have been verified come here; whatever cannot be read is not there.

use std::fmt::Write;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// What a certificate says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// As RFC 2253 writes it, last part first.
    pub subject: String,
    /// When it ends, in seconds since 1970.
    pub ends: Option<i64>,
    /// The public key with its algorithm, in DER.
    pub key: &'a [u8],
    /// URIs among its names.
    pub uris: Vec<&'a str>,
    /// DNS names.
    pub dns: Vec<&'a str>,
    /// Mail addresses.
    pub mails: Vec<&'a str>,
    /// IP addresses, as text.
    pub addresses: Vec<String>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).expect(SEQUENCE)?);
        let mut fields = Der(certificate.expect(SEQUENCE)?);
        fields.optional(VERSION);
        // Serial number, algorithm, issuer.
        for _ in 0..3 {
            fields.next()?;
        }
        let mut validity = Der(fields.expect(SEQUENCE)?);
        validity.next()?;
        let ends = validity.next().and_then(|(tag, text, _)| time(tag, text));
        let mut read = Self { ends, subject: subject(fields.expect(SEQUENCE)?), ..Self::default() };
        let before = fields.0;
        fields.expect(SEQUENCE)?;
        read.key = before.get(..before.len() - fields.0.len())?;
        while let Some((tag, content, _)) = fields.next() {
            if tag == EXTENSIONS {
                read.extensions(content);
            }
        }
        Some(read)
    }

    /// All names, of every kind.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let texts = self.uris.iter().chain(&self.dns).chain(&self.mails).copied();
        texts.chain(self.addresses.iter().map(String::as_str))
    }

    fn extensions(&mut self, content: &'a [u8]) {
        let Some(list) = Der(content).expect(SEQUENCE) else { return };
        let mut list = Der(list);
        while let Some(extension) = list.expect(SEQUENCE) {
            let mut parts = Der(extension);
            if parts.expect(OID) != Some(SUBJECT_ALT_NAME) {
                continue;
            }
            // Perhaps whether it is critical comes first.
            while let Some((tag, content, _)) = parts.next() {
                if tag == OCTETS
                    && let Some(names) = Der(content).expect(SEQUENCE)
                {
                    self.alt_names(names);
                }
            }
        }
    }

    fn alt_names(&mut self, names: &'a [u8]) {
        let mut names = Der(names);
        while let Some((tag, content, _)) = names.next() {
            let text = std::str::from_utf8(content).ok();
            match tag {
                0x81 => self.mails.extend(text),
                0x82 => self.dns.extend(text),
                0x86 => self.uris.extend(text),
                0x87 => self.addresses.extend(address(content)),
                _ => {}
            }
        }
    }
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, as RFC 5280 writes times.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    let (year, rest) = text.split_at_checked(if tag == GENERALIZED_TIME { 4 } else { 2 })?;
    if !matches!(tag, UTC_TIME | GENERALIZED_TIME) || rest.len() != 10 {
        return None;
    }
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| digits)
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(number);
    let year = match (tag, number(year)?) {
        (UTC_TIME, short @ ..50) => short + 2000,
        (UTC_TIME, short) => short + 1900,
        (_, whole) => whole,
    };
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    Some(days(year, part(0)?, part(2)?) * 86_400 + seconds)
}

/// Days since 1970 of a day in the Gregorian calendar; a year begins with March, so that the day that
/// some years have more is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_years = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    of_years + (153 * month + 2) / 5 + day - 1 - 719_468
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let v6 =
        || <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string());
    v4.or_else(|_| v6()).ok()
}

fn subject(name: &[u8]) -> String {
    let mut name = Der(name);
    let mut parts = Vec::new();
    while let Some(set) = name.expect(SET) {
        let mut set = Der(set);
        let mut several = Vec::new();
        while let Some(pair) = set.expect(SEQUENCE) {
            let mut pair = Der(pair);
            let kind = pair.expect(OID).unwrap_or_default();
            let Some((tag, value, _)) = pair.next() else { continue };
            several.push(format!("{}={}", kind_name(kind), escaped(&text(tag, value))));
        }
        parts.push(several.join("+"));
    }
    parts.reverse();
    parts.join(",")
}

fn kind_name(oid: &[u8]) -> String {
    let name = match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 4] => "SN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "street",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        [0x55, 4, 42] => "GN",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        _ => return dotted(oid),
    };
    name.to_owned()
}

fn dotted(oid: &[u8]) -> String {
    let mut out = String::new();
    let mut value = 0_u64;
    for byte in oid {
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if out.is_empty() {
            let first = (value / 40).min(2);
            out = format!("{first}.{}", value - first * 40);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, ".{value}");
        }
        value = 0;
    }
    out
}

fn text(tag: u8, value: &[u8]) -> String {
    if tag == BMP_STRING {
        let units = value.chunks_exact(2).filter_map(|two| two.try_into().ok());
        let units: Vec<u16> = units.map(u16::from_be_bytes).collect();
        return String::from_utf16_lossy(&units);
    }
    String::from_utf8_lossy(value).into_owned()
}

/// As RFC 2253 escapes values; bytes that are not ASCII as the header needs them, too.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let special = b",+\"\\<>;".contains(&byte)
            || (at == 0 && matches!(byte, b'#' | b' '))
            || (at == last && byte == b' ');
        if !(0x20..0x7f).contains(&byte) {
            let _ = write!(out, "\\{byte:02X}");
            continue;
        }
        if special {
            out.push('\\');
        }
        out.push(char::from(byte));
    }
    out
}

/// What is left of a list of values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Tag, content, and the whole of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short @ 0..=0x7f => (short, rest),
            long => {
                let (digits, rest) = rest.split_at_checked(long & 0x7f)?;
                if digits.is_empty() || digits.len() > 4 {
                    return None;
                }
                let length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some((*tag, content, whole))
    }

    /// The content of the next value, if it has this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _, _)| *found == tag).map(|(_, content, _)| content)
    }

    /// Skips the next value if it has this tag.
    fn optional(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

    #[test]
    fn a_certificate_tells_who_owns_it() {
        let mut params = CertificateParams::new(vec!["a.com".to_owned()]).unwrap();
        let uri = Ia5String::try_from("spiffe://x/y").unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        params.subject_alt_names.push(SanType::IpAddress([10, 0, 0, 1].into()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "A, B");
        params.distinguished_name.push(DnType::CommonName, "\u{e9} \"x\"");
        params.not_after = rcgen::date_time_ymd(2096, 2, 29);
        let params_end = params.not_after.unix_timestamp();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let read = Certificate::read(certificate.der()).unwrap();
        assert_eq!(read.subject, "CN=\\C3\\A9 \\\"x\\\",O=A\\, B");
        assert_eq!((&*read.dns, &*read.uris), (&["a.com"][..], &["spiffe://x/y"][..]));
        assert_eq!(read.addresses, ["10.0.0.1"]);
        assert_eq!(read.ends, Some(params_end));
        assert_eq!(read.key, rcgen::PublicKeyData::subject_public_key_info(&key));
    }

    #[test]
    fn times_are_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229123456Z", Some(951_827_696)),
            (UTC_TIME, "490101000000Z", Some(2_493_072_000)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "500101000000Z", None),
            (UTC_TIME, "500101000000+0100", None),
            (UTC_TIME, "50010100000Z", None),
            (UTC_TIME, "5001010000+1Z", None),
            (OCTETS, "500101000000Z", None),
        ] {
            assert_eq!(time(tag, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_not_read() {
        let mut params = CertificateParams::new(vec!["a.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "x");
        let whole = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        for length in 0..whole.len() {
            assert_eq!(Certificate::read(&whole[..length]), None, "{length}");
        }
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 0xff;
            // Whatever comes of it, it ends.
            let _ = Certificate::read(&bent);
        }
        assert_eq!(dotted(&[0x2a, 0x86, 0x48]), "1.2.840");
    }
}
