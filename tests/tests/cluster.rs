//! The API server that other tests rely on: roles hold, and what it keeps outlives a crash.

use edgeway_tests::{Cluster, kubernetes::refusal};

const READER: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [services], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: edge}]
";

#[test]
fn roles_hold_and_objects_outlive_a_crash() {
    let Some(mut cluster) = Cluster::start() else { return };
    let reader = cluster.account("edge", "reader");
    let refused = reader.client.get("/api/v1/services").unwrap_err();
    assert_eq!(refusal(&refused).map(|status| status.code), Some(403), "{refused}");

    cluster.admin().apply(READER);
    cluster.admin().install_istio();
    edgeway_tests::wait_for("the role", || reader.client.get("/api/v1/services").ok());
    assert!(reader.client.get("/api/v1/secrets").is_err());

    cluster.kill();
    assert!(cluster.admin().get("/api/v1/services").is_err());
    cluster.restart();
    assert!(reader.client.get("/api/v1/services").is_ok());
    assert!(cluster.admin().get("/apis/networking.istio.io/v1beta1/gateways").is_ok());
}
