//! Writing an `EdgeStatus`: made where it is missing, written where it says something else.

use super::conditions::{is_same, now, timed};
use crate::api_server::{ApiServer, Refusal};
use edgeway_api::{
    EdgeStatus, ObjectRef,
    edge_status::{EdgeState, GROUP, PLURAL, VERSION},
    k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use serde_json::{Value, json};

/// What should be said.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeWish {
    /// About which object; the `EdgeStatus` is in its namespace.
    pub target: ObjectRef,
    /// With which it goes: `apiVersion` and `uid` of the target. Without, it stays.
    pub owner: Option<(String, String)>,
    /// What became of it. The times of conditions are filled in.
    pub state: EdgeState,
}

impl EdgeWish {
    /// Writes it as `manager`, unless it is there already.
    pub async fn write(&self, api: &ApiServer, manager: &str) -> Result<(), Refusal> {
        let path = path(&self.target);
        let before = match api.get::<EdgeStatus>(&path).await {
            Ok(found) => Some(found),
            Err(Refusal::NotFound) => None,
            Err(refusal) => return Err(refusal),
        };
        if before.as_ref().is_none_or(|found| !self.is_bound(found)) {
            api.apply(&path, manager, &self.object()).await?;
        }
        let before = before.map(|found| found.status).unwrap_or_default();
        if self.is_said(&before) {
            return Ok(());
        }
        let conditions = timed(self.state.conditions.clone(), &before.conditions, &now());
        // What was said of other conditions, and of other fields, is taken back with this.
        let state = EdgeState { conditions, ..self.state.clone() };
        let wish = json!({
            "apiVersion": EdgeStatus::api_version(),
            "kind": "EdgeStatus",
            "metadata": self.metadata(Vec::new()),
            "status": state,
        });
        api.apply(&format!("{path}/status"), manager, &wish).await
    }

    /// Takes back what was said about `target`.
    pub async fn remove(api: &ApiServer, target: &ObjectRef) -> Result<(), Refusal> {
        api.delete(&path(target)).await
    }

    /// Whether what is there is about the same object.
    fn is_bound(&self, found: &EdgeStatus) -> bool {
        let reference = &found.spec.target_ref;
        let owners = found.metadata.owner_references.iter().flatten();
        let uid = self.owner.as_ref().map(|(_, uid)| uid);
        reference.kind == self.target.kind
            && reference.name == self.target.name
            && uid.is_none_or(|uid| owners.into_iter().any(|owner| owner.uid == *uid))
    }

    /// Whether it is said already.
    fn is_said(&self, before: &EdgeState) -> bool {
        let without = |state: &EdgeState| EdgeState { conditions: Vec::new(), ..state.clone() };
        without(&self.state) == without(before)
            && is_same(&self.state.conditions, &before.conditions)
    }

    fn metadata(&self, owners: Vec<OwnerReference>) -> ObjectMeta {
        ObjectMeta {
            name: Some(EdgeStatus::name_for(&self.target)),
            namespace: Some(self.target.namespace.clone()),
            owner_references: Some(owners).filter(|owners| !owners.is_empty()),
            ..ObjectMeta::default()
        }
    }

    fn object(&self) -> Value {
        let ObjectRef { kind, name, .. } = &self.target;
        let owner = |(version, uid): &(String, String)| OwnerReference {
            api_version: version.clone(),
            kind: kind.clone(),
            name: name.clone(),
            uid: uid.clone(),
            ..OwnerReference::default()
        };
        json!({
            "apiVersion": EdgeStatus::api_version(),
            "kind": "EdgeStatus",
            "metadata": self.metadata(self.owner.iter().map(owner).collect()),
            "spec": {"targetRef": {"kind": kind, "name": name}},
        })
    }
}

fn path(target: &ObjectRef) -> String {
    let name = EdgeStatus::name_for(target);
    format!("/apis/{GROUP}/{VERSION}/namespaces/{}/{PLURAL}/{name}", target.namespace)
}

#[cfg(test)]
mod tests {
    use super::{EdgeState, EdgeStatus, EdgeWish, ObjectRef};
    use edgeway_api::edge_status::Condition;

    fn wish(uid: &str, address: &str) -> EdgeWish {
        let condition =
            Condition { r#type: "Ready".into(), status: "True".into(), ..Condition::default() };
        EdgeWish {
            target: ObjectRef::new("Ingress", "a", "b"),
            owner: Some(("networking.k8s.io/v1".into(), uid.into())),
            state: EdgeState {
                address: Some(address.into()),
                conditions: vec![condition],
                ..EdgeState::default()
            },
        }
    }

    #[test]
    fn what_is_said_already_is_not_said_again() {
        let mut before = wish("1", "x").state;
        before.conditions[0].last_transition_time = "yesterday".into();
        assert!(wish("1", "x").is_said(&before) && !wish("1", "y").is_said(&before));
        before.conditions[0].status = "False".into();
        assert!(!wish("1", "x").is_said(&before));
    }

    #[test]
    fn it_goes_with_the_object_that_it_is_about() {
        let object: EdgeStatus = serde_json::from_value(wish("1", "x").object()).unwrap();
        assert_eq!(object.metadata.name.as_deref(), Some("ingress.b"));
        assert!(wish("1", "x").is_bound(&object));
        assert!(!wish("2", "x").is_bound(&object), "made anew since");
    }
}
