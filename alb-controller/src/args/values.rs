//! Values of flags, as the AWS Load Balancer Controller writes them.

/// `true`, `false`, and what else Go takes for either.
pub(super) fn bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        Some(_) | None => Err("write key=value,key=value".to_owned()),
    }
}

/// One of a few words.
pub(super) fn word<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Option<T>,
    choices: fn() -> String,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| parse(text).ok_or_else(|| format!("use one of {}", choices()))
}
