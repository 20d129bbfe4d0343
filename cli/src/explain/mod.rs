//! What happens to a request, hop by hop, without sending it.
//!
//! Nothing is decided here: the ALB's rules and the gateway's table are asked, the same that serve.

mod alb;
pub mod answer;
pub mod ask;
mod conduct;
mod entry;
mod gate;
mod present;
mod text;
mod words;

pub use answer::{Answer, Explanation};
pub use ask::{Ask, BadAsk, Question};
pub use text::story;
pub(crate) use words::conditions;

use crate::furnish::Role;
use alb::{Onward, Passage};
use answer::{Action, Hop, Step, Upstream};
use edgeway_alb_core::{Desired, stack::Backend};
use edgeway_api::{Objects, Resource};
use edgeway_core::table::{App, Table};
use edgeway_gateway::preview::Refused;
use std::net::IpAddr;

/// All that is asked.
#[derive(Debug)]
pub struct Explainer<'o> {
    /// What was read.
    pub objects: &'o Objects,
    /// The gateway's table.
    pub table: &'o Table,
    /// The gateway.
    pub role: &'o Role,
    /// The ALBs; `None` to ask the gateway straight away.
    pub albs: Option<&'o Desired>,
    /// The client's address.
    pub client: IpAddr,
}

/// What is known of a request before it comes to the gateway.
struct Before {
    answer: Option<Answer>,
    steps: Vec<Step>,
}

impl Explainer<'_> {
    /// What happens to the request.
    pub fn explain(&self, question: &Question) -> Explanation {
        let Some(albs) = self.albs.filter(|albs| !albs.stacks.is_empty()) else {
            let port = (question.port_or_default(), question.port.is_some());
            return self.at_gateway(question, port, Before { answer: None, steps: Vec::new() });
        };
        match alb::pass(albs.stacks.values(), question, self.client) {
            Passage::Ends(explanation) => alb::without_rule(*explanation, || {
                alb::left_out(albs, self.objects, question.host())
            }),
            Passage::Goes(onward) => self.behind_alb(*onward),
        }
    }

    fn behind_alb(&self, onward: Onward<'_>) -> Explanation {
        let Onward { backend, question, mut answer, mut steps } = onward;
        if let Some(port) = self.gateway_port(backend) {
            return self.at_gateway(
                &question,
                (port, true),
                Before { answer: Some(answer), steps },
            );
        }
        answer.hop = Hop::Backend;
        answer.action = Action::Forward;
        let authority = question.host().to_owned();
        answer.upstream = Some(Upstream { authority, path: question.target });
        let what = format!("Service {backend}, without passing the gateway");
        steps.push(Step { place: "Backend", what, why: Vec::new() });
        Explanation { answer, steps }
    }

    /// The port that the gateway listens on behind `backend`, if that is a Service of the gateway.
    fn gateway_port(&self, backend: &Backend) -> Option<u16> {
        let service = self.objects.services.iter().find(|service| {
            service.namespace() == backend.namespace && service.name() == backend.service
        })?;
        self.role.listening_of(self.objects, service, &backend.port)
    }

    fn at_gateway(&self, question: &Question, port: (u16, bool), before: Before) -> Explanation {
        let Explanation { mut answer, steps } = self.inside(question, port);
        if let Some(known) = before.answer {
            answer.listener = known.listener;
            answer.alb_rule = known.alb_rule;
        }
        Explanation { answer, steps: before.steps.into_iter().chain(steps).collect() }
    }

    fn inside(&self, question: &Question, port: (u16, bool)) -> Explanation {
        let Some(listener) = entry::listener(self.table, self.objects, self.role, port) else {
            return refused(format!("the gateway does not listen on port {}", port.0));
        };
        let scheme = question.scheme;
        let names = (question.sni.as_deref(), question.host());
        let visit = entry::visit(self.table, listener, scheme, names);
        let (visit, app) = match visit {
            Ok(visit) => visit,
            Err(reason) => return refused(reason),
        };
        match app {
            App::Tcp(route) => visit.tcp(route),
            App::Services(services) => {
                let name = question.sni.as_deref().unwrap_or_default().to_ascii_lowercase();
                match services.route(&name) {
                    Some(route) => visit.tcp(route),
                    None => refused(format!("no service of the mesh is called {name}")),
                }
            }
            App::Http(hosts) => match present::present(question, self.client) {
                Ok(view) if view.is_health_check() => visit.health(),
                Ok(view) => visit.http(hosts, &view.request()),
                Err(Refused { status, reason }) => {
                    let what = format!("{status} to a request that is not in order");
                    let step = Step { place: "Gateway", what, why: vec![reason.to_owned()] };
                    let reason = format!("the request is refused: {reason}");
                    let answer = Answer {
                        status: Some(status),
                        listener: Some(visit.name()),
                        ..Answer::nothing(Hop::Gateway, reason)
                    };
                    Explanation { answer, steps: vec![step] }
                }
            },
        }
    }
}

/// The connection comes to nothing.
fn refused(reason: String) -> Explanation {
    let step = Step { place: "Gateway", what: reason.clone(), why: Vec::new() };
    Explanation { answer: Answer::nothing(Hop::Gateway, reason), steps: vec![step] }
}

#[cfg(test)]
mod tests;
