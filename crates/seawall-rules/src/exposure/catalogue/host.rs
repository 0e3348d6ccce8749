//! The files around an engine.

super::checks! {
    NO_AUDITD {
        "HOST-002", Host, Low,
        "auditd does not watch the engine's files",
        why: "Changes to the engine's configuration and use of its socket leave no trace.",
        remedy: "printf '%s\\n' '-w /usr/bin/dockerd -k docker' '-w /etc/docker -k docker' \
                 '-w /run/docker.sock -k docker' | sudo tee /etc/audit/rules.d/docker.rules\n\
                 sudo augenrules --load",
        cis: ["1.1.3", "1.1.4", "1.1.5", "1.1.6", "1.1.7", "1.1.8", "1.1.9", "1.1.10", "1.1.11",
              "1.1.12", "1.1.13", "1.1.14", "1.1.15", "1.1.16", "1.1.17", "1.1.18"],
        reference: "https://docs.docker.com/engine/security/",
    }
    FILE_WRITABLE {
        "HOST-003", Host, High,
        "others can change the engine's configuration or program",
        why: "Who writes the engine's units, daemon.json or defaults decides what root starts.",
        remedy: "sudo chown root:root {path} && sudo chmod go-w {path}",
        cis: ["3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.17", "3.18", "3.19", "3.20", "3.21",
              "3.22"],
        reference: "https://docs.docker.com/engine/security/",
    }
    UNREADABLE_CONFIG {
        "HOST-004", Host, Medium,
        "a configuration file does not say what its author thinks",
        why: "The engine does not start with a file it cannot read, or reads it otherwise than it \
              looks; what it holds was not judged.",
        remedy: "correct {place}; `dockerd --validate --config-file FILE` says whether the engine \
                 reads it",
        cis: [], reference: "https://docs.docker.com/engine/daemon/",
    }
}
