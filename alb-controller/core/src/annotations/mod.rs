//! `alb.ingress.kubernetes.io/*`: finding an annotation and reading its value.

pub(crate) mod action;
pub(crate) mod known;
pub(crate) mod refused;
pub(crate) mod value;

use crate::pairs::Pairs;
use edgeway_api::{
    ObjectRef, Problem, Resource, k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use value::{Expected, fold_names};

/// What all annotations of the load balancer begin with.
pub(crate) const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// How many characters of a value are repeated where it is complained of.
const LONGEST_VALUE: usize = 200;

/// Why something cannot be understood. It costs the Ingress its place until it is mended.
pub(crate) type Fault = Box<Problem>;

/// The annotations of one object.
#[derive(Clone, Debug)]
struct Layer<'a> {
    object: ObjectRef,
    annotations: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Layer<'a> {
    fn of<R: Resource>(resource: &'a R) -> Self {
        let ObjectMeta { annotations, .. } = resource.meta();
        Self { object: resource.reference(), annotations: annotations.as_ref() }
    }
}

/// Annotations of an Ingress, and perhaps of a Service, which come first.
#[derive(Clone, Debug)]
pub(crate) struct Annotations<'a> {
    layers: Vec<Layer<'a>>,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) text: &'a str,
    key: String,
    object: &'a ObjectRef,
}

impl<'a> Annotations<'a> {
    /// Those of an Ingress.
    pub(crate) fn of<R: Resource>(ingress: &'a R) -> Self {
        Self { layers: vec![Layer::of(ingress)] }
    }

    /// The same, where those of `service` come first.
    pub(crate) fn under<R: Resource>(&self, service: &'a R) -> Self {
        let mut layers = vec![Layer::of(service)];
        layers.extend(self.layers.iter().cloned());
        Self { layers }
    }

    /// All values of a key, the one that counts first.
    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Found<'s>> {
        let key = format!("{PREFIX}{name}");
        self.layers.iter().filter_map(move |Layer { object, annotations }| {
            let text = annotations.as_ref()?.get(&key)?;
            Some(Found { text, key: key.clone(), object })
        })
    }

    /// The text, as it stands.
    pub(crate) fn text<'s>(&'s self, name: &'s str) -> Option<Found<'s>> {
        self.all(name).next()
    }

    /// The text of an annotation that has another prefix.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        let layers = self.layers.iter().filter_map(|layer| layer.annotations);
        layers.filter_map(|annotations| annotations.get(key)).map(String::as_str).next()
    }

    /// Says what is wrong with a parameter of the class.
    pub(crate) fn class_fault(&self, parameter: &str, expected: &Expected) -> Fault {
        let Expected { wrong, advice } = expected;
        let object = self.layers.last().map(|layer| layer.object.clone());
        let object = object.unwrap_or_else(|| ObjectRef::new("Ingress", "", ""));
        let problem = Problem::error(object, "spec.ingressClassName", "class-parameter-invalid");
        let message = format!("{parameter} of its class's parameters: {wrong}");
        Box::new(problem.message(message).advice(advice.clone()))
    }

    /// A value of an annotation that has another prefix, if `read` can make it out.
    pub(crate) fn read_raw<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, Fault> {
        let mut found = self.layers.iter().filter_map(|Layer { object, annotations }| {
            let text = annotations.as_ref()?.get(key)?;
            Some(Found { text, key: key.to_owned(), object })
        });
        let Some(found) = found.next() else { return Ok(None) };
        read(found.text.trim()).map(Some).map_err(|expected| found.fault(&expected))
    }

    /// The text without blanks around it; nothing if it is empty.
    pub(crate) fn word(&self, name: &str) -> Option<String> {
        let found = self.text(name)?;
        Some(found.text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A value that `read` can make out.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<Option<T>, Fault> {
        let Some(found) = self.text(name) else { return Ok(None) };
        read(found.text).map(Some).map_err(|expected| found.fault(&expected))
    }

    /// Yes or no.
    pub(crate) fn bool(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.read(name, value::bool)
    }

    /// A number within limits.
    pub(crate) fn number<T>(
        &self,
        name: &str,
        limits: std::ops::RangeInclusive<T>,
    ) -> Result<Option<T>, Fault>
    where
        T: Copy + PartialOrd + std::str::FromStr + std::fmt::Display,
    {
        self.read(name, |text| value::number(text, limits))
    }

    /// Items between commas.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        self.text(name).map(|found| value::list(found.text))
    }

    /// Keys and values.
    pub(crate) fn map(&self, name: &str) -> Result<Pairs, Fault> {
        Ok(self.read(name, value::map)?.unwrap_or_default())
    }

    /// Keys and values of all objects together; of one key, the value that comes first.
    pub(crate) fn merged_map(&self, name: &str) -> Result<Pairs, Fault> {
        let mut merged = Pairs::new();
        for found in self.all(name) {
            let map = value::map(found.text).map_err(|expected| found.fault(&expected))?;
            for (key, value) in map {
                merged.entry(key).or_insert(value);
            }
        }
        Ok(merged)
    }

    /// JSON whose field names may be written in any case.
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.read(name, parse)
    }

    /// The same, checked by `check`.
    pub(crate) fn checked_json<T: DeserializeOwned, R>(
        &self,
        name: &str,
        check: impl FnOnce(T) -> Result<R, Expected>,
    ) -> Result<Option<R>, Fault> {
        self.read(name, |text| check(parse(text)?))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Expected> {
    let json = serde_json::from_str(text).map_err(|error| json_error(&error))?;
    serde_json::from_value(fold_names(json)).map_err(|error| json_error(&error))
}

fn json_error(error: &serde_json::Error) -> Expected {
    Expected::new(format!("it cannot be read: {error}"), "write it as JSON of the documented form")
}

impl Found<'_> {
    /// Says what is wrong with the value.
    pub(crate) fn fault(&self, expected: &Expected) -> Fault {
        let field = field(&self.key);
        let Expected { wrong, advice } = expected;
        let problem = Problem::error(self.object.clone(), field, "annotation-invalid");
        let text = shortened(self.text);
        Box::new(problem.message(format!("{text:?}: {wrong}")).advice(advice.clone()))
    }
}

