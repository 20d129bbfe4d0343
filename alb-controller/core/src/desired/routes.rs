//! The rules of one Ingress: one for each path, in the order in which they are tried.

use super::{
    alternatives::{Alternatives, split},
    authentication,
    hosts::Hosts,
    index,
    target_group::{self, Built, Missing, Site},
};
use crate::{
    annotations::{
        Fault,
        action::{ActionSpec, ActionWish, ConditionSpec, ShareWish, TargetWish, TransformSpec},
        refused,
        value::Expected,
    },
    glob,
    limits::{VALUE_LENGTH, VALUES_PER_RULE, WILDCARDS_PER_RULE},
    rule::{Action, Authentication, Condition, Forward, Patterns, Rule, Share, TargetGroupRef},
    switches::Switch,
    tags,
};
use edgeway_api::{
    Problem, Resource as _, Severity, ingress,
    k8s_openapi::{
        api::networking::v1::{HTTPIngressPath, IngressBackend},
        apimachinery::pkg::util::intstr::IntOrString,
    },
};
use std::{cmp::Reverse, collections::BTreeMap};

/// Name of a port that means: look into the annotation.
const USE_ANNOTATION: &str = "use-annotation";

/// What an Ingress says about requests.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// In their order.
    pub(super) rules: Vec<Rule>,
    /// What becomes of requests that no rule is for.
    pub(super) default: Option<(Option<Authentication>, Action)>,
    /// The target groups that these send to, by name.
    pub(super) groups: BTreeMap<String, Built>,
    /// What it leads to its gateway, if it has one.
    pub(super) hosts: Option<Hosts>,
}

/// Reads the rules of a member.
pub(super) fn read(site: Site<'_, '_>, problems: &mut Vec<Problem>) -> Result<Routes, Fault> {
    let mut reader = Reader { site, problems, groups: BTreeMap::new() };
    let Some(spec) = &site.member.ingress.spec else { return Ok(Routes::default()) };
    let mut rules = Vec::new();
    for (index, entry) in spec.rules.iter().flatten().enumerate() {
        let host = entry.host.as_deref().unwrap_or_default();
        let mut paths: Vec<_> =
            entry.http.iter().flat_map(|http| http.paths.iter().enumerate()).collect();
        paths.sort_by_key(|(_, path)| rank(path));
        for (place, path) in paths {
            let field = format!("spec.rules[{index}].http.paths[{place}]");
            reader.rule(host, path, &field, &mut rules)?;
        }
    }
    let default = spec.default_backend.as_ref();
    let default =
        default.map(|backend| reader.action(backend, "spec.defaultBackend")).transpose()?;
    Ok(Routes { rules, default, groups: reader.groups, hosts: None })
}

/// Exact paths come first, then prefixes by their length in bytes, then all others.
pub(super) fn rank(path: &HTTPIngressPath) -> (u8, Reverse<usize>) {
    let length = path.path.as_deref().map_or(0, str::len);
    match path.path_type.as_str() {
        "Exact" => (0, Reverse(0)),
        "Prefix" => (1, Reverse(length)),
        _ => (2, Reverse(0)),
    }
}

struct Reader<'s, 'a, 'p> {
    site: Site<'s, 'a>,
    problems: &'p mut Vec<Problem>,
    groups: BTreeMap<String, Built>,
}

