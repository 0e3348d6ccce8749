//! Certificates and keys, and what of them lies where.

super::checks! {
    WEAK_KEY {
        "TLS-006", Host, High,
        "a certificate has a weak key or signature",
        why: "RSA below 2048 bits, curves below P-256, DSA, and signatures with SHA-1 or MD5 can \
              be broken or forged.",
        remedy: "make a new key and certificate for {path} (P-256 or Ed25519, SHA-256)",
        cis: [], reference: "https://csrc.nist.gov/pubs/sp/800/131/a/r2/final",
    }
    VALIDITY {
        "TLS-007", Host, High,
        "a certificate has expired, is about to, or is not valid yet",
        why: "Clients are locked out, and people in a hurry turn verification off. The engine \
              starts with an expired certificate without a word.",
        remedy: "renew {path}; dockerd reads it at its next restart",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    NO_NAMES {
        "TLS-008", Host, Medium,
        "the server's certificate names no host in subjectAltName",
        why: "Clients do not look at the common name any more; who cannot verify the name turns \
              verification off.",
        remedy: "make {path} anew with subjectAltName = DNS:NAME, IP:ADDRESS for all that clients \
                 write",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc9525",
    }
    SERVER_USAGE {
        "TLS-009", Host, High,
        "the server's certificate is good as a client's too",
        why: "Without an extended key usage of serverAuth alone, whoever gets one engine's key is \
              root on every engine that trusts the same CA.",
        remedy: "make {path} anew with extendedKeyUsage = serverAuth",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    CLIENT_USAGE {
        "TLS-010", Host, Medium,
        "a client's certificate is good as a server's, or lives too long",
        why: "dockerd cannot revoke: a lost laptop's certificate works until it ends, and one with \
              serverAuth can also stand in for the engine.",
        remedy: "give each person a short-lived certificate of their own instead of {path}:\n\
                 sudo seawall identity add NAME --role operator --invite",
        cis: [], reference: "https://github.com/moby/moby/issues/27778",
    }
    NO_REVOCATION {
        "TLS-011", Host, Info,
        "the engine cannot revoke a client's certificate",
        why: "dockerd reads no CRL and asks no OCSP responder: after a lost laptop the CA, and \
              every client's certificate with it, has to be made anew.",
        remedy: "let people and machines in by Seawall, where revoking is one command:\n\
                 sudo seawall up\n\
                 sudo seawall revoke NAME",
        cis: [], reference: "https://github.com/moby/moby/issues/27778",
    }
    CA_CONSTRAINTS {
        "TLS-012", Host, Medium,
        "the CA's certificate does not say what it is for",
        why: "Without CA:TRUE, keyCertSign and a path length of 0, what it signed may sign on, and \
              the CA's own pair logs in as a client.",
        remedy: "make a CA with basicConstraints = critical, CA:TRUE, pathlen:0 and keyUsage = \
                 critical, keyCertSign, cRLSign in place of {path}",
        cis: [], reference: "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.9",
    }
    CA_KEY_HERE {
        "KEY-001", Host, High,
        "the private key of the CA lies on this host",
        why: "Who takes this host makes himself certificates for every engine that trusts the CA.",
        remedy: "keep it where nothing else runs, and destroy this copy:\n\
                 gpg --symmetric {path}   # move the result off this host\n\
                 sudo shred -u {path}",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    SERVER_KEY_MODE {
        "KEY-002", Host, High,
        "others can read the server's private key",
        why: "With it they stand in for the engine, and read what clients send.",
        remedy: "sudo chown root:root {path} && sudo chmod 0400 {path}",
        cis: ["3.13", "3.14"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    CERTIFICATE_WRITABLE {
        "KEY-003", Host, High,
        "others can replace a certificate that is trusted",
        why: "Who writes the CA's file decides who is let in as root.",
        remedy: "sudo chown root:root {path} && sudo chmod 0444 {path}",
        cis: ["3.9", "3.10", "3.11", "3.12"],
        reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    CLIENT_KEY_MODE {
        "KEY-004", Host, High,
        "others can read a client's private key",
        why: "A client's key is root on the engine that trusts it.",
        remedy: "chmod 0600 {path}",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    SHARED_KEY {
        "KEY-005", Host, High,
        "one key pair serves as server and as client",
        why: "Whoever takes the engine's key is a client at once, and a client can stand in for \
              the engine.",
        remedy: "make {path} a pair of its own",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    KEY_FOLDER {
        "KEY-006", Host, Medium,
        "others can write to a folder of keys",
        why: "Who may write to the folder can put other keys and certificates into it.",
        remedy: "sudo chmod go-w {path}",
        cis: ["3.7", "3.8"], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
}
