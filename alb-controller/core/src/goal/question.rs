//! What AWS is asked about only where it matters, since each answer costs a call.

use super::{Desired, Observed};
use crate::{id::StackId, stack::Stack};

/// Something about a thing that stands which is not told together with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Attributes of the load balancer.
    BalancerAttributes(StackId),
    /// Its access control list.
    WebAcl(StackId),
    /// Whether it is protected.
    Shield(StackId),
    /// The capacity that is kept ready for it.
    Capacity(StackId),
    /// Attributes of the listener on a port.
    ListenerAttributes(StackId, u16),
    /// Attributes of the target groups that are for this.
    GroupAttributes(StackId, String),
}

impl Question {
    /// The stack that it is about.
    pub const fn stack(&self) -> &StackId {
        match self {
            Self::BalancerAttributes(id)
            | Self::WebAcl(id)
            | Self::Shield(id)
            | Self::Capacity(id)
            | Self::ListenerAttributes(id, _)
            | Self::GroupAttributes(id, _) => id,
        }
    }
}

impl Desired {
    /// Whether an answer matters to the plan. A load balancer that is to go may be protected.
    pub fn asks(&self, question: &Question) -> bool {
        let Some(stack) = self.stacks.get(question.stack()) else {
            return matches!(question, Question::BalancerAttributes(_));
        };
        let Stack { load_balancer: balancer, target_groups, approved, .. } = stack;
        match question {
            Question::BalancerAttributes(_) => {
                !balancer.attributes.is_empty() || !approved.is_empty()
            }
            Question::WebAcl(_) => balancer.add_ons.web_acl.is_some(),
            Question::Shield(_) => balancer.add_ons.shield.is_some(),
            Question::Capacity(_) => balancer.add_ons.capacity.is_some(),
            Question::ListenerAttributes(_, port) => {
                balancer.listeners.get(port).is_some_and(|listener| !listener.attributes.is_empty())
            }
            Question::GroupAttributes(_, resource) => target_groups
                .values()
                .any(|group| group.resource == *resource && !group.attributes.is_empty()),
        }
    }
}

impl Observed {
    /// All questions that there could be about what stands.
    pub fn questions(&self) -> impl Iterator<Item = Question> {
        self.stacks.iter().flat_map(|(id, standing)| {
            let ports = standing.load_balancers.values().flat_map(|b| b.listeners.keys());
            let ports = ports.map(|port| Question::ListenerAttributes(id.clone(), *port));
            let groups = standing.target_groups.values();
            let groups =
                groups.map(|group| Question::GroupAttributes(id.clone(), group.resource.clone()));
            let one = standing.load_balancers.values().flat_map(|_| {
                [
                    Question::BalancerAttributes(id.clone()),
                    Question::WebAcl(id.clone()),
                    Question::Shield(id.clone()),
                    Question::Capacity(id.clone()),
                ]
            });
            one.chain(ports).chain(groups)
        })
    }
}
