//! Where the controller is started to do otherwise than it usually does, by the names that the AWS Load
//! Balancer Controller's flags and feature gates have for it.

use crate::words::words;

words! {
    /// One habit that is given up.
    Switch {
        /// Load balancers with security groups of a user's own are let through to targets.
        OpenTargets = "enable-manage-backend-security-group-rules",
        /// The annotation that names a class is no way into a class.
        NoClassAnnotation = "disable-ingress-class-annotation",
        /// The annotation that names a group is no way into a group.
        NoGroupAnnotation = "disable-ingress-group-name-annotation",
        /// Targets are open on all ports to load balancers.
        AllPorts = "disable-restricted-sg-rules",
        /// An Ingress whose Service is missing is not served at all.
        NeedServices = "tolerate-non-existent-backend-service",
        /// An Ingress whose action is missing is not served at all.
        NeedActions = "tolerate-non-existent-backend-action",
        /// Protections of Shield Advanced stay as they are.
        NoShield = "enable-shield",
        /// Access control lists stay as they are.
        NoWebAcl = "enable-wafv2",
        /// What Ingresses say about tags counts before the default ones.
        TagsGiveWay = "EnableDefaultTagsLowPriority",
        /// One subnet is enough.
        OneSubnet = "ALBSingleSubnet",
        /// Subnets that are tagged for other clusters are taken, too.
        AnySubnet = "SubnetsClusterTagCheck",
        /// Subnets are not found by whether they have a way to the internet.
        TaggedSubnets = "SubnetDiscoveryByReachability",
        /// Capacity stays as it is.
        NoCapacity = "LBCapacityReservation",
        /// Targets are instances only.
        NoIpTargets = "EnableIPTargetType",
        /// What nobody asks for is reset.
        Reset = "EnhancedDefaultBehavior",
    }
}
