//! `CreateRule`, `DescribeRules`, `ModifyRule`, `DeleteRule`, `SetRulePriorities`.

use std::collections::{BTreeMap, BTreeSet};

use super::page::page;
use super::rule_checks::{Place, check};
use super::{Outcome, actions, conditions, transforms};
use crate::error::{AwsError, Code};
use crate::event::{Change, Event};
use crate::state::Region;
use crate::state::load_balancer::Listener;
use crate::state::rule::Rule;
use crate::state::tags;
use crate::wire::{Call, Fields};

const PRIORITIES: (u32, u32) = (1, 50_000);

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let listener = region.listener(params.required("ListenerArn")?)?;
    let priority = params
        .number("Priority", PRIORITIES.0, PRIORITIES.1)?
        .ok_or_else(|| params.missing("Priority"))?;
    let limits = &region.config.limits;
    let conditions = conditions::read(params, "Conditions", limits)?;
    let actions = actions::read(params, "Actions")?;
    let transforms = transforms::read(params, "Transforms")?;
    let tags = tags::read(params, "Tags")?;
    tags::limit(&tags, limits.tags)?;
    check(region, place(listener), &actions)?;
    let lb = &listener.load_balancer;
    let rules: usize = region.listeners_of(lb).iter().map(|l| l.rules.len()).sum();
    if rules >= limits.rules {
        let text = format!(
            "The maximum number of rules has been reached on load balancer '{lb}': '{}'",
            limits.rules
        );
        return Err(AwsError::new(Code::TooManyRules, text));
    }
    free(listener, priority)?;
    let listener = listener.arn.clone();
    let id = region.ids.hex(16);
    let listener = region.listener_mut(listener.as_str())?;
    let arn = listener.rule_arn(&id);
    let rule = Rule { arn: arn.clone(), priority, conditions, actions, transforms };
    let reply = shape(&rule);
    listener.rules.push(rule);
    listener.rules.sort_by_key(|rule| rule.priority);
    region.tags.insert(arn.to_string(), tags);
    tell(region, arn.as_str(), Change::Created);
    Ok(Fields::new().list("Rules", [reply]).into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let arns = call.params.list("RuleArns");
    let found: Vec<(String, Fields)> = match call.params.text("ListenerArn") {
        Some(listener) => {
            let listener = region.listener(listener)?;
            let rules = listener.rules.iter().map(|rule| (rule.arn.to_string(), shape(rule)));
            rules.chain([(listener.default_rule.to_string(), default_shape(listener))]).collect()
        }
        None if arns.is_empty() => {
            let text = "You must specify either a listener ARN or rule ARNs";
            return Err(AwsError::validation(text));
        }
        None => arns
            .into_iter()
            .map(|arn| {
                let (listener, rule) = region.rule(arn)?;
                let shape = rule.map_or_else(|| default_shape(listener), shape);
                Ok((arn.to_owned(), shape))
            })
            .collect::<Result<_, AwsError>>()?,
    };
    let page = page(found, &call.params)?;
    Ok(Fields::new().list("Rules", page.items).maybe("NextMarker", page.next).into())
}

