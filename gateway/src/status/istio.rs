//! Statuses of Istio's objects: our conditions beside those of others.

use super::conditions::{TYPES, is_same, reason, timed};
use edgeway_api::{Problem, Severity, edge_status::Condition};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::collections::BTreeSet;

/// Where the pages of problems are.
const PAGES: &str = "https://github.com/edgeway/edgeway/blob/main/docs/problems";

/// What should be said of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IstioWish {
    /// Of which of the objects that had the name: what was said of one is not said of the next.
    pub(super) uid: Option<String>,
    pub(super) conditions: Vec<Condition>,
    /// As Istio's analyzers would say it.
    pub(super) messages: Vec<Value>,
}

/// An object as it is now, as far as that matters.
#[derive(Debug, Default)]
pub(super) struct Live {
    version: String,
    generation: Option<i64>,
    conditions: Vec<Value>,
    messages: Vec<Value>,
}

#[derive(Deserialize)]
struct RawObject<'r> {
    metadata: Head,
    #[serde(borrow, default)]
    status: Option<&'r RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    generation: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    conditions: Option<Vec<Value>>,
    #[serde(default)]
    validation_messages: Option<Vec<Value>>,
}

/// What problems are as messages of an analyzer, each code once.
pub(super) fn messages(problems: &[&Problem]) -> Vec<Value> {
    let codes: BTreeSet<(&str, &str)> = problems
        .iter()
        .map(|problem| match problem.severity {
            Severity::Error => (problem.code, "ERROR"),
            Severity::Warning => (problem.code, "WARNING"),
        })
        .collect();
    let message = |(code, level): (&str, &str)| {
        json!({
            "type": {"code": code, "name": reason(code)},
            "level": level,
            "documentationUrl": format!("{PAGES}/{code}.md"),
        })
    };
    codes.into_iter().map(message).collect()
}

impl Live {
    /// A status that cannot be read says nothing.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let RawObject { metadata, status } = serde_json::from_str(text)?;
        let status: Status =
            status.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        Ok(Self {
            version: metadata.resource_version,
            generation: metadata.generation,
            conditions: status.conditions.unwrap_or_default(),
            messages: status.validation_messages.unwrap_or_default(),
        })
    }

    /// The status that says what is wished beside what others say; nothing, if it is said already.
    pub(super) fn with(&self, wish: &IstioWish, now: &str) -> Option<Value> {
        let ours = |condition: &&Value| {
            condition["type"].as_str().is_some_and(|name| TYPES.contains(&name))
        };
        let before: Vec<Condition> = self
            .conditions
            .iter()
            .filter(ours)
            .filter_map(|condition| serde_json::from_value(condition.clone()).ok())
            .collect();
        let is_page = |message: &&Value| message["documentationUrl"].as_str().is_some_and(is_ours);
        let told: Vec<&Value> = self.messages.iter().filter(is_page).collect();
        let mut wished = wish.conditions.clone();
        for condition in &mut wished {
            // What could not be read has no generation that we know.
            condition.observed_generation = condition.observed_generation.or(self.generation);
        }
        if is_same(&wished, &before) && told.into_iter().eq(&wish.messages) {
            return None;
        }
        let others = self.conditions.iter().filter(|condition| !ours(condition)).cloned();
        let own = timed(wished, &before, now).into_iter().map(|condition| json!(condition));
        let conditions: Vec<Value> = others.chain(own).collect();
        let others = self.messages.iter().filter(|message| !is_page(message)).cloned();
        let messages: Vec<Value> = others.chain(wish.messages.iter().cloned()).collect();
        if messages.is_empty() && self.messages.is_empty() {
            return Some(json!({"conditions": conditions}));
        }
        Some(json!({"conditions": conditions, "validationMessages": messages}))
    }

    /// So that nobody's words are lost who has written since.
    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

fn is_ours(page: &str) -> bool {
    page.starts_with(PAGES)
}

#[cfg(test)]
mod tests {
    use super::{super::conditions::Conditions, IstioWish, Live, messages};
    use edgeway_api::{ObjectRef, Problem};
    use serde_json::{Value, json};

    fn wish(problems: &[Problem]) -> IstioWish {
        let problems: Vec<&Problem> = problems.iter().collect();
        let conditions = Conditions::about(Some(3));
        let conditions = conditions.judge(super::super::conditions::Aspect::Accepted, &problems);
        IstioWish { uid: None, conditions: conditions.summed(), messages: messages(&problems) }
    }

    fn live(status: &Value) -> Live {
        let object =
            json!({"metadata": {"resourceVersion": "9", "generation": 3}, "status": status});
        Live::read(&object.to_string()).unwrap()
    }

    #[test]
    fn ours_stand_beside_those_of_others() {
        let theirs = json!({
            "conditions": [{"type": "Reconciled", "status": "True"}],
            "validationMessages": [{"type": {"code": "IST0101"}, "level": "ERROR",
                "documentationUrl": "https://istio.io/a"}],
        });
        let object = ObjectRef::new("VirtualService", "a", "b");
        let problem = Problem::error(object, "spec", "invalid-field").message("m");
        let status = live(&theirs).with(&wish(std::slice::from_ref(&problem)), "now").unwrap();
        let names: Vec<&str> = status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["type"].as_str())
            .collect();
        assert_eq!(names, ["Reconciled", "Accepted", "Ready"]);
        let codes: Vec<&str> = status["validationMessages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["type"]["code"].as_str())
            .collect();
        assert_eq!(codes, ["IST0101", "invalid-field"]);
        assert_eq!(live(&status).with(&wish(&[problem]), "later"), None, "it is said");
        let mended = live(&status).with(&wish(&[]), "later").unwrap();
        assert_eq!(mended["validationMessages"].as_array().unwrap().len(), 1);
        assert_eq!(mended["conditions"][1]["lastTransitionTime"], "later");
    }

    #[test]
    fn a_status_that_cannot_be_read_says_nothing() {
        let deep = (0..400).fold(json!(1), |inner, _| json!([inner]));
        let live = live(&json!({"conditions": deep}));
        assert_eq!(live.version(), "9");
        assert!(live.with(&wish(&[]), "now").is_some());
    }
}
