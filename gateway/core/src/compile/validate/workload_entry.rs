//! WorkloadEntry, alone or as an endpoint of a ServiceEntry.

use super::{
    super::report::Field,
    primitive::{self, is_fqdn, is_ip, is_label, is_unix_path},
};
use edgeway_api::{WorkloadEntrySpec, service_entry::Resolution};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None, which is allowed for another network.
    Absent,
    /// An IP address.
    Ip,
    /// A name.
    Name,
    /// A socket in the file system, or an abstract one.
    Unix,
}

/// Checks one WorkloadEntry; `field` stands at `spec`.
pub(super) fn validate(spec: &WorkloadEntrySpec, field: &mut Field<'_>) {
    endpoint(spec, field);
}

/// Checks an endpoint; `None` if its address is of no kind.
pub(super) fn endpoint(spec: &WorkloadEntrySpec, field: &mut Field<'_>) -> Option<Kind> {
    let kind = field.of("address", |field| address(spec, field));
    field.of("ports", |field| {
        if kind == Some(Kind::Unix) && !spec.ports.is_empty() {
            field.invalid("a Unix socket has no ports", "remove them");
        }
        for (name, port) in &spec.ports {
            if !is_label(name) {
                let message = format!("`{name}` is no port's name");
                field.invalid(message, "use letters, digits, `-`");
            }
            field.of(name, |field| primitive::port(*port, field));
        }
    });
    primitive::labels(&spec.labels, "labels", field);
    kind
}

/// Whether an endpoint fits how its service is resolved, and its ports are the service's.
pub(super) fn fits(
    (spec, kind): (&WorkloadEntrySpec, Option<Kind>),
    resolution: Resolution,
    ports: &[&str],
    field: &mut Field<'_>,
) {
    if resolution == Resolution::Static && kind == Some(Kind::Name) {
        field.of("address", |field| {
            field.invalid(
                format!("`{}` is a name, and names are not resolved for STATIC", spec.address),
                "give an IP address, or `resolution: DNS`",
            );
        });
    }
    if resolution == Resolution::Dns && kind == Some(Kind::Unix) {
        field.of("address", |field| {
            field.invalid("a Unix socket is no name", "use `resolution: STATIC` for sockets");
        });
    }
    for name in spec.ports.keys().filter(|name| !ports.contains(&name.as_str())) {
        field.of("ports", |field| {
            field.invalid(
                format!("the service has no port named `{name}`"),
                "name one of `spec.ports`",
            );
        });
    }
}

fn address(spec: &WorkloadEntrySpec, field: &mut Field<'_>) -> Option<Kind> {
    let address = spec.address.as_str();
    if let Some(path) = address.strip_prefix("unix://") {
        if !is_unix_path(path) {
            field.invalid(
                format!("`{path}` is neither an absolute path nor an abstract socket"),
                "write `unix:///path/of/socket` or `unix://@name`",
            );
        }
        return Some(Kind::Unix);
    }
    if address.is_empty() {
        if spec.network.as_deref().unwrap_or_default().is_empty() {
            field.invalid("it is missing", "give an IP address, a name, or the network it is in");
        }
        return Some(Kind::Absent);
    }
    if is_ip(address) {
        return Some(Kind::Ip);
    }
    if !is_fqdn(address) {
        let message = format!("`{address}` is neither an IP address nor a name");
        field.invalid(message, "correct it; a port belongs into `ports`");
        return None;
    }
    Some(Kind::Name)
}

#[cfg(test)]
mod tests {
    use super::super::unit;

    #[test]
    fn an_endpoint_is_somewhere() {
        unit::table(
            "WorkloadEntry",
            &[
                ("{address: 1.2.3.4, ports: {http: 1}, labels: {app: a}, weight: 2}", ""),
                ("{network: net}", ""),
                ("{address: 'unix://@foo'}", ""),
                ("{address: 'unix:///foo/bar'}", ""),
                ("{address: example.com}", ""),
                ("{}", "spec.address: it is missing"),
                ("{address: 'a.com:80'}", "spec.address: `a.com:80`"),
                ("{address: 'unix:///dir/'}", "spec.address: `/dir/`"),
                ("{address: 'unix://relative'}", "spec.address: `relative`"),
                ("{address: 'unix://@foo', ports: {http: 80}}", "spec.ports: a Unix socket"),
                ("{address: 1.1.1.1, ports: {http: 99999}}", "spec.ports.http: 99999"),
                ("{address: 1.1.1.1, ports: {'@': 80}}", "spec.ports: `@`"),
                ("{address: 1.1.1.1, labels: {a: '*'}}", "spec.labels: `*` of `a`"),
            ],
        );
    }
}
