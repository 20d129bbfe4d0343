//! The parameters of a Query call: `Conditions.member.1.Values.member.2=/api/*` and the like.
//!
//! The names are kept flat; a [`Params`] is a place in the tree that their dots describe, so no
//! input can build a deep structure.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::error::AwsError;

/// All parameters of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    all: BTreeMap<String, String>,
}

impl Query {
    /// Reads a form body or a query string; of a name given twice the first counts.
    pub(crate) fn decode(form: &[u8]) -> Self {
        let mut all = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            all.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self { all }
    }

    /// The top of the tree.
    pub(crate) fn root(&self) -> Params<'_> {
        Params { all: &self.all, prefix: String::new() }
    }

    /// Every value, in the order of the names.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.all.values().map(String::as_str)
    }
}

/// A place in the tree of parameters: the whole call, or one structure in it.
#[derive(Clone, Debug)]
pub(crate) struct Params<'a> {
    all: &'a BTreeMap<String, String>,
    prefix: String,
}

impl<'a> Params<'a> {
    fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    /// The text of a field, if it was sent.
    pub(crate) fn text(&self, field: &str) -> Option<&'a str> {
        self.all.get(&self.name(field)).map(String::as_str)
    }

    /// The text of a field that must be there.
    pub(crate) fn required(&self, field: &str) -> Result<&'a str, AwsError> {
        self.text(field).ok_or_else(|| self.missing(field))
    }

    /// What is answered where a required field is missing.
    pub(crate) fn missing(&self, field: &str) -> AwsError {
        AwsError::validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            self.label(field)
        ))
    }

    /// A number within bounds, if it was sent.
    pub(crate) fn number<T>(&self, field: &str, low: T, high: T) -> Result<Option<T>, AwsError>
    where
        T: FromStr + Copy + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(field) else { return Ok(None) };
        let wrong = |why: String| {
            AwsError::validation(format!(
                "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: {why}",
                self.label(field)
            ))
        };
        let value: T = text.trim().parse().map_err(|_| wrong("Member must be a number".into()))?;
        if value < low {
            return Err(wrong(format!("Member must have value greater than or equal to {low}")));
        }
        if value > high {
            return Err(wrong(format!("Member must have value less than or equal to {high}")));
        }
        Ok(Some(value))
    }

    /// `true` or `false`, if it was sent.
    pub(crate) fn boolean(&self, field: &str) -> Result<Option<bool>, AwsError> {
        match self.text(field) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(AwsError::validation(format!(
                "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must be true or false",
                self.label(field)
            ))),
        }
    }

    /// One of a fixed set of words, if it was sent.
    pub(crate) fn word(&self, field: &str, set: &[&str]) -> Result<Option<&'a str>, AwsError> {
        match self.text(field) {
            Some(text) if !set.contains(&text) => Err(AwsError::validation(format!(
                "1 validation error detected: Value '{text}' at '{}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                self.label(field),
                set.join(", ")
            ))),
            text => Ok(text),
        }
    }

    /// The structure in a field; empty if nothing of it was sent.
    pub(crate) fn structure(&self, field: &str) -> Params<'a> {
        Params { all: self.all, prefix: format!("{}.", self.name(field)) }
    }

    /// Whether anything at or below a field was sent.
    pub(crate) fn has(&self, field: &str) -> bool {
        let name = self.name(field);
        let below = format!("{name}.");
        self.all.contains_key(&name) || self.names_below(&below).next().is_some()
    }

    fn names_below<'b>(&self, below: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        let all = self.all;
        all.range(below.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(below))
    }

    /// Names of the elements of a list, `Field.member.N` or (as EC2 has it) `Field.N`, in order.
    fn elements(&self, field: &str) -> Vec<String> {
        for below in [self.name(&format!("{field}.member.")), self.name(&format!("{field}."))] {
            let numbers: BTreeSet<u32> = self
                .names_below(&below)
                .filter_map(|name| name.get(below.len()..)?.split('.').next()?.parse().ok())
                .collect();
            if !numbers.is_empty() {
                return numbers.into_iter().map(|number| format!("{below}{number}")).collect();
            }
        }
        Vec::new()
    }

    /// The strings of a list.
    pub(crate) fn list(&self, field: &str) -> Vec<&'a str> {
        let elements = self.elements(field);
        elements.iter().filter_map(|name| self.all.get(name)).map(String::as_str).collect()
    }

    /// The strings of a list, owned.
    pub(crate) fn strings(&self, field: &str) -> Vec<String> {
        self.list(field).into_iter().map(str::to_owned).collect()
    }

    /// The structures of a list.
    pub(crate) fn structures(&self, field: &str) -> Vec<Params<'a>> {
        let elements = self.elements(field);
        elements
            .into_iter()
            .map(|name| Params { all: self.all, prefix: format!("{name}.") })
            .collect()
    }

    /// The pairs of a map, `Field.entry.N.key` and `.value`.
    pub(crate) fn map(&self, field: &str) -> BTreeMap<String, String> {
        self.structures(&format!("{field}.entry"))
            .iter()
            .filter_map(|pair| Some((pair.text("key")?.to_owned(), pair.text("value")?.to_owned())))
            .collect()
    }

    /// A field as AWS names it in messages: `actions.1.member.redirectConfig.statusCode`.
    pub(crate) fn label(&self, field: &str) -> String {
        let full = self.name(field);
        let mut parts: Vec<String> = Vec::new();
        let mut words = full.split('.').peekable();
        while let Some(word) = words.next() {
            if word == "member" && words.peek().is_some_and(|next| next.parse::<u32>().is_ok()) {
                parts.extend(words.next().map(str::to_owned));
                parts.push(word.to_owned());
            } else {
                parts.push(lower_first(word));
            }
        }
        parts.join(".")
    }
}

