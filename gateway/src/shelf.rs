//! Where last good versions are kept over a restart: one file of ordinary manifests.
//!
//! Only what stands in for something broken is written, so the file is small, and empty most of the
//! time. Secrets never are.

use edgeway_api::{Held, Objects, manifest};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file's name in its folder.
const FILE: &str = "last-good.yaml";

/// More than this is neither written nor read.
const LARGEST: usize = 16 << 20;

/// Annotation of what is kept: `file:line` where it was read.
const READ_FROM: &str = "edgeway.io/read-from";

/// Says what the file is to whoever finds it.
const HEADER: &str = "# Last good versions of objects that are broken now. Written by the gateway, \
                      and read when it starts.\n";

/// Keeps objects in a folder, or not at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    folder: Option<PathBuf>,
    /// What the file says; `None` if that is not known.
    written: Option<String>,
}

impl Shelf {
    /// Keeps objects in `folder`; nowhere if there is none.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, written: None }
    }

    /// What was kept. What cannot be read is as good as nothing.
    pub(crate) fn read(&self) -> Objects {
        let mut objects = Objects::default();
        let Some(path) = self.folder.as_deref().map(|folder| folder.join(FILE)) else {
            return objects;
        };
        match read(&path) {
            Ok(text) => manifest::read(&text, &path.display().to_string(), &mut objects),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "last good versions cannot be read");
            }
        }
        objects.defects.clear();
        restore_origins(&mut objects);
        objects
    }

    /// Keeps `objects` and nothing else.
    pub(crate) fn write(&mut self, objects: &Objects) {
        let Some(folder) = &self.folder else { return };
        let text = text(objects);
        if self.written.as_ref() == Some(&text) {
            return;
        }
        match put(folder, &text) {
            Ok(()) => self.written = Some(text),
            // It is tried again with the next configuration.
            Err(error) => tracing::warn!(
                %error, folder = %folder.display(),
                "last good versions cannot be kept: they would not outlive a restart"
            ),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let length = fs::metadata(path)?.len();
    if usize::try_from(length).is_ok_and(|length| length <= LARGEST) {
        return fs::read_to_string(path);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {length} bytes")))
}

/// Whoever reads meanwhile finds the old file or the new one.
fn put(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (new, path) = (folder.join(format!("{FILE}.new")), folder.join(FILE));
    fs::write(&new, text)?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(new, path)
}

/// One document each; JSON is YAML.
fn text(objects: &Objects) -> String {
    const ISTIO: &str = "networking.istio.io/v1";
    let mut text = HEADER.to_owned();
    append(&objects.gateways, ISTIO, objects, &mut text);
    append(&objects.virtual_services, ISTIO, objects, &mut text);
    append(&objects.destination_rules, ISTIO, objects, &mut text);
    append(&objects.service_entries, ISTIO, objects, &mut text);
    append(&objects.workload_entries, ISTIO, objects, &mut text);
    append(&objects.services, "v1", objects, &mut text);
    append(&objects.endpoint_slices, "discovery.k8s.io/v1", objects, &mut text);
    append(&objects.ingresses, "networking.k8s.io/v1", objects, &mut text);
    append(&objects.ingress_classes, "networking.k8s.io/v1", objects, &mut text);
    text
}

fn append<K: Held + Serialize>(
    list: &[std::sync::Arc<K>],
    version: &str,
    all: &Objects,
    text: &mut String,
) {
    for object in list {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(&**object) else { continue };
        fields.insert("apiVersion".into(), version.into());
        fields.insert("kind".into(), K::KIND.into());
        if let Some(origin) = all.origins.get(&object.reference()) {
            annotate(&mut fields, origin);
        }
        let document = format!("---\n{:#}\n", Value::Object(fields));
        if text.len() + document.len() > LARGEST {
            tracing::warn!(object = %object.reference(), "too many last good versions to keep");
            continue;
        }
        text.push_str(&document);
    }
}

fn annotate(fields: &mut Map<String, Value>, origin: &str) {
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata.map(|it| it.entry("annotations").or_insert_with(|| json!({})));
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.insert(READ_FROM.into(), origin.into());
    }
}

/// Objects were read elsewhere than in the file in which they were kept.
fn restore_origins(objects: &mut Objects) {
    objects.origins.clear();
    restore::<edgeway_api::Gateway>(objects);
    restore::<edgeway_api::VirtualService>(objects);
    restore::<edgeway_api::DestinationRule>(objects);
    restore::<edgeway_api::ServiceEntry>(objects);
    restore::<edgeway_api::WorkloadEntry>(objects);
    restore::<edgeway_api::k8s_openapi::api::core::v1::Service>(objects);
    restore::<edgeway_api::k8s_openapi::api::discovery::v1::EndpointSlice>(objects);
    restore::<edgeway_api::k8s_openapi::api::networking::v1::Ingress>(objects);
    restore::<edgeway_api::k8s_openapi::api::networking::v1::IngressClass>(objects);
}

fn restore<K: Held + Clone>(objects: &mut Objects) {
    let mut origins = Vec::new();
    for object in K::of_mut(objects) {
        let meta = std::sync::Arc::make_mut(object).meta_mut();
        let origin = meta.annotations.as_mut().and_then(|all| all.remove(READ_FROM));
        meta.annotations = meta.annotations.take().filter(|all| !all.is_empty());
        origins.extend(origin.map(|origin| (object.reference(), origin)));
    }
    objects.origins.extend(origins);
}

#[cfg(test)]
mod tests {
    use super::{FILE, LARGEST, Shelf};
    use edgeway_api::{Objects, manifest};
    use std::fs;

    const MANIFESTS: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default, annotations: {mine: stays}}
spec:
  hosts: [a.test]
  gateways: [gw]
  http:
  - match: [{uri: {regex: '/a.*'}, headers: {x: {}}}]
    route: [{destination: {host: a, port: {number: 80}}, weight: 3}]
    timeout: 1500ms
    retries: {attempts: 2, perTryTimeout: 0.25s}
    corsPolicy: {allowOrigins: [{exact: 'https://a.test'}], maxAge: 1h}
    fault: {abort: {httpStatus: 503, percentage: {value: 0.5}}}
  - directResponse: {status: 200, body: {bytes: aGVsbG8=}}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {ports: [{port: 80, targetPort: web}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: default}
spec: {ingressClassName: c, rules: [{host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: c, annotations: {edgeway.dev/gateway: edge/gateway}}
spec: {controller: edgeway.dev/alb}
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: default}
stringData: {key: hunter2}
";

    fn read(text: &str) -> Objects {
        let mut objects = Objects::default();
        manifest::read(text, "dir/f.yaml", &mut objects);
        assert_eq!(objects.defects, []);
        objects
    }

    #[test]
    fn what_was_kept_comes_back_as_it_was_and_secrets_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::new(Some(folder.path().join("new/folder")));
        let kept = read(MANIFESTS);
        shelf.write(&kept);
        let back = Shelf::new(shelf.folder.clone()).read();
        assert_eq!(back.virtual_services, kept.virtual_services);
        assert_eq!(back.services, kept.services);
        assert_eq!(
            (&back.ingresses, &back.ingress_classes),
            (&kept.ingresses, &kept.ingress_classes)
        );
        assert_eq!(back.count(), 4);
        let reference = edgeway_api::Resource::reference(&*back.virtual_services[0]);
        assert_eq!(back.origins.get(&reference), kept.origins.get(&reference));
        let text = fs::read_to_string(folder.path().join("new/folder").join(FILE)).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    }

    #[test]
    fn nothing_is_kept_for_longer_than_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::new(Some(folder.path().to_owned()));
        shelf.write(&read(MANIFESTS));
        shelf.write(&Objects::default());
        assert_eq!(shelf.read().count(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_as_good_as_nothing() {
        assert_eq!(Shelf::default().read().count(), 0);
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(Some(folder.path().to_owned()));
        assert_eq!(shelf.read().count(), 0);
        for content in ["kind: [".to_owned(), "a: b".to_owned(), "#".repeat(LARGEST + 1)] {
            fs::write(folder.path().join(FILE), content).unwrap();
            assert_eq!(shelf.read().count(), 0);
        }
        fs::remove_file(folder.path().join(FILE)).unwrap();
        fs::create_dir(folder.path().join(FILE)).unwrap();
        assert_eq!(shelf.read().count(), 0);
        // It cannot be written either, and is no reason to stop.
        Shelf::new(Some(folder.path().to_owned())).write(&read(MANIFESTS));
    }
}
