//! How far paths are normalised: Istio's `pathNormalization`.

use super::{BadPath, has_lone_percent, normalise};
use std::{borrow::Cow, str::FromStr};

/// The steps that Istio offers, each with those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalisation {
    /// Paths stay as they came.
    None,
    /// [`normalise`], Istio's default.
    #[default]
    Base,
    /// Several slashes become one.
    MergeSlashes,
    /// `%2F` and `%5C` are decoded first.
    DecodeAndMergeSlashes,
}

/// No such step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no path normalization; write NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES"
)]
pub struct BadNormalisation(String);

impl FromStr for Normalisation {
    type Err = BadNormalisation;

    fn from_str(text: &str) -> Result<Self, BadNormalisation> {
        match text.to_ascii_uppercase().replace('-', "_").as_str() {
            "NONE" => Ok(Self::None),
            "BASE" | "DEFAULT" => Ok(Self::Base),
            "MERGE_SLASHES" => Ok(Self::MergeSlashes),
            "DECODE_AND_MERGE_SLASHES" => Ok(Self::DecodeAndMergeSlashes),
            _ => Err(BadNormalisation(text.into())),
        }
    }
}

impl Normalisation {
    /// The path that is matched, logged and forwarded; without query and fragment.
    pub fn apply(self, path: &str) -> Result<Cow<'_, str>, BadPath> {
        match self {
            Self::None => Ok(path.into()),
            Self::Base => normalise(path),
            Self::MergeSlashes => normalise(path).map(merged),
            Self::DecodeAndMergeSlashes => {
                let out = decoded_and_merged(path)?;
                // What was decoded behind a lone `%` may make an escape that was not there.
                if has_lone_percent(path) && decoded_and_merged(&out)? != out {
                    return Err(BadPath);
                }
                Ok(if out == path { path.into() } else { out.into() })
            }
        }
    }
}

fn decoded_and_merged(path: &str) -> Result<String, BadPath> {
    normalise(&decoded(path)).map(|path| merged(path).into_owned())
}

fn merged(path: Cow<'_, str>) -> Cow<'_, str> {
    if !path.contains("//") {
        return path;
    }
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !out.ends_with('/') {
            out.push(character);
        }
    }
    out.into()
}

/// With slashes of both kinds for what stands for them.
fn decoded(path: &str) -> Cow<'_, str> {
    let mut parts = path.split('%');
    let first = parts.next().unwrap_or_default();
    let mut out = String::new();
    let mut changed = false;
    out.push_str(first);
    for part in parts {
        let slash = match part.get(..2) {
            Some("2f" | "2F") => Some('/'),
            Some("5c" | "5C") => Some('\\'),
            Some(_) | None => None,
        };
        changed |= slash.is_some();
        out.push(slash.unwrap_or('%'));
        out.push_str(if slash.is_some() { part.get(2..).unwrap_or_default() } else { part });
    }
    if changed { out.into() } else { path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Normalisation::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
    use proptest::prelude::*;

    #[test]
    fn each_step_goes_further() {
        for (path, expected) in [
            ("/a", ["/a"; 4]),
            ("/a/../b", ["/a/../b", "/b", "/b", "/b"]),
            ("//a///b", ["//a///b", "//a///b", "/a/b", "/a/b"]),
            ("/a\\\\b", ["/a\\\\b", "/a//b", "/a/b", "/a/b"]),
            ("/a%2Fb", ["/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"]),
            ("/a%5cb", ["/a%5cb", "/a%5cb", "/a%5cb", "/a/b"]),
            ("/a%2f..%2Fb", ["/a%2f..%2Fb", "/a%2f..%2Fb", "/a%2f..%2Fb", "/b"]),
            ("/a%252fb", ["/a%252fb"; 4]),
            ("/%2f%2fa", ["/%2f%2fa", "/%2f%2fa", "/%2f%2fa", "/a"]),
        ] {
            let modes = [None, Base, MergeSlashes, DecodeAndMergeSlashes];
            for (mode, expected) in modes.into_iter().zip(expected) {
                assert_eq!(mode.apply(path).as_deref(), Ok(expected), "{mode:?} {path}");
            }
        }
        assert_eq!(None.apply("/%00").as_deref(), Ok("/%00"));
        for mode in [Base, MergeSlashes, DecodeAndMergeSlashes] {
            assert_eq!(mode.apply("/%00"), Err(BadPath), "{mode:?}");
        }
        // Nothing follows that would make an escape of it.
        assert_eq!(DecodeAndMergeSlashes.apply("/a//%").as_deref(), Ok("/a/%"));
        // It would be `%2f` and, to the next who looks, a slash.
        assert_eq!(DecodeAndMergeSlashes.apply("/a%2%66b"), Err(BadPath));
    }

    #[test]
    fn steps_have_istios_names() {
        for (text, mode) in [
            ("NONE", None),
            ("base", Base),
            ("DEFAULT", Base),
            ("merge-slashes", MergeSlashes),
            ("DECODE_AND_MERGE_SLASHES", DecodeAndMergeSlashes),
        ] {
            assert_eq!(text.parse(), Ok(mode), "{text}");
        }
        assert!("slashes".parse::<Normalisation>().unwrap_err().to_string().contains("write NONE"));
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_so(path in "/([a./\\\\%25cCfF6]{0,16})") {
            for mode in [None, Base, MergeSlashes, DecodeAndMergeSlashes] {
                let Ok(once) = mode.apply(&path) else { continue };
                let again = mode.apply(&once);
                prop_assert_eq!(again.as_deref(), Ok(&*once), "{:?}", mode);
                let merges = matches!(mode, MergeSlashes | DecodeAndMergeSlashes);
                prop_assert!(!merges || !once.contains("//"), "{} {:?}", once, mode);
                let decodes = mode == DecodeAndMergeSlashes;
                let escaped = once.to_ascii_lowercase().contains("%2f");
                prop_assert!(!decodes || !escaped, "{} {:?}", once, mode);
            }
        }
    }
}
