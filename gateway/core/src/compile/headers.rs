//! Header operations of a rule and of its destinations, joined as Istio joins them.

use super::report::Field;
use crate::action::{
    HeaderOps, Ops,
    template::{BadTemplate, Template},
};
use edgeway_api::virtual_service::{HeaderOperations, Headers};
use http::HeaderName;

/// The operations of one level; a bad one is reported and left out.
pub(super) fn operations(headers: Option<&Headers>, field: &mut Field<'_>) -> HeaderOps {
    let Some(Headers { request, response }) = headers else { return HeaderOps::default() };
    HeaderOps {
        request: field.of("request", |field| side(request.as_ref(), field)),
        response: field.of("response", |field| side(response.as_ref(), field)),
    }
}

/// A single destination's operations follow the rule's in one list, so its `set` wins; the rule's
/// `Host` wins (as Istio: `translateHeadersOperation` on a route that is not weighted).
pub(super) fn joined(rule: HeaderOps, destination: HeaderOps) -> HeaderOps {
    let join = |first: Ops, second: Ops| Ops {
        remove: [first.remove, second.remove].concat(),
        set: [first.set, second.set].concat(),
        add: [first.add, second.add].concat(),
        host: first.host.or(second.host),
    };
    HeaderOps {
        request: join(rule.request, destination.request),
        response: join(rule.response, destination.response),
    }
}

fn side(operations: Option<&HeaderOperations>, field: &mut Field<'_>) -> Ops {
    let Some(HeaderOperations { set, add, remove }) = operations else { return Ops::default() };
    let mut ops = Ops::default();
    for (key, value) in add {
        field.of("add", |field| write(key, value, &mut ops, Ops::push_add, field));
    }
    // After `add`, so that a `Host` that is set wins over one that is added.
    for (key, value) in set {
        field.of("set", |field| write(key, value, &mut ops, Ops::push_set, field));
    }
    for name in remove {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => ops.remove.push(name),
            Err(_) => field.of("remove", |field| {
                field.invalid(format!("`{name}` is no header name"), "use letters, digits and `-`");
            }),
        }
    }
    ops
}

fn write(
    key: &str,
    value: &str,
    ops: &mut Ops,
    push: fn(&mut Ops, HeaderName, Template),
    field: &mut Field<'_>,
) {
    if key.eq_ignore_ascii_case("host") || key.eq_ignore_ascii_case(":authority") {
        ops.host = Some(value.into());
        return;
    }
    let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
        field.invalid(format!("`{key}` is no header name"), "use letters, digits and `-`");
        return;
    };
    match Template::parse(value) {
        Ok(template) => push(ops, name, template),
        Err(BadTemplate(reason)) => {
            field.invalid(format!("the value `{value}` of `{key}`: {reason}"), "correct the value");
        }
    }
}

impl Ops {
    fn push_set(&mut self, name: HeaderName, value: Template) {
        self.set.push((name, value));
    }

    fn push_add(&mut self, name: HeaderName, value: Template) {
        self.add.push((name, value));
    }
}
