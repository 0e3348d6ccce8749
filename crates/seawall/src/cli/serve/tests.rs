use clap::Parser;

use super::*;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    args: Args,
}

struct Case {
    dir: tempfile::TempDir,
    environment: Environment,
    file: File,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for file in ["ca.pem", "cert.pem", "key.pem", "server-cert.pem", "crl.pem"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let environment =
            Environment { docker_cert_path: Some(dir.path().into()), ..Environment::default() };
        Self { dir, environment, file: File::Absent }
    }

    /// What this command line serves, or why not; `D` stands for the folder of certificates.
    fn outcome(&self, line: &str) -> String {
        let dir = self.dir.path().to_str().unwrap();
        let words = line.split(' ').map(|word| word.replace("D/", &format!("{dir}/")));
        let args = std::iter::once("serve".to_owned()).chain(words.filter(|w| !w.is_empty()));
        let args = CommandLine::try_parse_from(args).unwrap().args;
        let context = Context {
            config_file: super::super::default_config_file().unwrap(),
            state_dir: "/state".into(),
            json: false,
        };
        let outcome = overrides(args, &self.environment, self.file)
            .and_then(|overrides| config::interpret("", &context, &overrides));
        let told = match outcome {
            Ok(config) => {
                let outside = config.tls.outside.map(|outside| {
                    let OutsideTls { ca, cert, key, crl, default_role } = outside;
                    let paths = [Some(ca), Some(cert), Some(key), crl].into_iter().flatten();
                    let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
                    format!("{} {default_role:?}", paths.join(" "))
                });
                let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
                format!("{} {} {outside:?}", listen.join(" "), config.upstream)
            }
            Err(error) => {
                assert_eq!(error.exit_code(), 2);
                error.to_string()
            }
        };
        told.replace(dir, "D")
    }
}

use crate::config::OutsideTls;

