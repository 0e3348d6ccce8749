//! Seawall's own configuration.

super::checks! {
    GATE_CONFIG {
        "GATE-001", Host, High,
        "Seawall's configuration is not valid, or others may change it",
        why: "The gate does not start with it, or lets in whom somebody else writes into it.",
        remedy: "correct {place}: {fix}",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    GATE_EVERYONE {
        "GATE-002", Host, Low,
        "the gate takes connections from every network",
        why: "Clients still need a certificate; an allowlist keeps everybody else from trying.",
        remedy: "in {place}: network.allow = [\"10.0.0.0/24\"], with your own networks",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    GATE_STATE {
        "GATE-003", Host, High,
        "others can read or change Seawall's keys and identities",
        why: "Who reads the state folder can sign himself an identity; who writes it, decides who \
              enters.",
        remedy: "sudo chown -R root:root {path} && sudo chmod -R go= {path}",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    GATE_AUDIT {
        "GATE-004", Host, Medium,
        "the gate serves on when it cannot record",
        why: "Who fills the disk acts without a trace.",
        remedy: "in {place}: audit.on_failure = \"deny\"",
        cis: [], reference: "https://docs.docker.com/engine/security/",
    }
    GATE_CA_KEY {
        "GATE-005", Host, Info,
        "the gate's CA key lies on this host",
        why: "It is what makes invitations and renewals work by themselves, and readable by root \
              alone; whoever takes this host can sign with it.",
        remedy: "take it offline where you can do without renewals by themselves:\n\
                 sudo seawall ca export-key --out FILE   # and back with: seawall ca import --key FILE",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    GATE_BESIDE {
        "GATE-006", Host, High,
        "the engine can be reached past the gate",
        why: "What comes in beside the gate meets no roles, no revocation and no record.",
        remedy: "leave the engine its Unix socket alone:\n\
                 sudo systemctl edit docker.service   # ExecStart= without -H tcp://\n\
                 sudo systemctl restart docker",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
}