/// Enough of a value to know it again. What is wrong with it comes after it, and must not be lost where
/// there is room for a thousand characters only, as in an event.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Where an annotation stands in its object.
pub(crate) fn field(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeway_api::k8s_openapi::api::{core::v1::Service, networking::v1::Ingress};

    fn annotated<R: Default>(pairs: &[(&str, &str)], set: impl Fn(&mut R, ObjectMeta)) -> R {
        let pair = |(key, value): &(&str, &str)| (format!("{PREFIX}{key}"), (*value).to_owned());
        let annotations = Some(pairs.iter().map(pair).collect());
        let mut resource = R::default();
        set(
            &mut resource,
            ObjectMeta { annotations, name: Some("x".into()), ..ObjectMeta::default() },
        );
        resource
    }

    #[test]
    fn a_service_comes_before_its_ingress() {
        let ingress: Ingress =
            annotated(&[("tags", "a=1,b=1"), ("target-type", "ip")], |i: &mut Ingress, m| {
                i.metadata = m;
            });
        let service: Service = annotated(&[("tags", "b=2")], |s: &mut Service, m| s.metadata = m);
        let annotations = Annotations::of(&ingress);
        let annotations = annotations.under(&service);
        let tags = annotations.merged_map("tags").unwrap();
        assert_eq!((tags["a"].as_str(), tags["b"].as_str()), ("1", "2"));
        assert_eq!(annotations.map("tags").unwrap().len(), 1);
        assert_eq!(annotations.word("target-type").as_deref(), Some("ip"));
    }

    #[test]
    fn a_long_value_does_not_hide_what_is_wrong_with_it() {
        let value = "ä".repeat(3_000);
        let ingress: Ingress =
            annotated(&[("listen-ports", &value)], |i: &mut Ingress, m| i.metadata = m);
        let fault = Annotations::of(&ingress).json::<u8>("listen-ports").unwrap_err();
        assert!(fault.message.starts_with("\"ää"), "{fault}");
        assert!(fault.message.contains("ä…\": it cannot be read: "), "{fault}");
        assert!(fault.message.chars().count() < 300, "{fault}");
    }

    #[test]
    fn a_fault_names_the_object_that_has_the_annotation() {
        let ingress = Ingress::default();
        let service: Service =
            annotated(&[("healthy-threshold-count", "many")], |s: &mut Service, m| s.metadata = m);
        let annotations = Annotations::of(&ingress);
        let annotations = annotations.under(&service);
        let fault = annotations.number("healthy-threshold-count", 2..=10_u32).unwrap_err();
        assert_eq!(fault.object.to_string(), "Service default/x");
        assert_eq!(
            fault.field,
            "metadata.annotations[alb.ingress.kubernetes.io/healthy-threshold-count]"
        );
        assert!(fault.message.contains("many"), "{fault}");
    }
}