#[test]
fn what_dockerd_serves_with_verification_is_served() {
    let case = Case::new();
    let cases = [
        "--tlsverify",
        "--tlsverify -H tcp://0.0.0.0:2376 -H fd://",
        "--tlsverify=true --tls --tlscert D/server-cert.pem -H tcp://0.0.0.0:2375",
        "--tlsverify --tlscacert=D/ca.pem --tlscert=D/server-cert.pem --tlskey=D/key.pem -H :2376",
        "--tlsverify --crl D/crl.pem --default-role viewer --upstream unix:///run/e.sock",
        "--tlsverify --default-role admin --unsafe-default-admin --host 127.0.0.1:1",
    ];
    let told: Vec<_> = cases.map(|line| format!("{line}\n  {}", case.outcome(line))).into();
    insta::assert_snapshot!(told.join("\n"), @r#"
        --tlsverify
          tcp://[::]:2376 unix:///var/run/docker.sock Some("D/ca.pem D/cert.pem D/key.pem None")
        --tlsverify -H tcp://0.0.0.0:2376 -H fd://
          tcp://0.0.0.0:2376 fd:// unix:///var/run/docker.sock Some("D/ca.pem D/cert.pem D/key.pem None")
        --tlsverify=true --tls --tlscert D/server-cert.pem -H tcp://0.0.0.0:2375
          tcp://0.0.0.0:2375 unix:///var/run/docker.sock Some("D/ca.pem D/server-cert.pem D/key.pem None")
        --tlsverify --tlscacert=D/ca.pem --tlscert=D/server-cert.pem --tlskey=D/key.pem -H :2376
          tcp://127.0.0.1:2376 unix:///var/run/docker.sock Some("D/ca.pem D/server-cert.pem D/key.pem None")
        --tlsverify --crl D/crl.pem --default-role viewer --upstream unix:///run/e.sock
          tcp://[::]:2376 unix:///run/e.sock Some("D/ca.pem D/cert.pem D/key.pem D/crl.pem Some(\"viewer\")")
        --tlsverify --default-role admin --unsafe-default-admin --host 127.0.0.1:1
          tcp://127.0.0.1:1 unix:///var/run/docker.sock Some("D/ca.pem D/cert.pem D/key.pem Some(\"admin\")")
        "#);
}

#[test]
fn what_would_let_in_everybody_is_refused_with_the_safe_command() {
    let case = Case::new();
    for (line, why) in [
        ("-H tcp://0.0.0.0:2375", "plain TCP"),
        ("-H tcp://127.0.0.1:2375", "plain TCP"),
        ("-H tcp://[::1]:2376", "plain TCP"),
        ("-H tcp://localhost", "plain TCP"),
        ("-H 127.0.0.1:2375", "plain TCP"),
        ("-H fd:// -H tcp://:2375", "plain TCP"),
        ("--tls=false -H tcp://:2376", "plain TCP"),
        ("--tls", "`--tls` without `--tlsverify`"),
        ("--tls -H tcp://127.0.0.1:2376", "`--tls` without `--tlsverify`"),
        ("--tls -H fd://", "`--tls` without `--tlsverify`"),
        ("--tlsverify=false", "`--tlsverify=false` lets in everybody"),
        ("--tlsverify=0 --tls -H tcp://127.0.0.1:2376", "`--tlsverify=false` lets in everybody"),
        ("--tlscacert D/ca.pem", "certificates without `--tlsverify`"),
    ] {
        let told = case.outcome(line);
        assert!(told.starts_with("error: ") && told.contains(why), "{line}: {told}");
        assert!(told.contains("hint: say `seawall serve --tlsverify "), "{line}: {told}");
        assert!(!told.contains(":2375`\nhint: without"), "{line}: {told}");
    }
    insta::assert_snapshot!(case.outcome("-H tcp://0.0.0.0:2375 --tlskey D/key.pem"), @"
        error: `-H tcp://0.0.0.0:2375` without `--tlsverify` is plain TCP: whoever reaches it is root on this host
        hint: say `seawall serve --tlsverify --tlscacert=ca.pem --tlscert=server-cert.pem --tlskey=D/key.pem -H tcp://0.0.0.0:2376`
        hint: without certificates yet, `sudo seawall up` makes them
        ");
    insta::assert_snapshot!(case.outcome("--tls --tlscacert D/ca.pem -H tcp://:2376"), @"
        error: `--tls` without `--tlsverify` encrypts, and lets in everybody who reaches the port, as root on this host
        hint: say `seawall serve --tlsverify --tlscacert=D/ca.pem --tlscert=server-cert.pem --tlskey=server-key.pem -H tcp://:2376`
        hint: without certificates yet, `sudo seawall up` makes them
        ");
    insta::assert_snapshot!(case.outcome("--tlsverify=false"), @"
        error: `--tlsverify=false` lets in everybody who reaches the port, as root on this host
        hint: say `seawall serve --tlsverify --tlscacert=ca.pem --tlscert=server-cert.pem --tlskey=server-key.pem`
        hint: without certificates yet, `sudo seawall up` makes them
        ");
}

#[test]
fn verification_is_also_what_the_environment_asks_for() {
    let mut case = Case::new();
    case.environment.docker_tls_verify = Some("1".into());
    assert!(case.outcome("-H tcp://0.0.0.0:2376").starts_with("tcp://0.0.0.0:2376"));
    assert!(case.outcome("--tlsverify=false").starts_with("error"));
}

#[test]
fn beside_a_configuration_verification_is_what_it_says_already() {
    let mut case = Case::new();
    case.file = File::Present;
    assert!(case.outcome("--tlsverify -H tcp://:2376").ends_with("None"));
    assert!(case.outcome("--tlsverify --tlscacert D/ca.pem").contains("D/ca.pem D/cert.pem"));
    assert!(case.outcome("-H fd://").starts_with("fd://"));
    insta::assert_snapshot!(case.outcome("-H tcp://127.0.0.1:2375"), @"
        error: `-H tcp://127.0.0.1:2375` without `--tlsverify` is plain TCP: whoever reaches it is root on this host, and loopback is reached by every local user, by containers on the host's network and by web pages
        hint: say `seawall serve --tlsverify -H tcp://127.0.0.1:2376`
        ");
}

#[test]
fn files_that_are_not_there_are_named_with_their_flag() {
    let mut case = Case::new();
    insta::assert_snapshot!(case.outcome("--tlsverify --tlscert D/none.pem"), @"error: --tlscert: cannot read `D/none.pem`: No such file or directory (os error 2)");
    case.environment.docker_cert_path = None;
    insta::assert_snapshot!(case.outcome("--tlsverify"), @"
        error: cannot tell where the certificates are: HOME is not set
        hint: name them with --tlscacert, --tlscert and --tlskey
        ");
}

#[test]
fn other_doors_say_what_they_need() {
    let case = Case::new();
    insta::assert_snapshot!(case.outcome("--tlsverify -H unix:///var/run/docker.sock"), @"
        error: --host: cannot use `unix:///var/run/docker.sock`: a unix socket carries no certificate, so it must name the identity whose rights everybody who can open it gets
        hint: write `unix:///var/run/docker.sock?identity=NAME`
        ");
    insta::assert_snapshot!(case.outcome("--tlsverify -H ssh://host:2222"), @"
        error: --host: cannot use `ssh://host:2222`: not an IP address
        hint: a listener is an address of this host, or all of them: `ssh://[::]:2222`; the names clients use go into `hostnames`
        ");
    insta::assert_snapshot!(case.outcome("--tlsverify --default-role admin"), @"
        error: --default-role: every certificate of that CA would be root on this host
        hint: if that is what you want, also say `unsafe_default_admin = true` in `[tls]` or `--unsafe-default-admin`
        ");
    insta::assert_snapshot!(case.outcome("--default-role viewer"), @"error: --default-role: `tls.default_role` is for certificates of an outside CA: it needs `tls.ca`");
}
