//! What is told of a gateway when something is found out late.

use super::{Gateway, Metrics, ObjectRef, Problem, Report, Scribe};
use crate::subject::{State, Subject};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

fn shown(families: &Metrics, condition: &str) -> bool {
    let text = families.text(crate::metrics::Problems::default()).unwrap();
    let wanted = format!("condition=\"{condition}\"");
    text.lines().any(|line| line.contains(&wanted) && line.contains("status=\"False\""))
}

#[tokio::test(start_paused = true)]
async fn what_is_found_out_after_a_report_is_told_on_the_object() {
    let object = ObjectRef::new("Gateway", "edge", "front");
    let (told, problems) = watch::channel(Vec::new());
    let (report, reports) = watch::channel(Arc::default());
    let (_open, listeners) = watch::channel(BTreeMap::new());
    let (refused, _refusals) = watch::channel(Vec::new());
    let families = Arc::new(Metrics::new().unwrap());
    let gateway = Gateway { target: object.clone(), problems: vec![problems], listeners };
    let scribe = Scribe::new(None, gateway, reports, &families, refused);
    let running = tokio::spawn(scribe.run());
    let subject = Subject {
        object: object.clone(),
        uid: None,
        generation: Some(1),
        state: State::Serves,
        has_tls: true,
    };
    let subjects = Arc::new(vec![subject]);
    report.send_replace(Arc::new(Report { generation: 1, subjects, ..Report::default() }));
    sleep(Duration::from_secs(1)).await;
    assert!(!shown(&families, "CertificateReady"));
    told.send_replace(vec![Problem::error(object, "spec", "credential-broken")]);
    sleep(Duration::from_secs(1)).await;
    assert!(shown(&families, "CertificateReady") && shown(&families, "Ready"));
    told.send_replace(Vec::new());
    sleep(Duration::from_secs(1)).await;
    assert!(!shown(&families, "CertificateReady"));
    // Who tells may end before reports do.
    drop(told);
    drop(report);
    running.await.unwrap();
}
