//! How all our shapes are written down: one macro, so that every field may be left out or be `null`.

use serde::{Deserialize, Deserializer};

/// Structs with lowerCamel names, in which every field is optional to write.
///
/// What is absent or `null` becomes the type's default; what equals the default is not written.
/// Where absent differs from zero or from `{}`, the field's type is an `Option`.
macro_rules! shape {
    ($(
        $(#[$about:meta])*
        $name:ident { $( $(#[$note:meta])* $field:ident: $kind:ty, )* }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $(
            $(#[$note])*
            #[serde(
                default,
                deserialize_with = "crate::shape::or_default",
                skip_serializing_if = "crate::shape::is_default"
            )]
            pub $field: $kind,
        )* }
    )* };
}

/// Enums that are written as words in capitals.
macro_rules! words {
    ($(
        $(#[$about:meta])*
        $name:ident { $( $(#[$note:meta])* $word:ident, )* }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name { $( $(#[$note])* $word, )* }
    )* };
}

pub(crate) use {shape, words};

/// The value; the default where it is `null`.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether the value is the default, which need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
