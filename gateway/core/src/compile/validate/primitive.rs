//! What the checks of all kinds share: names, hosts, durations, percentages.

use super::super::report::Field;
use edgeway_api::duration::Duration;
use std::{net::IpAddr, time::Duration as Time};

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

/// A host name with at least one label; the last must not be a number.
pub(super) fn is_fqdn(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let numeric =
        text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 255 && !text.is_empty() && !numeric && text.split('.').all(is_label)
}

/// A host name, `*`, `*.suffix`, or one whose first label starts with `*`.
pub(super) fn is_wildcard_domain(text: &str) -> bool {
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

/// `exportTo`: no duplicates, `*` alone, names are namespaces.
pub(super) fn export_to(list: &[String], field: &mut Field<'_>) {
    field.of("exportTo", |field| {
        if list.len() > 1 && list.iter().any(|entry| entry == "*") {
            field.invalid("`*` stands beside other entries", "give `*` alone, or namespaces");
        }
        for (index, entry) in list.iter().enumerate() {
            field.at(index, |field| {
                if !matches!(entry.as_str(), "*" | ".") && !is_name(entry) {
                    field.invalid(
                        format!("`{entry}` is no namespace"),
                        "give `.`, `*` or a namespace",
                    );
                } else if list.iter().take(index).any(|earlier| earlier == entry) {
                    field.invalid(format!("`{entry}` is given twice"), "give it once");
                }
            });
        }
    });
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
}
