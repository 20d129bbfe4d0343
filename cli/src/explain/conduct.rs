//! What a route does on the way besides choosing: deadlines, tries, faults, cross-origin requests.

use super::answer::{Action, Answer, Hop};
use edgeway_core::{
    action::{
        Forward, Mirror,
        cors::Verdict,
        fault::{Abort, AbortStatus, Fault, WHOLE},
    },
    request::Request,
};

/// Marks an answer that the gateway gives in the backend's place, and tells the rest in lines.
pub(super) fn conduct(
    forward: &Forward,
    request: &Request<'_>,
    answer: &mut Answer,
) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(forward.timeout.map(|time| format!("within {time:?}, all tries together")));
    lines.extend(tries(forward));
    lines.extend(forward.mirrors.iter().map(copied));
    if let Some(fault) = &forward.fault {
        lines.extend(faults(fault));
        if let Some(Abort { status, share: WHOLE }) = fault.abort {
            let status = match status {
                AbortStatus::Http(status) => status,
                AbortStatus::Grpc(_) => 200,
            };
            instead(answer, status, "fault injection aborts every request");
            return lines;
        }
    }
    let verdict = forward.cors.as_ref().map(|cors| cors.judge(request.method, request.headers));
    match verdict {
        None | Some(Verdict::Pass) => {}
        Some(Verdict::Mark(_)) => lines.push("its answer is marked for the origin".to_owned()),
        Some(Verdict::Answer(_)) => {
            instead(answer, 200, "corsPolicy answers the preflight");
        }
    }
    lines
}

fn instead(answer: &mut Answer, status: u16, reason: &str) {
    answer.hop = Hop::Gateway;
    answer.action = Action::Direct;
    answer.status = Some(status);
    answer.reason = Some(reason.to_owned());
}

fn tries(forward: &Forward) -> Option<String> {
    let retry = &forward.retry;
    let is_usual = *retry == edgeway_core::action::Retry::default();
    if is_usual || retry.attempts == 0 {
        return None;
    }
    let each = retry.per_try_timeout.map(|time| format!(", each within {time:?}"));
    let on: Vec<&str> = retry.on.words().collect();
    let on = on.join(", ");
    Some(format!("{} more tries{} on {on}", retry.attempts, each.unwrap_or_default()))
}

fn copied(mirror: &Mirror) -> String {
    let Mirror { cluster_name, cluster, share } = mirror;
    match cluster {
        Some(_) => format!("copies of {} % go to {cluster_name}", percent(*share)),
        None => format!("no copies: {cluster_name} does not exist"),
    }
}

fn percent(share: u32) -> f64 {
    f64::from(share) / f64::from(WHOLE / 100)
}

fn faults(fault: &Fault) -> Vec<String> {
    let delay = fault.delay.map(|delay| {
        format!("fault: {} % of the requests wait {:?}", percent(delay.share), delay.time)
    });
    let abort = fault.abort.map(|abort| {
        let status = match abort.status {
            AbortStatus::Http(status) => status.to_string(),
            AbortStatus::Grpc(status) => format!("gRPC status {status}"),
        };
        format!("fault: {} % of the requests get {status}", percent(abort.share))
    });
    delay.into_iter().chain(abort).collect()
}
