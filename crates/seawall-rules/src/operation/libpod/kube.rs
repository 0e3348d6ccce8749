//! Kubernetes YAML, systemd units and quadlets.

use super::super::Operation::*;
use super::super::route::{BodyKind, Class, QueryKey, Route, delete, get, key, post, repeated};

/// What says how Kubernetes YAML is run, at the path of today and at that of before.
const PLAY: &[QueryKey] = &[
    key("annotations"),
    key("build"),
    key("logDriver"),
    repeated("logOptions"),
    repeated("network"),
    key("noHosts"),
    key("noTrunc"),
    key("publishAllPorts"),
    repeated("publishPorts"),
    key("replace"),
    key("serviceContainer"),
    key("start"),
    repeated("staticIPs"),
    repeated("staticMACs"),
    key("tlsVerify"),
    key("userns"),
    key("wait"),
];

pub(in crate::operation) const ROWS: &[Route] = &[
    get(
        GenerateKubeLibpod,
        "/libpod/generate/kube",
        Class::Host,
        "write containers as Kubernetes YAML",
    )
    .query(&[
        repeated("names"),
        key("noTrunc"),
        key("podmanOnly"),
        key("replicas"),
        key("service"),
        key("type"),
    ]),
    get(
        GenerateSystemdLibpod,
        "/libpod/generate/{name...}/systemd",
        Class::Host,
        "write systemd units of containers",
    )
    .query(&[
        repeated("additionalEnvVariables"),
        repeated("after"),
        key("containerPrefix"),
        key("new"),
        key("noHeader"),
        key("podPrefix"),
        repeated("requires"),
        key("restartPolicy"),
        key("restartSec"),
        key("separator"),
        key("startTimeout"),
        key("stopTimeout"),
        key("templateUnitFile"),
        key("useName"),
        repeated("wants"),
    ]),
    post(KubeApplyLibpod, "/libpod/kube/apply", Class::Host, "apply Kubernetes YAML to a cluster")
        .body(BodyKind::Stream)
        .streams()
        .query(&[
            key("caCertFile"),
            key("file"),
            key("kubeConfig"),
            key("namespace"),
            key("service"),
        ]),
    get(
        KubeGenerateLibpod,
        "/libpod/kube/generate",
        Class::Host,
        "write containers as Kubernetes YAML",
    )
    .query(&[
        repeated("names"),
        key("noTrunc"),
        key("podmanOnly"),
        key("replicas"),
        key("service"),
        key("type"),
    ]),
    delete(
        KubePlayDownLibpod,
        "/libpod/kube/play",
        Class::Host,
        "remove what Kubernetes YAML says",
    )
    .streams()
    .query(&[key("force")]),
    post(KubePlayLibpod, "/libpod/kube/play", Class::Host, "run what Kubernetes YAML says")
        .body(BodyKind::Stream)
        .streams()
        .query(PLAY),
    delete(
        PlayKubeDownLibpod,
        "/libpod/play/kube",
        Class::Host,
        "remove what Kubernetes YAML says",
    )
    .streams()
    .query(&[key("force")]),
    post(PlayKubeLibpod, "/libpod/play/kube", Class::Host, "run what Kubernetes YAML says")
        .body(BodyKind::Stream)
        .streams()
        .query(PLAY),
    delete(QuadletDeleteAllLibpod, "/libpod/quadlets", Class::Host, "remove quadlets").query(&[
        key("all"),
        key("force"),
        key("ignore"),
        repeated("quadlets"),
        key("reload-systemd"),
    ]),
    post(QuadletInstallLibpod, "/libpod/quadlets", Class::Host, "install quadlets")
        .body(BodyKind::Stream)
        .query(&[key("reload-systemd"), key("replace")]),
    get(QuadletListLibpod, "/libpod/quadlets/json", Class::Host, "list quadlets")
        .query(&[key("filters")]),
    delete(QuadletDeleteLibpod, "/libpod/quadlets/{name}", Class::Host, "remove a quadlet")
        .query(&[key("force"), key("ignore"), key("reload-systemd")]),
    get(
        QuadletExistsLibpod,
        "/libpod/quadlets/{name}/exists",
        Class::Host,
        "ask whether a quadlet exists",
    ),
    get(QuadletFileLibpod, "/libpod/quadlets/{name}/file", Class::Host, "read a quadlet's file"),
];
