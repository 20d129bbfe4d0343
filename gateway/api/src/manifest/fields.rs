//! Which fields a struct deep inside an object could have had, for suggestions.

use super::path::Step;
use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

/// The field that `name` was probably meant to be, among those of the struct that `steps` lead to
/// from a `T`.
pub(super) fn meant<'de, T: Deserialize<'de>>(steps: &[Step], name: &str) -> Option<&'static str> {
    let mut fields: &'static [&'static str] = &[];
    // Always fails or yields a default: only the way down is of interest.
    let _ = T::deserialize(Probe { steps, fields: &mut fields });
    closest(name, fields.iter().copied())
}

/// The one of `names` that is most like `name`, if any is like it.
pub(super) fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let wanted = plain(name);
    // In very short names every letter counts.
    let slips = if wanted.len() < 3 { 0 } else { wanted.len().div_ceil(4) };
    let rank = |other: &str| {
        (strsim::damerau_levenshtein(&wanted, &plain(other)), other.len().abs_diff(name.len()))
    };
    let ranked = names.map(|other| (rank(other), other));
    let best = ranked.filter(|((distance, _), _)| *distance <= slips).min_by_key(|(rank, _)| *rank);
    best.map(|(_, other)| other)
}

/// Pretends to be a value of which only the way along `steps` exists, and notes the fields of the
/// struct at its end.
struct Probe<'p> {
    steps: &'p [Step],
    fields: &'p mut &'static [&'static str],
}

/// The probe never holds a value, so reading it fails somewhere.
type Nothing = serde::de::value::Error;

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Nothing;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Nothing> {
        let Some((step, rest)) = self.steps.split_first() else {
            return Err(Nothing::custom("the end of the way"));
        };
        let inner = Probe { steps: rest, fields: self.fields };
        match step {
            Step::Field(name) => visitor.visit_map(One { name, inner: Some(inner) }),
            Step::Index(_) => visitor.visit_seq(One { name: "", inner: Some(inner) }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Nothing> {
        if self.steps.is_empty() {
            *self.fields = fields;
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Nothing> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Nothing> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A map or list of which one entry exists.
struct One<'p> {
    name: &'p str,
    inner: Option<Probe<'p>>,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Nothing;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Nothing> {
        if self.inner.is_none() {
            return Ok(None);
        }
        seed.deserialize(StrDeserializer::new(self.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Nothing> {
        let inner = self.inner.take().ok_or_else(|| Nothing::custom("only one entry"))?;
        seed.deserialize(inner)
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Nothing;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Nothing> {
        self.inner.take().map(|inner| seed.deserialize(inner)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, closest, meant};
    use crate::{DestinationRule, VirtualService};

    fn steps(path: &str) -> Vec<Step> {
        let step = |part: &str| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Field(part.to_owned()),
        };
        path.split('.').filter(|part| !part.is_empty()).map(step).collect()
    }

    #[test]
    fn misspelt_fields_are_recognised_at_any_depth() {
        let rows = [
            ("", "sepc", Some("spec")),
            ("spec", "hots", Some("hosts")),
            ("spec", "gateway", Some("gateways")),
            ("spec", "export_to", Some("exportTo")),
            ("spec.http.3", "timeOut", Some("timeout")),
            ("spec.http.3", "retry", None),
            ("spec.http.3.retries", "pertrytimeout", Some("perTryTimeout")),
            ("spec.http.0.match.1.headers.end-user", "exactly", Some("exact")),
            ("spec.http.0.match.1.headers.end-user", "suffix", None),
            ("spec.http.0.route.0.destination.port", "numbr", Some("number")),
            ("spec.nowhere.0", "numbr", None),
        ];
        for (path, name, expected) in rows {
            assert_eq!(meant::<VirtualService>(&steps(path), name), expected, "{path} {name}");
        }
        let outlier = steps("spec.subsets.0.trafficPolicy.outlierDetection");
        let meant = meant::<DestinationRule>(&outlier, "consecutive5xxError");
        assert_eq!(meant, Some("consecutive5xxErrors"));
    }

    #[test]
    fn the_most_like_wins() {
        assert_eq!(closest("portz", ["ports", "port", "host"].into_iter()), Some("ports"));
        assert_eq!(closest("x", ["y"].into_iter()), None);
        assert_eq!(closest("x", std::iter::empty()), None);
    }
}