impl Reader<'_, '_, '_> {
    fn rule(
        &mut self,
        host: &str,
        path: &HTTPIngressPath,
        field: &str,
        rules: &mut Vec<Rule>,
    ) -> Result<(), Fault> {
        let annotations = &self.site.member.annotations;
        let name =
            path.backend.service.as_ref().map(|service| service.name.as_str()).unwrap_or_default();
        let conditions = self.conditions(host, path, (field, name))?;
        let key = format!("transforms.{name}");
        let specs: Vec<TransformSpec> = annotations.json(&key)?.unwrap_or_default();
        let transforms: Result<Vec<_>, _> = specs.into_iter().map(TransformSpec::wish).collect();
        let transforms = transforms
            .and_then(refused::transforms)
            .map_err(|expected| self.annotation_fault(&key, &expected))?;
        let action = self.action(&path.backend, &format!("{field}.backend"))?;
        let (authentication, action) = action;
        let mut tags = self.site.member.own_tags();
        let trace = authentication.as_ref().and_then(Authentication::trace);
        tags.extend(trace.map(|trace| (tags::SECRET.to_owned(), trace)));
        let divided = split(Rule { conditions, authentication, action, transforms, tags });
        if divided.len() > 1 {
            let reference = self.site.member.reference.clone();
            let message = format!(
                "AWS takes {VALUES_PER_RULE} values in a rule: it is divided in {}",
                divided.len()
            );
            let problem = Problem::warning(reference, field, "rule-divided").message(message);
            self.problems
                .push(problem.advice("ask for fewer hosts and paths in one, if rules run short"));
        }
        for rule in divided {
            self.check(&rule, field)?;
            rules.push(rule);
        }
        Ok(())
    }

    /// Conditions of the annotation and of the rule itself, hosts and paths of both put together.
    fn conditions(
        &self,
        host: &str,
        path: &HTTPIngressPath,
        (field, name): (&str, &str),
    ) -> Result<Vec<Condition>, Fault> {
        let key = format!("conditions.{name}");
        let specs: Vec<ConditionSpec> =
            self.site.member.annotations.json(&key)?.unwrap_or_default();
        let mut conditions = Vec::new();
        let mut hosts = Alternatives::default();
        let mut paths = Alternatives::default();
        hosts.texts.extend(Some(host.to_owned()).filter(|host| !host.is_empty()));
        self.path(path, field, &mut paths)?;
        for spec in specs {
            match spec.wish().map_err(|expected| self.annotation_fault(&key, &expected))? {
                Condition::Host(patterns) => hosts.add(patterns),
                Condition::Path(patterns) => paths.add(patterns),
                other @ (Condition::Header { .. }
                | Condition::Method(_)
                | Condition::Query(_)
                | Condition::SourceIp(_)) => conditions.push(other),
            }
        }
        let mixed = |expected| self.annotation_fault(&key, &expected);
        refused::together(&conditions).map_err(mixed)?;
        conditions.extend(hosts.patterns("hosts").map_err(mixed)?.map(Condition::Host));
        conditions.extend(paths.patterns("paths").map_err(mixed)?.map(Condition::Path));
        if conditions.is_empty() {
            conditions.push(Condition::Path(Patterns::Text(vec!["/*".to_owned()])));
        }
        Ok(conditions)
    }

    fn path(
        &self,
        path: &HTTPIngressPath,
        field: &str,
        paths: &mut Alternatives,
    ) -> Result<(), Fault> {
        let text = path.path.as_deref().unwrap_or_default();
        let kind = path.path_type.as_str();
        if matches!(kind, "Exact" | "Prefix") && glob::wildcards(text) > 0 {
            let message = format!("the path {text:?} of type {kind} has a wildcard");
            let advice = "use pathType: ImplementationSpecific for paths with * and ?";
            return Err(self.fault(&format!("{field}.path"), "path-invalid", message, advice));
        }
        if !matches!(kind, "Exact" | "Prefix" | "ImplementationSpecific" | "") {
            let message = format!("there is no type of path {kind:?}");
            let advice = "use Exact, Prefix or ImplementationSpecific";
            return Err(self.fault(&format!("{field}.pathType"), "path-invalid", message, advice));
        }
        let regex = !matches!(kind, "Exact" | "Prefix")
            && self.site.member.annotations.bool("use-regex-path-match")?.unwrap_or(false);
        match kind {
            _ if text.is_empty() => {}
            "Prefix" if text == "/" => paths.texts.push("/*".to_owned()),
            "Prefix" => {
                let stem = text.strip_suffix('/').unwrap_or(text);
                paths.texts.extend([stem.to_owned(), format!("{stem}/*")]);
            }
            "Exact" => paths.texts.push(text.to_owned()),
            // The slash is there because Kubernetes demands it.
            _ if regex => paths.regexes.push(text.chars().skip(1).collect()),
            _ => paths.texts.push(text.to_owned()),
        }
        Ok(())
    }

    /// What a client must show, and what becomes of its request then. A Service has a say about the
    /// first if it alone is sent to.
    fn action(
        &mut self,
        backend: &IngressBackend,
        field: &str,
    ) -> Result<(Option<Authentication>, Action), Fault> {
        let action = self.backend(backend, field)?;
        let only = match &action {
            Action::Forward(Forward { shares, .. }) => match shares.as_slice() {
                [Share { group: TargetGroupRef::Ours(name), .. }] => self.groups.get(name),
                _ => None,
            },
            Action::Redirect(_) | Action::Fixed(_) | Action::Unknown(_) => None,
        };
        let namespace = self.site.member.ingress.namespace();
        let service =
            only.and_then(|built| self.site.scene.index.service(namespace, &built.backend.service));
        let own = &self.site.member.annotations;
        let authentication = match service {
            Some(service) => authentication::read(&self.site, &own.under(service)),
            None => authentication::read(&self.site, own),
        };
        let authentication = authentication.or_else(|fault| self.never_asked(fault))?;
        Ok((authentication, action))
    }

    /// What a login lacks that nobody can be asked for: there is plain HTTP alone. A value that cannot
    /// be read, which its field is named for, is none to guess about.
    fn never_asked(&mut self, fault: Fault) -> Result<Option<Authentication>, Fault> {
        if !self.site.member.is_plain() || !fault.field.is_empty() {
            return Err(fault);
        }
        self.problems.push(Problem { severity: Severity::Warning, ..*fault });
        Ok(None)
    }

    fn backend(&mut self, backend: &IngressBackend, field: &str) -> Result<Action, Fault> {
        let Some(service) = &backend.service else {
            let message = "it names a resource, and a load balancer can send to Services only";
            let advice = "name a Service";
            return Err(self.fault(field, "backend-not-supported", message.to_owned(), advice));
        };
        let port = ingress::port(service);
        if port == IntOrString::String(USE_ANNOTATION.to_owned()) {
            return self.annotated(&service.name, field);
        }
        let group = self.service(&service.name, &port, field)?;
        Ok(group.map_or_else(missing_service, Action::forward))
    }

    /// The action that an annotation describes.
    fn annotated(&mut self, name: &str, field: &str) -> Result<Action, Fault> {
        let key = format!("actions.{name}");
        let Some(spec) = self.site.member.annotations.json::<ActionSpec>(&key)? else {
            let message = format!("there is no annotation alb.ingress.kubernetes.io/{key}");
            let advice = "add it, or name a Service and its port";
            if self.site.scene.settings.has(Switch::NeedActions) {
                return Err(self.fault(field, "action-not-found", message, advice));
            }
            self.report(field, "action-not-found", message, advice);
            return Ok(Action::answer(503, Some("Backend action does not exist")));
        };
        match spec.wish().map_err(|expected| self.annotation_fault(&key, &expected))? {
            ActionWish::Redirect(redirect) => Ok(Action::Redirect(redirect)),
            ActionWish::Fixed(fixed) => Ok(Action::Fixed(fixed)),
            ActionWish::Forward(shares, stickiness) => self.forward(shares, stickiness, &key),
        }
    }

    /// A share that leads nowhere is left out, as long as there is another.
    fn forward(
        &mut self,
        wishes: Vec<ShareWish>,
        stickiness: Option<u32>,
        key: &str,
    ) -> Result<Action, Fault> {
        let field = crate::annotations::field(&format!("{}{key}", crate::annotations::PREFIX));
        let mut shares = Vec::new();
        for ShareWish { target, weight } in wishes {
            let group = match target {
                TargetWish::Arn(arn) if self.site.scene.lookups.refused.contains(&arn) => {
                    self.no_group(&arn, &field);
                    None
                }
                TargetWish::Arn(arn) => Some(TargetGroupRef::Foreign(arn)),
                TargetWish::Name(name) => self.foreign(&name, &field),
                TargetWish::Service(name, port) => {
                    self.service(&name, &index::numeric(port), &field)?
                }
            };
            shares.extend(group.map(|group| Share { group, weight }));
        }
        if let [only] = shares.as_mut_slice() {
            only.weight = only.weight.max(1);
        }
        if shares.is_empty() {
            Ok(missing_service())
        } else {
            Ok(Action::Forward(Forward { shares, stickiness }))
        }
    }

    fn no_group(&mut self, name: &str, field: &str) {
        let message = format!("there is no target group {name}");
        self.report(field, "target-group-not-found", message, "create it, or name another");
    }

    /// A target group of somebody else, by name.
    fn foreign(&mut self, name: &str, field: &str) -> Option<TargetGroupRef> {
        match &self.site.scene.lookups.target_groups {
            None => Some(TargetGroupRef::Foreign(name.to_owned())),
            Some(known) => {
                let arn = known.get(name).cloned();
                if arn.is_none() {
                    self.no_group(name, field);
                }
                arn.map(TargetGroupRef::Foreign)
            }
        }
    }

    /// The target group of a Service; nothing, and a problem, if that is not there.
    fn service(
        &mut self,
        name: &str,
        port: &IntOrString,
        field: &str,
    ) -> Result<Option<TargetGroupRef>, Fault> {
        let missing = match target_group::build(self.site, name, port, self.problems)? {
            Ok(built) => {
                let group = built.group.name.clone();
                self.groups.insert(group.clone(), built);
                return Ok(Some(TargetGroupRef::Ours(group)));
            }
            Err(missing) => missing,
        };
        let namespace = self.site.member.reference.namespace.clone();
        match missing {
            Missing::Service => {
                let message =
                    format!("there is no Service {namespace}/{name}: such requests get 503");
                let advice = "create it, or name another";
                if self.site.scene.settings.has(Switch::NeedServices) {
                    let message = format!("there is no Service {namespace}/{name}");
                    return Err(self.fault(field, "service-not-found", message, advice));
                }
                self.report(field, "service-not-found", message, advice);
            }
            Missing::Port => {
                let port = target_group::spell(port);
                let known = self.site.scene.index.service(&namespace, name).map(index::known_ports);
                let message =
                    format!("Service {namespace}/{name} has no port {port}: such requests get 503");
                let advice = format!("use one of its ports: {}", known.unwrap_or_default());
                self.report(field, "port-not-found", message, &advice);
            }
        }
        Ok(None)
    }

    fn check(&self, rule: &Rule, field: &str) -> Result<(), Fault> {
        let values = || rule.conditions.iter().flat_map(Condition::texts);
        let wildcards: usize = values().map(glob::wildcards).sum();
        let fault = |message: String, advice: &str| {
            Err(self.fault(field, "condition-too-big", message, advice))
        };
        if let Some(long) = values().find(|value| value.chars().count() > VALUE_LENGTH) {
            let message = format!("{long:?} is longer than {VALUE_LENGTH} characters");
            return fault(message, "make it shorter: AWS takes no longer ones");
        }
        if wildcards > WILDCARDS_PER_RULE {
            let message = format!("the rule has {wildcards} wildcards");
            return fault(message, &format!("use at most {WILDCARDS_PER_RULE}: AWS takes no more"));
        }
        if rule.values() > VALUES_PER_RULE {
            let message = format!("the rule has {} conditions that must all hold", rule.values());
            return fault(message, &format!("use at most {VALUES_PER_RULE}: AWS takes no more"));
        }
        Ok(())
    }

    fn report(&mut self, field: &str, code: &'static str, message: String, advice: &str) {
        let reference = self.site.member.reference.clone();
        self.problems.push(Problem::error(reference, field, code).message(message).advice(advice));
    }

    fn fault(&self, field: &str, code: &'static str, message: String, advice: &str) -> Fault {
        let reference = self.site.member.reference.clone();
        Box::new(Problem::error(reference, field, code).message(message).advice(advice))
    }

    fn annotation_fault(&self, name: &str, expected: &Expected) -> Fault {
        match self.site.member.annotations.text(name) {
            Some(found) => found.fault(expected),
            None => self.fault("", "annotation-invalid", expected.wrong.clone(), &expected.advice),
        }
    }
}

fn missing_service() -> Action {
    Action::answer(503, Some("Backend service does not exist"))
}
