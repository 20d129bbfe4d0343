//! What stands in for S3: a folder with a folder for each bucket, whose files are the objects.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::wire::Request;

/// Objects that a call names, by bucket and key, as far as they are there.
pub(crate) type Objects = BTreeMap<(String, String), Vec<u8>>;

/// Reads the objects that a call names.
pub(crate) async fn fetch(folder: Option<&Path>, request: &Request) -> Objects {
    let mut objects = Objects::new();
    let Some(folder) = folder else { return objects };
    for (bucket, key) in named(request) {
        let Some(path) = path(folder, &bucket, &key) else { continue };
        // What cannot be read is not there; the call says so.
        if let Ok(bytes) = tokio::fs::read(path).await {
            objects.insert((bucket, key), bytes);
        }
    }
    objects
}

fn named(request: &Request) -> Vec<(String, String)> {
    let root = request.query.root();
    let bundle = ("CaCertificatesBundleS3Bucket", "CaCertificatesBundleS3Key");
    let one = (root.text(bundle.0), root.text(bundle.1));
    let lists = root.structures("RevocationContents");
    let lists = lists.iter().map(|list| (list.text("S3Bucket"), list.text("S3Key")));
    let all = std::iter::once(one).chain(lists);
    all.filter_map(|(bucket, key)| Some((bucket?.to_owned(), key?.to_owned()))).collect()
}

/// Where an object is; nothing if its name leads out of the folder.
fn path(folder: &Path, bucket: &str, key: &str) -> Option<PathBuf> {
    let inside = Path::new(bucket).join(key);
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| folder.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let at = |bucket, key| path(Path::new("/s3"), bucket, key);
        assert_eq!(at("certs", "a/ca.pem"), Some("/s3/certs/a/ca.pem".into()));
        for (bucket, key) in [("certs", "../x"), ("..", "x"), ("certs", "/etc/passwd"), ("/", "x")]
        {
            assert_eq!(at(bucket, key), None, "{bucket} {key}");
        }
    }
}
