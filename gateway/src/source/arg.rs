//! A source as it is named on a command line: `files:PATH[,PATH…]` or `kube[:CONTEXT]`.

use std::{fmt, path::PathBuf, str::FromStr};

/// The value of `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceArg {
    /// Files and folders of manifests.
    Files(Vec<PathBuf>),
    /// The API server, by a context of the kubeconfig or the current one.
    Kube(Option<String>),
}

/// A text that names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// Neither of the two.
    #[error("`{0}` is no source; write files:PATH[,PATH…] or kube[:CONTEXT]")]
    Unknown(String),
    /// `files:` alone.
    #[error("`files:` names no path; write files:PATH[,PATH…]")]
    NoPath,
    /// `kube:` alone.
    #[error("`kube:` names no context; write kube:CONTEXT, or kube for the current one")]
    NoContext,
}

impl FromStr for SourceArg {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        if text == "kube" {
            return Ok(Self::Kube(None));
        }
        if let Some(context) = text.strip_prefix("kube:") {
            let context = Some(context.to_owned()).filter(|context| !context.is_empty());
            return context.map(|it| Self::Kube(Some(it))).ok_or(BadSource::NoContext);
        }
        let paths = text.strip_prefix("files:").ok_or_else(|| BadSource::Unknown(text.into()))?;
        let paths: Vec<PathBuf> =
            paths.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        if paths.is_empty() { Err(BadSource::NoPath) } else { Ok(Self::Files(paths)) }
    }
}

impl fmt::Display for SourceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube(None) => f.write_str("kube"),
            Self::Kube(Some(context)) => write!(f, "kube:{context}"),
            Self::Files(paths) => {
                let paths: Vec<String> =
                    paths.iter().map(|path| path.display().to_string()).collect();
                write!(f, "files:{}", paths.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadSource, SourceArg};

    #[test]
    fn sources_are_read_and_written() {
        let files = |paths: &[&str]| Ok(SourceArg::Files(paths.iter().map(Into::into).collect()));
        let rows = [
            ("kube", Ok(SourceArg::Kube(None))),
            ("kube:prod:1", Ok(SourceArg::Kube(Some("prod:1".into())))),
            ("kube:", Err(BadSource::NoContext)),
            ("files:a", files(&["a"])),
            ("files:a b,/c/d", files(&["a b", "/c/d"])),
            ("files:a,,b,", files(&["a", "b"])),
            ("files:", Err(BadSource::NoPath)),
            ("files:,", Err(BadSource::NoPath)),
            ("a", Err(BadSource::Unknown("a".into()))),
            ("Kube", Err(BadSource::Unknown("Kube".into()))),
            ("", Err(BadSource::Unknown(String::new()))),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<SourceArg>(), expected, "{text}");
        }
        for text in ["kube", "kube:prod", "files:a b,/c/d"] {
            assert_eq!(text.parse::<SourceArg>().unwrap().to_string(), text);
        }
    }
}
