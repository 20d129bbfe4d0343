//! How enums that AWS spells as words are written down: one macro.

/// Enums with the words that AWS, annotations and tags use for their values.
macro_rules! words {
    ($(
        $(#[$about:meta])*
        $name:ident { $( $(#[$note:meta])* $variant:ident = $word:literal, )* }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$note])* $variant, )* }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The word for this value.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// The value that a word means.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }

            /// All words, for messages: `a, b`.
            pub fn choices() -> String {
                Self::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ")
            }
        }

        /// The word: what members of a group disagree on is told to people in this form.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )* };
}

pub(crate) use words;