pub(crate) fn modify(region: &mut Region, call: &Call<'_>) -> Outcome {
    let params = &call.params;
    let arn = params.required("RuleArn")?;
    let (listener, rule) = region.rule(arn)?;
    let Some(rule) = rule else {
        let text = format!("Default rule '{arn}' cannot be modified: modify its listener");
        return Err(AwsError::new(Code::OperationNotPermitted, text));
    };
    let mut next = rule.clone();
    if params.has("Conditions") {
        next.conditions = conditions::read(params, "Conditions", &region.config.limits)?;
    }
    if params.has("Actions") {
        let before = std::mem::replace(&mut next.actions, actions::read(params, "Actions")?);
        actions::keep_secret(&mut next.actions, &before);
        check(region, place(listener), &next.actions)?;
    }
    match (params.boolean("ResetTransforms")?.unwrap_or(false), params.has("Transforms")) {
        (true, true) => {
            let text = "You cannot specify both Transforms and ResetTransforms";
            return Err(AwsError::validation(text));
        }
        (true, false) => next.transforms.clear(),
        (false, true) => next.transforms = transforms::read(params, "Transforms")?,
        (false, false) => {}
    }
    let reply = shape(&next);
    let listener = listener.arn.clone();
    for rule in &mut region.listener_mut(listener.as_str())?.rules {
        if rule.arn == next.arn {
            rule.clone_from(&next);
        }
    }
    tell(region, arn, Change::Changed);
    Ok(Fields::new().list("Rules", [reply]).into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("RuleArn")?;
    let (listener, rule) = region.rule(arn)?;
    if rule.is_none() {
        let text = format!("Default rule '{arn}' cannot be deleted");
        return Err(AwsError::new(Code::OperationNotPermitted, text));
    }
    let listener = listener.arn.clone();
    tell(region, arn, Change::Deleted);
    region.listener_mut(listener.as_str())?.rules.retain(|rule| rule.arn.as_str() != arn);
    region.tags.remove(arn);
    Ok(Fields::new().into())
}

/// Moves rules all at once: only the result must be free of conflicts, so that rules may swap.
pub(crate) fn set_priorities(region: &mut Region, call: &Call<'_>) -> Outcome {
    let pairs = call.params.structures("RulePriorities");
    if pairs.is_empty() {
        return Err(call.params.missing("RulePriorities"));
    }
    let mut wanted = BTreeMap::new();
    for pair in &pairs {
        let arn = pair.required("RuleArn")?;
        let priority = pair
            .number("Priority", PRIORITIES.0, PRIORITIES.1)?
            .ok_or_else(|| pair.missing("Priority"))?;
        let (listener, rule) = region.rule(arn)?;
        if rule.is_none() {
            let text = format!("The priority of default rule '{arn}' cannot be set");
            return Err(AwsError::new(Code::OperationNotPermitted, text));
        }
        if wanted.insert(arn.to_owned(), (listener.arn.clone(), priority)).is_some() {
            let text = format!("Rule '{arn}' cannot be specified more than once");
            return Err(AwsError::validation(text));
        }
    }
    let priorities: Vec<u32> = wanted.values().map(|(_, priority)| *priority).collect();
    for (listener, _) in wanted.values() {
        for rule in &mut region.listener_mut(listener.as_str())?.rules {
            if let Some((_, priority)) = wanted.get(rule.arn.as_str()) {
                rule.priority = *priority;
            }
        }
    }
    for (listener, _) in wanted.values() {
        let rules = &mut region.listener_mut(listener.as_str())?.rules;
        rules.sort_by_key(|rule| rule.priority);
        let mut seen = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !seen.insert(rule.priority)) {
            let priority = twice.priority;
            let given = priorities.iter().filter(|given| **given == priority).count();
            return Err(if given > 1 {
                let text = format!("Priority '{priority}' was specified more than once");
                AwsError::validation(text)
            } else {
                in_use(priority)
            });
        }
    }
    let mut shapes = Vec::new();
    for arn in wanted.keys() {
        tell(region, arn, Change::Changed);
        shapes.extend(region.rule(arn)?.1.map(shape));
    }
    Ok(Fields::new().list("Rules", shapes).into())
}

/// The place of a listener's rules.
fn place(listener: &Listener) -> Place<'_> {
    Place {
        load_balancer: &listener.load_balancer,
        protocol: listener.protocol,
        port: listener.port,
    }
}

fn free(listener: &Listener, priority: u32) -> Result<(), AwsError> {
    if listener.rules.iter().any(|rule| rule.priority == priority) {
        return Err(in_use(priority));
    }
    Ok(())
}

fn in_use(priority: u32) -> AwsError {
    AwsError::new(Code::PriorityInUse, format!("Priority '{priority}' is currently in use"))
}

fn tell(region: &mut Region, arn: &str, change: Change) {
    let Ok((listener, Some(rule))) = region.rule(arn) else { return };
    let Some(lb) = region.load_balancers.get(&listener.load_balancer) else { return };
    let event = Event::Rule {
        load_balancer: lb.name.clone(),
        port: listener.port,
        priority: Some(rule.priority),
        change,
    };
    region.events.push(event);
}

/// A rule as replies show it.
fn shape(rule: &Rule) -> Fields {
    Fields::new()
        .text("RuleArn", &rule.arn)
        .text("Priority", rule.priority)
        .list("Conditions", conditions::shapes(&rule.conditions))
        .list("Actions", actions::shapes(&rule.actions))
        .text("IsDefault", false)
        .list("Transforms", transforms::shapes(&rule.transforms))
}

fn default_shape(listener: &Listener) -> Fields {
    Fields::new()
        .text("RuleArn", &listener.default_rule)
        .text("Priority", "default")
        .texts("Conditions", [""; 0])
        .list("Actions", actions::shapes(&listener.default_actions))
        .text("IsDefault", true)
}
