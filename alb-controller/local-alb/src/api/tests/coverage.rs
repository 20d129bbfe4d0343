//! That no operation is left out of the tests with a client that is not ours.

use crate::api::TABLES;

#[test]
fn every_operation_is_called_by_the_conformance_script() {
    // Python's client writes `DescribeSSLPolicies` as `describe_ssl_policies`.
    let script = include_str!("../../../tests/it/conformance.py").replace('_', "").to_lowercase();
    for (name, _) in TABLES.iter().copied().flatten() {
        assert!(script.contains(&name.to_lowercase()), "{name} is never called");
    }
}
