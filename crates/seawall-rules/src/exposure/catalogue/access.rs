//! Other ways in and out: SSH, and where this host's clients point.

super::checks! {
    SSH_KEY_UNRESTRICTED {
        "SSH-001", Host, Medium,
        "an SSH key gives a shell where only the engine's API is meant",
        why: "A key of a user who may open the socket is a shell, every file and root, though its \
              holder only needs `docker`.",
        remedy: "put this before the key in {path}:\n\
                 command=\"docker system dial-stdio\",restrict",
        cis: [], reference: "https://man.openbsd.org/sshd.8#AUTHORIZED_KEYS_FILE_FORMAT",
    }
    SSH_FORWARDING {
        "SSH-002", Host, High,
        "an SSH key with a forced command may still forward to the socket",
        why: "Without `restrict` a key's holder forwards the engine's socket (`ssh -L`) past the \
              command he is held to.",
        remedy: "add `restrict` to the options of the key in {path}",
        cis: [], reference: "https://man.openbsd.org/sshd.8#AUTHORIZED_KEYS_FILE_FORMAT",
    }
    SSHD_SETTINGS {
        "SSH-003", Host, High,
        "sshd lets in by password, or root without a key",
        why: "SSH is a way to the engine's socket: a guessed password of such a user is root.",
        remedy: "in /etc/ssh/sshd_config.d/10-docker.conf: {setting}\n\
                 sudo sshd -t && sudo systemctl reload ssh",
        cis: [], reference: "https://man.openbsd.org/sshd_config",
    }
    SSH_USER_CA {
        "SSH-004", Host, Info,
        "sshd lets in certificates of a CA",
        why: "Whoever holds that CA's key can become a user who may open the engine's socket.",
        remedy: "review who signs with {path}, and hold it to principals: AuthorizedPrincipalsFile",
        cis: [], reference: "https://man.openbsd.org/sshd_config#TrustedUserCAKeys",
    }
    PLAIN_DOCKER_HOST {
        "CTX-001", Host, High,
        "DOCKER_HOST points to an engine without TLS",
        why: "What is sent there, secrets of builds and containers included, can be read and \
              changed on the way, and the engine there is open to everyone.",
        remedy: "use a context over TLS or SSH instead of the variable in {place}:\n\
                 docker context create NAME --docker host=ssh://USER@HOST",
        cis: [], reference: "https://docs.docker.com/engine/security/protect-access/",
    }
    PLAIN_CONTEXT {
        "CTX-002", Host, High,
        "a docker context points to an engine without TLS",
        why: "What is sent there can be read and changed on the way, and the engine there is open \
              to everyone.",
        remedy: "make it anew with certificates, or over SSH:\n\
                 docker context rm {context}\n\
                 docker context create {context} --docker host=ssh://USER@HOST",
        cis: [], reference: "https://docs.docker.com/engine/manage-resources/contexts/",
    }
    SKIP_VERIFY {
        "CTX-003", Host, High,
        "a client does not verify the engine it speaks to",
        why: "Whoever stands in between is the engine: he sees what is sent, and answers.",
        remedy: "turn verification on again ({place}): {fix}",
        cis: [], reference: "https://docs.docker.com/engine/manage-resources/contexts/",
    }
    REMOTE_CURRENT {
        "CTX-004", Host, Info,
        "the current docker context is another host's",
        why: "A command meant for this host is carried out on that one.",
        remedy: "docker context use default",
        cis: [], reference: "https://docs.docker.com/engine/manage-resources/contexts/",
    }
    PLAIN_TOOL {
        "CTX-005", Host, Medium,
        "a tool's connection points to an engine without TLS",
        why: "What it sends can be read and changed on the way, and the engine there is open to \
              everyone.",
        remedy: "change {place} to ssh:// or to TLS",
        cis: [], reference: "https://docs.podman.io/en/latest/markdown/podman-system-connection.1.html",
    }
}
