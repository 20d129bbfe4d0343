//! Calls against an account in memory: no socket, a clock that the test moves.

mod anything;
mod coverage;
mod ec2;
mod json;
mod laws;
mod listeners;
mod load_balancers;
mod past;
mod rules;
mod tags;
mod targets;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::bucket::Objects;
use crate::config::Config;
use crate::error::AwsError;
use crate::state::World;
use crate::wire::doc::Doc;
use crate::wire::{Query, Reply, Request, Service};

/// Two subnets in two zones, as the parameters of a call.
pub(crate) const SUBNETS: &str =
    "Subnets.member.1=subnet-10ca1a1a&Subnets.member.2=subnet-10ca1a1b";

/// An account and a clock.
pub(crate) struct Account {
    pub(crate) world: World,
    pub(crate) now: SystemTime,
    /// How old what calls see is.
    pub(crate) age: Duration,
    /// Objects of buckets for the next call.
    pub(crate) objects: Objects,
}

/// A reply, to look into.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen(Doc);

impl Seen {
    /// The text at a path, `Rules.0.Priority`.
    pub(crate) fn text(&self, path: &str) -> String {
        match self.0.at(path) {
            Some(Doc::Text(text)) => text.clone(),
            other => panic!("no text at {path} but {other:?} in {:?}", self.0),
        }
    }

    /// The length of the list at a path.
    pub(crate) fn count(&self, path: &str) -> usize {
        match self.0.at(path) {
            Some(Doc::List(items)) => items.len(),
            other => panic!("no list at {path} but {other:?}"),
        }
    }

    /// The texts of one field of all elements of a list.
    pub(crate) fn column(&self, list: &str, field: &str) -> Vec<String> {
        (0..self.count(list)).map(|index| self.text(&format!("{list}.{index}.{field}"))).collect()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.at(path).is_some()
    }
}

impl Account {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// An account whose settings were changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self {
            world: World::new(Arc::new(config), 1),
            now,
            age: Duration::ZERO,
            objects: Objects::new(),
        }
    }

    fn send(&mut self, service: Service, action: &str, form: &str) -> Result<Seen, AwsError> {
        let request = Request {
            service,
            action: action.to_owned(),
            region: "eu-west-1".to_owned(),
            query: Query::decode(form.as_bytes()),
            json: Value::Null,
            objects: std::mem::take(&mut self.objects),
        };
        self.now += Duration::from_millis(1);
        match self.world.apply(&request, self.now, self.now - self.age)? {
            Reply::Xml(fields) => Ok(Seen(fields.into())),
            Reply::Json(value) => panic!("JSON from a Query call: {value}"),
        }
    }

    /// A call of load balancing that succeeds.
    pub(crate) fn elb(&mut self, action: &str, form: &str) -> Seen {
        self.send(Service::LoadBalancing, action, form)
            .unwrap_or_else(|error| panic!("{action} {form}: {error}"))
    }

    /// A call of load balancing that may be refused.
    pub(crate) fn try_elb(&mut self, action: &str, form: &str) -> Result<Seen, AwsError> {
        self.send(Service::LoadBalancing, action, form)
    }

    /// A call of load balancing that is refused: code and message.
    pub(crate) fn refused(&mut self, action: &str, form: &str) -> (String, String) {
        match self.send(Service::LoadBalancing, action, form) {
            Err(error) => (error.code.name().to_owned(), error.message.into_owned()),
            Ok(seen) => panic!("{action} {form} succeeded: {seen:?}"),
        }
    }

    /// A call of EC2.
    pub(crate) fn ec2(&mut self, action: &str, form: &str) -> Result<Seen, AwsError> {
        self.send(Service::Ec2, action, form)
    }

    /// A call of a JSON service.
    pub(crate) fn json(
        &mut self,
        service: Service,
        action: &str,
        json: Value,
    ) -> Result<Value, AwsError> {
        let request = Request {
            service,
            action: action.to_owned(),
            region: "eu-west-1".to_owned(),
            query: Query::default(),
            json,
            objects: Objects::new(),
        };
        match self.world.apply(&request, self.now, self.now - self.age)? {
            Reply::Json(value) => Ok(value),
            Reply::Xml(fields) => panic!("XML from a JSON call: {fields:?}"),
        }
    }

    /// A new load balancer's ARN.
    pub(crate) fn load_balancer(&mut self, name: &str) -> String {
        self.elb("CreateLoadBalancer", &format!("Name={name}&{SUBNETS}"))
            .text("LoadBalancers.0.LoadBalancerArn")
    }

    /// A new HTTP listener's ARN; it answers 404.
    pub(crate) fn listener(&mut self, load_balancer: &str, port: u16) -> String {
        let form = format!(
            "LoadBalancerArn={load_balancer}&Protocol=HTTP&Port={port}&DefaultActions.member.1.Type=fixed-response\
             &DefaultActions.member.1.FixedResponseConfig.StatusCode=404"
        );
        self.elb("CreateListener", &form).text("Listeners.0.ListenerArn")
    }

    /// A new target group's ARN.
    pub(crate) fn group(&mut self, name: &str) -> String {
        self.elb(
            "CreateTargetGroup",
            &format!("Name={name}&Protocol=HTTP&Port=80&VpcId=vpc-10ca1a1b&TargetType=ip"),
        )
        .text("TargetGroups.0.TargetGroupArn")
    }
}
