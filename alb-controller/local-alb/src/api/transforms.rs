//! Transforms: read from calls, checked, and shown in replies.

use regex::bytes::RegexBuilder;

use crate::error::AwsError;
use crate::state::rule::{Part, Transform};
use crate::wire::{Fields, Params};

/// Type, structure, part of the request.
const KINDS: [(&str, &str, Part); 2] = [
    ("host-header-rewrite", "HostHeaderRewriteConfig", Part::Host),
    ("url-rewrite", "UrlRewriteConfig", Part::Url),
];

/// Reads the transforms of a rule: at most one of each type, each with one expression.
pub(super) fn read(params: &Params<'_>, field: &str) -> Result<Vec<Transform>, AwsError> {
    let mut transforms: Vec<Transform> = Vec::new();
    for params in params.structures(field) {
        let kinds = KINDS.map(|(name, ..)| name);
        let name = params.word("Type", &kinds)?.ok_or_else(|| params.missing("Type"))?;
        let Some((_, config, part)) = KINDS.into_iter().find(|(known, ..)| *known == name) else {
            return Err(params.missing("Type"));
        };
        if transforms.iter().any(|earlier| earlier.part == part) {
            let text = format!("A rule can only have one '{name}' transform");
            return Err(AwsError::validation(text));
        }
        let rewrites = params.structure(config).structures("Rewrites");
        let [rewrite] = rewrites.as_slice() else {
            let text = format!("A '{name}' transform must have exactly one rewrite in '{config}'");
            return Err(AwsError::validation(text));
        };
        transforms.push(transform(rewrite, part)?);
    }
    Ok(transforms)
}

fn transform(rewrite: &Params<'_>, part: Part) -> Result<Transform, AwsError> {
    let (text, replace) = (rewrite.required("Regex")?, rewrite.required("Replace")?);
    if text.chars().count() > 1024 || replace.chars().count() > 1024 {
        return Err(AwsError::validation("A rewrite cannot be longer than 1024 characters"));
    }
    let regex = RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|why| {
        AwsError::validation(format!("The regular expression '{text}' is not valid: {why}"))
    })?;
    Ok(Transform { part, regex, replace: replace.to_owned() })
}

/// Transforms as replies show them.
pub(super) fn shapes(transforms: &[Transform]) -> impl Iterator<Item = Fields> {
    transforms.iter().map(|transform| {
        let rewrite = Fields::new()
            .text("Regex", transform.regex.as_str())
            .text("Replace", &transform.replace);
        let config = Fields::new().list("Rewrites", [rewrite]);
        match transform.part {
            Part::Host => Fields::new()
                .text("Type", "host-header-rewrite")
                .with("HostHeaderRewriteConfig", config),
            Part::Url => Fields::new().text("Type", "url-rewrite").with("UrlRewriteConfig", config),
        }
    })
}
