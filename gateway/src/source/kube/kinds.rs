//! Which kinds are watched, where they are served, and what of them is read.

/// A kind to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub(super) group: &'static str,
    /// The newest first.
    pub(super) versions: &'static [&'static str],
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    pub(super) is_namespaced: bool,
    pub(super) presence: Presence,
    /// Paths of the fields that are read besides metadata; what is not read is not kept either.
    /// Without any, the API server is asked for metadata alone.
    pub(super) fields: &'static [&'static str],
}

/// Whether one can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    /// Every API server has it, and nothing can be said without it.
    Needed,
    /// Somebody must have installed it. Where it is, nothing can be said without it.
    Installed,
    /// Every API server has it; less is known where it may not be read.
    Helpful,
}

const ISTIO: &str = "networking.istio.io";
const ISTIO_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const AWS: &str = "elbv2.k8s.aws";

const fn istio(name: &'static str, plural: &'static str) -> Kind {
    Kind {
        group: ISTIO,
        versions: ISTIO_VERSIONS,
        name,
        plural,
        is_namespaced: true,
        presence: Presence::Installed,
        fields: &["spec"],
    }
}

const fn core(name: &'static str, plural: &'static str, fields: &'static [&'static str]) -> Kind {
    Kind {
        group: "",
        versions: &["v1"],
        name,
        plural,
        is_namespaced: true,
        presence: Presence::Needed,
        fields,
    }
}

const fn helpful(kind: Kind) -> Kind {
    Kind { presence: Presence::Helpful, ..kind }
}

const fn of_cluster(kind: Kind) -> Kind {
    Kind { is_namespaced: false, ..kind }
}

const SERVICE: Kind = core("Service", "services", &["spec"]);

const ENDPOINT_SLICE: Kind = Kind {
    group: "discovery.k8s.io",
    ..core("EndpointSlice", "endpointslices", &["addressType", "endpoints", "ports"])
};

const POD: Kind = core(
    "Pod",
    "pods",
    &[
        "spec.nodeName",
        "spec.hostNetwork",
        "spec.containers.ports",
        "spec.readinessGates",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.conditions.type",
        "status.conditions.status",
    ],
);

const NODE_FIELDS: &[&str] = &[
    "spec.providerID",
    "spec.taints",
    "spec.unschedulable",
    "status.addresses",
    "status.conditions.type",
    "status.conditions.status",
];

const NAMESPACE: Kind = of_cluster(core("Namespace", "namespaces", &[]));

/// A Secret that something refers to.
pub(super) static SECRET: Kind = core("Secret", "secrets", &["type", "data"]);

const INGRESS: Kind =
    Kind { group: "networking.k8s.io", ..core("Ingress", "ingresses", &["spec"]) };

const INGRESS_CLASS: Kind = of_cluster(Kind {
    group: "networking.k8s.io",
    ..core("IngressClass", "ingressclasses", &["spec"])
});

/// What a gateway routes by.
pub static GATEWAY: &[Kind] = &[
    istio("Gateway", "gateways"),
    istio("VirtualService", "virtualservices"),
    istio("DestinationRule", "destinationrules"),
    istio("ServiceEntry", "serviceentries"),
    istio("WorkloadEntry", "workloadentries"),
    SERVICE,
    ENDPOINT_SLICE,
    helpful(POD),
    helpful(NAMESPACE),
    helpful(of_cluster(core("Node", "nodes", &[]))),
    helpful(INGRESS),
    helpful(INGRESS_CLASS),
];

/// What load balancers are made of.
pub static CONTROLLER: &[Kind] = &[
    INGRESS,
    INGRESS_CLASS,
    Kind {
        group: AWS,
        versions: &["v1beta1"],
        is_namespaced: false,
        ..istio("IngressClassParams", "ingressclassparams")
    },
    Kind {
        group: AWS,
        versions: &["v1beta1"],
        ..istio("TargetGroupBinding", "targetgroupbindings")
    },
    SERVICE,
    ENDPOINT_SLICE,
    POD,
    NAMESPACE,
    of_cluster(core("Node", "nodes", NODE_FIELDS)),
    // For the paths by which gateways are asked whether they are well, and those that ask for a load
    // balancer.
    istio("Gateway", "gateways"),
];

impl Kind {
    /// As a manifest would name the version.
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// As an API server names resources in what it says: `gateways.networking.istio.io`.
    pub(super) fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether it is one that revisions of a control plane divide among them.
    pub(super) fn has_revisions(&self) -> bool {
        self.group == ISTIO
    }
}
