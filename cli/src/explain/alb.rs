//! The ALB's part: the rules that would be written to AWS are asked.

use super::{
    answer::{Action, Answer, Explanation, Hop, Step, Upstream},
    ask::Question,
};
use edgeway_alb_core::{
    AlbDecision, AlbRequest, Desired,
    rule::{Action as Do, FixedResponse, Forward, Redirect, TargetGroupRef},
    stack::{Backend, Stack},
    target::Protocol,
};
use edgeway_api::{Objects, Resource, k8s_openapi::api::networking::v1::IngressRule};
use edgeway_core::request::{Scheme, host_of};
use std::{collections::BTreeSet, net::IpAddr};

/// What a listener does where no rule fits.
const DEFAULT: &str = "default";

/// What the ALB does with a request.
#[derive(Debug)]
pub(super) enum Passage<'s> {
    /// It goes no further.
    Ends(Box<Explanation>),
    /// It goes on to a Service.
    Goes(Box<Onward<'s>>),
}

/// A request on its way from the ALB.
#[derive(Debug)]
pub(super) struct Onward<'s> {
    /// The Service behind the target group.
    pub backend: &'s Backend,
    /// The request as a target gets it.
    pub question: Question,
    /// What is known so far.
    pub answer: Answer,
    /// What has happened so far.
    pub steps: Vec<Step>,
}

/// Asks the load balancers of `stacks`.
pub(super) fn pass<'s>(
    stacks: impl Iterator<Item = &'s Stack> + Clone,
    question: &Question,
    client: IpAddr,
) -> Passage<'s> {
    let (path, query) = question.target.split_once('?').unwrap_or((&question.target, ""));
    let request = AlbRequest {
        scheme: protocol(question.scheme),
        port: question.port_or_default(),
        method: &question.method,
        host: host_of(question.host()),
        path,
        query,
        headers: &question.headers,
        source_ip: client,
    };
    let mut decisions: Vec<_> = stacks
        .clone()
        .filter_map(|stack| Some((stack, stack.load_balancer.evaluate(&request)?)))
        .collect();
    // A name leads to one ALB; without DNS, one that has a rule for the request is the likely one.
    decisions.sort_by_key(|(_, decision)| decision.rule.is_none());
    match decisions.into_iter().next() {
        Some((stack, decision)) => decide(stack, &decision, &request, question),
        None => Passage::Ends(Box::new(nobody_listens(stacks, &request))),
    }
}

/// The explanation, with the reason why no rule is for the request, if there is one.
pub(super) fn without_rule(
    mut explanation: Explanation,
    why: impl FnOnce() -> Option<String>,
) -> Explanation {
    let Explanation { answer, steps } = &mut explanation;
    if answer.alb_rule.as_deref().is_none_or(|rule| rule == DEFAULT)
        && let Some(why) = why()
    {
        if answer.reason.is_none() {
            answer.reason = Some(why);
        } else if let Some(step) = steps.last_mut() {
            step.why.push(why);
        }
    }
    explanation
}

/// What is said of Ingresses that name a host and that are left out, since they cannot be understood.
pub(super) fn left_out(albs: &Desired, objects: &Objects, host: &str) -> Option<String> {
    let host = host_of(host).to_ascii_lowercase();
    let broken = albs.stacks.values().flat_map(|stack| &stack.broken);
    let broken: BTreeSet<&String> = broken.chain(albs.held.values().flatten()).collect();
    let names = |rule: &IngressRule| match rule.host.as_deref().map(str::to_ascii_lowercase) {
        None => true,
        Some(own) => own == host || own.strip_prefix('*').is_some_and(|own| host.ends_with(own)),
    };
    let mut ingresses = objects.ingresses.iter().filter(|ingress| {
        let rules = ingress.spec.as_ref().and_then(|spec| spec.rules.as_ref());
        rules.into_iter().flatten().any(names)
            && broken.contains(&format!("{}/{}", ingress.namespace(), ingress.name()))
    });
    let first = ingresses.next()?.reference();
    let more = match ingresses.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!(
        "{first}{more} is for this host, and is left out because of what is wrong with it: see \
         `edgeway check`"
    ))
}

fn protocol(scheme: Scheme) -> Protocol {
    match scheme {
        Scheme::Http => Protocol::Http,
        Scheme::Https => Protocol::Https,
    }
}

fn nobody_listens<'s>(
    stacks: impl Iterator<Item = &'s Stack>,
    request: &AlbRequest<'_>,
) -> Explanation {
    let reason = format!("no ALB listens for {} on port {}", request.scheme.as_str(), request.port);
    let why = stacks.map(|stack| {
        let ports = stack.load_balancer.listeners.iter();
        let ports = ports.map(|(port, listener)| format!("{} {port}", listener.protocol.as_str()));
        format!("{} listens on {}", stack.id, ports.collect::<Vec<_>>().join(", "))
    });
    let step = Step { place: "ALB", what: reason.clone(), why: why.collect() };
    Explanation { answer: Answer::nothing(Hop::Alb, reason), steps: vec![step] }
}

