//! Conditions on texts, and names of headers.

use super::super::report::Field;
use edgeway_api::virtual_service::StringMatch;

/// At most one of exact, prefix and regex. Whether each is well formed is found where it is built.
pub(super) fn one_kind(text: &StringMatch, field: &mut Field<'_>) {
    let given = [text.exact.is_some(), text.prefix.is_some(), text.regex.is_some()];
    at_most_one(&given, "exact, prefix and regex", field);
}

/// Fields of which at most one may be given.
pub(super) fn at_most_one(given: &[bool], names: &str, field: &mut Field<'_>) {
    if given.iter().filter(|given| **given).count() > 1 {
        field.invalid(format!("more than one of {names} is given"), "keep one");
    }
}

/// Header names of a list, as they are written in `Access-Control-*` headers.
pub(super) fn header_list(list: &[String], name: &str, field: &mut Field<'_>) {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    field.of(name, |field| {
        for (index, header) in list.iter().enumerate() {
            if header != "*" && (header.is_empty() || !header.bytes().all(inner)) {
                field.at(index, |field| {
                    let message = format!("`{header}` is no header name");
                    field.invalid(message, "use letters, digits, `-` and `_`");
                });
            }
        }
    });
}

/// The field is read, and has a newer form.
pub(super) fn deprecated(given: bool, name: &str, instead: &str, field: &mut Field<'_>) {
    if given {
        field.of(name, |field| {
            field.warning(
                "field-deprecated",
                "Istio deprecates this field",
                format!("use {instead}"),
            );
        });
    }
}

/// Whether something is written there; an empty text is nothing.
pub(super) fn given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}
