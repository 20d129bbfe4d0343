//! The whole configuration on disk, for a gateway that is started while the API server is away.
//!
//! One object on each line. Only its owner may read the file; Secrets are in it only where that is
//! asked for.

use edgeway_api::{Item, Objects, manifest};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The file's name in its folder.
const FILE: &str = "last-config.jsonl";

/// Says whether we can read the rest.
const FORMAT: u32 = 1;

/// Where the configuration is kept, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The folder.
    pub folder: PathBuf,
    /// What is older is as good as nothing; `None`: no matter how old.
    pub longest: Option<Duration>,
    /// Whether Secrets are kept, too.
    pub with_secrets: bool,
}

/// What was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) objects: Objects,
    /// When it was kept.
    pub(crate) since: SystemTime,
    /// Whether nothing was left out.
    pub(crate) is_complete: bool,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    format: u32,
    /// Seconds of Unix time.
    kept_at: u64,
    is_complete: bool,
}

impl Store {
    /// What was kept, unless it is too old. What cannot be read is as good as nothing.
    pub(crate) fn read(&self) -> Option<Kept> {
        let path = self.folder.join(FILE);
        match read(&path) {
            Ok(kept) => {
                let age = kept.since.elapsed().unwrap_or_default();
                if self.longest.is_some_and(|longest| age > longest) {
                    let seconds = age.as_secs();
                    tracing::warn!(seconds, "the configuration that was kept is too old to serve");
                    return None;
                }
                Some(kept)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "what was kept cannot be read");
                None
            }
        }
    }

    /// Keeps `objects` and nothing else.
    pub(crate) fn write(&self, objects: &Objects) {
        if let Err(error) = self.put(objects) {
            tracing::warn!(
                %error, folder = %self.folder.display(),
                "the configuration cannot be kept: without the API server it would not outlive a restart"
            );
        }
    }

    /// Whoever reads meanwhile finds the old file or the new one.
    fn put(&self, objects: &Objects) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (new, path) = (self.folder.join(format!("{FILE}.new")), self.folder.join(FILE));
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut out = BufWriter::new(file);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_complete = self.with_secrets || objects.secrets.is_empty();
        let head = Head { format: FORMAT, kept_at: now.as_secs(), is_complete };
        serde_json::to_writer(&mut out, &head)?;
        for item in objects.clone().into_items() {
            if matches!(item, Item::Secret(_)) && !self.with_secrets {
                continue;
            }
            if let Some(value) = manifest::to_value(&item) {
                out.write_all(b"\n")?;
                serde_json::to_writer(&mut out, &value)?;
            }
        }
        out.write_all(b"\n")?;
        out.into_inner()?.sync_all()?;
        fs::rename(new, path)
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let mut lines = BufReader::new(fs::File::open(path)?).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let Head { format, kept_at, is_complete } = serde_json::from_str(&first)?;
    if format != FORMAT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "another release has written it"));
    }
    let mut objects = Objects::default();
    for line in lines {
        if let (Some(item), _) = manifest::one(serde_json::from_str(&line?)?) {
            objects.push(item);
        }
    }
    Ok(Kept { objects, since: UNIX_EPOCH + Duration::from_secs(kept_at), is_complete })
}

#[cfg(test)]
mod tests {
    use super::{Duration, FILE, Store};
    use edgeway_api::{Objects, manifest};
    use std::{fs, os::unix::fs::PermissionsExt};

    const TEXT: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: a, uid: u, generation: 3}
spec: {hosts: [h], http: [{timeout: 3s, directResponse: {status: 200}}]}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: a}
spec: {ports: [{port: 80, targetPort: web}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e, namespace: a}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {zone: z}}
---
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: a}
stringData: {key: hunter2}
";

    fn objects() -> Objects {
        let mut objects = Objects::default();
        manifest::read(TEXT, "f.yaml", &mut objects);
        assert_eq!(objects.defects, []);
        objects
    }

    #[test]
    fn what_is_kept_comes_back_without_secrets_unless_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for with_secrets in [false, true] {
            let store = Store { folder: folder.path().join("new"), longest: None, with_secrets };
            store.write(&objects());
            let kept = store.read().unwrap();
            assert_eq!(kept.objects.virtual_services, objects().virtual_services);
            assert_eq!(kept.objects.services, objects().services);
            assert_eq!(kept.objects.endpoint_slices, objects().endpoint_slices);
            assert_eq!(kept.objects.nodes, objects().nodes);
            assert_eq!(kept.objects.secrets.len(), usize::from(with_secrets));
            assert_eq!(kept.is_complete, with_secrets);
            let path = store.folder.join(FILE);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.contains("aHVudGVyMg"), with_secrets);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_too_old_or_broken_is_as_good_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store {
            folder: folder.path().to_owned(),
            longest: Some(Duration::from_secs(60)),
            with_secrets: false,
        };
        assert!(store.read().is_none());
        store.write(&objects());
        assert!(store.read().is_some());
        let path = folder.path().join(FILE);
        let old = fs::read_to_string(&path).unwrap();
        let old: Vec<&str> = old.lines().skip(1).collect();
        let head = "{\"format\":1,\"keptAt\":1000000000,\"isComplete\":true}\n";
        fs::write(&path, head.to_owned() + &old.join("\n")).unwrap();
        assert!(store.read().is_none());
        assert!(Store { longest: None, ..store.clone() }.read().is_some());
        for text in ["", "{", "{\"format\":9,\"keptAt\":1,\"isComplete\":true}\n"] {
            fs::write(&path, text).unwrap();
            assert!(Store { longest: None, ..store.clone() }.read().is_none(), "{text}");
        }
    }
}
