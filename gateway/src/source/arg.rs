//! A source as it is named on a command line: `files:PATH[,PATH…]` or `kube`.

use super::{Files, Lost, Source};
use edgeway_api::Objects;
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};
use tokio::sync::watch;

/// The value of `--source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceArg {
    /// Files and folders of manifests.
    Files(Vec<PathBuf>),
    /// The API server.
    Kube,
}

/// A text that names no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// Neither of the two.
    #[error("`{0}` is no source; write files:PATH[,PATH…] or kube")]
    Unknown(String),
    /// `files:` alone.
    #[error("`files:` names no path; write files:PATH[,PATH…]")]
    NoPath,
}

impl FromStr for SourceArg {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        if text == "kube" {
            return Ok(Self::Kube);
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
            Self::Kube => f.write_str("kube"),
            Self::Files(paths) => {
                let paths: Vec<String> =
                    paths.iter().map(|path| path.display().to_string()).collect();
                write!(f, "files:{}", paths.join(","))
            }
        }
    }
}

impl Source for SourceArg {
    async fn run(self, latest: watch::Sender<Arc<Objects>>) -> Result<(), Lost> {
        match self {
            Self::Files(paths) => Files::new(paths).run(latest).await,
            Self::Kube => Err(Lost::NoKubernetes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadSource, Lost, Source, SourceArg};
    use std::sync::Arc;
    use tokio::sync::watch;

    #[test]
    fn sources_are_read_and_written() {
        let files = |paths: &[&str]| Ok(SourceArg::Files(paths.iter().map(Into::into).collect()));
        let rows = [
            ("kube", Ok(SourceArg::Kube)),
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
        for text in ["kube", "files:a b,/c/d"] {
            assert_eq!(text.parse::<SourceArg>().unwrap().to_string(), text);
        }
    }

    #[tokio::test]
    async fn kubernetes_is_refused_clearly() {
        let (sender, _latest) = watch::channel(Arc::default());
        let lost = SourceArg::Kube.run(sender).await.unwrap_err();
        assert!(matches!(lost, Lost::NoKubernetes), "{lost}");
    }
}
