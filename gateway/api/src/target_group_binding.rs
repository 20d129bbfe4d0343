//! `TargetGroupBinding`: the endpoints of a Service are the targets of a group.

use crate::{
    Object,
    aws::TargetType,
    resource::Spec,
    shape::{shape, words},
};
use k8s_openapi::apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString};
use serde::{Deserialize, Serialize};

/// The endpoints of a Service are the targets of a group.
pub type TargetGroupBinding = Object<TargetGroupBindingSpec>;

impl Spec for TargetGroupBindingSpec {
    const KIND: &'static str = "TargetGroupBinding";
}

shape! {
    /// What a [`TargetGroupBinding`] asks for.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    TargetGroupBindingSpec {
        /// The group, by ARN.
        #[serde(rename = "targetGroupARN")]
        target_group_arn: Option<String>,
        /// The group, by name.
        target_group_name: Option<String>,
        /// Targets of other clusters are in the group too.
        multi_cluster_target_group: Option<bool>,
        /// What targets are; absent is what the group says.
        target_type: Option<TargetType>,
        /// The group's protocol.
        target_group_protocol: Option<TargetGroupProtocol>,
        /// Whose endpoints.
        service_ref: ServiceReference,
        /// Who must be let through to the targets; absent leaves security groups alone.
        networking: Option<Networking>,
        /// Nodes that may be targets.
        #[cfg_attr(test, schemars(with = "crate::schema::Selector"))]
        node_selector: Option<LabelSelector>,
        /// Which IP version targets have.
        ip_address_type: Option<TargetIpAddressType>,
        /// The group's VPC.
        #[serde(rename = "vpcID")]
        vpc_id: Option<String>,
        /// Role to act in, for a group of another account.
        iam_role_arn_to_assume: Option<String>,
        /// External id that goes with the role.
        assume_role_external_id: Option<String>,
    }

    /// A port of a Service.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    ServiceReference {
        /// The Service, in the same namespace.
        name: String,
        /// Its port, by number or name.
        #[cfg_attr(test, schemars(with = "crate::schema::NumberOrName"))]
        port: Option<IntOrString>,
    }

    /// Who must be let through to the targets.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    Networking {
        /// Each a set of peers and a set of ports.
        ingress: Vec<NetworkingIngressRule>,
    }

    /// All of these peers to all of these ports.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    NetworkingIngressRule {
        /// Who.
        from: Vec<NetworkingPeer>,
        /// Where to.
        ports: Vec<NetworkingPort>,
    }

    /// Addresses or a security group.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    NetworkingPeer {
        /// Addresses.
        ip_block: Option<IpBlock>,
        /// A security group.
        security_group: Option<SecurityGroup>,
    }

    /// A range of addresses.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    IpBlock {
        /// As CIDR.
        cidr: String,
    }

    /// A security group.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    SecurityGroup {
        /// Its id.
        #[serde(rename = "groupID")]
        group_id: String,
    }

    /// A port that is let through.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    NetworkingPort {
        /// Absent is TCP.
        protocol: Option<NetworkingProtocol>,
        /// By number or name; absent is all.
        #[cfg_attr(test, schemars(with = "crate::schema::NumberOrName"))]
        port: Option<IntOrString>,
    }
}

words! {
    /// Protocol of a target group.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    TargetGroupProtocol {
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
        /// QUIC.
        Quic,
        /// QUIC and connections on one port.
        TcpQuic,
    }

    /// Protocol of a port that is let through.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    NetworkingProtocol {
        /// Connections.
        Tcp,
        /// Datagrams.
        Udp,
    }
}

/// Which IP version targets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TargetIpAddressType {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}
