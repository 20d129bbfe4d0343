//! `IngressClassParams`: what all Ingresses of a class have in common.

use crate::{
    Object,
    aws::{KeyValue, TargetType},
    resource::Spec,
    shape::{shape, words},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What all Ingresses of a class have in common. It has precedence over their annotations.
pub type IngressClassParams = Object<IngressClassParamsSpec>;

impl Spec for IngressClassParamsSpec {
    const KIND: &'static str = "IngressClassParams";
    const CLUSTER_SCOPED: bool = true;
}

shape! {
    /// What [`IngressClassParams`] ask for.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    IngressClassParamsSpec {
        /// Name of the load balancer.
        load_balancer_name: Option<String>,
        /// Certificates of HTTPS listeners.
        certificate_arn: Vec<String>,
        /// Namespaces that may use the class.
        #[cfg_attr(test, schemars(with = "crate::schema::Selector"))]
        namespace_selector: Option<LabelSelector>,
        /// The group that all Ingresses of the class belong to.
        group: Option<IngressGroup>,
        /// Whom the load balancer is for.
        scheme: Option<Scheme>,
        /// Who may connect.
        #[serde(rename = "inboundCIDRs")]
        inbound_cidrs: Vec<String>,
        /// TLS policy of HTTPS listeners.
        ssl_policy: Option<String>,
        /// The port that plain HTTP is sent to.
        ssl_redirect_port: Option<String>,
        /// Where the load balancer stands.
        subnets: Option<SubnetSelector>,
        /// Which IP versions it speaks.
        ip_address_type: Option<IpAddressType>,
        /// Tags of all that is made.
        tags: Vec<KeyValue>,
        /// What targets are.
        target_type: Option<TargetType>,
        /// Attributes of the load balancer.
        load_balancer_attributes: Vec<KeyValue>,
        /// Attributes of listeners.
        listeners: Vec<Listener>,
        /// Capacity to reserve.
        minimum_load_balancer_capacity: Option<MinimumLoadBalancerCapacity>,
        /// Where addresses come from.
        ipam_configuration: Option<IpamConfiguration>,
        /// Prefix lists of who may connect; an older spelling begins with a capital.
        #[serde(rename = "prefixListsIDs", alias = "PrefixListsIDs")]
        prefix_lists_ids: Vec<String>,
        /// Web ACL, by ARN.
        wafv2_acl_arn: Option<String>,
        /// Web ACL, by name.
        wafv2_acl_name: Option<String>,
    }

    /// Ingresses that share a load balancer.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    IngressGroup {
        /// Name of the group.
        name: String,
    }

    /// Subnets, by id or by tags.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    SubnetSelector {
        /// By id.
        ids: Vec<String>,
        /// By tags: all keys, any value of each.
        tags: BTreeMap<String, Vec<String>>,
    }

    /// Attributes of one listener.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    Listener {
        /// Its protocol.
        protocol: Option<ListenerProtocol>,
        /// Its port.
        port: Option<i32>,
        /// Its attributes.
        listener_attributes: Vec<KeyValue>,
    }

    /// Capacity to reserve.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    MinimumLoadBalancerCapacity {
        /// In load balancer capacity units.
        capacity_units: i32,
    }

    /// Where addresses come from.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    IpamConfiguration {
        /// The pool of IPv4 addresses.
        #[serde(rename = "ipv4IPAMPoolId")]
        ipv4_ipam_pool_id: Option<String>,
    }
}

words! {
    /// Protocol of a listener.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    ListenerProtocol {
        /// Plain HTTP.
        Http,
        /// HTTP over TLS.
        Https,
        /// Connections.
        Tcp,
        /// Connections over TLS.
        Tls,
        /// Datagrams.
        Udp,
        /// Both on one port.
        TcpUdp,
    }
}

/// Whom a load balancer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// The VPC.
    Internal,
    /// The world.
    InternetFacing,
}

/// Which IP versions a load balancer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum IpAddressType {
    /// IPv4 alone.
    #[serde(rename = "ipv4")]
    Ipv4,
    /// Both.
    #[serde(rename = "dualstack")]
    Dualstack,
    /// Both, with public addresses of IPv6 only.
    #[serde(rename = "dualstack-without-public-ipv4")]
    DualstackWithoutPublicIpv4,
}
