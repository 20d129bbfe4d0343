//! Replies as trees, and how a tree becomes XML in AWS's two dialects.

use std::collections::BTreeMap;
use std::fmt::Display;

/// One value of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doc {
    /// A string, number, boolean or time, already written out.
    Text(String),
    /// A structure; absent fields are simply not there.
    Fields(Fields),
    /// A list; the dialect names its elements.
    List(Vec<Doc>),
    /// A map of strings, as AWS Query writes it.
    Entries(Vec<(String, String)>),
}

/// The fields of a structure, in the order they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(&'static str, Doc)>);

/// How XML calls the elements of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// AWS Query: `<member>`.
    Member,
    /// EC2 Query: `<item>`.
    Item,
}

impl Fields {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a plain value.
    #[must_use]
    pub(crate) fn text(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.push((name, Doc::Text(value.to_string())));
        self
    }

    /// Adds a plain value if there is one.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds any value.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Doc>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Adds any value if there is one.
    #[must_use]
    pub(crate) fn maybe_with(self, name: &'static str, value: Option<impl Into<Doc>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a list of anything.
    #[must_use]
    pub(crate) fn list<T: Into<Doc>>(
        self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        self.with(name, Doc::List(items.into_iter().map(Into::into).collect()))
    }

    /// Adds a list of plain values.
    #[must_use]
    pub(crate) fn texts<T: Display>(
        self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        self.list(name, items.into_iter().map(|item| Doc::Text(item.to_string())))
    }

    /// Adds a map of strings.
    #[must_use]
    pub(crate) fn entries(self, name: &'static str, map: &BTreeMap<String, String>) -> Self {
        let pairs = map.iter().map(|(key, value)| (key.clone(), value.clone()));
        self.with(name, Doc::Entries(pairs.collect()))
    }

    /// Adds a list if it has elements.
    #[must_use]
    pub(crate) fn some_texts<T: Display>(self, name: &'static str, items: &[T]) -> Self {
        if items.is_empty() { self } else { self.texts(name, items) }
    }
}

#[cfg(test)]
impl Doc {
    /// The value at a path of field names and list positions: `Rules.0.Priority`.
    pub(crate) fn at(&self, path: &str) -> Option<&Doc> {
        path.split('.').try_fold(self, |doc, step| match doc {
            Self::Fields(Fields(fields)) => {
                fields.iter().find(|(name, _)| *name == step).map(|(_, value)| value)
            }
            Self::List(items) => items.get(step.parse::<usize>().ok()?),
            Self::Text(_) | Self::Entries(_) => None,
        })
    }
}

impl From<Fields> for Doc {
    fn from(fields: Fields) -> Self {
        Self::Fields(fields)
    }
}

impl Doc {
    /// Writes the value as the content of an element.
    pub(crate) fn write(&self, dialect: Dialect, out: &mut String) {
        match self {
            Self::Text(text) => escape(text, out),
            Self::Fields(Fields(fields)) => {
                for (name, value) in fields {
                    element(name, value, dialect, out);
                }
            }
            Self::List(items) => {
                let name = match dialect {
                    Dialect::Member => "member",
                    Dialect::Item => "item",
                };
                for item in items {
                    element(name, item, dialect, out);
                }
            }
            Self::Entries(pairs) => {
                for (key, value) in pairs {
                    out.push_str("<entry><key>");
                    escape(key, out);
                    out.push_str("</key><value>");
                    escape(value, out);
                    out.push_str("</value></entry>");
                }
            }
        }
    }
}

fn element(name: &str, value: &Doc, dialect: Dialect, out: &mut String) {
    out.extend(["<", name, ">"]);
    value.write(dialect, out);
    out.extend(["</", name, ">"]);
}

/// Writes text so that an XML reader gives it back unchanged; characters that XML cannot carry
/// become U+FFFD.
pub(crate) fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    #[test]
    fn the_two_dialects_differ_in_the_name_of_list_elements() {
        let doc = Doc::from(
            Fields::new()
                .text("Name", "a<b")
                .maybe("Absent", None::<u8>)
                .texts("Values", ["x", "y"])
                .list("Groups", [Fields::new().text("Weight", 1)]),
        );
        let written = |dialect| {
            let mut out = String::new();
            doc.write(dialect, &mut out);
            out
        };
        assert_eq!(
            written(Dialect::Member),
            "<Name>a&lt;b</Name><Values><member>x</member><member>y</member></Values>\
             <Groups><member><Weight>1</Weight></member></Groups>"
        );
        assert!(written(Dialect::Item).contains("<Values><item>x</item><item>y</item></Values>"));
    }

    proptest! {
        #[test]
        fn any_text_survives_an_xml_reader(text in "[\\t\\n\\r -~äß\u{1f600}&<>'\"]{0,40}") {
            let mut xml = String::from("<t>");
            escape(&text, &mut xml);
            xml.push_str("</t>");
            let mut reader = Reader::from_str(&xml);
            let mut read = String::new();
            loop {
                let event = reader.read_event().unwrap();
                if let Event::Text(part) = &event {
                    read.push_str(&part.xml10_content());
                } else if let Event::GeneralRef(name) = &event {
                    let entity = format!("&{};", name.xml10_content());
                    read.push_str(&quick_xml::escape::unescape(&entity).unwrap());
                } else if event == Event::Eof {
                    break;
                }
            }
            prop_assert_eq!(read, text);
        }
    }
}