fn lower_first(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_lists_and_structures_are_read_in_the_order_of_their_numbers() {
        let query = Query::decode(
            b"Action=CreateRule&Conditions.member.10.Field=path-pattern&Conditions.member.2.Field=host-header\
              &Conditions.member.2.HostHeaderConfig.Values.member.1=a.example.com&Empty=&Priority=7\
              &Extra.entry.1.key=k&Extra.entry.1.value=v",
        );
        let root = query.root();
        let fields: Vec<_> =
            root.structures("Conditions").iter().map(|c| c.text("Field").unwrap()).collect();
        assert_eq!(fields, ["host-header", "path-pattern"]);
        let host = root.structures("Conditions").remove(0);
        assert_eq!(host.structure("HostHeaderConfig").list("Values"), ["a.example.com"]);
        assert!(host.has("HostHeaderConfig") && !host.has("HttpHeaderConfig"));
        assert!(root.list("Empty").is_empty(), "an empty list is sent as one empty string");
        assert_eq!(root.number("Priority", 1_u32, 50_000).unwrap(), Some(7));
        assert_eq!(root.map("Extra").get("k").map(String::as_str), Some("v"));
    }

    #[test]
    fn ec2_lists_have_no_member_level() {
        let query = Query::decode(
            b"Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&SubnetId.1=s-1&SubnetId.2=s-2",
        );
        let root = query.root();
        assert_eq!(root.list("SubnetId"), ["s-1", "s-2"]);
        assert_eq!(root.structures("Filter").remove(0).list("Value"), ["vpc-1"]);
    }

    #[test]
    fn a_bad_value_is_named_as_aws_names_it() {
        let query = Query::decode(
            b"Actions.member.1.RedirectConfig.StatusCode=HTTP_303&Priority=0&Flag=maybe&Port=x",
        );
        let root = query.root();
        let redirect = root.structures("Actions").remove(0).structure("RedirectConfig");
        let text = redirect.word("StatusCode", &["HTTP_301"]).unwrap_err().message;
        assert!(text.contains("'actions.1.member.redirectConfig.statusCode'"), "{text}");
        for error in [
            root.number("Priority", 1_u32, 50_000).unwrap_err(),
            root.number("Port", 1_u16, 65_535).unwrap_err(),
            root.boolean("Flag").unwrap_err(),
            root.required("Name").unwrap_err(),
        ] {
            assert_eq!(error.code.name(), "ValidationError", "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(body: Vec<u8>, field in "[A-Z.a-z0-9]{0,12}") {
            let query = Query::decode(&body);
            let root = query.root();
            let _ = (root.list(&field), root.map(&field), root.label(&field), root.has(&field));
            for inner in root.structures(&field) {
                let _ = (inner.text("Key"), inner.list("Values"));
            }
        }

        #[test]
        fn a_list_comes_back_as_it_was_sent(values in prop::collection::vec("\\PC{0,20}", 0..12)) {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (index, value) in (1..).zip(&values) {
                form.append_pair(&format!("L.member.{index}"), value);
            }
            let query = Query::decode(form.finish().as_bytes());
            prop_assert_eq!(query.root().list("L"), values);
        }
    }
}
