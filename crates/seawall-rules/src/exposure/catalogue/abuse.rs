//! What those leave behind who found the engine open.

super::checks! {
    SIGNS_OF_ABUSE {
        "IOC-001", Host, High,
        "something here looks as if the engine had been abused",
        why: "Who finds an open engine starts a container with the host's file system in it, and \
              from there writes cron jobs and keys, or mines. What is found here may be your own; \
              if it is not, the host is no longer yours.",
        remedy: "take the host off the network, keep a copy, and build it anew; until then look \
                 at `{place}`",
        cis: [], reference: "https://attack.mitre.org/techniques/T1610/",
    }
}
