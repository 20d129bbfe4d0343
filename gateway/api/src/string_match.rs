//! A condition on a text: exact, prefix or regular expression.

use crate::shape::shape;

shape! {
    /// A condition on a text. With no field set it asks only that the text is there, or nothing at
    /// all, depending on where it stands; with several set it is invalid.
    StringMatch {
        /// The whole text.
        exact: Option<String>,
        /// What the text begins with.
        prefix: Option<String>,
        /// An RE2 expression for the whole text.
        regex: Option<String>,
    }

    /// A share of requests.
    Percent {
        /// From 0 to 100.
        value: f64,
    }
}
