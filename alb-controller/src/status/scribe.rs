//! Writes what became of Ingresses, as long as we lead.

use super::{
    INGRESS, MANAGER,
    event::Told,
    wish::{IngressWish, wishes},
};
use crate::event::Status;
use edgeway_api::{
    EdgeStatus, ObjectRef, Problem,
    edge_status::{GROUP, PLURAL, VERSION},
};
use edgeway_gateway::{
    api_server::{ApiServer, Refusal},
    lease::Tenure,
    status::{EdgeWish, Pace, after},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// After what could not be written is tried again, and events are counted.
const AGAIN: Duration = Duration::from_secs(10);

/// After what was refused is tried again.
const LATER: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Scribe {
    pub(crate) api: ApiServer,
    pub(crate) tenure: Tenure,
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// Which replica we are.
    pub(crate) writer: String,
    /// Of these namespaces; none: of all.
    pub(crate) namespaces: Vec<String>,
    /// How often an event is counted while it is still so.
    pub(crate) counted_every: Duration,
    /// Which permissions are missing.
    pub(crate) refused: watch::Sender<Vec<Problem>>,
}

/// What is known to be written.
struct Memory {
    said: BTreeMap<ObjectRef, IngressWish>,
    /// Ingresses of which something was said, by us or by whoever led before.
    claimed: Option<BTreeSet<ObjectRef>>,
    events: Told,
    pace: Pace,
    /// By resource.
    refused: BTreeMap<&'static str, String>,
    is_left: bool,
}

impl Scribe {
    /// Writes what is new in every status, until there are no more.
    pub(crate) async fn run(mut self) {
        let mut memory = Memory::new(self.counted_every);
        let mut again = None;
        loop {
            tokio::select! {
                changed = self.status.changed() => if changed.is_err() { return },
                () = self.tenure.changed() => {}
                () = after(again) => {}
            }
            let status = Arc::clone(&self.status.borrow_and_update());
            if !self.tenure.holds() {
                (memory, again) = (Memory::new(self.counted_every), None);
                self.refused.send_if_modified(|told| !std::mem::take(told).is_empty());
                continue;
            }
            if status.passes == 0 {
                continue;
            }
            (memory.is_left, memory.refused) = (false, BTreeMap::new());
            self.write(&status, &mut memory).await;
            self.tell_refused(&memory.refused);
            again = match (memory.refused.is_empty(), memory.is_left) {
                (false, _) => Some(LATER),
                (true, true) => Some(AGAIN),
                (true, false) => None,
            };
        }
    }

    async fn write(&self, status: &Status, memory: &mut Memory) {
        let wishes = wishes(status, &self.writer);
        for (object, wish) in &wishes {
            if !self.tenure.holds() {
                return;
            }
            // The status of a Gateway is its gateway's to write.
            let is_said = memory.said.get(object) == Some(wish) || object.kind == "Gateway";
            if !is_said && self.write_one(object, wish, memory).await {
                memory.said.insert(object.clone(), wish.clone());
            }
            let about = (object, &wish.identity);
            let told = memory.events.tell(&self.api, about, &wish.words, &self.writer).await;
            memory.note("events.events.k8s.io", object, told);
        }
        memory.said.retain(|object, _| wishes.contains_key(object));
        self.leave(status, &wishes, memory).await;
    }

    /// Whether all of it is written.
    async fn write_one(&self, object: &ObjectRef, wish: &IngressWish, memory: &mut Memory) -> bool {
        memory.pace.wait().await;
        // What was said of one that had the name before is not said of this one.
        let before = memory.said.get(object).filter(|said| said.identity.uid == wish.identity.uid);
        let before = before.and_then(|said| said.address.clone());
        let mut is_done = true;
        if let Some(place) = wish.address.as_ref().filter(|now| Some(*now) != before.as_ref()) {
            let ports = place.ports.iter().map(|port| json!({"port": port, "protocol": "TCP"}));
            let own = json!({"hostname": place.hostname, "ports": ports.collect::<Vec<Value>>()});
            let front = place.frontend.iter().map(|hostname| json!({"hostname": hostname}));
            let all: Vec<Value> = std::iter::once(own).chain(front).collect();
            let told = json!({"ingress": all});
            let written = self.publish(object, Some(&wish.identity.uid), told).await;
            is_done &= memory.note("ingresses.networking.k8s.io/status", object, written);
        }
        let written = wish.edge.write(&self.api, MANAGER).await;
        if written == Err(Refusal::NotFound) {
            tracing::debug!("EdgeStatus is not installed: only address and events are told");
            return is_done;
        }
        if let Some(claimed) = &mut memory.claimed {
            claimed.insert(object.clone());
        }
        is_done & memory.note("edgestatuses.edgeway.dev", object, written)
    }

    /// Takes back what was said of Ingresses that are ours no more.
    async fn leave(
        &self,
        status: &Status,
        wishes: &BTreeMap<ObjectRef, IngressWish>,
        memory: &mut Memory,
    ) {
        if memory.claimed.is_none() {
            let found = self.claimed().await;
            let claimed = found.as_ref().ok().cloned();
            let object = ObjectRef::new("EdgeStatus", "", "all");
            if !memory.note("edgestatuses.edgeway.dev", &object, found.map(drop)) {
                return;
            }
            memory.claimed = Some(claimed.unwrap_or_default());
        }
        let Some(claimed) = memory.claimed.clone() else { return };
        // What cannot be read, and what all of a stack waits for, is not gone.
        let known = |object: &ObjectRef| {
            status.problems.iter().any(|problem| problem.object == *object) || status.is_incomplete
        };
        for object in claimed.iter().filter(|it| !wishes.contains_key(*it) && !known(it)) {
            memory.pace.wait().await;
            let mut gone = self.publish(object, None, json!({})).await;
            if matches!(gone, Ok(()) | Err(Refusal::NotFound)) {
                gone = EdgeWish::remove(&self.api, object).await;
            }
            if memory.note("edgestatuses.edgeway.dev", object, gone)
                && let Some(claimed) = &mut memory.claimed
            {
                claimed.remove(object);
            }
        }
    }

    /// Writes the address of a load balancer, or takes ours back.
    async fn publish(
        &self,
        object: &ObjectRef,
        uid: Option<&str>,
        balancer: Value,
    ) -> Result<(), Refusal> {
        let ObjectRef { kind, namespace, name } = object;
        let path = format!("/apis/{INGRESS}/namespaces/{namespace}/ingresses/{name}/status");
        let wish = json!({
            "apiVersion": INGRESS,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": {"loadBalancer": balancer},
        });
        self.api.apply(&path, MANAGER, &wish).await
    }

    /// The Ingresses of which something is said.
    async fn claimed(&self) -> Result<BTreeSet<ObjectRef>, Refusal> {
        let root = format!("/apis/{GROUP}/{VERSION}");
        let lists: Vec<String> = if self.namespaces.is_empty() {
            vec![format!("{root}/{PLURAL}")]
        } else {
            let of = |name: &String| format!("{root}/namespaces/{name}/{PLURAL}");
            self.namespaces.iter().map(of).collect()
        };
        let mut claimed = BTreeSet::new();
        for list in lists {
            let items: Vec<EdgeStatus> = self.api.list(&list).await?;
            let targets = items.into_iter().map(|item| {
                let reference = item.spec.target_ref;
                let namespace = item.metadata.namespace.unwrap_or_default();
                ObjectRef::new(reference.kind, namespace, reference.name)
            });
            claimed.extend(targets.filter(|target| target.kind == "Ingress"));
        }
        Ok(claimed)
    }

    fn tell_refused(&self, refused: &BTreeMap<&'static str, String>) {
        let problem = |(resource, message): (&&'static str, &String)| {
            let server = ObjectRef::new("ApiServer", "", "kube");
            Problem::warning(server, *resource, "permission-missing")
                .message(message.clone())
                .advice(
                    "grant it to whom this runs as, or start it with --write-status=false; AWS is \
                     brought into line meanwhile",
                )
        };
        let problems: Vec<Problem> = refused.iter().map(problem).collect();
        self.refused.send_if_modified(|told| {
            let differs = *told != problems;
            problems.clone_into(told);
            differs
        });
    }
}

impl Memory {
    fn new(counted_every: Duration) -> Self {
        Self {
            said: BTreeMap::new(),
            claimed: None,
            events: Told::counted(counted_every),
            pace: Pace::default(),
            refused: BTreeMap::new(),
            is_left: false,
        }
    }

    /// Whether it need not be tried again.
    fn note(
        &mut self,
        resource: &'static str,
        object: &ObjectRef,
        written: Result<(), Refusal>,
    ) -> bool {
        match written {
            Ok(()) | Err(Refusal::NotFound) => true,
            Err(refusal @ Refusal::Invalid(_)) => {
                tracing::warn!("what became of {object} cannot be written: {refusal}");
                true
            }
            Err(Refusal::Forbidden(message)) => {
                self.refused.insert(resource, message);
                false
            }
            Err(refusal @ (Refusal::Conflict(_) | Refusal::Unreachable(_))) => {
                tracing::debug!("what became of {object} is not written yet: {refusal}");
                self.is_left = true;
                false
            }
        }
    }
}
