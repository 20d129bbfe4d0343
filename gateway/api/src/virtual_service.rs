//! VirtualService: hosts, and ordered rules for what is asked of them.

use crate::{Object, duration::Duration, resource::Spec, shape::shape};
use std::collections::BTreeMap;

pub use crate::{
    http_action::{
        Abort, CorsPolicy, Delay, Delegate, DerivePort, HttpBody, HttpDirectResponse,
        HttpFaultInjection, HttpMirrorPolicy, HttpRedirect, HttpRetry, HttpRewrite, RegexRewrite,
        UnmatchedPreflights,
    },
    string_match::{Percent, StringMatch},
};

/// Hosts, and ordered rules for what is asked of them.
pub type VirtualService = Object<VirtualServiceSpec>;

impl Spec for VirtualServiceSpec {
    const KIND: &'static str = "VirtualService";
}

shape! {
    /// What a [`VirtualService`] asks for.
    VirtualServiceSpec {
        /// Whose traffic the rules are for; empty for a delegate.
        hosts: Vec<String>,
        /// Gateways, as `name` or `namespace/name`, that the rules hold for; `mesh` is the sidecars.
        gateways: Vec<String>,
        /// Rules for HTTP; the first that fits wins.
        http: Vec<HttpRoute>,
        /// Rules for TLS that is passed through.
        tls: Vec<TlsRoute>,
        /// Rules for bare connections.
        tcp: Vec<TcpRoute>,
        /// Namespaces that see the object: `*`, `.`, `~` or names.
        export_to: Vec<String>,
    }

    /// A rule for HTTP: conditions, one action, options.
    HttpRoute {
        /// For logs and statistics.
        name: Option<String>,
        /// Conditions, of which one must fit; empty fits everything.
        #[serde(rename = "match")]
        matches: Vec<HttpMatchRequest>,
        /// Where to forward, by weight.
        route: Vec<HttpRouteDestination>,
        /// Send the client elsewhere.
        redirect: Option<Box<HttpRedirect>>,
        /// Answer at once.
        direct_response: Option<Box<HttpDirectResponse>>,
        /// Hand over to the rules of another VirtualService.
        delegate: Option<Box<Delegate>>,
        /// Change path and authority before forwarding.
        rewrite: Option<Box<HttpRewrite>>,
        /// For the whole request; `0s` and absent are no limit.
        timeout: Option<Duration>,
        /// Absent means the gateway's default policy.
        retries: Option<Box<HttpRetry>>,
        /// Failures on purpose.
        fault: Option<Box<HttpFaultInjection>>,
        /// A copy of each request goes here.
        mirror: Option<Box<Destination>>,
        /// Copies for several places.
        mirrors: Vec<HttpMirrorPolicy>,
        /// The share of `mirror`, in whole per cent. Deprecated.
        #[serde(alias = "mirror_percent")]
        mirror_percent: Option<u32>,
        /// The share of `mirror`; absent is everything.
        mirror_percentage: Option<Percent>,
        /// Cross-origin policy.
        cors_policy: Option<Box<CorsPolicy>>,
        /// Header operations for whatever the rule's destinations are.
        headers: Option<Box<Headers>>,
    }

    /// Conditions that must all hold.
    HttpMatchRequest {
        /// For logs and statistics.
        name: Option<String>,
        /// On the path, without query.
        uri: Option<StringMatch>,
        /// On `http` or `https`.
        scheme: Option<StringMatch>,
        /// On the method.
        method: Option<StringMatch>,
        /// On the authority.
        authority: Option<StringMatch>,
        /// On headers by name.
        headers: BTreeMap<String, StringMatch>,
        /// On headers by name; must not hold.
        without_headers: BTreeMap<String, StringMatch>,
        /// On query parameters by name.
        query_params: BTreeMap<String, StringMatch>,
        /// On the server's port.
        port: Option<u32>,
        /// On the labels of the asking workload, in the mesh.
        source_labels: BTreeMap<String, String>,
        /// On the namespace of the asking workload, in the mesh.
        source_namespace: Option<String>,
        /// Instead of the object's gateways.
        gateways: Vec<String>,
        /// Compare the path without regard to case.
        ignore_uri_case: bool,
        /// Own statistics under this name.
        stat_prefix: Option<String>,
    }

    /// A destination, its share, and what is done to headers on the way.
    HttpRouteDestination {
        /// Where to.
        destination: Destination,
        /// Share among the rule's destinations.
        weight: Option<i32>,
        /// Header operations for this destination only.
        headers: Option<Box<Headers>>,
    }

    /// A destination and its share.
    RouteDestination {
        /// Where to.
        destination: Destination,
        /// Share among the rule's destinations.
        weight: Option<i32>,
    }

    /// A service of the registry.
    Destination {
        /// Its name; one without dots is completed with the object's namespace.
        host: String,
        /// A subset that a DestinationRule defines.
        subset: Option<String>,
        /// Its port; needed if it has several.
        port: Option<PortSelector>,
    }

    /// A port, by number.
    PortSelector {
        /// The number.
        number: u32,
    }

    /// Header operations for both ways.
    Headers {
        /// On the request.
        request: Option<HeaderOperations>,
        /// On the response.
        response: Option<HeaderOperations>,
    }

    /// What is done to headers.
    HeaderOperations {
        /// Replace.
        set: BTreeMap<String, String>,
        /// Add beside what there is.
        add: BTreeMap<String, String>,
        /// Take away.
        remove: Vec<String>,
    }

    /// A rule for TLS that is passed through.
    TlsRoute {
        /// Conditions, of which one must fit.
        #[serde(rename = "match")]
        matches: Vec<TlsMatchAttributes>,
        /// Where to, by weight.
        route: Vec<RouteDestination>,
    }

    /// Conditions on a TLS connection that must all hold.
    TlsMatchAttributes {
        /// Server names, exact or with a leading `*`.
        sni_hosts: Vec<String>,
        /// Addresses that were connected to.
        destination_subnets: Vec<String>,
        /// The server's port.
        port: Option<u32>,
        /// Labels of the connecting workload, in the mesh.
        source_labels: BTreeMap<String, String>,
        /// Instead of the object's gateways.
        gateways: Vec<String>,
        /// Namespace of the connecting workload, in the mesh.
        source_namespace: Option<String>,
    }

    /// A rule for bare connections.
    TcpRoute {
        /// Conditions, of which one must fit; empty fits everything.
        #[serde(rename = "match")]
        matches: Vec<L4MatchAttributes>,
        /// Where to, by weight.
        route: Vec<RouteDestination>,
    }

    /// Conditions on a connection that must all hold.
    L4MatchAttributes {
        /// Addresses that were connected to.
        destination_subnets: Vec<String>,
        /// The server's port.
        port: Option<u32>,
        /// Where the connection comes from.
        source_subnet: Option<String>,
        /// Labels of the connecting workload, in the mesh.
        source_labels: BTreeMap<String, String>,
        /// Instead of the object's gateways.
        gateways: Vec<String>,
        /// Namespace of the connecting workload, in the mesh.
        source_namespace: Option<String>,
    }
}
