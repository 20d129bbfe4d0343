//! Tags: how they are read from a call and what AWS refuses.

use std::collections::BTreeMap;

use crate::error::{AwsError, Code};
use crate::wire::Params;

/// The tags of one resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// Reads a list of `Key` and `Value` pairs.
pub(crate) fn read(params: &Params<'_>, field: &str) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for pair in params.structures(field) {
        let key = pair.required("Key")?;
        let value = pair.text("Value").unwrap_or_default();
        check(key, value).map_err(AwsError::validation)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let text = format!("Tag keys must be unique, but '{key}' was given twice");
            return Err(AwsError::new(Code::DuplicateTagKeys, text));
        }
    }
    Ok(tags)
}

/// Refuses more tags than a resource may have.
pub(crate) fn limit(tags: &Tags, most: usize) -> Result<(), AwsError> {
    if tags.len() > most {
        let text =
            format!("The maximum number of tags is '{most}', but it would be {}", tags.len());
        return Err(AwsError::new(Code::TooManyTags, text));
    }
    Ok(())
}

/// What is wrong with a tag.
pub(crate) fn check(key: &str, value: &str) -> Result<(), String> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(format!("Tag key '{key}' must have 1 to 128 characters"));
    }
    if value.chars().count() > 256 {
        return Err(format!("The value of tag '{key}' cannot be longer than 256 characters"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(format!("Tag key '{key}' is reserved: 'aws:' may only be used by AWS"));
    }
    let allowed = |letter: char| {
        letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@".contains(letter)
    };
    match key.chars().chain(value.chars()).find(|letter| !allowed(*letter)) {
        Some(letter) => {
            Err(format!("Tag '{key}' contains a character that is not valid: {letter:?}"))
        }
        None => Ok(()),
    }
}
