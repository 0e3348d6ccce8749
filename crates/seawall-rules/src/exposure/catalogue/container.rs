//! Containers that are as good as root on the host.

super::checks! {
    HOLDS_SOCKET {
        "CTR-001", Host, High,
        "a container holds the engine's socket",
        why: "Whoever takes the container over is root on the host. `:ro` does not help: it is the \
              file that cannot be replaced, not the API that cannot be used.",
        remedy: "give the container `{container}` an identity at the gate with the role it needs, and take \
                 `{mount}` away",
        cis: ["5.32"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    PRIVILEGED {
        "CTR-002", Host, High,
        "a container is as good as root on the host",
        why: "Privileged mode, the host's namespaces and the capabilities to administer it take \
              down the walls a container has.",
        remedy: "start the container `{container}` without `{option}`",
        cis: ["5.4", "5.5", "5.10", "5.16"],
        reference: "https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities",
    }
    PUBLISHED_AGENT {
        "CTR-003", Host, High,
        "a management agent is published to the network",
        why: "Agents of Portainer, socket proxies and the like do to the engine what they are \
              told; what stands between them and root is a password of theirs or nothing.",
        remedy: "publish it to one address that needs it, or not at all: {published}",
        cis: ["5.14"], reference: "https://docs.docker.com/engine/network/port-publishing/",
    }
    LOOPBACK_PUBLISHED {
        "CTR-004", Host, Low,
        "a port published on loopback is open to neighbours",
        why: "Before release 28 the engine forwards packets for 127.0.0.1 that a host on the same \
              network sends here: a route on the neighbour's side is all it takes.",
        remedy: "upgrade the engine to release 28 or later, or until then:\n\
                 sudo iptables -t raw -I PREROUTING ! -i lo -d 127.0.0.0/8 -j DROP",
        cis: ["5.14"], reference: "https://github.com/moby/moby/issues/45610",
    }
    PUBLISHED_EVERYWHERE {
        "CTR-005", Host, Low,
        "a container's port is published on every address",
        why: "Published ports pass by ufw and firewalld: the engine's own rules come first.",
        remedy: "name the address: {published}",
        cis: ["5.9", "5.14"], reference: "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    }
}
