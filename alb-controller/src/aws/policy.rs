//! The policy that allows exactly what is called.

use super::calls::Call;
use serde_json::{Value, json};

/// The tag without which nothing of load balancing is made or deleted.
const CLUSTER: &str = "elbv2.k8s.aws/cluster";

/// What a call needs beside the action of its own name: an access control list is put before a load
/// balancer by the service of either.
const IMPLIED: &[&str] = &["elasticloadbalancing:SetWebAcl"];

/// An IAM policy document with all actions that are used, and no other.
///
/// What can only be looked at has no resource; what changes a thing that bears our tag is bound to
/// that tag. Listeners, rules, targets and other people's security groups bear none when they are
/// first touched.
pub fn policy() -> Value {
    let actions = |wanted: fn(Call) -> bool| -> Vec<&'static str> {
        let mut actions: Vec<_> =
            Call::ALL.iter().copied().filter(|call| wanted(*call)).map(Call::action).collect();
        actions.sort_unstable();
        actions
    };
    let statement = |id: &str, actions: Vec<&str>| json!({"Sid": id, "Effect": "Allow", "Action": actions, "Resource": "*"});
    let bound = |id: &str, actions: Vec<&str>, key: &str| {
        let mut statement = statement(id, actions);
        if let Some(fields) = statement.as_object_mut() {
            fields.insert("Condition".to_owned(), json!({"Null": {key: "false"}}));
        }
        statement
    };
    let mut parts = actions(|call| !is_look(call) && !makes_tagged(call) && !changes_tagged(call));
    parts.extend(IMPLIED);
    parts.sort_unstable();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            statement("Look", actions(is_look)),
            bound("MakeWithOurTag", actions(makes_tagged), &format!("aws:RequestTag/{CLUSTER}")),
            bound("ChangeWithOurTag", actions(changes_tagged), &format!("aws:ResourceTag/{CLUSTER}")),
            statement("ChangeParts", parts),
        ],
    })
}

fn is_look(call: Call) -> bool {
    !call.changes()
}

fn makes_tagged(call: Call) -> bool {
    matches!(call, Call::CreateLoadBalancer | Call::CreateTargetGroup)
}

fn changes_tagged(call: Call) -> bool {
    matches!(
        call,
        Call::SetSubnets
            | Call::SetSecurityGroups
            | Call::SetIpAddressType
            | Call::ModifyLoadBalancerAttributes
            | Call::ModifyCapacityReservation
            | Call::ModifyIpPools
            | Call::DeleteLoadBalancer
            | Call::ModifyTargetGroup
            | Call::ModifyTargetGroupAttributes
            | Call::DeleteTargetGroup
            | Call::DeleteSecurityGroup
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_in_the_tree_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/iam-policy.json");
        let tree = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let tree: Value = serde_json::from_str(&tree).unwrap();
        assert_eq!(tree, policy(), "write the right side to deploy/iam-policy.json");
    }

    #[test]
    fn every_call_is_allowed_once() {
        let policy = policy();
        let statements = policy["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|s| s["Action"].as_array().unwrap());
        let mut actions: Vec<_> = actions.map(|action| action.as_str().unwrap()).collect();
        actions.sort_unstable();
        let mut calls: Vec<_> = Call::ALL.iter().map(|call| call.action()).collect();
        calls.extend(IMPLIED);
        calls.sort_unstable();
        assert_eq!(actions, calls);
    }
}
