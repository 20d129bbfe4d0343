//! Feature gates of the AWS Load Balancer Controller, and what each means here.

use super::values;
use edgeway_alb_core::switches::Switch;
use std::str::FromStr;

/// What a gate means here.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// Set against its usual value it gives up a habit.
    Switch(Switch),
    /// It means nothing, for this reason.
    Nothing(&'static str),
    /// It cannot be set against its usual value, for this reason.
    Refused(&'static str),
}

/// What the Services of type `LoadBalancer` have gates for.
const SERVICES: Meaning = Meaning::Nothing("load balancers of Services are not made");
/// The same for Gateways.
const GATEWAYS: Meaning = Meaning::Nothing("the Gateway API is not served by the ALB controller");
const OPTIONAL: Meaning = Meaning::Nothing("the kind is not served");

/// Each gate with its usual value.
const GATES: &[(&str, bool, Meaning)] = &[
    ("ListenerRulesTagging", true, Meaning::Refused("listeners and rules are known by their tags")),
    ("WeightedTargetGroups", true, Meaning::Nothing("weights are always understood")),
    ("ServiceTypeLoadBalancerOnly", false, SERVICES),
    (
        "EndpointsFailOpen",
        true,
        Meaning::Nothing("nodes that nothing is heard of always count where no other does"),
    ),
    ("EnableServiceController", true, SERVICES),
    ("EnableIPTargetType", true, Meaning::Switch(Switch::NoIpTargets)),
    ("EnableRGTAPI", false, Meaning::Nothing("tags are asked for in the way that costs less")),
    ("SubnetsClusterTagCheck", true, Meaning::Switch(Switch::AnySubnet)),
    ("NLBHealthCheckAdvancedConfig", true, SERVICES),
    ("NLBHealthCheckAdvancedConfiguration", true, SERVICES),
    ("NLBSecurityGroup", true, SERVICES),
    ("ALBSingleSubnet", false, Meaning::Switch(Switch::OneSubnet)),
    ("SubnetDiscoveryByReachability", true, Meaning::Switch(Switch::TaggedSubnets)),
    ("LBCapacityReservation", true, Meaning::Switch(Switch::NoCapacity)),
    ("NLBGatewayAPI", true, GATEWAYS),
    ("ALBGatewayAPI", true, GATEWAYS),
    ("GatewayListenerSet", true, GATEWAYS),
    ("GlobalAcceleratorController", false, OPTIONAL),
    ("EnableTCPUDPListener", false, SERVICES),
    ("EnableTCPUDPListenerType", false, SERVICES),
    ("EnhancedDefaultBehavior", false, Meaning::Switch(Switch::Reset)),
    ("EnableDefaultTagsLowPriority", false, Meaning::Switch(Switch::TagsGiveWay)),
    ("ALBTargetControlAgent", false, OPTIONAL),
    (
        "EnableCertificateManagement",
        false,
        Meaning::Nothing("certificates are not requested; Ingresses that ask for it are told"),
    ),
    ("IngressPlanAnnotation", false, Meaning::Nothing("`edgeway plan` shows the plan")),
];

/// Gates that are set against their usual values.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates(Vec<(&'static str, Meaning)>);

impl Gates {
    pub(super) fn switches(&self) -> impl Iterator<Item = Switch> {
        self.0.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Switch(switch) => Some(*switch),
            Meaning::Nothing(_) | Meaning::Refused(_) => None,
        })
    }

    /// What is said of those that mean nothing.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|(name, meaning)| match meaning {
            Meaning::Nothing(why) => Some(format!("the feature gate {name} has no effect: {why}")),
            Meaning::Switch(_) | Meaning::Refused(_) => None,
        })
    }
}

/// `Name=true,Name=false`.
impl FromStr for Gates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut gates = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = values::pair(item)?;
            let value = values::bool(&value)?;
            let Some((name, usual, meaning)) = GATES.iter().find(|(known, ..)| *known == name)
            else {
                return Err(format!("there is no feature gate {name}"));
            };
            if value == *usual {
                continue;
            }
            if let Meaning::Refused(why) = meaning {
                return Err(format!("{name} cannot be {value}: {why}"));
            }
            gates.push((*name, *meaning));
        }
        Ok(Self(gates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_switches_remarks_or_refusals() {
        let gates: Gates =
            "ALBSingleSubnet=true,SubnetsClusterTagCheck=true,NLBGatewayAPI=false".parse().unwrap();
        assert_eq!(gates.switches().collect::<Vec<_>>(), [Switch::OneSubnet], "the other is usual");
        assert_eq!(gates.remarks().count(), 1);
        assert!("".parse::<Gates>().unwrap().0.is_empty());
        for (text, wrong) in [
            ("ListenerRulesTagging=false", "known by their tags"),
            ("AlbSingleSubnet=true", "no feature gate"),
            ("ALBSingleSubnet", "key=value"),
            ("ALBSingleSubnet=maybe", "true or false"),
        ] {
            assert!(text.parse::<Gates>().unwrap_err().contains(wrong), "{text}");
        }
    }

    #[test]
    fn the_documentation_tells_of_each_gate() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
        let text = std::fs::read_to_string(path).unwrap();
        for (name, ..) in GATES {
            assert!(text.contains(&format!("`{name}`")), "{name}");
        }
    }
}
