//! What the checks of all kinds share: names, hosts, addresses, durations, percentages.

use super::super::report::Field;
use crate::id::OF_INGRESS;
use edgeway_api::duration::Duration;
use std::{collections::BTreeMap, net::IpAddr, time::Duration as Time};

/// One label of a host name: letters, digits and inner dashes, at most 63.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name of Kubernetes' own: a label without capitals.
pub(super) fn is_name(text: &str) -> bool {
    is_label(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The name of a Gateway: a label, or that of one which is made of the Ingresses of a class.
pub(super) fn is_gateway_name(text: &str) -> bool {
    let class = text.strip_prefix(OF_INGRESS);
    class.map_or_else(|| is_name(text), |class| class.split('.').all(is_name))
}

/// A host name with at least one label; the last must not be a number.
pub(super) fn is_fqdn(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let numeric =
        text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 255 && !text.is_empty() && !numeric && text.split('.').all(is_label)
}

/// A host name, `*`, `*.suffix`, or one whose first label starts with `*`.
pub(in crate::compile) fn is_wildcard_domain(text: &str) -> bool {
    match text.strip_prefix('*') {
        None => is_fqdn(text),
        Some("") => true,
        Some(rest) => match rest.strip_prefix(['.', '-']) {
            Some(rest) => is_fqdn(rest),
            None => is_fqdn(rest),
        },
    }
}

/// An IP address in the usual form.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// At least a millisecond, and whole ones.
pub(super) fn duration(duration: Option<&Duration>, name: &str, field: &mut Field<'_>) {
    let Some(duration) = duration else { return };
    field.of(name, |field| match duration.get() {
        None => {
            let text = duration.text();
            field.invalid(format!("`{text}` is no duration"), "write it as `1.5s` or `300ms`");
        }
        Some(time) if time < Time::from_millis(1) || time.subsec_nanos() % 1_000_000 != 0 => {
            field.invalid(
                format!("`{}` is not at least one and whole milliseconds", duration.text()),
                "give at least `1ms`, or leave the field out for no limit",
            );
        }
        Some(_) => {}
    });
}

/// 1 to 65535.
pub(super) fn port(number: u32, field: &mut Field<'_>) {
    if number == 0 || number > 65_535 {
        field.invalid(format!("{number} is no port"), "give a number from 1 to 65535");
    }
}

/// 0 to 100.
pub(super) fn percentage(value: f64, field: &mut Field<'_>) {
    if !(0.0..=100.0).contains(&value) || (value > 0.0 && value < 0.0001) {
        field.invalid(format!("{value} is no percentage"), "give 0, or 0.0001 to 100");
    }
}

/// 0 to 100, whole.
pub(super) fn whole_percentage(value: Option<i64>, name: &str, field: &mut Field<'_>) {
    if let Some(value) = value.filter(|value| !(0..=100).contains(value)) {
        field.of(name, |field| {
            field.invalid(format!("{value} is no percentage"), "give 0 to 100");
        });
    }
}

/// Not below zero.
pub(super) fn not_negative(value: Option<i32>, name: &str, field: &mut Field<'_>) {
    if let Some(value) = value.filter(|value| *value < 0) {
        field.of(name, |field| {
            field.invalid(format!("{value} is negative"), "give 0 or more, or leave it out");
        });
    }
}

/// An IP address, or one with the length of a prefix (`10.0.0.0/8`).
pub(super) fn is_subnet(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return is_ip(text) };
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= longest)
}

/// A list of addresses or subnets.
pub(super) fn subnets(list: &[String], name: &str, field: &mut Field<'_>) {
    field.of(name, |field| {
        for (index, text) in list.iter().enumerate().filter(|(_, text)| !is_subnet(text)) {
            field.at(index, |field| {
                let message = format!("`{text}` is no address and no subnet");
                field.invalid(message, "write `10.0.0.1`, `10.0.0.0/8` or the like");
            });
        }
    });
}

/// What follows `unix://`: an absolute path of a file, or the name of an abstract socket.
pub(super) fn is_unix_path(path: &str) -> bool {
    match path.strip_prefix('@') {
        Some(name) => !name.is_empty(),
        None => path.starts_with('/') && !path.ends_with('/'),
    }
}

/// Labels as Kubernetes allows them.
pub(super) fn labels(labels: &BTreeMap<String, String>, name: &str, field: &mut Field<'_>) {
    field.of(name, |field| {
        for (key, value) in labels {
            if !is_label_key(key) {
                field.invalid(
                    format!("`{key}` is no key of a label"),
                    "use letters, digits, `-`, `_`, `.`, at most 63 of them, after `domain/` if need be",
                );
            }
            if !(value.is_empty() || is_label_word(value)) {
                field.invalid(
                    format!("`{value}` of `{key}` is no value of a label"),
                    "use letters, digits, `-`, `_`, `.`, at most 63 of them; no wildcard",
                );
            }
        }
    });
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_word(key),
        Some((domain, name)) => is_fqdn(domain) && is_label_word(name),
    }
}

fn is_label_word(text: &str) -> bool {
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(inner)
        && outer(text.bytes().next())
        && outer(text.bytes().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hosts_are_told_apart() {
        for (text, fqdn, wildcard) in [
            ("a.example.com", true, true),
            ("a", true, true),
            ("A.com", true, true),
            ("a.com.", true, true),
            ("*", false, true),
            ("*.example.com", false, true),
            ("*example.com", false, true),
            ("*-x.example.com", false, true),
            ("a.*.com", false, false),
            ("a..com", false, false),
            ("-a.com", false, false),
            ("a_b.com", false, false),
            ("example.com:80", false, false),
            ("10.0.0.1", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_fqdn(text), is_wildcard_domain(text)), (fqdn, wildcard), "{text}");
        }
    }
    #[test]
    fn addresses_and_subnets_are_told_from_names() {
        for (text, subnet) in [
            ("10.0.0.1", true),
            ("10.0.0.0/8", true),
            ("10.0.0.0/33", false),
            ("::/0", true),
            ("2001:db8::/129", false),
            ("10.0.0.0/", false),
            ("10.0.0/8", false),
            ("a.com", false),
            ("", false),
        ] {
            assert_eq!(is_subnet(text), subnet, "{text}");
        }
        for (text, path) in
            [("/a/b", true), ("@a", true), ("/a/", false), ("a", false), ("@", false), ("", false)]
        {
            assert_eq!(is_unix_path(text), path, "{text}");
        }
    }

    #[test]
    fn labels_are_those_of_kubernetes() {
        let long = "a".repeat(64);
        for (key, word) in [
            ("app", true),
            ("a.b_c-d", true),
            ("A1", true),
            ("-a", false),
            ("a.", false),
            ("a*", false),
            ("", false),
            (long.as_str(), false),
        ] {
            assert_eq!(is_label_word(key), word, "{key}");
        }
        assert!(is_label_key("app.kubernetes.io/name") && !is_label_key("a/b/c"));
        assert!(!is_label_key("/name") && !is_label_key("a b/name"));
    }
}