fn decide<'s>(
    stack: &'s Stack,
    decision: &AlbDecision<'s>,
    request: &AlbRequest<'_>,
    question: &Question,
) -> Passage<'s> {
    let rule = match decision.rule {
        Some((priority, rule)) => format!("{priority}: {rule}"),
        None => DEFAULT.to_owned(),
    };
    let mut answer = Answer::of(Hop::Alb, Action::None);
    answer.listener = Some(format!("{} {}", request.scheme.as_str(), decision.listener));
    answer.alb_rule = Some(rule.clone());
    let mut why = vec![match decision.rule {
        Some(_) => format!("rule {rule}"),
        None => "no rule fits: the listener's default action".to_owned(),
    }];
    if let Some(owner) = decision.rule.and_then(|(_, rule)| rule.owner()) {
        why.push(format!("from Ingress {owner}"));
    }
    if let Some(login) = decision.authentication {
        why.push(format!("clients must show a valid session or token first: {login}"));
    }
    let what = format!("listener {} of {}: {}", decision.listener, stack.id, decision.action);
    let steps = vec![Step { place: "ALB", what, why }];
    match decision.action {
        Do::Fixed(fixed) => ends(fixed_response(answer, fixed), steps),
        Do::Redirect(redirect) => ends(redirected(answer, redirect, request), steps),
        Do::Unknown(kind) => {
            answer.reason = Some(format!("the rule does {kind}, which is not explained"));
            ends(answer, steps)
        }
        Do::Forward(forward) => match backend(stack, forward) {
            Some(backend) => {
                let question = onward(stack, forward, decision, request, question);
                Passage::Goes(Box::new(Onward { backend, question, answer, steps }))
            }
            None => ends(foreign(answer, decision, request), steps),
        },
    }
}

fn ends<'s>(answer: Answer, steps: Vec<Step>) -> Passage<'s> {
    Passage::Ends(Box::new(Explanation { answer, steps }))
}

fn fixed_response(mut answer: Answer, fixed: &FixedResponse) -> Answer {
    answer.action = Action::Direct;
    answer.status = fixed.status.parse().ok();
    answer
}

fn redirected(mut answer: Answer, redirect: &Redirect, request: &AlbRequest<'_>) -> Answer {
    answer.action = Action::Redirect;
    answer.status = Some(redirect.code());
    answer.location = Some(redirect.location(request));
    answer
}

/// All groups are somebody else's.
fn foreign(mut answer: Answer, decision: &AlbDecision<'_>, request: &AlbRequest<'_>) -> Answer {
    let seen = decision.forwarded(request);
    answer.hop = Hop::Backend;
    answer.action = Action::Forward;
    answer.upstream = Some(Upstream { authority: seen.host, path: seen.target });
    answer.reason = Some("the target group is looked after by somebody else".to_owned());
    answer
}

/// The Service behind the group of ours that gets most.
fn backend<'s>(stack: &'s Stack, forward: &Forward) -> Option<&'s Backend> {
    stack.backends.get(heaviest(forward)?)
}

fn heaviest(forward: &Forward) -> Option<&str> {
    let ours = forward.shares.iter().rev().filter(|share| share.group.ours().is_some());
    ours.max_by_key(|share| share.weight).and_then(|share| match &share.group {
        TargetGroupRef::Ours(name) => Some(name.as_str()),
        TargetGroupRef::Foreign(_) => None,
    })
}

/// The request as a target gets it: rewritten, and with the fields that an ALB adds.
fn onward(
    stack: &Stack,
    forward: &Forward,
    decision: &AlbDecision<'_>,
    request: &AlbRequest<'_>,
    question: &Question,
) -> Question {
    let seen = decision.forwarded(request);
    let group = heaviest(forward).and_then(|name| stack.target_groups.get(name));
    let tls = group.is_some_and(|group| group.kind.protocol == Protocol::Https);
    let mut headers = question.headers.clone();
    for (name, value) in &mut headers {
        if name.eq_ignore_ascii_case("host") && seen.host != request.host {
            value.clone_from(&seen.host);
        }
    }
    let proto = request.scheme.as_str().to_ascii_lowercase();
    headers.retain(|(name, _)| {
        !["x-forwarded-proto", "x-forwarded-port"].iter().any(|own| name.eq_ignore_ascii_case(own))
    });
    headers.extend([
        ("x-forwarded-for".to_owned(), request.source_ip.to_string()),
        ("x-forwarded-proto".to_owned(), proto),
        ("x-forwarded-port".to_owned(), request.port.to_string()),
    ]);
    Question {
        method: question.method.clone(),
        scheme: if tls { Scheme::Https } else { Scheme::Http },
        target: seen.target,
        headers,
        port: None,
        sni: None,
        trusted_hops: question.trusted_hops + 1,
    }
}
