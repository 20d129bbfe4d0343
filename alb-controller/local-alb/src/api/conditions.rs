//! Conditions: read from calls, checked, and shown in replies.

use std::collections::BTreeSet;

use ipnet::IpNet;
use regex::bytes::{Regex, RegexBuilder};

use crate::error::AwsError;
use crate::state::Limits;
use crate::state::pattern::Pattern;
use crate::state::rule::{Condition, Network, QueryPair, Values};
use crate::wire::{Fields, Params};

/// The order is AWS's own, and is shown in its message.
const FIELDS: [&str; 6] = [
    "http-header",
    "http-request-method",
    "host-header",
    "query-string",
    "source-ip",
    "path-pattern",
];

/// Reads the conditions of a rule, all together within the quotas.
pub(super) fn read(
    params: &Params<'_>,
    field: &str,
    limits: &Limits,
) -> Result<Vec<Condition>, AwsError> {
    let given = params.structures(field);
    if given.is_empty() {
        return Err(AwsError::validation("A condition must be specified"));
    }
    let conditions: Vec<Condition> = given.iter().map(condition).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    for condition in &conditions {
        let many = matches!(condition, Condition::Header { .. } | Condition::Query(_));
        let field = condition.field();
        if !seen.insert(field) && !many {
            let text = format!("A rule can only have one '{field}' condition");
            return Err(AwsError::validation(text));
        }
    }
    let most = limits.condition_values;
    if conditions.iter().map(Condition::values).sum::<usize>() > most {
        let text = format!("A rule can only have '{most}' condition values and regex values");
        return Err(AwsError::validation(text));
    }
    let most = limits.condition_wildcards;
    if conditions.iter().map(Condition::wildcards).sum::<usize>() > most {
        let text = format!("A rule can only have '{most}' condition wildcards");
        return Err(AwsError::validation(text));
    }
    Ok(conditions)
}

fn condition(params: &Params<'_>) -> Result<Condition, AwsError> {
    let field = params.text("Field").unwrap_or_default();
    match field {
        "host-header" => {
            let (plain, regex) = texts(params, field, "HostHeaderConfig")?;
            for value in &plain {
                host(value)?;
            }
            build(&plain, &regex, Pattern::any_case, true).map(Condition::Host)
        }
        "path-pattern" => {
            let (plain, regex) = texts(params, field, "PathPatternConfig")?;
            for value in &plain {
                length(field, value, 128)?;
                let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.$/~\"'@:+&*?".contains(&b);
                characters(value, valid)?;
            }
            build(&plain, &regex, Pattern::exact_case, false).map(Condition::Path)
        }
        "http-header" => header(params),
        "http-request-method" => {
            let methods = values(params, field, "HttpRequestMethodConfig")?;
            for method in &methods {
                length(field, method, 40)?;
                characters(method, |b| b.is_ascii_uppercase() || b"-_".contains(&b))?;
            }
            Ok(Condition::Method(methods))
        }
        "query-string" => query(params),
        "source-ip" => values(params, field, "SourceIpConfig")?
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Condition::Source),
        other => Err(AwsError::validation(format!(
            "Condition field '{other}' must be one of '{}'",
            FIELDS.join(",")
        ))),
    }
}

/// Wildcard texts and regular expressions of a host or path condition, from the one place where
/// they were given.
fn texts(
    params: &Params<'_>,
    field: &str,
    config: &str,
) -> Result<(Vec<String>, Vec<String>), AwsError> {
    let top = (params.strings("Values"), params.strings("RegexValues"));
    let inner = params.structure(config);
    let inner = (inner.strings("Values"), inner.strings("RegexValues"));
    let has_inner = !inner.0.is_empty() || !inner.1.is_empty();
    for (name, list) in [("Values", &top.0), ("RegexValues", &top.1)] {
        if !list.is_empty() && has_inner {
            return Err(AwsError::validation(format!(
                "You cannot provide both {name} and '{config}' for a condition of type '{field}'"
            )));
        }
    }
    let (plain, regex) = if has_inner { inner } else { top };
    match (plain.is_empty(), regex.is_empty()) {
        (true, true) => Err(AwsError::validation(format!(
            "For conditions of type '{field}', you must specify the following fields: 'Values or RegexValues or {config}'"
        ))),
        (false, false) => Err(exactly_one(config)),
        _ => Ok((plain, regex)),
    }
}

fn exactly_one(config: &str) -> AwsError {
    AwsError::validation(format!(
        "You must provide exactly one of the following: ['Values' 'RegexValues'] for config of type '{config}'"
    ))
}

/// The values in a condition's own structure.
fn values(params: &Params<'_>, field: &str, config: &str) -> Result<Vec<String>, AwsError> {
    let values = params.structure(config).strings("Values");
    if values.is_empty() {
        return Err(AwsError::validation(format!(
            "For conditions of type '{field}', you must specify the following fields: '{config}'"
        )));
    }
    Ok(values)
}

fn build(
    plain: &[String],
    regexes: &[String],
    pattern: fn(&str) -> Pattern,
    any_case: bool,
) -> Result<Values, AwsError> {
    let regexes = regexes.iter().map(|text| regex(text, any_case)).collect::<Result<_, _>>()?;
    Ok(Values { patterns: plain.iter().map(|text| pattern(text)).collect(), regexes })
}

