//! How an engine is configured.

super::checks! {
    FLAG_AND_FILE {
        "CFG-001", Host, Medium,
        "a directive stands both on the engine's command line and in daemon.json",
        why: "The engine refuses to start with the same directive in both places, even with the \
              same value: it is down after its next restart.",
        remedy: "keep it in one place:\n\
                 sudo systemctl edit docker.service\n\
                 [Service]\n\
                 ExecStart=\n\
                 ExecStart=/usr/bin/dockerd",
        cis: [], reference: "https://docs.docker.com/engine/daemon/troubleshoot/",
    }
    NOT_RESTARTED {
        "CFG-002", Host, Medium,
        "the running engine differs from its configuration on disk",
        why: "What is exposed changes with the next restart or reboot, when nobody is looking.",
        remedy: "look at both, and restart the engine when it suits:\n\
                 systemctl cat docker.service; cat /etc/docker/daemon.json\n\
                 sudo systemctl restart docker",
        cis: [], reference: "https://docs.docker.com/engine/daemon/",
    }
    TLS_FILES_ALONE {
        "CFG-003", Host, Critical,
        "TLS files are named, but neither `tls` nor `tlsverify` is on",
        why: "The engine ignores the files and speaks plain text; it looks protected and is not.",
        remedy: "add `--tlsverify` where the files are named ({place})",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    WIDE_CA {
        "CFG-004", Host, Critical,
        "the CA that clients are verified against is not one of your own alone",
        why: "With an empty `tlscacert` or a bundle of public CAs, anyone who can get a client \
              certificate from any of them is let in as root.",
        remedy: "name a CA that signs clients of this engine and nothing else:\n\
                 --tlscacert=/etc/docker/ca.pem",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    TLS_ENVIRONMENT {
        "CFG-005", Host, Medium,
        "the engine's TLS depends on variables of its environment",
        why: "Releases read DOCKER_TLS_VERIFY and DOCKER_CERT_PATH differently: 20.10 stays in \
              plain text where later ones ask for certificates. `0` counts as set.",
        remedy: "say it with flags, and remove {variable} from the engine's environment:\n\
                 --tlsverify --tlscacert=... --tlscert=... --tlskey=...",
        cis: ["2.7"], reference: "https://docs.docker.com/reference/cli/dockerd/",
    }
    NO_AUTHORIZATION {
        "CFG-006", Host, Medium,
        "every remote client may do everything",
        why: "The engine knows no roles: without an authorization plugin or a gate in front, \
              whoever is let in may do all that root may.",
        remedy: "give clients roles, in front of the engine:\n\
                 sudo seawall up\n\
                 sudo seawall identity add NAME --role viewer --invite",
        cis: ["2.12"], reference: "https://docs.docker.com/engine/extend/plugins_authorization/",
    }
    NO_IPTABLES {
        "CFG-007", Host, Medium,
        "the engine is told to keep its hands off the firewall",
        why: "Containers are no longer isolated from each other and from the network; it is a \
              common and wrong cure for ports that bypass ufw.",
        remedy: "remove `{key}` from {place}, and put your own rules into DOCKER-USER or a table \
                 of their own:\n\
                 sudo systemctl restart docker",
        cis: ["2.4"], reference: "https://docs.docker.com/engine/network/packet-filtering-firewalls/",
    }
    INTER_CONTAINER {
        "CFG-008", Host, Low,
        "containers on the default bridge reach each other freely",
        why: "One container that is taken over can attack all its neighbours on the default bridge.",
        remedy: "in /etc/docker/daemon.json: \"icc\": false",
        cis: ["2.2"], reference: "https://docs.docker.com/reference/cli/dockerd/",
    }
    NO_USERNS {
        "CFG-009", Host, Low,
        "root in a container is root on the host",
        why: "Without user namespaces or a rootless engine, who breaks out of a container as root \
              is root outside.",
        remedy: "in /etc/docker/daemon.json: \"userns-remap\": \"default\" (images and volumes are \
                 kept apart from those of before), or run the engine rootless",
        cis: ["2.9"], reference: "https://docs.docker.com/engine/security/userns-remap/",
    }
    ROOTLESS_PORT {
        "CFG-010", Host, High,
        "a rootless engine's API is published by rootlesskit",
        why: "The port is forwarded from outside the engine's network, and the sources of \
              connections may be rewritten on the way, so that allowlists see one address.",
        remedy: "remove `-p` from DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS in {place}, and let Seawall \
                 listen in front of $XDG_RUNTIME_DIR/docker.sock",
        cis: ["2.1"], reference: "https://docs.docker.com/engine/security/rootless/tips/",
    }
    NO_LIVE_RESTORE {
        "CFG-011", Host, Low,
        "containers stop with the engine",
        why: "New certificates and CAs need a restart of the engine; who fears for his containers \
              puts it off.",
        remedy: "in /etc/docker/daemon.json: \"live-restore\": true\n\
                 sudo systemctl reload docker",
        cis: ["2.15"], reference: "https://docs.docker.com/engine/daemon/live-restore/",
    }
    NEW_PRIVILEGES {
        "CFG-012", Host, Low,
        "processes in containers may gain privileges",
        why: "Set-uid programs in an image work as they do on a host, one step on the way out.",
        remedy: "in /etc/docker/daemon.json: \"no-new-privileges\": true",
        cis: ["2.14"], reference: "https://docs.docker.com/reference/cli/dockerd/",
    }
    INSECURE_REGISTRY {
        "CFG-013", Host, Medium,
        "images are pulled without a verified registry",
        why: "Whoever stands between this host and the registry decides what runs here.",
        remedy: "remove `{registry}` from `insecure-registries` in {place}, and put the registry's \
                 CA into /etc/docker/certs.d/{registry}/ca.crt",
        cis: ["2.5"], reference: "https://docs.docker.com/reference/cli/dockerd/",
    }
    USERLAND_PROXY {
        "CFG-014", Host, Medium,
        "the userland proxy hides who speaks to a gate in a container",
        why: "Where the engine's proxy carries a connection (IPv6 without ip6tables, and loopback) \
              it comes from the bridge's address: networks, bans and the record of a gate behind it \
              cannot tell clients apart, and an allowlist that holds the bridge holds everybody.",
        remedy: "run the container `{container}` with `network_mode: host`, or the gate as a \
                 service of the host",
        cis: ["2.16"], reference: "https://docs.docker.com/engine/network/port-publishing/",
    }
    DEBUG {
        "CFG-015", Host, Low,
        "the engine runs with debug or experimental features",
        why: "Debug serves the engine's profile over its API and writes more into its log; \
              experimental features are not held to a release's promises.",
        remedy: "remove `{key}` from {place}",
        cis: ["2.18"], reference: "https://docs.docker.com/reference/cli/dockerd/",
    }
    OLD_RELEASE {
        "CFG-016", Host, High,
        "the engine's release is out of date or has a known vulnerability",
        why: "Old lines get no fixes any more; before release 28, ports published on 127.0.0.1 are \
              open to neighbours on the same network as well.",
        remedy: "upgrade the engine and its runc: https://docs.docker.com/engine/install/",
        cis: ["1.2.2"], reference: "https://docs.docker.com/engine/release-notes/",
    }
}
