//! Everything that was read, as one value.

use crate::{
    DestinationRule, Gateway, IngressClassParams, ObjectRef, Pod, Problem, Resource, ServiceEntry,
    TargetGroupBinding, VirtualService, WorkloadEntry,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Endpoints, Namespace, Node, Secret, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// A kind that [`Objects`] hold.
pub trait Held: Resource + Sized {
    /// All objects of the kind.
    fn of(objects: &Objects) -> &[Arc<Self>];

    /// All objects of the kind, to change.
    fn of_mut(objects: &mut Objects) -> &mut Vec<Arc<Self>>;
}

macro_rules! objects {
    ($( $(#[$about:meta])* $field:ident: $kind:ident, )*) => {
        /// The whole configuration at one moment. Cheap to clone; the order within a kind means
        /// nothing.
        #[derive(Clone, Default)]
        pub struct Objects {
            $( $(#[$about])* pub $field: Vec<Arc<$kind>>, )*
            /// What could not be read, each a problem of the file or of the object.
            pub defects: Vec<Problem>,
            /// `file:line` of each object, where it came from a file.
            pub origins: BTreeMap<ObjectRef, String>,
        }

        /// One object, of any kind.
        #[derive(Clone, PartialEq)]
        pub enum Item { $(
            #[doc = concat!("A `", stringify!($kind), "`.")]
            $kind(Arc<$kind>),
        )* }

        impl Item {
            /// Which object it is.
            pub fn reference(&self) -> ObjectRef {
                match self { $( Self::$kind(object) => object.reference(), )* }
            }

            /// What is in it, Secrets not excepted, without `apiVersion`.
            pub(crate) fn content(&self) -> Option<serde_json::Value> {
                match self { $( Self::$kind(object) => serde_json::to_value(&**object).ok(), )* }
            }
        }

        $(
            impl Held for $kind {
                fn of(objects: &Objects) -> &[Arc<Self>] {
                    &objects.$field
                }

                fn of_mut(objects: &mut Objects) -> &mut Vec<Arc<Self>> {
                    &mut objects.$field
                }
            }
        )*

        impl Objects {
            /// How many objects there are, of all kinds.
            pub fn count(&self) -> usize {
                [$( self.$field.len(), )*].iter().sum()
            }

            /// What there is.
            pub fn references(&self) -> BTreeSet<ObjectRef> {
                let mut all = BTreeSet::new();
                $( all.extend(self.$field.iter().map(|object| object.reference())); )*
                all
            }

            /// Keeps the objects that `keep` wants.
            pub fn retain(&mut self, keep: impl Fn(&ObjectRef) -> bool) {
                $( self.$field.retain(|object| keep(&object.reference())); )*
                self.origins.retain(|object, _| keep(object));
            }

            /// Adds an object that is known not to be there yet, and came from no file.
            pub fn push(&mut self, item: Item) {
                match item { $( Item::$kind(object) => self.$field.push(object), )* }
            }

            /// The objects, one by one.
            pub fn into_items(self) -> Vec<Item> {
                let mut items = Vec::new();
                $( items.extend(self.$field.into_iter().map(Item::$kind)); )*
                items
            }

            /// Takes over all of `other`; an object that is there already stays, and the other is
            /// a defect.
            pub fn absorb(&mut self, other: Self) {
                let Self { $( $field, )* defects, mut origins } = other;
                self.defects.extend(defects);
                $( for object in $field {
                    let origin = origins.remove(&object.reference()).unwrap_or_default();
                    self.insert(object, origin);
                } )*
            }

            /// Puts what `new` holds in the place of what `old` holds, all of which is here. What is
            /// the same in both stays as it is. Both come from files. Does nothing and returns false
            /// if something of `new` is here already, from elsewhere.
            pub fn exchange(&mut self, old: &Self, new: Self) -> bool {
                let is_here = |object| self.origins.contains_key(object);
                if new.origins.keys().any(|object| !old.origins.contains_key(object) && is_here(object)) {
                    return false;
                }
                let Self { $( $field, )* defects, origins } = new;
                $( exchange(&mut self.$field, &old.$field, $field); )*
                self.defects.extend(defects);
                self.origins.retain(|object, _| !old.origins.contains_key(object));
                self.origins.extend(origins);
                true
            }
        }

        /// How many of each kind; never what is in them, since some are secret.
        impl fmt::Debug for Objects {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Objects")
                    $( .field(stringify!($field), &self.$field.len()) )*
                    .field("defects", &self.defects)
                    .finish_non_exhaustive()
            }
        }
    };
}

objects! {
    /// Istio's Gateways.
    gateways: Gateway,
    /// Istio's `VirtualServices`.
    virtual_services: VirtualService,
    /// Istio's `DestinationRules`.
    destination_rules: DestinationRule,
    /// Istio's `ServiceEntries`.
    service_entries: ServiceEntry,
    /// Istio's `WorkloadEntries`.
    workload_entries: WorkloadEntry,
    /// What Ingresses of a class have in common.
    ingress_class_params: IngressClassParams,
    /// Services whose endpoints are targets of a group.
    target_group_bindings: TargetGroupBinding,
    /// Kubernetes Services.
    services: Service,
    /// Where Services' endpoints are, by port.
    endpoint_slices: EndpointSlice,
    /// The older form of the same; used for Services that have no slice.
    endpoints: Endpoints,
    /// For their labels and addresses.
    pods: Pod,
    /// For their pod templates, where a folder has no pods.
    deployments: Deployment,
    /// TLS certificates and the like. Never printed.
    secrets: Secret,
    /// Authority bundles and the like.
    config_maps: ConfigMap,
    /// For their labels.
    namespaces: Namespace,
    /// For their zones.
    nodes: Node,
    /// What an ALB is made of.
    ingresses: Ingress,
    /// Who serves which Ingress.
    ingress_classes: IngressClass,
}

/// Which object; never what is in it, since some are secret.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reference())
    }
}

impl Objects {
    /// Adds an object that was read at `origin` (`file:line`, or empty). One that is there already
    /// stays, and the new one is a defect.
    pub fn insert<K: Held>(&mut self, object: Arc<K>, origin: String) {
        let reference = object.reference();
        let first = self.origins.get(&reference);
        if first.is_some() || (origin.is_empty() && self.holds(&*object)) {
            let first = first.map_or("before", String::as_str);
            let mut problem = Problem::error(reference, "", "duplicate-object")
                .message(format!("it is given twice: at {first}, which is used, and again here"))
                .advice("remove one of them, or give it another name or namespace");
            problem.origin = origin;
            self.defects.push(problem);
            return;
        }
        if !origin.is_empty() {
            self.origins.insert(reference, origin);
        }
        K::of_mut(self).push(object);
    }

    /// Whether there is an object of this kind, namespace and name.
    fn holds<K: Held>(&self, object: &K) -> bool {
        let same = |other: &&Arc<K>| {
            other.name() == object.name() && other.namespace() == object.namespace()
        };
        K::of(self).iter().find(same).is_some()
    }
}

/// As [`Objects::exchange`], for one kind.
fn exchange<K: Held + PartialEq>(here: &mut Vec<Arc<K>>, old: &[Arc<K>], new: Vec<Arc<K>>) {
    let is_same =
        |one: &K, other: &K| one.name() == other.name() && one.namespace() == other.namespace();
    for gone in old.iter().filter(|gone| !new.iter().any(|object| is_same(object, gone))) {
        here.retain(|object| !is_same(object, gone));
    }
    for object in new {
        match here.iter_mut().find(|place| is_same(place, &object)) {
            Some(place) if **place == *object => {}
            Some(place) => *place = object,
            None => here.push(object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Objects, Resource, Secret, Service};
    use crate::Gateway;
    use k8s_openapi::ByteString;
    use std::collections::BTreeMap;

    fn named<K: Resource + Default>(name: &str) -> Arc<K> {
        let mut object = K::default();
        object.meta_mut().name = Some(name.into());
        Arc::new(object)
    }

    #[test]
    fn the_first_of_two_stays_and_both_places_are_named() {
        let mut objects = Objects::default();
        objects.insert(named::<Gateway>("a"), "one.yaml:1".into());
        objects.insert(named::<Service>("a"), "one.yaml:9".into());
        let mut other = Objects::default();
        other.insert(named::<Gateway>("a"), "two.yaml:3".into());
        other.insert(named::<Gateway>("b"), "two.yaml:7".into());
        objects.absorb(other);
        assert_eq!(objects.count(), 3);
        let [defect] = objects.defects.as_slice() else { panic!("{:?}", objects.defects) };
        assert_eq!(
            defect.to_string(),
            "error [duplicate-object] Gateway default/a: it is given twice: at one.yaml:1, which \
             is used, and again here; remove one of them, or give it another name or namespace \
             (two.yaml:3)"
        );
    }

    #[test]
    fn objects_without_origin_are_told_apart_too() {
        let mut objects = Objects::default();
        objects.insert(named::<Gateway>("a"), String::new());
        objects.insert(named::<Gateway>("a"), String::new());
        assert_eq!((objects.count(), objects.defects.len()), (1, 1));
    }

    #[test]
    fn retain_forgets_objects_and_origins() {
        let mut objects = Objects::default();
        objects.insert(named::<Gateway>("a"), "f:1".into());
        objects.insert(named::<Gateway>("b"), "f:2".into());
        objects.retain(|object| object.name == "b");
        let names: Vec<String> = objects.references().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["Gateway default/b"]);
        assert_eq!(objects.origins.len(), 1);
    }

    #[test]
    fn what_a_file_says_is_exchanged_and_what_is_the_same_stays() {
        let from = |file: &str, gateways: &[&str]| {
            let mut objects = Objects::default();
            for (line, name) in gateways.iter().enumerate() {
                objects.insert(named::<Gateway>(name), format!("{file}:{line}"));
            }
            objects
        };
        let old = from("f", &["a", "b"]);
        let mut all = from("e", &["x"]);
        all.absorb(old.clone());
        assert!(all.exchange(&old, from("f", &["c", "b"])));
        let names: Vec<&str> = all.gateways.iter().map(|gateway| gateway.name()).collect();
        assert_eq!(names, ["x", "b", "c"]);
        assert!(Arc::ptr_eq(&all.gateways[1], &old.gateways[1]));
        let lines: Vec<&str> = all.origins.values().map(String::as_str).collect();
        assert_eq!(lines, ["f:1", "f:0", "e:0"]);
        // What stayed is another there now, and is known all the same.
        assert!(all.exchange(&from("f", &["c", "b"]), from("f", &["b"])));
        let before = all.references();
        assert_eq!(before.len(), 2);
        assert!(!all.exchange(&from("f", &["c"]), from("f", &["x"])), "another file has it");
        assert_eq!(all.references(), before);
    }

    #[test]
    fn printing_shows_no_secret() {
        let data = BTreeMap::from([("key".to_owned(), ByteString(b"hunter2".to_vec()))]);
        let secret = Secret { data: Some(data), ..Secret::default() };
        let mut objects = Objects::default();
        objects.insert(Arc::new(secret), String::new());
        let text = format!("{objects:?}");
        assert!(text.contains("secrets: 1"), "{text}");
        assert!(!text.contains("104") && !text.contains("hunter2"), "{text}");
        let items = objects.into_items();
        assert_eq!(format!("{items:?}"), "[Secret default/]");
    }

    #[test]
    fn objects_are_taken_apart_and_put_together() {
        let mut objects = Objects::default();
        objects.insert(named::<Gateway>("a"), String::new());
        objects.insert(named::<Service>("b"), String::new());
        let (all, gateway) = (objects.references(), Arc::clone(&objects.gateways[0]));
        let mut again = Objects::default();
        objects.into_items().into_iter().for_each(|item| again.push(item));
        assert_eq!(again.references(), all);
        assert!(Arc::ptr_eq(&again.gateways[0], &gateway));
    }
}