/// A regular expression of a condition, at most 128 characters long.
fn regex(text: &str, any_case: bool) -> Result<Regex, AwsError> {
    length("regex", text, 128)?;
    RegexBuilder::new(text).case_insensitive(any_case).size_limit(1 << 20).build().map_err(|why| {
        AwsError::validation(format!("The regular expression '{text}' is not valid: {why}"))
    })
}

fn header(params: &Params<'_>) -> Result<Condition, AwsError> {
    let config = params.structure("HttpHeaderConfig");
    let name = config.text("HttpHeaderName").unwrap_or_default();
    if name.is_empty() {
        return Err(AwsError::validation(
            "For conditions of type 'http-header', you must specify the following fields: 'HttpHeaderName'",
        ));
    }
    length("http-header", name, 40)?;
    characters(name, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))?;
    if name.eq_ignore_ascii_case("host") {
        return Err(AwsError::validation("You cannot specify 'host' as an HTTP header name"));
    }
    let (plain, regex) = (config.strings("Values"), config.strings("RegexValues"));
    if plain.is_empty() == regex.is_empty() {
        return Err(exactly_one("HttpHeaderConfig"));
    }
    for value in &plain {
        length("http-header", value, 128)?;
        characters(value, |byte| byte.is_ascii_graphic() || byte == b' ')?;
    }
    let values = build(&plain, &regex, Pattern::any_case, false)?;
    Ok(Condition::Header { name: name.to_owned(), values })
}

fn query(params: &Params<'_>) -> Result<Condition, AwsError> {
    let mut pairs = Vec::new();
    for pair in params.structure("QueryStringConfig").structures("Values") {
        let key = pair.text("Key").filter(|key| !key.is_empty());
        let value = pair.required("Value")?;
        for text in key.into_iter().chain([value]) {
            length("query-string", text, 128)?;
            characters(text, |byte| byte.is_ascii_graphic())?;
        }
        pairs.push(QueryPair {
            key: key.map(Pattern::any_case_with_escapes),
            value: Pattern::any_case_with_escapes(value),
        });
    }
    if pairs.is_empty() {
        return Err(AwsError::validation(
            "For conditions of type 'query-string', you must specify the following fields: 'QueryStringConfig'",
        ));
    }
    Ok(Condition::Query(pairs))
}

fn network(text: String) -> Result<Network, AwsError> {
    match text.parse::<IpNet>() {
        Ok(range) if text != "255.255.255.255/32" => Ok(Network { text, range }),
        Ok(_) | Err(_) => {
            let text = format!("The specified value '{text}' is not a valid CIDR block");
            Err(AwsError::validation(text))
        }
    }
}

fn host(value: &str) -> Result<(), AwsError> {
    length("host-header", value, 128)?;
    characters(value, |byte| byte.is_ascii_alphanumeric() || b"-.*?_".contains(&byte))?;
    match value.rsplit_once('.') {
        Some((_, last))
            if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_alphabetic()) =>
        {
            Ok(())
        }
        Some(_) | None => Err(invalid_character(value)),
    }
}

fn length(field: &str, value: &str, most: usize) -> Result<(), AwsError> {
    if value.chars().count() > most {
        return Err(AwsError::validation(format!(
            "Condition value for '{field}' cannot contain more than {most} characters"
        )));
    }
    Ok(())
}

fn characters(value: &str, valid: impl Fn(u8) -> bool) -> Result<(), AwsError> {
    if value.is_empty() || !value.bytes().all(valid) {
        return Err(invalid_character(value));
    }
    Ok(())
}

fn invalid_character(value: &str) -> AwsError {
    AwsError::validation(format!(
        "Condition value '{value}' contains a character that is not valid"
    ))
}

/// Conditions as replies show them: host and path in both forms.
pub(super) fn shapes(conditions: &[Condition]) -> impl Iterator<Item = Fields> {
    conditions.iter().map(|condition| {
        let fields = Fields::new().text("Field", condition.field());
        match condition {
            Condition::Host(values) => both_forms(fields, "HostHeaderConfig", values),
            Condition::Path(values) => both_forms(fields, "PathPatternConfig", values),
            Condition::Header { name, values } => fields.with(
                "HttpHeaderConfig",
                listed(Fields::new().text("HttpHeaderName", name), values),
            ),
            Condition::Method(methods) => {
                fields.with("HttpRequestMethodConfig", Fields::new().texts("Values", methods))
            }
            Condition::Query(pairs) => {
                let pairs = pairs.iter().map(|pair| {
                    Fields::new()
                        .maybe("Key", pair.key.as_ref().map(Pattern::text))
                        .text("Value", pair.value.text())
                });
                fields.with("QueryStringConfig", Fields::new().list("Values", pairs))
            }
            Condition::Source(networks) => {
                let texts = networks.iter().map(|network| &network.text);
                fields.with("SourceIpConfig", Fields::new().texts("Values", texts))
            }
        }
    })
}

fn both_forms(fields: Fields, config: &'static str, values: &Values) -> Fields {
    listed(fields, values).with(config, listed(Fields::new(), values))
}

fn listed(fields: Fields, values: &Values) -> Fields {
    let plain: Vec<_> = values.patterns.iter().map(Pattern::text).collect();
    let regexes: Vec<_> = values.regexes.iter().map(Regex::as_str).collect();
    fields.some_texts("Values", &plain).some_texts("RegexValues", &regexes)
}
