//! The Unix sockets of engines, and who may open them.

super::checks! {
    SOCKET_MODE {
        "SOCK-001", Host, Critical,
        "everyone on the host may open the engine's socket",
        why: "Whoever can write to the socket is root on this host.",
        remedy: "sudo chmod 0660 {path}",
        cis: ["3.16"], reference: "https://docs.docker.com/engine/install/linux-postinstall/",
    }
    SOCKET_OWNER {
        "SOCK-002", Host, High,
        "the engine's socket belongs to somebody other than root",
        why: "Its owner can open it, and give it to whom he likes.",
        remedy: "sudo chown root:docker {path}",
        cis: ["3.15"], reference: "https://docs.docker.com/engine/install/linux-postinstall/",
    }
    SOCKET_FOLDER {
        "SOCK-003", Host, High,
        "others can replace the engine's socket",
        why: "Who may write to the socket's folder can put a socket of his own in its place, and \
              reads and answers what clients send there.",
        remedy: "sudo chown root:root {path} && sudo chmod go-w {path}",
        cis: ["3.15"], reference: "https://docs.docker.com/engine/security/",
    }
    SOCKET_GROUP {
        "SOCK-004", Host, High,
        "users are root without a password by the socket's group",
        why: "Every member of the socket's group starts containers with the host's files mounted, \
              which is root, and leaves no record.",
        remedy: "give people identities at the gate, and take them out of the group:\n\
                 sudo seawall identity add {user} --role operator --invite\n\
                 sudo gpasswd -d {user} {group}",
        cis: ["1.1.2"], reference: "https://docs.docker.com/engine/security/#docker-daemon-attack-surface",
    }
    RUNTIME_SOCKET {
        "SOCK-005", Host, Critical,
        "the socket of containerd, BuildKit, CRI-O or podman is open to others than root",
        why: "The runtime beneath the engine gives the same power, with none of its checks.",
        remedy: "sudo chown root:root {path} && sudo chmod 0660 {path}",
        cis: ["3.23", "3.24"], reference: "https://github.com/containerd/containerd/blob/main/docs/ops.md",
    }
    SOCKET_ACL {
        "SOCK-006", Host, High,
        "an access control list opens the engine's socket to more than its mode shows",
        why: "The mode's bits do not tell who else is named in the list.",
        remedy: "see who is in it, and remove it:\n\
                 getfacl {path}\n\
                 sudo setfacl -b {path}",
        cis: [], reference: "https://man7.org/linux/man-pages/man5/acl.5.html",
    }
}
