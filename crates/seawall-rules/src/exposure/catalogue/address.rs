//! What an address shows to strangers.

super::checks! {
    PLAIN_API {
        "ADR-001", Address, Critical,
        "the engine's API answers anyone, in plain text",
        why: "Whoever can send a packet to this port is root on that host: the API starts \
              containers with any of the host's files mounted. Worms look for exactly this port.",
        remedy: "on that host, put Seawall in front and take the port away from the engine:\n\
                 sudo seawall up\n\
                 sudo systemctl edit docker.service   # ExecStart= without -H tcp://\n\
                 sudo systemctl restart docker",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    OPEN_TLS {
        "ADR-002", Address, Critical,
        "the engine's API answers over TLS without asking who is there",
        why: "Encryption does not say who may come in: whoever reaches the port is root on that \
              host.",
        remedy: "have clients verified, with a CA that signs nothing else:\n\
                 dockerd --tlsverify --tlscacert=/etc/docker/ca.pem \
                 --tlscert=/etc/docker/server-cert.pem --tlskey=/etc/docker/server-key.pem\n\
                 or let Seawall do it: sudo seawall up",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    SELF_MADE_CERTIFICATE {
        "ADR-003", Address, Critical,
        "a certificate that anyone can make is let in",
        why: "Client certificates are asked for and not verified: whoever makes himself one is \
              root on that host.",
        remedy: "verify clients against a CA of your own:\n\
                 dockerd --tlsverify --tlscacert=/etc/docker/ca.pem ...\n\
                 or let Seawall do it: sudo seawall up",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    PLAIN_ON_TLS {
        "ADR-004", Address, Critical,
        "a port that speaks TLS answers the API in plain text too",
        why: "Whoever leaves out TLS, and with it his certificate, is root on that host.",
        remedy: "find what listens there, and leave only what asks for certificates:\n\
                 sudo ss -ltnp 'sport = :{port}'",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    OLD_TLS {
        "ADR-005", Address, Medium,
        "a version of TLS is spoken that is out of use",
        why: "SSL 3.0, TLS 1.0 and 1.1 rest on MD5 and SHA-1 and are deprecated (RFC 8996); Docker's \
              clients have spoken 1.2 for a decade.",
        remedy: "let the server speak TLS 1.2 and 1.3 only: dockerd does by itself, a proxy in \
                 front of it has a setting",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc8996",
    }
    WEAK_SUITES {
        "ADR-006", Address, High,
        "weak cipher suites are taken",
        why: "Somebody in the middle can steer a client to the weakest suite that both sides take.",
        remedy: "let the server take suites with ECDHE and AES-GCM or ChaCha20 only, or TLS 1.3 \
                 only as Seawall does: sudo seawall up",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc9325#section-4",
    }
    CLIENT_CAS {
        "ADR-007", Address, High,
        "clients are verified against many CAs",
        why: "Each of these CAs can let anybody in as root; with a public one among them, anybody \
              who can buy a client certificate gets in.",
        remedy: "name one CA that signs clients of this engine and nothing else:\n\
                 dockerd --tlsverify --tlscacert=/etc/docker/ca.pem ...",
        cis: ["2.7"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    WEAK_CERTIFICATE {
        "ADR-008", Address, High,
        "the server's chain has a weak key or signature",
        why: "RSA below 2048 bits, curves below P-256, DSA, and signatures with SHA-1 or MD5 can \
              be broken or forged, and with them the server.",
        remedy: "make a new key and certificate (P-256 or Ed25519, SHA-256)",
        cis: [], reference: "https://csrc.nist.gov/pubs/sp/800/131/a/r2/final",
    }
    VALIDITY {
        "ADR-009", Address, High,
        "the server's certificate has expired, is about to, or is not valid yet",
        why: "Clients are locked out, and people in a hurry turn verification off.",
        remedy: "renew it; dockerd reads a new one at its next restart, Seawall renews by itself",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    OTHER_NAME {
        "ADR-010", Address, Medium,
        "the server's certificate is not for this host",
        why: "A client that verifies cannot connect by this name, so people turn verification off, \
              and then anybody in the middle is the server.",
        remedy: "make it anew with subjectAltName = {name} among the others",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc9525",
    }
    SERVER_USAGE {
        "ADR-011", Address, High,
        "the server's certificate is good as a client's too",
        why: "Whoever gets this server's key is root on every engine that trusts the same CA.",
        remedy: "make it anew with extendedKeyUsage = serverAuth",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    OLD_ENGINE {
        "ADR-012", Address, Medium,
        "the engine's release is out of date",
        why: "Old lines get no fixes any more; before release 28, ports published on 127.0.0.1 are \
              open to neighbours on the same network as well.",
        remedy: "upgrade the engine: https://docs.docker.com/engine/install/",
        cis: ["1.2.2"], reference: "https://docs.docker.com/engine/release-notes/",
    }
    KNOWN_VULNERABILITY {
        "ADR-013", Address, High,
        "the engine's release has a known vulnerability",
        why: "How to use it is public, and the release that has it can be read from outside.",
        remedy: "upgrade the engine and its runc: https://docs.docker.com/engine/install/",
        cis: ["1.2.2"], reference: "https://docs.docker.com/engine/release-notes/",
    }
    SSH_ALGORITHMS {
        "ADR-014", Address, High,
        "the SSH server offers weak algorithms",
        why: "Somebody in the middle can steer a client to the weakest algorithm that both sides \
              take; whoever breaks a connection to the engine has root.",
        remedy: "on that host, in /etc/ssh/sshd_config.d/50-algorithms.conf:\n\
                 {option}\n\
                 sudo sshd -t && sudo systemctl reload ssh",
        cis: [], reference: "https://man.openbsd.org/sshd_config",
    }
    SSH_TERRAPIN {
        "ADR-015", Address, Medium,
        "the start of an SSH connection can be cut by somebody in the middle (Terrapin)",
        why: "Without strict key exchange, messages at the start can be dropped unseen, and with \
              them extensions that protect what follows (CVE-2023-48795).",
        remedy: "upgrade the SSH server (OpenSSH 9.6 or a distribution's fix)",
        cis: [], reference: "https://terrapin-attack.com/",
    }
    SSH_VULNERABILITY {
        "ADR-016", Address, Critical,
        "the SSH server's release has a known vulnerability",
        why: "How to use it is public, and the release that has it can be read from outside.",
        remedy: "upgrade the SSH server",
        cis: [], reference: "https://www.openssh.com/security.html",
    }
    SSH_VERSION_1 {
        "ADR-017", Address, High,
        "the SSH server speaks version 1 of the protocol",
        why: "Version 1 has no integrity worth the name and has been removed everywhere since 2017.",
        remedy: "upgrade the SSH server",
        cis: [], reference: "https://www.openssh.com/legacy.html",
    }
}
